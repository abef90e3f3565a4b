"""Recordings pause and go on: nothing of what is said meanwhile is kept anywhere."""

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace
from typing import TypeVar

import structlog

from onrecord.calls.commands import CommandResult, RecordPause, RecordResume
from onrecord.calls.records import Recording
from onrecord.calls.states import RecordingInput, recording_after
from onrecord.core.errors import OnrecordError
from onrecord.core.ids import RecordingId
from onrecord.service.edges import Edges, leg_told
from onrecord.service.ports import Unit
from onrecord.service.recording import Recorder
from onrecord.service.registry import LiveLeg
from onrecord.wire import errors

_log = structlog.get_logger()

T = TypeVar("T")

Verb = Callable[[RecordingId], Awaitable[int]]


@dataclass(frozen=True, slots=True)
class _Move:
    """One of the two commands: what it does to the media side, and how that is undone."""

    name: str
    what: RecordingInput
    do: Verb
    undo: Verb


class Pausing:
    """Every method is called by the holder of the leg's turn."""

    def __init__(self, edges: Edges, recorder: Recorder) -> None:
        self._edges = edges
        self._recorder = recorder
        media = edges.media
        pause, resume = media.pause_recording, media.resume_recording
        self._pause = _Move("record_pause", RecordingInput.PAUSE, pause, resume)
        self._resume = _Move("record_resume", RecordingInput.RESUME, resume, pause)

    async def pause(self, live: LiveLeg, command: RecordPause) -> CommandResult:
        """Pause one recording, or all of the leg that run.

        Raises:
            CallerError: there is no such recording, or none that runs.
        """
        moved = self._wanted(live, command.recording_id, self._pause)
        ends = await self._move(live, moved, self._pause, command)
        for recording, at_ns in zip(moved, ends, strict=True):
            live.cancel_timer(recording.id)
            if recording.id in live.lengths:
                live.lengths[recording.id] = live.lengths[recording.id].after(at_ns)
            _log.info("recording_paused", leg=live.leg.id, recording=recording.id)
        return CommandResult(live.leg.call_control_id)

    async def resume(self, live: LiveLeg, command: RecordResume) -> CommandResult:
        """Go on with one recording, or with all of the leg that pause.

        Raises:
            CallerError: there is no such recording, or none that pauses.
        """
        moved = self._wanted(live, command.recording_id, self._resume)
        begins = await self._move(live, moved, self._resume, command)
        for recording, at_ns in zip(moved, begins, strict=True):
            if recording.id in live.lengths:
                live.lengths[recording.id] = replace(live.lengths[recording.id], since_ns=at_ns)
            self._recorder.bound(live, recording.id)
            _log.info("recording_resumed", leg=live.leg.id, recording=recording.id)
        return CommandResult(live.leg.call_control_id)

    def _wanted(
        self, live: LiveLeg, recording_id: RecordingId | None, move: _Move
    ) -> list[Recording]:
        """The recordings as they will be."""
        if recording_id is not None and recording_id not in live.recordings:
            raise errors.not_found("recording", "/recording_id")
        if not live.recordings:
            raise errors.not_recording()
        asked = [live.recordings[recording_id]] if recording_id else live.recordings.values()
        now = self._edges.clock.utc_ns()
        moved = [
            replace(recording, state=state, updated_ns=now)
            for recording in asked
            if (state := recording_after(recording.state, move.what)) is not None
        ]
        if not moved:
            paused = move.what is RecordingInput.PAUSE
            raise errors.recording_paused() if paused else errors.recording_not_paused()
        return moved

    async def _move(
        self,
        live: LiveLeg,
        moved: list[Recording],
        move: _Move,
        command: RecordPause | RecordResume,
    ) -> list[int]:
        """Media, spools and rows; monotonic times. If one fails, all is as it was."""
        leg = leg_told(live.leg, command)

        def work(unit: Unit) -> None:
            self._edges.note(unit, move.name, leg, command.command_id)
            for recording in moved:
                unit.save_recording(recording)
            if leg != live.leg:
                unit.save_leg(leg)

        ids = [recording.id for recording in moved]
        try:
            times = await _all([move.do(recording_id) for recording_id in ids])
            await _all([asyncio.to_thread(self._edges.spools.sync, i) for i in ids])
            await self._edges.store.write(work)
        except BaseException:
            await self._undo(ids, move.undo)
            raise
        live.leg = leg
        live.recordings.update({recording.id: recording for recording in moved})
        return times

    async def _undo(self, ids: Iterable[RecordingId], undo: Verb) -> None:
        for recording_id in ids:
            try:
                await undo(recording_id)
            except (OnrecordError, OSError) as error:
                _log.warning("pause_not_undone", recording=recording_id, error=str(error))


async def _all(works: Iterable[Awaitable[T]]) -> list[T]:
    """Every work to its end, then what the first of those that failed raised."""
    done = await asyncio.gather(*works, return_exceptions=True)
    for one in done:
        if isinstance(one, BaseException):
            raise one
    return [one for one in done if not isinstance(one, BaseException)]
