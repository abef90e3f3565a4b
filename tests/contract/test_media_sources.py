"""Whom a leg listens to when peers move, strangers attack, and audio is SRTP; and codecs that differ."""

import asyncio
import base64
import os
import random
import signal
import time

import pytest

from media_peer import (
    PCMA,
    Peer,
    Spooled,
    connected,
    drain,
    heard,
    plane,
    receive,
    record,
)
from onrecord.core.ids import LegId, RecordingId
from onrecord.media.srtp import Protection
from onrecord.rtp.header import build_packet
from onrecord.sdp.codecs import G722, L16_WIDE
from onrecord.sdp.crypto import SUITES
from onrecord.sdp.negotiation import Srtp

A, B = LegId("leg-a"), LegId("leg-b")
OURS, THEIRS = (base64.b64encode(random.randbytes(30)).decode() for _ in range(2))


async def test_a_peer_whose_nat_moves_it_is_heard_again_and_an_attacker_is_not(tmp_path, peers):
    peer, moved, attacker = peers
    moved.ssrc, attacker.ssrc = peer.ssrc, 666
    async with plane(tmp_path, rtp_relearn_secs=0.2, fold_ms=50, idle_packet_ms=20) as media:
        at = await connected(media, A, peer)
        path = await record(media, tmp_path, "r", A)
        said = [peer.send(at) for _ in range(5)]
        await heard(media, A, 5)
        for _ in range(20):  # the peer is silent; the attacker has the right payload type
            attacker.send(at)
            await asyncio.sleep(0.03)
        forged = build_packet(0, peer.sequence + 4000 & 0xFFFF, 1, peer.ssrc, False, bytes(160))
        attacker.rtp.sendto(forged, ("127.0.0.1", at.port))
        receive(peer.rtp)
        assert drain(attacker.rtp) == drain(moved.rtp) == []
        moved.sequence, moved.timestamp = peer.sequence + 30, peer.timestamp + 4800
        said += [moved.send(at) for _ in range(5)]
        await heard(media, A, 10)
        attacker.send(at)
        peer.send(at)
        said.append(moved.send(at))
        await heard(media, A, 11)
        drain(peer.rtp)
        receive(moved.rtp)
        assert drain(peer.rtp, 0.1) == []
        await media.stop_recording(RecordingId("r"))
    assert Spooled(path).inbound == said


async def test_a_silent_peer_that_comes_back_is_heard_from_its_first_packet(tmp_path, peers):
    peer = peers[0]
    async with plane(tmp_path, rtp_relearn_secs=0.1, fold_ms=50) as media:
        at = await connected(media, A, peer)
        path = await record(media, tmp_path, "r", A)
        said = [peer.send(at)]
        await asyncio.sleep(0.5)
        said += [peer.send(at) for _ in range(3)]
        await heard(media, A, 4)
        await media.stop_recording(RecordingId("r"))
    assert Spooled(path).inbound == said


async def test_without_relearning_nobody_else_is_heard(tmp_path, peers):
    peer, moved, _ = peers
    moved.ssrc = peer.ssrc
    async with plane(tmp_path, rtp_relearn_secs=0, fold_ms=50) as media:
        at = await connected(media, A, peer)
        peer.send(at)
        await heard(media, A, 1)
        await asyncio.sleep(0.3)
        moved.sequence = peer.sequence
        moved.send(at)
        await asyncio.sleep(0.1)
        assert (await media.leg_stats(A)).packets_received == 1


class SecurePeer(Peer):
    """A peer that speaks SRTP."""

    protection = None

    def send(self, to, payload=None, codec=None):
        self.protection = self.protection or Protection(Srtp(SUITES[0], THEIRS, OURS))
        payload = random.randbytes(160) if payload is None else payload
        packet = build_packet(
            0, self.sequence & 0xFFFF, self.timestamp & 0xFFFFFFFF, self.ssrc, False, payload
        )
        self.sequence, self.timestamp = self.sequence + 1, self.timestamp + 160
        self.rtp.sendto(self.protection.protect(packet), ("127.0.0.1", to.port))
        return packet


@pytest.fixture
def secure():
    made = SecurePeer(ssrc=7)
    yield made
    made.close()


def receive_spoken(sock):
    """The next datagram that is not the silence of an idle leg."""
    while (datagram := receive(sock))[12:] == b"\xff" * 160:
        continue
    return datagram


