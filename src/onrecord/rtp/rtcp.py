"""RTCP packets: sender and receiver reports, CNAME and BYE (RFC 3550 §6), built and parsed.

It computes no statistics: :mod:`onrecord.rtp.reception` does.
"""

import struct
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass

VERSION = 2
SENDER_REPORT = 200
RECEIVER_REPORT = 201
SOURCE_DESCRIPTION = 202
GOODBYE = 203

_COMMON = struct.Struct("!BBH")
_BLOCK = struct.Struct("!IIIIII")
_CNAME_ITEM = 1
_MAX_COUNT = 31
_NTP_EPOCH_S = 2_208_988_800
"""Seconds from 1900 to 1970."""


@dataclass(frozen=True, slots=True)
class ReportBlock:
    """What one receiver says of one source (RFC 3550 §6.4.1)."""

    ssrc: int
    """The source that is reported on."""
    fraction_lost: int
    """Lost since the last report, in 256ths."""
    cumulative_lost: int
    """Lost since the beginning, signed 24 bit; duplicates make it smaller."""
    highest_sequence: int
    """Extended highest sequence number."""
    jitter: int
    """In timestamp units."""
    last_sr: int = 0
    """Middle 32 bits of the NTP time of the last SR that was received; 0 when none was."""
    delay_since_last_sr: int = 0
    """Since it was received, in 65536ths of a second."""


@dataclass(frozen=True, slots=True)
class SenderReport:
    """SR (RFC 3550 §6.4.1)."""

    ssrc: int
    ntp: int
    """64-bit NTP time: seconds since 1900 in the upper half."""
    rtp_timestamp: int
    packets: int
    octets: int
    """Of payload."""
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class ReceiverReport:
    """RR (RFC 3550 §6.4.2)."""

    ssrc: int
    blocks: tuple[ReportBlock, ...] = ()


@dataclass(frozen=True, slots=True)
class SourceDescription:
    """SDES with CNAME items only (RFC 3550 §6.5.1)."""

    cnames: Mapping[int, str]
    """CNAME by SSRC."""


@dataclass(frozen=True, slots=True)
class Goodbye:
    """BYE (RFC 3550 §6.6)."""

    ssrcs: tuple[int, ...]
    reason: str = ""


RtcpPacket = SenderReport | ReceiverReport | SourceDescription | Goodbye


def ntp_time(utc_ns: int) -> int:
    """64-bit NTP time of a UTC time (RFC 3550 §4)."""
    seconds, rest = divmod(utc_ns, 1_000_000_000)
    return (seconds + _NTP_EPOCH_S) << 32 | (rest << 32) // 1_000_000_000


def middle_ntp(ntp: int) -> int:
    """The middle 32 bits of a 64-bit NTP time, as LSR carries them."""
    return ntp >> 16 & 0xFFFFFFFF


def round_trip_ms(block: ReportBlock, arrived_utc_ns: int) -> float | None:
    """The round-trip time that a block on our own stream gives (RFC 3550 §6.4.1), or None.

    None when the peer has heard no SR of ours, or when the figures give less than zero or more
    than half a minute: a peer's clock or a hostile one.
    """
    if not block.last_sr:
        return None
    arrived = middle_ntp(ntp_time(arrived_utc_ns))
    trip = (arrived - block.last_sr - block.delay_since_last_sr) & 0xFFFFFFFF
    return trip / 65.536 if trip < 30 << 16 else None


def build_compound(packets: Sequence[RtcpPacket]) -> bytes:
    """The packets in one datagram; the first must be a report (RFC 3550 §6.1).

    Raises:
        ValueError: the first is no SR or RR, or a packet has more than 31 blocks or sources.
    """
    if not packets or not isinstance(packets[0], SenderReport | ReceiverReport):
        raise ValueError("a compound RTCP packet begins with a report")
    return b"".join(map(_build, packets))


def _build(packet: RtcpPacket) -> bytes:
    match packet:
        case SenderReport():
            head = struct.pack("!IQ", packet.ssrc, packet.ntp) + struct.pack(
                "!III",
                packet.rtp_timestamp & 0xFFFFFFFF,
                packet.packets & 0xFFFFFFFF,
                packet.octets & 0xFFFFFFFF,
            )
            return _framed(SENDER_REPORT, len(packet.blocks), head + _blocks(packet.blocks))
        case ReceiverReport():
            head = packet.ssrc.to_bytes(4, "big")
            return _framed(RECEIVER_REPORT, len(packet.blocks), head + _blocks(packet.blocks))
        case SourceDescription():
            chunks = b"".join(_chunk(ssrc, name) for ssrc, name in packet.cnames.items())
            return _framed(SOURCE_DESCRIPTION, len(packet.cnames), chunks)
        case Goodbye():
            body = b"".join(ssrc.to_bytes(4, "big") for ssrc in packet.ssrcs)
            return _framed(GOODBYE, len(packet.ssrcs), body + _reason(packet.reason))


