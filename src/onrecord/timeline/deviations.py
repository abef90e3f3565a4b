"""What was not as it should be on one track: counts, and where its clock was tied anew."""

from dataclasses import dataclass, field
from enum import StrEnum

REANCHORS_KEPT = 1000
"""Re-anchors that are listed; those after are only counted."""


class Cause(StrEnum):
    """Why media time was tied to arrival time anew."""

    START = "start"
    """The first audio of the track."""
    SSRC = "ssrc"
    """The first audio of another source."""
    JUMP = "jump"
    """The two clocks went apart at once and stayed so, or came back to where they had been."""
    RESUMED = "resumed"
    """The first audio after a fact that says so: end of hold, media replaced."""
    SKEW = "skew"
    """The sender's clock had gone slowly away from ours, or its first packets had come late."""


@dataclass(frozen=True, slots=True)
class Reanchor:
    """One place where media time was tied to arrival time anew."""

    at_sample: int
    """Position in the file of the first sample under the new anchor."""
    shift_samples: int
    """How much later than under the old anchor; negative is earlier; 0 for a new source."""
    cause: Cause


@dataclass(frozen=True, slots=True)
class Deviations:
    """One track's record; packets are counted once each, duplicates apart."""

    packets: int = 0
    """RTP packets, duplicates not among them."""
    audio_packets: int = 0
    """Those that carried audio."""
    invalid: int = 0
    """Datagrams that are no RTP, or hold more audio than a packet can."""
    refused: int = 0
    """Datagrams left out because more came than any call sends."""
    lost: int = 0
    """Sequence numbers that never came (RFC 3550 §6.4.1), never below zero."""
    duplicates: int = 0
    reordered: int = 0
    """Packets that came after one with a higher sequence number."""
    late: int = 0
    """Audio packets whose place was behind the horizon: they are not in the file."""
    events: int = 0
    """telephone-event packets (RFC 4733)."""
    comfort_noise: int = 0
    """Comfort noise packets (RFC 3389)."""
    unknown: int = 0
    """Packets of a payload type that nobody announced, or without payload."""
    reanchor_count: int = 0
    reanchors: tuple[Reanchor, ...] = ()
    """The first thousand of them, in order of their decision."""


@dataclass(slots=True)
class Tally:
    """The same while it is counted."""

    packets: int = 0
    audio_packets: int = 0
    invalid: int = 0
    refused: int = 0
    lost: int = 0
    duplicates: int = 0
    reordered: int = 0
    late: int = 0
    events: int = 0
    comfort_noise: int = 0
    unknown: int = 0
    reanchor_count: int = 0
    reanchors: list[Reanchor] = field(default_factory=list)

    def reanchored(self, at_sample: int, shift_samples: int, cause: Cause) -> None:
        """Note one re-anchor."""
        self.reanchor_count += 1
        if len(self.reanchors) < REANCHORS_KEPT:
            self.reanchors.append(Reanchor(at_sample, shift_samples, cause))

    def report(self) -> Deviations:
        """The counts so far."""
        counts = {name: getattr(self, name) for name in self.__slots__ if name != "reanchors"}
        counts["lost"] = max(self.lost, 0)
        return Deviations(**counts, reanchors=tuple(self.reanchors))
