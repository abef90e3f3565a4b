"""A spool that is mastered while it grows gives the bytes of one that is mastered at once."""

import itertools
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench_spool import HEADER, sound_records, write_spool
from onrecord.mastering import Master, MasteringError, master
from onrecord.spool.format import encode_begin, encode_fact
from onrecord.spool.reader import SpoolTail, read_records


def spool_of(path: Path, minutes: int, form: str = "wav") -> Path:
    write_spool(path, replace(HEADER, format=form), minutes)
    return path


@pytest.mark.parametrize("form", ["wav", "mp3"])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_step_by_step_gives_the_same_bytes(tmp_path: Path, form: str, seed: int) -> None:
    whole = spool_of(tmp_path / "whole", 3, form)
    expected = master(whole, tmp_path / "one-go").path.read_bytes()
    data = whole.read_bytes()
    rng = np.random.default_rng(seed)
    cuts = [0, *np.sort(rng.integers(1, len(data), 40)).tolist(), len(data)]
    growing = tmp_path / "growing"
    growing.touch()
    work = Master(growing, tmp_path / "stepped")
    for begin, end in itertools.pairwise(cuts):
        with growing.open("ab") as file:
            file.write(data[begin:end])
        work.advance()
        assert not (tmp_path / "stepped").exists()
    result = work.finish()
    assert result.path.read_bytes() == expected
    assert not result.torn
    assert not list(tmp_path.glob("*.part"))


def test_what_is_left_at_the_stop_is_seconds_of_audio(tmp_path: Path) -> None:
    whole = spool_of(tmp_path / "s", 4)
    work = Master(whole, tmp_path / "out")
    work.advance()
    assert (tmp_path / "out.part").stat().st_size > (240 - 40) * 8000 * 4
    assert work.finish().duration_ms == 240_000


def test_a_torn_write_in_the_middle_is_passed_over_while_it_grows(tmp_path: Path) -> None:
    path = tmp_path / "s"
    records = [*sound_records(0, 3000)]
    path.write_bytes(encode_begin(HEADER) + records[0] + records[1][:1000])
    work = Master(path, tmp_path / "out")
    work.advance()
    with path.open("ab") as file:
        file.write(bytes(-path.stat().st_size % 8) + b"".join(records[2:]))
    work.advance()
    result = work.finish()
    assert result.torn
    assert result.tracks["inbound"].packets + result.tracks["outbound"].packets == 6000 - 25


def test_an_abandoned_master_leaves_nothing(tmp_path: Path) -> None:
    work = Master(spool_of(tmp_path / "s", 1), tmp_path / "out")
    work.advance()
    assert (tmp_path / "out.part").exists()
    work.close()
    work.close()
    assert not list(tmp_path.glob("out*"))


def test_a_spool_that_begins_otherwise_is_refused_and_closed(tmp_path: Path) -> None:
    (tmp_path / "s").write_bytes(encode_fact("start", 5, {}))
    work = Master(tmp_path / "s", tmp_path / "out")
    with pytest.raises(MasteringError, match="no readable header"):
        work.advance()
    work.close()


def test_records_longer_than_a_piece_are_read(tmp_path: Path) -> None:
    path = tmp_path / "s"
    long = encode_fact("note", 7, {"text": "x" * 3_000_000})
    data = encode_begin(HEADER) + long + b"\1" * 80 + encode_fact("stop", 9, {})
    path.write_bytes(data)
    tail = SpoolTail(path)
    assert list(tail.records(ended=True)) == list(read_records(data))
    assert [(torn.offset, torn.size_bytes) for torn in tail.torn] == [(data.find(b"\1" * 80), 80)]
    tail.rewind()
    assert tail.torn == []
    assert len(list(tail.records(ended=False))) == 3
    tail.close()


@pytest.mark.parametrize("cut", range(1, 48, 7))
def test_a_tail_that_is_not_whole_is_waited_for(tmp_path: Path, cut: int) -> None:
    path = tmp_path / "s"
    head, stop = encode_begin(HEADER), encode_fact("stop", 9, {})
    path.write_bytes(head + stop[:cut])
    tail = SpoolTail(path)
    assert len(list(tail.records(ended=False))) == 1
    assert tail.torn == []
    with path.open("ab") as file:
        file.write(stop[cut:])
    assert [record.kind for record in tail.records(ended=False)] == ["stop"]
    tail.close()


def test_memory_is_flat_for_a_long_call(tmp_path: Path) -> None:
    """In a process of its own, whose greatest resident set counts all pages, mapped ones too."""
    spool = spool_of(tmp_path / "s", 60)
    code = (
        "import sys; from pathlib import Path; from onrecord.mastering import master;"
        "master(Path(sys.argv[1]), Path(sys.argv[2]));"
        "lines = Path('/proc/self/status').read_text().splitlines();"
        "print(next(line.split()[1] for line in lines if line.startswith('VmHWM')))"
    )
    command = [sys.executable, "-c", code, str(spool), str(tmp_path / "out")]
    done = subprocess.run(command, capture_output=True, check=True, text=True)
    assert int(done.stdout) < 120_000
