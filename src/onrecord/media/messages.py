"""What the control process and a media process say to each other, as JSON.

Requests carry ``id`` and ``op``; the reply carries the ``id`` and ``result`` or ``error``. Without
an ``id`` a media process says ``ready`` once, every second ``counts``, now and then ``legs``, and when it
happens that a ``leg`` has heard a ``digit``, or that a ``playback`` has ``started`` or had an ``outcome``.
"""

from collections.abc import Mapping
from dataclasses import asdict
from typing import Any

from onrecord.calls.media import Beep, Clip
from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import (
    TELEPHONE_EVENT,
    Codec,
    Media,
    MediaDirection,
    RtpAddress,
    Srtp,
)


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
        "srtp": None if media.srtp is None else asdict(media.srtp),
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
        srtp=None if value["srtp"] is None else Srtp(**value["srtp"]),
    )


def encode_clip(clip: Clip) -> dict[str, Any]:
    """A :class:`Clip` as JSON can hold it."""
    return {"path": str(clip.path), "codec": clip.codec}


def encode_beep(beep: Beep | None) -> dict[str, Any] | None:
    """A :class:`Beep` as JSON can hold it: its clip, and the fact that the spool gets of it."""
    if beep is None:
        return None
    fact = {"hz": beep.hz, "ms": beep.ms, "level_dbfs": beep.level_dbfs}
    return {"clip": encode_clip(beep.clip), "fact": fact}


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
        packets_sent_lost=earlier.packets_sent_lost + later.packets_sent_lost,
        jitter_max_ms=max(earlier.jitter_max_ms, later.jitter_max_ms),
        first_packet_ns=later.first_packet_ns if first is None else first,
        round_trip_ms=earlier.round_trip_ms if trip is None else trip,
    )


def codec_map(media: Media | None) -> dict[str, dict[str, list[object]]]:
    """The payload types of both tracks, as ``start`` and ``codecs`` facts carry them."""
    if media is None:
        return {"inbound": {}, "outbound": {}}
    events = media.telephone_event_payload_type
    outbound = {media.send_payload_type: media.send_codec}
    if events is not None:
        outbound[events] = media.payload_types.get(events, TELEPHONE_EVENT)
    return {"inbound": _named(media.payload_types), "outbound": _named(outbound)}


def _named(codecs: Mapping[int, Codec]) -> dict[str, list[object]]:
    """Name and clock rate of each, and the number of channels where it is not one."""
    return {
        str(number): [codec.name, codec.clock_rate, codec.channels][: 2 + (codec.channels != 1)]
        for number, codec in codecs.items()
    }
