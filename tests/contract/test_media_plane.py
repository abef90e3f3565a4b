"""A real media process over real sockets: what it captures, relays, sends and refuses."""

import asyncio
import itertools
import resource
import socket
from dataclasses import replace
from pathlib import Path

import pytest

from media_peer import (
    EVENTS,
    PCMA,
    Peer,
    Spooled,
    connected,
    drain,
    header,
    heard,
    plane,
    receive,
    record,
    settings,
)
from onrecord.audio.g711 import ULAW_TO_ALAW
from onrecord.core.errors import CapacityError
from onrecord.core.ids import LegId, RecordingId
from onrecord.media.plane import MediaError, MediaPlane
from onrecord.media.salvage import salvage
from onrecord.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    build_compound,
    middle_ntp,
    parse_compound,
)
from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import MediaDirection, RtpAddress

A, B = LegId("leg-a"), LegId("leg-b")


async def test_recordings_hold_exactly_what_came_between_start_and_stop(tmp_path, peers):
    peer = peers[0]
    async with plane(tmp_path, fold_ms=100) as media:
        at = await connected(media, A, peer)
        before = [peer.send(at) for _ in range(5)]
        one = await record(media, tmp_path, "one", A)
        first = [peer.send(at) for _ in range(40)]
        two = await record(media, tmp_path, "two", A, "inbound")
        other = await record(media, tmp_path, "other", A, "outbound")
        both = []
        for _ in range(30):
            both.append(peer.send(at))
            await asyncio.sleep(0.01)
        stopped = await media.stop_recording(RecordingId("one"))
        last = [peer.send(at) for _ in range(20)]
        await media.stop_recording(RecordingId("two"))
        await media.stop_recording(RecordingId("other"))
        peer.send(at)
        stats = await media.close_leg(A)
    spools = Spooled(one), Spooled(two)
    assert spools[0].inbound == first + both
    assert spools[1].inbound == both + last
    assert (Spooled(other).inbound, Spooled(other).outbound) == ([], [])
    assert spools[0].kinds == spools[1].kinds == ["start", "stop"]
    start, stop = spools[0].facts
    assert start.data == {"inbound": {"0": ["PCMU", 8000]}, "outbound": {"0": ["PCMU", 8000]}}
    assert (stop.at_ns, stop.data) == (stopped, {"reason": "command"})
    arrivals = spools[0].arrivals[0]
    assert arrivals == sorted(arrivals)
    assert start.at_ns <= arrivals[0]
    assert arrivals[-1] <= stop.at_ns
    assert stats.packets_received == len(before) + len(first) + len(both) + len(last) + 1
    assert (stats.packets_lost, stats.first_packet_ns is not None) == (0, True)


async def test_a_burst_is_taken_within_a_tick_and_large_datagrams_are_kept(tmp_path, peers):
    peer = peers[0]
    async with plane(tmp_path) as media:
        at = await connected(media, A, peer)
        path = await record(media, tmp_path, "r", A)
        sent = [peer.send(at)]
        await heard(media, A, 1)
        sent += [peer.send(at, bytes(size)) for size in (0, 160, 1400, 160, 1500, *[160] * 35)]
        await asyncio.sleep(0.03)
        peer.send(at, bytes(1525))  # may have been cut off: not kept
        peer.rtp.sendto(b"\x80" + bytes(5), ("127.0.0.1", at.port))
        peer.rtp.sendto(b"", ("127.0.0.1", at.port))
        sent.append(peer.send(at))
        await media.stop_recording(RecordingId("r"))
    spool = Spooled(path)
    assert spool.inbound == sent
    burst = spool.arrivals[0][1:-1]
    assert burst[-1] - burst[0] < 20_000_000


async def test_only_the_learnt_source_is_heard(tmp_path, peers):
    peer, stranger, moved = peers
    async with plane(tmp_path) as media:
        at = await connected(media, A, peer)
        path = await record(media, tmp_path, "r", A)
        for _ in range(3):
            stranger.send(at, codec=96)  # a payload type that was not negotiated
        first = [peer.send(at) for _ in range(3)]
        for _ in range(3):
            stranger.send(at)  # queued behind the peer's: before the lock or after
        await heard(media, A, 3)
        for _ in range(5):
            stranger.send(at)
        first.append(peer.send(at))
        await heard(media, A, 4)
        # A re-INVITE from elsewhere: the old source is not heard any more.
        await media.connect_leg(A, moved.media())
        second = [moved.send(at) for _ in range(3)]
        await heard(media, A, 7)
        peer.send(at)
        second.append(moved.send(at))
        await heard(media, A, 8)
        await media.stop_recording(RecordingId("r"))
    assert Spooled(path).inbound == first + second


