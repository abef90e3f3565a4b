"""Streams that no telephone sends: what they cost is bounded, and all of it is counted."""

import tracemalloc
from itertools import pairwise

import numpy as np
import pytest

from onrecord.timeline import Cause, Timeline
from onrecord.timeline.gaps import covered, near, overlaps
from onrecord.timeline.track import MOST_SOURCES
from onrecord.timeline.twins import Twins

MS = 1_000_000
S = 1000 * MS
SILENT, LOUD = 0xFF, 0x33


def datagrams(sequence, timestamp, ssrc, payload: int = LOUD, size: int = 160) -> np.ndarray:
    """PCMU packets with these numbers, one a row."""
    n = len(sequence)
    data = np.full((n, 12 + size), payload, np.uint8)
    data[:, :2] = (0x80, 0)
    for first, end, column, kind in ((2, 4, sequence, ">u2"), (4, 8, timestamp, ">u4")):
        wrapped = np.asarray(column) % (1 << 8 * (end - first))
        data[:, first:end] = wrapped.astype(kind).reshape(-1, 1).view(np.uint8)
    data[:, 8:12] = np.broadcast_to(ssrc, n).astype(">u4").reshape(-1, 1).view(np.uint8)
    return data


def feed(timeline: Timeline, arrival: np.ndarray, data: np.ndarray) -> int:
    size = np.full(len(data), data.shape[1], np.uint16)
    return sum(block.shape[1] for block in timeline.packets(0, arrival, size, data))


def numbers(kind: str, at: np.ndarray, rng: np.random.Generator) -> tuple:
    """Sequence numbers, timestamps and sources of a flood."""
    wild = rng.integers(0, 1 << 16, len(at)), rng.integers(0, 1 << 32, len(at))
    return {
        "timestamps": (at, wild[1], 7),
        "sequences": (wild[0], at * 16, 7),
        "both": (*wild, 7),
        "sources": (*wild, rng.integers(0, 1 << 32, len(at))),
        "ten thousand senders": (at // 10_000, at // 10_000 * 160, at % 10_000),
        "every second one missing": (at * 2, at * 32, 7),
    }[kind]


@pytest.mark.parametrize(
    "kind",
    [
        "timestamps",
        "sequences",
        "both",
        "sources",
        "ten thousand senders",
        "every second one missing",
    ],
)
def test_a_flood_takes_flat_memory_and_each_packet_is_counted(kind: str) -> None:
    rng, timeline = np.random.default_rng(3), Timeline(0, (0,))
    samples, held = 0, []
    tracemalloc.start()
    try:
        for window in range(5):
            for first in range(window * 2000, window * 2000 + 2000, 500):
                at = np.arange(first, first + 500)
                samples += feed(timeline, at * 10 * MS, datagrams(*numbers(kind, at, rng), size=16))
            held.append(tracemalloc.get_traced_memory()[0])
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    timeline.fact("stop", 100 * S, {})
    samples += sum(block.shape[1] for block in timeline.finish())
    record = timeline.deviations(0)
    assert samples == 100 * 8000
    assert record.packets + record.duplicates + record.refused == 10_000
    assert peak < 12_000_000
    assert held[4] < 1.2 * max(held[2:4])


def test_among_too_many_sources_the_busiest_are_placed() -> None:
    timeline = Timeline(0, (0,))
    caller, flood = np.arange(500), np.arange(2000)
    feed(timeline, flood[:1000] * 4 * MS, datagrams(flood[:1000], flood[:1000], flood[:1000] + 99))
    feed(timeline, caller * 20 * MS + 5 * S, datagrams(caller, caller * 160, 7))
    timeline.fact("stop", 16 * S, {})
    samples = np.concatenate([block[0] for block in timeline.finish()])
    record = timeline.deviations(0)
    assert record.packets == 500 + MOST_SOURCES - 1
    assert record.refused == 1000 - (MOST_SOURCES - 1)
    assert np.count_nonzero(samples[5 * 8000 : 15 * 8000]) == 10 * 8000


def test_senders_half_a_cycle_apart_are_told_apart() -> None:
    sequence = np.tile(np.array([5, 5 + (1 << 15)], np.uint16), 20)
    found = Twins().split(sequence, np.zeros(40, np.uint32), 40)
    assert found is not None
    assert found.tolist() == [0, 1] * 20


def test_two_senders_keep_their_clocks_while_strangers_come_and_go() -> None:
    """They have one SSRC, and the second is the first to be heard in the third window."""
    frame = np.arange(4000)
    frame = frame[(frame < 1990) | (frame > 2010)]
    first = datagrams(frame, frame * 160, 7), frame * 20 * MS
    every = np.arange(4000)
    second = datagrams(every + 30_000, every * 160 + 900_000_000, 7), every * 20 * MS + 10 * MS
    strays = np.arange(24)
    stray = datagrams(strays, strays, 100 + strays, SILENT), strays // 6 * 20 * S + strays * S // 2
    data = np.concatenate([first[0], second[0], stray[0]])
    arrival = np.concatenate([first[1], second[1], stray[1] + 5 * S])
    order = np.argsort(arrival, kind="stable")
    timeline = Timeline(0, (0,))
    feed(timeline, arrival[order], data[order])
    list(timeline.finish())
    record = timeline.deviations(0)
    assert {anchor.cause for anchor in record.reanchors} == {Cause.START, Cause.SSRC}
    assert record.reanchor_count == 2 + len(strays)


def test_a_flood_of_facts_without_media_takes_no_memory() -> None:
    timeline = Timeline(0, (0,))
    tracemalloc.start()
    try:
        for at in range(0, 20_000 * MS, MS):
            timeline.fact("codecs", at, {"inbound": {"0": ["PCMU", 8000]}})
            timeline.fact("resume_media", at, {})
        held = tracemalloc.get_traced_memory()[0]
    finally:
        tracemalloc.stop()
    assert held < 200_000


def test_spans_are_found_as_if_all_were_looked_at() -> None:
    rng = np.random.default_rng(2)
    edges = np.cumsum(rng.integers(0, 9, 400)).tolist()
    closed = list(pairwise(edges))[::2]
    for spans in (closed, [*closed, (edges[-1] + 3, None)], []):
        for begin in range(-5, edges[-1] + 30, 7):
            end, after = begin + int(rng.integers(1, 60)), int(rng.integers(0, 30))
            inside = sum(
                max((end if last is None else min(end, last)) - max(begin, first), 0)
                for first, last in spans
            )
            touched = any(a < end and (b is None or begin < b + after) for a, b in spans)
            assert covered(spans, begin, end, 0) == inside
            assert overlaps(spans, begin, end, after) == touched
            assert near(spans, begin, end) == [
                (a, b) for a, b in spans if a < end and (b is None or b >= begin)
            ]
