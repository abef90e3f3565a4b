"""Spools on disk: cut at every byte, written on behind a tear, and on a disk that is full."""

import resource

import numpy as np
import pytest

from onrecord.core.ids import CallControlId, LegId, NodeId, RecordingId
from onrecord.spool.format import (
    INBOUND,
    OUTBOUND,
    Torn,
    decode_records,
    encode_begin,
    encode_fact,
    encode_packets,
)
from onrecord.spool.header import SpoolHeader
from onrecord.spool.reader import Begin, Fact, Packets, read_records
from onrecord.spool.writer import SpoolWriter, create_spool, sync_spool

HEADER = SpoolHeader(
    recording_id=RecordingId("r"), leg_id=LegId("l"), call_control_id=CallControlId("v3:x"),
    node=NodeId("n1"), format="wav", channels="dual", track="both", channel_a="inbound",
    started_utc_ns=5, started_monotonic_ns=6, boot_id="b", custom_file_name="ä",
)  # fmt: skip


def packets(track, n, pitch=20, first=0):
    size = (np.arange(n) % (pitch + 1)).astype(np.uint16)
    data = np.arange(n * pitch, dtype=np.uint8).reshape(n, pitch)
    return encode_packets(track, first + np.arange(n, dtype=np.int64), size, data)


RECORDS = [
    encode_begin(HEADER),
    encode_fact("start", 7, {"inbound": {"0": ["PCMU", 8000]}}),
    packets(INBOUND, 3),
    packets(OUTBOUND, 1, pitch=8),
    packets(INBOUND, 0),
    encode_fact("stop", 99, {"reason": "command"}),
]


def shape(record):
    if isinstance(record, Packets):
        return record.track, record.arrival_ns.tolist(), record.size.tolist(), record.data.tobytes()
    return record


WHOLE = [shape(record) for record in read_records(b"".join(RECORDS))]


def test_records_come_back_as_they_were():
    begin, start, three, one, none, stop = read_records(b"".join(RECORDS))
    assert begin == Begin(HEADER)
    assert start == Fact("start", 7, {"inbound": {"0": ["PCMU", 8000]}})
    assert (three.track, three.arrival_ns.tolist(), three.size.tolist()) == (
        0,
        [0, 1, 2],
        [0, 1, 2],
    )
    assert three.data.tolist() == np.arange(60).reshape(3, 20).tolist()
    assert (one.track, one.data.shape, none.data.shape) == (1, (1, 8), (0, 20))
    assert stop == Fact("stop", 99, {"reason": "command"})


def test_every_record_starts_at_a_multiple_of_eight():
    assert {len(record) % 8 for record in RECORDS} == {0}


def test_cut_at_every_byte_keeps_what_is_whole_and_says_where_it_is_torn():
    data = b"".join(RECORDS)
    ends = np.cumsum([len(record) for record in RECORDS]).tolist()
    for cut in range(len(data)):
        whole = sum(end <= cut for end in ends)
        records = read_records(data[:cut])
        assert [shape(record) for record in records] == WHOLE[:whole]
        last = ends[whole - 1] if whole else 0
        assert records.torn == ([Torn(last, cut - last)] if cut > last else [])


def test_every_damaged_byte_costs_one_record_at_most():
    data = bytearray(b"".join(RECORDS))
    ends = np.cumsum([len(record) for record in RECORDS]).tolist()
    for at in range(0, len(data), 3):
        damaged = bytearray(data)
        damaged[at] ^= 0x40
        hit = sum(end <= at for end in ends)
        found = [shape(record) for record in read_records(bytes(damaged))]
        rest = WHOLE[:hit] + WHOLE[hit + 1 :]
        # Bytes without meaning (padding, reserved in no checksum) may be damaged unseen.
        assert found in (rest, WHOLE)


@pytest.mark.parametrize("cut", range(1, 60))
def test_writing_goes_on_behind_a_tear_and_destroys_nothing(tmp_path, cut):
    path = tmp_path / "s"
    torn = packets(INBOUND, 2)[:cut]
    path.write_bytes(RECORDS[0] + torn)
    writer = SpoolWriter(path)
    writer.append(RECORDS[3] + RECORDS[5])
    writer.close()
    assert path.read_bytes().startswith(RECORDS[0] + torn)
    records = read_records(path)
    assert [shape(record) for record in records] == [WHOLE[0], WHOLE[3], WHOLE[5]]
    assert [tear.offset for tear in records.torn] == [len(RECORDS[0])]
    assert sum(tear.size_bytes for tear in records.torn) == cut + -cut % 8


def test_a_hole_of_zeros_is_passed_over():
    data = RECORDS[0] + bytes(4096) + RECORDS[5]
    assert [type(record) for record in decode_records(data)] == [Begin, Torn, Fact]


def test_create_is_exclusive_and_durable(tmp_path):
    path = tmp_path / "s"
    create_spool(path, HEADER)
    sync_spool(path)
    with pytest.raises(FileExistsError):
        create_spool(path, HEADER)
    assert list(read_records(path)) == [Begin(HEADER)]


def test_a_write_that_the_disk_cuts_short_is_taken_back(tmp_path):
    path = tmp_path / "s"
    create_spool(path, HEADER)
    before = path.stat().st_size
    writer = SpoolWriter(path)
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (before + 100, hard))
    try:
        with pytest.raises(OSError):
            writer.append(packets(INBOUND, 50))
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert path.stat().st_size == before
    writer.append(RECORDS[5])
    writer.close()
    records = read_records(path)
    assert [shape(record) for record in records] == [WHOLE[0], WHOLE[5]]
    assert records.torn == []


def test_an_empty_file_has_no_records(tmp_path):
    path = tmp_path / "s"
    path.touch()
    assert list(read_records(path)) == []


def test_a_later_versions_header_field_is_passed_over():
    record = encode_begin(HEADER)
    body = record[16:].rstrip(b"\0").replace(b'"format"', b'"colour":"red","format"')
    from onrecord.spool import format as spool_format

    data = spool_format._record(spool_format.BEGIN, 0, body)
    assert list(read_records(data)) == [Begin(HEADER)]