async def test_a_peer_behind_nat_is_sent_to_where_it_sends_from(tmp_path, peers):
    behind, negotiated = peers[0], peers[1]
    async with plane(tmp_path, idle_packet_ms=50) as media:
        at = await connected(media, A, behind)
        receive(behind.rtp)
        address = await media.open_leg(B)
        await media.connect_leg(B, negotiated.media())
        receive(negotiated.rtp)
        peers[2].send(address)
        await heard(media, B, 1)
        receive(peers[2].rtp)
        drain(negotiated.rtp)
        assert drain(negotiated.rtp, 0.15) == []
        assert at.port != address.port


async def test_bridged_legs_hear_each_other_and_both_recordings_hold_it(tmp_path, peers):
    left, right = peers[0], peers[1]
    right.codec = 8
    async with plane(tmp_path) as media:
        to_left = await connected(media, A, left, telephone_event_payload_type=101)
        to_right = await connected(
            media, B, right, codec=PCMA, number=8, telephone_event_payload_type=96
        )
        left.send(to_left)
        right.send(to_right)
        await heard(media, A, 1)
        await heard(media, B, 1)
        await media.bridge(A, B)
        one = await record(media, tmp_path, "one", A)
        two = await record(media, tmp_path, "two", B)
        drain(left.rtp)
        drain(right.rtp)
        codes = bytes(range(160))
        from_left = [left.send(to_left, codes) for _ in range(10)]
        from_left.append(left.send(to_left, b"\x05\x8a\x01\x40", codec=101))
        at_right = [receive(right.rtp) for _ in range(11)]
        from_right = [right.send(to_right, codes) for _ in range(5)]
        at_left = [receive(left.rtp) for _ in range(5)]
        await media.unbridge(A)
        left.send(to_left)
        assert drain(right.rtp, 0.05) == []
        await media.stop_recording(RecordingId("one"))
        await media.stop_recording(RecordingId("two"))
        stats = await media.close_leg(B)
    table = ULAW_TO_ALAW.tobytes()
    assert [packet[12:] for packet in at_right[:10]] == [codes.translate(table)] * 10
    assert [packet[1] & 0x7F for packet in at_right] == [8] * 10 + [96]
    assert at_right[10][12:] == b"\x05\x8a\x01\x40"
    sequences = [int.from_bytes(packet[2:4], "big") for packet in at_right]
    assert [(n - sequences[0]) % 65536 for n in sequences] == list(range(11))
    times = [int.from_bytes(packet[4:8], "big") for packet in at_right[:10]]
    assert [(t - times[0]) % 2**32 for t in times] == [160 * n for n in range(10)]
    assert len({packet[8:12] for packet in at_right}) == 1
    assert at_right[0][8:12] != from_left[0][8:12]
    spool_a, spool_b = Spooled(one), Spooled(two)
    assert (spool_a.inbound[:11], spool_a.outbound) == (from_left, at_left)
    assert (spool_b.inbound, spool_b.outbound) == (from_right, at_right)
    assert stats.packets_sent >= 11


async def test_hold_stops_the_relay_and_is_a_fact(tmp_path, peers):
    left, right = peers[0], peers[1]
    async with plane(tmp_path) as media:
        to_left = await connected(media, A, left)
        await connected(media, B, right)
        await media.bridge(A, B)
        path = await record(media, tmp_path, "r", B)
        left.send(to_left)
        await heard(media, A, 1)
        held = right.media(direction=MediaDirection.INACTIVE)
        await media.connect_leg(B, held)
        drain(right.rtp, 0.05)
        for _ in range(3):
            left.send(to_left)
        assert drain(right.rtp, 0.05) == []
        back = right.media(telephone_event_payload_type=101)
        await media.connect_leg(B, back)
        await media.connect_leg(B, back)
        last = left.send(to_left)
        assert receive(right.rtp)[12:] == last[12:]
        await media.stop_recording(RecordingId("r"))
    spool = Spooled(path)
    assert spool.kinds == ["start", "hold", "codecs", "resume_media", "stop"]
    assert spool.facts[1].data == {"direction": "inactive"}
    assert spool.facts[2].data["outbound"] == {"0": ["PCMU", 8000], "101": [EVENTS.name, 8000]}
    assert len(spool.outbound) == 2


