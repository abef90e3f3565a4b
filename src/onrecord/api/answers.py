"""Answers as they go out: ready JSON, without validating again what the program itself made."""

import json
from collections.abc import Mapping

from starlette.requests import Request
from starlette.responses import Response

from onrecord.core.errors import CallerError
from onrecord.wire import errors
from onrecord.wire.body import parse_json

BODY = "onrecord.body"
"""Where the edge leaves the request's body (bytes) in the ASGI scope."""

_RETRY_AFTER_SECS = 2


def json_answer(
    content: object, status: int = 200, headers: Mapping[str, str] | None = None
) -> Response:
    """A JSON answer."""
    text = json.dumps(content, separators=(",", ":"))
    return Response(text.encode(), status, headers, "application/json")


def data_answer(data: object, status: int = 200) -> Response:
    """A JSON answer with everything under ``data``."""
    return json_answer({"data": data}, status)


def error_answer(error: CallerError, headers: Mapping[str, str] | None = None) -> Response:
    """A Telnyx error body; 401, 408, 413, 429 and 503 get the headers that go with them."""
    extra = dict(headers or {})
    if error.status == 401:
        extra["WWW-Authenticate"] = "Bearer"
    elif error.status == 429:
        extra["Retry-After"] = "1"
    elif error.status == 503:
        extra["Retry-After"] = str(_RETRY_AFTER_SECS)
    elif error.status in (408, 413):
        extra["Connection"] = "close"
    return json_answer(errors.error_body(error), error.status, extra)


def json_body(request: Request) -> object:
    """The JSON value that was sent; nothing counts as an empty object.

    Raises:
        CallerError: 400 or 415; the latter only for a body that is there.
    """
    raw: bytes = request.scope[BODY]
    if raw:
        _check_media_type(request)
    return parse_json(raw)


def _check_media_type(request: Request) -> None:
    """Clients that name no type are taken at their word that they speak this API."""
    given = request.headers.get("content-type")
    if given is not None:
        kind = given.partition(";")[0].strip().lower()
        if kind != "application/json" and not (
            kind.startswith("application/") and kind.endswith("+json")
        ):
            raise errors.unsupported_media_type(kind[:100] or "an empty type")
    coding = request.headers.get("content-encoding", "identity").strip().lower()
    if coding != "identity":
        raise errors.unsupported_media_type(f"compressed ({coding[:20]})")
