"""A stopped recording becomes a file and a ``call.recording.saved``. Runs in the worker process.

Each line may be the last one before a crash: whatever was done is done again, or found done. The spool is
removed only after the commit that says that the file is stored.
"""

import asyncio
from dataclasses import replace
from pathlib import Path

import structlog

from onrecord.calls.file_names import file_key
from onrecord.calls.records import (
    Application,
    Event,
    FidelityReport,
    Leg,
    Recording,
    RecordingState,
)
from onrecord.calls.states import RecordingInput, recording_after
from onrecord.core.clock import Clock
from onrecord.core.errors import (
    AccessError,
    CredentialsError,
    DestinationError,
    OnrecordError,
    UnsupportedError,
)
from onrecord.core.ids import RecordingId
from onrecord.core.units import NS_PER_S
from onrecord.metrics import RECORDINGS
from onrecord.service.announcements import Announcements
from onrecord.service.delivery import Delivery
from onrecord.service.destinations import Destinations
from onrecord.service.faults import count_faults
from onrecord.service.ports import Mastered, Mastering, Storage, Store, Unit
from onrecord.service.spools import Spools
from onrecord.service.transcribing import TranscriptionFiles, queue_transcription, transcription_id
from onrecord.wire.events import (
    REASON_BACKEND,
    REASON_CREDENTIALS,
    REASON_INTERNAL,
    REASON_UNAUTHORIZED,
)

BUCKET_PATIENCE_NS = 30 * NS_PER_S
"""How long after its end a recording's bucket may be down before this server keeps the file."""

FIRST_MOVE_SECS = 60.0
"""How long after that its file is first tried to be moved into the bucket."""

_log = structlog.get_logger()


