"""The jobs of transcriptions: tried again while that may help, then given up."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from onrecord.core.errors import DestinationError
from onrecord.core.ids import NodeId, TranscriptionId
from onrecord.jobs.client import JobClient
from onrecord.jobs.names import TRANSCRIBE_RETRY_SECS

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Transcribing:
    """What a worker runs for a transcription.

    Args:
        transcribe: Makes one; a repeat goes on where it was cut off.
        give_up: Told of one that will not come, with the reason for people.
        retry_secs: Waits before the further tries.
    """

    transcribe: Callable[[TranscriptionId], Awaitable[None]]
    give_up: Callable[[TranscriptionId, str], Awaitable[None]]
    retry_secs: tuple[float, ...] = TRANSCRIBE_RETRY_SECS

    async def run(
        self, client: JobClient, node: NodeId, transcription_id: TranscriptionId, tries: int
    ) -> None:
        """Try once after ``tries`` failed ones; what comes of it is durable when this returns."""
        try:
            await self.transcribe(transcription_id)
        except Exception as error:  # noqa: BLE001 - the unit of work: it is tried again
            await self._failed(client, node, transcription_id, tries, error)

    async def _failed(
        self,
        client: JobClient,
        node: NodeId,
        transcription_id: TranscriptionId,
        tries: int,
        error: Exception,
    ) -> None:
        hopeless = isinstance(error, DestinationError) and not error.retry
        told = log.bind(transcription=transcription_id, error=repr(error))
        if hopeless or tries >= len(self.retry_secs):
            told.error("transcription_given_up")
            await self._give_up_surely(transcription_id, str(error) or repr(error))
            return
        wait = self.retry_secs[tries]
        told.warning("transcription_failed", again_secs=wait)
        await client.transcribe_again(node, transcription_id, tries + 1, wait)

    async def _give_up_surely(self, transcription_id: TranscriptionId, reason: str) -> None:
        """While ``give_up`` raises, wait here: a crash meanwhile runs the job again."""
        for wait in self.retry_secs:
            try:
                await self.give_up(transcription_id, reason)
            except Exception as error:
                log.warning("give_up_failed", transcription=transcription_id, exc_info=error)
                await asyncio.sleep(wait)
            else:
                return
        await self.give_up(transcription_id, reason)
