"""Offer and answer (RFC 3264): what two sides agreed on, and how an answer is made from an offer.

We speak the codecs of :mod:`onrecord.sdp.codecs` and telephone events, over RTP and, with keys in the
description, SRTP. One stream of audio is taken: the first that is usable. Every other ``m=`` line is
answered with port 0, in its place.
"""

import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import ClassVar

from onrecord.core.errors import PeerError
from onrecord.sdp.codecs import (
    AUDIO_CODECS,
    NOT_AUDIO,
    OURS,
    PCMA,
    PCMU,
    STATIC,
    TELEPHONE_EVENT,
    Codec,
    codecs_named,
    rtpmap,
)
from onrecord.sdp.crypto import Crypto, Srtp, our_lines, read_lines
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
    "PCMA",
    "PCMU",
    "TELEPHONE_EVENT",
    "Answer",
    "BadSdp",
    "Codec",
    "Media",
    "MediaDirection",
    "NoCommonCodec",
    "RtpAddress",
    "Srtp",
    "accept",
    "answer",
    "offer",
    "offered_codecs",
]


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
    srtp: Srtp | None = None
    """None: plain RTP."""


@dataclass(frozen=True, slots=True)
class Answer:
    """Our answer to an offer, and what was agreed by it."""

    sdp: str
    media: Media


class NoCommonCodec(PeerError):  # noqa: N818 -- named for what is the matter
    """The description has no stream that we can take: 488 Not Acceptable Here."""

    sip_status: ClassVar[int] = 488


_DIRECTION_NAMES = frozenset(MediaDirection)
_PLAIN = frozenset({"RTP/AVP", "RTP/AVPF"})
_SECURE = frozenset({"RTP/SAVP", "RTP/SAVPF"})
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
    reorder: bool = False,
    keys: Sequence[str] = (),
) -> str:
    """Our offer: ``codecs`` by name, best first, and telephone events, 20 ms a packet.

    ``previous`` is the description that we sent last in this dialog, None in the first offer. A new
    offer keeps its ``m=`` lines in their places and its payload types (RFC 3264 §8, §8.3.2), and the
    codecs of before come first unless ``reorder`` asks for another. ``keys`` (base64, one for each
    suite) ask for SRTP.
    """
    wanted = {codec: OURS[codec] for codec in (*codecs_named(codecs), TELEPHONE_EVENT)}
    last = None if previous is None else parse(previous)
    numbers, before, after = (wanted, (), ()) if last is None else _kept(last, wanted, reorder)
    protocol = "RTP/SAVP" if keys else "RTP/AVP"
    stream = _stream(local, numbers, direction, protocol, our_lines(keys) if keys else ())
    return _write(local, [*before, stream, *after], session_id, version)


def answer(
    offer_text: str,
    local: RtpAddress,
    session_id: int,
    version: int,
    codecs: Sequence[str] = AUDIO_CODECS,
    *,
    key: str | None = None,
    preferred: Sequence[str] = (),
) -> Answer:
    """Our answer: the first usable stream with the codec of ``codecs`` that the peer likes best.

    ``preferred``, names of codecs, goes before the peer's liking.

    ``key`` (base64) protects what we send if the stream is SRTP; without one SRTP is not taken.

    Raises:
        BadSdp: the offer cannot be understood.
        NoCommonCodec: it has no stream with a codec of ours over RTP, or SRTP with a suite of ours.
    """
    session = parse(offer_text)
    at, usable = _first_usable(session, codecs, secure=key is not None)
    wanted = session.media[at]
    agreed = _chosen(usable, preferred)
    media = _agreed(session, wanted, agreed, {**_audio(usable), **agreed})
    lines: tuple[Crypto, ...] = ()
    if _is_secure(wanted) and key is not None:
        theirs = read_lines(wanted.values("crypto"))[0]
        lines = (Crypto(theirs.tag, theirs.suite, key),)
        media = replace(media, srtp=Srtp(theirs.suite, key, theirs.key))
    numbers = {codec: pt for pt, codec in agreed.items()}
    taken = _stream(local, numbers, media.direction, wanted.protocol, lines)
    others = [taken if n == at else _refused(m) for n, m in enumerate(session.media)]
    return Answer(_write(local, others, session_id, version), media)


def accept(
    answer_text: str,
    offered: MediaDirection = MediaDirection.SENDRECV,
    *,
    sent: str | None = None,
) -> Media:
    """What was agreed by the peer's answer to our :func:`offer` of direction ``offered``.

    The peer sends in our numbering, that of our offer ``sent``; one that wrongly sends in its own is
    understood too.

    Raises:
        BadSdp: the answer cannot be understood.
        NoCommonCodec: it refuses the stream, or takes it with no codec, or no protection, that we offered.
    """
    session = parse(answer_text)
    offer_made = _stream_of(sent)
    names = [codec.name for codec in OURS]
    if offer_made is not None:
        names = [codec.name for codec in _codecs(offer_made).values()]
    secure = offer_made is not None and _is_secure(offer_made)
    at, codecs = _first_usable(session, names, secure=secure)
    numbers = OURS if offer_made is None else {c: pt for pt, c in _codecs(offer_made).items()}
    ours = {numbers[codec]: codec for codec in codecs.values() if codec in numbers}
    offered_audio = _audio(_codecs(offer_made)) if offer_made is not None else {}
    media = _agreed(session, session.media[at], codecs, {**offered_audio, **ours, **codecs})
    if offer_made is not None and secure:
        media = replace(media, srtp=_accepted(offer_made, session.media[at]))
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
            return tuple(dict.fromkeys(name for name in names if name not in NOT_AUDIO))
    return ()


