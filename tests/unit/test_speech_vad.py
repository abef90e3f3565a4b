"""The detector on real and synthetic sound: a floor under what it misses and what it takes for speech."""

import numpy as np
import pytest

from onrecord.audio.resampling import resampled
from onrecord.speech import Listener, regions, trim_bounds
from onrecord.speech.vad import WINDOW, Ears, probabilities
from speech_recorded import SETS, sentences
from speech_sounds import (
    RATE,
    WORDS,
    clip,
    dtmf,
    level,
    noise,
    silence,
    telephone,
    tones,
)

NO_SPEECH = {
    "digital silence": silence(20),
    "comfort noise -65": noise(20, -65, 0.7),
    "comfort noise -50": noise(20, -50, 0.7),
    "white noise -40": noise(20, -40),
    "pink noise -35": noise(20, -35, 1.0),
    "car -30": noise(20, -30, 2.2),
    "ring-back US": tones((440, 480), 2, 4, 20),
    "ring-back Europe": tones((425,), 1, 4, 20),
    "busy US": tones((480, 620), 0.5, 0.5, 20),
    "dial tone": tones((350, 440), 20, 0, 20),
    "fax CNG": tones((1100,), 0.5, 3, 20),
    "fax CED": tones((2100,), 3.3, 1, 20),
    "beeps": tones((1400,), 0.4, 5, 20),
    "DTMF": dtmf(20),
}


def call(turns, gap_secs, dbov=None):
    """The demo's clips with gaps, and where each is."""
    parts, places, at = [silence(gap_secs)], [], int(gap_secs * RATE)
    for name in turns:
        spoken = clip(name).astype(np.float64)
        spoken = spoken if dbov is None else level(spoken, dbov)
        places.append((at, at + len(spoken)))
        parts += [spoken, silence(gap_secs)]
        at += len(spoken) + int(gap_secs * RATE)
    return np.concatenate(parts), places


@pytest.mark.parametrize("name", NO_SPEECH)
def test_no_speech_is_found_where_there_is_none(name):
    listener = Listener()
    listener.open(name, 1, 1000)
    sound = telephone(NO_SPEECH[name])
    listener.hear(name, sound[None])
    assert listener.step() == []
    assert listener.timer(name).state == "waiting"
    covered = sum(end - start for start, end in regions(sound))
    assert covered <= 0.02 * len(sound)


@pytest.mark.parametrize("dbov", [None, -38])
@pytest.mark.parametrize("background", ["clean", "comfort", "pink 20 dB", "car 20 dB"])
def test_every_turn_is_found_and_ends_where_it_ends(background, dbov):
    sound, places = call(WORDS, 2.0, dbov)
    rms = 20 * np.log10(np.sqrt(np.mean(sound[places[0][0] : places[0][1]] ** 2)) / 32768)
    seconds = len(sound) / RATE
    added = {
        "clean": 0,
        "comfort": noise(seconds, -65, 0.7),
        "pink 20 dB": noise(seconds, rms - 20, 1.0),
        "car 20 dB": noise(seconds, rms - 20, 2.2),
    }[background]
    found = regions(telephone(sound + added))
    for start, end in places:
        inside = [(a, b) for a, b in found if a < end and b > start]
        assert inside, "a turn was missed"
        assert abs(inside[0][0] - start) < 0.35 * RATE
        assert abs(inside[-1][1] - end) < 0.35 * RATE
    outside = [b - a for a, b in found if not any(a < end and b > start for start, end in places)]
    assert sum(outside) < 0.3 * RATE


