"""The schema is made and changed by the migrations in ``migrations``; nothing else creates tables.

``COMPATIBILITY`` rises when a migration makes the database unusable to the programs before it: an
older program then refuses to start instead of writing rows that the newer one cannot read.
"""

from pathlib import Path

import sqlalchemy as sa

from onrecord.database.dialect import DatabaseError

HEAD = "0001"
"""The newest revision in ``migrations/versions``."""

COMPATIBILITY = 1
"""What this program is; the database's own number must not be larger."""

_FOLDER = Path(__file__).parent / "migrations"


def migrate(engine: sa.Engine) -> None:
    """Bring the database to ``HEAD`` in one transaction; does nothing when it is there already.

    Raises:
        DatabaseError: the database belongs to a newer program.
    """
    with engine.begin() as connection:
        _refuse_newer(connection)
        if _revision(connection) == HEAD:
            return
        _upgrade(connection)


def _refuse_newer(connection: sa.Connection) -> None:
    if not sa.inspect(connection).has_table("compatibility"):
        return
    number = connection.exec_driver_sql("SELECT max(number) FROM compatibility").scalar() or 0
    if number > COMPATIBILITY:
        raise DatabaseError(
            f"the database needs onrecord of compatibility {number}; this one is {COMPATIBILITY}: "
            "install the newer version again"
        )


def _revision(connection: sa.Connection) -> str | None:
    if not sa.inspect(connection).has_table("alembic_version"):
        return None
    found: str | None = connection.exec_driver_sql(
        "SELECT version_num FROM alembic_version"
    ).scalar()
    return found


def _upgrade(connection: sa.Connection) -> None:
    # Alembic costs 12 MB of memory, and most starts need no migration.
    from alembic import command
    from alembic.config import Config

    config = Config()
    config.set_main_option("script_location", str(_FOLDER).replace("%", "%%"))
    config.attributes["connection"] = connection
    # A database that a newer, still compatible program has moved on is left as it is.
    if _revision(connection) in _known(config):
        command.upgrade(config, "head")


def _known(config: object) -> set[str | None]:
    from alembic.script import ScriptDirectory

    script = ScriptDirectory.from_config(config)  # type: ignore[arg-type]
    return {None, *(revision.revision for revision in script.walk_revisions())}
