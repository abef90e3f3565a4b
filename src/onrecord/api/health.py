"""Routes for those who run the server: is it up, does it take work, what does it count."""

from collections.abc import Callable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from onrecord.api.answers import json_answer

Readiness = Callable[[], str | None]
"""Why the server cannot take work now, or None when it can."""


def health_routes(readiness: Readiness) -> APIRouter:
    """/health/live, /health/ready and /metrics."""
    router = APIRouter()

    @router.get("/health/live", response_model=None)
    async def live() -> Response:
        return json_answer({"status": "ok"})

    @router.get("/health/ready", response_model=None)
    async def ready() -> Response:
        reason = readiness()
        if reason is None:
            return json_answer({"status": "ok"})
        body = {"status": "unavailable", "reason": reason}
        return json_answer(body, 503, {"Retry-After": "1"})

    @router.get("/metrics", response_model=None)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
