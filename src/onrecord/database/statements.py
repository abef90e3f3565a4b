"""Statements that are compiled to SQL text once, and then run with no more work than the driver's own."""

from collections import namedtuple
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Generic, TypeVar

import sqlalchemy as sa

from onrecord.calls.lists import RecordingFilter
from onrecord.database import tables
from onrecord.database.dialect import execute, insert_or_replace, insert_unless_there

T = TypeVar("T")


class Prepared:
    """One SQLAlchemy statement whose values are all named ``bindparam``."""

    __slots__ = ("_compiled", "_row", "_statement")

    def __init__(self, statement: sa.Executable) -> None:
        self._statement: Any = statement
        self._compiled: dict[str, tuple[str, Sequence[str], Mapping[str, object]]] = {}
        self._row: Callable[[Sequence[Any]], Any] | None = None

    def run(self, connection: sa.Connection, values: Mapping[str, object]) -> int:
        """Execute with ``values`` by parameter name; how many rows that changed.

        Raises:
            KeyError: a parameter has no value.
            Exception: what the driver raises when the database refuses (PEP 249).
        """
        changed: int = self._execute(connection, values).rowcount
        return changed

    def first(self, connection: sa.Connection, values: Mapping[str, object]) -> Any:
        """The first row found, a named tuple of its columns; None where there is none."""
        cursor = self._execute(connection, values)
        found = cursor.fetchone()
        return None if found is None else self._rows_of(cursor)(found)

    def all(self, connection: sa.Connection, values: Mapping[str, object]) -> list[Any]:
        """Every row found, as :meth:`first` gives one."""
        cursor = self._execute(connection, values)
        return [*map(self._rows_of(cursor), cursor.fetchall())]

    def _execute(self, connection: sa.Connection, values: Mapping[str, object]) -> Any:
        """The driver's cursor, whose rows need no more work: no column's type is converted."""
        compiled = self._compiled.get(connection.dialect.name)
        if compiled is None:
            compiled = self._compile(connection.dialect)
        text, names, fixed = compiled
        given = {**fixed, **values} if fixed else values
        return execute(connection, text, [given[name] for name in names])

    def _rows_of(self, cursor: Any) -> Callable[[Sequence[Any]], Any]:
        if self._row is None:
            # The columns are known at run time only, so no type can be written down.
            make: Any = namedtuple  # noqa: PYI024
            self._row = make("Row", [column[0] for column in cursor.description], rename=True)._make
        return self._row

    def _compile(self, dialect: sa.Dialect) -> tuple[str, Sequence[str], Mapping[str, object]]:
        compiled = self._statement.compile(dialect=dialect)
        # A dialect may need values of its own, as SQLite does an OFFSET beside each LIMIT.
        fixed = {name: value for name, value in compiled.params.items() if value is not None}
        made = (str(compiled), tuple(compiled.positiontup or ()), fixed)
        self._compiled[dialect.name] = made
        return made


class Selection(Generic[T]):
    """A list in pages: the statement that counts all of it and the one that reads a page."""

    def __init__(
        self, table: sa.FromClause, conditions: Sequence[Any], order: Sequence[Any]
    ) -> None:
        self.count = Prepared(sa.select(sa.func.count()).select_from(table).where(*conditions))
        self.rows = Prepared(
            sa.select(table)
            .where(*conditions)
            .order_by(*order)
            .limit(sa.bindparam("page_size", type_=sa.Integer))
            .offset(sa.bindparam("page_skip", type_=sa.Integer))
        )


def _insert(table: sa.Table) -> Prepared:
    return Prepared(_all_columns(table.insert(), table))


def _all_columns(statement: sa.Insert, table: sa.Table) -> sa.Insert:
    return statement.values({c.name: sa.bindparam(c.name, type_=c.type) for c in table.columns})


def _update(table: sa.Table) -> Prepared:
    """Of all columns that ever change: an index of others is not touched."""
    keys = list(table.primary_key)
    values = {
        c.name: sa.bindparam(c.name, type_=c.type)
        for c in table.columns
        if not c.primary_key and c not in tables.FIXED
    }
    matching = [key == sa.bindparam(f"{key.name}_", type_=key.type) for key in keys]
    return Prepared(table.update().where(*matching).values(values))


