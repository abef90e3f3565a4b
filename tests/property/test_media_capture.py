"""What a leg's recordings keep: exactly what came between their begin and end, whatever else happens meanwhile."""

import tempfile
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bench_spool import HEADER
from onrecord.media.capture import Capture, Recording, tracks_of
from onrecord.media.salvage import salvage_arena
from onrecord.rtp.header import build_packet
from onrecord.spool.format import INBOUND, OUTBOUND
from onrecord.spool.reader import Fact, Packets, read_records
from onrecord.spool.writer import SpoolWriter, create_spool

LEG = 3
CODECS = {"inbound": {"0": ["PCMU", 8000]}, "outbound": {"0": ["PCMU", 8000]}}
RECORDINGS = {"a": ("both", False), "b": ("inbound", True), "c": ("both", True)}
"""Tracks of each, and whether it is listened to."""


class Leg:
    """A leg with recordings, and what each of them must hold in the end."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.now = 1000
        self.number = 0
        self.processes = 0
        self.expected: dict[str, list[int]] = {}
        self.paused: dict[str, bool] = {}
        self.capture = self._process()

    def _process(self) -> Capture:
        self.processes += 1
        self.arena = self.folder / f"arena{self.processes}"
        self.arena.mkdir()
        return Capture(self.arena)

    def _tick(self) -> int:
        self.now += 10
        return self.now

    def packet(self, track: int) -> None:
        self.number += 1
        datagram = build_packet(0, self.number, 160 * self.number, 7, False, b"x" * 160)
        self.capture.arena.mark(self._tick())
        self.capture.arena.put((2 * LEG + track) << 16, datagram)
        for name, paused in self.paused.items():
            if not paused and track in tracks_of(RECORDINGS[name][0]):
                self.expected[name].append(self.number)

    def _begin(self, name: str, kind: str, since_ns: int, *, paused: bool) -> None:
        tracks, live = RECORDINGS[name]
        writer = SpoolWriter(self.folder / f"{name}.spool")
        recording = Recording(
            name, LEG, tracks_of(tracks), writer, self.now, paused=paused, live=live
        )
        self.capture.start(recording, kind, CODECS, since_ns)

    def start(self, name: str) -> None:
        if name not in self.expected:
            create_spool(self.folder / f"{name}.spool", HEADER)
            self.expected[name], self.paused[name] = [], False
            self._begin(name, "start", self._tick(), paused=False)

    def pause(self, name: str) -> None:
        if self.paused.get(name) is False:
            self.paused[name] = True
            self.capture.pause(self.capture.recordings[name], self._tick())

    def resume(self, name: str) -> None:
        if self.paused.get(name):
            self.paused[name] = False
            self.capture.resume(self.capture.recordings[name], self._tick())

    def stop(self, name: str) -> None:
        if self.paused.pop(name, None) is not None:
            self.capture.stop(self.capture.recordings[name], self._tick(), "command")

    def fold(self) -> None:
        self.capture.fold()

    def fold_live(self) -> None:
        self.capture.fold_live(self._tick())

    def note(self) -> None:
        self.capture.note(LEG, "codecs", self._tick(), CODECS)

    def killed(self) -> None:
        """The process dies with what it holds; another goes on."""
        for recording in self.capture.recordings.values():
            recording.writer.close()
        salvage_arena(self.arena, self.folder)
        self.capture = self._process()
        for name, paused in self.paused.items():
            self._begin(name, "media_replaced", 0, paused=paused)

    def kept(self, name: str) -> list[int]:
        records = read_records(self.folder / f"{name}.spool")
        found = [record.data for record in records if isinstance(record, Packets)]
        return [int.from_bytes(row[2:4].tobytes(), "big") for data in found for row in data]


_named = st.tuples(st.sampled_from(["start", "pause", "resume", "stop"]), st.sampled_from("abc"))
_heard = st.tuples(st.just("packet"), st.sampled_from([INBOUND, OUTBOUND]))
_alone = st.tuples(st.sampled_from(["fold", "fold_live", "note", "killed"]))
_steps = st.lists(st.one_of(_heard, _named, _heard, _alone), max_size=40)


@settings(max_examples=50, deadline=None)
@given(_steps)
def test_each_recording_has_exactly_what_came_while_it_ran(steps):
    with tempfile.TemporaryDirectory() as folder:
        leg = Leg(Path(folder))
        for name, *given_ in steps:
            getattr(leg, name)(*given_)
        for name in list(leg.paused):
            leg.stop(name)
        leg.capture.close()
        for name, expected in leg.expected.items():
            assert sorted(leg.kept(name)) == expected


def test_a_journal_that_the_disk_refuses_changes_nothing_of_what_is_kept(tmp_path):
    (tmp_path / "arena1").mkdir()
    (tmp_path / "arena1" / "streams").symlink_to("/dev/full")
    leg = Leg.__new__(Leg)
    leg.folder, leg.now, leg.number, leg.expected, leg.paused = tmp_path, 1000, 0, {}, {}
    leg.arena = tmp_path / "arena1"
    leg.processes = 1
    leg.capture = Capture(leg.arena)
    leg.start("a")
    leg.packet(INBOUND)
    leg.pause("a")
    leg.packet(OUTBOUND)
    leg.resume("a")
    leg.packet(OUTBOUND)
    leg.killed()
    leg.packet(INBOUND)
    leg.stop("a")
    leg.packet(OUTBOUND)
    leg.capture.close()
    assert leg.kept("a") == leg.expected["a"] == [1, 3, 4]


@pytest.mark.parametrize(("paused", "state"), [(False, "resume"), (True, "pause")])
def test_a_process_that_goes_on_says_whether_the_recording_pauses(tmp_path, paused, state):
    leg = Leg(tmp_path)
    leg.start("a")
    leg.pause("a")
    leg.paused["a"] = paused  # False: the process dies before it has answered
    leg.killed()
    leg.packet(INBOUND)
    leg.stop("a")
    records = read_records(tmp_path / "a.spool")
    kinds = [record.kind for record in records if isinstance(record, Fact)]
    assert kinds == ["start", "pause", "media_replaced", state, "stop"]
    assert leg.kept("a") == leg.expected["a"] == ([] if paused else [1])


def test_a_digit_behind_an_early_fold_is_heard_at_the_next_look(tmp_path):
    leg = Leg(tmp_path)
    heard = []
    leg.capture.digit_heard = lambda *told: heard.append(told)
    leg.capture.listen_for(LEG, [101])
    for _ in range(3):
        leg.packet(INBOUND)
    leg.capture.listen()
    leg.fold()
    event = build_packet(101, 9, 9, 7, True, bytes([5, 10, 0, 160]))
    leg.capture.arena.mark(leg.now)
    leg.capture.arena.put((2 * LEG + INBOUND) << 16, event)
    for _ in range(3):
        leg.packet(INBOUND)
    leg.capture.listen()
    assert [(told[0], told[3]) for told in heard] == [(LEG, bytes([5, 10, 0, 160]))]
