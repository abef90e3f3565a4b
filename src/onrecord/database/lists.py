"""The lists that are filtered in many ways: a call's history, deliveries, transcriptions, live calls.

A selection is compiled once for each combination of filters, and kept.
"""

from collections.abc import Callable, Sequence
from dataclasses import fields
from typing import Any, TypeAlias

import sqlalchemy as sa

from onrecord.calls.lists import CallEventFilter, DeliveryFilter, TranscriptionFilter
from onrecord.database import tables
from onrecord.database.dialect import json_text
from onrecord.database.statements import Selection

Values: TypeAlias = dict[str, Any]
Condition: TypeAlias = Any
"""A ``sa.ColumnElement[bool]``, which no two overloads of SQLAlchemy agree on."""

COMMAND = "command"
WEBHOOK = "webhook"

_made: dict[object, Selection[Any]] = {}


def pattern(text: str) -> str:
    """A LIKE pattern, with a backslash as its escape, for texts that contain ``text``."""
    for special in ("\\", "%", "_"):
        text = text.replace(special, "\\" + special)
    return f"%{text}%"


def call_events(wanted: CallEventFilter) -> tuple[Selection[Any], Values]:
    """Rows of ``kind``, ``id`` and ``at`` (UTC ns), oldest first."""
    values = _given(wanted)
    if "application_name" in values:
        values["application_name"] = pattern(values["application_name"].casefold())
    fixed: Values = {
        name: values.pop(name) for name in ("kind", "failed", "status") if name in values
    }
    shape = ("call_events", frozenset(values), frozenset(fixed.items()))
    return _kept(shape, lambda: _call_events(values, fixed)), values


def _call_events(values: Values, fixed: Values) -> Selection[Any]:
    made = [
        _arm(kind, table, at, values, fixed)
        for kind, table, at in (
            (COMMAND, tables.command, tables.command.c.created_ns),
            (WEBHOOK, tables.event, tables.event.c.occurred_ns),
        )
        if fixed.get("kind", kind) == kind
    ]
    both = sa.union_all(*made) if len(made) > 1 else made[0]
    entry = both.subquery("entry")
    return Selection(entry, (), (entry.c.at, entry.c.kind, entry.c.id))


def _arm(
    kind: str, table: sa.Table, at: sa.Column[int], values: Values, fixed: Values
) -> sa.Select[Any]:
    conditions = [_of_call(table, at, name) for name in sorted(values)]
    conditions.extend(
        _of_progress(kind, name, value) for name, value in fixed.items() if name != "kind"
    )
    label: sa.ColumnElement[str] = sa.literal_column(f"'{kind}'").label("kind")
    return sa.select(label, table.c.id, at.label("at")).where(*conditions)


def _of_call(table: sa.Table, at: sa.Column[int], name: str) -> Condition:
    if name.startswith("occurred_"):
        return _bounded(at, name)
    columns = {
        "name": table.c.name if table is tables.command else tables.event.c.type,
        "call_leg_id": table.c.leg_id,
        "call_session_id": table.c.session_id,
        "connection_id": table.c.application_id,
    }
    given = sa.bindparam(name, type_=sa.Text)
    if name in columns:
        return columns[name] == given
    if name in {"from_", "to"}:
        leg = tables.leg
        return sa.exists().where(leg.c.id == table.c.leg_id, leg.c[name] == given)
    owner = tables.application
    if name == "application_name":
        matches: Condition = owner.c.name_folded.like(given, escape="\\")
    else:
        matches = json_text(owner.c.document, "outbound", "outbound_voice_profile_id") == given
    return sa.exists().where(owner.c.id == table.c.application_id, matches)


def _of_progress(kind: str, name: str, value: object) -> Condition:
    """A command was carried out at once; an event is on its way until it is delivered or dead."""
    state, attempts = tables.event.c.state, tables.event.c.attempts
    if kind == COMMAND:
        return sa.true() if value in (False, "completed") else sa.false()
    if name == "failed":
        return state == "dead" if value else state != "dead"
    if value == "completed":
        return state != "pending"
    begun = attempts > 0 if value == "in_progress" else attempts == 0
    return sa.and_(state == "pending", begun)


