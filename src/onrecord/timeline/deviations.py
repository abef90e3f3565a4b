"""What was not as it should be on one track: counts, gaps, and where its clock was tied anew."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from onrecord.timeline.gaps import Gap, GapCause, GapTotal

CHANGES_KEPT = 1000
"""Changes of codec that are listed."""

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
class CodecUse:
    """From where on a codec was used."""

    at_ms: float
    """In time since the file's time zero."""
    name: str


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
    """Datagrams left out because more came, or of more sources, than any call has."""
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
    concealed_ms: float = 0.0
    """Audio that was made up where a short loss was."""
    blended_ms: float = 0.0
    """Audio that was made of what lies before and after it, where a clock's skew was taken out."""
    bursts: int = 0
    """Runs of lost packets."""
    jitter_ms: float = 0.0
    """Mean difference of the delays of packets that follow on one another (RFC 3550 §6.4.1, not smoothed)."""
    drift_ppm: float = 0.0
    """How much slower than ours the sender's clock ran; negative is faster."""
    reanchors: tuple[Reanchor, ...] = ()
    """The first thousand of them, in order of their decision."""
    codecs: tuple[CodecUse, ...] = ()
    """The codecs in order of use, the first thousand changes."""
    gaps: tuple[Gap, ...] = ()
    """The first thousand, in order of their decision; the last one only once the file has ended."""
    gap_totals: Mapping[GapCause, GapTotal] = field(default_factory=dict)


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
    bursts: int = 0
    reanchors: list[Reanchor] = field(default_factory=list)
    codecs: list[CodecUse] = field(default_factory=list)
    concealed: int = 0
    """Units."""
    blended: int = 0
    """Units."""
    jitter_sum: int = 0
    jitter_count: int = 0
    drifted: int = 0
    """Units by which delays grew while the anchor was tied only once."""
    drifted_over: int = 0

    def reanchored(self, at_sample: int, shift_samples: int, cause: Cause) -> None:
        """Note one re-anchor."""
        self.reanchor_count += 1
        if len(self.reanchors) < REANCHORS_KEPT:
            self.reanchors.append(Reanchor(at_sample, shift_samples, cause))

    def refined(self, shift_samples: int) -> None:
        """The last re-anchor is better known now."""
        if 0 < self.reanchor_count <= REANCHORS_KEPT:
            last = self.reanchors[-1]
            shift = shift_samples if self.reanchor_count > 1 and last.shift_samples else 0
            self.reanchors[-1] = Reanchor(
                last.at_sample + shift_samples, last.shift_samples + shift, last.cause
            )

    def uses(self, at: int, name: str) -> None:
        """Note a codec, from a position on."""
        known = self.codecs[-1].name if self.codecs else None
        if name != known and len(self.codecs) < CHANGES_KEPT:
            self.codecs.append(CodecUse(at / 8, name))

    def report(
        self, gaps: tuple[Gap, ...] = (), totals: Mapping[GapCause, GapTotal] | None = None
    ) -> Deviations:
        """The counts so far."""
        return Deviations(
            **{name: getattr(self, name) for name in _COUNTS},
            lost=max(self.lost, 0),
            concealed_ms=self.concealed / 8,
            blended_ms=self.blended / 8,
            jitter_ms=round(self.jitter_sum / 8 / max(self.jitter_count, 1), 2),
            drift_ppm=round(1e6 * self.drifted / max(self.drifted_over, 1), 1),
            reanchors=tuple(self.reanchors),
            codecs=tuple(self.codecs),
            gaps=gaps,
            gap_totals=totals or {},
        )


_COUNTS = (
    "packets",
    "audio_packets",
    "invalid",
    "refused",
    "duplicates",
    "reordered",
    "late",
    "events",
    "comfort_noise",
    "unknown",
    "reanchor_count",
    "bursts",
)
