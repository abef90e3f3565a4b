"""The silence timer in media time: windows of 32 ms, no clock, no network."""

import numpy as np
import pytest

from onrecord.speech import SilenceState, SilenceTimer
from onrecord.speech.silence import WINDOW_MS

SPEECH, NOISE, MAYBE = 0.9, 0.02, 0.25


def heard(timer, *stretches):
    """Feed ``(probability, windows)``; the result of the last."""
    over = False
    for probability, windows in stretches:
        over = timer.hear(np.full((1, windows), probability, np.float32))
    return over


def test_silence_before_the_first_word_never_ends_a_recording():
    timer = SilenceTimer(1000)
    assert not heard(timer, (NOISE, 100_000))
    assert timer.state is SilenceState.WAITING
    assert timer.silence_ms == 0


def test_the_timer_runs_out_exactly_when_the_silence_is_long_enough():
    timer = SilenceTimer(2000)
    assert not heard(timer, (SPEECH, 30), (NOISE, 62))
    assert timer.silence_ms == 62 * WINDOW_MS
    assert heard(timer, (NOISE, 1))
    assert timer.over
    assert timer.heard_ms == 93 * WINDOW_MS


@pytest.mark.parametrize(("windows", "started"), [(4, False), (5, True)])
def test_speech_starts_with_160_ms_of_it(windows, started):
    timer = SilenceTimer(1000)
    heard(timer, (SPEECH, windows), (NOISE, 20))
    assert (timer.state is not SilenceState.WAITING) is started


def test_the_160_ms_may_have_holes_within_400_ms_but_not_more():
    timer = SilenceTimer(10_000)
    for _ in range(5):
        heard(timer, (SPEECH, 1), (NOISE, 1))
    assert timer.state is SilenceState.COUNTING
    timer = SilenceTimer(10_000)
    for _ in range(50):
        heard(timer, (SPEECH, 1), (NOISE, 2))
    assert timer.state is SilenceState.WAITING


def test_64_ms_of_softer_speech_set_the_silence_back_and_32_ms_do_not():
    timer = SilenceTimer(1000)
    heard(timer, (SPEECH, 10), (NOISE, 20), (MAYBE, 1))
    assert timer.silence_ms == 21 * WINDOW_MS
    heard(timer, (MAYBE, 1))
    assert timer.silence_ms == 0


def test_softer_speech_alone_does_not_start():
    timer = SilenceTimer(1000)
    assert not heard(timer, (MAYBE, 1000))
    assert timer.state is SilenceState.WAITING


def test_speech_on_any_track_counts():
    timer = SilenceTimer(1000)
    both = np.full((2, 40), NOISE, np.float32)
    both[1, :20] = SPEECH
    both[0, 20:] = SPEECH
    assert not timer.hear(both)
    assert timer.silence_ms == 0
    assert timer.hear(np.full((2, 32), NOISE, np.float32))


def test_without_a_limit_it_never_runs_out():
    timer = SilenceTimer(0)
    assert not heard(timer, (SPEECH, 10), (NOISE, 100_000))
    assert timer.silence_ms == 100_000 * WINDOW_MS


def test_it_is_over_as_long_as_nobody_speaks():
    timer = SilenceTimer(320)
    assert heard(timer, (SPEECH, 10), (NOISE, 10))
    assert heard(timer, (NOISE, 100))
    assert timer.hear(np.empty((2, 0), np.float32))
    assert not heard(timer, (SPEECH, 2))
    assert not timer.over


def test_what_is_left_is_the_shortest_time_in_which_it_can_be_over():
    timer = SilenceTimer(2000)
    assert timer.left_ms == 2000
    heard(timer, (SPEECH, 10), (NOISE, 10))
    assert timer.left_ms == 2000 - 320
    heard(timer, (NOISE, 100))
    assert timer.left_ms == 0
    timer.count()
    assert (timer.left_ms, timer.state) == (2000, SilenceState.COUNTING)
