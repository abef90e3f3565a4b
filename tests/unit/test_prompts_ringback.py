"""Ringback tones: of every country that the API names, at a level that hurts nobody, whole periods."""

import numpy as np
import pytest

from listening import strength
from onrecord.calls.media import COUNTRIES
from onrecord.prompts.ringback import ringback


@pytest.mark.parametrize("country", COUNTRIES)
def test_every_country_has_a_tone_with_sound_and_silence(country):
    samples = ringback(country, 8000)
    assert 2 * 8000 <= len(samples) <= 7 * 8000
    assert 2000 < np.abs(samples).max() < 12_000
    assert not samples[-4000:].any()


def test_tones_are_those_of_the_country():
    america, britain, russia = (ringback(country, 8000) for country in ("us", "uk", "ru"))
    assert len(america) == 6 * 8000
    assert strength(america[:8000], 440) == pytest.approx(3277, rel=0.05)
    assert strength(america[:8000], 480) == pytest.approx(3277, rel=0.05)
    assert not america[2 * 8000 :].any()
    assert strength(britain[5000:7800], 450) > 2500
    assert not britain[3200:4800].any()
    assert len(russia) == 4 * 8000
    assert strength(russia[:6400], 425) == pytest.approx(3277, rel=0.05)
