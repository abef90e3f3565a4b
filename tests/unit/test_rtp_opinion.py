"""Opinion scores: the E-model by its own figures, of what a recording and of what a leg's counts know."""

import pytest

from onrecord.rtp.opinion import G722, opinion_of_leg, opinion_score, scale_of
from onrecord.rtp.stats import LegStats


def test_opinion_scores_are_those_of_the_model():
    """By hand: R = 93.2 - 95 · Ppl / (Ppl / BurstR + Bpl)."""
    assert opinion_score(0.0) == 4.41
    assert opinion_score(0.01) == pytest.approx(4.33, abs=0.02)  # R = 89.6
    assert opinion_score(0.05) == pytest.approx(3.93, abs=0.02)  # R = 77.4
    assert opinion_score(0.05, concealed=0.0) == pytest.approx(2.19, abs=0.03)  # R = 42.1
    assert opinion_score(1.0, 5, 0) == 1.0
    assert opinion_score(0.0, scale=G722) == 4.34  # R = (129 - 13) / 1.29
    assert opinion_score(0.05, scale=G722) == pytest.approx(4.0, abs=0.02)  # R = 79.4
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


def test_quality_of_a_leg_falls_with_loss_and_delay():
    clean = opinion_of_leg(LegStats(packets_received=1000))
    lossy = opinion_of_leg(LegStats(packets_received=900, packets_lost=100))
    slow = opinion_of_leg(LegStats(packets_received=1000, round_trip_ms=800.0))
    assert clean == opinion_score(0.0)
    assert 1.0 <= lossy < 2.5
    assert lossy < slow < clean
    assert slow == opinion_score(0.0, delay_ms=400.0)
    assert opinion_of_leg(LegStats()) == 1.0


def test_a_track_is_rated_wideband_only_if_all_of_it_is():
    assert scale_of(frozenset({"G722"})).name == "wideband"
    for codecs in ({"G722", "PCMU"}, {"PCMA"}, {"OPUS"}, set()):
        assert scale_of(frozenset(codecs)).name == "narrowband"