async def test_idle_legs_are_sent_silence(tmp_path, peers):
    seldom, always, never = peers
    async with plane(tmp_path, idle_packet_ms=100) as media:
        await connected(media, A, seldom)
        await media.open_leg(B)
        await media.connect_leg(B, always.media(codec=PCMA, number=8), silence_when_idle=True)
        held = never.media(direction=MediaDirection.RECVONLY)
        await media.open_leg(LegId("c"))
        await media.connect_leg(LegId("c"), held)
        first = [receive(seldom.rtp) for _ in range(4)]
        steady = drain(always.rtp)
        assert drain(never.rtp) == []
    assert {packet[12:] for packet in first} == {b"\xff" * 160}
    times = [int.from_bytes(packet[4:8], "big") for packet in first]
    steps = [(later - sooner) % 2**32 for sooner, later in itertools.pairwise(times)]
    assert all(600 <= step <= 1400 for step in steps), steps
    assert all(packet[1] == 0x80 for packet in first)
    assert 8 <= len(steady) <= 20
    assert {packet[12:] for packet in steady} == {b"\xd5" * 160}
    numbers = [int.from_bytes(packet[2:4], "big") for packet in steady]
    assert [(n - numbers[0]) % 65536 for n in numbers] == list(range(len(numbers)))


async def test_reports_are_exchanged(tmp_path, peers):
    peer = peers[0]
    async with plane(tmp_path, idle_packet_ms=20) as media:
        at = await connected(media, A, peer)
        peer.send(at)
        peer.sequence += 1  # one is lost
        peer.send(at)
        sent_ntp = 0x1234_5678_9ABC_DEF0
        peer.rtcp.sendto(
            build_compound([SenderReport(7, sent_ntp, 0, 2, 320), SourceDescription({7: "p"})]),
            ("127.0.0.1", at.rtcp_port),
        )
        report, names = parse_compound(await asyncio.to_thread(receive, peer.rtcp, 7))
        ours = int.from_bytes(drain(peer.rtp)[-1][8:12], "big")
        assert isinstance(report, SenderReport)
        assert report.ssrc == ours
        assert report.packets > 10
        assert report.octets == report.packets * 160
        assert "@" in names.cnames[ours]
        [block] = report.blocks
        assert (block.ssrc, block.cumulative_lost, block.fraction_lost) == (7, 1, 85)
        assert block.last_sr == middle_ntp(sent_ntp)
        assert 1 * 65536 < block.delay_since_last_sr < 5 * 65536
        back = ReportBlock(ours, 0, 3, 0, 0, middle_ntp(report.ntp), 0)
        peer.rtcp.sendto(build_compound([ReceiverReport(7, (back,))]), ("127.0.0.1", at.rtcp_port))
        await asyncio.sleep(0.05)
        stats = await media.close_leg(A)
        assert stats.round_trip_ms is not None
        assert 0 <= stats.round_trip_ms < 500
        assert (stats.packets_lost, stats.packets_sent_lost) == (1, 3)
        last = parse_compound(receive(peer.rtcp))
        assert last[-1] == Goodbye((ours,))


async def test_ports_run_out_are_skipped_and_rest_before_they_come_again(tmp_path):
    given = settings(tmp_path, pairs=3)
    taken = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    first = given.rtp_port_range[0]
    taken.bind(("127.0.0.1", first + 1))
    media = MediaPlane(given)
    await media.start()
    try:
        one, two = await media.open_leg(A), await media.open_leg(B)
        assert one == await media.open_leg(A)
        assert (one.port, one.rtcp_port, two.port) == (first + 2, first + 3, first + 4)
        with pytest.raises(CapacityError):
            await media.open_leg(LegId("c"))
        await media.close_leg(A)
        taken.close()
        assert (await media.open_leg(LegId("c"))).port == first
        assert (await media.open_leg(LegId("d"))).port == first + 2
        assert await media.close_leg(LegId("nobody")) == LegStats()
    finally:
        await media.close()


