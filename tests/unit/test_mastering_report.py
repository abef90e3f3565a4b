"""The fidelity report: what it says of a file, and how each figure of it is found."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench_spool import BEGUN_NS, HEADER, sound_records
from onrecord.audio.envelope import envelope, unpack
from onrecord.calls.records import Fidelity
from onrecord.mastering import master
from onrecord.mastering.report import make_report
from onrecord.spool.format import encode_begin, encode_fact
from onrecord.timeline import Deviations
from onrecord.timeline.gaps import Gap, GapCause
from reported import track as track_of

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
    told = json.loads(result.report.to_json())
    assert (told["version"], told["mos"]) == (1, 4.41)
    assert (told["recorded_millis"], told["sample_rate"], told["torn"]) == (10_000, 8000, False)
    inbound = told["tracks"]["inbound"]
    assert (inbound["loss_percent"], inbound["mos"], inbound["one_way"]) == (0.0, 4.41, False)
    assert (inbound["packets"], inbound["mos_scale"]) == (500, "narrowband")
    assert inbound["codecs"] == [{"start_millis": 5.0, "name": "PCMU"}]
    assert (inbound["missing_millis"], inbound["gaps"], inbound["gap_totals"]) == (0.0, [], {})
    first, second = told["channels"]
    assert (first["tracks"], second["tracks"]) == (["inbound"], ["outbound"])
    assert first["clipped_samples"] > 0
    assert first["silent"] is False
    assert (told["pauses"], told["trimmed"]) == ([], None)
    assert result.report.fidelity == Fidelity(
        mos=4.41,
        loss_percent=0.0,
        gaps=0,
        gaps_ms=0,
        concealed_ms=0,
        without_audio=(),
        silent=False,
        torn=False,
    )


def test_the_outline_is_that_of_the_file(tmp_path: Path) -> None:
    result = master(spool_of(tmp_path / "s"), tmp_path / "out.wav")
    told = json.loads(result.report.to_json())
    outline = unpack(result.report.packed_outline(), 2, told["outline_millis"] / 1000)
    data = np.frombuffer(result.path.read_bytes()[44:], np.int16).reshape(-1, 2)
    for channel in (0, 1):
        again = envelope(data[:, channel], 8000)
        assert np.abs(outline[channel].values.astype(int) - again.values).max() <= 1


def test_a_mixed_file_has_one_outline_of_both_tracks(tmp_path: Path) -> None:
    result = master(spool_of(tmp_path / "s", channels="single"), tmp_path / "out")
    [channel] = json.loads(result.report.to_json())["channels"]
    assert channel["tracks"] == ["inbound", "outbound"]
    assert len(result.report.outline) == 1


def test_a_call_in_which_one_party_is_not_heard_says_so(tmp_path: Path) -> None:
    records = [record for i, record in enumerate(sound_records(0, 500)) if i % 2 == 0]
    result = master(spool_of(tmp_path / "s", records=records), tmp_path / "out")
    tracks = result.report.tracks
    assert (tracks["inbound"].one_way, tracks["outbound"].one_way) == (False, True)
    assert tracks["outbound"].mos is None
    assert result.report.silent_channels == (1,)
    assert result.report.fidelity.without_audio == ("outbound",)
    assert result.report.fidelity.silent is False
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
    assert json.loads(result.report.to_json())["pauses"] == [
        {"start_millis": 4000.0, "end_millis": 7000.0}
    ]


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


def test_a_recording_without_any_packet_is_not_one_way() -> None:
    report = make_report(
        {"inbound": Deviations(), "outbound": Deviations()}, (), ran_ms=0, sample_rate=8000
    )
    assert not any(track.one_way for track in report.tracks.values())
    assert [track.mos for track in report.tracks.values()] == [None, None]
    assert report.fidelity.mos is None
    assert report.fidelity.without_audio == ("inbound", "outbound")
    assert report.packed_outline() == b""
    assert json.loads(report.to_json())["outline_millis"] is None


def test_what_is_missing_leaves_out_what_the_sender_did_not_say_and_the_edges() -> None:
    edges = [Gap(0.0, 12.0, GapCause.NO_MEDIA, 0), Gap(9_980.0, 20.0, GapCause.NO_MEDIA, 0)]
    late = Gap(4000.0, 30.0, GapCause.NO_MEDIA, 0)
    dtx, lost = Gap(1000.0, 500.0, GapCause.DTX, 0), Gap(2000.0, 40.0, GapCause.LOSS, 2)
    tracks = {"inbound": track_of(*edges, late, dtx, lost), "outbound": track_of(*edges)}
    report = make_report(tracks, (), ran_ms=10_000, sample_rate=8000)
    told = report.tracks["inbound"]
    assert told.gaps == (late, dtx, lost)
    assert {cause.value: total.count for cause, total in told.gap_totals.items()} == {
        "no_media": 1,
        "dtx": 1,
        "loss": 1,
    }
    assert told.missing_ms == 70.0
    assert report.tracks["outbound"].gap_totals == {}
    assert (report.fidelity.gaps, report.fidelity.gaps_ms) == (2, 70)
