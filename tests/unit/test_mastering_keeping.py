"""Recordings that run long are mastered while they run; whatever happens, the file is that of one go."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from bench_spool import BEGUN_NS, HEADER, PERIOD_NS, sound_records
from onrecord.mastering import MasteringError, Masters, master
from onrecord.spool.format import encode_begin, encode_fact

CODECS = {"0": ["PCMU", 8000]}


class Growing:
    """A folder with the spool of a recording that runs, and a clock."""

    def __init__(self, folder: Path, form: str = "wav", trim: str | None = None) -> None:
        self.folder = folder
        self.spool = folder / "r1.spool"
        self.target = folder / f"r1.{form}.part"
        self.seconds = 0
        self.at = 0.0
        header = replace(HEADER, format=form, trim=trim)
        self.spool.write_bytes(encode_begin(header))
        self.append(encode_fact("start", BEGUN_NS, {"inbound": CODECS, "outbound": CODECS}))

    def now(self) -> float:
        return self.at

    def append(self, *records: bytes) -> None:
        with self.spool.open("ab") as file:
            file.writelines(records)

    def run(self, seconds: int) -> None:
        self.append(*sound_records(50 * self.seconds, 50 * (self.seconds + seconds)))
        self.seconds += seconds
        self.at += seconds

    def stop(self) -> None:
        end = BEGUN_NS + 50 * self.seconds * PERIOD_NS
        self.append(encode_fact("stop", end, {"reason": "command"}))

    def run_with(self, masters: Masters, minutes: int) -> None:
        for _ in range(12 * minutes):
            self.run(5)
            masters.round()

    def in_one_go(self) -> bytes:
        return master(self.spool, self.folder / "one-go").path.read_bytes()

    def left(self) -> set[str]:
        return {path.name for path in self.folder.glob("*.part*")}


def masters_of(growing: Growing, **settings: float) -> Masters:
    return Masters(growing.folder, after_secs=60, now=growing.now, **settings)  # type: ignore[arg-type]


@pytest.mark.parametrize("form", ["wav", "mp3"])
def test_a_long_recording_has_the_bytes_of_one_go(tmp_path: Path, form: str) -> None:
    growing = Growing(tmp_path, form)
    masters = masters_of(growing)
    growing.run_with(masters, 3)
    assert masters.open == 1
    assert growing.left() == {"r1.grown.part.part"}
    growing.stop()
    mastered = masters.master(growing.spool, growing.target)
    assert mastered.path == growing.target
    assert mastered.duration_ms == 180_000
    assert growing.target.read_bytes() == growing.in_one_go()
    assert growing.left() == {growing.target.name}
    assert masters.open == 0


def test_most_of_it_is_written_before_the_stop(tmp_path: Path) -> None:
    growing = Growing(tmp_path)
    masters = masters_of(growing)
    growing.run_with(masters, 5)
    masters.close()
    masters.close()
    assert growing.left() == set()
    masters = masters_of(growing)
    growing.run_with(masters, 3)
    assert (tmp_path / "r1.grown.part.part").stat().st_size > (480 - 60) * 8000 * 4
    masters.close()


def test_short_recordings_are_left_alone(tmp_path: Path) -> None:
    growing = Growing(tmp_path)
    masters = masters_of(growing)
    growing.run_with(masters, 1)
    assert masters.open == 0
    growing.stop()
    masters.master(growing.spool, growing.target)
    assert growing.target.read_bytes() == growing.in_one_go()


def test_without_the_setting_none_is_kept_up_with(tmp_path: Path) -> None:
    growing = Growing(tmp_path)
    masters = Masters(tmp_path, now=growing.now)
    growing.run_with(masters, 2)
    assert masters.open == 0


def test_a_spool_that_does_not_grow_is_left_alone(tmp_path: Path) -> None:
    growing = Growing(tmp_path)
    masters = masters_of(growing)
    growing.run(30)
    for _ in range(30):
        growing.at += 5
        masters.round()
    assert masters.open == 0


def test_no_more_than_a_few_are_open_and_each_is_paced(tmp_path: Path) -> None:
    first = Growing(tmp_path)
    masters = masters_of(first, most_open=1, pace_secs=60)
    first.run_with(masters, 1)
    second = tmp_path / "r2.spool"
    second.write_bytes(first.spool.read_bytes())
    sizes = set()
    for number in range(300, 3300, 250):
        with second.open("ab") as file:
            file.writelines(sound_records(number, number + 250))
        first.run(5)
        masters.round()
        sizes.add((tmp_path / "r1.grown.part.part").stat().st_size)
    assert masters.open == 1
    assert len(sizes) <= 2
    masters.close()


def test_what_an_earlier_process_left_is_removed_and_made_in_one_go(tmp_path: Path) -> None:
    growing = Growing(tmp_path)
    growing.run(120)
    growing.stop()
    (tmp_path / "r1.grown.part.part").write_bytes(b"half")
    (tmp_path / "r2.grown.part").write_bytes(b"whole")
    masters = masters_of(growing)
    assert growing.left() == set()
    masters.master(growing.spool, growing.target)
    assert growing.target.read_bytes() == growing.in_one_go()


def test_a_recording_whose_spool_is_gone_leaves_nothing(tmp_path: Path) -> None:
    growing = Growing(tmp_path)
    masters = masters_of(growing)
    growing.run_with(masters, 2)
    growing.spool.unlink()
    masters.round()
    assert masters.open == 0
    assert growing.left() == set()


def test_a_spool_that_cannot_be_mastered_is_tried_once_and_said_at_the_end(tmp_path: Path) -> None:
    growing = Growing(tmp_path)
    growing.spool.write_bytes(encode_fact("start", BEGUN_NS, {}))
    masters = masters_of(growing)
    growing.run_with(masters, 3)
    assert masters.open == 0
    with pytest.raises(MasteringError, match="no readable header"):
        masters.master(growing.spool, growing.target)
    assert growing.left() == set()


def test_a_disk_that_refuses_meanwhile_costs_nothing_but_time(tmp_path: Path) -> None:
    growing = Growing(tmp_path)
    masters = masters_of(growing)
    growing.run_with(masters, 2)
    (tmp_path / "r1.grown.part.part").unlink()
    growing.stop()
    masters.master(growing.spool, growing.target)
    assert growing.target.read_bytes() == growing.in_one_go()
    assert growing.left() == {growing.target.name}


def test_pauses_holds_and_a_replaced_media_process(tmp_path: Path) -> None:
    growing = Growing(tmp_path)
    masters = masters_of(growing)
    for kind in ("pause", "resume", "hold", "resume_media", "media_replaced"):
        growing.run_with(masters, 1)
        growing.append(encode_fact(kind, BEGUN_NS + growing.seconds * 50 * PERIOD_NS, {}))
    assert masters.open == 1
    growing.stop()
    mastered = masters.master(growing.spool, growing.target)
    assert growing.target.read_bytes() == growing.in_one_go()
    assert mastered.duration_ms == 300_000 - 60_000


def test_trimmed_recordings(tmp_path: Path) -> None:
    def trimmer(samples: np.ndarray, rate: int) -> tuple[int, int]:
        return rate, len(samples) - rate

    growing = Growing(tmp_path, trim="trim-silence")
    masters = Masters(tmp_path, trimmer, after_secs=60, now=growing.now)
    growing.run_with(masters, 2)
    assert masters.open == 1
    growing.stop()
    assert masters.master(growing.spool, growing.target).duration_ms == 118_000
    expected = master(growing.spool, tmp_path / "one-go", trimmer)
    assert growing.target.read_bytes() == expected.path.read_bytes()
