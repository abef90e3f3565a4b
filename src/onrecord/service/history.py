"""What happened: the calls that are up, the commands and events of calls, and how events were delivered."""

from dataclasses import replace

from onrecord.calls.lists import (
    CallEvent,
    CallEventFilter,
    Delivery,
    DeliveryFilter,
    Page,
    PageRequest,
)
from onrecord.calls.records import Leg
from onrecord.core.clock import Clock
from onrecord.core.ids import EventId
from onrecord.core.units import NS_PER_S
from onrecord.service.ports import Store, Unit
from onrecord.wire import errors

RECENT_NS = 24 * 3600 * NS_PER_S
"""How far a history reaches back that asks for no leg and no session (contract section 8.4)."""


class History:
    """Reads only."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def active_calls(self, application_id: str, page: PageRequest) -> Page[Leg]:
        """A page of the application's calls that are up, oldest first.

        Raises:
            CallerError: 404, there is no such application.
        """

        def work(unit: Unit) -> Page[Leg]:
            if unit.application(application_id) is None:
                raise errors.not_found("connection", "/connection_id")
            return unit.active_legs(application_id, page)

        return await self._store.read(work)

    async def call_events(self, wanted: CallEventFilter, page: PageRequest) -> Page[CallEvent]:
        """A page of commands and events, oldest first; of the last 24 hours unless a call is named."""
        if wanted.call_leg_id is None and wanted.call_session_id is None:
            since_ns = self._clock.utc_ns() - RECENT_NS
            given_ns = wanted.occurred_gte_ns
            wanted = replace(wanted, occurred_gte_ns=max(since_ns, given_ns or since_ns))
        if wanted.product not in {None, "call_control"}:
            return Page((), page.number, page.size, 0)
        wanted = replace(wanted, product=None)
        return await self._store.read(lambda unit: unit.call_events(wanted, page))

    async def deliveries(self, wanted: DeliveryFilter, page: PageRequest) -> Page[Delivery]:
        """A page of the events that were sent at least once, newest first."""
        return await self._store.read(lambda unit: unit.deliveries(wanted, page))

    async def delivery(self, event_id: str) -> Delivery:
        """One event that was sent at least once, with its attempts.

        Raises:
            CallerError: 404, there is none.
        """

        def work(unit: Unit) -> Delivery:
            event = unit.event(EventId(event_id))
            if event is None or event.attempts == 0:
                raise errors.not_found("webhook delivery")
            return Delivery(event, tuple(unit.attempts(event.id)))

        return await self._store.read(work)
