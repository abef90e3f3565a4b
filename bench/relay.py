"""What relaying costs: ``python -m bench.relay``.

Bridged calls over a real media process: two peers per call, each sending 50 packets a second. Each
payload carries the time it was sent; the kernel stamps when it came out at the other peer. The
difference is the added delay. CPU is that of the media process, and of its transcoding process, per
packet that was relayed.
"""

import argparse
import asyncio
import json
import secrets
import select
import socket
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bench.processes import cpu_seconds, descendants, load_average, percentile, processor
from onrecord.core.ids import LegId
from onrecord.core.settings import Settings
from onrecord.media.plane import MediaPlane
from onrecord.media.sockets import STAMP_BYTES, Address, arrival_of, bind_udp, stamp_arrivals
from onrecord.media.srtp import Protection
from onrecord.rtp.header import FIXED_HEADER_BYTES, build_packet
from onrecord.sdp.codecs import G722, OURS, PCMA, PCMU, Codec
from onrecord.sdp.negotiation import Media, MediaDirection, RtpAddress, Srtp

FRAME_NS = 20_000_000
WARM_NS = 1_000_000_000
SUITE = "AES_CM_128_HMAC_SHA1_80"
KEY = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwd"
"""Both ways: what libsrtp does costs the same for any key."""
KINDS = {
    "same codec": (PCMU, PCMU, False),
    "PCMU and PCMA": (PCMU, PCMA, False),
    "SRTP and RTP": (PCMU, PCMU, True),
    "G722 and PCMU": (G722, PCMU, False),
}


@dataclass(slots=True, eq=False)
class Peer:
    """One side of a call."""

    sock: socket.socket
    codec: Codec
    protection: Protection | None
    ssrc: int
    to: Address = ("", 0)
    sequence: int = 0

    def media(self) -> Media:
        """What was negotiated with it."""
        host, port = self.sock.getsockname()
        number = OURS[self.codec]
        return Media(
            remote=RtpAddress(host, port, port + 1),
            payload_types={number: self.codec},
            send_payload_type=number,
            send_codec=self.codec,
            direction=MediaDirection.SENDRECV,
            srtp=Srtp(SUITE, KEY, KEY) if self.protection else None,
        )

    def send(self) -> None:
        """The next packet, with the time in it."""
        number, self.sequence = OURS[self.codec], self.sequence + 1
        payload = time.monotonic_ns().to_bytes(8, "big") + b"\xff" * 152
        timestamp = self.sequence * 160 & 0xFFFFFFFF
        packet = build_packet(number, self.sequence & 0xFFFF, timestamp, self.ssrc, False, payload)
        ready = packet if self.protection is None else self.protection.protect(packet)
        self.sock.sendto(ready or b"", self.to)


class Peers:
    """All sides; sends on a grid of its own and notes when what comes has come."""

    def __init__(self, peers: list[Peer], *, timed: bool) -> None:
        self._peers = {peer.sock.fileno(): peer for peer in peers}
        self._epoll = select.epoll()
        for fd in self._peers:
            self._epoll.register(fd, select.EPOLLIN)
        self._timed = timed
        self.delays_ms: list[float] = []
        self.sent = self.received = 0

    def talk(self, seconds: float) -> None:
        """Send from every peer, spread over each 20 ms, and take in what comes."""
        order = list(self._peers.values())
        began_ns = time.monotonic_ns()
        end_ns = began_ns + round(seconds * 1e9)
        while (now_ns := time.monotonic_ns()) < end_ns:
            due = (now_ns - began_ns) * len(order) // FRAME_NS
            while self.sent < due:
                order[self.sent % len(order)].send()
                self.sent += 1
            self._take(0.0005)
        self._take(0.05)

    def _take(self, patience: float) -> None:
        for fd, _ in self._epoll.poll(patience, 512):
            peer = self._peers[fd]
            data, extra, _, _ = peer.sock.recvmsg(2048, STAMP_BYTES)
            offset_ns = time.time_ns() - time.monotonic_ns()
            at_ns = arrival_of(extra, offset_ns) or time.monotonic_ns()
            clear = data if peer.protection is None else peer.protection.unprotect(data)
            if clear is not None:
                self._note(clear, at_ns)

    def _note(self, packet: bytes, at_ns: int) -> None:
        self.received += 1
        sent_ns = int.from_bytes(packet[FIXED_HEADER_BYTES : FIXED_HEADER_BYTES + 8], "big")
        if self._timed and 0 < at_ns - sent_ns < FRAME_NS * 50:
            self.delays_ms.append((at_ns - sent_ns) / 1e6)


