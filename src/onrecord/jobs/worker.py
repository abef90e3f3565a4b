"""The worker process's side: runs queued jobs, at least once each, through any crash.

A job is one workflow without steps: it must be harmless to repeat. The engine's own connections commit
with SQLite's default, FULL; were it weaker, a power cut would only make a finished job run again, since
what queues a job is committed by the database's writer.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import asynccontextmanager, contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from weakref import WeakValueDictionary

import structlog
from dbos import DBOS, DBOSConfig, Queue, WorkflowSerializationFormat

from onrecord.core.errors import CapacityError
from onrecord.core.ids import EventId, NodeId, RecordingId, TranscriptionId
from onrecord.jobs.client import JobClient, quiet_engine
from onrecord.jobs.moving import Moving
from onrecord.jobs.names import (
    APPLICATION,
    DELIVER,
    DELIVERY_QUEUE,
    FINISH,
    MOVE,
    RETRY_SECS,
    TRANSCRIBE,
    VERSION,
    finish_id,
    moving_queue,
    spool_queue,
    transcription_queue,
)
from onrecord.jobs.suspects import DeathCount
from onrecord.jobs.transcribing import Transcribing

log = structlog.get_logger()

Finish = Callable[[RecordingId], Awaitable[None]]
Deliver = Callable[[EventId, int], Awaitable[None]]
GiveUp = Callable[[RecordingId, str], Awaitable[None]]

FINISH_CONCURRENCY = 2
FINISH_CLAIMED = 16
"""More jobs are claimed at a poll than run at once, so that a burst does not wait for polls."""
DELIVERY_CONCURRENCY = 50
MOVE_CONCURRENCY = 2
MOST_DELIVER_TRIES = 150
"""About a day of tries that raise, which are faults of ours; the job is then kept as failed."""
POLL_SECS = {True: 1.0, False: 4.0}
"""How often each queue is polled while the node is busy (True) or idle: a poll costs 2.5 ms of CPU."""
KEEP_FINISHED = timedelta(hours=1)
PRUNE_SECS = 300
PRUNE_BATCH = 500
_ENDED = ["SUCCESS", "ERROR", "CANCELLED", "MAX_RECOVERY_ATTEMPTS_EXCEEDED"]


class Worker:
    """Runs the jobs of one node; there is one in a process, and one on a node.

    Args:
        database_url: ``sqlite:///`` URL of the database, whose job tables exist (``prepare``).
        node: Whose spools are finished here.
        finish: Masters and stores one recording; what it raises is tried again after a wait.
        deliver: Makes one attempt at an event and queues the next; it handles failed attempts itself.
        give_up: Told of a recording that failed for the last time, with the reason for people.
        busy: Whether calls are up or work is unfinished; asked once a second.
        locks: Folder on a local disk for the node's lock and the counts of deaths.
        transcribing: Makes transcriptions; None: this worker leaves them alone.
        moving: Moves files into buckets that had not taken them; None: they stay.
        told_secs: How long the jobs of recordings wait of which ``finish_soon`` is told.
    """

    def __init__(
        self,
        database_url: str,
        node: NodeId,
        finish: Finish,
        deliver: Deliver,
        *,
        give_up: GiveUp,
        busy: Callable[[], Awaitable[bool]],
        locks: Path,
        transcribing: Transcribing | None = None,
        moving: Moving | None = None,
        told_secs: float = 0.0,
        retry_secs: tuple[float, ...] = RETRY_SECS,
    ) -> None:
        self._url = database_url
        self._node = node
        self._finish = finish
        self._deliver = deliver
        self._give_up = give_up
        self._busy = busy
        self._locks = locks
        self._transcribing = transcribing
        self._moving = moving
        self._told_secs = told_secs
        self._retry_secs = retry_secs
        self._client = JobClient(database_url)
        self._suspects: set[str] = set()
        # Two suspects at once would both be blamed for one death.
        self._one_suspect = asyncio.Lock()
        self._slots = asyncio.Semaphore(FINISH_CONCURRENCY)
        self._turns: WeakValueDictionary[RecordingId, asyncio.Lock] = WeakValueDictionary()
        self._running: set[asyncio.Task[None]] = set()
        self._needless: list[str] = []
        """Jobs that wait for what is done."""

    def finish_soon(self, recording_id: RecordingId) -> None:
        """Finish a recording now whose job waits. If that fails, the job does it when its time comes.

        A job costs several times what it takes to finish a short call, and is found only by a poll.
        """
        task = asyncio.get_running_loop().create_task(self._finish_ahead(recording_id))
        self._running.add(task)
        task.add_done_callback(self._running.discard)

    async def run(self) -> None:
        """Run jobs until cancelled; jobs that are cut short then run again at the next start.

        Raises:
            CapacityError: another process is this node's worker.
        """
        with node_lock(self._locks, self._node):
            async with self._engine() as queues:
                await self._attend(queues)

    @asynccontextmanager
    async def _engine(self) -> AsyncIterator[tuple[Queue, ...]]:
        quiet_engine()
        DBOS(config=_config(self._url, self._node))
        try:
            self._register()
            DBOS.listen_queues(self._names())
            self._suspects = await self._interrupted()
            # On the loop's own thread: the engine then runs its jobs on this loop.
            DBOS.launch()
            attended = await self._queues()
            log.info("worker_started", node=self._node, interrupted=len(self._suspects))
            yield attended
        finally:
            await self._stop()

    def _names(self) -> list[str]:
        names = [spool_queue(self._node), DELIVERY_QUEUE]
        names += [moving_queue(self._node)] if self._moving else []
        return names + ([transcription_queue(self._node)] if self._transcribing else [])

    def _register(self) -> None:
        async def finish(recording_id: str, tries: int) -> None:
            await self._tracked(self._run_finish(RecordingId(recording_id), tries))

        async def deliver(event_id: str, number: int, tries: int) -> None:
            await self._tracked(self._run_deliver(EventId(event_id), number, tries))

        async def transcribe(transcription_id: str, tries: int) -> None:
            await self._tracked(self._run_transcribe(TranscriptionId(transcription_id), tries))

        async def move(recording_id: str, since_ns: int, tries: int) -> None:
            await self._tracked(self._run_move(RecordingId(recording_id), since_ns, tries))

        portable = WorkflowSerializationFormat.PORTABLE
        # Transcriptions compute in a process of their own, so that no death of ours is their fault.
        DBOS.workflow(name=TRANSCRIBE, serialization_type=portable, max_recovery_attempts=None)(
            transcribe
        )
        # The deaths of finish jobs are counted by ourselves.
        DBOS.workflow(name=FINISH, serialization_type=portable, max_recovery_attempts=None)(finish)
        DBOS.workflow(name=DELIVER, serialization_type=portable)(deliver)
        DBOS.workflow(name=MOVE, serialization_type=portable)(move)

    async def _interrupted(self) -> set[str]:
        return await self._client.running(self._node)

    async def _queues(self) -> tuple[Queue, ...]:
        """Register all; those that are polled more often while the node is busy."""
        if self._moving is not None:
            await DBOS.register_queue_async(
                moving_queue(self._node),
                worker_concurrency=MOVE_CONCURRENCY,
                polling_interval_sec=self._moving.poll_secs,
            )
        spool = await DBOS.register_queue_async(
            spool_queue(self._node),
            worker_concurrency=FINISH_CLAIMED,
            polling_interval_sec=POLL_SECS[True],
        )
        delivery = await DBOS.register_queue_async(
            DELIVERY_QUEUE,
            worker_concurrency=DELIVERY_CONCURRENCY,
            polling_interval_sec=POLL_SECS[True],
        )
        if self._transcribing is None:
            return spool, delivery
        transcription = await DBOS.register_queue_async(
            transcription_queue(self._node),
            worker_concurrency=1,
            polling_interval_sec=POLL_SECS[True],
        )
        return spool, delivery, transcription

    async def _stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        # The engine made its threads the loop's, and they end with it.
        pool = ThreadPoolExecutor(max_workers=4)
        loop = asyncio.get_running_loop()
        loop.set_default_executor(pool)
        await loop.run_in_executor(pool, _destroy)
        self._client.close()

    async def _attend(self, queues: tuple[Queue, ...]) -> None:
        was_busy, until_prune = True, 0
        while True:
            busy = await self._busy()
            if busy != was_busy:
                await _set_polling(queues, busy=busy)
                was_busy = busy
            if until_prune == 0:
                await prune()
                until_prune = PRUNE_SECS
            until_prune -= 1
            await self._drop_needless()
            await asyncio.sleep(1)

    async def _tracked(self, job: Awaitable[None]) -> None:
        task = asyncio.ensure_future(job)
        self._running.add(task)
        try:
            await task
        finally:
            self._running.discard(task)

    async def _run_finish(self, recording_id: RecordingId, tries: int) -> None:
        if finish_id(recording_id, tries) not in self._suspects:
            await self._try_finish(recording_id, tries)
            return
        async with self._one_suspect:
            count = DeathCount(self._locks, finish_id(recording_id, tries))
            try:
                if count.begin():
                    await self._try_finish(recording_id, tries)
                else:
                    await self._give_up_surely(recording_id, "each try killed the worker process")
            finally:
                # Whatever was raised, a stop included, the process is alive.
                count.end()

    async def _try_finish(self, recording_id: RecordingId, tries: int) -> None:
        try:
            await self._finish_in_turn(recording_id)
        except Exception as error:  # noqa: BLE001 - the unit of work: it is tried again
            await self._finish_failed(recording_id, tries, error)

    async def _finish_ahead(self, recording_id: RecordingId) -> None:
        began = time.monotonic()
        try:
            await self._finish_in_turn(recording_id)
        except Exception as error:  # noqa: BLE001 - the unit of work: its job tries it again
            log.warning("finish_failed", recording_id=recording_id, error=repr(error))
            return
        # A job that may have begun by now is left to find that nothing is to do.
        if time.monotonic() - began < self._told_secs / 2:
            self._needless.append(finish_id(recording_id, 0))

    async def _finish_in_turn(self, recording_id: RecordingId) -> None:
        """Never two at a time of one recording: the second finds it done."""
        turn = self._turns.setdefault(recording_id, asyncio.Lock())
        async with turn, self._slots:
            await self._finish(recording_id)

    async def _drop_needless(self) -> None:
        jobs, self._needless = self._needless, []
        if jobs:
            await DBOS.delete_workflows_async(jobs)

    async def _finish_failed(self, recording_id: RecordingId, tries: int, error: Exception) -> None:
        reason = f"{type(error).__name__}: {error}"
        if tries < len(self._retry_secs):
            wait = self._retry_secs[tries]
            log.warning("finish_failed", recording_id=recording_id, again_secs=wait, error=reason)
            await self._client.finish_again(self._node, recording_id, tries + 1, wait)
        else:
            log.error("finish_failed_finally", recording_id=recording_id, exc_info=error)
            await self._give_up_surely(recording_id, reason)

    async def _give_up_surely(self, recording_id: RecordingId, reason: str) -> None:
        """Tell ``give_up``; while it raises, wait here: a crash meanwhile runs the job again."""
        log.error("recording_given_up", recording_id=recording_id, reason=reason)
        for wait in self._retry_secs:
            try:
                await self._give_up(recording_id, reason)
            except Exception as error:
                log.warning("give_up_failed", recording_id=recording_id, exc_info=error)
                await asyncio.sleep(wait)
            else:
                return
        await self._give_up(recording_id, reason)

    async def _run_transcribe(self, transcription_id: TranscriptionId, tries: int) -> None:
        if self._transcribing is not None:
            await self._transcribing.run(self._client, self._node, transcription_id, tries)

    async def _run_move(self, recording_id: RecordingId, since_ns: int, tries: int) -> None:
        if self._moving is not None:
            await self._moving.run(self._client, self._node, recording_id, since_ns, tries)

    async def _run_deliver(self, event_id: EventId, number: int, tries: int) -> None:
        try:
            await self._deliver(event_id, number)
        except Exception as error:
            if tries >= MOST_DELIVER_TRIES:
                raise
            wait = self._retry_secs[min(tries, len(self._retry_secs) - 1)]
            log.warning("deliver_failed", event_id=event_id, again_secs=wait, exc_info=error)
            await self._client.deliver_again(event_id, number, tries + 1, wait)


async def _set_polling(queues: tuple[Queue, ...], *, busy: bool) -> None:
    for queue in queues:
        await queue.set_polling_interval_sec_async(POLL_SECS[busy])


async def prune(keep: timedelta = KEEP_FINISHED) -> int:
    """Delete the rows of jobs queued longer than ``keep`` ago that have ended; returns how many."""
    before = (datetime.now(UTC) - keep).isoformat()
    pruned = 0
    while True:
        ended = await DBOS.list_workflows_async(
            status=_ENDED,
            completed_before=before,
            limit=PRUNE_BATCH,
            load_input=False,
            load_output=False,
        )
        if not ended:
            return pruned
        await DBOS.delete_workflows_async([job.workflow_id for job in ended])
        pruned += len(ended)


@contextmanager
def node_lock(folder: Path, node: NodeId) -> Iterator[None]:
    """Hold the node's lock; the kernel gives it back when the process dies.

    Raises:
        CapacityError: another process holds it.
    """
    folder.mkdir(parents=True, exist_ok=True)
    lock = os.open(folder / f"worker.{node}.lock", os.O_RDWR | os.O_CREAT, 0o600)
    try:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise CapacityError(
                f"node {node} has a worker already; stop it or give this one another node"
            ) from error
        yield
    finally:
        os.close(lock)


def _config(url: str, node: NodeId) -> DBOSConfig:
    return {
        "name": APPLICATION,
        "system_database_url": url,
        "executor_id": node,
        "application_version": VERSION,
        "log_level": "WARNING",
        "sys_db_pool_size": 4,
        "run_migrations": True,
    }


def _destroy() -> None:
    DBOS.destroy(destroy_registry=True)
