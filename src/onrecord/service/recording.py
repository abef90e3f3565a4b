"""Recordings while they are captured: begin, stop, and what a leg's end leaves of them.

A recording is answered for only when its spool and its row are both durable. Capture begins before that,
so that no audio is lost to the disk's leisure.
"""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import replace

import structlog

from onrecord.calls.commands import CommandResult, RecordStart, RecordStop
from onrecord.calls.media import Beep
from onrecord.calls.records import (
    LegState,
    Recording,
    RecordingParams,
    RecordingState,
    StopReason,
)
from onrecord.calls.states import RecordingInput, recording_after
from onrecord.core.errors import OnrecordError
from onrecord.core.ids import RecordingId, new_uuid
from onrecord.core.units import NS_PER_S
from onrecord.metrics import RECORDINGS_LIVE
from onrecord.service.edges import Edges, leg_told
from onrecord.service.ports import Unit
from onrecord.service.registry import LengthLeft, LiveLeg, PlannedRecording
from onrecord.spool.header import SpoolHeader
from onrecord.wire import errors

BY_COMMAND = "StartCallRecordingAPI"
BY_CALL = "OutboundAPI"
"""``initiated_by`` of a recording that dial, answer or bridge asked for."""

TOLD_SECS = 15.0
"""How long the job of a recording waits: the worker is told, and needs the job only if it dies."""

_log = structlog.get_logger()