async def measured(calls: int, seconds: float, kind: str) -> dict[str, Any]:
    """The figures of one kind of call."""
    left, right, secure = KINDS[kind]
    with tempfile.TemporaryDirectory(prefix="onrecord-relay-") as folder:
        (Path(folder) / "spool").mkdir()
        ports = f"12000-{12000 + 8 * calls + 63}"
        plane = MediaPlane(Settings(data=Path(folder), rtp_ports=ports, log_level="error"))
        await plane.start()
        peers: list[Peer] = []
        try:
            peers += [peer for n in range(calls) for peer in await _bridged(plane, n, kind)]
            # A law of G.711 changes the bytes that carry the time; so does any transcoder.
            timed = left == right
            await asyncio.to_thread(Peers(peers, timed=False).talk, WARM_NS / 1e9)
            talk = Peers(peers, timed=timed)
            assert plane.pid is not None
            pids = [plane.pid, *descendants(plane.pid)]
            before = [cpu_seconds(pid) for pid in pids]
            await asyncio.to_thread(talk.talk, seconds)
            spent = [cpu_seconds(pid) - at for pid, at in zip(pids, before, strict=True)]
        finally:
            await plane.close()
            for peer in peers:
                peer.sock.close()
    return _figures(talk, kind, calls, seconds, spent) | {"srtp": secure, "to": right.name}


async def _bridged(plane: MediaPlane, number: int, kind: str) -> list[Peer]:
    left, right, secure = KINDS[kind]
    peers, legs = [], []
    for side, codec in enumerate((left, right)):
        sock = bind_udp("127.0.0.1", 0)
        stamp_arrivals(sock, wanted=True)
        protected = Protection(Srtp(SUITE, KEY, KEY)) if secure and side == 0 else None
        peer = Peer(sock, codec, protected, secrets.randbits(32))
        leg = LegId(f"{number}-{side}")
        address = await plane.open_leg(leg)
        peer.to = (address.host, address.port)
        await plane.connect_leg(leg, peer.media())
        peers.append(peer)
        legs.append(leg)
    await plane.bridge(legs[0], legs[1])
    return peers


def _figures(
    talk: Peers, kind: str, calls: int, seconds: float, spent: list[float]
) -> dict[str, Any]:
    shares = {"p50": 0.5, "p99": 0.99, "p999": 0.999}
    delays = {name: round(percentile(talk.delays_ms, s), 2) for name, s in shares.items()}
    return {
        "kind": kind,
        "calls": calls,
        "sent": talk.sent,
        "received": talk.received,
        "delay_ms": delays if talk.delays_ms else None,
        "cpu_us_per_packet": round(1e6 * spent[0] / max(talk.received, 1), 1),
        "transcoding_us_per_packet": round(1e6 * sum(spent[1:]) / max(talk.received, 1), 1),
        "cpu_share": round(sum(spent) / seconds, 3),
    }


def main() -> None:
    """Print the figures of each kind, as JSON lines."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--calls", type=int, default=100)
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--kinds", nargs="*", choices=list(KINDS), default=list(KINDS))
    given = parser.parse_args()
    print(json.dumps({"machine": processor(), "load": load_average()}))
    for kind in given.kinds:
        print(json.dumps(asyncio.run(measured(given.calls, given.seconds, kind))), flush=True)


if __name__ == "__main__":
    main()
