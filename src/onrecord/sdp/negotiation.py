"""Offer and answer (RFC 3264): what two sides agreed on, and how an answer is made from an offer.

We speak G.711 in both laws and telephone events, over plain RTP. One stream of audio is taken: the
first that is usable. Every other ``m=`` line is answered with port 0, in its place.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from onrecord.core.errors import PeerError
from onrecord.sdp.session import (
    Attribute,
    BadSdp,
    MediaDescription,
    SessionDescription,
    parse,
    render,
)

__all__ = [
    "AUDIO_CODECS",
    "Answer",
    "BadSdp",
    "Codec",
    "Media",
    "MediaDirection",
    "NoCommonCodec",
    "RtpAddress",
    "accept",
    "answer",
    "offer",
    "offered_codecs",
]


AUDIO_CODECS = ("PCMU", "PCMA")
"""Encoding names of what we can speak, best first."""


class MediaDirection(StrEnum):
    """Direction attribute of a stream, seen from us (RFC 3264 §5.1)."""

    SENDRECV = "sendrecv"
    SENDONLY = "sendonly"
    RECVONLY = "recvonly"
    INACTIVE = "inactive"


@dataclass(frozen=True, slots=True)
class RtpAddress:
    """Where a side receives RTP; its RTCP is ``rtcp_port``."""

    host: str
    """An IP address in text."""
    port: int
    rtcp_port: int


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec of a session (RFC 3551 §6, RFC 4566 rtpmap)."""

    name: str
    """Encoding name, upper case: ``PCMU``, ``PCMA``, ``TELEPHONE-EVENT``."""
    clock_rate: int = 8000
    channels: int = 1


@dataclass(frozen=True, slots=True)
class Media:
    """What was agreed for one leg's audio."""

    remote: RtpAddress
    payload_types: Mapping[int, Codec]
    """What the peer may send us, by payload type."""
    send_payload_type: int
    """What we send, in the peer's numbering."""
    send_codec: Codec
    direction: MediaDirection
    telephone_event_payload_type: int | None = None
    """For digits that we send (RFC 4733); None when the peer takes none."""
    ptime_ms: int = 20


@dataclass(frozen=True, slots=True)
class Answer:
    """Our answer to an offer, and what was agreed by it."""

    sdp: str
    media: Media


class NoCommonCodec(PeerError):  # noqa: N818 -- named for what is the matter
    """The description has no stream that we can take: 488 Not Acceptable Here."""

    sip_status: ClassVar[int] = 488


PCMU = Codec("PCMU")
PCMA = Codec("PCMA")
TELEPHONE_EVENT = Codec("TELEPHONE-EVENT")

_OURS: Mapping[Codec, int] = {PCMU: 0, PCMA: 8, TELEPHONE_EVENT: 101}
_SPELLING = {"TELEPHONE-EVENT": "telephone-event"}
# RFC 3551 §6, audio with a static payload type
_STATIC: Mapping[int, Codec] = {
    0: PCMU,
    3: Codec("GSM"),
    4: Codec("G723"),
    5: Codec("DVI4"),
    6: Codec("DVI4", 16000),
    7: Codec("LPC"),
    8: PCMA,
    9: Codec("G722"),
    10: Codec("L16", 44100, 2),
    11: Codec("L16", 44100),
    12: Codec("QCELP"),
    13: Codec("CN"),
    14: Codec("MPA", 90000),
    15: Codec("G728"),
    18: Codec("G729"),
}
_NOT_AUDIO = frozenset({"TELEPHONE-EVENT", "CN", "RED"})
_DIRECTION_NAMES = frozenset(MediaDirection)
_PROTOCOLS = frozenset({"RTP/AVP", "RTP/AVPF"})
_DEFAULT_PTIME_MS = 20
_PTIME_RANGE_MS = range(10, 201)

# (sends, receives) of the side that states the direction
_FLOWS: Mapping[MediaDirection, tuple[bool, bool]] = {
    MediaDirection.SENDRECV: (True, True),
    MediaDirection.SENDONLY: (True, False),
    MediaDirection.RECVONLY: (False, True),
    MediaDirection.INACTIVE: (False, False),
}
_DIRECTIONS = {flows: direction for direction, flows in _FLOWS.items()}


