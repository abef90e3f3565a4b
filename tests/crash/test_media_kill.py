"""SIGKILL of the media process, of its control process, and of both, in the middle of a recording."""

import asyncio
import itertools
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from media_peer import Peer, Spooled, receive, record, settings
from onrecord.core.ids import LegId, RecordingId
from onrecord.media.arena import FILE_NAME
from onrecord.media.plane import MediaPlane
from onrecord.media.salvage import salvage
from onrecord.sdp.negotiation import RtpAddress

A, B = LegId("leg-a"), LegId("leg-b")
NODE = Path(__file__).with_name("media_node.py")


@pytest.fixture
def peers():
    made = [Peer(ssrc=7), Peer(ssrc=8)]
    yield made
    for peer in made:
        peer.close()


def missing(sent, kept):
    """How many datagrams are not there; what is there must have been sent."""
    assert set(kept) <= set(sent)
    return len(set(sent)) - len(set(kept))


@pytest.mark.parametrize("round_number", range(3))
async def test_a_killed_media_process_costs_at_most_the_datagram_in_its_hand(
    tmp_path, peers, round_number
):
    left, right = peers
    plane = MediaPlane(settings(tmp_path, fold_ms=random.choice([50, 100, 500])))
    await plane.start()
    try:
        to_left, to_right = await plane.open_leg(A), await plane.open_leg(B)
        await plane.connect_leg(A, left.media())
        await plane.connect_leg(B, right.media())
        await plane.bridge(A, B)
        both = await record(plane, tmp_path, "both", A)
        inbound = await record(plane, tmp_path, "inbound", B, "inbound")
        from_left, from_right, slowest = [], [], 0.0
        for kill_after in (random.randrange(5, 60), random.randrange(5, 60)):
            pid = plane.pid
            for _ in range(kill_after):
                from_left.append(left.send(to_left))
                from_right.append(right.send(to_right))
                await asyncio.sleep(random.choice([0, 0, 0.005]))
            os.kill(pid, signal.SIGKILL)
            killed = time.monotonic()
            while plane.pid == pid or not plane.is_ready:
                from_left.append(left.send(to_left))
                from_right.append(right.send(to_right))
                await asyncio.sleep(0.02)
            slowest = max(slowest, time.monotonic() - killed)
        last = b"\x22" * 160
        from_left.append(left.send(to_left, last))
        deadline = time.monotonic() + 2
        while receive(right.rtp)[12:] != last:
            assert time.monotonic() < deadline
        stopped = await plane.stop_recording(RecordingId("both"))
        await plane.stop_recording(RecordingId("inbound"))
    finally:
        await plane.close()
    spool = Spooled(both)
    # The one that had left the socket and had no size yet, for each time that it was killed.
    lost = missing(from_left, spool.inbound) + missing(from_right, Spooled(inbound).inbound)
    assert lost <= 2
    assert spool.kinds == ["start", *2 * ["media_replaced", "resume"], "stop"]
    assert spool.facts[-1].at_ns == stopped
    # What waited in the kernel kept the time at which it came.
    arrivals = sorted(spool.arrivals[0])
    gaps = [later - sooner for sooner, later in itertools.pairwise(arrivals)]
    assert max(gaps) < 500_000_000
    assert slowest < 5
    assert list((tmp_path / "arena").iterdir()) == []


async def test_a_recording_stays_paused_in_the_next_media_process(tmp_path, peers):
    peer = peers[0]
    plane = MediaPlane(settings(tmp_path, fold_ms=100))
    await plane.start()
    try:
        to = await plane.open_leg(A)
        await plane.connect_leg(A, peer.media())
        path = await record(plane, tmp_path, "r", A)
        before = peer.send(to)
        await asyncio.sleep(0.05)
        await plane.pause_recording(RecordingId("r"))
        peer.send(to)
        pid = plane.pid
        os.kill(pid, signal.SIGKILL)
        peer.send(to)
        await plane.resume_recording(RecordingId("r"))
        assert plane.pid != pid
        after = peer.send(to)
        await plane.stop_recording(RecordingId("r"))
    finally:
        await plane.close()
    spool = Spooled(path)
    assert spool.inbound == [before, after]
    assert spool.kinds == ["start", "pause", "media_replaced", "pause", "resume", "stop"]


