"""Writes the table of ``docs/fidelity.md``: bad networks and clocks in virtual time, and what became of them.

Run it after a change of the timeline: ``python docs/fidelity_table.py`` (a minute). Every figure follows from
the seed; a test does the same with shorter calls.
"""  # noqa: INP001 - a script beside the page that it fills in, not a package

import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from onrecord.mastering.report import make_report
from onrecord.timeline import Deviations
from sim.rtpsim import (  # type: ignore[import-not-found]
    START_NS,
    Network,
    Score,
    Sender,
    fold,
    fold_columns,
    score,
    score_columns,
    send,
    synthesize,
)

PAGE = Path(__file__).parent / "fidelity.md"
BEGIN, END = "<!-- table:begin -->\n", "<!-- table:end -->\n"
NS_PER_S = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Row:
    """What one impairment did."""

    name: str
    length_s: float
    sent: int
    lost: int
    """That did not arrive."""
    counted: int
    """That the report says are lost."""
    missing: int
    """Packets that arrived, were looked for in the file and are not there."""
    median_ms: float
    worst_ms: float
    """How far a packet lies from its place."""
    deviations: Deviations
    mos: float | None


def short(sender: Sender, network: Network, *, hold: bool = False) -> Callable[[str, float], Row]:
    """A call of minutes, packet by packet."""

    def run(name: str, scale: float) -> Row:
        seconds = sender.seconds * scale
        packets = send(_scaled(sender, scale), network)
        facts = []
        if hold:
            spans = _scaled(sender, scale).silences
            facts += [("hold", START_NS + round(a * NS_PER_S), {}) for a, _ in spans]
            facts += [("resume_media", START_NS + round(b * NS_PER_S), {}) for _, b in spans]
        samples, deviations = fold(packets, seconds + 0.5, facts=facts)
        found = score(packets, samples, deviations, len(samples))
        whole = len({packet.raw for packet in send(_scaled(sender, scale), Network())})
        arrived = len({packet.raw for packet in packets})
        return _row(name, seconds, (whole, whole - arrived), found, deviations)

    return run


def long(ppm: float, network: Network) -> Callable[[str, float], Row]:
    """A call of four hours, all of it at once."""

    def run(name: str, scale: float) -> Row:
        seconds = 4 * 3600 * scale
        stream = synthesize(seconds, network, ppm)
        samples, deviations = fold_columns(stream, seconds + 5)
        found = score_columns(stream, samples)
        lost = stream.sent - len(stream.truth)
        return _row(name, seconds, (stream.sent, lost), found, deviations)

    return run


def _scaled(sender: Sender, scale: float) -> Sender:
    """The same call, shorter."""

    def moved(spans: tuple) -> tuple:  # type: ignore[type-arg]
        return tuple((a * scale, b * scale) for a, b in spans)

    def kept(events: tuple) -> tuple:  # type: ignore[type-arg]
        return tuple((a * scale, value) for a, value in events)

    return Sender(
        seconds=sender.seconds * scale,
        silences=moved(sender.silences),
        jumps=kept(sender.jumps),
        restarts=kept(sender.restarts),
        codecs=kept(sender.codecs),
    )


def _row(
    name: str, seconds: float, counts: tuple[int, int], found: Score, deviations: Deviations
) -> Row:
    off = np.abs(found.errors) / 8
    report = make_report(
        {"inbound": deviations}, (), ran_ms=round(seconds * 1000), sample_rate=8000
    )
    return Row(
        name,
        seconds,
        *counts,
        deviations.lost,
        found.missing,
        float(np.median(off)),
        float(off.max()),
        deviations,
        report.tracks["inbound"].mos,
    )


CALL = Sender(seconds=300)
HOLDS = ((60.0, 90.0), (200.0, 260.0))
SPURTS = tuple((float(at), at + 4.0) for at in range(10, 290, 10))
SHAKY = Network(jitter_ms=60)

CASES: dict[str, Callable[[str, float], Row]] = {
    "a good network": short(CALL, Network(jitter_ms=5)),
    "loss of 5 %": short(CALL, Network(loss=0.05, jitter_ms=30)),
    "loss of 10 %": short(CALL, Network(loss=0.1, jitter_ms=30)),
    "loss of 30 %": short(CALL, Network(loss=0.3, jitter_ms=30)),
    "bursts of 2 to 8 lost packets": short(CALL, Network(burst_loss=0.02, jitter_ms=30)),
    "20 % reordered by up to 500 ms": short(CALL, Network(reorder=0.2)),
    "jitter of 300 ms": short(CALL, Network(jitter_ms=300)),
    "new SSRC three times": short(Sender(300, restarts=((70, 7), (150, 8), (220, 9))), SHAKY),
    "timestamp jumps by 10 s and back": short(
        Sender(300, jumps=((100, 80_000), (200, -80_000))), SHAKY
    ),
    "DTX: 4 s of every 10 silent": short(Sender(300, silences=SPURTS), SHAKY),
    "two holds": short(Sender(300, silences=HOLDS), SHAKY, hold=True),
    "PCMU to PCMA and back": short(Sender(300, codecs=((0, 0), (100, 8), (200, 0))), SHAKY),
    "everything at once": short(CALL, Network(0.3, 0.01, 300, 0.1, 0.1)),
    "clock 100 ppm slow, 4 h": long(100, SHAKY),
    "clock 100 ppm fast, 4 h": long(-100, SHAKY),
    "clock 300 ppm slow, 4 h": long(300, SHAKY),
    "clock 300 ppm fast, 4 h": long(-300, SHAKY),
}


def table(rows: list[Row]) -> str:
    """The rows in Markdown."""
    head = (
        "impairment",
        "packets",
        "lost",
        "lost by the report",
        "arrived, not in the file",
        "off by, median ms",
        "off by, worst ms",
        "concealed ms",
        "drift found, ppm",
        "jitter found, ms",
        "MOS",
    )
    lines: list[tuple[object, ...]] = [head, ("---",) * len(head)]
    for row in rows:
        found = row.deviations
        figures = (row.sent, row.lost, row.counted, row.missing)
        off = (f"{row.median_ms:.1f}", f"{row.worst_ms:.1f}")
        measured = (round(found.concealed_ms), round(found.drift_ppm), f"{found.jitter_ms:.1f}")
        lines.append((row.name, *figures, *off, *measured, row.mos))
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def measure(scale: float = 1.0) -> list[Row]:
    """All cases; ``scale`` shortens the calls."""
    return [run(name, scale) for name, run in CASES.items()]


def main() -> None:
    """Put the table into the page."""
    page = PAGE.read_text()
    before, rest = page.split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + table(measure()) + END + after)


if __name__ == "__main__":
    main()
