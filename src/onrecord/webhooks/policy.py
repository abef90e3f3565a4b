"""Whether and where an event is sent again (contract section 10). Pure.

With a failover URL attempts come in rounds of two: odd numbers go to the first URL, even ones to the
other, at once. A round is followed by a wait. Without one, each attempt is a round.

::

    number     1     2          3     4          5
    URL        first failover   first failover   first
    wait before      0          d[0]  0          d[1]
"""

from collections.abc import Sequence
from enum import StrEnum
from typing import NamedTuple

from onrecord.calls.records import Attempt, Event

_RETRIED_STATUS = frozenset({408, 429})


class Verdict(StrEnum):
    """What one finished attempt means."""

    DELIVERED = "delivered"
    RETRY = "retry"
    """It may pass another time, or elsewhere."""
    FAILOVER_ONLY = "failover_only"
    """This receiver refuses the event; only another receiver may take it."""


class NextTry(NamedTuple):
    """The attempt after a failed one."""

    url: str
    delay_secs: float


def verdict(attempt: Attempt) -> Verdict:
    """2xx is delivered; no answer, 5xx, 408 and 429 may pass later; all else is a refusal."""
    status = attempt.status
    if status is None or status >= 500 or status in _RETRIED_STATUS:
        return Verdict.RETRY
    return Verdict.DELIVERED if 200 <= status < 300 else Verdict.FAILOVER_ONLY


def url_for(event: Event, number: int) -> str:
    """Where attempt ``number`` (1 for the first) of the event goes."""
    if event.failover_url and number % 2 == 0:
        return event.failover_url
    return event.url


def next_try(
    event: Event,
    number: int,
    outcome: Verdict,
    delays: Sequence[float],
    *,
    earlier: Verdict | None = None,
) -> NextTry | None:
    """The try after attempt ``number`` ended as ``outcome``; None when there is none.

    Args:
        event: What is delivered.
        number: The attempt that has just finished, 1 for the first.
        outcome: What it meant.
        delays: Seconds before each further round.
        earlier: What the attempt before it meant, where that is known: a first URL that is only
            down is tried again although the failover refused.
    """
    if outcome is Verdict.DELIVERED:
        return None
    paired = bool(event.failover_url)
    if paired and number % 2 == 1:
        return NextTry(url_for(event, number + 1), 0)
    if outcome is Verdict.FAILOVER_ONLY and not (paired and earlier is Verdict.RETRY):
        return None
    rounds = number // 2 if paired else number
    if rounds > len(delays):
        return None
    return NextTry(url_for(event, number + 1), delays[rounds - 1])
