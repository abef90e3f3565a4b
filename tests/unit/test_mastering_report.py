"""The fidelity report: what it says of a file, and the opinion score by the E-model's own figures."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench_spool import BEGUN_NS, HEADER, sound_records
from onrecord.mastering import master
from onrecord.mastering.report import make_report, opinion_score
from onrecord.spool.format import encode_begin, encode_fact
from onrecord.timeline import Deviations

CODECS = {"inbound": {"0": ["PCMU", 8000]}, "outbound": {"0": ["PCMU", 8000]}}
S = 1_000_000_000


def spool_of(
    path: Path, *facts: tuple, records: list[bytes] | None = None, **changes: object
) -> Path:
    records = [*sound_records(0, 500)] if records is None else records
    parts = [encode_begin(replace(HEADER, **changes)), encode_fact("start", BEGUN_NS, CODECS)]
    parts += records
    parts += [encode_fact(kind, BEGUN_NS + round(at * S), data) for kind, at, data in facts]
    path.write_bytes(b"".join([*parts, encode_fact("stop", BEGUN_NS + 10 * S, {})]))
    return path


def test_a_good_call_has_a_good_report(tmp_path: Path) -> None:
    result = master(spool_of(tmp_path / "s"), tmp_path / "out")
    assert result.report is not None
    told = json.loads(result.report.to_json())
    assert told["version"] == 1
    assert (told["ran_ms"], told["sample_rate"], told["torn"]) == (10_000, 8000, False)
    inbound = told["tracks"]["inbound"]
    assert (inbound["loss_percent"], inbound["mos"], inbound["one_way"]) == (0.0, 4.41, False)
    assert inbound["deviations"]["packets"] == 500
    assert inbound["deviations"]["codecs"] == [{"at_ms": 5.0, "name": "PCMU"}]
    assert inbound["missing_ms"] == 5.0
    assert len(told["levels"]) == 2
    assert told["levels"][0]["clipped"] > 0
    assert (told["silent_channels"], told["pauses"], told["trimmed"]) == ([], [], None)


def test_a_call_in_which_one_party_is_not_heard_says_so(tmp_path: Path) -> None:
    records = [record for i, record in enumerate(sound_records(0, 500)) if i % 2 == 0]
    result = master(spool_of(tmp_path / "s", records=records), tmp_path / "out")
    assert result.report is not None
    tracks = result.report.tracks
    assert (tracks["inbound"].one_way, tracks["outbound"].one_way) == (False, True)
    assert tracks["outbound"].mos is None
    assert result.report.silent_channels == (1,)
    [gap] = tracks["outbound"].deviations.gaps
    assert (gap.at_ms, gap.length_ms, gap.cause) == (0.0, 10_000.0, "no_media")


@pytest.mark.parametrize(("mode", "samples"), [("absent", 56_000), ("silence", 80_000)])
def test_pauses_are_told_and_left_out(tmp_path: Path, mode: str, samples: int) -> None:
    facts = (("pause", 4, {}), ("resume", 7, {}))
    spool = spool_of(tmp_path / "s", *facts, pause_mode=mode)
    result = master(spool, tmp_path / "out")
    assert result.samples == samples
    assert result.duration_ms == samples // 8
    assert result.pauses == ((4 * S, 7 * S),)
    assert result.ended_utc_ns - result.started_utc_ns == 10 * S
    assert result.report is not None
    assert json.loads(result.report.to_json())["pauses"] == [{"begin_ms": 4000.0, "end_ms": 7000.0}]


def test_a_beep_is_at_the_start_of_a_file_of_the_party_alone(tmp_path: Path) -> None:
    beep = ("beep", 0.0, {"hz": 1400, "ms": 300, "level_dbfs": -10.0})
    heard = {}
    for track in ("inbound", "outbound"):
        spool = spool_of(tmp_path / "s", beep, records=[], track=track)
        result = master(spool, tmp_path / "out.wav")
        data = np.frombuffer(result.path.read_bytes()[44:], np.int16)
        heard[track] = np.abs(data[100:2300].astype(int)).max()
        assert not data[2400:].any()
    assert heard["inbound"] == pytest.approx(32767 * 10 ** (-10 / 20), rel=0.02)
    assert heard["outbound"] == 0  # there it is in packets, of which this spool has none


def test_opinion_scores_are_those_of_the_model() -> None:
    """By hand: R = 93.2 - 95 · Ppl / (Ppl / BurstR + Bpl)."""
    assert opinion_score(0.0) == 4.41
    assert opinion_score(0.01) == pytest.approx(4.33, abs=0.02)  # R = 89.6
    assert opinion_score(0.05) == pytest.approx(3.93, abs=0.02)  # R = 77.4
    assert opinion_score(0.05, concealed=0.0) == pytest.approx(2.19, abs=0.03)  # R = 42.1
    assert opinion_score(1.0, 5, 0) == 1.0
    burst = opinion_score(0.05, burst_ratio=2.0)
    assert burst < opinion_score(0.05)


def test_a_recording_without_any_packet_is_not_one_way() -> None:
    report = make_report(
        {"inbound": Deviations(), "outbound": Deviations()}, (), ran_ms=0, sample_rate=8000
    )
    assert not any(track.one_way for track in report.tracks.values())
    assert [track.mos for track in report.tracks.values()] == [None, None]
