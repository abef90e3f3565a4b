"""Fidelity reports of recordings that never were, made by the code that makes the real ones."""

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.envelope import envelope
from onrecord.audio.level import level_of
from onrecord.calls.records import FidelityReport, Trimmed
from onrecord.core.ids import RecordingId
from onrecord.core.units import NS_PER_S
from onrecord.mastering.report import Report, make_report
from onrecord.phone.clips import tone
from onrecord.timeline import Cause, Deviations, Reanchor
from onrecord.timeline.deviations import CodecUse
from onrecord.timeline.gaps import Gap, GapCause, GapTotal

RATE = 8000


def track(*gaps: Gap, **changes: object) -> Deviations:
    """A track of PCMU with these gaps."""
    totals = {
        cause: GapTotal(len(some), sum(gap.length_ms for gap in some))
        for cause in GapCause
        if (some := [gap for gap in gaps if gap.cause is cause])
    }
    kept = {
        "packets": 490,
        "audio_packets": 490,
        "codecs": (CodecUse(0.0, "PCMU"),),
        "reanchors": (Reanchor(0, 0, Cause.START),),
        "reanchor_count": 1,
    }
    return Deviations(**kept | {"gaps": gaps, "gap_totals": totals} | changes)


def report_on(
    channels: list[NDArray[np.int16]],
    tracks: dict[str, Deviations],
    *,
    seconds: float,
    pauses: tuple[tuple[float, float], ...] = (),
    trimmed: Trimmed | None = None,
    torn: bool = False,
) -> Report:
    """The report on a file with these channels, of a call that went for so long."""
    levels, outline = [], []
    for samples in channels:
        levels.append(level_of(samples))
        outline.append(envelope(samples, RATE))
    return make_report(
        tracks,
        levels,
        ran_ms=round(seconds * 1000),
        sample_rate=RATE,
        pauses=[(round(a * NS_PER_S), round(b * NS_PER_S)) for a, b in pauses],
        trimmed=trimmed,
        torn=torn,
        outline=outline,
    )


def gappy() -> Report:
    """Ten seconds: inbound with a loss at 2 s and a hold from 5 to 6 s, outbound without any audio."""
    lost = Gap(2000.0, 40.0, GapCause.LOSS, 2)
    hold = Gap(5000.0, 1000.0, GapCause.HOLD, 0)
    edge = Gap(0.0, 5.0, GapCause.NO_MEDIA, 0)
    inbound = track(edge, lost, hold, lost=2, bursts=1, concealed_ms=40.0)
    outbound = Deviations(
        gaps=(Gap(0.0, 10_000.0, GapCause.NO_MEDIA, 0),),
        gap_totals={GapCause.NO_MEDIA: GapTotal(1, 10_000.0)},
    )
    heard = tone(440, 10.0)
    heard[16_000:16_320] = heard[40_000:48_000] = 0
    channels = [heard, np.zeros_like(heard)]
    return report_on(channels, {"inbound": inbound, "outbound": outbound}, seconds=10.0)


def kept(
    report: Report, recording_id: str = "6a09cdc3-8948-47f0-aa62-74ac943d6c58"
) -> FidelityReport:
    """As the database has it."""
    return FidelityReport(RecordingId(recording_id), report.to_json(), report.packed_outline())
