"""Puts durable jobs into the database, in the transaction of whoever asks for them."""

import logging
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from time import time
from typing import TYPE_CHECKING

import sqlalchemy as sa
import structlog
from dbos import DBOS, DBOSClient, EnqueueOptions, WorkflowSerializationFormat

from onrecord.core.ids import EventId, NodeId, RecordingId, TranscriptionId
from onrecord.jobs.names import (
    APPLICATION,
    DELIVER,
    DELIVERY_QUEUE,
    FINISH,
    MOVE,
    TRANSCRIBE,
    VERSION,
    deliver_id,
    finish_id,
    move_id,
    moving_queue,
    spool_queue,
    transcribe_id,
    transcription_queue,
)

if TYPE_CHECKING:
    from sqlalchemy import Connection

PRUNE_BATCH = 500
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]
# The engine's own words, or its indexes are not used.
_WAITING = sa.text("""
    SELECT EXISTS (
        SELECT 1 FROM workflow_status
        WHERE status IN ('ENQUEUED', 'PENDING')
        AND queue_name IN (:spool, :delivery, :moving, :transcription)
    ) OR EXISTS (
        SELECT 1 FROM workflow_status
        WHERE status = 'DELAYED' AND delay_until_epoch_ms <= :until_ms
        AND queue_name IN (:spool, :delivery, :moving, :transcription)
    )
""")

log = structlog.get_logger()


class _EngineLog(logging.Handler):
    """Passes the warnings of the job engine on as our own log lines."""

    def emit(self, record: logging.LogRecord) -> None:
        log.warning("job_engine", level=record.levelname.lower(), said=record.getMessage())


def quiet_engine() -> None:
    """Let the job engine log warnings only, through structlog; a repeat changes nothing."""
    engine = logging.getLogger("dbos")
    engine.setLevel(logging.WARNING)
    engine.propagate = False
    # With a handler already there the engine adds none of its own.
    if not any(isinstance(handler, _EngineLog) for handler in engine.handlers):
        engine.addHandler(_EngineLog())


def prepare(database_url: str) -> None:
    """Make or migrate the job engine's tables; once, after the database file is made. Blocks."""
    quiet_engine()
    DBOS.migrate(database_url)


