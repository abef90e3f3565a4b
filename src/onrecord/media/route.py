"""How what one leg receives is passed on to another: payload types, tables, transcoding."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from onrecord.audio.g711 import ALAW_TO_ULAW, ULAW_TO_ALAW
from onrecord.sdp.negotiation import Codec, Media

_TABLES: Mapping[tuple[str, str], bytes] = {
    ("PCMU", "PCMA"): ULAW_TO_ALAW.tobytes(),
    ("PCMA", "PCMU"): ALAW_TO_ULAW.tobytes(),
}


@dataclass(frozen=True, slots=True)
class Mapped:
    """How packets of one payload type are passed on."""

    payload_type: int
    """In the receiver's numbering."""
    table: bytes | None
    """Translates each payload byte; None passes the payload as it is."""
    event: bool = False
    """A telephone-event: its packets repeat one timestamp (RFC 4733 §2.2)."""


@dataclass(frozen=True, slots=True)
class Route:
    """What becomes of each payload type on its way from a leg to its peer; of no other, nothing."""

    mapping: Mapping[int, Mapped] = field(default_factory=dict)
    """Those that are passed on."""
    convertible: frozenset[int] = frozenset()
    """Those with whose first packet transcoding begins."""
    transcoding: int | None = None
    """Number of the transcoding that all goes through first."""

    @classmethod
    def between(cls, source: Media, target: Media) -> "Route":
        """Straight from one to the other, until what comes needs transcoding."""
        return cls(payload_map(source, target), needing_transcoder(source, target))

    @classmethod
    def through(cls, transcoding: int, target: Media) -> "Route":
        """By way of a transcoding, which makes what ``target`` takes."""
        return cls(passing_map(target), transcoding=transcoding)

    @property
    def passes(self) -> bool:
        """Anything may be passed on."""
        return bool(self.mapping or self.convertible)


NOWHERE = Route()


def needing_transcoder(source: Media, target: Media) -> frozenset[int]:
    """Payload types of audio from ``source`` that no table turns into what ``target`` takes."""
    return frozenset(
        number
        for number, codec in source.payload_types.items()
        if not codec.is_event and _mapped(codec, target) is None
    )


def passing_map(target: Media) -> dict[int, Mapped]:
    """How packets that are in the target's numbering already are passed on."""
    found = {target.send_payload_type: Mapped(target.send_payload_type, None)}
    events = target.telephone_event_payload_type
    if events is not None:
        found[events] = Mapped(events, None, event=True)
    return found


def payload_map(source: Media, target: Media) -> dict[int, Mapped]:
    """How each payload type that ``source`` may send is passed on to ``target``.

    Types that are not in the result cannot be passed on without transcoding.
    """
    found = {}
    for payload_type, codec in source.payload_types.items():
        mapped = _mapped(codec, target)
        if mapped is not None:
            found[payload_type] = mapped
    return found


def _mapped(codec: Codec, target: Media) -> Mapped | None:
    if codec.is_event:
        events = target.telephone_event_payload_type
        return None if events is None else Mapped(events, None, event=True)
    if codec == target.send_codec:
        return Mapped(target.send_payload_type, None)
    table = _TABLES.get((codec.name, target.send_codec.name))
    return None if table is None else Mapped(target.send_payload_type, table)


def translated(payload: bytes, codec: str, wanted: str) -> bytes | None:
    """A payload in another codec, both by encoding name; None where no table leads from one to the other."""
    if codec == wanted:
        return payload
    table = _TABLES.get((codec, wanted))
    return None if table is None else payload.translate(table)
