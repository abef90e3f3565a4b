"""The codecs that we speak: their names, clocks and payload types (RFC 3551 §6, RFC 7587, RFC 4733)."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

ALL_CODECS = ("PCMU", "PCMA", "G722", "OPUS", "L16")
"""Encoding names, upper case, of all that we can speak."""

AUDIO_CODECS = ("PCMU", "PCMA")
"""What is spoken where nothing else is asked for, best first."""

G711 = frozenset({"PCMU", "PCMA"})
"""The two laws, which a table turns into each other."""


@dataclass(frozen=True, slots=True)
class Codec:
    """One codec of a session (RFC 3551 §6, RFC 4566 rtpmap)."""

    name: str
    """Encoding name, upper case: ``PCMU``, ``OPUS``, ``TELEPHONE-EVENT``."""
    clock_rate: int = 8000
    """Of its timestamps; G.722 counts 8000 although it samples at 16 kHz (RFC 3551 §4.5.2)."""
    channels: int = 1

    @property
    def is_g711(self) -> bool:
        """PCMU or PCMA, which a table turns into each other."""
        return self.name in G711

    @property
    def is_event(self) -> bool:
        """A telephone-event, at whatever clock rate."""
        return self.name == "TELEPHONE-EVENT"


PCMU = Codec("PCMU")
PCMA = Codec("PCMA")
G722 = Codec("G722")
OPUS = Codec("OPUS", 48000, 2)
"""Always announced with two channels, whatever is sent (RFC 7587 §7)."""
L16_WIDE = Codec("L16", 16000)
L16_NARROW = Codec("L16")
TELEPHONE_EVENT = Codec("TELEPHONE-EVENT")

OURS: Mapping[Codec, int] = {
    PCMU: 0,
    PCMA: 8,
    G722: 9,
    OPUS: 96,
    L16_WIDE: 97,
    L16_NARROW: 98,
    TELEPHONE_EVENT: 101,
}
"""Our payload types."""

STATIC: Mapping[int, Codec] = {
    0: PCMU,
    3: Codec("GSM"),
    4: Codec("G723"),
    5: Codec("DVI4"),
    6: Codec("DVI4", 16000),
    7: Codec("LPC"),
    8: PCMA,
    9: G722,
    10: Codec("L16", 44100, 2),
    11: Codec("L16", 44100),
    12: Codec("QCELP"),
    13: Codec("CN"),
    14: Codec("MPA", 90000),
    15: Codec("G728"),
    18: Codec("G729"),
}
"""RFC 3551 §6, audio with a static payload type."""

NOT_AUDIO = frozenset({"TELEPHONE-EVENT", "CN", "RED"})

_SPELLING = {"TELEPHONE-EVENT": "telephone-event", "OPUS": "opus"}


def codecs_named(names: Sequence[str]) -> tuple[Codec, ...]:
    """The codecs of these encoding names, in their order; names that we do not speak give none."""
    wanted = [name.upper() for name in names]
    return tuple(codec for name in wanted for codec in OURS if codec.name == name)


def rtpmap(payload_type: int, codec: Codec) -> str:
    """The value of the attribute, as RFC 8866 §6.6 has it."""
    channels = f"/{codec.channels}" if codec.channels > 1 else ""
    name = _SPELLING.get(codec.name, codec.name)
    return f"{payload_type} {name}/{codec.clock_rate}{channels}"
