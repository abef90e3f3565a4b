"""Why a leg ended, in the words of its ``call.hangup`` webhook (contract sections 9.1 and 15).

Three facts decide: the leg's direction, whether it had been answered, and an :class:`Ending`, which
is either what the SIP side reported or what we did ourselves.

The source is the party that ended the leg. The far side is the caller of an incoming leg and the callee
of an outgoing one; commands act for the other party. A timer, a lost node and a failure of ours are
nobody's: ``unknown``.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType

from onrecord.calls.records import Direction, HangupCause, HangupSource

UNSPECIFIED = "unspecified"
"""``sip_hangup_cause`` of a leg that ended without a SIP status."""

NOT_ACCEPTABLE = 488
"""Not Acceptable Here: there is no codec in common (RFC 3261 §21.4.26)."""

CANCELLED = 487
"""Request Terminated: what ends an INVITE that was cancelled (RFC 3261 §15.1.2, §21.4.25)."""


class OurReason(StrEnum):
    """What made us end a leg."""

    COMMAND = "command"
    REJECT_CALL = "reject_call"
    REJECT_BUSY = "reject_busy"
    PARTNER = "partner"
    RING_TIMEOUT = "ring_timeout"
    DIAL_TIMEOUT = "dial_timeout"
    TIME_LIMIT = "time_limit"
    MEDIA = "media"
    SHUTDOWN = "shutdown"
    NODE_LOST = "node_lost"
    FAULT = "fault"


@dataclass(frozen=True, slots=True)
class Ending:
    """What ended a leg: ``ours`` when we did, else what SIP reported."""

    ours: OurReason | None = None
    status: int | None = None
    """Final SIP status, 200 after a BYE; None without one."""
    by_remote: bool = False
    reason: str = ""
    """``bye``, ``cancel``, ``rejected``, ``timeout`` or ``failed`` (``sip.backend.Ended``)."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """The three hang-up fields of the webhook."""

    cause: HangupCause
    source: HangupSource
    sip_cause: str


REJECT_STATUS: Mapping[OurReason, int] = MappingProxyType(
    {
        OurReason.REJECT_CALL: 603,
        OurReason.REJECT_BUSY: 486,
        OurReason.COMMAND: 603,
        OurReason.PARTNER: 480,
        OurReason.RING_TIMEOUT: 480,
        OurReason.MEDIA: NOT_ACCEPTABLE,
        OurReason.SHUTDOWN: 503,
        OurReason.FAULT: 500,
    }
)
"""Status that refuses a ringing incoming leg. A hangup command means what reject CALL_REJECTED means."""

_UNANSWERED: Mapping[OurReason, HangupCause] = MappingProxyType(
    {
        OurReason.COMMAND: HangupCause.CALL_REJECTED,
        OurReason.REJECT_CALL: HangupCause.CALL_REJECTED,
        OurReason.REJECT_BUSY: HangupCause.USER_BUSY,
        OurReason.RING_TIMEOUT: HangupCause.TIMEOUT,
        OurReason.DIAL_TIMEOUT: HangupCause.TIMEOUT,
    }
)
"""What we did to a leg that rang; a command on an outgoing one is a cancellation instead."""

_REFUSED: Mapping[int, HangupCause] = MappingProxyType(
    {
        403: HangupCause.CALL_REJECTED,
        404: HangupCause.NOT_FOUND,
        408: HangupCause.TIMEOUT,
        480: HangupCause.NO_ANSWER,
        486: HangupCause.USER_BUSY,
        600: HangupCause.USER_BUSY,
        603: HangupCause.CALL_REJECTED,
        604: HangupCause.NOT_FOUND,
    }
)
"""What a far side that refused an INVITE said (RFC 3261 §21.4, §21.6)."""

_NOBODY = frozenset(
    {
        OurReason.RING_TIMEOUT,
        OurReason.DIAL_TIMEOUT,
        OurReason.TIME_LIMIT,
        OurReason.MEDIA,
        OurReason.SHUTDOWN,
        OurReason.NODE_LOST,
        OurReason.FAULT,
    }
)


def outcome(direction: Direction, *, answered: bool, ending: Ending) -> Outcome:
    """The hang-up fields of a leg; total over its inputs, never raises."""
    cause = _answered_cause(ending) if answered else _unanswered_cause(direction, ending)
    return Outcome(cause, _source(direction, ending), _sip_cause(direction, answered, ending))


def _answered_cause(ending: Ending) -> HangupCause:
    if ending.ours is OurReason.TIME_LIMIT:
        return HangupCause.TIME_LIMIT
    if ending.ours in {OurReason.MEDIA, OurReason.NODE_LOST, OurReason.FAULT}:
        return HangupCause.UNSPECIFIED
    if ending.ours is None and not ending.by_remote:
        return HangupCause.UNSPECIFIED
    return HangupCause.NORMAL_CLEARING


def _unanswered_cause(direction: Direction, ending: Ending) -> HangupCause:
    if ending.ours is not None:
        if direction is Direction.OUTGOING and ending.ours is OurReason.COMMAND:
            return HangupCause.ORIGINATOR_CANCEL
        return _UNANSWERED.get(ending.ours, HangupCause.UNSPECIFIED)
    if direction is Direction.INCOMING:
        cancelled = ending.by_remote and ending.reason in {"cancel", "bye"}
        return HangupCause.ORIGINATOR_CANCEL if cancelled else HangupCause.UNSPECIFIED
    if ending.status is None:
        # RFC 3261 §8.1.3.1: an INVITE that nothing answers is treated as a 408.
        silent = ending.reason == "timeout"
        return HangupCause.TIMEOUT if silent else HangupCause.UNSPECIFIED
    return _REFUSED.get(ending.status, HangupCause.UNSPECIFIED)


def _source(direction: Direction, ending: Ending) -> HangupSource:
    if ending.ours in _NOBODY or (ending.ours is None and not ending.by_remote):
        return HangupSource.UNKNOWN
    far_is_caller = direction is Direction.INCOMING
    ended_by_far = ending.ours is None
    return HangupSource.CALLER if ended_by_far == far_is_caller else HangupSource.CALLEE


def _sip_cause(direction: Direction, answered: bool, ending: Ending) -> str:
    """The status as text; for what we do ourselves the status that our request leads to."""
    if ending.ours is None:
        return UNSPECIFIED if ending.status is None else str(ending.status)
    if ending.ours is OurReason.NODE_LOST:
        return UNSPECIFIED
    if ending.ours is OurReason.MEDIA:
        return str(NOT_ACCEPTABLE)
    if answered:
        return "200"
    if direction is Direction.OUTGOING:
        return str(CANCELLED)
    return str(REJECT_STATUS.get(ending.ours, CANCELLED))
