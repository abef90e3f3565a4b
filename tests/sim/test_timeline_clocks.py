"""Clocks that are off: corrections lie where the sender is silent, or nobody hears them."""

import numpy as np
import pytest

from onrecord.media.process import OFF_BEAT
from onrecord.timeline import Cause
from sim import soundsim
from sim.rtpsim import Network, Packet, Sender, fold, run, send, swept

SHAKY = Network(jitter_ms=50)
WAYS = pytest.mark.parametrize("ppm", [300, -300])


def corrected(codec: str, sound: np.ndarray, ppm: float) -> tuple[np.ndarray, object, int]:
    rate = soundsim.CODECS[codec][2]
    packets = soundsim.speak(codec, sound, SHAKY, ppm)
    samples, records = soundsim.fold_tracks([packets], len(sound) / rate + 1, rate)
    return samples[0], records[0], rate


@WAYS
@pytest.mark.parametrize(
    ("codec", "hertz"),
    [("PCMU", 200), ("PCMU", 440), ("PCMU", 1000), ("G722", 440), ("OPUS", 440), ("L16", 1000)],
)
def test_a_correction_is_not_heard_in_a_tone(codec: str, hertz: float, ppm: float) -> None:
    sound = soundsim.tone(hertz, 60, soundsim.CODECS[codec][2])
    samples, record, rate = corrected(codec, sound, ppm)
    hidden = soundsim.hidden(samples, rate, record, hertz)
    assert hidden.corrections >= 1
    assert hidden.splatter_db < hidden.floor_db + 4
    assert hidden.splatter_db < hidden.cut_db - 10
    assert hidden.jump < 1.05


@WAYS
@pytest.mark.parametrize("codec", ["PCMU", "G722"])
def test_a_correction_is_not_heard_in_a_chord(codec: str, ppm: float) -> None:
    sound = soundsim.chord(60, soundsim.CODECS[codec][2])
    samples, record, rate = corrected(codec, sound, ppm)
    hidden = soundsim.hidden(samples, rate, record)
    assert hidden.corrections >= 1
    assert hidden.jump < 1.05


@WAYS
@pytest.mark.parametrize("codec", ["PCMU", "G722", "OPUS"])
def test_corrections_in_speech_lie_in_its_pauses(codec: str, ppm: float) -> None:
    rate = soundsim.CODECS[codec][2]
    samples, record, rate = corrected(codec, soundsim.speech(60, rate), ppm)
    hidden = soundsim.hidden(samples, rate, record)
    assert hidden.corrections >= 1
    assert hidden.jump <= 1
    loudness = np.abs(samples.astype(float))
    for anchor in record.reanchors[1:]:
        at, near = anchor.at_sample * rate // 8000, rate // 100
        before, after = loudness[at - near : at].mean(), loudness[at : at + near].mean()
        assert min(before, after) < loudness.mean() / 10


@WAYS
def test_corrections_are_made_where_the_sender_is_silent(ppm: float) -> None:
    silences = tuple((at, at + 1.5) for at in range(5, 299, 6))
    packets = send(Sender(seconds=300, skew_ppm=ppm, silences=silences), SHAKY)
    _, record = fold(packets, 300.5)
    assert record.blended_ms == 0
    after = {first_after(packets, end * (1 + ppm / 1e6)) for _, end in silences}
    made = [anchor for anchor in record.reanchors if anchor.cause is Cause.SKEW]
    assert len(made) > 10
    for anchor in made:
        assert min(abs(anchor.at_sample - place) for place in after) <= 160


def first_after(packets: list[Packet], second: float) -> int:
    return min(packet.truth for packet in packets if packet.truth >= second * 8000 + 240)


@WAYS
@pytest.mark.parametrize("jitter_ms", [0, 60, 300])
@pytest.mark.parametrize("loss", [0, 0.1])
def test_a_clock_that_is_far_off_stays_within_a_frame(
    ppm: float, jitter_ms: float, loss: float
) -> None:
    result = run(Sender(seconds=120, skew_ppm=ppm), Network(jitter_ms=jitter_ms, loss=loss))
    assert np.abs(result.errors).max() <= 14 * 8
    assert result.missing == 0
    assert {anchor.cause for anchor in result.deviations.reanchors[1:]} == {Cause.SKEW}


@WAYS
@pytest.mark.parametrize("ptime", [10, 30, 60])
def test_packets_of_any_length_are_corrected(ppm: float, ptime: int) -> None:
    result = run(Sender(seconds=120, skew_ppm=ppm, ptimes=((0, ptime),)), SHAKY)
    assert np.abs(result.errors).max() <= 14 * 8
    assert result.missing == 0


def test_received_samples_are_changed_only_where_a_fast_clock_leaves_no_room() -> None:
    slow = run(Sender(seconds=200, skew_ppm=300), SHAKY)
    assert (slow.lost_samples, slow.false_ms) == (0, 0)
    assert slow.deviations.blended_ms == pytest.approx(60, abs=15)
    fast = run(Sender(seconds=200, skew_ppm=-300), SHAKY)
    assert fast.lost_samples <= 2 * fast.deviations.blended_ms * 8
    assert fast.false_ms == 0


def test_a_new_route_is_followed_and_not_taken_for_a_clock() -> None:
    """A network that becomes slower by 60 ms, and faster again."""
    packets = send(Sender(seconds=200), Network(jitter_ms=20))
    for packet in packets:
        if 60 * 8000 < packet.truth < 120 * 8000:
            packet.arrival_ns += 60_000_000
    packets.sort(key=lambda packet: packet.arrival_ns)
    _, record = fold(packets, 200.5)
    shifts = [round(anchor.shift_samples / 8) for anchor in record.reanchors[1:]]
    assert sum(shifts) == pytest.approx(0, abs=8)
    assert max(shifts) == pytest.approx(60, abs=8)
    assert len(shifts) <= 4


@pytest.mark.parametrize("tick_ms", [5, 10, 20])
@pytest.mark.parametrize("ptime", [10, 20, 30, 40])
@pytest.mark.parametrize("silences", [(), tuple((at, at + 1.5) for at in range(5, 59, 6))])
def test_the_ticks_of_the_loop_are_not_taken_for_a_clock(
    tick_ms: int, ptime: int, silences: tuple[tuple[float, float], ...]
) -> None:
    for phase_ms in range(0, tick_ms, 2):
        sender = Sender(seconds=60, ptimes=((0, ptime),), silences=silences)
        packets = send(sender, Network(jitter_ms=0.3), seed=phase_ms + 1)
        _, record = fold(swept(packets, OFF_BEAT * tick_ms, phase_ms), 60.5)
        assert len(record.reanchors) == 1
