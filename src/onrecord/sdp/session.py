"""Session descriptions as values (RFC 8866, RFC 4566): text in, text out, no opinion on codecs.

The reader takes what real phones send: any line ending, blank lines, trailing NULs, unknown line
types and attributes, missing ``o=``, ``s=`` and ``t=``. It refuses what cannot be understood without
guessing: no ``v=0`` at the top, an ``m=`` or ``c=`` line that does not follow the grammar, too much
of anything.
"""

import ipaddress
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import ClassVar

from onrecord.core.errors import PeerError

MAX_TEXT_CHARS = 65_536
MAX_LINES = 1_000
MAX_MEDIA = 32
MAX_FORMATS = 64

_LINE_END = re.compile(r"\r\n|\r|\n")
# token of RFC 8866 §9; a format of any protocol is a token
_TOKEN = r"[!#$%&'*+\-.0-9A-Z^_`a-z{|}~]+"  # noqa: S105 -- a grammar, not a secret
_MEDIA = re.compile(
    rf"({_TOKEN})\s+(\d{{1,5}})(?:/\d{{1,5}})?\s+({_TOKEN}(?:/{_TOKEN})*)((?:\s+{_TOKEN})+)\s*",
    re.ASCII,
)
_CONNECTION = re.compile(r"IN\s+IP[46]\s+([^\s/]{1,255})(?:/\d+){0,2}\s*", re.IGNORECASE)


class BadSdp(PeerError):  # noqa: N818 -- named for what the peer sent
    """A session description that cannot be understood."""

    sip_status: ClassVar[int] = 400


@dataclass(frozen=True, slots=True)
class Attribute:
    """One ``a=`` line; ``value`` is None for a property attribute such as ``a=sendonly``."""

    name: str
    value: str | None = None

    def __str__(self) -> str:
        return f"a={self.name}" if self.value is None else f"a={self.name}:{self.value}"


@dataclass(frozen=True, slots=True)
class MediaDescription:
    """One ``m=`` line and what follows it (RFC 8866 §5.14)."""

    kind: str
    """``audio``, ``video``, …, lower case."""
    port: int
    """0: the stream is refused or removed (RFC 3264 §6)."""
    protocol: str
    """``RTP/AVP`` and the like, as written."""
    formats: tuple[str, ...]
    """At least one; for RTP the payload types in order of preference."""
    host: str | None = None
    """Address of the media's own ``c=`` line, as written; None where there is none."""
    attributes: tuple[Attribute, ...] = ()

    def values(self, name: str) -> Iterator[str]:
        """Values of the attributes called ``name``, in order."""
        return (a.value or "" for a in self.attributes if a.name == name)


@dataclass(frozen=True, slots=True)
class SessionDescription:
    """A whole description; of the session part only what a stream can inherit is kept."""

    host: str | None
    """Address of the session's ``c=`` line, as written."""
    attributes: tuple[Attribute, ...]
    media: tuple[MediaDescription, ...]


def parse(text: str) -> SessionDescription:
    """Read a description.

    Raises:
        BadSdp: the text is not SDP or breaks a limit; nothing else is ever raised.
    """
    lines = _lines(text)
    starts = [n for n, (kind, _) in enumerate(lines) if kind == "m"]
    if len(starts) > MAX_MEDIA:
        raise BadSdp(f"more than {MAX_MEDIA} media lines")
    parts = [lines[a:b] for a, b in pairwise([*starts, len(lines)])]
    head = lines[: starts[0]] if starts else lines
    return SessionDescription(_host(head), _attributes(head), tuple(_media(p) for p in parts))


def render(
    session: SessionDescription, *, session_id: int, version: int, user: str = "onrecord"
) -> str:
    """Write a description whose origin is its own ``host`` (which must be an IP address).

    ``session_id`` stays the same over a dialog, ``version`` grows by one with every description
    that differs from the one before (RFC 3264 §8).
    """
    address = network_address(session.host or "0.0.0.0")
    lines = [
        "v=0",
        f"o={user} {session_id} {version} {address}",
        "s=-",
        f"c={address}",
        "t=0 0",
        *map(str, session.attributes),
    ]
    for media in session.media:
        lines.append(f"m={media.kind} {media.port} {media.protocol} {' '.join(media.formats)}")
        if media.host is not None:
            lines.append(f"c={network_address(media.host)}")
        lines += map(str, media.attributes)
    return "\r\n".join(lines) + "\r\n"


def network_address(host: str) -> str:
    """``IN IP4 192.0.2.1`` or ``IN IP6 2001:db8::1`` (RFC 8866 §5.7)."""
    return f"IN IP{ipaddress.ip_address(host).version} {host}"


def _lines(text: str) -> Sequence[tuple[str, str]]:
    if len(text) > MAX_TEXT_CHARS:
        raise BadSdp(f"longer than {MAX_TEXT_CHARS} characters")
    rows = [row.strip("\0 \t") for row in _LINE_END.split(text)]
    pairs = [(row[0], row[2:].strip()) for row in rows if row[1:2] == "="]
    if len(pairs) > MAX_LINES:
        raise BadSdp(f"more than {MAX_LINES} lines")
    if not pairs or pairs[0] != ("v", "0"):
        raise BadSdp("does not begin with v=0")
    return pairs


def _host(lines: Sequence[tuple[str, str]]) -> str | None:
    # several c= lines are layers of a multicast; the first is the base (RFC 8866 §5.7)
    for kind, value in lines:
        if kind == "c":
            match = _CONNECTION.fullmatch(value)
            if match is None:
                raise BadSdp("a c= line is not IN IP4 or IN IP6 and an address")
            return match[1]
    return None


def _attributes(lines: Sequence[tuple[str, str]]) -> tuple[Attribute, ...]:
    found = []
    for kind, value in lines:
        if kind == "a" and value:
            name, colon, rest = value.partition(":")
            found.append(Attribute(name.strip().lower(), rest.strip() if colon else None))
    return tuple(found)


def _media(lines: Sequence[tuple[str, str]]) -> MediaDescription:
    match = _MEDIA.fullmatch(lines[0][1])
    if match is None:
        raise BadSdp("an m= line is not media, port, protocol and formats")
    formats = tuple(match[4].split())
    if len(formats) > MAX_FORMATS:
        raise BadSdp(f"more than {MAX_FORMATS} formats on one m= line")
    if int(match[2]) > 65535:
        raise BadSdp("a port above 65535")
    return MediaDescription(
        kind=match[1].lower(),
        port=int(match[2]),
        protocol=match[3],
        formats=formats,
        host=_host(lines),
        attributes=_attributes(lines),
    )