def _framed(kind: int, count: int, body: bytes) -> bytes:
    if count > _MAX_COUNT:
        raise ValueError(f"{count} blocks do not fit in one RTCP packet")
    return _COMMON.pack(VERSION << 6 | count, kind, len(body) // 4) + body


def _blocks(blocks: Sequence[ReportBlock]) -> bytes:
    return b"".join(
        _BLOCK.pack(
            block.ssrc,
            (block.fraction_lost & 0xFF) << 24 | (block.cumulative_lost & 0xFFFFFF),
            block.highest_sequence & 0xFFFFFFFF,
            block.jitter & 0xFFFFFFFF,
            block.last_sr,
            block.delay_since_last_sr & 0xFFFFFFFF,
        )
        for block in blocks
    )


def _chunk(ssrc: int, cname: str) -> bytes:
    """An SDES chunk ends with one to four zero bytes, at a multiple of four."""
    text = cname.encode()[:255]
    item = bytes((_CNAME_ITEM, len(text))) + text
    return ssrc.to_bytes(4, "big") + item + bytes(4 - len(item) % 4)


def _reason(reason: str) -> bytes:
    if not reason:
        return b""
    text = reason.encode()[:255]
    item = bytes((len(text),)) + text
    return item + bytes(-len(item) % 4)


def parse_compound(data: bytes) -> tuple[RtcpPacket, ...]:
    """The packets of one datagram that are whole and of a kind known here; never raises.

    Parsing ends at the first length or version that cannot be (RFC 3550 §6.1, A.2); what came
    before it is kept. A kind that is not known is passed over by its length.
    """
    return tuple(packet for packet in map(_parse, *_split(data)) if packet is not None)


def _split(data: bytes) -> tuple[list[int], list[int], list[bytes]]:
    """Counts, kinds and bodies of the packets of a compound."""
    counts: list[int] = []
    kinds: list[int] = []
    bodies: list[bytes] = []
    offset = 0
    while offset + _COMMON.size <= len(data):
        first, kind, words = _COMMON.unpack_from(data, offset)
        end = offset + _COMMON.size + 4 * words
        if first >> 6 != VERSION or end > len(data):
            break
        body = data[offset + _COMMON.size : end]
        if first & 0x20:  # only the last packet may be padded
            body = body[: max(len(body) - body[-1], 0)] if body else body
        counts.append(first & 0x1F)
        kinds.append(kind)
        bodies.append(body)
        offset = end
    return counts, kinds, bodies


def _parse(count: int, kind: int, body: bytes) -> RtcpPacket | None:
    parser = _PARSERS.get(kind)
    return parser(count, body) if parser else None


def _parse_sr(count: int, body: bytes) -> SenderReport | None:
    if len(body) < 24 + 24 * count:
        return None
    ssrc, ntp, timestamp, packets, octets = struct.unpack_from("!IQIII", body)
    return SenderReport(ssrc, ntp, timestamp, packets, octets, _parse_blocks(count, body, 24))


def _parse_rr(count: int, body: bytes) -> ReceiverReport | None:
    if len(body) < 4 + 24 * count:
        return None
    return ReceiverReport(int.from_bytes(body[:4], "big"), _parse_blocks(count, body, 4))


def _parse_blocks(count: int, body: bytes, offset: int) -> tuple[ReportBlock, ...]:
    return tuple(_parse_block(body, offset + 24 * index) for index in range(count))


def _parse_block(body: bytes, offset: int) -> ReportBlock:
    ssrc, lost, highest, jitter, last_sr, delay = _BLOCK.unpack_from(body, offset)
    cumulative = lost & 0xFFFFFF
    signed = cumulative - (1 << 24) if cumulative & 0x800000 else cumulative
    return ReportBlock(ssrc, lost >> 24, signed, highest, jitter, last_sr, delay)


def _parse_sdes(count: int, body: bytes) -> SourceDescription | None:
    cnames: dict[int, str] = {}
    offset = 0
    for _ in range(count):
        if offset + 4 > len(body):
            return None
        ssrc = int.from_bytes(body[offset : offset + 4], "big")
        end = offset + 4
        for kind, text, after in _items(body, offset + 4):
            end = after
            if kind == _CNAME_ITEM:
                cnames[ssrc] = text.decode(errors="replace")
        offset = (end + 4) // 4 * 4  # the null that ends the list, then to a multiple of four
    return SourceDescription(cnames)


def _items(body: bytes, offset: int) -> Iterator[tuple[int, bytes, int]]:
    """Kind, text and end of each whole item of an SDES chunk."""
    while offset + 2 <= len(body) and body[offset]:
        end = offset + 2 + body[offset + 1]
        if end > len(body):
            return
        yield body[offset], body[offset + 2 : end], end
        offset = end


def _parse_bye(count: int, body: bytes) -> Goodbye | None:
    if len(body) < 4 * count:
        return None
    ssrcs = struct.unpack_from(f"!{count}I", body)
    rest = body[4 * count :]
    reason = rest[1 : 1 + rest[0]] if rest else b""
    return Goodbye(ssrcs, reason.decode(errors="replace"))


_PARSERS: Mapping[int, Callable[[int, bytes], RtcpPacket | None]] = {
    SENDER_REPORT: _parse_sr,
    RECEIVER_REPORT: _parse_rr,
    SOURCE_DESCRIPTION: _parse_sdes,
    GOODBYE: _parse_bye,
}
