"""The fidelity report: where a file is not what was said, why, and how good a call it was. Pure data."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from onrecord.audio.envelope import Envelope, pack
from onrecord.audio.level import Level
from onrecord.calls.records import Fidelity, Trimmed
from onrecord.core.units import NS_PER_MS
from onrecord.rtp.opinion import Coding, coding_of, opinion_score
from onrecord.timeline import Deviations
from onrecord.timeline.gaps import UNITS_PER_MS, Gap, GapCause, GapTotal

VERSION: Final = 1
"""Of the JSON document; members may be added without a new one."""

SILENT_DBFS: Final = -60.0
"""A track that is never louder is silent: background noise of a quiet line is below it."""

EDGE_MS: Final = 60.0
"""How long the first packet may be under way, and the last one be over: nothing is missing there."""


@dataclass(frozen=True, slots=True)
class TrackReport:
    """One direction of the call."""

    deviations: Deviations
    loss_percent: float
    """Of all packets that were sent while it was recorded."""
    mos: float | None
    """1.0 to 4.41 by the E-model; None if no audio came."""
    mos_scale: str
    """``narrowband``, ``wideband`` or ``fullband``."""
    one_way: bool
    """No audio came, while the other track has some."""
    gaps: Sequence[Gap]
    """Those of the deviations, but for the edges."""
    gap_totals: Mapping[GapCause, GapTotal]

    @property
    def missing(self) -> Sequence[GapTotal]:
        """The gaps in which the sender was not silent by itself."""
        return [total for cause, total in self.gap_totals.items() if cause is not GapCause.DTX]

    @property
    def missing_ms(self) -> float:
        """Length of those together."""
        return sum(total.length_ms for total in self.missing)

    def document(self) -> dict[str, object]:
        """As in the JSON object."""
        found = self.deviations
        return {
            "packets": found.packets,
            "audio_packets": found.audio_packets,
            "lost": found.lost,
            "late": found.late,
            "duplicates": found.duplicates,
            "reordered": found.reordered,
            "invalid": found.invalid,
            "refused": found.refused,
            "unknown": found.unknown,
            "telephone_events": found.events,
            "comfort_noise": found.comfort_noise,
            "loss_percent": self.loss_percent,
            "loss_runs": found.bursts,
            "jitter_millis": found.jitter_ms,
            "drift_ppm": found.drift_ppm,
            "concealed_millis": found.concealed_ms,
            "blended_millis": found.blended_ms,
            "missing_millis": self.missing_ms,
            "one_way": self.one_way,
            "mos": self.mos,
            "mos_scale": self.mos_scale,
            "codecs": [{"start_millis": use.at_ms, "name": use.name} for use in found.codecs],
            "gap_totals": {
                cause.value: {"count": total.count, "duration_millis": total.length_ms}
                for cause, total in self.gap_totals.items()
            },
            "gaps": [
                {
                    "start_millis": gap.at_ms,
                    "duration_millis": gap.length_ms,
                    "cause": gap.cause.value,
                    "packets": gap.packets,
                }
                for gap in self.gaps
            ],
            "correction_count": found.reanchor_count,
            "corrections": [
                {
                    "at_millis": anchor.at_sample / UNITS_PER_MS,
                    "shift_millis": anchor.shift_samples / UNITS_PER_MS,
                    "cause": anchor.cause.value,
                }
                for anchor in found.reanchors
            ],
        }


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
    """``inbound``, ``outbound``, as far as they are in the file; that of the first channel first."""
    levels: Sequence[Level]
    """Of each channel of the file."""
    silent_channels: Sequence[int]
    """Channels without anything to be heard, 0 is the first."""
    pauses: Sequence[Pause]
    pauses_kept: bool
    """They are silence in the file, and not left out."""
    trimmed: Trimmed | None
    torn: bool
    """A crash cut a write off."""
    outline: Sequence[Envelope]
    """Of each channel of the file."""

    def to_json(self) -> str:
        """The report as a JSON object; all times are since the begin of the recording."""
        trimmed = self.trimmed
        document = {
            "version": self.version,
            "recorded_millis": self.ran_ms,
            "sample_rate": self.sample_rate,
            "mos": self.fidelity.mos,
            "tracks": {name: track.document() for name, track in self.tracks.items()},
            "channels": self._channels(),
            "pauses": [
                {"start_millis": pause.begin_ms, "end_millis": pause.end_ms}
                for pause in self.pauses
            ],
            "pauses_kept": self.pauses_kept,
            "trimmed": trimmed
            and {
                "start_millis": trimmed.start_ms,
                "end_millis": trimmed.end_ms,
                "speech": trimmed.speech,
            },
            "torn": self.torn,
            "outline_millis": 1000 * self.outline[0].seconds if self.outline else None,
        }
        return json.dumps(document, separators=(",", ":"))

    def packed_outline(self) -> bytes:
        """See :func:`onrecord.audio.envelope.pack`; how long its stretches are is in the JSON object."""
        return pack(self.outline)

    @property
    def fidelity(self) -> Fidelity:
        """The report in a few figures."""
        tracks = self.tracks.values()
        return Fidelity(
            mos=min((track.mos for track in tracks if track.mos is not None), default=None),
            loss_percent=max((track.loss_percent for track in tracks), default=0.0),
            gaps=sum(total.count for track in tracks for total in track.missing),
            gaps_ms=round(sum(track.missing_ms for track in tracks)),
            concealed_ms=round(sum(track.deviations.concealed_ms for track in tracks)),
            without_audio=tuple(
                name for name, track in self.tracks.items() if not track.deviations.audio_packets
            ),
            silent=len(self.silent_channels) == len(self.levels),
            torn=self.torn,
        )

    def _channels(self) -> list[dict[str, object]]:
        names = list(self.tracks)
        own = len(self.levels) == len(names)
        return [
            {
                "tracks": [names[number]] if own else names,
                "peak_dbfs": level.peak_dbfs,
                "rms_dbfs": level.rms_dbfs,
                "clipped_samples": level.clipped,
                "silent": number in self.silent_channels,
            }
            for number, level in enumerate(self.levels)
        ]


def make_report(
    tracks: Mapping[str, Deviations],
    levels: Sequence[Level],
    *,
    ran_ms: int,
    sample_rate: int,
    pauses: Sequence[tuple[int, int]] = (),
    pauses_kept: bool = False,
    trimmed: Trimmed | None = None,
    torn: bool = False,
    outline: Sequence[Envelope] = (),
) -> Report:
    """The report on a file whose tracks deviate like this; ``pauses`` are in ns."""
    heard = any(track.audio_packets for track in tracks.values())
    return Report(
        version=VERSION,
        ran_ms=ran_ms,
        sample_rate=sample_rate,
        tracks={name: _track(track, ran_ms, heard=heard) for name, track in tracks.items()},
        levels=tuple(levels),
        silent_channels=tuple(i for i, level in enumerate(levels) if _silent(level)),
        pauses=tuple(Pause(a / NS_PER_MS, b / NS_PER_MS) for a, b in pauses),
        pauses_kept=pauses_kept,
        trimmed=trimmed,
        torn=torn,
        outline=tuple(outline),
    )


def _silent(level: Level) -> bool:
    return level.peak_dbfs is None or level.peak_dbfs < SILENT_DBFS


def _track(track: Deviations, ran_ms: int, *, heard: bool) -> TrackReport:
    sent = track.packets + track.lost
    loss = track.lost / sent if sent else 0.0
    coding = coding_of(use.name for use in track.codecs)
    edges = [gap for gap in track.gaps if _is_edge(gap, ran_ms)]
    return TrackReport(
        deviations=track,
        loss_percent=round(100 * loss, 3),
        mos=_mos(track, loss, coding) if track.audio_packets else None,
        mos_scale=coding.scale.name,
        one_way=heard and not track.audio_packets,
        gaps=tuple(gap for gap in track.gaps if gap not in edges),
        gap_totals=_less(track.gap_totals, edges),
    )


def _is_edge(gap: Gap, ran_ms: int) -> bool:
    outer = gap.at_ms <= 0 or gap.at_ms + gap.length_ms >= ran_ms
    return gap.cause is GapCause.NO_MEDIA and outer and gap.length_ms < EDGE_MS


def _less(totals: Mapping[GapCause, GapTotal], edges: Sequence[Gap]) -> dict[GapCause, GapTotal]:
    """The totals without the gaps at the edges, all of which are of one cause."""
    left = dict(totals)
    if edges:
        total = left.pop(GapCause.NO_MEDIA)
        length_ms = total.length_ms - sum(gap.length_ms for gap in edges)
        if total.count > len(edges):
            left[GapCause.NO_MEDIA] = GapTotal(total.count - len(edges), length_ms)
    return left


def _mos(track: Deviations, loss: float, coding: Coding) -> float:
    run = track.lost / track.bursts if track.bursts else 1.0
    lost = track.gap_totals.get(GapCause.LOSS)
    part = min(track.concealed_ms / lost.length_ms, 1.0) if lost else 1.0
    return opinion_score(loss, max(run * (1 - loss), 1.0), part, coding)
