"""Clips as they are played, and keys as they are pressed, frame by frame."""

import pytest

from onrecord.media.outbound import OutboundStream
from onrecord.media.player import MappedClip, Player, keys
from onrecord.media.route import translated
from onrecord.rtp.telephone_event import event_payload

MS = 1_000_000


def clip(tmp_path, frames, loops):
    path = tmp_path / "clip"
    path.write_bytes(b"".join(len(f).to_bytes(2, "big") + f for f in frames))
    made = MappedClip("p", path, "PCMU", loops)
    path.unlink()
    return made


def test_a_clip_gives_its_frames_as_often_as_it_is_played(tmp_path):
    made = clip(tmp_path, [b"aa", b"", b"cccc"], 2)
    taken = []
    while not made.over:
        taken.append(made.take())
    assert taken == [b"aa", b"", b"cccc"] * 2
    made.close()
    endless = clip(tmp_path, [b"a"], None)
    assert [endless.take() for _ in range(300)] == [b"a"] * 300
    assert not endless.over


def test_an_empty_clip_is_refused(tmp_path):
    with pytest.raises(ValueError, match="empty"):
        clip(tmp_path, [], 1)


def test_a_key_is_a_run_of_events_whose_last_is_sent_three_times():
    pressed, pause = keys("7w", 110)
    sent = []
    for _ in range(pressed.length):
        sent.append(pressed.payload(8))
        pressed.at += 1
    ended = event_payload("7", 880, ended=True)
    growing = [event_payload("7", 160 * n, ended=False) for n in range(1, 6)]
    assert sent == [*growing, ended, ended, ended, None, None, None]
    assert (pause.length, pause.audible, pause.payload(8)) == (25, False, None)
    assert keys("1", 100)[0].payload(48) == event_payload("1", 960, ended=False)


def test_a_player_has_the_leg_to_itself_only_while_it_is_heard(tmp_path):
    player = Player()
    assert player.idle
    player.keys.extend(keys("w1", 100))
    assert (player.idle, player.audible) == (False, False)
    player.keys.popleft()
    assert player.audible
    player.keys[0].at = player.keys[0].sounding + 2
    assert not player.audible
    player.clips.append(clip(tmp_path, [b"a"], 1))
    assert player.audible


def fields(packet):
    number = packet[1] & 0x7F
    return number, bool(packet[1] & 0x80), int.from_bytes(packet[2:4], "big"), int.from_bytes(
        packet[4:8], "big"
    )  # fmt: skip


def test_frames_follow_each_other_and_take_up_real_time_after_a_gap():
    out = OutboundStream(5, 65_534, 2**32 - 160)
    begun = 1_000 * MS
    sent = [fields(out.frame(0, b"x" * 160, 160, begun + 20 * n * MS)) for n in range(3)]
    assert sent == [
        (0, True, 65_535, 2**32 - 160),
        (0, False, 0, 0),
        (0, False, 1, 160),
    ]
    later = fields(out.frame(0, b"x", 160, begun + 540 * MS))
    assert later == (0, True, 2, 160 + 4000)


def test_events_before_any_audio_have_times_of_their_own():
    out = OutboundStream(5, 0, 1000)
    assert out.timestamp_at(100 * MS) == 1000
    first = fields(out.event(101, 1000, b"abcd", 100 * MS, marker=True))
    assert first == (101, True, 1, 1000)
    assert out.timestamp_at(460 * MS) == 1000 + 360 * 8
    out.event(101, 1000, b"abcd", 480 * MS, marker=False)
    audio = fields(out.frame(0, b"x", 160, 600 * MS))
    assert audio == (0, True, 3, 1000 + 500 * 8)


def test_payloads_are_translated_between_the_two_laws_only():
    assert translated(b"\xff", "PCMU", "PCMU") == b"\xff"
    assert translated(b"\xff", "PCMU", "PCMA") == b"\xd5"
    assert translated(b"\xff", "PCMU", "G722") is None
