"""What the router itself refuses: unknown paths and methods, in Telnyx's error shape."""

from collections.abc import Awaitable, Callable, Sequence

from fastapi import APIRouter, Request, Response
from starlette.routing import Match, Route

from onrecord.api.answers import error_answer
from onrecord.metrics import API_ERRORS
from onrecord.wire import errors

_SHOWN_CHARACTERS = 200

Refusal = Callable[[Request, Exception], Awaitable[Response]]


def route_refusal(routers: Sequence[APIRouter]) -> Refusal:
    """The handler of the router's own HTTPException: 404, or 405 with every method of the path."""
    routes = [route for router in routers for route in router.routes if isinstance(route, Route)]

    async def refuse(request: Request, _: Exception) -> Response:
        allowed = _methods(routes, request)
        if allowed:
            refusal = errors.method_not_allowed(request.method, allowed)
            answer = error_answer(refusal, {"Allow": ", ".join(allowed)})
        else:
            path = request.scope["path"][:_SHOWN_CHARACTERS]
            refusal = errors.unknown_route(request.method, path)
            answer = error_answer(refusal)
        API_ERRORS.labels(refusal.faults[0].code).inc()
        return answer

    return refuse


def _methods(routes: Sequence[Route], request: Request) -> list[str]:
    """Every method that some route of the request's path takes."""
    found: set[str] = set()
    for route in routes:
        if route.matches(request.scope)[0] is not Match.NONE:
            found |= route.methods or set()
    return sorted(found)