async def test_commands_given_meanwhile_are_carried_out_by_the_next_process(tmp_path, peers):
    peer = peers[0]
    plane = MediaPlane(settings(tmp_path))
    await plane.start()
    try:
        to = await plane.open_leg(A)
        await plane.connect_leg(A, peer.media())
        os.kill(plane.pid, signal.SIGKILL)
        path = await record(plane, tmp_path, "r", A)
        sent = [peer.send(to) for _ in range(5)]
        assert (await plane.open_leg(B)).port != to.port
        await plane.stop_recording(RecordingId("r"))
        await plane.close_leg(A)
    finally:
        await plane.close()
    spool = Spooled(path)
    assert (spool.inbound, spool.kinds) == (sent, ["start", "stop"])


@pytest.fixture
def node(tmp_path):
    """A control process of its own, which may be killed; (process, media pid, address, peer)."""
    peer = Peer()
    (tmp_path / "spool").mkdir()
    first = random.randrange(21000, 32000, 2)
    command = [sys.executable, str(NODE), str(tmp_path), str(first), str(peer.address.port)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        pid, port = map(int, process.stdout.readline().split())
        yield process, pid, RtpAddress("127.0.0.1", port, port + 1), peer
        process.kill()
    peer.close()


def wait_until_gone(pid):
    deadline = time.monotonic() + 3
    while Path(f"/proc/{pid}").exists():
        assert time.monotonic() < deadline, "the media process outlived its control process"
        time.sleep(0.01)


def test_both_killed_at_once_leave_every_packet_in_the_arena(tmp_path, node):
    process, media_pid, to, peer = node
    sent = [peer.send(to) for _ in range(30)]
    time.sleep(0.1)  # more than a tick: the process has them, the next fold is far away
    for pid in (process.pid, media_pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    wait_until_gone(media_pid)
    path = tmp_path / "spool" / "r.spool"
    assert Spooled(path).inbound == []
    assert salvage(tmp_path / "arena", tmp_path / "spool") == 30
    spool = Spooled(path)
    assert (spool.inbound, spool.kinds, spool.torn) == (sent, ["start"], [])
    assert salvage(tmp_path / "arena", tmp_path / "spool") == 0
    assert Spooled(path).inbound == sent


def test_a_killed_control_process_ends_its_media_process_which_writes_all(tmp_path, node):
    process, media_pid, to, peer = node
    sent = [peer.send(to) for _ in range(30)]
    time.sleep(0.1)
    process.kill()
    process.wait()
    assert salvage(tmp_path / "arena", tmp_path / "spool") == 0
    wait_until_gone(media_pid)
    spool = Spooled(tmp_path / "spool" / "r.spool")
    assert (spool.inbound, spool.kinds) == (sent, ["start"])


def test_asked_to_terminate_it_goes_on_until_the_control_process_ends(tmp_path, node):
    process, media_pid, to, peer = node
    sent = [peer.send(to) for _ in range(7)]
    time.sleep(0.1)
    process.send_signal(signal.SIGSTOP)  # so that it is not replaced
    os.kill(media_pid, signal.SIGTERM)
    path = tmp_path / "spool" / "r.spool"
    deadline = time.monotonic() + 3
    while not Spooled(path).inbound and time.monotonic() < deadline:
        time.sleep(0.02)
    assert Spooled(path).inbound == sent
    os.kill(media_pid, 0)
    process.kill()
    wait_until_gone(media_pid)


def test_an_arena_whose_spool_is_gone_or_that_was_never_made_is_cleared(tmp_path, node):
    process, media_pid, to, peer = node
    peer.send(to)
    time.sleep(0.1)
    for pid in (process.pid, media_pid):
        os.kill(pid, signal.SIGKILL)
    process.wait()
    wait_until_gone(media_pid)
    (tmp_path / "spool" / "r.spool").unlink()
    (tmp_path / "arena" / "empty").mkdir()
    (tmp_path / "arena" / "other").mkdir()
    (tmp_path / "arena" / "other" / FILE_NAME).write_bytes(b"no arena")
    assert salvage(tmp_path / "arena", tmp_path / "spool") == 0
    assert list((tmp_path / "arena").iterdir()) == []
    assert salvage(tmp_path / "nowhere", tmp_path / "spool") == 0
