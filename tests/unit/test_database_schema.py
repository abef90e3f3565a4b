"""The schema: made by migrations, refused when it is newer, with an index for every query."""

import sqlite3
import stat
from pathlib import Path

import pytest
import sqlalchemy as sa
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory

from onrecord.calls.lists import (
    CallEventFilter,
    DeliveryFilter,
    RecordingFilter,
    TranscriptionFilter,
)
from onrecord.database import Database, DatabaseError, lists, schema, statements
from onrecord.database.dialect import create_file, database_url, reader_engine, writer_engine
from onrecord.database.tables import metadata


@pytest.fixture
def url(tmp_path):
    made = database_url(tmp_path / "folder" / "onrecord.db")
    create_file(made)
    return made


def test_migrations_make_what_the_tables_say(url):
    engine = writer_engine(url)
    schema.migrate(engine)
    schema.migrate(engine)
    with engine.connect() as connection:
        context = MigrationContext.configure(connection)
        assert compare_metadata(context, metadata) == []
        indices = {
            row[0]
            for row in connection.exec_driver_sql(
                "SELECT name FROM sqlite_master WHERE type = 'index' AND sql IS NOT NULL"
            )
        }
    assert indices == {index.name for table in metadata.tables.values() for index in table.indexes}


def test_the_newest_revision_is_the_head():
    assert ScriptDirectory(str(schema._FOLDER)).get_current_head() == schema.HEAD


def test_a_database_of_a_newer_program_is_refused(url):
    engine = writer_engine(url)
    schema.migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE compatibility SET number = 99")
    with pytest.raises(DatabaseError, match=r"compatibility 99.*newer version"):
        schema.migrate(engine)


def test_a_newer_database_that_is_still_compatible_is_left_alone(url):
    engine = writer_engine(url)
    schema.migrate(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("UPDATE alembic_version SET version_num = '9999'")
    schema.migrate(engine)
    with engine.begin() as connection:
        found = connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar()
    assert found == "9999"


def test_commits_are_durable_and_the_file_is_private(url):
    path = Path(sa.make_url(url).database)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    for engine in (writer_engine(url), reader_engine(url)):
        with engine.connect() as connection:
            pragmas = {
                name: connection.exec_driver_sql(f"PRAGMA {name}").scalar()
                for name in ("journal_mode", "synchronous", "foreign_keys", "busy_timeout")
            }
        assert pragmas == {
            "journal_mode": "wal",
            "synchronous": 2,
            "foreign_keys": 1,
            "busy_timeout": 30000,
        }
    plain = sqlite3.connect(path)
    assert plain.execute("PRAGMA synchronous").fetchone() == (2,)
    plain.close()


def test_places_that_cannot_be(tmp_path):
    with pytest.raises(DatabaseError, match="use sqlite"):
        database_url("postgresql://host/name")
    file = tmp_path / "file"
    file.write_text("")
    with pytest.raises(DatabaseError, match=r"database .*file"):
        create_file(database_url(file / "onrecord.db"))
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database" * 100)
    with pytest.raises(DatabaseError, match="restore"):
        create_file(database_url(broken))


async def test_start_tells_what_is_wrong(tmp_path):
    broken = tmp_path / "broken.db"
    broken.write_bytes(b"this is no database" * 100)
    database = Database(broken, jobs=None)
    with pytest.raises(DatabaseError):
        await database.start()
    await database.close()


# Small tables that are read whole.
SCANNED = {"keys", "numbers"}


def _prepared():
    for name, value in vars(statements).items():
        if isinstance(value, statements.Prepared):
            yield name, value
    for at, statement in enumerate(statements.prune):
        yield f"prune {at}", statement
    for members in (
        {"call_control_id": "a"},
        {"call_leg_id": "a"},
        {"call_session_id": "a"},
        {"connection_id": "a"},
        {"from_": "a"},
        {"to": "a"},
        {"sip_call_id": "a"},
        {"created_gte_ns": 1},
        {"started_gte_ns": 1, "started_lte_ns": 2},
        {"ended_lte_ns": 1},
        {},
    ):
        selection, _ = statements.recordings(RecordingFilter(**members))
        yield f"recordings {sorted(members)}", selection.rows
        yield f"recordings count {sorted(members)}", selection.count
    for members in ({}, {"call_leg_id": "a"}, {"call_session_id": "a"}):
        selection, _ = lists.call_events(CallEventFilter(occurred_gte_ns=1, **members))
        yield f"call events {sorted(members)}", selection.rows
    yield "deliveries", lists.deliveries(DeliveryFilter())[0].rows
    for members in ({}, {"recording_id": "a"}, {"created_gte_ns": 1}):
        selection, _ = lists.transcriptions(TranscriptionFilter(**members))
        yield f"transcriptions {sorted(members)}", selection.rows
    yield "active legs", lists.active_legs.rows


def _reads_all(detail):
    return detail.startswith("SCAN") and "USING" not in detail and detail != "SCAN CONSTANT ROW"


def test_every_query_has_an_index(url):
    engine = writer_engine(url)
    schema.migrate(engine)
    scans = []
    with engine.begin() as connection:
        for name, prepared in _prepared():
            text, names, _ = prepared._compile(connection.dialect)
            plan = connection.exec_driver_sql(
                f"EXPLAIN QUERY PLAN {text}", tuple(1 for _ in names)
            ).fetchall()
            if any(_reads_all(row.detail) for row in plan):
                scans.append(name)
    assert set(scans) <= SCANNED