async def test_what_cannot_be_is_refused_clearly(tmp_path, peers):
    async with plane(tmp_path) as media:
        with pytest.raises(MediaError, match="leg-a is not open"):
            await media.connect_leg(A, peers[0].media())
        await connected(media, A, peers[0])
        with pytest.raises(MediaError, match="nothing is not being captured"):
            await media.stop_recording(RecordingId("nothing"))
        with pytest.raises(MediaError, match="FileNotFoundError"):
            await media.start_recording(header("r", A), tmp_path / "spool" / "absent.spool")
        path = await record(media, tmp_path, "r", A)
        await media.stop_recording(RecordingId("r"))
        assert Spooled(path).kinds == ["start", "stop"]


async def test_a_bad_address_and_a_closed_port_do_no_harm(tmp_path, peers):
    peer = peers[0]
    async with plane(tmp_path, idle_packet_ms=20) as media:
        at = await connected(media, A, peer)
        gone = Peer()
        to_gone = await connected(media, B, gone)
        gone.send(to_gone)
        await heard(media, B, 1)
        gone.close()  # what is sent to it now is refused by ICMP
        path = await record(media, tmp_path, "r", A)
        sent = []
        for _ in range(10):
            sent.append(peer.send(at))
            await asyncio.sleep(0.02)
        nowhere = replace(peer.media(), remote=RtpAddress("0.0.0.0", 9, 10))
        await media.connect_leg(A, nowhere)
        sent.append(peer.send(at))
        await heard(media, A, 11)
        await media.stop_recording(RecordingId("r"))
    assert Spooled(path).inbound == sent


async def test_a_live_arena_is_not_salvaged_and_none_is_left_behind(tmp_path, peers):
    async with plane(tmp_path, fold_ms=2000) as media:
        at = await connected(media, A, peers[0])
        path = await record(media, tmp_path, "r", A)
        sent = [peers[0].send(at) for _ in range(10)]
        await asyncio.sleep(0.05)
        assert salvage(tmp_path / "arena", tmp_path / "spool", wait_seconds=0) == 0
        assert len(list((tmp_path / "arena").iterdir())) == 1
    assert list((tmp_path / "arena").iterdir()) == []
    spool = Spooled(path)
    assert (spool.inbound, spool.kinds) == (sent, ["start"])


async def test_a_disk_that_refuses_costs_only_what_it_refused(tmp_path, peers):
    peer = peers[0]
    async with plane(tmp_path, fold_ms=50) as media:
        at = await connected(media, A, peer)
        path = await record(media, tmp_path, "r", A)
        limit = path.stat().st_size + 500
        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        resource.prlimit(media.pid, resource.RLIMIT_FSIZE, (limit, hard))
        for _ in range(10):
            peer.send(at)
        await asyncio.sleep(0.15)
        resource.prlimit(media.pid, resource.RLIMIT_FSIZE, (hard, hard))
        sent = [peer.send(at) for _ in range(10)]
        await media.stop_recording(RecordingId("r"))
    spool = Spooled(path)
    assert (spool.inbound, spool.torn) == (sent, [])
    assert spool.kinds == ["start", "stop"]


async def test_an_idle_process_is_small(tmp_path):
    async with plane(tmp_path) as media:
        text = Path(f"/proc/{media.pid}/status").read_text()
        status = dict(line.split(":", 1) for line in text.splitlines())
    assert int(status["VmRSS"].split()[0]) < 56_000


async def test_what_comes_while_paused_is_in_no_spool(tmp_path, peers):
    peer = peers[0]
    async with plane(tmp_path, fold_ms=100) as media:
        at = await connected(media, A, peer)
        path = await record(media, tmp_path, "paused", A)
        whole = await record(media, tmp_path, "whole", A)
        first = [peer.send(at) for _ in range(10)]
        await heard(media, A, 10)
        paused_ns = await media.pause_recording(RecordingId("paused"))
        assert await media.pause_recording(RecordingId("paused")) >= paused_ns
        secret = [peer.send(at) for _ in range(10)]
        await heard(media, A, 20)
        resumed_ns = await media.resume_recording(RecordingId("paused"))
        last = [peer.send(at) for _ in range(10)]
        await heard(media, A, 30)
        await media.pause_recording(RecordingId("paused"))
        for name in ("paused", "whole"):
            await media.stop_recording(RecordingId(name))
    spool = Spooled(path)
    assert spool.inbound == first + last
    assert spool.kinds == ["start", "pause", "resume", "pause", "stop"]
    assert [fact.at_ns for fact in spool.facts[1:3]] == [paused_ns, resumed_ns]
    assert Spooled(whole).inbound == first + secret + last
    with pytest.raises(MediaError, match="not being captured"):
        await media.pause_recording(RecordingId("paused"))
