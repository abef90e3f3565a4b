"""Opinion scores: the E-model by its own figures, of what a recording and of what a leg's counts know."""

import pytest

from onrecord.rtp.opinion import G711, G722, OPUS, coding_of, opinion_of_leg, opinion_score
from onrecord.rtp.stats import LegStats


def test_opinion_scores_are_those_of_the_model():
    """By hand: R = 93.2 - 95 · Ppl / (Ppl / BurstR + Bpl)."""
    assert opinion_score(0.0) == 4.41
    assert opinion_score(0.01) == pytest.approx(4.33, abs=0.02)  # R = 89.6
    assert opinion_score(0.05) == pytest.approx(3.93, abs=0.02)  # R = 77.4
    assert opinion_score(0.05, concealed=0.0) == pytest.approx(2.19, abs=0.03)  # R = 42.1
    assert opinion_score(1.0, 5, 0) == 1.0
    assert opinion_score(0.0, coding=G722) == 4.34  # R = (129 - 13) / 1.29
    assert opinion_score(0.05, coding=G722) == pytest.approx(4.0, abs=0.02)  # R = 79.4
    burst = opinion_score(0.05, burst_ratio=2.0)
    assert burst < opinion_score(0.05)


def test_no_loss_is_so_bad_that_the_score_is_below_one():
    scores = [opinion_score(percent / 1000, concealed=0.0) for percent in range(1001)]
    assert min(scores) == 1.0
    assert scores == sorted(scores, reverse=True)


def test_delay_is_felt_more_from_177_ms_on():
    """By hand: R = 93.2 - 0.024 d - 0.11 (d - 177.3)."""
    assert opinion_score(0.0, delay_ms=100.0) == pytest.approx(4.36, abs=0.02)  # R = 90.8
    assert opinion_score(0.0, delay_ms=400.0) == pytest.approx(3.05, abs=0.02)  # R = 59.1


def test_a_delay_is_felt_as_much_on_each_scale():
    slow = [opinion_score(0.0, coding=coding, delay_ms=400.0) for coding in (G711, OPUS)]
    assert slow[1] == pytest.approx(3.02, abs=0.02)  # R = (148 - 10.7) / 1.48 - 34.1 = 58.7
    assert abs(slow[0] - slow[1]) < 0.1


def test_opus_is_rated_on_the_fullband_scale_by_its_own_figures():
    """By hand: R = (148 - 10.7 - (132 - 10.7) · Ppl / (Ppl + 9.8)) / 1.48."""
    assert opinion_score(0.0, coding=OPUS) == 4.4  # R = 92.8
    assert opinion_score(0.01, coding=OPUS) == pytest.approx(4.19, abs=0.02)  # R = 85.2
    assert opinion_score(0.05, coding=OPUS) == pytest.approx(3.36, abs=0.02)  # R = 65.1
    assert opinion_score(0.05, concealed=0.0, coding=OPUS) < opinion_score(0.05, coding=OPUS)
    assert opinion_score(1.0, coding=OPUS) == pytest.approx(1.0, abs=0.2)


def test_quality_of_a_leg_falls_with_loss_and_delay():
    clean = opinion_of_leg(LegStats(packets_received=1000), "PCMU")
    lossy = opinion_of_leg(LegStats(packets_received=900, packets_lost=100), "PCMU")
    slow = opinion_of_leg(LegStats(packets_received=1000, round_trip_ms=800.0), "PCMU")
    assert clean == opinion_score(0.0)
    assert 1.0 <= lossy < 2.5
    assert lossy < slow < clean
    assert slow == opinion_score(0.0, delay_ms=400.0)
    assert opinion_of_leg(LegStats(), "PCMU") == 1.0


@pytest.mark.parametrize(
    ("codec", "score"),
    [("PCMA", 4.41), ("G722", 4.34), ("OPUS", 4.4), ("L16", 4.41), ("SPEEX", 4.41), (None, 4.41)],
)
def test_a_leg_is_rated_by_its_codec(codec, score):
    assert opinion_of_leg(LegStats(packets_received=1000), codec) == score


@pytest.mark.parametrize(
    ("codecs", "scale", "score"),
    [
        ({"G722"}, "wideband", 4.34),
        ({"OPUS"}, "fullband", 4.4),
        ({"L16/8000"}, "narrowband", 4.41),
        ({"L16/16000"}, "wideband", 4.5),
        ({"L16/48000"}, "fullband", 4.5),
        ({"G722", "L16/16000"}, "wideband", 4.34),
        ({"G722", "OPUS"}, "wideband", 4.34),
        ({"G722", "PCMU", "OPUS"}, "narrowband", 4.41),
        (set(), "narrowband", 4.41),
    ],
)
def test_a_track_is_rated_by_the_worst_of_its_codecs(codecs, scale, score):
    coding = coding_of(codecs)
    assert coding.scale.name == scale
    assert opinion_score(0.0, coding=coding) == score
