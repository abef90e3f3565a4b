"""The FastAPI application: routes, and the edge round them."""

from fastapi import APIRouter, FastAPI
from starlette.exceptions import HTTPException

from onrecord.api.calls import call_routes
from onrecord.api.edge import Edge
from onrecord.api.files import file_routes
from onrecord.api.health import Readiness, health_routes
from onrecord.api.history import history_routes, transcription_routes
from onrecord.api.limits import Limits
from onrecord.api.pages import page_routes
from onrecord.api.resources import (
    account_routes,
    application_routes,
    number_routes,
    picture_routes,
    recording_routes,
    storage_routes,
)
from onrecord.api.routing import route_refusal
from onrecord.api.services import Services
from onrecord.core.clock import Clock, SystemClock
from onrecord.core.settings import Settings


def always_ready() -> None:
    """The readiness of a server without conditions."""


def api_routers(
    services: Services, settings: Settings, readiness: Readiness, clock: Clock
) -> tuple[APIRouter, ...]:
    """Every route of the server."""
    return (
        call_routes(services.calls, clock, strict_channels=settings.strict_channels),
        application_routes(services.applications),
        recording_routes(services.recordings),
        picture_routes(services.recordings),
        transcription_routes(services.transcriptions, services.renderers),
        history_routes(services.history, clock),
        storage_routes(services.destinations),
        number_routes(services.numbers),
        account_routes(services.account),
        file_routes(services.files),
        health_routes(readiness),
        page_routes(),
    )


def create_api(
    services: Services,
    settings: Settings,
    *,
    readiness: Readiness = always_ready,
    clock: Clock | None = None,
) -> FastAPI:
    """The whole HTTP API over ``services``; binds nothing and starts nothing."""
    # The document is ours (see ``openapi``), and telemetry would cost every request for nobody.
    app = FastAPI(
        openapi_url=None,
        redirect_slashes=False,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )
    clock = clock or SystemClock()
    routers = api_routers(services, settings, readiness, clock)
    for router in routers:
        app.include_router(router)
    app.add_exception_handler(HTTPException, route_refusal(routers))
    limits = Limits(settings.rate_per_second, settings.rate_burst, clock)
    app.add_middleware(
        Edge, keys=services.keys, limits=limits, max_body_bytes=settings.max_body_bytes
    )
    return app
