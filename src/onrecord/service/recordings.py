"""Finished recordings: found, linked to, deleted. One that is not saved (yet) is not to be seen here."""

import asyncio
from collections.abc import Iterable
from functools import partial

import structlog

from onrecord.calls.lists import Page, PageRequest, RecordingFilter
from onrecord.calls.records import FidelityReport, Recording, RecordingState
from onrecord.core.clock import Clock
from onrecord.core.ids import RecordingId
from onrecord.service.destinations import Destinations
from onrecord.service.ports import Links, Store, Unit
from onrecord.service.transcribing import TranscriptionFiles, transcription_id
from onrecord.wire import errors

_log = structlog.get_logger()


class Recordings:
    """The saved recordings, their files and reports."""

    def __init__(
        self,
        store: Store,
        destinations: Destinations,
        links: Links,
        clock: Clock,
        transcriptions: TranscriptionFiles,
    ) -> None:
        self._store = store
        self._transcriptions = transcriptions
        self._destinations = destinations
        self._links = links
        self._clock = clock

    async def get(self, recording_id: str) -> Recording:
        """One recording.

        Raises:
            CallerError: 404, there is none.
        """
        recording = await self._store.read(lambda unit: _saved(unit, recording_id))
        if recording is None:
            raise errors.not_found("recording")
        return recording

    async def report(self, recording_id: str) -> tuple[Recording, FidelityReport]:
        """One recording with its fidelity report.

        Raises:
            CallerError: 404, there is no such recording, or it is not finished yet.
        """

        def work(unit: Unit) -> tuple[Recording | None, FidelityReport | None]:
            return unit.recording(recording_id), unit.report(recording_id)

        recording, report = await self._store.read(work)
        if recording is None or recording.state is RecordingState.FAILED:
            raise errors.not_found("recording")
        if report is None:
            raise errors.not_finished()
        return recording, report

    async def pictured(
        self, recording_id: str, expires: str, signature: str
    ) -> tuple[Recording, FidelityReport]:
        """As :meth:`report`, for who has a link of :meth:`picture_link` and no key.

        Raises:
            CallerError: 403, the link is wrong or over; 404, it is right and the recording is gone.
        """
        path, now_ns = _picture_path(recording_id), self._clock.utc_ns()
        if not self._links.holds(path, expires, signature, now_ns):
            raise errors.link_refused()
        return await self.report(recording_id)

    def picture_link(self, recording_id: RecordingId) -> str:
        """A URL that gives the report's picture to anybody for ten minutes."""
        return self._links.link(_picture_path(recording_id), self._clock.utc_ns())

    async def list(self, wanted: RecordingFilter, page: PageRequest) -> Page[Recording]:
        """A page of recordings, newest first."""
        return await self._store.read(lambda unit: unit.recordings(wanted, page))

    async def delete(self, recording_id: str) -> Recording:
        """Remove file and row; returns what it was.

        Raises:
            CallerError: 404, there is none.
            DestinationError: the storage kept the file; the recording is still there.
        """
        recording = await self.get(recording_id)
        await self._remove(recording)
        return recording

    async def delete_many(self, recording_ids: Iterable[str]) -> None:
        """Remove those that there are; others are no matter."""
        ids = list(dict.fromkeys(recording_ids))
        found = await self._store.read(lambda unit: [_saved(unit, i) for i in ids])
        await asyncio.gather(*(self._remove(recording) for recording in found if recording))

    async def link(self, recording: Recording) -> str | None:
        """A URL of the file, as :meth:`Destinations.link` gives it; None when there is no file."""
        return await self._destinations.link(recording)

    async def _remove(self, recording: Recording) -> None:
        """The file first: a crash between leaves a row whose deletion can be asked for again.

        A file that was moved into a bucket meanwhile is deleted there as well.
        """
        left: Recording | None = recording
        while left is not None:
            await self._destinations.delete_file(left)
            left = await self._store.write(partial(_removed, left))
        await asyncio.to_thread(self._transcriptions.remove, transcription_id(recording.id))
        _log.info("recording_deleted", recording=recording.id)


def _removed(deleted: Recording, unit: Unit) -> Recording | None:
    """Remove the row, or return it if its file is elsewhere by now."""
    now = unit.recording(deleted.id)
    if now is not None and now.location != deleted.location:
        return now
    unit.remove_recording(deleted.id)
    return None


def _picture_path(recording_id: str) -> str:
    return f"pictures/{recording_id}.png"


def _saved(unit: Unit, recording_id: str) -> Recording | None:
    recording = unit.recording(recording_id)
    if recording is None or recording.state is not RecordingState.SAVED:
        return None
    return recording
