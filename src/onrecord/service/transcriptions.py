"""Transcriptions of recordings: found and deleted. A job makes them; they go with their recording."""

import asyncio

import structlog

from onrecord.calls.lists import Page, PageRequest, TranscriptionFilter
from onrecord.calls.records import Transcription
from onrecord.service.ports import Store, Unit
from onrecord.service.transcribing import TranscriptionFiles
from onrecord.wire import errors

_log = structlog.get_logger()


class Transcriptions:
    """All of them, those that are being made included."""

    def __init__(self, store: Store, files: TranscriptionFiles) -> None:
        self._store = store
        self._files = files

    async def get(self, transcription_id: str) -> Transcription:
        """One transcription.

        Raises:
            CallerError: 404, there is none.
        """
        return await self._store.read(lambda unit: _found(unit, transcription_id))

    async def list(self, wanted: TranscriptionFilter, page: PageRequest) -> Page[Transcription]:
        """A page of transcriptions, newest first."""
        return await self._store.read(lambda unit: unit.transcriptions(wanted, page))

    async def delete(self, transcription_id: str) -> Transcription:
        """Remove it, with the audio that it is to be made of; returns what it was.

        Raises:
            CallerError: 404, there is none.
        """

        def work(unit: Unit) -> Transcription:
            found = _found(unit, transcription_id)
            unit.remove_transcription(found.id)
            return found

        deleted = await self._store.write(work)
        await asyncio.to_thread(self._files.remove, deleted.id)
        _log.info("transcription_deleted", transcription=deleted.id)
        return deleted


def _found(unit: Unit, transcription_id: str) -> Transcription:
    found = unit.transcription(transcription_id)
    if found is None:
        raise errors.not_found("recording transcription")
    return found
