"""A recording's report as a picture: each channel's waveform, with its gaps coloured by their causes."""

import json
from collections.abc import Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any, Final

from onrecord.audio.envelope import unpack
from onrecord.audio.level import Level
from onrecord.audio.picture import Band, Lane, Mark, Picture, clock, png
from onrecord.calls.records import FidelityReport, Recording
from onrecord.core.units import iso_millis

CAUSES: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "dtx": ("#9db4c8", "sender silent"),
        "no_media": ("#7a8594", "no media"),
        "codec_change": ("#8a5cd1", "codec changed"),
        "clock": ("#2b7bd6", "sender's clock"),
        "hold": ("#e0a100", "on hold"),
        "process_replaced": ("#6b1d4f", "process replaced"),
        "loss": ("#d0213c", "packets lost"),
    }
)
"""Colour and words of each cause of a gap; where gaps lie over one another, the later ones are on top."""

CUT: Final = "#c3cad3"
_COLOURS = ("#0f8b8d", "#d9622b")
_SIDES = ("channel A, left", "channel B, right")
_MOST_CHARACTERS = 32

Json = Mapping[str, Any]
Piece = tuple[float, float]


def report_picture(recording: Recording, report: FidelityReport) -> bytes:
    """A PNG; the time axis is that of the call, pauses and all."""
    told = json.loads(report.document)
    seconds = told["recorded_millis"] / 1000
    pauses = [(p["start_millis"] / 1000, p["end_millis"] / 1000) for p in told["pauses"]]
    pieces = [(0.0, seconds)] if told["pauses_kept"] else list(_between(pauses, seconds))
    pieces, cut = _trimmed(pieces, told["trimmed"])
    channels = told["channels"]
    stretch = (told["outline_millis"] or 1.0) / 1000
    envelopes = unpack(report.outline, len(channels), stretch)
    return png(
        Picture(
            title=f"{_short(recording.from_)} to {_short(recording.to)}",
            subtitle=_subtitle(recording, told),
            seconds=seconds,
            lanes=[
                Lane(
                    _name(channel),
                    _notes(told, number),
                    _COLOURS[number],
                    envelopes[number],
                    pieces,
                    list(_marks(told, channel)),
                )
                for number, channel in enumerate(channels)
            ],
            bands=[Band(*p, "paused") for p in pauses] + [Band(*p, "trimmed") for p in cut],
            figures=_figures(recording),
            legend=_legend(told, pauses, cut),
        )
    )


def _between(pauses: Sequence[Piece], seconds: float) -> Iterator[Piece]:
    """What is left of the time."""
    at = 0.0
    for begin, end in pauses:
        if begin > at:
            yield at, begin
        at = max(at, end)
    if at < seconds:
        yield at, seconds


def _trimmed(pieces: Sequence[Piece], trimmed: Json | None) -> tuple[list[Piece], list[Piece]]:
    """The pieces without what was trimmed, and that."""
    if trimmed is None:
        return list(pieces), []
    kept, start = _without(pieces, trimmed["start_millis"] / 1000)
    turned, end = _without([(-b, -a) for a, b in reversed(kept)], trimmed["end_millis"] / 1000)
    back = [(-b, -a) for a, b in reversed(turned)]
    return back, start + [(-b, -a) for a, b in reversed(end)]


def _without(pieces: Sequence[Piece], seconds: float) -> tuple[list[Piece], list[Piece]]:
    """The pieces without the first seconds of them, and those."""
    kept, cut = [], []
    for begin, end in pieces:
        middle = min(begin + seconds, end)
        seconds -= middle - begin
        if middle > begin:
            cut.append((begin, middle))
        if end > middle:
            kept.append((middle, end))
    return kept, cut


def _subtitle(recording: Recording, told: Json) -> str:
    when = iso_millis(recording.started_ns)[:19].replace("T", " ")
    length = clock(round(told["recorded_millis"] / 1000, 1))
    return f"{when} UTC · {length} · {told['sample_rate']} Hz · {recording.id}"


def _name(channel: Json) -> str:
    tracks: list[str] = channel["tracks"]
    return tracks[0].capitalize() if len(tracks) == 1 else "Both, mixed"


def _notes(told: Json, number: int) -> list[str]:
    channel = told["channels"][number]
    tracks = [told["tracks"][name] for name in channel["tracks"]]
    codecs = dict.fromkeys(use["name"] for track in tracks for use in track["codecs"])
    lost = sum(track["lost"] for track in tracks)
    notes = [
        _SIDES[number] if len(told["channels"]) == 2 else "mono",
        ", ".join(codecs)[:_MOST_CHARACTERS] or "no audio came",
    ]
    notes.append(str(Level(channel["peak_dbfs"], channel["rms_dbfs"])))
    if channel["peak_dbfs"] is None:
        return notes
    return [*notes, f"{lost} packet{'s' * (lost != 1)} lost"]


def _marks(told: Json, channel: Json) -> Iterator[Mark]:
    gaps = [gap for name in channel["tracks"] for gap in told["tracks"][name]["gaps"]]
    order = list(CAUSES)
    for gap in sorted(gaps, key=lambda gap: order.index(gap["cause"])):
        begin = gap["start_millis"] / 1000
        yield Mark(begin, begin + gap["duration_millis"] / 1000, CAUSES[gap["cause"]][0])


def _figures(recording: Recording) -> list[tuple[str, str]]:
    fidelity = recording.fidelity
    if fidelity is None:
        return []
    gaps = f"gap{'s' * (fidelity.gaps != 1)}"
    return [
        ("n/a" if fidelity.mos is None else f"{fidelity.mos:.2f}", "MOS"),
        (f"{fidelity.loss_percent:.2g} %", "lost"),
        (str(fidelity.gaps), f"{gaps}, {_length(fidelity.gaps_ms)}" if fidelity.gaps else gaps),
        (_length(fidelity.concealed_ms), "concealed"),
    ]


def _legend(told: Json, pauses: Sequence[Piece], cut: Sequence[Piece]) -> list[tuple[str, str]]:
    entries = []
    for cause, (colour, words) in reversed(list(CAUSES.items())):
        totals = [
            track["gap_totals"][cause]
            for track in told["tracks"].values()
            if cause in track["gap_totals"]
        ]
        if totals:
            count = sum(total["count"] for total in totals)
            length = _length(sum(total["duration_millis"] for total in totals))
            entries.append((colour, f"{words}: {count}, {length}"))
    for spans, words in ((pauses, "paused"), (cut, "trimmed")):
        if spans:
            length = _length(1000 * sum(end - begin for begin, end in spans))
            entries.append((CUT, f"{words}: {len(spans)}, {length}"))
    return entries


def _length(millis: float) -> str:
    return f"{round(millis)} ms" if millis < 1000 else clock(round(millis / 1000, 1))


def _short(text: str) -> str:
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 3] + "..."
