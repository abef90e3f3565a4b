"""What the control process and a media process say to each other, as JSON.

Requests carry ``id`` and ``op``; the reply carries the ``id`` and ``result`` or ``error``. Without
an ``id`` a media process says ``ready`` once, and every second ``counts`` and ``legs``.
"""

from dataclasses import asdict
from typing import Any

from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import Codec, Media, MediaDirection, RtpAddress


def encode_media(media: Media) -> dict[str, Any]:
    """A :class:`Media` as JSON can hold it."""
    codecs = {str(number): asdict(codec) for number, codec in media.payload_types.items()}
    return {
        "remote": asdict(media.remote),
        "payload_types": codecs,
        "send_payload_type": media.send_payload_type,
        "send_codec": asdict(media.send_codec),
        "direction": str(media.direction),
        "telephone_event_payload_type": media.telephone_event_payload_type,
        "ptime_ms": media.ptime_ms,
    }


def decode_media(value: dict[str, Any]) -> Media:
    """What :func:`encode_media` made."""
    codecs = {int(number): Codec(**codec) for number, codec in value["payload_types"].items()}
    return Media(
        remote=RtpAddress(**value["remote"]),
        payload_types=codecs,
        send_payload_type=value["send_payload_type"],
        send_codec=Codec(**value["send_codec"]),
        direction=MediaDirection(value["direction"]),
        telephone_event_payload_type=value["telephone_event_payload_type"],
        ptime_ms=value["ptime_ms"],
    )


def encode_stats(stats: LegStats) -> dict[str, Any]:
    """A :class:`LegStats` as JSON can hold it."""
    return asdict(stats)


def decode_stats(value: dict[str, Any]) -> LegStats:
    """What :func:`encode_stats` made."""
    return LegStats(**value)


def joined(earlier: LegStats, later: LegStats) -> LegStats:
    """The figures of one leg over two media processes."""
    first = earlier.first_packet_ns
    trip = later.round_trip_ms
    return LegStats(
        packets_received=earlier.packets_received + later.packets_received,
        packets_lost=earlier.packets_lost + later.packets_lost,
        packets_sent=earlier.packets_sent + later.packets_sent,
        jitter_max_ms=max(earlier.jitter_max_ms, later.jitter_max_ms),
        first_packet_ns=later.first_packet_ns if first is None else first,
        round_trip_ms=earlier.round_trip_ms if trip is None else trip,
    )


def codec_map(media: Media | None) -> dict[str, dict[str, list[object]]]:
    """The payload types of both tracks, as ``start`` and ``codecs`` facts carry them."""
    if media is None:
        return {"inbound": {}, "outbound": {}}
    inbound = {str(n): [codec.name, codec.clock_rate] for n, codec in media.payload_types.items()}
    codec = media.send_codec
    outbound: dict[str, list[object]] = {
        str(media.send_payload_type): [codec.name, codec.clock_rate]
    }
    if media.telephone_event_payload_type is not None:
        events = str(media.telephone_event_payload_type)
        outbound[events] = ["TELEPHONE-EVENT", 8000]
    return {"inbound": inbound, "outbound": outbound}
