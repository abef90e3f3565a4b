"""What payload types mean, what a canvas keeps, and how much memory a long call takes."""

import tracemalloc

import numpy as np
import pytest

from onrecord.audio.g711 import decode_ulaw, encode_ulaw
from onrecord.timeline import Timeline
from onrecord.timeline.payloads import ALAW, COMFORT_NOISE, EVENT, ULAW, UNKNOWN, kinds_of
from onrecord.timeline.placing import LONGEST_PAYLOAD, Canvas, Coded, Payloads


def test_static_types_hold_without_announcement() -> None:
    kinds = kinds_of()
    assert (kinds[0], kinds[8], kinds[13]) == (ULAW, ALAW, COMFORT_NOISE)
    assert np.count_nonzero(kinds != UNKNOWN) == 3


def test_announced_types_win() -> None:
    kinds = kinds_of({"0": ["pcma", 8000], "96": ["telephone-event", 8000], "97": ["PCMU", 8000]})
    assert (kinds[0], kinds[8], kinds[96], kinds[97]) == (ALAW, ALAW, EVENT, ULAW)


@pytest.mark.parametrize(
    "announced",
    [
        None,
        3,
        [],
        "0",
        {"0": None},
        {"x": ["PCMU", 8000]},
        {"500": ["PCMU", 8000]},
        {"²": ["CN", 1]},
    ],
)
def test_what_is_no_announcement_is_passed_over(announced: object) -> None:
    kinds = kinds_of(announced)
    assert len(kinds) == 128
    assert kinds[8] == ALAW


def test_a_law_at_another_rate_is_unknown() -> None:
    assert kinds_of({"98": ["PCMU", 16000]})[98] == UNKNOWN


def coded(places: list[int], *parts: np.ndarray) -> tuple[Payloads, Coded]:
    size = np.array([len(part) for part in parts], np.int64)
    start = np.cumsum(size) - size
    kind = np.zeros(len(parts), np.uint8)
    return Payloads(np.concatenate(parts)), Coded(np.array(places), start, size, size, kind)


def test_what_is_written_last_stays() -> None:
    first, second = (encode_ulaw(np.full(n, v, np.int16)) for n, v in ((160, 900), (80, -900)))
    canvas = Canvas()
    canvas.reach(400)
    source, packets = coded([40, 100], first, second)
    assert canvas.write(source, packets) == 0
    samples = canvas.take(300)
    assert np.array_equal(samples[40:100], decode_ulaw(first)[:60])
    assert np.array_equal(samples[100:180], decode_ulaw(second))
    assert np.array_equal(samples[180:200], decode_ulaw(first)[:20])
    assert not samples[:40].any()
    assert not samples[200:].any()


def test_what_is_partly_finished_is_written_from_there_on() -> None:
    codes = encode_ulaw(np.arange(100, 260, dtype=np.int16) * 50)
    canvas = Canvas()
    canvas.take(1000)
    canvas.reach(2000)
    source, packets = coded([900], codes)
    assert canvas.write(source, packets) == 0
    samples = canvas.take(1100)
    assert np.array_equal(samples[:60], decode_ulaw(codes)[100:])


@pytest.mark.parametrize("place", [-(10**12), 840, 1841, 10**15])
def test_what_has_no_place_is_counted(place: int) -> None:
    canvas = Canvas()
    canvas.take(1000)
    canvas.reach(2000)
    source, packets = coded([place], np.zeros(160, np.uint8))
    assert canvas.write(source, packets) == 1
    assert canvas.blank


def test_longest_payload_fits_before_the_base() -> None:
    canvas = Canvas()
    canvas.reach(LONGEST_PAYLOAD)
    source, packets = coded([1 - LONGEST_PAYLOAD], np.zeros(LONGEST_PAYLOAD, np.uint8))
    assert canvas.write(source, packets) == 0
    assert canvas.take(2).tolist() == [-32124, 0]


def datagrams(first: int, n: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """``n`` PCMU packets of a stream that began at packet 0."""
    number = np.arange(first, first + n)
    data = np.full((n, 172), 0x33, np.uint8)
    data[:, :2] = (0x80, 0)
    data[:, 2:4] = number.astype(">u2").view(np.uint8).reshape(n, 2)
    data[:, 4:8] = (number * 160).astype(">u4").view(np.uint8).reshape(n, 4)
    data[:, 8:12] = 1
    return number * 20_000_000, np.full(n, 172, np.uint16), data


def test_memory_is_flat_whatever_the_length() -> None:
    timeline = Timeline(0)
    samples, peaks = 0, []
    tracemalloc.start()
    try:
        for minute in range(30):
            for part in range(0, 3000, 100):
                arrival, size, data = datagrams(minute * 3000 + part, 100)
                for track in (0, 1):
                    for block in timeline.packets(track, arrival, size, data):
                        samples += block.shape[1]
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.reset_peak()
    finally:
        tracemalloc.stop()
    assert samples > 29 * 60 * 8000
    assert max(peaks) < 8_000_000
    assert max(peaks[15:]) < 1.2 * max(peaks[3:15])
    assert timeline.deviations(0).packets > 29 * 3000
