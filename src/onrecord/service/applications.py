"""Call control applications: kept, changed, listed, deleted."""

from dataclasses import replace

import structlog

from onrecord.calls.commands import ApplicationFields
from onrecord.calls.lists import Page, PageRequest
from onrecord.calls.records import Application
from onrecord.core.clock import Clock
from onrecord.core.ids import ApplicationId, new_application_id
from onrecord.service.ports import Store, Unit
from onrecord.wire import errors

_log = structlog.get_logger()


class Applications:
    """Calls that are up keep the application as it was when they began."""

    def __init__(self, store: Store, clock: Clock) -> None:
        self._store = store
        self._clock = clock

    async def create(self, fields: ApplicationFields) -> Application:
        """A new application."""
        now = self._clock.utc_ns()
        application = Application(
            id=new_application_id(),
            name=fields.name,
            webhook_url=fields.webhook_url,
            webhook_failover_url=fields.webhook_failover_url,
            webhook_timeout_ms=fields.webhook_timeout_ms,
            active=fields.active,
            document=dict(fields.document),
            created_ns=now,
            updated_ns=now,
        )
        await self._store.write(lambda unit: unit.add_application(application))
        _log.info("application_created", application=application.id)
        return application

    async def get(self, application_id: str) -> Application:
        """One application.

        Raises:
            CallerError: 404, there is none.
        """
        return await self._store.read(lambda unit: _found(unit, application_id))

    async def list(
        self, page: PageRequest, name_contains: str | None = None, sort: str = "created_at"
    ) -> Page[Application]:
        """A page of applications; ``sort`` as in :meth:`onrecord.service.ports.Unit.applications`."""
        return await self._store.read(
            lambda unit: unit.applications(page, name_contains=name_contains, sort=sort)
        )

    async def update(self, application_id: str, fields: ApplicationFields) -> Application:
        """Replace the named fields; members of the document that are not given stay.

        Raises:
            CallerError: 404, there is none.
        """

        def work(unit: Unit) -> Application:
            was = _found(unit, application_id)
            application = replace(
                was,
                name=fields.name,
                webhook_url=fields.webhook_url,
                webhook_failover_url=fields.webhook_failover_url,
                webhook_timeout_ms=fields.webhook_timeout_ms,
                active=fields.active,
                document={**was.document, **fields.document},
                updated_ns=self._clock.utc_ns(),
            )
            unit.save_application(application)
            return application

        return await self._store.write(work)

    async def delete(self, application_id: str) -> Application:
        """Remove it; returns what it was. Numbers routed to it go to the default application.

        Raises:
            CallerError: 404, there is none.
        """

        def work(unit: Unit) -> Application:
            application = _found(unit, application_id)
            unit.remove_application(application.id)
            return application

        application = await self._store.write(work)
        _log.info("application_deleted", application=application.id)
        return application


def _found(unit: Unit, application_id: str) -> Application:
    application = unit.application(ApplicationId(application_id))
    if application is None:
        raise errors.not_found("application")
    return application
