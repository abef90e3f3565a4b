"""Active calls, call events and webhook deliveries: their filters and resources (contract section 8.4)."""

import json
import re
from collections.abc import Mapping, Sequence
from typing import Any

from onrecord.calls.lists import (
    CallEvent,
    CallEventFilter,
    Delivery,
    DeliveryFilter,
    Page,
    PageRequest,
)
from onrecord.calls.records import Attempt, Event, EventState, Leg
from onrecord.core.units import iso_micros
from onrecord.wire import errors
from onrecord.wire.queries import MAX_PAGE_SIZE, parse_moment, parse_page, whole
from onrecord.wire.resources import leg_resource, page_body

PRODUCTS = ("call_control", "fax", "texml")
KINDS = ("command", "webhook")
STATUSES = ("init", "in_progress", "completed")
BOUNDS = ("eq", "gt", "gte", "lt", "lte")
DELIVERY_STATUSES = ("delivered", "failed")
MOST_TYPES = 50
CURSOR = r"page-[1-9][0-9]{0,8}"

_TEXT_FILTERS = {
    "leg_id": "call_leg_id",
    "application_session_id": "call_session_id",
    "connection_id": "connection_id",
    "outbound.outbound_voice_profile_id": "voice_profile",
    "from": "from_",
    "to": "to",
    "name": "name",
}
_CHOICES: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "product": ("product", PRODUCTS),
    "type": ("kind", KINDS),
    "status": ("status", STATUSES),
    "failed": ("failed", ("true", "false")),
}
_MOMENT: Mapping[str, object] = {"type": "string", "format": "date-time"}
_TEXT: Mapping[str, object] = {"type": "string"}
EVENT_FILTERS: Mapping[str, Mapping[str, object]] = {
    **dict.fromkeys(_TEXT_FILTERS, _TEXT),
    **{name: {"type": "string", "enum": list(allowed)} for name, (_, allowed) in _CHOICES.items()},
    "application_name][contains": {"type": "string", "minLength": 3},
    **{f"occurred_at][{bound}": _MOMENT for bound in BOUNDS},
}
"""What may stand in ``filter[…]`` of GET /v2/call_events, and its JSON Schema."""

_DELIVERY_TEXTS = {
    "webhook][contains": "body_contains",
    "attempts][contains": "attempts_contain",
}
_DELIVERY_TIMES = {
    f"{name}_at][{bound}": f"{name}_{bound}_ns"
    for name in ("started", "finished")
    for bound in ("gte", "lte")
}
DELIVERY_FILTERS: Mapping[str, Mapping[str, object]] = {
    "status][eq": {"type": "string", "enum": list(DELIVERY_STATUSES)},
    "event_type": _TEXT,
    **dict.fromkeys(_DELIVERY_TEXTS, _TEXT),
    **dict.fromkeys(_DELIVERY_TIMES, _MOMENT),
}
"""What may stand in ``filter[…]`` of GET /v2/webhook_deliveries, and its JSON Schema."""


def parse_call_event_filter(query: Mapping[str, str]) -> CallEventFilter:
    """``filter[…]`` of GET /v2/call_events.

    Raises:
        CallerError: 400 that names the parameter.
    """
    wanted: dict[str, Any] = {}
    for parameter, value in _filters(query):
        name = parameter[len("filter[") : -1]
        if name in _TEXT_FILTERS:
            wanted[_TEXT_FILTERS[name]] = value
        elif name in _CHOICES:
            member, allowed = _CHOICES[name]
            wanted[member] = _choice(parameter, value, allowed)
        elif name == "application_name][contains":
            wanted["application_name"] = _at_least_three(parameter, value)
        elif name in EVENT_FILTERS:
            bound = name.partition("][")[2]
            wanted[f"occurred_{bound}_ns"] = parse_moment(parameter, value)
        else:
            raise errors.invalid_filter(parameter, "There is no such filter for call events.")
    if "failed" in wanted:
        wanted["failed"] = wanted["failed"] == "true"
    return CallEventFilter(**wanted)


def parse_delivery_filter(query: Mapping[str, str]) -> DeliveryFilter:
    """``filter[…]`` of GET /v2/webhook_deliveries.

    Raises:
        CallerError: 400 that names the parameter.
    """
    wanted: dict[str, Any] = {}
    for parameter, value in _filters(query):
        name = parameter[len("filter[") : -1]
        if name in _DELIVERY_TEXTS:
            wanted[_DELIVERY_TEXTS[name]] = value
        elif name in _DELIVERY_TIMES:
            wanted[_DELIVERY_TIMES[name]] = parse_moment(parameter, value)
        elif name == "status][eq":
            wanted["delivered"] = _choice(parameter, value, DELIVERY_STATUSES) == "delivered"
        elif name == "event_type":
            wanted["types"] = _types(parameter, value)
        else:
            raise errors.invalid_filter(parameter, "There is no such filter for deliveries.")
    return DeliveryFilter(**wanted)


def parse_cursor_page(query: Mapping[str, str]) -> PageRequest:
    """A numbered page, or one that a cursor of :func:`cursor_page_body` names; ``page[limit]`` is its size.

    Raises:
        CallerError: 400 that names the parameter.
    """
    asked = parse_page(query)
    size = asked.size
    if "page[limit]" in query:
        size = whole(query, "page[limit]", "page[limit]", size, MAX_PAGE_SIZE)
    for parameter in ("page[after]", "page[before]"):
        if parameter in query:
            return PageRequest(_number_of(parameter, query[parameter]), size)
    return PageRequest(asked.number, size)


