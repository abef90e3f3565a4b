"""The database as the use cases see it: ``service.ports.Store``."""

import asyncio
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from onrecord.database.dialect import create_file, database_url, reader_engine, writer_engine
from onrecord.database.schema import migrate
from onrecord.database.threads import Readers, Writer
from onrecord.database.unit import JobQueue, SqlUnit

T = TypeVar("T")


class Database:
    """One database; ``start`` before use, ``close`` after.

    Args:
        place: Path of the SQLite file, or its ``sqlite:///`` URL.
        jobs: Where units put durable jobs.
    """

    def __init__(self, place: str | Path, *, jobs: JobQueue) -> None:
        self.url = database_url(place)
        self._jobs = jobs
        self._writer: Writer | None = None
        self._readers: Readers | None = None

    async def start(self) -> None:
        """Make or migrate the schema and start the threads.

        Raises:
            DatabaseError: the file cannot be used, or belongs to a newer program.
        """
        await asyncio.to_thread(self._open)

    async def close(self) -> None:
        """Finish what waits and close; a repeat does nothing."""
        await asyncio.to_thread(self._close)

    async def write(self, work: Callable[[SqlUnit], T], *, patience_secs: float = 0.0) -> T:
        """Run ``work`` in one transaction: all of it is durable when this returns, or none.

        It runs on the writer thread and may share its commit with others; what it raises is raised
        here and undoes only its own changes. It must not block on anything but the database.
        With ``patience_secs`` it waits so long for somebody else's commit before it gets its own.
        """
        if self._writer is None:
            raise RuntimeError("the database is not started")
        return await self._writer.run(work, patience_secs)

    async def read(self, work: Callable[[SqlUnit], T]) -> T:
        """Run ``work`` on a snapshot, beside the writer; it cannot write."""
        if self._readers is None:
            raise RuntimeError("the database is not started")
        return await self._readers.run(work)

    def _open(self) -> None:
        create_file(self.url)
        writer = writer_engine(self.url)
        migrate(writer)
        self._writer = Writer(writer, self._jobs)
        self._readers = Readers(reader_engine(self.url), self._jobs)

    def _close(self) -> None:
        writer, readers = self._writer, self._readers
        self._writer = self._readers = None
        if writer is not None:
            writer.close()
        if readers is not None:
            readers.close()