def deliveries(wanted: DeliveryFilter) -> tuple[Selection[Any], Values]:
    """Events that were sent at least once, newest first."""
    values = _given(wanted)
    delivered = values.pop("delivered", None)
    types = values.pop("types", None)
    for name in ("body_contains", "attempts_contain"):
        if name in values:
            values[name] = pattern(values[name])
    shape = ("deliveries", frozenset(values), delivered, None if types is None else len(types))
    selection = _kept(shape, lambda: _deliveries(values, delivered, types))
    return selection, values | {f"type_{at}": kind for at, kind in enumerate(types or ())}


def _deliveries(
    values: Values, delivered: bool | None, types: Sequence[str] | None
) -> Selection[Any]:
    event = tables.event
    conditions: list[Condition] = [event.c.attempts > 0]
    if delivered is not None:
        done = event.c.state == "delivered"
        conditions.append(done if delivered else sa.not_(done))
    if types is not None:
        names = [sa.bindparam(f"type_{at}", type_=sa.Text) for at in range(len(types))]
        conditions.append(sa.or_(*(event.c.type == name for name in names)))
    conditions.extend(_of_delivery(name) for name in sorted(values))
    return Selection(event, conditions, (event.c.occurred_ns.desc(), event.c.id.desc()))


def _of_delivery(name: str) -> Condition:
    event, attempt = tables.event, tables.attempt
    its = attempt.c.event_id == event.c.id
    part = sa.bindparam(name, type_=sa.Text)
    if name == "body_contains":
        return event.c.body.like(part, escape="\\")
    if name == "attempts_contain":
        found = [c.like(part, escape="\\") for c in (attempt.c.url, attempt.c.error)]
        return sa.exists().where(its, sa.or_(*found))
    if name.startswith("started"):
        return sa.exists().where(its, attempt.c.number == 1, _bounded(attempt.c.started_ns, name))
    last = attempt.c.number == event.c.attempts
    return sa.exists().where(its, last, _bounded(attempt.c.finished_ns, name))


def transcriptions(wanted: TranscriptionFilter) -> tuple[Selection[Any], Values]:
    """Transcriptions, newest first."""
    values = _given(wanted)
    return _kept(("transcriptions", frozenset(values)), lambda: _transcriptions(values)), values


def _transcriptions(values: Values) -> Selection[Any]:
    table = tables.transcription
    conditions = [
        table.c.recording_id == sa.bindparam(name, type_=sa.Text)
        if name == "recording_id"
        else _bounded(table.c.created_ns, name)
        for name in sorted(values)
    ]
    return Selection(table, conditions, (table.c.created_ns.desc(), table.c.id.desc()))


active_legs: Selection[Any] = Selection(
    tables.leg,
    (tables.unended, tables.leg.c.application_id == sa.bindparam("application_id", type_=sa.Text)),
    (tables.leg.c.created_ns, tables.leg.c.id),
)
"""Legs of an application that have not ended, oldest first."""


def _bounded(column: sa.Column[Any], name: str) -> Condition:
    """``name`` ends in ``_gte_ns`` and the like."""
    limit: Any = sa.bindparam(name, type_=sa.BigInteger)
    conditions: dict[str, Condition] = {
        "eq": column == limit,
        "gt": column > limit,
        "gte": column >= limit,
        "lt": column < limit,
        "lte": column <= limit,
    }
    return conditions[name.split("_")[-2]]


def _given(wanted: Any) -> Values:
    names = [member.name for member in fields(wanted)]
    return {name: value for name in names if (value := getattr(wanted, name)) is not None}


def _kept(shape: object, make: Callable[[], Selection[Any]]) -> Selection[Any]:
    if shape not in _made:
        _made[shape] = make()
    return _made[shape]