@pytest.mark.parametrize("background", ["clean", "pink 20 dB"])
@pytest.mark.parametrize("name", SETS)
def test_every_sentence_that_people_read_starts_the_timer_and_lies_where_it_is(name, background):
    for spoken, words in sentences(name):
        sound = np.concatenate([silence(2), spoken, silence(2)]).astype(np.float64)
        if background != "clean":
            rms = 20 * np.log10(np.sqrt(np.mean(np.square(spoken, dtype=np.float64))) / 32768)
            sound += noise(len(sound) / RATE, rms - 20, 1.0)
        heard = telephone(sound)
        listener = Listener()
        timer = listener.open(name, 1, 60_000)
        listener.hear(name, heard[None])
        listener.step()
        assert timer.state == "counting", words
        found = regions(heard)
        assert abs(found[0][0] - 2 * RATE) < 0.5 * RATE
        assert abs(found[-1][1] - 2 * RATE - len(spoken)) < 0.4 * RATE
        # The silence is counted from the end of what was said, not of the file.
        assert abs(timer.silence_ms - (len(heard) - found[-1][1]) / 8) < 200


def test_silent_windows_cost_no_network_and_keep_the_state():
    ears = Ears(2)
    spoken = clip("ann-1")[: 20 * WINDOW].reshape(20, WINDOW)
    for window in spoken:
        ears.judge(np.stack([window, np.zeros(WINDOW, np.int16)]), np.array([0, 1]))
    assert ears.state[:, 0].any()
    assert not ears.state[:, 1].any()
    state = ears.state.copy()
    hush = np.full((2, WINDOW), 104, np.int16)
    assert ears.judge(hush, np.array([0, 1])).tolist() == [0, 0]
    assert np.array_equal(ears.state, state)
    loudest_negative = np.full((1, WINDOW), -32768, np.int16)
    ears.judge(loudest_negative, np.array([1]))
    assert ears.state[:, 1].any()


def test_a_batch_hears_each_stream_as_if_it_were_alone():
    names = list(WORDS)
    windows = [clip(name)[: 40 * WINDOW].reshape(40, WINDOW) for name in names]
    together = Ears(4)
    alone = [Ears(1) for _ in names]
    for step in range(40):
        batch = together.judge(np.stack([w[step] for w in windows]), np.arange(4))
        single = [alone[n].judge(w[step][None], np.array([0]))[0] for n, w in enumerate(windows)]
        assert np.allclose(batch, single, atol=1e-4)


def test_a_long_file_is_judged_in_lanes_as_in_one_go():
    sound = np.concatenate([*(np.concatenate([clip(n), silence(1.1)]) for n in WORDS)] * 4)
    sound = np.tile(sound, 2)
    ears, only = Ears(1), np.array([0])
    whole = [
        ears.judge(sound[None, start : start + WINDOW], only)[0]
        for start in range(0, len(sound) - WINDOW + 1, WINDOW)
    ]
    lanes = probabilities(sound)[: len(whole)]
    assert np.mean((lanes >= 0.35) != (np.array(whole) >= 0.35)) < 0.005