def offer(
    local: RtpAddress,
    session_id: int,
    version: int,
    direction: MediaDirection = MediaDirection.SENDRECV,
    *,
    previous: str | None = None,
    codecs: Sequence[str] = AUDIO_CODECS,
) -> str:
    """Our offer: ``codecs`` (by name, of PCMU and PCMA) and telephone events, 20 ms a packet.

    ``previous`` is the description that we sent last in this dialog, None in the first offer. A new
    offer keeps its ``m=`` lines in their places and its payload types (RFC 3264 §8, §8.3.2).
    """
    wanted = {Codec(name): _OURS[Codec(name)] for name in codecs}
    wanted[TELEPHONE_EVENT] = _OURS[TELEPHONE_EVENT]
    kept = _kept(parse(previous), wanted) if previous is not None else (wanted, (), ())
    numbers, before, after = kept
    stream = _stream(local, numbers, direction)
    return _write(local, [*before, stream, *after], session_id, version)


def answer(
    offer_text: str,
    local: RtpAddress,
    session_id: int,
    version: int,
    codecs: Sequence[str] = AUDIO_CODECS,
) -> Answer:
    """Our answer: the first usable stream with the codec of ``codecs`` that the peer likes best.

    Raises:
        BadSdp: the offer cannot be understood.
        NoCommonCodec: it has no stream with a codec of ours over plain RTP.
    """
    session = parse(offer_text)
    at, usable = _first_usable(session, codecs)
    wanted = session.media[at]
    chosen = next(c for c in usable.values() if c != TELEPHONE_EVENT)
    agreed = {pt: c for pt, c in usable.items() if c in {chosen, TELEPHONE_EVENT}}
    media = _agreed(session, wanted, agreed, agreed)
    taken = _stream(local, {c: pt for pt, c in agreed.items()}, media.direction, wanted.protocol)
    lines = [taken if n == at else _refused(m) for n, m in enumerate(session.media)]
    return Answer(_write(local, lines, session_id, version), media)


def accept(answer_text: str, offered: MediaDirection = MediaDirection.SENDRECV) -> Media:
    """What was agreed by the peer's answer to our :func:`offer` of direction ``offered``.

    The peer sends in our numbering; one that wrongly sends in its own is understood too.

    Raises:
        BadSdp: the answer cannot be understood.
        NoCommonCodec: it refuses the stream, or takes it with no codec that we offered.
    """
    session = parse(answer_text)
    at, codecs = _first_usable(session)
    ours = {_OURS[codec]: codec for codec in codecs.values()}
    media = _agreed(session, session.media[at], codecs, {**ours, **codecs})
    sends, receives = _FLOWS[media.direction]
    may_send, may_receive = _FLOWS[offered]
    return replace(media, direction=_DIRECTIONS[sends and may_send, receives and may_receive])


def offered_codecs(offer_text: str) -> tuple[str, ...]:
    """Encoding names of the audio codecs of the first audio stream, in the peer's order.

    Raises:
        BadSdp: the offer cannot be understood.
    """
    for media in parse(offer_text).media:
        if media.kind == "audio":
            names = (codec.name for codec in _codecs(media).values())
            return tuple(dict.fromkeys(name for name in names if name not in _NOT_AUDIO))
    return ()


def _first_usable(
    session: SessionDescription, codecs: Sequence[str] = AUDIO_CODECS
) -> tuple[int, Mapping[int, Codec]]:
    for at, media in enumerate(session.media):
        if media.kind == "audio" and media.port and media.protocol.upper() in _PROTOCOLS:
            usable = _usable(media, codecs)
            if any(codec != TELEPHONE_EVENT for codec in usable.values()):
                return at, usable
    raise NoCommonCodec("no audio stream with PCMU or PCMA over RTP/AVP")


def _usable(media: MediaDescription, codecs: Sequence[str] = AUDIO_CODECS) -> Mapping[int, Codec]:
    """Our codecs among the media's, each under the first payload type that it is given."""
    ours = {TELEPHONE_EVENT, *map(Codec, codecs)}
    found: dict[Codec, int] = {}
    for payload_type, codec in _codecs(media).items():
        if codec in ours:
            found.setdefault(codec, payload_type)
    return {payload_type: codec for codec, payload_type in found.items()}


def _codecs(media: MediaDescription) -> Mapping[int, Codec]:
    """The stream's formats as codecs, in order; formats without a meaning are left out."""
    mapped = _rtpmaps(media)
    found = {}
    for text in media.formats:
        if text.isdecimal() and text.isascii() and int(text) < 128:
            codec = mapped.get(int(text)) or _STATIC.get(int(text))
            if codec is not None:
                found[int(text)] = codec
    return found


def _rtpmaps(media: MediaDescription) -> Mapping[int, Codec]:
    found: dict[int, Codec] = {}
    for value in media.values("rtpmap"):
        number, _, rest = " ".join(value.split()).partition(" ")
        name, *numbers = rest.split("/")
        rate, channels = (_whole(n) for n in [*numbers, "", ""][:2])
        if _whole(number) is not None and name:
            codec = Codec(name.strip().upper(), rate or 8000, channels or 1)
            found.setdefault(int(number), codec)
    return found


