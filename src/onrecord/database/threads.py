"""The threads that talk to the database: one that writes with grouped commits, some that read.

::

    event loop                      writer thread                        disk
    write(a) --+                    BEGIN IMMEDIATE
    write(b) --+-- queue ---------> SAVEPOINT; a; RELEASE
    write(c) --+                    SAVEPOINT; b fails; ROLLBACK TO
       ^                            SAVEPOINT; c; RELEASE
       |                            COMMIT ----------------------------> one fsync
       +-- results of a and c, the error of b <---------------------------+

A patient write waits beside the queue: whichever commit is next takes it along.
"""

import asyncio
import queue
import threading
from collections import defaultdict, deque
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import Enum
from typing import Any, TypeVar

import sqlalchemy as sa

from onrecord.database.dialect import execute
from onrecord.database.unit import JobQueue, SqlUnit

T = TypeVar("T")

Work = Callable[[SqlUnit], Any]

MOST_PER_COMMIT = 256


@dataclass(frozen=True, slots=True)
class _Task:
    work: Work
    future: asyncio.Future[Any]
    loop: asyncio.AbstractEventLoop


class _Call(Enum):
    """What the writer thread may be given beside tasks."""

    COMMIT = "commit what is patient"
    END = "end"


@dataclass(frozen=True, slots=True)
class _Outcome:
    task: _Task
    value: object = None
    error: BaseException | None = None

    def deliver(self) -> None:
        """Runs on the caller's loop. A caller that was cancelled gets nothing."""
        if self.task.future.done():
            return
        if self.error is None:
            self.task.future.set_result(self.value)
        elif isinstance(self.error, StopIteration):
            self.task.future.set_exception(RuntimeError("the work raised StopIteration"))
        else:
            self.task.future.set_exception(self.error)


class Writer:
    """One connection and one thread: works that wait together share one commit.

    Whatever a work raises, SystemExit included, is its caller's; the thread goes on with the next.
    """

    def __init__(self, engine: sa.Engine, jobs: JobQueue) -> None:
        self._engine = engine
        self._jobs = jobs
        self._waiting: queue.SimpleQueue[_Task | _Call] = queue.SimpleQueue()
        self._patient: deque[_Task] = deque()
        self._connection = engine.connect()
        self._thread = threading.Thread(target=self._run, name="database-writer", daemon=True)
        self._thread.start()

    async def run(self, work: Callable[[SqlUnit], T], patience_secs: float = 0.0) -> T:
        """Run ``work`` in a transaction; returns when it is durable, raises what it raised.

        It may wait ``patience_secs`` for a commit that is made for others.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[T] = loop.create_future()
        task = _Task(work, future, loop)
        if not patience_secs:
            self._waiting.put(task)
            return await future
        self._patient.append(task)
        enough = loop.call_later(patience_secs, self._waiting.put, _Call.COMMIT)
        try:
            return await future
        finally:
            enough.cancel()

    def close(self) -> None:
        """Finish what waits, then end the thread. Blocks."""
        self._waiting.put(_Call.END)
        self._thread.join()
        self._connection.close()

    def _run(self) -> None:
        while True:
            batch, last = self._take()
            if batch:
                _deliver(self._commit(batch))
            if last:
                return

    def _take(self) -> tuple[list[_Task], bool]:
        batch: list[_Task] = []
        given = self._waiting.get()
        while given is not _Call.END:
            if isinstance(given, _Task):
                batch.append(given)
            if len(batch) == MOST_PER_COMMIT:
                break
            try:
                given = self._waiting.get_nowait()
            except queue.Empty:
                break
        while self._patient:
            batch.append(self._patient.popleft())
        return batch, given is _Call.END

    def _commit(self, batch: list[_Task]) -> list[_Outcome]:
        unit = SqlUnit(self._connection, self._jobs)
        try:
            with self._connection.begin():
                if len(batch) == 1:
                    return [_Outcome(batch[0], batch[0].work(unit))]
                return [self._in_savepoint(task, unit) for task in batch]
        except BaseException as error:  # noqa: BLE001 - nothing is durable: every caller is told
            return [_Outcome(task, error=error) for task in batch]

    def _in_savepoint(self, task: _Task, unit: SqlUnit) -> _Outcome:
        execute(self._connection, "SAVEPOINT work")
        try:
            value = task.work(unit)
        except BaseException as error:  # noqa: BLE001 - the unit of work: its caller is told
            execute(self._connection, "ROLLBACK TO SAVEPOINT work")
            execute(self._connection, "RELEASE SAVEPOINT work")
            return _Outcome(task, error=error)
        execute(self._connection, "RELEASE SAVEPOINT work")
        return _Outcome(task, value)


def _deliver(outcomes: list[_Outcome]) -> None:
    by_loop: dict[asyncio.AbstractEventLoop, list[_Outcome]] = defaultdict(list)
    for outcome in outcomes:
        by_loop[outcome.task.loop].append(outcome)
    for loop, its in by_loop.items():
        try:
            loop.call_soon_threadsafe(_deliver_all, its)
        except RuntimeError:
            # The loop was closed with callers still waiting: nobody is left to tell.
            continue


def _deliver_all(outcomes: list[_Outcome]) -> None:
    for outcome in outcomes:
        outcome.deliver()


class Readers:
    """A few threads with a read-only connection each; every work sees one snapshot."""

    def __init__(self, engine: sa.Engine, jobs: JobQueue, threads: int = 2) -> None:
        self._engine = engine
        self._jobs = jobs
        self._local = threading.local()
        self._opened: list[sa.Connection] = []
        self._pool = ThreadPoolExecutor(threads, thread_name_prefix="database-reader")

    async def run(self, work: Callable[[SqlUnit], T]) -> T:
        """Run ``work`` on a snapshot; raises what it raised."""
        return await asyncio.get_running_loop().run_in_executor(self._pool, self._read, work)

    def close(self) -> None:
        """Finish what waits, then close the connections. Blocks."""
        self._pool.shutdown()
        for connection in self._opened:
            connection.close()

    def _read(self, work: Callable[[SqlUnit], T]) -> T:
        connection = getattr(self._local, "connection", None)
        if connection is None:
            connection = self._local.connection = self._engine.connect()
            self._opened.append(connection)
        with connection.begin():
            return work(SqlUnit(connection, self._jobs))
