"""Many records at once say what the records say one by one, whatever is between them."""

from pathlib import Path

import numpy as np
import pytest

from bench_spool import HEADER, sound_records
from onrecord.spool.format import encode_begin, encode_fact, encode_packets
from onrecord.spool.reader import Begin, Datagrams, Fact, Packets, SpoolTail

Row = tuple[int, int, bytes]


def packets(n: int, pitch: int, size: int) -> bytes:
    rng = np.random.default_rng(n)
    data = rng.integers(0, 256, (n, pitch), dtype=np.uint8)
    return encode_packets(1, np.arange(n) * 7, np.full(n, size, np.uint16), data)


def one_by_one(path: Path) -> list[Row | Fact | Begin]:
    said: list[Row | Fact | Begin] = []
    tail = SpoolTail(path)
    for record in tail.records(ended=True):
        if isinstance(record, Packets):
            columns = zip(
                record.arrival_ns.tolist(), record.size.tolist(), record.data, strict=True
            )
            said += [(record.track, at, row[:size].tobytes()) for at, size, row in columns]
        else:
            said.append(record)
    tail.close()
    return said


def at_once(path: Path) -> list[Row | Fact | Begin]:
    said: list[Row | Fact | Begin] = []
    tail = SpoolTail(path)
    for record in tail.batches(ended=True):
        if isinstance(record, Datagrams):
            columns = (record.track, record.arrival_ns, record.start, record.size)
            for track, at, start, size in zip(*(c.tolist() for c in columns), strict=True):
                said.append((track, at, record.arena[start : start + size].tobytes()))
        else:
            said.append(record)
    tail.close()
    return said


RECORDS = [
    encode_begin(HEADER),
    *sound_records(0, 100),
    encode_fact("hold", 5, {}),
    packets(3, 61, 60),
    packets(0, 172, 0),
    packets(1, 1, 1),
    packets(5, 40, 41),  # says that it holds more than it can
    packets(7, 200, 0),
    encode_fact("stop", 9, {}),
]


def test_all_kinds_of_records(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(b"".join(RECORDS))
    said = at_once(path)
    assert said == one_by_one(path)
    assert len(said) == 3 + 200 + 3 + 1 + 7


@pytest.mark.parametrize("seed", range(30))
def test_damage_is_passed_over_alike(tmp_path: Path, seed: int) -> None:
    rng = np.random.default_rng(seed)
    data = bytearray(b"".join(RECORDS))
    for at in rng.integers(0, len(data), 6).tolist():
        data[at] ^= int(rng.integers(1, 256))
    path = tmp_path / "s"
    path.write_bytes(data[: int(rng.integers(1, len(data)))])
    assert at_once(path) == one_by_one(path)


def test_no_more_than_so_many_pieces(tmp_path: Path) -> None:
    path = tmp_path / "s"
    path.write_bytes(b"".join([encode_begin(HEADER), *sound_records(0, 20_000)]))
    tail = SpoolTail(path)
    before = tail.behind_bytes
    assert len(list(tail.batches(ended=False, pieces=1))) == 2
    assert before - (1 << 20) <= tail.behind_bytes < before - (1 << 20) + 10_000
    while list(tail.batches(ended=False, pieces=1)):
        pass
    assert tail.behind_bytes == 0
    tail.close()
