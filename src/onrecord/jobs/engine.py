"""The job engine, DBOS, on threads of its own: up while there are jobs, since its polls cost CPU.

It polls each second, for our queues and for itself, whether there is a job or not: 12 ms of CPU a second. To
start and to stop it takes 35.
"""

import asyncio
from collections.abc import Awaitable, Callable, Coroutine, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

from dbos import DBOS, DBOSConfig, WorkflowSerializationFormat

from onrecord.core.ids import NodeId
from onrecord.jobs.client import quiet_engine
from onrecord.jobs.names import APPLICATION, VERSION

POLL_SECS = 1.0
"""How often each queue is polled while the engine is up."""


@dataclass(frozen=True, slots=True)
class Job:
    """What runs the jobs of one name.

    Args:
        name: As the job was queued.
        run: Called with the job's arguments, on the loop that started the engine.
        most_recoveries: After so many deaths of the process during one job it is given up; None: never.
    """

    name: str
    run: Callable[..., Coroutine[Any, Any, None]]
    most_recoveries: int | None = None


class Engine:
    """Runs the jobs of one node. There is one in a process; start and stop may be repeated.

    A job that is cut short by a stop, or that was claimed in its last moment, runs again after the next start.

    Args:
        url: ``sqlite:///`` URL of the database.
        node: Whose jobs these are.
        queues: How many jobs of each queue may run at a time.
        jobs: What runs them.
    """

    def __init__(
        self, url: str, node: NodeId, queues: Mapping[str, int], jobs: Sequence[Job]
    ) -> None:
        self._url = url
        self._node = node
        self._queues = queues
        self._jobs = jobs
        # One thread, so that a stop waits for a start whose caller was cancelled.
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="job-engine")
        self.up = False

    async def start(self) -> None:
        """Start it unless it is up; jobs that were cut short begin at once."""
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(self._thread, self._start, loop)

    async def stop(self) -> None:
        """Stop it if it is up; takes up to a second. It does not wait for jobs."""
        await asyncio.get_running_loop().run_in_executor(self._thread, self._stop)

    def _start(self, loop: asyncio.AbstractEventLoop) -> None:
        if self.up:
            return
        quiet_engine()
        DBOS(config=_config(self._url, self._node))
        self.up = True
        try:
            for job in self._jobs:
                DBOS.workflow(
                    name=job.name,
                    serialization_type=WorkflowSerializationFormat.PORTABLE,
                    max_recovery_attempts=job.most_recoveries,
                )(_on(loop, job))
            DBOS.listen_queues(list(self._queues))
            DBOS.launch()
            for name, at_once in self._queues.items():
                DBOS.register_queue(
                    name, worker_concurrency=at_once, polling_interval_sec=POLL_SECS
                )
        except BaseException:
            self._stop()
            raise

    def _stop(self) -> None:
        if self.up:
            DBOS.destroy(destroy_registry=True)
            self.up = False


def _on(loop: asyncio.AbstractEventLoop, job: Job) -> Callable[..., Awaitable[None]]:
    """The engine's side of a job: it waits for what runs on ``loop``."""

    async def run(*arguments: Any) -> None:
        await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(job.run(*arguments), loop))

    return run


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