class Recorder:
    """Every method is called by the holder of the leg's turn."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges

    async def start(self, live: LiveLeg, command: RecordStart) -> CommandResult:
        """Start one more recording of the leg.

        Raises:
            CallerError: the leg is not answered, or has no audio yet.
            OSError: the spool could not be made durable; nothing is left of it.
        """
        if live.leg.state is LegState.RINGING:
            raise errors.call_not_answered()
        if live.media is None:
            raise errors.recording_before_audio()
        self._check_transcription(command.params)
        leg = leg_told(live.leg, command)
        begun = await self.begin(
            live, PlannedRecording(new_recording_id(), command.params), BY_COMMAND
        )

        def work(unit: Unit) -> None:
            self._edges.note(unit, "record_start", leg, command.command_id)
            unit.add_recording(begun)
            if leg != live.leg:
                unit.save_leg(leg)

        await self.make_durable(begun, work)
        live.leg = leg
        self.enter(live, begun)
        return CommandResult(leg.call_control_id, begun.id)

    def _check_transcription(self, params: RecordingParams) -> None:
        """Before anything is recorded: a transcription that cannot come is refused.

        Raises:
            CallerError: no engine of this server can do it.
        """
        if not params.transcription:
            return
        reason = self._edges.transcription_refusal(params)
        if reason is not None:
            raise errors.unprocessable(reason, "/transcription_engine")

    async def stop(self, live: LiveLeg, command: RecordStop) -> CommandResult:
        """Stop one recording, or all of the leg.

        Raises:
            CallerError: there is no such recording, or none at all.
        """
        if command.recording_id is not None and command.recording_id not in live.recordings:
            raise errors.not_found("recording", "/recording_id")
        if not live.recordings:
            raise errors.not_recording()
        wanted = [command.recording_id] if command.recording_id else list(live.recordings)
        leg = leg_told(live.leg, command)

        def also(unit: Unit) -> None:
            self._edges.note(unit, "record_stop", leg, command.command_id)
            if leg != live.leg:
                unit.save_leg(leg)

        await self._end(live, wanted, StopReason.COMMAND, also)
        live.leg = leg
        return CommandResult(leg.call_control_id)

    async def begin(self, live: LiveLeg, planned: PlannedRecording, initiated_by: str) -> Recording:
        """Make the spool and begin to capture; nothing is durable yet.

        Raises:
            OSError: the spool could not be made, or the media process does not answer.
        """
        edges, leg = self._edges, live.leg
        header = _spool_header(live, planned, edges)
        path = edges.spools.create(header)
        try:
            beep = await self._beep(live, planned)
            started_ns = edges.utc_of(await edges.media.start_recording(header, path, beep))
        except BaseException:
            edges.spools.remove(planned.id)
            raise
        return Recording(
            id=planned.id,
            leg_id=leg.id,
            session_id=leg.session_id,
            call_control_id=leg.call_control_id,
            application_id=leg.application_id,
            node=leg.node,
            state=RecordingState.RECORDING,
            params=planned.params,
            initiated_by=initiated_by,
            from_=leg.from_,
            to=leg.to,
            sip_call_id=leg.sip_call_id,
            started_ns=started_ns,
            created_ns=header.started_utc_ns,
            updated_ns=header.started_utc_ns,
        )

    async def _beep(self, live: LiveLeg, planned: PlannedRecording) -> Beep | None:
        if not planned.params.play_beep or live.media is None:
            return None
        return await self._edges.prompts.beep(live.media.send_codec)

    async def make_durable(self, begun: Recording | None, work: Callable[[Unit], None]) -> None:
        """Commit ``work`` while the disk takes the spool; if either fails, nothing is left.

        Raises:
            Exception: what the disk or ``work`` raised, after capture has been stopped.
        """
        edges = self._edges
        if begun is None:
            await edges.store.write(work)
            return
        synced = asyncio.to_thread(edges.spools.sync, begun.id)
        disk, row = await asyncio.gather(synced, edges.store.write(work), return_exceptions=True)
        if isinstance(row, BaseException):
            await self.abandon(begun)
            raise row
        if isinstance(disk, BaseException):
            await edges.store.write(lambda unit: unit.remove_recording(begun.id))
            await self.abandon(begun)
            raise disk

    async def abandon(self, begun: Recording | None) -> None:
        """Undo :meth:`begin`."""
        if begun is not None:
            await self._capture_ended(begun.id)
            self._edges.spools.remove(begun.id)

    def enter(self, live: LiveLeg, begun: Recording) -> None:
        """The recording is durable: it is the leg's from now on, with the timer that bounds it."""
        live.recordings[begun.id] = begun
        RECORDINGS_LIVE.inc()
        _log.info("recording_started", leg=live.leg.id, recording=begun.id)
        self._listen(live, begun)
        secs = begun.params.max_length_secs
        if secs:
            live.lengths[begun.id] = LengthLeft(secs * NS_PER_S, self._edges.clock.monotonic_ns())
            self.bound(live, begun.id)

    def _listen(self, live: LiveLeg, begun: Recording) -> None:
        """Stop the recording when nothing is said for ``timeout_secs``, if it has that."""
        params = begun.params
        if params.timeout_secs:
            edges = self._edges
            edges.listening.listen(
                begun.id,
                edges.spools.path(begun.id),
                timeout_secs=params.timeout_secs,
                track=params.track,
                silent=lambda: edges.background.spawn(self._silent(live, begun.id), "silence"),
            )

    def bound(self, live: LiveLeg, recording_id: RecordingId) -> None:
        """Stop the recording when what is left of its ``max_length`` is over, if it has one."""
        length = live.lengths.get(recording_id)
        if length is not None:
            live.timers[recording_id] = self._edges.background.after(
                length.left_ns / NS_PER_S, lambda: self._too_long(live, recording_id), "max_length"
            )

    async def halt(
        self, live: LiveLeg, wanted: Iterable[RecordingId], reason: StopReason
    ) -> list[Recording]:
        """End capture; returns the rows as they are to be written with :func:`save_stopped`."""
        recordings = [live.recordings[recording_id] for recording_id in wanted]
        ends = await asyncio.gather(*(self._capture_ended(r.id) for r in recordings))
        now = self._edges.clock.utc_ns()
        return [
            replace(
                recording,
                state=recording_after(recording.state, RecordingInput.STOP) or recording.state,
                client_state=live.leg.client_state,
                ended_ns=self._edges.utc_of(end_ns),
                stop_reason=reason,
                updated_ns=now,
            )
            for recording, end_ns in zip(recordings, ends, strict=True)
        ]

    def leave(self, live: LiveLeg, stopped: Iterable[Recording]) -> None:
        """The recordings are no longer the leg's."""
        for recording in stopped:
            if live.recordings.pop(recording.id, None) is not None:
                live.cancel_timer(recording.id)
                live.lengths.pop(recording.id, None)
                self._edges.listening.forget(recording.id)
                RECORDINGS_LIVE.dec()
                _log.info("recording_stopped", recording=recording.id, reason=recording.stop_reason)

    def hand_over(self, stopped: Iterable[Recording]) -> None:
        """Tell the worker of recordings that are written as stopped."""
        for recording in stopped:
            self._edges.finish_soon(recording.id)

    async def _end(
        self,
        live: LiveLeg,
        wanted: Iterable[RecordingId],
        reason: StopReason,
        also: Callable[[Unit], None],
    ) -> None:
        stopped = await self.halt(live, wanted, reason)

        def work(unit: Unit) -> None:
            also(unit)
            save_stopped(unit, stopped, TOLD_SECS)

        await self._edges.store.write(work)
        self.leave(live, stopped)
        self.hand_over(stopped)

    async def _too_long(self, live: LiveLeg, recording_id: RecordingId) -> None:
        async with self._edges.registry.turns([live.leg.id]):
            # A pause or a stop that had its turn before has taken the timer back.
            if live.timers.pop(recording_id, None) is not None:
                await self._end(live, [recording_id], StopReason.MAX_LENGTH, lambda _: None)

    async def _silent(self, live: LiveLeg, recording_id: RecordingId) -> None:
        async with self._edges.registry.turns([live.leg.id]):
            # A pause that had its turn before came after the silence all the same.
            if recording_id in live.recordings:
                await self._end(live, [recording_id], StopReason.SILENCE, lambda _: None)

    async def _capture_ended(self, recording_id: RecordingId) -> int:
        """Monotonic end of capture; a media process that is gone has ended it already."""
        try:
            return await self._edges.media.stop_recording(recording_id)
        except (OnrecordError, OSError) as error:
            _log.warning("capture_not_stopped", recording=recording_id, error=str(error))
            return self._edges.clock.monotonic_ns()