class JobClient:
    """Satisfies ``database.JobQueue``. Making one opens no connection."""

    def __init__(self, database_url: str) -> None:
        quiet_engine()
        self._client = DBOSClient(
            system_database_url=database_url,
            application_name=APPLICATION,
            system_database_pool_size=1,
            lazy=True,
        )

    def enqueue_finish(
        self,
        connection: "Connection",
        node: NodeId,
        recording_id: RecordingId,
        delay_secs: float,
    ) -> None:
        """Queue the finishing of a recording on its node; there is one such job at most."""
        options = _options(FINISH, spool_queue(node), finish_id(recording_id, 0), delay_secs)
        self._client.enqueue_in_transaction(connection, options, recording_id, 0)

    def enqueue_delivery(
        self, connection: "Connection", event_id: EventId, number: int, delay_secs: float
    ) -> None:
        """Queue attempt ``number`` of an event, not before ``delay_secs`` from now."""
        options = _options(DELIVER, DELIVERY_QUEUE, deliver_id(event_id, number, 0), delay_secs)
        self._client.enqueue_in_transaction(connection, options, event_id, number, 0)

    def enqueue_transcription(
        self, connection: "Connection", node: NodeId, transcription_id: TranscriptionId
    ) -> None:
        """Queue the making of a transcription on a node; there is one such job at most."""
        job = transcribe_id(transcription_id, 0)
        options = _options(TRANSCRIBE, transcription_queue(node), job, 0)
        self._client.enqueue_in_transaction(connection, options, transcription_id, 0)

    def enqueue_move(
        self,
        connection: "Connection",
        node: NodeId,
        recording_id: RecordingId,
        since_ns: int,
        delay_secs: float,
    ) -> None:
        """Queue the moving of a file on its node, as the first of a row of tries."""
        job = move_id(recording_id, since_ns, 0)
        options = _options(MOVE, moving_queue(node), job, delay_secs)
        self._client.enqueue_in_transaction(connection, options, recording_id, since_ns, 0)

    def waiting(self, connection: "Connection", node: NodeId, within_secs: float) -> bool:
        """Whether jobs of the node run, or are to begin within so many seconds."""
        values = {
            "spool": spool_queue(node),
            "delivery": DELIVERY_QUEUE,
            "moving": moving_queue(node),
            "transcription": transcription_queue(node),
            "until_ms": int((time() + within_secs) * 1000),
        }
        return bool(connection.execute(_WAITING, values).scalar())

    async def move_again(
        self,
        node: NodeId,
        recording_id: RecordingId,
        since_ns: int,
        tries: int,
        delay_secs: float,
    ) -> None:
        """Queue the moving of a file anew, in a transaction of its own."""
        job = move_id(recording_id, since_ns, tries)
        options = _options(MOVE, moving_queue(node), job, delay_secs)
        await self._client.enqueue_async(options, recording_id, since_ns, tries)

    async def transcribe_again(
        self, node: NodeId, transcription_id: TranscriptionId, tries: int, delay_secs: float
    ) -> None:
        """Queue a transcription anew after ``tries`` failed ones, in a transaction of its own."""
        job = transcribe_id(transcription_id, tries)
        options = _options(TRANSCRIBE, transcription_queue(node), job, delay_secs)
        await self._client.enqueue_async(options, transcription_id, tries)

    async def finish_again(
        self, node: NodeId, recording_id: RecordingId, tries: int, delay_secs: float
    ) -> None:
        """Queue a finish job anew after ``tries`` failed ones, in a transaction of its own."""
        options = _options(FINISH, spool_queue(node), finish_id(recording_id, tries), delay_secs)
        await self._client.enqueue_async(options, recording_id, tries)

    async def deliver_again(
        self, event_id: EventId, number: int, tries: int, delay_secs: float
    ) -> None:
        """Queue a delivery job anew after ``tries`` that raised, in a transaction of its own."""
        job = deliver_id(event_id, number, tries)
        options = _options(DELIVER, DELIVERY_QUEUE, job, delay_secs)
        await self._client.enqueue_async(options, event_id, number, tries)

    async def running(self, node: NodeId) -> set[str]:
        """The ids of the jobs that the node's worker had begun when it last stopped or died."""
        jobs = await self._client.list_workflows_async(
            status="PENDING", executor_id=node, load_input=False, load_output=False
        )
        return {job.workflow_id for job in jobs}

    async def drop(self, jobs: Sequence[str]) -> None:
        """Delete jobs by their ids; what is not there is deleted already."""
        await self._client.delete_workflows_async(list(jobs))

    async def prune(self, keep: timedelta) -> int:
        """Delete the rows of jobs that ended longer than ``keep`` ago; returns how many."""
        before = (datetime.now(UTC) - keep).isoformat()
        pruned = 0
        while True:
            ended = await self._client.list_workflows_async(
                status=_ENDED,
                completed_before=before,
                limit=PRUNE_BATCH,
                load_input=False,
                load_output=False,
            )
            if not ended:
                return pruned
            await self.drop([job.workflow_id for job in ended])
            pruned += len(ended)

    def close(self) -> None:
        """Close the connection that asynchronous methods opened."""
        self._client.destroy()


def _options(workflow: str, queue: str, job: str, delay_secs: float) -> EnqueueOptions:
    options: EnqueueOptions = {
        "workflow_name": workflow,
        "queue_name": queue,
        "workflow_id": job,
        "app_version": VERSION,
        "serialization_type": WorkflowSerializationFormat.PORTABLE,
    }
    if delay_secs > 0:
        options["delay_seconds"] = delay_secs
    return options
