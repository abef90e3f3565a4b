"""Webhook delivery: the first attempts at once and in order, later ones by durable jobs.

An event is already in the database when it comes here. Of each leg one event is under way at a time, so
that a receiver that answers sees them in order; a retry may be overtaken. Whatever is lost here by a crash
is found by :meth:`Delivery.sweep`. An event may be sent twice, never not at all.
"""

import asyncio
from collections import deque
from collections.abc import Iterable, Sequence
from dataclasses import replace
from functools import partial

import structlog

from onrecord.calls.records import Attempt, Event, EventState
from onrecord.core.clock import Clock
from onrecord.core.ids import EventId, LegId
from onrecord.metrics import WEBHOOKS
from onrecord.service.background import Background
from onrecord.service.ports import Policy, Sender, Store, Unit

MS_PER_S = 1000

SWEEP_EVENTS = 200
"""How many events one sweep hands over."""

_log = structlog.get_logger()


class Delivery:
    """Delivers events; ``delays`` are the waits before retries, seconds."""

    def __init__(
        self,
        *,
        store: Store,
        sender: Sender,
        policy: Policy,
        clock: Clock,
        background: Background,
        delays: Sequence[float],
        at_once: int = 128,
        patience_secs: float = 0.25,
    ) -> None:
        self._store = store
        self._sender = sender
        self._policy = policy
        self._clock = clock
        self._background = background
        self._delays = tuple(delays)
        self._slots = asyncio.Semaphore(at_once)
        self._patience_secs = patience_secs
        self._delivered: deque[Attempt] = deque()
        self._waiting: dict[LegId | EventId, deque[Event]] = {}

    def submit(self, events: Iterable[Event]) -> None:
        """Make the first attempt of committed events in the background, in order per leg."""
        for event in events:
            line = event.leg_id or event.id
            waiting = self._waiting.get(line)
            if waiting is None:
                self._waiting[line] = deque([event])
                self._background.spawn(self._work_off(line), "webhook")
            else:
                waiting.append(event)

    async def deliver(self, event: Event) -> None:
        """Make the first attempt, and with it those that are to follow at once; a job has the rest."""
        async with self._slots:
            await self._try_from(event, 1, event.url, None)

    async def attempt(self, event_id: EventId, number: int) -> None:
        """Make attempt ``number``, for a job; one that is not the event's next does nothing."""
        event, made = await self._store.read(lambda unit: _with_attempts(unit, event_id))
        if event is None or event.state is not EventState.PENDING or number != event.attempts + 1:
            return
        last = made[-1] if made else None
        step = self._next(event, last, made[-2] if len(made) > 1 else None) if last else None
        await self._try_from(event, number, step[0] if step else event.url, last)

    async def sweep(self) -> int:
        """Hand events that a dead process left to jobs; returns how many."""
        return await self._store.write(self._hand_over)

    def _hand_over(self, unit: Unit) -> int:
        due = unit.events_due(self._clock.utc_ns(), SWEEP_EVENTS)
        for event in due:
            unit.enqueue_delivery(event.id, event.attempts + 1, 0.0)
            unit.save_event(replace(event, due_ns=None))
        return len(due)

    async def _work_off(self, line: LegId | EventId) -> None:
        waiting = self._waiting[line]
        while waiting:
            event = waiting.popleft()
            try:
                await self.deliver(event)
            except Exception:  # noqa: BLE001 -- the unit of work is one event: the sweep finds it again
                _log.exception("webhook_not_recorded", event_id=event.id, type=event.type)
        del self._waiting[line]

    async def _try_from(self, event: Event, number: int, url: str, earlier: Attempt | None) -> None:
        while True:
            attempt = await self._sender.send(event, number, url)
            succeeded = attempt.status is not None and 200 <= attempt.status < 300
            step = None if succeeded else self._next(event, attempt, earlier)
            self._report(event, attempt, succeeded, step)
            if succeeded and event.due_ns is not None:
                self._write_soon(attempt)
                return
            await self._store.write(partial(_record, attempt, succeeded, step))
            if step is None or step[1] > 0:
                return
            number, url, earlier = number + 1, step[0], attempt

    def _write_soon(self, delivered: Attempt) -> None:
        """With a commit made for others, if there is one: until then the sweep still minds the event."""
        self._delivered.append(delivered)
        if len(self._delivered) == 1:
            self._background.spawn(self._write_delivered(), "webhook_outcomes")

    async def _write_delivered(self) -> None:
        def work(unit: Unit) -> None:
            while self._delivered:
                _record(self._delivered.popleft(), True, None, unit)

        await self._store.write(work, patience_secs=self._patience_secs)

    def _next(
        self, event: Event, attempt: Attempt, earlier: Attempt | None
    ) -> tuple[str, float] | None:
        own = event.retry_ms
        delays = self._delays if own is None else [ms / MS_PER_S for ms in own]
        return self._policy.next_try(
            event,
            attempt.number,
            self._policy.verdict(attempt),
            delays,
            earlier=None if earlier is None else self._policy.verdict(earlier),
        )

    def _report(
        self, event: Event, attempt: Attempt, succeeded: bool, step: tuple[str, float] | None
    ) -> None:
        outcome = "delivered" if succeeded else ("failed" if step else "dead")
        WEBHOOKS.labels(outcome).inc()
        log = _log.bind(
            leg=event.leg_id, event_id=event.id, type=event.type, attempt=attempt.number
        )
        if succeeded:
            log.info("webhook_delivered", status=attempt.status)
        else:
            log.warning(
                "webhook_failed", given_up=step is None, error=attempt.error or attempt.status
            )


def _with_attempts(unit: Unit, event_id: EventId) -> tuple[Event | None, Sequence[Attempt]]:
    event = unit.event(event_id)
    return event, (unit.attempts(event_id) if event is not None else ())


def _record(attempt: Attempt, succeeded: bool, step: tuple[str, float] | None, unit: Unit) -> None:
    """Keep the attempt and what follows from it; a job's attempt and ours may have crossed."""
    event = unit.event(attempt.event_id)
    if event is None or event.state is not EventState.PENDING:
        return
    if event.attempts >= attempt.number:
        if succeeded:
            unit.save_event(replace(event, state=EventState.DELIVERED, due_ns=None))
        return
    unit.add_attempt(attempt)
    state = EventState.DELIVERED if succeeded else (EventState.PENDING if step else EventState.DEAD)
    # An attempt that follows at once is ours: until it is made, the sweep still minds the event.
    due_ns = event.due_ns if step and step[1] <= 0 else None
    unit.save_event(replace(event, state=state, attempts=attempt.number, due_ns=due_ns))
    if step and step[1] > 0:
        unit.enqueue_delivery(event.id, attempt.number + 1, step[1])
