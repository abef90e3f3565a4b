"""What lists of records are asked for, and what they answer."""

from dataclasses import dataclass
from typing import Generic, TypeVar

from onrecord.calls.records import Attempt, CommandRecord, Event

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class PageRequest:
    """Which page of a list is wanted (contract section 3)."""

    number: int = 1
    size: int = 20


@dataclass(frozen=True, slots=True)
class Page(Generic[T]):
    """One page of a list; past the end it is empty."""

    items: tuple[T, ...]
    number: int
    size: int
    total: int
    """How many items all pages hold together."""


@dataclass(frozen=True, slots=True)
class RecordingFilter:
    """Which recordings a list shows; None does not restrict (contract section 7.2)."""

    call_control_id: str | None = None
    call_leg_id: str | None = None
    call_session_id: str | None = None
    conference_id: str | None = None
    connection_id: str | None = None
    from_: str | None = None
    to: str | None = None
    sip_call_id: str | None = None
    created_gte_ns: int | None = None
    created_lte_ns: int | None = None
    started_gte_ns: int | None = None
    started_lte_ns: int | None = None
    ended_gte_ns: int | None = None
    ended_lte_ns: int | None = None


@dataclass(frozen=True, slots=True)
class CallEvent:
    """One entry of a call's history: a command, or an event with its last attempt."""

    command: CommandRecord | None = None
    event: Event | None = None
    last: Attempt | None = None
    """The newest attempt at the event."""


@dataclass(frozen=True, slots=True)
class CallEventFilter:
    """Which entries of the history a list shows; None does not restrict (contract section 8.4)."""

    kind: str | None = None
    """``command`` or ``webhook``."""
    name: str | None = None
    call_leg_id: str | None = None
    call_session_id: str | None = None
    connection_id: str | None = None
    application_name: str | None = None
    """Part of the application's name, in any case."""
    voice_profile: str | None = None
    """``outbound_voice_profile_id`` of the application."""
    from_: str | None = None
    to: str | None = None
    failed: bool | None = None
    status: str | None = None
    """``init``, ``in_progress`` or ``completed``."""
    product: str | None = None
    occurred_eq_ns: int | None = None
    occurred_gt_ns: int | None = None
    occurred_gte_ns: int | None = None
    occurred_lt_ns: int | None = None
    occurred_lte_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Delivery:
    """An event that was sent at least once, with its attempts, first one first."""

    event: Event
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True, slots=True)
class DeliveryFilter:
    """Which deliveries a list shows; None does not restrict."""

    delivered: bool | None = None
    types: tuple[str, ...] | None = None
    body_contains: str | None = None
    attempts_contain: str | None = None
    """Part of the URL or the error of some attempt."""
    started_gte_ns: int | None = None
    started_lte_ns: int | None = None
    finished_gte_ns: int | None = None
    finished_lte_ns: int | None = None


@dataclass(frozen=True, slots=True)
class TranscriptionFilter:
    """Which transcriptions a list shows; None does not restrict."""

    recording_id: str | None = None
    created_gte_ns: int | None = None
    created_lte_ns: int | None = None
