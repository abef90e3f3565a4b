"""What the tests of the media plane share: a peer with real sockets, and what a spool holds."""

import asyncio
import contextlib
import random
import select
import socket
import time
from collections.abc import Callable
from pathlib import Path

from onrecord.calls.media import MediaEvent
from onrecord.core.ids import CallControlId, LegId, NodeId, RecordingId
from onrecord.core.settings import Settings
from onrecord.media.plane import MediaPlane
from onrecord.rtp.header import build_packet
from onrecord.sdp.negotiation import Codec, Media, MediaDirection, RtpAddress
from onrecord.spool.header import SpoolHeader
from onrecord.spool.reader import Fact, Packets, read_records
from onrecord.spool.writer import create_spool

PCMU, PCMA = Codec("PCMU"), Codec("PCMA")
EVENTS = Codec("TELEPHONE-EVENT")


def settings(tmp_path: Path, pairs: int = 40, **given) -> Settings:
    """Settings with a folder and RTP ports of the test's own."""
    (tmp_path / "spool").mkdir(exist_ok=True)
    first = random.randrange(21000, 32000, 2)
    ports = f"{first}-{first + 2 * pairs - 1}"
    return Settings(data=tmp_path, rtp_ports=ports, log_level="error", **given)


class Peer:
    """A SIP peer's media side: an even port, the odd one behind it, one outgoing stream."""

    def __init__(self, ssrc: int = 7, codec: int = 0) -> None:
        self.ssrc, self.codec, self.sequence, self.timestamp = ssrc, codec, 65530, 2**32 - 800
        while True:
            self.rtp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            self.rtp.bind(("127.0.0.1", 0))
            port = self.rtp.getsockname()[1]
            self.rtcp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
            try:
                self.rtcp.bind(("127.0.0.1", port + 1))
            except OSError:
                self.close()
            else:
                self.address = RtpAddress("127.0.0.1", port, port + 1)
                return

    def media(self, codec: Codec = PCMU, number: int = 0, **given) -> Media:
        """What was negotiated with this peer."""
        events = given.get("telephone_event_payload_type")
        types = {number: codec} | ({} if events is None else {events: EVENTS})
        fields = {"remote": self.address, "payload_types": types, "send_payload_type": number,
                  "send_codec": codec, "direction": MediaDirection.SENDRECV}  # fmt: skip
        return Media(**(fields | given))

    def send(self, to: RtpAddress, payload: bytes | None = None, codec: int | None = None) -> bytes:
        """Send the next packet of the stream; returns it."""
        payload = random.randbytes(160) if payload is None else payload
        codec = self.codec if codec is None else codec
        packet = build_packet(codec, self.sequence, self.timestamp, self.ssrc, False, payload)
        self.sequence, self.timestamp = self.sequence + 1, self.timestamp + 160
        self.rtp.sendto(packet, ("127.0.0.1", to.port))
        return packet

    def close(self) -> None:
        self.rtp.close()
        self.rtcp.close()


def receive(sock: socket.socket, seconds: float = 2.0) -> bytes:
    """The next datagram; fails the test when none comes."""
    ready, _, _ = select.select([sock], [], [], seconds)
    assert ready, "no datagram came"
    return sock.recv(2048)


def drain(sock: socket.socket, seconds: float = 0.0) -> list[bytes]:
    """All datagrams that are there, or come within ``seconds``."""
    found, deadline = [], time.monotonic() + seconds
    while select.select([sock], [], [], max(deadline - time.monotonic(), 0))[0]:
        found.append(sock.recv(2048))
    return found


def header(recording: str, leg: str, track: str = "both") -> SpoolHeader:
    return SpoolHeader(
        recording_id=RecordingId(recording), leg_id=LegId(leg), call_control_id=CallControlId("v3:x"),
        node=NodeId("n1"), format="wav", channels="dual", track=track, channel_a="inbound",
        started_utc_ns=1, started_monotonic_ns=1, boot_id="b",
    )  # fmt: skip


async def record(
    plane: MediaPlane, folder: Path, recording: str, leg: str, track: str = "both"
) -> Path:
    """Make a spool and start a recording into it."""
    path = folder / "spool" / f"{recording}.spool"
    create_spool(path, header(recording, leg, track))
    await plane.start_recording(header(recording, leg, track), path)
    return path


class Spooled:
    """A spool's content: datagrams by track in the order of the file, arrivals, and facts."""

    def __init__(self, path: Path) -> None:
        records = read_records(path)
        self.packets: dict[int, list[bytes]] = {0: [], 1: []}
        self.arrivals: dict[int, list[int]] = {0: [], 1: []}
        self.facts: list[Fact] = []
        for item in records:
            if isinstance(item, Packets):
                sizes = item.size.tolist()
                rows = (bytes(row[:size]) for row, size in zip(item.data, sizes, strict=True))
                self.packets[item.track].extend(rows)
                self.arrivals[item.track].extend(item.arrival_ns.tolist())
            elif isinstance(item, Fact):
                self.facts.append(item)
        self.torn = records.torn

    @property
    def inbound(self) -> list[bytes]:
        return self.packets[0]

    @property
    def outbound(self) -> list[bytes]:
        return self.packets[1]

    @property
    def kinds(self) -> list[str]:
        return [fact.kind for fact in self.facts]


class Told:
    """Takes the events of a media plane."""

    def __init__(self) -> None:
        self.events: list[MediaEvent] = []
        self._more = asyncio.Event()

    def __call__(self, event: MediaEvent) -> None:
        self.events.append(event)
        self._more.set()

    async def until(self, *wanted: MediaEvent) -> None:
        """Wait until all of these have come."""
        async with asyncio.timeout(10):
            while not all(event in self.events for event in wanted):
                self._more.clear()
                await self._more.wait()


@contextlib.asynccontextmanager
async def plane(tmp_path: Path, told: Callable[[MediaEvent], None] = lambda _: None, **given):
    """A media plane that is started, with a process of its own; it sends idle packets only if asked to."""
    made = MediaPlane(settings(tmp_path, **{"idle_packet_ms": 15000} | given), told)
    await made.start()
    try:
        yield made
    finally:
        await made.close()


async def connected(plane: MediaPlane, leg: LegId, peer: Peer, **given) -> RtpAddress:
    """Where the leg takes packets, which it has from ``peer``."""
    address = await plane.open_leg(leg)
    await plane.connect_leg(leg, peer.media(**given))
    return address


async def met(plane: MediaPlane, leg: LegId, peer: Peer, **given) -> RtpAddress:
    """As ``connected``, and the leg has had a first packet of ``peer``, which has read all that came back."""
    address = await connected(plane, leg, peer, **given)
    peer.send(address)
    await asyncio.sleep(0.05)
    drain(peer.rtp)
    return address


async def heard(plane: MediaPlane, leg: LegId, packets: int) -> None:
    """Wait until the leg has taken in so many packets."""
    deadline = time.monotonic() + 3
    while (count := (await plane.leg_stats(leg)).packets_received) < packets:
        assert time.monotonic() < deadline, f"{count} of {packets} packets arrived"
        await asyncio.sleep(0.01)
