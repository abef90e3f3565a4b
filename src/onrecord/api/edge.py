"""The outermost layer of the API: who may come in, how much may be sent, and what a failure looks like.

Plain ASGI, since it sees every request. Order: API key, rate, body, routing; so a caller without
a key learns nothing about paths and cannot make the server buffer anything.
"""

import asyncio
from contextlib import suppress

import structlog
from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from onrecord.api.answers import BODY, error_answer
from onrecord.api.limits import Limits
from onrecord.api.services import Keys
from onrecord.core.errors import CallerError, CapacityError, DestinationError
from onrecord.metrics import API_ERRORS
from onrecord.wire import errors

BODY_TIMEOUT_SECS = 30.0
"""How long a request's body may take to arrive."""

log = structlog.get_logger()


class ClientGoneError(Exception):
    """The connection ended before the request was complete; nobody is left to answer."""


class Edge:
    """Wraps the routed application."""

    def __init__(self, app: ASGIApp, keys: Keys, limits: Limits, max_body_bytes: int) -> None:
        self._app = app
        self._limits = limits
        self._keys = keys
        self._max_body_bytes = max_body_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One ASGI connection; requests never raise, whatever is sent."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        answer = _Watched(send)
        try:
            await self._serve(scope, receive, answer)
        except ClientGoneError:
            log.info("api_client_gone", path=_route(scope))
        except CallerError as error:
            await _refuse(error, scope, receive, answer)
        except CapacityError as error:
            await _refuse(errors.unavailable(str(error)), scope, receive, answer)
        except DestinationError:
            refusal = errors.unavailable("The storage did not do what was asked; try again.")
            await _refuse(refusal, scope, receive, answer)
        except Exception:  # A request is a unit of work: whatever broke, the others go on.
            log.exception("api_failed", method=scope["method"], path=_route(scope))
            await _refuse(errors.unexpected(), scope, receive, answer)

    async def _serve(self, scope: Scope, receive: Receive, send: "_Watched") -> None:
        path: str = scope["path"]
        if path == "/v2" or path.startswith("/v2/"):
            headers = Headers(scope=scope)
            key = _bearer(headers.get("authorization", ""))
            if not await self._keys.check(key):
                raise errors.unauthorized()
            standing = self._limits.take(key)
            send.more = standing.headers
            if not standing.allowed:
                raise errors.too_many_requests()
            scope[BODY] = await self._body(headers, receive)
        await self._app(scope, receive, send)

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """The whole body; reads at most one message beyond the limit."""
        if int(_digits(headers.get("content-length", "0"))) > self._max_body_bytes:
            raise errors.body_too_large(self._max_body_bytes)
        first, more = _part(await receive())
        if not more and len(first) <= self._max_body_bytes:
            return first
        try:
            async with asyncio.timeout(BODY_TIMEOUT_SECS):
                return await self._rest(first, more, receive)
        except TimeoutError as error:
            raise errors.body_too_slow() from error

    async def _rest(self, first: bytes, more: bool, receive: Receive) -> bytes:
        parts, size_bytes = [first], len(first)
        while more and size_bytes <= self._max_body_bytes:
            part, more = _part(await receive())
            parts.append(part)
            size_bytes += len(part)
        if size_bytes > self._max_body_bytes:
            raise errors.body_too_large(self._max_body_bytes)
        return b"".join(parts)


class _Watched:
    """A ``send`` that remembers whether the answer has begun, and adds headers to it."""

    def __init__(self, send: Send) -> None:
        self._send = send
        self.begun = False
        self.more: list[tuple[bytes, bytes]] = []

    async def __call__(self, message: Message) -> None:
        self.begun = True
        if message["type"] == "http.response.start":
            message["headers"] = [*message["headers"], *self.more]
        await self._send(message)


def _bearer(authorization: str) -> str:
    """The key of ``Bearer <key>``, or empty."""
    scheme, _, key = authorization.strip().partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def _digits(text: str) -> str:
    """A Content-Length that the HTTP parser let through; a list of equal values counts once."""
    number = text.partition(",")[0].strip()
    return number if number.isascii() and number.isdecimal() else "0"


def _part(message: Message) -> tuple[bytes, bool]:
    if message["type"] == "http.disconnect":
        raise ClientGoneError
    return message.get("body", b""), message.get("more_body", False)


def _route(scope: Scope) -> str | None:
    """The path's template: the path itself would put numbers and tokens into the log."""
    return getattr(scope.get("route"), "path", None)


async def _refuse(error: CallerError, scope: Scope, receive: Receive, answer: _Watched) -> None:
    codes = [fault.code for fault in error.faults]
    for code in codes:
        API_ERRORS.labels(code).inc()
    log.info(
        "api_refused", status=error.status, codes=codes, method=scope["method"], path=_route(scope)
    )
    if answer.begun:
        return
    with suppress(ConnectionError):
        await error_answer(error)(scope, receive, answer)
