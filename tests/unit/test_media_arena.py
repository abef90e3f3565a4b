"""The arena: what is put in comes out, live and from the file that a dead process leaves."""

import random

import pytest

from onrecord.media.arena import FILE_NAME, PITCH, SLOT_BYTES, Arena, ArenaError, ArenaView
from onrecord.media.capture import blocks, read_headers
from onrecord.rtp.header import build_packet


def put(arena, stream, datagram, now_ns):
    arena.mark(now_ns)
    arena.put(stream << 16, datagram)


def content(view, rows):
    return [
        (int(stream), int(at), view.slots[slot, :size].tobytes())
        for slot, stream, size, at in zip(
            rows.slot, rows.stream, rows.size, rows.arrival_ns, strict=True
        )
    ]


def test_datagrams_of_any_size_lie_behind_each_other(tmp_path):
    arena = Arena(tmp_path)
    sizes = [172, 1, PITCH, PITCH + 1, SLOT_BYTES, 0, 172, 1500, 12, 2 * PITCH]
    given = [(index, 1000 + index // 3, random.randbytes(size)) for index, size in enumerate(sizes)]
    for stream, at, datagram in given:
        put(arena, stream + 1, datagram, at)
    expected = [(stream + 1, at, datagram) for stream, at, datagram in given]
    assert content(arena.view, arena.rows()) == expected
    left = ArenaView((tmp_path / FILE_NAME).read_bytes())
    assert content(left, left.rows()) == expected


def test_forgotten_and_folded_rows_are_gone_from_the_file_too(tmp_path):
    arena = Arena(tmp_path)
    for stream in (1, 2, 1, 3):
        put(arena, stream, bytes((stream,)), 5)
    rows = arena.rows()
    arena.forget(rows.only(rows.stream == 1))
    left = ArenaView((tmp_path / FILE_NAME).read_bytes())
    assert [stream for stream, _, _ in content(left, left.rows())] == [2, 3]
    arena.reset()
    put(arena, 9, b"after", 77)
    left = ArenaView((tmp_path / FILE_NAME).read_bytes())
    assert content(left, left.rows()) == [(9, 77, b"after")]


def test_the_rows_of_a_leg_are_those_of_both_its_streams(tmp_path):
    arena = Arena(tmp_path)
    for at, stream in enumerate((0, 1, 2, 0, 3)):
        put(arena, stream, bytes((stream,)), at)
    assert [(s, at) for s, at, _ in content(arena.view, arena.rows_of(0))] == [
        (0, 0),
        (1, 1),
        (0, 3),
    ]
    arena.forget(arena.rows_of(0))
    assert [stream for stream, _, _ in content(arena.view, arena.rows_of(1))] == [2, 3]
    assert len(arena.rows_of(0).slot) == 0


def test_it_fills_up_and_says_so(tmp_path):
    arena = Arena(tmp_path)
    count = 0
    while arena.has_room(4096):
        for _ in range(512):
            put(arena, 1, bytes(SLOT_BYTES), count)
            count += 1
        if count % 4096 == 0:
            arena.mark(count)
    assert len(arena.rows().slot) == count
    arena.reset()
    assert arena.has_room(4096)


def test_blocks_are_sorted_by_stream_and_as_narrow_as_their_widest(tmp_path):
    arena = Arena(tmp_path)
    given = [(2, bytes(100)), (1, b"a" * 172), (2, b"b" * 98), (1, b"c" * 170)]
    for stream, datagram in given:
        put(arena, stream, datagram, 3)
    rows = arena.rows()
    first, second = blocks(arena.view, rows.only([1, 3, 0, 2]))
    assert (first.stream, first.data.shape, first.size.tolist()) == (1, (2, 172), [172, 170])
    assert (second.stream, second.data.shape, second.size.tolist()) == (2, (2, 100), [100, 98])
    assert second.data[1, :98].tobytes() == b"b" * 98


def test_what_is_no_rtp_rtcp_or_cut_off_is_not_valid(tmp_path):
    arena = Arena(tmp_path)
    rtp = build_packet(72, 1, 1, 1, False, bytes(160))
    rtcp = bytes.fromhex("80c80006") + bytes(24)
    whole = build_packet(0, 1, 1, 1, False, bytes(SLOT_BYTES - 13))
    for datagram in (rtp, rtcp, b"hello", whole, whole + b"."):
        put(arena, 1, datagram, 1)
    assert read_headers(arena.view, arena.rows()).valid.tolist() == [
        True,
        False,
        False,
        True,
        False,
    ]


def test_another_file_is_refused(tmp_path):
    with pytest.raises(ArenaError):
        ArenaView(bytes(10_000))
    with pytest.raises(ArenaError):
        ArenaView(b"")
