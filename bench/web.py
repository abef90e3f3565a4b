"""The application's side of HTTP, as cheap as it can be: keep-alive requests, and a webhook receiver."""

import asyncio
import json
import re
from collections import defaultdict
from typing import Any, cast

Json = dict[str, Any]


class ApiError(Exception):
    """The server answered a request with anything but 2xx."""


class Connection:
    """One keep-alive connection; requests on it are made one after the other."""

    def __init__(self, port: int, key: str) -> None:
        self._port = port
        self._key = key
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def request(self, method: str, path: str, body: Json | None = None) -> bytes:
        """The body of the answer; raises ``ApiError`` unless the status is 2xx."""
        if self._streams is None or self._streams[0].at_eof():  # closed for idleness
            self.close()
            self._streams = await asyncio.open_connection("127.0.0.1", self._port)
        reader, writer = self._streams
        text = b"" if body is None else json.dumps(body).encode()
        writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: 127.0.0.1:{self._port}\r\n"
            f"Authorization: Bearer {self._key}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {len(text)}\r\n\r\n".encode()
            + text
        )
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        answer = await self._body(reader, head.lower())
        if head.split()[1][0] != "2":
            raise ApiError(f"{method} {path}: {head.splitlines()[0]}: {answer[:300]!r}")
        return answer

    async def _body(self, reader: asyncio.StreamReader, head: str) -> bytes:
        length = head.partition("content-length:")[2].split("\r\n")[0].strip()
        if not length:
            raise ApiError("the answer has no Content-Length")
        answer = await reader.readexactly(int(length))
        if "connection: close" in head:
            self.close()
        return answer

    def close(self) -> None:
        """Closes the connection; the next request opens another."""
        if self._streams:
            self._streams[1].close()
        self._streams = None


class Client:
    """A few keep-alive connections that requests wait for."""

    def __init__(self, port: int, key: str, connections: int = 8) -> None:
        self._free: asyncio.Queue[Connection] = asyncio.Queue()
        for _ in range(connections):
            self._free.put_nowait(Connection(port, key))

    async def post(self, path: str, body: Json) -> Json:
        """The parsed answer of a POST."""
        connection = await self._free.get()
        try:
            answer: Json = json.loads(await connection.request("POST", path, body))
        finally:
            self._free.put_nowait(connection)
        return answer

    async def get(self, path: str) -> str:
        """The text of a GET."""
        connection = await self._free.get()
        try:
            return (await connection.request("GET", path)).decode()
        finally:
            self._free.put_nowait(connection)

    async def command(self, call_control_id: str, name: str, **body: Any) -> Json:
        """One call command; its ``data``."""
        answer = await self.post(f"/v2/calls/{call_control_id}/actions/{name}", body)
        data: Json = answer["data"]
        return data

    def close(self) -> None:
        """Closes what is not in use."""
        while not self._free.empty():
            self._free.get_nowait().close()


class Events:
    """The webhooks that came, by call and type; a call is known by the digits of its caller."""

    def __init__(self) -> None:
        self._waiting: defaultdict[tuple[str, str], asyncio.Future[Json]] = defaultdict(
            lambda: asyncio.get_running_loop().create_future()
        )
        self._caller_of: dict[str, str] = {}
        self.count: defaultdict[str, int] = defaultdict(int)

    async def of(self, caller: str, event_type: str, timeout: float) -> Json:
        """The payload of a call's event; ``received_at`` in it is the loop's time."""
        future = self._waiting[caller, event_type]
        return await asyncio.wait_for(asyncio.shield(future), timeout)

    def take(self, body: bytes) -> None:
        """One delivered webhook."""
        data = json.loads(body)["data"]
        kind, payload = data["event_type"], data["payload"]
        self.count[kind] += 1
        if kind == "call.initiated":
            user = payload["from"].partition("@")[0]
            self._caller_of[payload["call_control_id"]] = re.sub(r"[^0-9]", "", user)
        caller = self._caller_of.get(payload["call_control_id"], "")
        payload["received_at"] = asyncio.get_running_loop().time()
        if not self._waiting[caller, kind].done():
            self._waiting[caller, kind].set_result(payload)


class Receiver(asyncio.Protocol):
    """Answers every webhook with 200 and hands it on."""

    ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"

    def __init__(self, events: Events) -> None:
        self._events = events
        self._text = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._text += data
        while True:
            head, end, rest = self._text.partition(b"\r\n\r\n")
            length = _content_length(head) if end else 0
            if not end or len(rest) < length:
                return
            self._text = rest[length:]
            self._transport.write(self.ANSWER)
            self._events.take(rest[:length])


def _content_length(head: bytes) -> int:
    text = head.lower().partition(b"content-length:")[2].split(b"\r\n")[0]
    return int(text or 0)


async def serve_webhooks(events: Events) -> tuple[asyncio.Server, int]:
    """A receiver on a free port of 127.0.0.1."""
    server = await asyncio.get_running_loop().create_server(
        lambda: Receiver(events), "127.0.0.1", 0, backlog=1024
    )
    return server, int(server.sockets[0].getsockname()[1])


def metric(text: str, name: str) -> dict[str, float]:
    """The samples of a metric in Prometheus text, by the value of its label (empty without one)."""
    samples = {}
    for line in text.splitlines():
        if line.startswith(name) and line[len(name)] in " {":
            label = line.partition('="')[2].partition('"')[0]
            samples[label] = float(line.rsplit(" ", 1)[1])
    return samples
