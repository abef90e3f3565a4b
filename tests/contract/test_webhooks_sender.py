"""Attempts at real receivers that behave in every way."""

import asyncio
import base64
import contextlib
import json
import os
import socket
import time

import pytest
from nacl.signing import VerifyKey

from onrecord.core.clock import SystemClock
from onrecord.webhooks import HttpSender, Signer, Verdict, verdict
from stored_records import an_event

KEY = os.urandom(32)
OK = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"


class Receiver:
    """An HTTP server that answers by the first part of the path and keeps what it got."""

    def __init__(self):
        self.got: list[tuple[str, dict[str, str], bytes]] = []
        self.connections = 0
        self.url = ""
        self.tasks: set[asyncio.Task[None]] = set()

    async def serve(self, reader, writer):
        self.connections += 1
        self.tasks.add(asyncio.current_task())
        ends = (asyncio.IncompleteReadError, ConnectionError, asyncio.CancelledError)
        with contextlib.suppress(*ends):
            while True:
                head = (await reader.readuntil(b"\r\n\r\n")).decode()
                line, *fields = head.split("\r\n")[:-2]
                headers = dict(field.lower().split(": ", 1) for field in fields)
                raw = dict(field.split(": ", 1) for field in fields)
                body = await reader.readexactly(int(headers.get("content-length", 0)))
                self.got.append((line, {k.lower(): v for k, v in raw.items()}, body))
                await self.answer(line.split(" ")[1], writer)
        writer.transport.abort()

    async def answer(self, path, writer):
        what = path.split("?")[0].split("/")[1]
        if what.isdigit():
            writer.write(b"HTTP/1.1 %s X\r\nContent-Length: 0\r\n\r\n" % what.encode())
        elif what == "slow":
            await asyncio.sleep(5)
        elif what == "drip":
            writer.write(b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n")
            for _ in range(50):
                await asyncio.sleep(0.1)
                writer.write(b".")
        elif what == "huge":
            writer.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            for _ in range(10_000):
                writer.write(b"10000\r\n" + b"x" * 65536 + b"\r\n")
                await writer.drain()
        elif what == "odd":
            body = b"\0\xff" + "ü".encode() * 9000
            many = b"".join(b"X-%d: %s\r\n" % (n, b"v" * 1000) for n in range(40))
            writer.write(b"HTTP/1.1 500 X\r\n%sContent-Length: %d\r\n\r\n" % (many, len(body)))
            writer.write(body)
        elif what == "garbage":
            writer.write(b"\0\xff this is no HTTP\r\n\r\n")
            raise ConnectionError
        elif what == "close":
            raise ConnectionError
        elif what == "zip":
            writer.write(
                b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 3\r\n\r\nbad"
            )
        elif what.startswith("hop"):
            left = int(what[3:])
            place = f"/hop{left - 1}" if left else "/200"
            writer.write(
                f"HTTP/1.1 307 X\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n".encode()
            )
        elif what == "away":
            writer.write(
                b"HTTP/1.1 302 X\r\nLocation: file:///etc/passwd\r\nContent-Length: 0\r\n\r\n"
            )
        else:
            writer.write(OK)


@pytest.fixture
async def receiver():
    made = Receiver()
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.url = f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    yield made
    server.close()
    for task in made.tasks:
        task.cancel()
    await asyncio.gather(*made.tasks, return_exceptions=True)
    await asyncio.sleep(0)


@pytest.fixture
async def sender():
    made = HttpSender(KEY, SystemClock())
    yield made
    await made.close()


async def test_a_delivered_event_is_signed_and_its_connection_used_again(sender, receiver):
    event = an_event()
    for number in (1, 2, 3):
        attempt = await sender.send(event, number, f"{receiver.url}/hook")
        assert (attempt.status, attempt.error) == (200, None)
        assert verdict(attempt) is Verdict.DELIVERED
    assert receiver.connections == 1
    line, headers, body = receiver.got[1]
    assert line == "POST /hook HTTP/1.1"
    assert headers["content-type"] == "application/json"
    assert headers["user-agent"] == "telnyx-webhooks"
    timestamp = headers["telnyx-timestamp"]
    assert abs(int(timestamp) - time.time()) < 5
    signature = base64.b64decode(headers["telnyx-signature-ed25519"], validate=True)
    VerifyKey(Signer(KEY).public_key).verify(f"{timestamp}|".encode() + body, signature)
    assert json.loads(body) == {
        "data": json.loads(event.body),
        "meta": {"attempt": 2, "delivered_to": f"{receiver.url}/hook"},
    }
    assert attempt.request_headers["Telnyx-Timestamp"]
    assert (attempt.response_headers, attempt.response_body) == ((("content-length", "2"),), "ok")
    assert attempt.event_id == "event-1"
    assert attempt.number == 3
    assert 0 <= attempt.finished_ns - attempt.started_ns < 2e9


@pytest.mark.parametrize(
    ("path", "status", "means", "said"),
    [
        ("204", 204, Verdict.DELIVERED, None),
        ("404", 404, Verdict.FAILOVER_ONLY, "answered 404"),
        ("500", 500, Verdict.RETRY, "answered 500"),
        ("429", 429, Verdict.RETRY, "answered 429"),
        ("303", 303, Verdict.FAILOVER_ONLY, "answered 303"),
        ("slow", None, Verdict.RETRY, "did not answer within 300 ms"),
        ("drip", None, Verdict.RETRY, "did not answer within 300 ms"),
        ("garbage", None, Verdict.RETRY, "no HTTP"),
        ("close", None, Verdict.RETRY, "broke off"),
        ("huge", 200, Verdict.DELIVERED, None),
        ("zip", 200, Verdict.DELIVERED, None),
        ("hop2", 200, Verdict.DELIVERED, None),
        ("hop3", 307, Verdict.FAILOVER_ONLY, "more than 3 times"),
        ("away", 302, Verdict.FAILOVER_ONLY, "redirects to a URL"),
    ],
)
async def test_what_receivers_may_do(sender, receiver, path, status, means, said):
    before = time.monotonic()
    attempt = await sender.send(an_event(timeout_ms=300), 1, f"{receiver.url}/{path}/x")
    assert time.monotonic() - before < 1.5
    assert attempt.status == status
    assert verdict(attempt) is means
    assert attempt.error is None if said is None else said in attempt.error
    # The sender is none the worse for it.
    assert (await sender.send(an_event(), 1, f"{receiver.url}/hook")).status == 200


async def test_a_redirect_carries_the_same_signed_body(sender, receiver):
    await sender.send(an_event(), 1, f"{receiver.url}/hop0")
    (first, headers, body), (second, again, same) = receiver.got
    assert (first, second) == ("POST /hop0 HTTP/1.1", "POST /200 HTTP/1.1")
    assert body == same
    assert headers["telnyx-signature-ed25519"] == again["telnyx-signature-ed25519"]


async def test_a_get_has_no_body(sender, receiver):
    event = an_event(method="GET")
    attempt = await sender.send(event, 1, f"{receiver.url}/hook")
    assert attempt.status == 200
    line, _, body = receiver.got[0]
    assert line.startswith("GET /hook?event_type=call.initiated&")
    assert body == b""


async def test_a_get_of_what_is_not_json_is_told(sender, receiver):
    attempt = await sender.send(an_event(method="GET", body="nonsense"), 1, receiver.url)
    assert attempt.status is None
    assert "cannot be sent as GET" in attempt.error


async def test_a_dead_receiver_is_told(sender):
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        port = unused.getsockname()[1]
        attempt = await sender.send(an_event(), 1, f"http://127.0.0.1:{port}/")
    assert attempt.status is None
    assert "no connection to the receiver" in attempt.error
    assert "start it" in attempt.error


@pytest.mark.parametrize(
    "url",
    [
        "",
        "hook",
        "ftp://host/",
        "http://",
        "http://host:99999/",
        "http://[::1",
        "http://a\x00b/",
        "http://a b/",
        "http://" + "a" * 300 + ".invalid/",
        "http://xn--a.invalid/",
        "http://*.invalid/\r\nX: y",
    ],
)
async def test_a_bad_url_is_told_and_never_raises(sender, url):
    attempt = await sender.send(an_event(timeout_ms=500), 1, url)
    assert attempt.status is None
    assert attempt.error
    assert attempt.url == url


async def test_a_receiver_that_speaks_no_tls_is_told(sender, receiver):
    url = receiver.url.replace("http:", "https:")
    attempt = await sender.send(an_event(timeout_ms=500), 1, url)
    assert attempt.status is None
    assert "no connection to the receiver within 500 ms" in attempt.error


async def test_many_at_once_share_the_pool(sender, receiver):
    attempts = await asyncio.gather(
        *[sender.send(an_event(), n, f"{receiver.url}/hook") for n in range(1, 101)]
    )
    assert {attempt.status for attempt in attempts} == {200}
    assert receiver.connections <= 100


async def test_of_an_odd_answer_as_much_is_kept_as_a_database_can_hold(sender, receiver):
    attempt = await sender.send(an_event(), 1, f"{receiver.url}/odd")
    assert attempt.status == 500
    assert attempt.response_body.startswith("\ufffd\ufffdüü")
    assert len(attempt.response_body) == 9002
    assert [name for name, _ in attempt.response_headers] == [f"x-{n}" for n in range(9)]
    huge = await sender.send(an_event(timeout_ms=5000), 2, f"{receiver.url}/huge")
    assert (huge.status, huge.response_body) == (200, "x" * 10_000)
