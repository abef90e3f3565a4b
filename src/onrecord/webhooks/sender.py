"""Sends webhooks over HTTP/1.1 with pooled connections."""

import asyncio
import ssl
from typing import NamedTuple

import httpx
import structlog

from onrecord.calls.records import Attempt, Event
from onrecord.core.clock import Clock
from onrecord.core.units import NS_PER_MS, NS_PER_S
from onrecord.webhooks.request import WebhookRequest, build_request, url_fault
from onrecord.webhooks.signing import Signer

log = structlog.get_logger()

MOST_REDIRECTS = 3
MOST_ANSWER_BYTES = 64 * 1024
MOST_KEPT_CHARACTERS = 10_000
"""Of an answer's body, and of its headers together, for those who look up the delivery."""
_REDIRECTS = frozenset({301, 302, 307, 308})
# Of the whole time: a connection that is cancelled from outside is not closed, one that times out is.
_CONNECT_SHARE = 0.9
_LIMITS = httpx.Limits(max_connections=200, max_keepalive_connections=50, keepalive_expiry=4)


class _Outcome(NamedTuple):
    status: int | None
    error: str | None
    headers: tuple[tuple[str, str], ...] = ()
    body: str = ""


class _Answer(NamedTuple):
    status: int
    location: str | None
    headers: tuple[tuple[str, str], ...]
    body: str

    def outcome(self, error: str | None) -> _Outcome:
        return _Outcome(self.status, error, self.headers, self.body)


class HttpSender:
    """Satisfies ``service.ports.Sender``. Used on one event loop; ``close`` at the end.

    Proxies named by the environment are not used: a receiver is where its URL says.

    Args:
        private_key: Ed25519, 32 raw bytes.
        clock: Where times come from.
    """

    def __init__(self, private_key: bytes, clock: Clock) -> None:
        self._signer = Signer(private_key)
        self._clock = clock
        # One transport for each scheme: trusted roots are only loaded once TLS is used.
        self._transports: dict[str, httpx.AsyncHTTPTransport] = {}

    async def send(self, event: Event, number: int, url: str) -> Attempt:
        """Sign and send attempt ``number`` to ``url``; never raises: failures are in the attempt."""
        started_ns = self._clock.utc_ns()
        headers: dict[str, str] = {}
        outcome = _refused_url(url)
        if outcome is None:
            try:
                request = build_request(event, number, url, self._signer, started_ns // NS_PER_S)
                headers = request.headers
                await self._transport(httpx.URL(url).scheme)
                outcome = await self._within(event.timeout_ms, request)
            except httpx.InvalidURL as error:
                outcome = _Outcome(None, _bad_url(str(error)))
            except ValueError as error:
                outcome = _Outcome(None, f"the event cannot be sent as {event.method}: {error}")
        return Attempt(
            event_id=event.id,
            number=number,
            url=url,
            started_ns=started_ns,
            finished_ns=self._clock.utc_ns(),
            status=outcome.status,
            error=outcome.error,
            request_headers=headers,
            response_headers=outcome.headers,
            response_body=outcome.body,
        )

    async def close(self) -> None:
        """Close the pooled connections."""
        transports, self._transports = self._transports, {}
        for transport in transports.values():
            await transport.aclose()

    async def _within(self, timeout_ms: int, request: WebhookRequest) -> _Outcome:
        try:
            async with asyncio.timeout(timeout_ms * NS_PER_MS / NS_PER_S):
                return await self._exchange(request, timeout_ms)
        except httpx.ConnectTimeout:
            return _Outcome(
                None,
                f"no connection to the receiver within {timeout_ms} ms: start it, or correct its URL",
            )
        except TimeoutError:
            return _Outcome(
                None,
                f"the receiver did not answer within {timeout_ms} ms: make it answer before it works,"
                " or raise webhook_timeout_secs of the application",
            )
        except (httpx.ConnectError, OSError) as error:
            return _Outcome(
                None,
                f"no connection to the receiver: {_said(error)}: start it, or correct its URL",
            )
        except (httpx.HTTPError, httpx.StreamError) as error:
            return _Outcome(None, f"the receiver broke off or sent no HTTP: {_said(error)}")

    async def _exchange(self, request: WebhookRequest, timeout_ms: int) -> _Outcome:
        target = httpx.URL(request.url)
        connect_secs = timeout_ms * NS_PER_MS / NS_PER_S * _CONNECT_SHARE
        for _ in range(MOST_REDIRECTS + 1):
            answer = await self._one(request, target, connect_secs)
            if answer.status not in _REDIRECTS or answer.location is None:
                return answer.outcome(_status_fault(answer.status))
            target = target.join(answer.location)
            if fault := url_fault(str(target)):
                return answer.outcome(f"the receiver redirects to a URL that is not one: {fault}")
        return answer.outcome(f"the receiver redirects more than {MOST_REDIRECTS} times")

    async def _one(
        self, request: WebhookRequest, target: httpx.URL, connect_secs: float
    ) -> _Answer:
        message = httpx.Request(
            request.method,
            target,
            headers=request.headers,
            content=request.body or None,
            extensions={"timeout": {"connect": connect_secs}},
        )
        transport = await self._transport(target.scheme)
        response = await transport.handle_async_request(message)
        try:
            body = await _drain(response)
        finally:
            await response.aclose()
        return _Answer(
            response.status_code,
            response.headers.get("location"),
            _kept_headers(response),
            _kept_text(body),
        )

    async def _transport(self, scheme: str) -> httpx.AsyncHTTPTransport:
        if scheme not in self._transports:
            # Reading a few hundred certificates would hold up the loop for 50 ms.
            verify = await asyncio.to_thread(_trusted) if scheme == "https" else False
            made = httpx.AsyncHTTPTransport(
                verify=verify, http1=True, http2=False, limits=_LIMITS, trust_env=False
            )
            self._transports.setdefault(scheme, made)
        return self._transports[scheme]


def _trusted() -> ssl.SSLContext:
    """The well-known authorities and those of this machine, so that a private one can be added."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


async def _drain(response: httpx.Response) -> bytes:
    """Read a short answer, so that its connection can be used again; drop the rest of a long one."""
    body = bytearray()
    stream = response.stream
    if isinstance(stream, httpx.AsyncByteStream):
        async for part in stream:
            body += part
            if len(body) > MOST_ANSWER_BYTES:
                break
    return bytes(body[:MOST_ANSWER_BYTES])


def _kept_text(raw: bytes) -> str:
    """What a database can keep of a body, whatever it is."""
    return raw.decode(errors="replace").replace("\0", "\ufffd")[:MOST_KEPT_CHARACTERS]


def _kept_headers(response: httpx.Response) -> tuple[tuple[str, str], ...]:
    left = MOST_KEPT_CHARACTERS
    kept = []
    for name, value in response.headers.multi_items():
        left -= len(name) + len(value)
        if left < 0:
            break
        kept.append((name, value))
    return tuple(kept)


def _refused_url(url: str) -> _Outcome | None:
    fault = url_fault(url)
    return None if fault is None else _Outcome(None, _bad_url(fault))


def _bad_url(fault: str) -> str:
    return f"the webhook URL cannot be used: {fault}: correct it in the application"


def _status_fault(status: int) -> str | None:
    if 200 <= status < 300:
        return None
    return f"the receiver answered {status}: see its own logs"


def _said(error: Exception) -> str:
    return str(error) or type(error).__name__