def active_calls_body(page: Page[Leg], path: str, now_ns: int) -> dict[str, object]:
    """GET /v2/connections/{id}/active_calls, which is at ``path``."""
    return cursor_page_body(page, [_active_call(leg, now_ns) for leg in page.items], path)


def cursor_page_body(
    page: Page[Any], items: Sequence[Mapping[str, object]], path: str
) -> dict[str, object]:
    """A list with the numbers that official SDKs read, and the cursors that the documentation has."""
    body = page_body(page, items)
    pages = -(-page.total // page.size)
    after = _cursor(page.number + 1) if page.number < pages else None
    before = _cursor(page.number - 1) if page.number > 1 else None
    cursors = {
        "cursors": {"after": after, "before": before},
        "next": after and f"{path}?page[after]={after}&page[limit]={page.size}",
        "previous": before and f"{path}?page[before]={before}&page[limit]={page.size}",
        "total_items": page.total,
    }
    meta: Any = body["meta"]
    return body | {"meta": meta | cursors}


def call_event_resource(entry: CallEvent) -> dict[str, object]:
    """One entry of a call's history."""
    if entry.command is not None:
        command = entry.command
        return {
            "record_type": "call_event",
            "type": "command",
            "name": command.name,
            "call_leg_id": command.leg_id,
            "call_session_id": command.session_id,
            "event_timestamp": iso_micros(command.created_ns),
            "metadata": {
                "command_id": command.command_id,
                "connection_id": command.application_id,
                "status": "completed",
            },
        }
    if entry.event is None:
        raise ValueError("neither a command nor an event")
    return _webhook_entry(entry.event, entry.last)


def _webhook_entry(event: Event, last: Attempt | None) -> dict[str, object]:
    begun = "in_progress" if event.attempts else "init"
    return {
        "record_type": "call_event",
        "type": "webhook",
        "name": event.type,
        "call_leg_id": event.leg_id,
        "call_session_id": event.session_id,
        "event_timestamp": iso_micros(event.occurred_ns),
        "metadata": {
            "event": json.loads(event.body),
            "connection_id": event.application_id,
            "attempt": event.attempts,
            "delivered_to": last.url if last else None,
            "http_status": last.status if last else None,
            "status": begun if event.state is EventState.PENDING else "completed",
            "failed": event.state is EventState.DEAD,
        },
    }


def delivery_resource(delivery: Delivery) -> dict[str, object]:
    """All attempts at one event, newest first. Its id is the event's."""
    event, attempts = delivery.event, delivery.attempts
    delivered = event.state is EventState.DELIVERED
    return {
        "record_type": "webhook_delivery",
        "id": event.id,
        "status": "delivered" if delivered else "failed",
        "started_at": iso_micros(attempts[0].started_ns) if attempts else None,
        "finished_at": iso_micros(attempts[-1].finished_ns) if attempts else None,
        "webhook": json.loads(event.body),
        "attempts": [_attempt(event, attempt) for attempt in reversed(attempts)],
    }


def _attempt(event: Event, attempt: Attempt) -> dict[str, object]:
    delivered = attempt.status is not None and 200 <= attempt.status < 300
    shown: dict[str, object] = {
        "status": "delivered" if delivered else "failed",
        "started_at": iso_micros(attempt.started_ns),
        "finished_at": iso_micros(attempt.finished_ns),
        "http": {
            "request": {
                "url": attempt.url,
                "headers": [[name, value] for name, value in attempt.request_headers.items()],
                "method": event.method,
            },
            "response": _response(attempt),
        },
        "errors": [] if delivered else [_delivery_code(attempt.status)],
    }
    if not delivered:
        shown["detail"] = attempt.error or f"the receiver answered {attempt.status}"
    return shown


def _response(attempt: Attempt) -> dict[str, object] | None:
    if attempt.status is None:
        return None
    return {
        "status": attempt.status,
        "headers": [list(header) for header in attempt.response_headers],
        "body": attempt.response_body,
    }


def _delivery_code(status: int | None) -> int:
    """Telnyx's code of a failed delivery: by the status of the answer, or 75000 without one."""
    if status is None:
        return 75000
    if status in {400, 404, 500}:
        return 75000 + status
    return {3: 75300, 4: 75499, 5: 75599}.get(status // 100, 75000)


def _active_call(leg: Leg, now_ns: int) -> dict[str, object]:
    names = ("record_type", "call_control_id", "call_leg_id", "call_session_id", "client_state")
    shown = leg_resource(leg, now_ns)
    return {name: shown[name] for name in (*names, "call_duration")}


def _filters(query: Mapping[str, str]) -> list[tuple[str, str]]:
    return [(name, value) for name, value in query.items() if name.startswith("filter")]


def _choice(parameter: str, value: str, allowed: Sequence[str]) -> str:
    if value not in allowed:
        detail = f"The value must be one of: {', '.join(sorted(allowed))}."
        raise errors.invalid_filter(parameter, detail)
    return value


def _at_least_three(parameter: str, value: str) -> str:
    if len(value) < 3:
        raise errors.invalid_filter(parameter, "At least three characters are needed.")
    return value


def _types(parameter: str, value: str) -> tuple[str, ...]:
    types = tuple(value.split(","))
    if len(types) > MOST_TYPES:
        raise errors.invalid_filter(parameter, f"At most {MOST_TYPES} types may be given.")
    return types


def _cursor(number: int) -> str:
    return f"page-{number}"


def _number_of(parameter: str, cursor: str) -> int:
    if not re.fullmatch(CURSOR, cursor):
        raise errors.malformed_request(
            "The value must be a cursor of an earlier answer.", parameter
        )
    return int(cursor.removeprefix("page-"))