def _agreed(
    session: SessionDescription,
    media: MediaDescription,
    theirs: Mapping[int, Codec],
    ours: Mapping[int, Codec],
) -> Media:
    send_type, send_codec = next((pt, c) for pt, c in theirs.items() if c != TELEPHONE_EVENT)
    digits = next((pt for pt, c in theirs.items() if c == TELEPHONE_EVENT), None)
    remote = _remote(session, media)
    return Media(
        remote=remote,
        payload_types=ours,
        send_payload_type=send_type,
        send_codec=send_codec,
        direction=_our_direction(session, media, remote.host),
        telephone_event_payload_type=digits,
        ptime_ms=_ptime(session, media),
    )


def _remote(session: SessionDescription, media: MediaDescription) -> RtpAddress:
    host = media.host or session.host
    if host is None:
        raise BadSdp("no c= line for the stream")
    try:
        address = ipaddress.ip_address(host)
    except ValueError:
        raise BadSdp("the c= line has a name where an IP address is needed") from None
    if address.is_multicast:
        raise BadSdp("the c= line has a multicast address")
    return RtpAddress(str(address), media.port, _rtcp_port(media))


def _rtcp_port(media: MediaDescription) -> int:
    # RFC 3605; without it RTCP is on the next port (RFC 3550 §11)
    for value in media.values("rtcp"):
        port = _whole(value.partition(" ")[0])
        if port is not None and 0 < port <= 65535:
            return port
    return min(media.port + 1, 65535)


def _our_direction(
    session: SessionDescription, media: MediaDescription, host: str
) -> MediaDirection:
    names = [a.name for a in (*media.attributes, *session.attributes) if a.value is None]
    theirs = next(
        (MediaDirection(n) for n in names if n in _DIRECTION_NAMES), MediaDirection.SENDRECV
    )
    sends, receives = _FLOWS[theirs]
    # a hold of before RFC 3264 (§8.4): nothing can be sent to no address
    receives = receives and not ipaddress.ip_address(host).is_unspecified
    return _DIRECTIONS[receives, sends]


def _ptime(session: SessionDescription, media: MediaDescription) -> int:
    for attribute in (*media.attributes, *session.attributes):
        if attribute.name == "ptime":
            # some phones write 20.0
            wanted = _whole((attribute.value or "").partition(".")[0])
            return wanted if wanted in _PTIME_RANGE_MS and wanted else _DEFAULT_PTIME_MS
    return _DEFAULT_PTIME_MS


def _whole(text: str) -> int | None:
    text = text.strip()
    return int(text) if text.isdecimal() and text.isascii() and len(text) <= 9 else None


def _kept(
    previous: SessionDescription, wanted: Mapping[Codec, int]
) -> tuple[Mapping[Codec, int], Sequence[MediaDescription], Sequence[MediaDescription]]:
    """What a new offer keeps of our last description: numbers, lines before and after the stream."""
    at = next((n for n, m in enumerate(previous.media) if m.port), 0)
    mine, others = previous.media[at : at + 1], [_refused(m) for m in previous.media]
    used = {codec: pt for m in mine for pt, codec in _usable(m).items()}
    free = (pt for pt in range(96, 128) if pt not in used.values())
    numbers = dict(used)
    for codec, usual in wanted.items():
        taken = usual in numbers.values()
        numbers.setdefault(codec, next(free) if taken else usual)
    return numbers, others[:at], others[at + 1 :]


def _stream(
    local: RtpAddress,
    numbers: Mapping[Codec, int],
    direction: MediaDirection,
    protocol: str = "RTP/AVP",
) -> MediaDescription:
    attributes = [
        Attribute("rtpmap", f"{pt} {_SPELLING.get(codec.name, codec.name)}/{codec.clock_rate}")
        for codec, pt in numbers.items()
    ]
    if TELEPHONE_EVENT in numbers:
        attributes.append(Attribute("fmtp", f"{numbers[TELEPHONE_EVENT]} 0-15"))
    attributes.append(Attribute("ptime", str(_DEFAULT_PTIME_MS)))
    if local.rtcp_port != local.port + 1:
        attributes.append(Attribute("rtcp", str(local.rtcp_port)))
    attributes.append(Attribute(direction.value))
    formats = tuple(map(str, numbers.values()))
    return MediaDescription("audio", local.port, protocol, formats, None, tuple(attributes))


def _refused(media: MediaDescription) -> MediaDescription:
    return MediaDescription(media.kind, 0, media.protocol, media.formats)


def _write(
    local: RtpAddress, media: Sequence[MediaDescription], session_id: int, version: int
) -> str:
    session = SessionDescription(local.host, (), tuple(media))
    return render(session, session_id=session_id, version=version)
