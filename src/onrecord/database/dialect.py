"""What differs between databases: opening a connection, beginning a transaction, upserts.

Only SQLite is wired. PostgreSQL would add its driver's URL to ``writer_engine`` and its own ``insert``.
"""

import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects import sqlite
from sqlalchemy.pool import NullPool

from onrecord.core.errors import OnrecordError

BUSY_TIMEOUT_MS = 30_000
_FULL = 2
_WRITER_PRAGMAS = (
    f"PRAGMA busy_timeout={BUSY_TIMEOUT_MS}",
    "PRAGMA synchronous=FULL",
    "PRAGMA foreign_keys=ON",
    "PRAGMA temp_store=MEMORY",
    "PRAGMA journal_size_limit=67108864",
)
_READER_PRAGMAS = (*_WRITER_PRAGMAS, "PRAGMA query_only=ON")


class DatabaseError(OnrecordError):
    """The database cannot be used as it is; the text says what to do."""


def database_url(place: str | Path) -> str:
    """``sqlite:///`` and the absolute path; a URL is taken as it is.

    Raises:
        DatabaseError: a URL of a database that is not supported.
    """
    text = str(place)
    if "://" not in text:
        return f"sqlite:///{Path(text).absolute()}"
    if not text.startswith("sqlite:///"):
        raise DatabaseError(f"the database {text.split(':', 1)[0]} is not supported; use sqlite")
    return text


def create_file(url: str) -> None:
    """Make the SQLite file, private to its owner, with a write-ahead log, before anybody opens it.

    Raises:
        DatabaseError: the folder or file cannot be written, or SQLite is built to lose commits.
    """
    path = Path(sa.make_url(url).database or "")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
    except OSError as error:
        raise DatabaseError(f"database {path}: {error.strerror}") from error
    connection = sqlite3.connect(path, timeout=BUSY_TIMEOUT_MS / 1000)
    try:
        _check_durability(connection, path)
    except sqlite3.DatabaseError as error:
        raise DatabaseError(f"database {path}: {error}; restore it from a copy") from error
    finally:
        connection.close()


def _check_durability(connection: sqlite3.Connection, path: Path) -> None:
    (mode,) = connection.execute("PRAGMA journal_mode=WAL").fetchone()
    if mode != "wal":
        raise DatabaseError(f"database {path}: no write-ahead log there; use a local disk")
    # The job engine opens its own connections, with the library's default.
    (synchronous,) = connection.execute("PRAGMA synchronous").fetchone()
    if synchronous < _FULL:
        raise DatabaseError("this SQLite library was built without durable commits")


def writer_engine(url: str) -> sa.Engine:
    """An engine whose transactions take the write lock when they begin."""
    return _engine(url, _WRITER_PRAGMAS, "BEGIN IMMEDIATE")


def reader_engine(url: str) -> sa.Engine:
    """An engine whose transactions are snapshots and cannot write."""
    return _engine(url, _READER_PRAGMAS, "BEGIN")


def _engine(url: str, pragmas: Sequence[str], begin: str) -> sa.Engine:
    # A connection is handed from the thread that opens it to the one that uses it.
    engine = sa.create_engine(
        url, poolclass=NullPool, connect_args={"check_same_thread": False, "cached_statements": 256}
    )

    def prepare(connection: Any, _record: object) -> None:
        # Without this the driver would begin and end transactions by itself.
        connection.isolation_level = None
        for pragma in pragmas:
            connection.execute(pragma).close()

    def begin_transaction(connection: sa.Connection) -> None:
        execute(connection, begin)

    sa.event.listen(engine, "connect", prepare)
    sa.event.listen(engine, "begin", begin_transaction)
    return engine


def execute(connection: sa.Connection, text: str, values: Sequence[object] = ()) -> Any:
    """The driver's own cursor after ``text``: nothing of SQLAlchemy's, which costs several times as much.

    Raises:
        Exception: what the driver raises when the database refuses (PEP 249).
    """
    cursor = connection.connection.cursor()
    cursor.execute(text, values)
    return cursor


def json_text(column: sa.ColumnElement[str], *path: str) -> sa.ColumnElement[str]:
    """The text at a path of member names inside a column of JSON text; null where there is none."""
    return sa.func.json_extract(column, sa.literal_column(f"'$.{'.'.join(path)}'"))


def insert_unless_there(table: sa.Table) -> sa.Insert:
    """An INSERT that leaves an existing row alone; its row count tells."""
    return sqlite.insert(table).on_conflict_do_nothing()


def insert_or_replace(table: sa.Table) -> sa.Insert:
    """An INSERT that overwrites every column of an existing row."""
    statement = sqlite.insert(table)
    new = {
        column.name: statement.excluded[column.name]
        for column in table.columns
        if not column.primary_key
    }
    return statement.on_conflict_do_update(index_elements=list(table.primary_key), set_=new)
