"""The outline of a sound: true to every sample, bounded, and the same however the sound comes."""

import numpy as np
import pytest

from onrecord.audio.envelope import MOST, Envelope, Outline, envelope, pack, unpack
from onrecord.audio.level import Meter


def noise(n: int) -> np.ndarray:
    return np.random.default_rng(n).integers(-32768, 32768, n).astype(np.int16)


@pytest.mark.parametrize(
    ("n", "rate"), [(1, 8000), (8000, 8000), (123_457, 8000), (700_001, 48_000)]
)
def test_each_stretch_is_what_its_samples_are(n: int, rate: int) -> None:
    samples = noise(n)
    found = envelope(samples, rate)
    size = round(found.seconds * rate)
    assert len(found.values) == -(-n // size) <= MOST
    for number, (low, high, rms) in enumerate(found.values.tolist()):
        piece = samples[number * size : (number + 1) * size].astype(float)
        assert (low, high) == (piece.min(), piece.max())
        assert rms == pytest.approx(np.sqrt(np.mean(piece**2)), abs=1)


def test_blocks_of_any_length_make_the_same() -> None:
    samples, random = noise(200_000), np.random.default_rng(3)
    outline, at = Outline(8000), 0
    while at < len(samples):
        step = int(random.integers(1, 3000))
        outline.add(samples[at : at + step])
        at += step
    whole, pieces = envelope(samples, 8000), outline.envelope()
    assert np.array_equal(whole.values[:, :2], pieces.values[:, :2])
    assert np.abs(whole.values[:, 2].astype(int) - pieces.values[:, 2]).max() <= 1


def test_silence_is_as_its_samples_are() -> None:
    told, heard, meters = Outline(8000), Outline(8000), (Meter(), Meter())
    for length in (700, 0, 12_345, 90_000, 3, 400_000, 1):
        for samples in (noise(length), np.zeros(length, np.int16), noise(5)):
            heard.add(samples)
            meters[0].add(samples)
            if samples.any():
                told.add(samples, samples.astype(np.float32))
                meters[1].add(samples)
            else:
                told.add_silence(length)
                meters[1].add_silence(length)
    assert np.array_equal(told.envelope().values, heard.envelope().values)
    assert meters[0].level() == meters[1].level()


def test_four_hours_are_no_larger_than_a_minute() -> None:
    outline = Outline(8000)
    for _ in range(4 * 60):
        outline.add(np.broadcast_to(np.int16(7), 60 * 8000))
    found = outline.envelope()
    assert MOST // 2 < len(found.values) <= MOST
    assert found.values[:-1].tolist() == [[7, 7, 7]] * (len(found.values) - 1)
    assert len(pack([found, found])) <= 2 * MOST * 6


def test_columns_are_wider_narrower_and_silent_where_nothing_is() -> None:
    values = np.array([[-1, 1, 1], [-5, 2, 2], [-3, 9, 4]], np.int16)
    found = Envelope(values, 0.5)
    assert found.columns(np.array([0.0, 1.0, 1.5])).tolist() == [[-5, 2, 2], [-3, 9, 4]]
    assert found.columns(np.array([0.0, 0.1, 0.2])).tolist() == [[-1, 1, 1]] * 2
    assert found.columns(np.array([1.0, 2.0, 3.0])).tolist() == [[-3, 9, 4], [0, 0, 0]]
    nothing = envelope(np.zeros(0, np.int16), 8000)
    assert nothing.columns(np.array([0.0, 1.0])).tolist() == [[0, 0, 0]]


def test_packed_and_back() -> None:
    made = [envelope(noise(n), 8000) for n in (5000, 5000)]
    back = unpack(pack(made), 2, made[0].seconds)
    assert [one.values.tolist() for one in back] == [one.values.tolist() for one in made]
    assert unpack(b"", 2, 1.0)[1].values.shape == (0, 3)
    with pytest.raises(ValueError, match="reshape"):
        unpack(b"123456", 2, 1.0)