class Finishing:
    """Finishes recordings whose spools are on this machine."""

    def __init__(
        self,
        *,
        store: Store,
        storage: Storage,
        destinations: Destinations,
        mastering: Mastering,
        spools: Spools,
        delivery: Delivery,
        announcements: Announcements,
        clock: Clock,
        transcriptions: TranscriptionFiles,
    ) -> None:
        self._store = store
        self._storage = storage
        self._destinations = destinations
        self._mastering = mastering
        self._spools = spools
        self._delivery = delivery
        self._announcements = announcements
        self._clock = clock
        self._transcriptions = transcriptions

    async def finish(self, recording_id: RecordingId) -> None:
        """Master, store, write, tell, clean up. One that is not stopped, or is done, needs nothing.

        Raises:
            DestinationError: the storage failed; try again later.
            Exception: what mastering raised.
        """
        recording = await self._store.read(lambda unit: unit.recording(recording_id))
        if recording is None or recording.state is RecordingState.SAVED:
            self._spools.remove(recording_id)
        elif recording.state is RecordingState.STOPPED:
            await self._finish(recording)

    async def give_up(self, recording_id: RecordingId, reason: str) -> None:
        """The recording cannot be finished: ``reason`` is for people. Its spool is kept."""
        event = await self._store.write(lambda unit: self._fail(unit, recording_id, reason))
        self._transcriptions.remove(transcription_id(recording_id))
        RECORDINGS.labels("failed").inc()
        _log.error("recording_failed", recording=recording_id, reason=reason)
        if event is not None:
            self._delivery.submit([event])

    async def _finish(self, recording: Recording) -> None:
        part = self._spools.part(recording.id, recording.params.format)
        spool = self._spools.path(recording.id)
        mastered = await asyncio.to_thread(self._mastering.master, spool, part)
        if recording.params.transcription:
            await asyncio.to_thread(self._transcriptions.keep, recording, part)
        saved = await self._stored(recording, mastered, part)
        url = await self._destinations.link(saved) or ""
        report = _kept_report(recording, mastered)
        event = await self._store.write(lambda unit: self._save(unit, saved, report, url))
        part.unlink(missing_ok=True)
        self._spools.remove(recording.id)
        RECORDINGS.labels("saved").inc()
        _log.info("recording_saved", recording=saved.id, duration_ms=saved.duration_ms)
        count_faults(saved)
        if event is not None:
            self._delivery.submit([event])

    async def _stored(self, recording: Recording, mastered: Mastered, part: Path) -> Recording:
        key = file_key(recording)
        location, failure = await self._put(recording, key, part)
        return replace(
            recording,
            location=location,
            failure=failure,
            state=recording_after(recording.state, RecordingInput.SAVE) or recording.state,
            started_ns=mastered.started_utc_ns,
            ended_ns=mastered.ended_utc_ns,
            duration_ms=mastered.duration_ms,
            size_bytes=mastered.size_bytes,
            trimmed=mastered.trimmed,
            fidelity=mastered.report.fidelity,
            file_key=key,
            updated_ns=self._clock.utc_ns(),
        )

    async def _put(
        self, recording: Recording, key: str, part: Path
    ) -> tuple[str | None, str | None]:
        """Where the file is, if in a bucket, and why it is not in the bucket where it belongs.

        A file that a bucket does not take is kept by this server, so that nothing is lost.
        """
        failure = None
        try:
            bucket = await self._destinations.bucket(recording.application_id)
            if bucket is not None:
                await bucket.put(key, part)
                return bucket.location(key), None
        except OnrecordError as error:
            if self._may_pass(recording, error):
                raise
            failure = _reason(error)
            _log.warning("bucket_refused", recording=recording.id, reason=str(error))
        await self._storage.put(key, part)
        return None, failure

    def _may_pass(self, recording: Recording, error: OnrecordError) -> bool:
        """Whether to try again: for half a minute after the recording has stopped.

        The job's next wait would take longer than a receiver is to wait for a word.
        """
        waited_ns = self._clock.utc_ns() - recording.updated_ns
        retry = isinstance(error, DestinationError) and error.retry
        return retry and waited_ns < BUCKET_PATIENCE_NS

    def _save(self, unit: Unit, saved: Recording, report: FidelityReport, url: str) -> Event | None:
        """Write the row, its report and the event; nothing where somebody else has done so."""
        now = unit.recording(saved.id)
        if now is None or now.state is not RecordingState.STOPPED:
            return None
        about = told_about(unit, saved)
        if about is not None:
            saved = replace(saved, client_state=about[0].client_state)
        unit.save_recording(saved)
        unit.add_report(report)
        queue_transcription(unit, saved, self._clock.utc_ns())
        if about is None or saved.file_key is None:
            return None
        if saved.failure is None:
            event = self._announcements.saved(saved, *about, url)
        else:
            event = self._announcements.failed(saved, *about, saved.failure)
            unit.enqueue_move(saved, self._clock.utc_ns(), FIRST_MOVE_SECS)
        unit.add_event(event)
        return event

    def _fail(self, unit: Unit, recording_id: RecordingId, reason: str) -> Event | None:
        recording = unit.recording(recording_id)
        state = recording and recording_after(recording.state, RecordingInput.FAIL)
        if recording is None or not state:
            return None
        now = self._clock.utc_ns()
        failed = replace(recording, state=state, failure=reason, updated_ns=now)
        unit.save_recording(failed)
        about = told_about(unit, failed)
        if about is None:
            return None
        event = self._announcements.failed(failed, *about)
        unit.add_event(event)
        return event


def _reason(error: OnrecordError) -> str:
    """The documented reason for a bucket that does not take a file."""
    if isinstance(error, AccessError):
        return REASON_UNAUTHORIZED
    if isinstance(error, CredentialsError):
        return REASON_CREDENTIALS
    return REASON_BACKEND if isinstance(error, UnsupportedError) else REASON_INTERNAL


def _kept_report(recording: Recording, mastered: Mastered) -> FidelityReport:
    report = mastered.report
    return FidelityReport(recording.id, report.to_json(), report.packed_outline())


def told_about(unit: Unit, recording: Recording) -> tuple[Leg, Application] | None:
    """Whom to tell; None when the application has been deleted meanwhile."""
    leg = unit.leg_by_id(recording.leg_id)
    application = unit.application(recording.application_id)
    return None if leg is None or application is None else (leg, application)