def _where(table: sa.Table, *names: str) -> list[sa.ColumnElement[bool]]:
    return [table.c[n] == sa.bindparam(n, type_=table.c[n].type) for n in names]


def _select(table: sa.Table, *names: str) -> Prepared:
    return Prepared(sa.select(table).where(*_where(table, *names)))


def _delete(table: sa.Table, *names: str) -> Prepared:
    return Prepared(table.delete().where(*_where(table, *names)))


add_key = _insert(tables.api_key)
save_key = _update(tables.api_key)
key_by_digest = _select(tables.api_key, "digest")
keys = Prepared(sa.select(tables.api_key).order_by(tables.api_key.c.created_ns))

add_application = _insert(tables.application)
save_application = _update(tables.application)
remove_application = _delete(tables.application, "id")
application = _select(tables.application, "id")
oldest_application = Prepared(
    sa.select(tables.application)
    .where(tables.application.c.active == sa.true())
    .order_by(tables.application.c.created_ns, tables.application.c.id)
    .limit(sa.literal_column("1"))
)

put_number = Prepared(_all_columns(insert_or_replace(tables.phone_number), tables.phone_number))
number = _select(tables.phone_number, "address")
numbers: Selection[Any] = Selection(tables.phone_number, (), (tables.phone_number.c.address,))

add_leg = _insert(tables.leg)
save_leg = _update(tables.leg)
leg = _select(tables.leg, "call_control_id")
leg_by_id = _select(tables.leg, "id")
legs_unended = Prepared(
    sa.select(tables.leg)
    .where(*_where(tables.leg, "node"), tables.unended)
    .order_by(tables.leg.c.created_ns)
)

add_command = Prepared(_all_columns(insert_unless_there(tables.command), tables.command))
has_command = Prepared(
    sa.select(sa.literal_column("1"))
    .select_from(tables.command)
    .where(*_where(tables.command, "scope", "command_id"))
)

add_recording = _insert(tables.recording)
save_recording = _update(tables.recording)
remove_recording = _delete(tables.recording, "id")
recording = _select(tables.recording, "id")
add_report = _insert(tables.fidelity_report)
report = _select(tables.fidelity_report, "recording_id")
recording_node = Prepared(sa.select(tables.recording.c.node).where(*_where(tables.recording, "id")))
recordings_misplaced = Prepared(
    sa.select(tables.recording)
    .where(
        *_where(tables.recording, "application_id"),
        sa.text(tables.RECORDING_SAVED),
        tables.recording.c.file_key.is_not(None),
        tables.recording.c.location.is_(None),
        tables.recording.c.failure.is_not(None),
    )
    .order_by(tables.recording.c.created_ns)
    .limit(sa.bindparam("limit"))
)
recordings_unfinished = Prepared(
    sa.select(tables.recording)
    .where(*_where(tables.recording, "node"), tables.unfinished)
    .order_by(tables.recording.c.created_ns)
)

add_event = _insert(tables.event)
save_event = _update(tables.event)
event = _select(tables.event, "id")
events_due = Prepared(
    sa.select(tables.event)
    .where(
        tables.event.c.due_ns.is_not(None),
        tables.event.c.due_ns <= sa.bindparam("now_ns", type_=sa.BigInteger),
        tables.event.c.state == sa.literal_column("'pending'"),
    )
    .order_by(tables.event.c.due_ns)
    .limit(sa.bindparam("at_most", type_=sa.Integer))
)

put_attempt = Prepared(_all_columns(insert_or_replace(tables.attempt), tables.attempt))
attempts = Prepared(
    sa.select(tables.attempt)
    .where(*_where(tables.attempt, "event_id"))
    .order_by(tables.attempt.c.number)
)

add_transcription = _insert(tables.transcription)
save_transcription = _update(tables.transcription)
remove_transcription = _delete(tables.transcription, "id")
transcription = _select(tables.transcription, "id")

