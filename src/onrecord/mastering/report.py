"""The fidelity report: where a file is not what was said, why, and how good a call it was. Pure data.

Opinion scores are estimates by the E-model, of the received audio alone: what the two parties heard of each
other's delay and echo is not in a recording, so those terms are left at their best. From ITU-T G.107:

- without delay and echo, the rating is 93.2 minus the effective equipment impairment (§7, defaults);
- that is ``Ie + (95 - Ie) · Ppl / (Ppl / BurstR + Bpl)``, with the loss ``Ppl`` in percent (§7.5);
- for G.711 with concealment, ``Ie`` is 0 and ``Bpl`` 25.1; without, 4.3 (G.113, appendix I);
- MOS is ``1 + 0.035 R + R (R - 60)(100 - R) · 7e-6`` (annex B).

Loss in runs that are too long to be concealed counts with the lower robustness. The other codecs are
rated as if they were G.711: the figure compares calls, it does not compare codecs.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Final

from onrecord.audio.level import Level
from onrecord.calls.records import Trimmed
from onrecord.core.units import NS_PER_MS
from onrecord.timeline import Deviations
from onrecord.timeline.gaps import GapCause

VERSION: Final = 1
"""Of the JSON document; members may be added without a new one."""

SILENT_DBFS: Final = -60.0
"""A track that is never louder is silent: background noise of a quiet line is below it."""

_BEST_RATING: Final = 93.2
_ROBUSTNESS_CONCEALED: Final = 25.1
_ROBUSTNESS_BARE: Final = 4.3
_WORST: Final = 95.0


@dataclass(frozen=True, slots=True)
class TrackReport:
    """One direction of the call."""

    deviations: Deviations
    loss_percent: float
    """Of all packets that were sent while it was recorded."""
    mos: float | None
    """1.0 to 4.41 by the E-model; None if no audio came."""
    one_way: bool
    """No audio came, while the other track has some."""
    missing_ms: float
    """All gaps together but those in which the sender was silent by itself."""


@dataclass(frozen=True, slots=True)
class Pause:
    """One pause; nothing of it is in the file."""

    begin_ms: float
    """In time since the begin of the recording."""
    end_ms: float


@dataclass(frozen=True, slots=True)
class Report:
    """One finished file."""

    version: int
    ran_ms: int
    """From start to stop, pauses included."""
    sample_rate: int
    tracks: Mapping[str, TrackReport]
    """``inbound``, ``outbound``, as far as they are in the file."""
    levels: Sequence[Level]
    """Of each channel of the file."""
    silent_channels: Sequence[int]
    """Channels without anything to be heard, 0 is the first."""
    pauses: Sequence[Pause]
    trimmed: Trimmed | None
    torn: bool
    """A crash cut a write off."""

    def to_json(self) -> str:
        """The report as a JSON object."""
        return json.dumps(asdict(self), separators=(",", ":"))


def make_report(
    tracks: Mapping[str, Deviations],
    levels: Sequence[Level],
    *,
    ran_ms: int,
    sample_rate: int,
    pauses: Sequence[tuple[int, int]] = (),
    trimmed: Trimmed | None = None,
    torn: bool = False,
) -> Report:
    """The report on a file whose tracks deviate like this; ``pauses`` are in ns."""
    heard = any(track.audio_packets for track in tracks.values())
    return Report(
        version=VERSION,
        ran_ms=ran_ms,
        sample_rate=sample_rate,
        tracks={name: _track(track, heard) for name, track in tracks.items()},
        levels=tuple(levels),
        silent_channels=tuple(i for i, level in enumerate(levels) if _silent(level)),
        pauses=tuple(Pause(a / NS_PER_MS, b / NS_PER_MS) for a, b in pauses),
        trimmed=trimmed,
        torn=torn,
    )


def opinion_score(loss: float, burst_ratio: float = 1.0, concealed: float = 1.0) -> float:
    """The estimated mean opinion score, 1.0 to 4.41.

    Args:
        loss: Part of the packets that is missing, 0 to 1.
        burst_ratio: Mean length of the runs of lost packets against that of random loss, 1 or more.
        concealed: Part of the loss that was concealed, 0 to 1.
    """
    percent = 100 * loss
    robustness = _ROBUSTNESS_BARE + concealed * (_ROBUSTNESS_CONCEALED - _ROBUSTNESS_BARE)
    rating = _BEST_RATING - _WORST * percent / (percent / burst_ratio + robustness)
    if rating <= 0:
        return 1.0
    return round(1 + 0.035 * rating + rating * (rating - 60) * (100 - rating) * 7e-6, 2)


def _silent(level: Level) -> bool:
    return level.peak_dbfs is None or level.peak_dbfs < SILENT_DBFS


def _track(track: Deviations, heard: bool) -> TrackReport:
    sent = track.packets + track.lost
    loss = track.lost / sent if sent else 0.0
    gaps = track.gap_totals
    return TrackReport(
        deviations=track,
        loss_percent=round(100 * loss, 3),
        mos=_mos(track, loss) if track.audio_packets else None,
        one_way=heard and not track.audio_packets,
        missing_ms=sum(gaps[cause].length_ms for cause in gaps if cause is not GapCause.DTX),
    )


def _mos(track: Deviations, loss: float) -> float:
    run = track.lost / track.bursts if track.bursts else 1.0
    lost = track.gap_totals.get(GapCause.LOSS)
    part = min(track.concealed_ms / lost.length_ms, 1.0) if lost else 1.0
    return opinion_score(loss, max(run * (1 - loss), 1.0), part)
