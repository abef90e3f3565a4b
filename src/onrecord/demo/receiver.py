"""A webhook receiver on a free loopback port: enough HTTP/1.1 for signed POSTs, and no more."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import TracebackType
from typing import Self

_MAX_HEAD_BYTES = 32_768
_MAX_BODY_BYTES = 1_000_000
_READ_SECS = 10.0
_OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
_BAD = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


@dataclass(frozen=True, slots=True)
class Delivery:
    """One POST, as it came."""

    body: bytes
    headers: Mapping[str, str]
    """Names in lower case."""


class Receiver:
    """``async with Receiver(bind, on_delivery) as receiver``: ``receiver.url`` takes webhooks."""

    def __init__(self, bind: str, on_delivery: Callable[[Delivery], None]) -> None:
        """``on_delivery`` is called on the event loop, before the sender gets its 200."""
        self._bind = bind
        self._on_delivery = on_delivery
        self._server: asyncio.Server | None = None
        self._open: set[asyncio.StreamWriter] = set()

    @property
    def url(self) -> str:
        """Where to send; known once started."""
        if self._server is None:
            return ""
        host = f"[{self._bind}]" if ":" in self._bind else self._bind
        return f"http://{host}:{self._server.sockets[0].getsockname()[1]}/webhooks"

    async def __aenter__(self) -> Self:
        self._server = await asyncio.start_server(self._serve, self._bind, 0, limit=_MAX_HEAD_BYTES)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._server is not None:
            self._server.close()
        for writer in list(self._open):
            writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._open.add(writer)
        try:
            while (delivery := await _read(reader)) is not None:
                self._on_delivery(delivery)
                writer.write(_OK)
                await writer.drain()
        except (ValueError, asyncio.IncompleteReadError, TimeoutError):
            writer.write(_BAD)
        except ConnectionError:
            pass
        finally:
            self._open.discard(writer)
            writer.close()


async def _read(reader: asyncio.StreamReader) -> Delivery | None:
    """The next request of a connection; None when the sender has closed it.

    Raises:
        ValueError: it is not a POST with a Content-Length, or it is too long.
        asyncio.IncompleteReadError: the sender closed in the middle.
    """
    try:
        head = await reader.readuntil(b"\r\n\r\n")
    except asyncio.IncompleteReadError as error:
        if error.partial:
            raise
        return None
    except asyncio.LimitOverrunError as error:
        raise ValueError("the head is too long") from error
    line, *rows = head.decode("latin-1").split("\r\n")
    pairs = (row.partition(":") for row in rows if row)
    headers = {name.strip().lower(): value.strip() for name, _, value in pairs}
    length = headers.get("content-length", "")
    if not line.startswith("POST ") or not length.isdecimal() or int(length) > _MAX_BODY_BYTES:
        raise ValueError("not a POST with a Content-Length")
    async with asyncio.timeout(_READ_SECS):
        return Delivery(await reader.readexactly(int(length)), headers)
