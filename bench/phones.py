"""The callers: a SIP user agent client of a few templates on one UDP socket (RFC 3261 §13, §15)."""

import asyncio
import re
import secrets
import socket
from dataclasses import dataclass, field
from typing import cast

T1_S = 0.5
GIVE_UP_S = 32.0

REQUEST = (
    "{method} {uri} SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 127.0.0.1:{port};rport;branch=z9hG4bK{branch}\r\n"
    "Max-Forwards: 70\r\n"
    "From: <sip:{caller}@127.0.0.1>;tag={tag}\r\n"
    "To: {to}\r\n"
    "Call-ID: {call_id}\r\n"
    "CSeq: {cseq} {cseq_method}\r\n"
    "Contact: <sip:{caller}@127.0.0.1:{port}>\r\n"
    "{extra}Content-Length: {length}\r\n\r\n{body}"
)
SDP = (
    "v=0\r\no=- 1 1 IN IP4 127.0.0.1\r\ns=-\r\nc=IN IP4 127.0.0.1\r\nt=0 0\r\n"
    "m=audio {port} RTP/AVP 0 101\r\na=rtpmap:0 PCMU/8000\r\n"
    "a=rtpmap:101 telephone-event/8000\r\na=fmtp:101 0-15\r\na=ptime:20\r\na=sendrecv\r\n"
)


class CallError(Exception):
    """A call was refused, or nobody answered it."""


@dataclass(eq=False)
class Call:
    """One dialog, seen from its caller."""

    caller: str
    uri: str
    call_id: str = field(default_factory=lambda: secrets.token_hex(12))
    tag: str = field(default_factory=lambda: secrets.token_hex(6))
    branch: str = field(default_factory=lambda: secrets.token_hex(8))
    to: str = ""
    target: str = ""
    ack: bytes = b""
    media: tuple[str, int] = ("", 0)
    """Where its RTP goes."""
    heard: bool = False
    up: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )
    over: asyncio.Future[None] = field(
        default_factory=lambda: asyncio.get_running_loop().create_future()
    )


class Phones(asyncio.DatagramProtocol):
    """Places and ends calls to one server."""

    def __init__(self, server_port: int) -> None:
        self._server_port = server_port
        self._calls: dict[str, Call] = {}
        self.resent = 0
        """Requests sent again for want of an answer."""

    @classmethod
    async def open(cls, server_port: int) -> "Phones":
        """Binds a free port of 127.0.0.1."""
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4 << 20)
        sock.bind(("127.0.0.1", 0))
        loop = asyncio.get_running_loop()
        _, phones = await loop.create_datagram_endpoint(lambda: cls(server_port), sock=sock)
        return phones

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        self._port = transport.get_extra_info("sockname")[1]

    async def call(self, caller: str, media_port: int) -> Call:
        """Returns once the call is up; its media address is known then."""
        call = Call(caller, f"sip:bench@127.0.0.1:{self._server_port}")
        call.to = f"<{call.uri}>"
        self._calls[call.call_id] = call
        offer = SDP.format(port=media_port)
        invite = self._request(
            call, "INVITE", call.uri, 1, offer, "Content-Type: application/sdp\r\n"
        )
        await self._until(call.up, invite, call)
        return call

    async def hang_up(self, call: Call) -> None:
        """Returns once the BYE has been answered."""
        call.heard = False
        call.branch = secrets.token_hex(8)
        await self._until(call.over, self._request(call, "BYE", call.target, 2), call)

    def close(self) -> None:
        """Closes the socket."""
        self._transport.close()

    async def _until(self, done: asyncio.Future[None], request: bytes, call: Call) -> None:
        loop = asyncio.get_running_loop()
        end, wait = loop.time() + GIVE_UP_S, T1_S
        self._send(request)
        while not done.done() and loop.time() < end:
            await asyncio.wait([done], timeout=wait)
            if not done.done() and not call.heard:
                self._send(request)
                self.resent += 1
                wait *= 2
        if not done.done():
            raise CallError(f"no final answer for {request.split(maxsplit=1)[0].decode()}")
        done.result()

    def _request(
        self, call: Call, method: str, uri: str, cseq: int, body: str = "", extra: str = ""
    ) -> bytes:
        text = REQUEST.format(
            method=method, uri=uri, port=self._port, branch=call.branch, caller=call.caller,
            tag=call.tag, to=call.to, call_id=call.call_id, cseq=cseq, cseq_method=method,
            extra=extra, length=len(body), body=body,
        )  # fmt: skip
        return text.encode()

    def _send(self, message: bytes) -> None:
        self._transport.sendto(message, ("127.0.0.1", self._server_port))

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:  # noqa: ARG002 - asyncio names it
        text = data.decode("utf-8", "replace")
        call = self._calls.get(_header(text, "Call-ID"))
        if not text.startswith("SIP/2.0"):
            self._answer(text, call)
        elif call is not None:
            self._take_response(call, int(text.split(maxsplit=2)[1]), text)

    def _take_response(self, call: Call, status: int, text: str) -> None:
        call.heard = True
        if _header(text, "CSeq").endswith("BYE"):
            if status >= 200 and not call.over.done():
                call.over.set_result(None)
        elif 200 <= status < 300:
            self._take_answer(call, text)
        elif status >= 300:
            call.to = _header(text, "To")
            self._send(self._request(call, "ACK", call.uri, 1))
            if not call.up.done():
                call.up.set_exception(CallError(f"the server answered {status}"))

    def _take_answer(self, call: Call, text: str) -> None:
        if not call.ack:
            call.to = _header(text, "To")
            contact = re.search(r"<([^>]+)>", _header(text, "Contact"))
            call.target = contact[1] if contact else call.uri
            address = re.search(r"^c=IN IP4 (\S+)", text, re.MULTILINE)
            port = re.search(r"^m=audio (\d+)", text, re.MULTILINE)
            call.media = (address[1] if address else "", int(port[1]) if port else 0)
            call.branch = secrets.token_hex(8)
            call.ack = self._request(call, "ACK", call.target, 1)
        self._send(call.ack)
        if not call.up.done():
            call.up.set_result(None)

    def _answer(self, text: str, call: Call | None) -> None:
        """The server's own requests: a BYE ends the call, everything else is only acknowledged."""
        if text.startswith("ACK"):
            return
        lines = [line for line in text.partition("\r\n\r\n")[0].split("\r\n")[1:] if _copied(line)]
        self._send("\r\n".join(["SIP/2.0 200 OK", *lines, "Content-Length: 0", "", ""]).encode())
        if text.startswith("BYE") and call is not None and not call.over.done():
            call.over.set_result(None)


def _copied(line: str) -> bool:
    return line.partition(":")[0].strip().lower() in {"via", "from", "to", "call-id", "cseq"}


def _header(text: str, name: str) -> str:
    found = re.search(rf"^{name}\s*:\s*(.*?)\s*$", text, re.MULTILINE | re.IGNORECASE)
    return found[1] if found else ""
