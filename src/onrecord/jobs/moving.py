"""The jobs of files that are to be moved into a bucket: tried again for some days, then given up."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass

import structlog

from onrecord.core.ids import NodeId, RecordingId
from onrecord.jobs.client import JobClient
from onrecord.jobs.names import MOVE_RETRY_SECS
from onrecord.metrics import FILE_MOVES

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Moving:
    """What a worker runs for a file.

    Args:
        move: Moves the file of one recording; one that has been moved needs nothing.
        retry_secs: Waits before the further tries.
    """

    move: Callable[[RecordingId], Awaitable[None]]
    retry_secs: tuple[float, ...] = MOVE_RETRY_SECS

    async def run(
        self, client: JobClient, node: NodeId, recording_id: RecordingId, since_ns: int, tries: int
    ) -> None:
        """Try once after ``tries`` failed ones of the row that began at ``since_ns``."""
        try:
            await self.move(recording_id)
        except Exception as error:  # noqa: BLE001 - the unit of work: it is tried again
            told = log.bind(recording=recording_id, error=str(error) or repr(error))
            if tries >= len(self.retry_secs):
                FILE_MOVES.labels("given_up").inc()
                told.error("file_move_given_up")
                return
            FILE_MOVES.labels("failed").inc()
            told.warning("file_move_failed", again_secs=self.retry_secs[tries])
            wait = self.retry_secs[tries]
            await client.move_again(node, recording_id, since_ns, tries + 1, wait)
