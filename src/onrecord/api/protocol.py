"""uvicorn's HTTP protocol with bounds on what comes before a request is known.

The parser itself (httptools) takes headers of any size and waits for them for ever, from callers who
have shown no API key. Hand the class to ``uvicorn.Config(http=BoundedHttp)``.
"""

import asyncio
import json
from typing import Any

from uvicorn.protocols.http.httptools_impl import STATUS_LINE, HttpToolsProtocol

from onrecord.core.errors import CallerError
from onrecord.metrics import API_ERRORS
from onrecord.wire import errors

HEAD_BYTES = 65_536
"""Most that a request's line and headers may take; one more read of the socket is let pass."""

HEAD_SECS = 20.0
"""How long a request's line and headers may take to arrive."""


class BoundedHttp(HttpToolsProtocol):
    """One connection. Refusals at this level have Telnyx's error shape as all others."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._head_bytes = 0
        self._head_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """The first head is due from now on."""
        super().connection_made(transport)
        self._await_head()

    def on_message_begin(self) -> None:
        """A request begins."""
        super().on_message_begin()
        self._await_head()

    def on_headers_complete(self) -> None:
        """Its head is complete."""
        self._forget_head()
        super().on_headers_complete()

    def data_received(self, data: bytes) -> None:
        """Parse; bytes that leave the head incomplete count towards its bound."""
        super().data_received(data)
        if self._head_timer is not None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_BYTES:
                self._refuse(errors.head_too_large(HEAD_BYTES))

    def connection_lost(self, exc: Exception | None) -> None:
        """The peer is gone."""
        self._forget_head()
        super().connection_lost(exc)

    def send_400_response(self, msg: str) -> None:
        """What uvicorn calls when the bytes are not HTTP."""
        self._refuse(errors.malformed_request(msg))

    def _await_head(self) -> None:
        self._forget_head()
        self._head_bytes = 0
        self._head_timer = self.loop.call_later(HEAD_SECS, self._head_late)

    def _forget_head(self) -> None:
        if self._head_timer is not None:
            self._head_timer.cancel()
            self._head_timer = None

    def _head_late(self) -> None:
        self._head_timer = None
        if self.cycle is None or self.cycle.response_complete:
            self.transport.close()

    def _refuse(self, error: CallerError) -> None:
        """Answer and close; while another answer is being sent there is only closing."""
        self._forget_head()
        API_ERRORS.labels(error.faults[0].code).inc()
        if self.cycle is None or self.cycle.response_complete:
            body = json.dumps(errors.error_body(error)).encode()
            head = (
                b"content-type: application/json\r\nconnection: close\r\n"
                b"content-length: %d\r\n\r\n" % len(body)
            )
            self.transport.write(STATUS_LINE[error.status] + head + body)
        self.transport.close()
