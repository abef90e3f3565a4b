"""How an event reaches an application."""

from collections.abc import Sequence
from typing import Any, Protocol

from onrecord.calls.records import Attempt, Event


class Sender(Protocol):
    """Sends one webhook over HTTP."""

    async def send(self, event: Event, number: int, url: str) -> Attempt:
        """Sign and send; never raises: failures are in the attempt."""
        ...


class Policy(Protocol):
    """What follows from one attempt of a webhook; pure."""

    def verdict(self, attempt: Attempt) -> Any:
        """What the attempt came to; only ``next_try`` reads it."""
        ...

    def next_try(
        self,
        event: Event,
        number: int,
        outcome: Any,
        delays: Sequence[float],
        *,
        earlier: Any | None = None,
    ) -> tuple[str, float] | None:
        """URL of the attempt after ``number`` and the seconds to wait for it; None: there is none.

        ``outcome`` is the verdict on attempt ``number``, ``earlier`` that on the one before it.
        """
        ...
