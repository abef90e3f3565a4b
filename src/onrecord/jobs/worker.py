"""The worker process's side: runs queued jobs, at least once each, through any crash.

A job is one workflow without steps: it must be harmless to repeat. The engine's own connections commit
with SQLite's default, FULL; were it weaker, a power cut would only make a finished job run again, since
what queues a job is committed by the database's writer.

The engine is started once there is a job whose time comes, and stopped a while after the last one: mostly there
is none, and one look at its table costs a fiftieth of its own polls.
"""

import asyncio
import fcntl
import os
import time
from collections.abc import Awaitable, Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path
from weakref import WeakValueDictionary

import structlog

from onrecord.core.errors import CapacityError
from onrecord.core.ids import EventId, NodeId, RecordingId, TranscriptionId
from onrecord.jobs.client import JobClient
from onrecord.jobs.engine import Engine, Job
from onrecord.jobs.moving import Moving
from onrecord.jobs.names import (
    DELIVER,
    DELIVERY_QUEUE,
    FINISH,
    MOVE,
    RETRY_SECS,
    TRANSCRIBE,
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
Waiting = Callable[[float], Awaitable[bool]]

FINISH_CONCURRENCY = 2
FINISH_CLAIMED = 16
"""More jobs are claimed at a poll than run at once, so that a burst does not wait for polls."""
DELIVERY_CONCURRENCY = 50
MOVE_CONCURRENCY = 2
MOST_DELIVER_TRIES = 150
"""About a day of tries that raise, which are faults of ours; the job is then kept as failed."""
MOST_RECOVERIES = 100
LOOK_SECS = 1.0
"""How often is looked for jobs."""
AHEAD_SECS = 2.0
"""So much before a job's time the engine is started: it looks for it only some time after its start."""
LINGER_SECS = 10.0
"""How long the engine stays up without a job: others may follow, as a receiver that is down has many."""
KEEP_FINISHED = timedelta(hours=1)
PRUNE_SECS = 300.0


class Worker:
    """Runs the jobs of one node; there is one in a process, and one on a node.

    Args:
        database_url: ``sqlite:///`` URL of the database, whose job tables exist (``prepare``).
        node: Whose spools are finished here.
        finish: Masters and stores one recording; what it raises is tried again after a wait.
        deliver: Makes one attempt at an event and queues the next; it handles failed attempts itself.
        give_up: Told of a recording that failed for the last time, with the reason for people.
        waiting: Whether there are jobs that run, or whose time comes within so many seconds; asked once a
            second.
        locks: Folder on a local disk for the node's lock and the counts of deaths.
        transcribing: Makes transcriptions; None: this worker leaves them alone.
        moving: Moves files into buckets that had not taken them; None: they stay.
        told_secs: How long the jobs of recordings wait of which ``finish_soon`` is told.
        linger_secs: How long the engine stays up without a job.
    """

    def __init__(
        self,
        database_url: str,
        node: NodeId,
        finish: Finish,
        deliver: Deliver,
        *,
        give_up: GiveUp,
        waiting: Waiting,
        locks: Path,
        transcribing: Transcribing | None = None,
        moving: Moving | None = None,
        told_secs: float = 0.0,
        retry_secs: tuple[float, ...] = RETRY_SECS,
        linger_secs: float = LINGER_SECS,
    ) -> None:
        self._node = node
        self._finish = finish
        self._deliver = deliver
        self._give_up = give_up
        self._waiting = waiting
        self._locks = locks
        self._transcribing = transcribing
        self._moving = moving
        self._told_secs = told_secs
        self._retry_secs = retry_secs
        self._linger_secs = linger_secs
        self._client = JobClient(database_url)
        self._engine = Engine(database_url, node, self._queues(), self._jobs())
        self._suspects: set[str] = set()
        # Two suspects at once would both be blamed for one death.
        self._one_suspect = asyncio.Lock()
        self._slots = asyncio.Semaphore(FINISH_CONCURRENCY)
        self._turns: WeakValueDictionary[RecordingId, asyncio.Lock] = WeakValueDictionary()
        self._running: set[asyncio.Task[None]] = set()
        self._needless: list[str] = []
        """Jobs that wait for what is done."""
        self._drop_at = 0.0

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
            try:
                self._suspects = await self._client.running(self._node)
                log.info("worker_started", node=self._node, interrupted=len(self._suspects))
                await self._attend()
            finally:
                await self._stop()

    def _queues(self) -> dict[str, int]:
        queues = {spool_queue(self._node): FINISH_CLAIMED, DELIVERY_QUEUE: DELIVERY_CONCURRENCY}
        if self._moving is not None:
            queues[moving_queue(self._node)] = MOVE_CONCURRENCY
        if self._transcribing is not None:
            queues[transcription_queue(self._node)] = 1
        return queues

    def _jobs(self) -> list[Job]:
        async def finish(recording_id: str, tries: int) -> None:
            await self._tracked(self._run_finish(RecordingId(recording_id), tries))

        async def deliver(event_id: str, number: int, tries: int) -> None:
            await self._tracked(self._run_deliver(EventId(event_id), number, tries))

        async def transcribe(transcription_id: str, tries: int) -> None:
            await self._tracked(self._run_transcribe(TranscriptionId(transcription_id), tries))

        async def move(recording_id: str, since_ns: int, tries: int) -> None:
            await self._tracked(self._run_move(RecordingId(recording_id), since_ns, tries))

        return [
            # Transcriptions compute in a process of their own, so that no death of ours is their fault.
            Job(TRANSCRIBE, transcribe),
            # The deaths of finish jobs are counted by ourselves.
            Job(FINISH, finish),
            Job(DELIVER, deliver, MOST_RECOVERIES),
            Job(MOVE, move, MOST_RECOVERIES),
        ]

    async def _stop(self) -> None:
        for task in self._running:
            task.cancel()
        await asyncio.gather(*self._running, return_exceptions=True)
        await self._engine.stop()
        self._client.close()

    async def _attend(self) -> None:
        prune_at = last_needed = time.monotonic()
        while True:
            now = time.monotonic()
            if await self._waiting(AHEAD_SECS):
                last_needed = now
                await self._engine.start()
            elif self._engine.up and now - last_needed >= self._linger_secs:
                await self._engine.stop()
            if now >= prune_at:
                await self._client.prune(KEEP_FINISHED)
                prune_at = now + PRUNE_SECS
            await self._drop_needless()
            await asyncio.sleep(LOOK_SECS)

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
        """Many at once, in time before they would run for nothing."""
        now = time.monotonic()
        if self._needless and now >= self._drop_at:
            self._drop_at = now + self._told_secs / 4
            jobs, self._needless = self._needless, []
            await self._client.drop(jobs)

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
