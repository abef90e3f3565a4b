"""Transcriptions of finished recordings: queued with the recording, made by a job, told of.

The row is ``in-progress`` from the moment the recording is saved, and ``completed`` with its text. There is
no status for one that cannot be made: it stays ``in-progress`` with a ``failure`` for people, and no
webhook is sent, because the API that is kept to has none for it; the recording itself is whole.
"""

import asyncio
import os
import shutil
import uuid
from dataclasses import replace
from pathlib import Path

import structlog

from onrecord.calls.records import Event, Recording, Transcription, TranscriptionState
from onrecord.core.clock import Clock
from onrecord.core.errors import DestinationError
from onrecord.core.ids import RecordingId, TranscriptionId
from onrecord.service.announcements import Announcements
from onrecord.service.delivery import Delivery
from onrecord.service.ports import Store, Transcribed, Transcriber, Unit

DELETED_LOOK_SECS = 2.0
"""How long the work for one that was deleted may go on."""

_NAMESPACE = uuid.UUID("c9f24c39-6e0c-4b0f-9a55-0e7c5f1d2b84")

_log = structlog.get_logger()


class TranscriptionFiles:
    """What is under way, in one folder: for each transcription its audio and its progress.

    The audio is a second name of the finished file, given before that goes to its storage, which may be
    far away or have other owners.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder

    def keep(self, recording: Recording, finished: Path) -> None:
        """Keep the file of a recording that is to be transcribed, durably; a repeat replaces it.

        Raises:
            OSError: the disk refused.
        """
        kept = self.audio(transcription_id(recording.id), recording.params.format)
        kept.unlink(missing_ok=True)
        try:
            kept.hardlink_to(finished)
        except OSError:
            shutil.copyfile(finished, kept)
        for path in (kept, self._folder):
            _sync(path)

    def audio(self, transcription: TranscriptionId, form: str) -> Path:
        """Where the audio is."""
        return self._folder / f"{transcription}.{form}"

    def progress(self, transcription: TranscriptionId) -> Path:
        """Where the progress is."""
        return self._folder / f"{transcription}.progress"

    def remove(self, transcription: TranscriptionId) -> None:
        """All that is kept for it."""
        for left in self._folder.glob(f"{transcription}.*"):
            left.unlink(missing_ok=True)


class Transcribing:
    """Makes the transcriptions of one node."""

    def __init__(
        self,
        *,
        store: Store,
        transcriber: Transcriber,
        files: TranscriptionFiles,
        delivery: Delivery,
        announcements: Announcements,
        clock: Clock,
    ) -> None:
        self._store = store
        self._transcriber = transcriber
        self._files = files
        self._delivery = delivery
        self._announcements = announcements
        self._clock = clock

    async def transcribe(self, wanted: TranscriptionId) -> None:
        """Fetch, transcribe, write, tell, clean up. One that is done or deleted needs nothing.

        Raises:
            DestinationError: storage or engine refused; ``retry`` says whether to try again.
        """
        found = await self._store.read(lambda unit: _unmade(unit, wanted))
        if found is not None:
            transcription, recording = found
            transcribed = await self._unless_deleted(transcription, recording)
            if transcribed is not None:
                await self._save(wanted, transcribed)
        self._files.remove(wanted)

    async def give_up(self, wanted: TranscriptionId, reason: str) -> None:
        """It cannot be made: ``reason`` is for people. The recording stays as it is."""

        def work(unit: Unit) -> None:
            found = _unmade(unit, wanted)
            if found is not None:
                now = self._clock.utc_ns()
                unit.save_transcription(replace(found[0], failure=reason, updated_ns=now))

        await self._store.write(work)
        self._files.remove(wanted)

    async def _unless_deleted(
        self, transcription: Transcription, recording: Recording
    ) -> Transcribed | None:
        """What was said; None, and the engine is stopped, when it is deleted meanwhile.

        Raises:
            DestinationError: storage or engine refused.
        """
        work = asyncio.ensure_future(self._transcribed(transcription, recording))
        try:
            while not (await asyncio.wait([work], timeout=DELETED_LOOK_SECS))[0]:
                if await self._store.read(lambda unit: _unmade(unit, transcription.id)) is None:
                    _log.info("transcription_stopped", transcription=transcription.id)
                    return None
            return work.result()
        finally:
            work.cancel()
            await asyncio.wait([work])

    async def _save(self, wanted: TranscriptionId, transcribed: Transcribed) -> None:
        event = await self._store.write(lambda unit: self._complete(unit, wanted, transcribed))
        if event is not None:
            _log.info(
                "transcription_saved",
                transcription=wanted,
                recording=event.recording_id,
                engine=transcribed.engine,
            )
            self._delivery.submit([event])

    async def _transcribed(self, transcription: Transcription, recording: Recording) -> Transcribed:
        audio = self._files.audio(transcription.id, recording.params.format)
        if not audio.exists():
            raise DestinationError("the audio to transcribe is gone", retry=False)
        progress = self._files.progress(transcription.id)
        return await self._transcriber.transcribe(audio, progress, recording.params)

    def _complete(
        self, unit: Unit, wanted: TranscriptionId, transcribed: Transcribed
    ) -> Event | None:
        """Write row and event; nothing where it was deleted meanwhile, or is done."""
        found = _unmade(unit, wanted)
        if found is None:
            return None
        transcription, recording = found
        done = replace(
            transcription,
            state=TranscriptionState.COMPLETED,
            engine=transcribed.engine,
            language=transcribed.language,
            text=transcribed.text,
            segments=tuple(transcribed.segments),
            failure=None,
            updated_ns=self._clock.utc_ns(),
        )
        unit.save_transcription(done)
        leg = unit.leg_by_id(recording.leg_id)
        application = unit.application(recording.application_id)
        if leg is None or application is None:
            return None
        event = self._announcements.transcribed(done, recording, leg, application)
        unit.add_event(event)
        return event


def queue_transcription(unit: Unit, saved: Recording, now_ns: int) -> None:
    """Write the transcription of a recording that is being saved, and its job, if it was asked for."""
    params = saved.params
    if not params.transcription:
        return
    transcription = Transcription(
        id=transcription_id(saved.id),
        recording_id=saved.id,
        state=TranscriptionState.IN_PROGRESS,
        engine=params.transcription_engine,
        language=params.transcription_language,
        created_ns=now_ns,
        updated_ns=now_ns,
        duration_ms=saved.duration_ms,
    )
    unit.add_transcription(transcription)
    unit.enqueue_transcription(saved.node, transcription.id)


def transcription_id(recording_id: RecordingId) -> TranscriptionId:
    """The transcription's id: that of its recording decides it, so that a repeat makes no second one."""
    return TranscriptionId(str(uuid.uuid5(_NAMESPACE, recording_id)))


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _unmade(unit: Unit, wanted: TranscriptionId) -> tuple[Transcription, Recording] | None:
    transcription = unit.transcription(wanted)
    if transcription is None or transcription.state is TranscriptionState.COMPLETED:
        return None
    recording = unit.recording(transcription.recording_id)
    return None if recording is None else (transcription, recording)