@pytest.mark.parametrize("length", [0, 1, 255, 256, 257, 5000])
def test_short_stretches_have_a_window_for_every_sample(length):
    assert len(probabilities(np.ones(length, np.int16))) == -(-length // WINDOW)
    assert regions(np.ones(length, np.int16)) == []


@pytest.mark.parametrize("rate", [16_000, 48_000])
def test_wide_sound_is_found_at_the_same_places(rate):
    sound, _ = call(["ann-1", "bob-1"], 1.5)
    narrow = regions(telephone(sound))
    wide = regions(resampled(telephone(sound), RATE, rate), rate)
    scaled = [(start * RATE // rate, end * RATE // rate) for start, end in wide]
    assert len(scaled) == len(narrow)
    assert np.abs(np.subtract(scaled, narrow)).max() <= 4 * WINDOW


class TestListener:
    def run(self, blocks, timeout_ms, tracks=1):
        """Feed in pieces of 20 ms; the sample at which the recording had to stop."""
        listener = Listener()
        listener.open("r", tracks, timeout_ms)
        for at in range(0, blocks.shape[1], 160):
            listener.hear("r", blocks[:, at : at + 160])
            if listener.step() == ["r"]:
                return at + 160
        return None

    def test_it_stops_after_the_silence_that_follows_speech(self):
        sound = np.concatenate([silence(5), clip("ann-1"), silence(6)])
        stop = self.run(sound[None], 2000)
        wanted = 5 * RATE + len(clip("ann-1")) + 2 * RATE
        assert abs(stop - wanted) < 0.3 * RATE

    def test_the_other_track_keeps_it_going(self):
        ann, bob = clip("ann-1"), clip("bob-1")
        quiet = silence(1.5)
        first = np.concatenate([ann, quiet, np.zeros_like(bob), silence(4)])
        second = np.concatenate([np.zeros_like(ann), quiet, bob, silence(4)])
        stop = self.run(np.stack([first, second]), 2000, tracks=2)
        assert abs(stop - (len(ann) + len(quiet) + len(bob) + 2 * RATE)) < 0.3 * RATE

    def test_places_are_used_again_and_know_nothing(self):
        listener = Listener()
        for number in range(30):
            listener.open(number, 2, 1000)
            listener.hear(number, np.stack([clip("bob-1")] * 2))
        listener.step()
        for number in range(30):
            listener.close(number)
        listener.close("never there")
        listener.open("new", 2, 1000)
        assert not listener._ears.state[:, listener._streams["new"].places].any()
        assert len(listener._ears.context) == 64


class TestTrim:
    def test_both_ends_are_cut_and_a_little_is_kept(self):
        spoken = clip("bob-2")
        sound = np.concatenate([silence(10), spoken, silence(3), spoken, silence(20)])
        start, end = trim_bounds(sound[:, None], RATE)
        assert abs(start - (10 * RATE - 1600)) < 0.15 * RATE
        speech_end = 13 * RATE + 2 * len(spoken)
        assert abs(end - (speech_end + 2400)) < 0.2 * RATE

    def test_two_channels_are_cut_only_where_both_are_silent(self):
        ann, bob = clip("ann-1"), clip("bob-1")
        left = np.concatenate([silence(4), ann, silence(10), np.zeros_like(bob), silence(9)])
        right = np.concatenate([silence(4), np.zeros_like(ann), silence(10), bob, silence(9)])
        start, end = trim_bounds(np.stack([left, right], axis=1), RATE)
        assert 3.6 * RATE < start < 4 * RATE
        assert abs(end - (14 * RATE + len(ann) + len(bob) + 2400)) < 0.3 * RATE

    def test_speech_at_the_very_ends_is_kept_whole(self):
        spoken = clip("bob-1")
        start, end = trim_bounds(spoken[:, None], RATE)
        assert start == 0
        assert end > len(spoken) - 0.15 * RATE

    def test_a_file_without_speech_has_no_bounds(self):
        assert trim_bounds(telephone(NO_SPEECH["ring-back US"])[:, None], RATE) is None
        assert trim_bounds(np.empty((0, 2), np.int16), RATE) is None

    @pytest.mark.parametrize("at_secs", [100, 119, 120, 121, 250])
    def test_speech_is_found_across_the_chunks_that_are_read(self, at_secs):
        spoken = clip("ann-1")
        sound = np.concatenate([silence(at_secs), spoken, silence(400 - at_secs)])
        start, end = trim_bounds(sound[:, None], RATE)
        assert abs(start - (at_secs - 0.2) * RATE) < 0.15 * RATE
        assert abs(end - (at_secs + 0.3) * RATE - len(spoken)) < 0.2 * RATE


@pytest.mark.parametrize(
    ("rate", "target"), [(8000, 16000), (16000, 8000), (48000, 8000), (48000, 16000)]
)
def test_resampling_keeps_a_tone_where_and_as_loud_as_it_is(rate, target):
    t = np.arange(rate) / rate
    out = resampled((10_000 * np.sin(2 * np.pi * 1000 * t)).astype(np.int16), rate, target)
    wanted = 10_000 * np.sin(2 * np.pi * 1000 * np.arange(target) / target)
    assert len(out) == target
    assert np.abs(out - wanted)[target // 20 : -target // 20].max() < 30


def test_resampling_lets_nothing_through_that_has_no_place():
    t = np.arange(48_000) / 48_000
    out = resampled((10_000 * np.sin(2 * np.pi * 6000 * t)).astype(np.int16), 48_000, 8000)
    assert np.abs(out[800:-800]).max() < 30
