"""SIP messages: bytes to fields and back (RFC 3261 §7, §18.3), and what every message must carry.

Values of received headers are kept as raw text (unfolded) and are copied, never written anew.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from onrecord.sip.headers import (
    WORD,
    NameAddr,
    SipSyntaxError,
    Via,
    is_absolute_uri,
    parse_cseq,
    parse_media_type,
    parse_name_addr,
    parse_sip_uri,
    parse_via,
    split_list,
)
from onrecord.sip.peers import Peer

MAX_MESSAGE_BYTES = 65_536
MAX_HEADERS = 200
MAX_LINE_BYTES = 16_384
VERSION = "SIP/2.0"
SDP = "application/sdp"

COMPACT_FORMS = {
    "a": "accept-contact",  # RFC 3841
    "b": "referred-by",  # RFC 3892
    "c": "content-type",
    "d": "request-disposition",  # RFC 3841
    "e": "content-encoding",
    "f": "from",
    "i": "call-id",
    "j": "reject-contact",  # RFC 3841
    "k": "supported",
    "l": "content-length",
    "m": "contact",
    "o": "event",  # RFC 6665
    "r": "refer-to",  # RFC 3515
    "s": "subject",
    "t": "to",
    "u": "allow-events",  # RFC 6665
    "v": "via",
    "x": "session-expires",  # RFC 4028
    "y": "identity",  # RFC 8224
}

REASONS = {
    100: "Trying",
    180: "Ringing",
    200: "OK",
    400: "Bad Request",
    403: "Forbidden",
    404: "Not Found",
    405: "Method Not Allowed",
    406: "Not Acceptable",
    408: "Request Timeout",
    415: "Unsupported Media Type",
    416: "Unsupported URI Scheme",
    420: "Bad Extension",
    480: "Temporarily Unavailable",
    481: "Call/Transaction Does Not Exist",
    482: "Loop Detected",
    486: "Busy Here",
    487: "Request Terminated",
    488: "Not Acceptable Here",
    491: "Request Pending",
    500: "Server Internal Error",
    503: "Service Unavailable",
    505: "Version Not Supported",
    600: "Busy Everywhere",
    603: "Decline",
}

Header = tuple[str, str]

_REQUEST_LINE = re.compile(rf"({WORD}) (.*) (SIP/\d+\.\d+\s*)", re.ASCII | re.IGNORECASE)
_STATUS_LINE = re.compile(r"(SIP/2\.0) ([1-6][0-9][0-9])(?: (.*))?", re.ASCII | re.IGNORECASE)
_HEADER = re.compile(rf"({WORD})[ \t]*:(.*)", re.DOTALL)
_FOLD = re.compile(r"\r\n[ \t]+")
_ENCODING = "utf-8"
_ONCE = ("call-id", "content-length", "content-type", "cseq", "from", "max-forwards", "to")


@dataclass(frozen=True, slots=True)
class Message:
    """A request (``method`` and ``uri``) or a response (``status`` and ``reason``)."""

    method: str = ""
    uri: str = ""
    """As written, blanks included where a peer put some."""
    status: int = 0
    """0 in a request."""
    reason: str = ""
    headers: tuple[Header, ...] = ()
    """Received: names in lower case and full form, values unfolded and stripped."""
    body: bytes = b""
    version: str = VERSION
    fault: str = ""
    """What was wrong with the framing of a received message; it is answered with 400."""
    written: tuple[str, ...] = ()
    """Received: the names of ``headers`` as they were written."""

    def get(self, name: str) -> str | None:
        """The first value of a header; ``name`` in lower case."""
        return next((value for key, value in self.headers if key.lower() == name), None)

    def all(self, name: str) -> list[str]:
        """Each header line's value."""
        return [value for key, value in self.headers if key.lower() == name]

    def values(self, name: str) -> list[str]:
        """Values of a comma-separated header over all its lines, empty ones left out.

        Raises:
            SipSyntaxError: a quote or bracket is left open.
        """
        return [part for line in self.all(name) for part in split_list(line) if part]

    def encode(self) -> bytes:
        """The bytes to send, Content-Length added. Line breaks in values become blanks."""
        first = (
            f"{VERSION} {self.status} {self.reason}"
            if self.status
            else f"{self.method} {self.uri} {VERSION}"
        )
        headers = (*self.headers, ("Content-Length", str(len(self.body))))
        lines = (first, *(f"{name}: {value}" for name, value in headers))
        head = "".join(f"{_one_line(line)}\r\n" for line in lines)
        return f"{head}\r\n".encode(_ENCODING, "surrogateescape") + self.body


def _one_line(text: str) -> str:
    return text.replace("\r", " ").replace("\n", " ") if "\r" in text or "\n" in text else text


def with_headers(message: Message, headers: Iterable[Header], without: str = "") -> Message:
    """The message with headers added at the end, those named ``without`` (lower case) left out."""
    kept = (pair for pair in message.headers if pair[0].lower() != without)
    return replace(message, headers=(*kept, *headers))


