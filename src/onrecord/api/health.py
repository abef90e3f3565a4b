"""Routes for those who run the server: is it up, does it take work, what does it count."""

from collections.abc import Callable

from fastapi import APIRouter, Response
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from onrecord.api.answers import json_answer
from onrecord.core.errors import OnrecordError

Readiness = Callable[[], None]
"""Raises OnrecordError with the reason when the server cannot take work now."""


def health_routes(readiness: Readiness) -> APIRouter:
    """/health/live, /health/ready and /metrics."""
    router = APIRouter()

    @router.get("/health/live", response_model=None)
    async def live() -> Response:
        return json_answer({"status": "ok"})

    @router.get("/health/ready", response_model=None)
    async def ready() -> Response:
        try:
            readiness()
        except OnrecordError as error:
            body = {"status": "unavailable", "reason": str(error)}
            return json_answer(body, 503, {"Retry-After": "1"})
        return json_answer({"status": "ok"})

    @router.get("/metrics", response_model=None)
    async def metrics() -> Response:
        return Response(generate_latest(), media_type=CONTENT_TYPE_LATEST)

    return router