put_storage = Prepared(
    _all_columns(insert_or_replace(tables.storage_credentials), tables.storage_credentials)
)
storage = _select(tables.storage_credentials, "application_id")
remove_storage = _delete(tables.storage_credentials, "application_id")

command = _select(tables.command, "id")
attempt = _select(tables.attempt, "event_id", "number")

secret = _select(tables.secret, "name")
put_secret = Prepared(_all_columns(insert_or_replace(tables.secret), tables.secret))


def _prune(table: sa.Table, at: sa.Column[Any], *conditions: Any) -> Prepared:
    """Delete at most ``at_most`` rows of before ``before_ns``, oldest first."""
    oldest = (
        sa.select(table.c.id)
        .where(at < sa.bindparam("before_ns", type_=sa.BigInteger), *conditions)
        .order_by(at)
        .limit(sa.bindparam("at_most", type_=sa.Integer))
    )
    return Prepared(table.delete().where(table.c.id.in_(oldest)))


prune = (
    _prune(
        tables.leg,
        tables.leg.c.ended_ns,
        ~sa.exists().where(tables.recording.c.leg_id == tables.leg.c.id, tables.unfinished),
    ),
    _prune(tables.command, tables.command.c.created_ns),
    _prune(
        tables.event,
        tables.event.c.occurred_ns,
        tables.event.c.state != sa.literal_column("'pending'"),
    ),
)

_SORTS = {
    "created_at": tables.application.c.created_ns,
    "connection_name": tables.application.c.name_folded,
    "active": tables.application.c.active,
}


def _applications(sort: str, contains: bool) -> Selection[Any]:
    column = _SORTS[sort.removeprefix("-")]
    order = column.desc() if sort.startswith("-") else column.asc()
    pattern = sa.bindparam("pattern", type_=sa.Text)
    conditions = [tables.application.c.name_folded.like(pattern, escape="\\")] if contains else []
    return Selection(tables.application, conditions, (order, tables.application.c.id))


applications = {
    (direction + sort, contains): _applications(direction + sort, contains)
    for direction in ("", "-")
    for sort in _SORTS
    for contains in (False, True)
}

_EQUAL = {
    "call_control_id": tables.recording.c.call_control_id,
    "call_leg_id": tables.recording.c.leg_id,
    "call_session_id": tables.recording.c.session_id,
    "connection_id": tables.recording.c.application_id,
    "from_": tables.recording.c.from_,
    "to": tables.recording.c.to,
    "sip_call_id": tables.recording.c.sip_call_id,
}
_TIMES = {
    "created": tables.recording.c.created_ns,
    "started": tables.recording.c.started_ns,
    "ended": tables.recording.c.ended_ns,
}
_recordings: dict[frozenset[str], Selection[Any]] = {}


def recordings(wanted: RecordingFilter) -> tuple[Selection[Any], dict[str, object]]:
    """The selection for the members of ``wanted`` that are set, and its values.

    There is no conference yet, so a filter on one matches nothing.
    """
    values = {
        name: value
        for name in RecordingFilter.__dataclass_fields__
        if (value := getattr(wanted, name)) is not None
    }
    shape = frozenset(values)
    selection = _recordings.get(shape)
    if selection is None:
        selection = _recordings[shape] = _recording_selection(shape)
    return selection, values


def _recording_selection(shape: frozenset[str]) -> Selection[Any]:
    conditions: list[Any] = [tables.saved]
    conditions.extend(_condition(name) for name in sorted(shape))
    newest = (tables.recording.c.created_ns.desc(), tables.recording.c.id.desc())
    return Selection(tables.recording, conditions, newest)


def _condition(name: str) -> Any:
    if name == "conference_id":
        return sa.false()
    if name in _EQUAL:
        return _EQUAL[name] == sa.bindparam(name, type_=sa.Text)
    what, bound, _ = name.split("_")
    limit: Any = sa.bindparam(name, type_=sa.BigInteger)
    return _TIMES[what] >= limit if bound == "gte" else _TIMES[what] <= limit
