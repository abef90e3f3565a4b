"""Which application the calls to a number or SIP user go to."""

from onrecord.calls.addresses import user_of
from onrecord.calls.lists import Page, PageRequest
from onrecord.calls.records import PhoneNumber
from onrecord.core.clock import Clock
from onrecord.service.ports import Store, Unit
from onrecord.wire import errors


class Numbers:
    """The routes of incoming calls."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def route(self, address: str, application_id: str) -> PhoneNumber:
        """Send calls to ``address`` (+E.164, a SIP user, or a SIP URI for its user) to an application.

        Raises:
            CallerError: 422 (10015), there is no such application.
        """
        key = user_of(address) or address

        def work(unit: Unit) -> PhoneNumber:
            application = unit.application(application_id)
            if application is None:
                raise errors.unknown_connection()
            was, now = unit.number(key), self._clock.utc_ns()
            created_ns = was.created_ns if was is not None else now
            number = PhoneNumber(key, application.id, created_ns, now)
            unit.put_number(number)
            return number

        return await self._store.write(work)

    async def list(self, page: PageRequest) -> Page[PhoneNumber]:
        """A page of routes."""
        return await self._store.read(lambda unit: unit.numbers(page))