def parse(data: bytes) -> Message:
    """The message in ``data``: one datagram, or one message cut from a stream.

    What follows the Content-Length is dropped. Faults that can still be answered are left in
    ``fault``, or to :func:`read_envelope`.

    Raises:
        SipSyntaxError: not SIP, or beyond the limits; nothing can be answered.
    """
    head, gap, rest = data.lstrip(b"\r\n").partition(b"\r\n\r\n")
    if len(data) > MAX_MESSAGE_BYTES:
        raise SipSyntaxError("message too long")
    first, *lines = _FOLD.sub(" ", head.decode(_ENCODING, "surrogateescape")).split("\r\n")
    if len(lines) > MAX_HEADERS or any(len(line) > MAX_LINE_BYTES for line in lines):
        raise SipSyntaxError("too many or too long headers")
    start = _parse_first_line(first)
    headers, written, fault = _parse_headers(lines)
    if not gap:
        fault = "no end of headers"
    message = replace(start, headers=headers, written=written, fault=fault)
    return _with_body(message, rest)


def _parse_first_line(line: str) -> Message:
    if match := _STATUS_LINE.fullmatch(line):
        return Message(status=int(match[2]), reason=match[3] or "")
    if match := _REQUEST_LINE.fullmatch(line):
        return Message(method=match[1], uri=match[2], version=match[3])
    raise SipSyntaxError("neither a request nor a response")


def _parse_headers(lines: list[str]) -> tuple[tuple[Header, ...], tuple[str, ...], str]:
    headers, written, fault = [], [], ""
    for line in lines:
        match = _HEADER.fullmatch(line)
        if match is None or "\r" in line or "\n" in line:
            fault = "malformed header line"
            continue
        name = match[1].lower()
        headers.append((COMPACT_FORMS.get(name, name), match[2].strip()))
        written.append(match[1])
    return tuple(headers), tuple(written), fault


def _with_body(message: Message, rest: bytes) -> Message:
    length = message.get("content-length")
    if length is None:
        return replace(message, body=rest)
    if not (length.isascii() and length.isdigit() and len(length) <= 9):
        return replace(message, fault="malformed Content-Length")
    if int(length) > len(rest):
        return replace(message, body=rest, fault="body shorter than Content-Length")
    return replace(message, body=rest[: int(length)])


@dataclass(frozen=True, slots=True)
class Envelope:
    """A received message with what every message must carry, read into types."""

    message: Message
    peer: Peer
    """Where it came from."""
    via: Via
    """The topmost."""
    call_id: str
    cseq: int
    method: str
    """Of the CSeq; in a request also its own."""
    from_: NameAddr
    to: NameAddr
    contact: str
    """The first Contact's URI; empty without one."""


def read_envelope(message: Message, peer: Peer) -> Envelope:
    """Check and read a received message.

    Raises:
        SipSyntaxError: a request is to be answered with 400, a response to be dropped.
    """
    if message.fault:
        raise SipSyntaxError(message.fault)
    if any(len(message.all(name)) > 1 for name in _ONCE):
        raise SipSyntaxError("header given twice")
    cseq, method = parse_cseq(_needed(message, "cseq"))
    if message.method and (message.method != method or message.version != message.version.strip()):
        raise SipSyntaxError("CSeq method differs, or blanks after the version")
    _check_uri(message)
    contacts = [parse_name_addr(text).uri for text in message.values("contact") if text != "*"]
    return Envelope(
        message,
        peer,
        parse_via(split_list(_needed(message, "via"))[0]),
        _needed(message, "call-id"),
        cseq,
        method,
        parse_name_addr(_needed(message, "from")),
        parse_name_addr(_needed(message, "to")),
        contacts[0] if contacts else "",
    )


def _needed(message: Message, name: str) -> str:
    value = message.get(name)
    if not value:
        raise SipSyntaxError(f"no {name}")
    return value


def _check_uri(message: Message) -> None:
    forwards = message.get("max-forwards") or "0"
    if message.method and not is_absolute_uri(message.uri):
        raise SipSyntaxError("malformed Request-URI")
    if message.uri[:4].lower() in ("sip:", "sips") and parse_sip_uri(message.uri).has_headers:
        raise SipSyntaxError("headers in the Request-URI")
    if not (forwards.isascii() and forwards.isdigit()) or int(forwards[-9:]) > 255:
        raise SipSyntaxError("malformed Max-Forwards")


def session_description(message: Message) -> str | None:
    """The SDP of a body, alone or as a part of ``multipart/mixed`` (RFC 5621); None without a body.

    Raises:
        SipSyntaxError: the body is something else (415).
    """
    if not message.body.strip():
        return None
    kind, parameters = parse_media_type(message.get("content-type") or "")
    if (message.get("content-encoding") or "identity").lower() != "identity":
        raise SipSyntaxError("encoded body")
    if kind == SDP:
        return message.body.decode(_ENCODING, "replace")
    if kind.startswith("multipart/") and parameters.get("boundary"):
        return _sdp_part(message.body, parameters["boundary"].encode(_ENCODING, "surrogateescape"))
    raise SipSyntaxError("unsupported body")


def _sdp_part(body: bytes, boundary: bytes) -> str:
    for part in (b"\r\n" + body).split(b"\r\n--" + boundary)[1:]:
        head, _, content = part.partition(b"\r\n\r\n")
        fields = _parse_headers(head.decode(_ENCODING, "surrogateescape").split("\r\n")[1:])[0]
        kind = dict(fields).get("content-type", "").partition(";")[0]
        if kind.strip().lower() == SDP:
            return content.decode(_ENCODING, "replace") + "\r\n"
    raise SipSyntaxError("no SDP among the parts")