def _first_usable(
    session: SessionDescription, codecs: Sequence[str], *, secure: bool
) -> tuple[int, Mapping[int, Codec]]:
    """``secure``: SRTP can be taken; an offer may then still be plain, the answer to SRTP may not."""
    for at, media in enumerate(session.media):
        if media.kind == "audio" and media.port and _can_carry(media, secure=secure):
            usable = _usable(media, codecs)
            if any(not codec.is_event for codec in usable.values()):
                return at, usable
    raise NoCommonCodec(f"no audio stream with {', '.join(codecs)} over RTP that we can take")


def _can_carry(media: MediaDescription, *, secure: bool) -> bool:
    if media.protocol.upper() in _PLAIN:
        return True
    return secure and _is_secure(media) and bool(read_lines(media.values("crypto")))


def _is_secure(media: MediaDescription) -> bool:
    return media.protocol.upper() in _SECURE


def _accepted(ours: MediaDescription, theirs: MediaDescription) -> Srtp:
    """The keys of an answer; it repeats tag and suite of one of our lines (RFC 4568 §5.1.3)."""
    offered = {(line.tag, line.suite): line for line in read_lines(ours.values("crypto"))}
    if _is_secure(theirs):
        for line in read_lines(theirs.values("crypto")):
            mine = offered.get((line.tag, line.suite))
            if mine is not None:
                return Srtp(line.suite, mine.key, line.key)
    raise NoCommonCodec("the answer does not take the SRTP that we offered")


def _stream_of(text: str | None) -> MediaDescription | None:
    """The one stream that a description of ours has."""
    return None if text is None else next((m for m in parse(text).media if m.port), None)


def _usable(media: MediaDescription, codecs: Sequence[str]) -> Mapping[int, Codec]:
    """Our codecs among the media's, each under the first payload type that it is given."""
    ours = set(codecs_named(codecs))
    found: dict[Codec, int] = {}
    for payload_type, codec in _codecs(media).items():
        if codec in ours or codec.is_event:
            found.setdefault(codec, payload_type)
    return {payload_type: codec for codec, payload_type in found.items()}


def _chosen(usable: Mapping[int, Codec], preferred: Sequence[str]) -> Mapping[int, Codec]:
    """The codec that we prefer or the peer likes best, and events on its clock, or else on that of G.711."""
    order = {name: at for at, name in enumerate(preferred)}
    audio = min(
        (codec for codec in usable.values() if not codec.is_event),
        key=lambda codec: order.get(codec.name, len(order)),
    )
    events = [codec for codec in usable.values() if codec.is_event]
    wanted = sorted(events, key=lambda c: (c.clock_rate != audio.clock_rate, c.clock_rate != 8000))
    return {pt: codec for pt, codec in usable.items() if codec in {audio, *wanted[:1]}}


def _audio(codecs: Mapping[int, Codec]) -> Mapping[int, Codec]:
    """Codecs that were offered may be sent at any time, whatever one was chosen (RFC 3264 §8.3.2)."""
    return {payload_type: codec for payload_type, codec in codecs.items() if not codec.is_event}


def _codecs(media: MediaDescription) -> Mapping[int, Codec]:
    """The stream's formats as codecs, in order; formats without a meaning are left out."""
    mapped = _rtpmaps(media)
    found = {}
    for text in media.formats:
        if text.isdecimal() and text.isascii() and int(text) < 128:
            codec = mapped.get(int(text)) or STATIC.get(int(text))
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
    send_type, send_codec = next((pt, c) for pt, c in theirs.items() if not c.is_event)
    digits = next((pt for pt, c in theirs.items() if c.is_event), None)
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
    previous: SessionDescription, wanted: Mapping[Codec, int], reorder: bool
) -> tuple[Mapping[Codec, int], Sequence[MediaDescription], Sequence[MediaDescription]]:
    """What a new offer keeps of our last description: numbers, lines before and after the stream."""
    at = next((n for n, m in enumerate(previous.media) if m.port), 0)
    mine, others = previous.media[at : at + 1], [_refused(m) for m in previous.media]
    used = {codec: pt for m in mine for pt, codec in _codecs(m).items()}
    free = (pt for pt in range(96, 128) if pt not in used.values())
    numbers = {codec: pt for codec, pt in used.items() if not reorder or codec in wanted}
    for codec, usual in wanted.items():
        taken = usual in used.values() or usual in numbers.values()
        numbers.setdefault(codec, next(free) if taken else usual)
    if reorder:
        numbers = {codec: numbers[codec] for codec in wanted}
    return numbers, others[:at], others[at + 1 :]


def _stream(
    local: RtpAddress,
    numbers: Mapping[Codec, int],
    direction: MediaDirection,
    protocol: str = "RTP/AVP",
    lines: Sequence[Crypto] = (),
) -> MediaDescription:
    attributes = [Attribute("rtpmap", rtpmap(pt, codec)) for codec, pt in numbers.items()]
    events = [pt for codec, pt in numbers.items() if codec.is_event]
    attributes.extend(Attribute("fmtp", f"{pt} 0-15") for pt in events)
    attributes.extend(Attribute("crypto", str(line)) for line in lines)
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