async def test_srtp_is_relayed_recorded_in_the_clear_and_survives_a_kill(tmp_path, peers, secure):
    plain, attacker, _ = peers
    secured = {"srtp": Srtp(SUITES[0], OURS, THEIRS)}
    async with plane(tmp_path, fold_ms=50) as media:
        at, beside = await connected(media, A, secure, **secured), await connected(media, B, plain)
        await media.bridge(A, B)
        path = await record(media, tmp_path, "r", A)
        attacker.ssrc = secure.ssrc
        attacker.send(at)  # first, of the right type and source, but not authentic
        said = [secure.send(at) for _ in range(10)]  # over the end of the sequence numbers
        answers = [plain.send(beside) for _ in range(3)]
        await heard(media, A, 10)
        for packet in said:
            assert receive_spoken(plain.rtp)[12:] == packet[12:]
        for packet in answers:
            clear = secure.protection.unprotect(receive(secure.rtp))
            if clear[12:] == b"\xff" * 160:  # the silence of a leg that was idle
                clear = secure.protection.unprotect(receive(secure.rtp))
            assert clear[12:] == packet[12:]
        broken = bytearray(secure.protection.protect(build_packet(0, 90, 1, 7, False, bytes(160))))
        broken[20] ^= 1
        secure.rtp.sendto(bytes(broken), ("127.0.0.1", at.port))
        await asyncio.sleep(1.2)  # so that it has been told how far the stream is
        pid = media.pid
        os.kill(pid, signal.SIGKILL)
        while media.pid == pid or not media.is_ready:
            await asyncio.sleep(0.02)
        said += [secure.send(at) for _ in range(5)]
        got = [packet[12:] for packet in drain(plain.rtp, 0.3)]
        spoken = [payload for payload in got if payload != b"\xff" * 160]
        assert spoken == [packet[12:] for packet in said[10:]]
        await media.stop_recording(RecordingId("r"))
    spooled = Spooled(path)
    assert list(dict.fromkeys(spooled.inbound)) == said
    assert [packet[12:] for packet in spooled.outbound[:3]] == [packet[12:] for packet in answers]
    files = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert OURS.encode() not in files
    assert base64.b64decode(OURS) not in files


async def test_a_codec_map_says_what_both_tracks_hold(tmp_path, peers):
    async with plane(tmp_path) as media:
        await connected(media, A, peers[0], codec=G722, number=9)
        path = await record(media, tmp_path, "r", A)
        await media.connect_leg(A, peers[0].media(L16_WIDE, 97))
        await media.stop_recording(RecordingId("r"))
    facts = {fact.kind: fact for fact in Spooled(path).facts}
    assert facts["start"].data["inbound"] == {"9": ["G722", 8000]}
    assert facts["codecs"].data["outbound"] == {"97": ["L16", 16000]}


async def test_what_no_table_joins_is_transcoded_both_ways(tmp_path, peers):
    wide, narrow, _ = peers
    async with plane(tmp_path) as media:
        to_wide = await connected(media, A, wide, codec=G722, number=9)
        to_narrow = await connected(media, B, narrow, codec=PCMA, number=8)
        await media.bridge(A, B)
        path = await record(media, tmp_path, "r", B)
        got: tuple[list[bytes], ...] = ([], [])
        deadline = time.monotonic() + 10
        while min(map(len, got)) < 30 and time.monotonic() < deadline:
            wide.send(to_wide, b"\xff" * 160, codec=9)
            narrow.send(to_narrow, b"\xd5" * 160, codec=8)
            await asyncio.sleep(0.005)
            for packets, peer in zip(got, (wide, narrow), strict=True):
                packets += drain(peer.rtp)
        await media.stop_recording(RecordingId("r"))
    for packets, number in zip(got, (9, 8), strict=True):
        audio = [packet for packet in packets if packet[1] & 0x7F == number and len(packet) == 172]
        assert len(audio) >= 23
        sequences = [int.from_bytes(packet[2:4], "big") for packet in audio]
        assert sequences == [sequences[0] + n & 0xFFFF for n in range(len(audio))]
    assert len(Spooled(path).outbound) >= 23


async def test_comfort_noise_is_not_passed_on(tmp_path, peers):
    left, right, _ = peers
    async with plane(tmp_path) as media:
        at = await connected(media, A, left)
        await connected(media, B, right)
        await media.bridge(A, B)
        said = [left.send(at)]
        left.send(at, b"\x20", codec=13)
        said.append(left.send(at))
        got = [receive_spoken(right.rtp) for _ in said]
        assert [packet[12:] for packet in got] == [packet[12:] for packet in said]
        sequences = [int.from_bytes(packet[2:4], "big") for packet in got]
        assert sequences[1] - sequences[0] & 0xFFFF == 1
