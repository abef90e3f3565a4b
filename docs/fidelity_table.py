"""Writes the table of ``docs/fidelity.md``: bad networks and clocks in virtual time, and what became of them.

Run it after a change of the timeline: ``python docs/fidelity_table.py`` (some minutes). Every figure follows from
the seed; tests do the same with shorter calls.
"""  # noqa: INP001 - a script beside the page that it fills in, not a package

import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

sys.path.insert(0, str(Path(__file__).parent.parent / "tests"))

from onrecord.mastering.report import make_report
from onrecord.timeline import Deviations
from sim import rtpsim, soundsim  # type: ignore[import-not-found]
from sim.rtpsim import (  # type: ignore[import-not-found]
    START_NS,
    Network,
    Packet,
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
Fact = tuple[str, int, dict[str, object]]
Case = Callable[[str, float], "Row"]


@dataclass(frozen=True, slots=True)
class Row:
    """What one impairment did."""

    name: str
    sent: int
    lost: int
    """That did not arrive."""
    found: Score
    deviations: Deviations
    mos: float | None
    rate: int = 8000
    lost_by_report: int = 0

    @property
    def off_ms(self) -> np.ndarray:  # type: ignore[type-arg]
        """How far each packet lies from its place."""
        return (
            np.abs(self.found.errors) * 1000 / self.rate if len(self.found.errors) else np.zeros(1)
        )

    @property
    def worst_ms(self) -> float:
        """The farthest."""
        return float(self.off_ms.max())

    @property
    def p99_ms(self) -> float:
        """All but one in a hundred are nearer."""
        return float(np.percentile(self.off_ms, 99))

    @property
    def missing(self) -> int:
        """Packets that arrived, were looked for in the file and are not there."""
        return int(self.found.missing)


def short(
    *senders: Sender, network: Network, facts: Callable[[float], list[Fact]] = lambda _: []
) -> Case:
    """A call of minutes, packet by packet."""

    def run(name: str, scale: float) -> Row:
        scaled = [_scaled(sender, scale) for sender in senders]
        packets: list[Packet] = []
        sent = 0
        for seed, sender in enumerate(scaled, 1):
            packets += send(sender, network, seed)
            sent += len({packet.raw for packet in send(sender, Network(), seed)})
        packets.sort(key=lambda packet: packet.arrival_ns)
        arrived = len({packet.raw for packet in packets})
        seconds = max((sender.seconds for sender in scaled), default=30.0) + 0.5
        samples, deviations = fold(packets, seconds, facts=facts(scale))
        found = score(packets, samples, deviations, len(samples))
        return _row(name, seconds, (sent, sent - arrived), found)

    return run


def long(ppm: float, network: Network, *, spurts: bool = False) -> Case:
    """A call of four hours, all of it at once."""

    def run(name: str, scale: float) -> Row:
        seconds = 4 * 3600 * scale
        stream = synthesize(seconds, network, ppm, spurts=spurts)
        samples, deviations = fold_columns([stream], seconds + 5)
        found = score_columns(stream, samples[0], deviations[0])
        lost = stream.sent - len(stream.truth)
        return _row(name, seconds, (stream.sent, lost), found)

    return run


def both(ppm: float, network: Network) -> Case:
    """A call of four hours whose two senders' clocks go apart: how far apart their tracks get."""

    def run(name: str, scale: float) -> Row:
        seconds = 4 * 3600 * scale
        streams = [synthesize(seconds, network, way * ppm, seed) for seed, way in ((1, 1), (2, -1))]
        samples, deviations = fold_columns(streams, seconds + 5)
        tracks = [score_columns(*each) for each in zip(streams, samples, deviations, strict=True)]
        found = replace(tracks[0], missing=sum(track.missing for track in tracks))
        other = np.interp(tracks[0].places, tracks[1].places, tracks[1].errors)
        found.errors = tracks[0].errors - other
        sent = sum(stream.sent for stream in streams)
        row = _row(name, seconds, (sent, sent - sum(len(s.truth) for s in streams)), found)
        return replace(row, lost_by_report=sum(record.lost for record in deviations))

    return run


def sound(codec: str, ppm: float, network: Network) -> Case:
    """A call of minutes in another codec."""

    def run(name: str, scale: float) -> Row:
        seconds, rate = 600 * scale, soundsim.CODECS[codec][2]
        packets = soundsim.speak(codec, soundsim.noise(seconds, rate), network, ppm)
        samples, deviations = soundsim.fold_tracks([packets], seconds + 1, rate)
        found = score(packets, samples[0], deviations[0], samples.shape[1], rate)
        sent = round(seconds * 50)
        return _row(name, seconds, (sent, sent - len(packets)), found, rate)

    return run


def _scaled(sender: Sender, scale: float) -> Sender:
    """The same call, shorter."""

    def moved(spans: tuple) -> tuple:  # type: ignore[type-arg]
        return tuple((a * scale, b * scale) for a, b in spans)

    def kept(events: tuple) -> tuple:  # type: ignore[type-arg]
        return tuple((a * scale, value) for a, value in events)

    return replace(
        sender,
        seconds=sender.seconds * scale,
        late_s=sender.late_s * scale,
        silences=moved(sender.silences),
        frozen=moved(sender.frozen),
        events=moved(sender.events),
        comfort=moved(sender.comfort),
        jumps=kept(sender.jumps),
        restarts=kept(sender.restarts),
        codecs=kept(sender.codecs),
        ptimes=kept(sender.ptimes),
        remapped=sender.remapped * scale,
    )


def _row(name: str, seconds: float, counts: tuple[int, int], found: Score, rate: int = 8000) -> Row:
    deviations = found.deviations
    report = make_report(
        {"inbound": deviations}, (), ran_ms=round(seconds * 1000), sample_rate=rate
    )
    mos = report.tracks["inbound"].mos
    return Row(name, *counts, found, deviations, mos, rate, deviations.lost)


def _at(
    seconds: float, kind: str, data: dict[str, object] | None = None
) -> Callable[[float], Fact]:
    return lambda scale: (kind, START_NS + round(seconds * scale * NS_PER_S), data or {})


def facts(*made: Callable[[float], Fact]) -> Callable[[float], list[Fact]]:
    """The facts of a call whose length is scaled."""
    return lambda scale: [each(scale) for each in made]


CALL = Sender(seconds=300)
SHAKY = Network(jitter_ms=60)
ROUGH = Network(loss=0.1, jitter_ms=50)
HOLDS = ((60.0, 90.0), (200.0, 260.0))
HELD = facts(*(_at(t, k) for a, b in HOLDS for t, k in ((a, "hold"), (b, "resume_media"))))
SPURTS = tuple((float(at), at + 4.0) for at in range(10, 290, 10))
DIGITS = tuple((float(at), at + 1.0) for at in range(15, 290, 15))
EARLY = Sender(seconds=300, silences=((40, 300),), ssrc=5, sequence=9, timestamp=77)
ANSWERED = Sender(seconds=300, late_s=40.5, codecs=((0, 8),))
OTHER = Sender(seconds=200, late_s=100, sequence=40_000, timestamp=3_000_000_000)
SWAPPED: dict[str, object] = {"inbound": {"0": ["PCMA", 8000], "8": ["PCMU", 8000]}}
PTIMES = ((0, 10), (60, 20), (110, 30), (160, 40), (210, 60), (260, 20))

CASES: dict[str, Case] = {
    "a good network": short(CALL, network=Network(jitter_ms=5)),
    "loss of 5 %": short(CALL, network=Network(loss=0.05, jitter_ms=30)),
    "loss of 10 %": short(CALL, network=Network(loss=0.1, jitter_ms=30)),
    "loss of 30 %": short(CALL, network=Network(loss=0.3, jitter_ms=30)),
    "bursts of 2 to 8 lost packets": short(CALL, network=Network(burst_loss=0.02, jitter_ms=30)),
    "20 % reordered by up to 500 ms": short(CALL, network=Network(reorder=0.2)),
    "10 % of packets twice": short(CALL, network=Network(duplicates=0.1, jitter_ms=60)),
    "jitter of 300 ms": short(CALL, network=Network(jitter_ms=300)),
    "jitter of 300 ms, 20 % reordered by up to 500 ms": short(
        CALL, network=Network(jitter_ms=300, reorder=0.2)
    ),
    "network stalls by 1 and 3 s": short(
        CALL, network=Network(jitter_ms=30, stalls=((9.0, 10.0), (14.0, 17.0)))
    ),
    "new SSRC three times": short(
        Sender(300, restarts=((70, 7), (150, 8), (220, 9))), network=SHAKY
    ),
    "sequence and timestamp begin anew, same SSRC, twice": short(
        Sender(300, restarts=((100, None), (200, None))), network=SHAKY
    ),
    "two senders with one SSRC, from 100 s on": short(CALL, OTHER, network=SHAKY),
    "timestamp jumps by 10 s and back": short(
        Sender(300, jumps=((100, 80_000), (200, -80_000))), network=SHAKY
    ),
    "timestamp jumps by 50 ms and back": short(
        Sender(300, jumps=((100, 400), (200, -400))), network=SHAKY
    ),
    "markers at random": short(replace(CALL, marker=None), network=SHAKY),
    "DTX: 4 s of every 10 silent": short(Sender(300, silences=SPURTS), network=SHAKY),
    "DTX with comfort noise packets": short(Sender(300, comfort=SPURTS), network=SHAKY),
    "two holds without media": short(Sender(300, silences=HOLDS), network=SHAKY, facts=HELD),
    "two holds with media": short(CALL, network=SHAKY, facts=HELD),
    "a leg that never sends": short(network=SHAKY),
    "a leg that sends after 90 s": short(Sender(300, late_s=90), network=SHAKY),
    "early media from another source": short(EARLY, ANSWERED, network=SHAKY),
    "media process replaced after 150 s, 1 s lost": short(
        Sender(300, silences=((150, 151),)),
        network=SHAKY,
        facts=facts(_at(151, "media_replaced", rtpsim.CODECS)),
    ),
    "ptime of 10, 20, 30, 40 and 60 ms": short(Sender(300, ptimes=PTIMES), network=SHAKY),
    "PCMU to PCMA and back, by payload type": short(
        Sender(300, codecs=((0, 0), (100, 8), (200, 0))), network=SHAKY
    ),
    "PCMU to PCMA by re-INVITE, same payload type": short(
        Sender(300, remapped=150),
        network=Network(),
        facts=facts(_at(150, "codecs", SWAPPED)),
    ),
    "a digit of 1 s every 15 s": short(Sender(300, events=DIGITS), network=SHAKY),
    "everything at once": short(CALL, network=Network(0.3, 0.01, 300, 0.1, 0.1)),
    "clock 100 ppm slow, 4 h": long(100, SHAKY),
    "clock 100 ppm fast, 4 h": long(-100, SHAKY),
    "clock 300 ppm slow, 4 h": long(300, SHAKY),
    "clock 300 ppm fast, 4 h": long(-300, SHAKY),
    "clock 300 ppm slow, loss of 10 %, jitter of 50 ms, 4 h": long(300, ROUGH),
    "clock 300 ppm fast, loss of 10 %, jitter of 50 ms, 4 h": long(-300, ROUGH),
    "clock 300 ppm slow, DTX, 4 h": long(300, SHAKY, spurts=True),
    "clock 300 ppm fast, DTX, 4 h": long(-300, SHAKY, spurts=True),
    "two tracks, clocks 300 ppm slow and fast, 4 h: off each other": both(300, ROUGH),
    "G.722, loss of 5 %": sound("G722", 0, Network(loss=0.05, jitter_ms=30)),
    "G.722, clock 300 ppm slow": sound("G722", 300, SHAKY),
    "G.722, clock 300 ppm fast": sound("G722", -300, SHAKY),
    "Opus, loss of 5 %": sound("OPUS", 0, Network(loss=0.05, jitter_ms=30)),
    "Opus, clock 300 ppm slow": sound("OPUS", 300, SHAKY),
    "Opus, clock 300 ppm fast": sound("OPUS", -300, SHAKY),
}

HEAD = (
    "impairment",
    "packets",
    "lost",
    "lost by the report",
    "arrived, not in the file",
    "samples changed",
    "false sound, ms",
    "off by, median ms",
    "p99",
    "worst",
    "SNR, dB",
    "made up, ms",
    "drift found, ppm",
    "jitter found, ms",
    "MOS",
)


def table(rows: list[Row]) -> str:
    """The rows in Markdown."""
    lines: list[tuple[object, ...]] = [HEAD, ("---",) * len(HEAD)]
    for row in rows:
        record, found = row.deviations, row.found
        figures = (row.sent, row.lost, row.lost_by_report, row.missing)
        false = "-" if np.isnan(found.false_ms) else round(found.false_ms)
        changed = (found.lost_samples, false)
        off = (np.median(row.off_ms), row.p99_ms, row.worst_ms)
        snr = "exact" if np.isinf(found.snr_db) else f"{found.snr_db:.0f}"
        made = round(record.concealed_ms + record.blended_ms)
        measured = (round(record.drift_ppm), f"{record.jitter_ms:.1f}")
        times = [f"{ms:.1f}" for ms in off]
        mos = "-" if row.mos is None else row.mos
        lines.append((row.name, *figures, *changed, *times, snr, made, *measured, mos))
    return "".join("| " + " | ".join(map(str, line)) + " |\n" for line in lines)


def measure(scale: float = 1.0) -> list[Row]:
    """All cases; ``scale`` shortens the calls."""
    return [run(name, scale) for name, run in CASES.items()]


def main() -> None:
    """Put the table into the page."""
    made = table(measure())
    before, rest = PAGE.read_text().split(BEGIN)
    _, after = rest.split(END)
    PAGE.write_text(before + BEGIN + made + END + after)


if __name__ == "__main__":
    main()