def save_stopped(unit: Unit, stopped: Iterable[Recording], delay_secs: float = 0.0) -> None:
    """Write recordings that have stopped, each with the job that finishes it."""
    for recording in stopped:
        unit.save_recording(recording)
        unit.enqueue_finish(recording.id, delay_secs)


def new_recording_id() -> RecordingId:
    """A fresh id."""
    return RecordingId(new_uuid())


def planned_recording(params: RecordingParams | None) -> PlannedRecording | None:
    """The recording that is to begin with the audio, if one was asked for."""
    return None if params is None else PlannedRecording(new_recording_id(), params)


def _spool_header(live: LiveLeg, planned: PlannedRecording, edges: Edges) -> SpoolHeader:
    params = planned.params
    return SpoolHeader(
        recording_id=planned.id,
        leg_id=live.leg.id,
        call_control_id=live.leg.call_control_id,
        node=live.leg.node,
        format=params.format,
        channels=params.channels,
        track=params.track,
        channel_a="inbound" if live.leg.first_of_session else "outbound",
        started_utc_ns=edges.clock.utc_ns(),
        started_monotonic_ns=edges.clock.monotonic_ns(),
        boot_id=edges.boot_id,
        trim=params.trim,
        timeout_secs=params.timeout_secs,
        custom_file_name=params.custom_file_name,
        pause_mode=edges.settings.pause_mode,
        sample_rate=edges.settings.file_sample_rate,
    )
