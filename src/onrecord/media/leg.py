"""One leg in the media process: its two sockets, whom it listens to, and what it is sent.

Whom it listens to (RTP bleed): until a source is known the leg *learns*; it accepts the
negotiated address, or the first source that sends RTP of a negotiated payload type (peers behind
NAT send from elsewhere). From then on the kernel drops what anybody else sends. A source that has
fallen silent may come back from elsewhere (its NAT gave it another port): then what goes on with its
SSRC and sequence numbers is taken for it, which a stranger cannot know.
"""

import contextlib
import secrets
import socket
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from onrecord.core.units import NS_PER_S
from onrecord.media.outbound import OutboundStream
from onrecord.media.player import Player
from onrecord.media.route import NOWHERE, Route
from onrecord.media.sockets import Address, lock, peer_of, unlock
from onrecord.media.srtp import Protection, Rollover
from onrecord.rtp.header import FIXED_HEADER_BYTES
from onrecord.rtp.header import VERSION as RTP_VERSION
from onrecord.rtp.reception import Heard
from onrecord.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    build_compound,
    middle_ntp,
    ntp_time,
    parse_compound,
    round_trip_ms,
)
from onrecord.rtp.stats import LegStats
from onrecord.rtp.telephone_event import EventListener
from onrecord.sdp.negotiation import Media, MediaDirection
from onrecord.spool.format import INBOUND, OUTBOUND

if TYPE_CHECKING:
    from onrecord.media.mixing import Mixer

_UNSPECIFIED = ("0.0.0.0", "::")
_SENDING = (MediaDirection.SENDRECV, MediaDirection.SENDONLY)
_RECEIVING = (MediaDirection.SENDRECV, MediaDirection.RECVONLY)
_RTCP_BYTES = 1500
_RTCP_BURST = 32
"""RTCP datagrams that are read at most in one sweep."""


class MediaLeg:
    """State of one leg; the loop owns it and does the receiving."""

    def __init__(self, name: str, index: int, rtp: socket.socket, rtcp: socket.socket) -> None:
        self.name = name
        self.index = index
        self.rtp = rtp
        self.rtcp = rtcp
        self.media: Media | None = None
        self.source: Address | None = peer_of(rtp)
        """Whom it is locked to."""
        self.lost: Heard | None = None
        """Its source has fallen silent after this packet and may be another one now."""
        self.peer: MediaLeg | None = None
        """Where what it receives is passed on."""
        self.route: Route = NOWHERE
        """How that is done."""
        self.mixer: Mixer | None = None
        """While overlays lie over what it is sent."""
        self.deaf_to_digits = False
        """Digits of ``peer`` are not passed on to it."""
        self.protection: Protection | None = None
        """What the peer sends and is sent is SRTP."""
        self.silence_when_idle = False
        self.closed = False
        self.player = Player()
        self.listener = EventListener()
        self.out = OutboundStream(secrets.randbits(32), secrets.randbits(15), secrets.randbits(32))
        self.round_trip_ms: float | None = None
        self.sent_lost = 0
        """Packets of ours that the peer misses, by its last report."""
        self._cname = f"{secrets.token_hex(8)}@onrecord"
        self._rtcp_source: Address | None = None
        self._last_sr = 0
        self._last_sr_ns = 0
        self._packets_reported = 0

    @property
    def inbound_key(self) -> int:
        """Upper half of ``meta`` in the arena for what it receives."""
        return (2 * self.index + INBOUND) << 16

    @property
    def outbound_key(self) -> int:
        """The same for what it is sent."""
        return (2 * self.index + OUTBOUND) << 16

    @property
    def may_send(self) -> bool:
        """The peer takes audio now and has an address."""
        media = self.media
        return (
            media is not None
            and media.direction in _SENDING
            and (self.source is not None or media.remote.host not in _UNSPECIFIED)
        )

    @property
    def may_receive(self) -> bool:
        """The peer may send audio now."""
        return self.media is not None and self.media.direction in _RECEIVING

    def connect(self, media: Media, rollover: Rollover | None = None) -> None:
        """Take what was negotiated; another remote address than before is learnt anew.

        ``rollover`` is how far SRTP had come in a process before this one.
        """
        before = self.media
        self.media = media
        if media.srtp is None:
            self.protection = None
        elif self.protection is None:
            self.protection = Protection(media.srtp, rollover)
        else:
            self.protection.renew(media.srtp)
        if self.out.clock_rate != media.send_codec.clock_rate:
            self.out.clock_rate = media.send_codec.clock_rate
            self.out.renew()
        if before is not None and before.remote != media.remote:
            self._rtcp_source = self.lost = None
            if self.source is not None:
                unlock(self.rtp)
                self.source = None

    def reroute(self) -> None:
        """Work out anew what is passed on to ``peer``, after either side's media changed."""
        source, target = self.media, self.peer
        self.route = NOWHERE
        hears = target.hears if target is not None and target.may_send else None
        if source is not None and hears is not None and self.may_receive:
            self.route = Route.between(source, hears)
        for leg in (self, target):
            if leg is not None and leg.mixer is not None:
                leg.mixer.follow()

    @property
    def hears(self) -> Media | None:
        """Its media as far as what is passed on to it goes."""
        if self.media is None or not self.deaf_to_digits:
            return self.media
        return replace(self.media, telephone_event_payload_type=None)

    def accepts(self, datagram: memoryview, source: Address) -> bool:
        """Whether a datagram may be kept while it learns; locks to its source if so."""
        if self.source is not None:
            return source == self.source or self._comes_back(datagram, source)
        media = self.media
        if media is None or len(datagram) < FIXED_HEADER_BYTES or datagram[0] >> 6 != RTP_VERSION:
            return False
        negotiated = source == (media.remote.host, media.remote.port)
        if not negotiated and datagram[1] & 0x7F not in media.payload_types:
            return False
        if lock(self.rtp, source):
            self.source = source
        return self.source is not None

    @property
    def is_locked(self) -> bool:
        """The kernel lets through what its source sends and nothing else."""
        return self.source is not None and self.lost is None

    def doubt(self, last: Heard) -> None:
        """Listen to all again, as nothing came from the source after ``last``."""
        unlock(self.rtp)
        self.lost = last

    def trust(self) -> bool:
        """Lock to the source again, which is back; False when the kernel refuses it."""
        if self.source is None or not lock(self.rtp, self.source):
            return False
        self.lost = None
        return True

    def _comes_back(self, datagram: memoryview, source: Address) -> bool:
        """Whether a packet from elsewhere goes on with the stream that broke off; then it moves there."""
        if self.lost is None or self.media is None or len(datagram) < FIXED_HEADER_BYTES:
            return False
        known = datagram[0] >> 6 == RTP_VERSION and datagram[1] & 0x7F in self.media.payload_types
        sequence, ssrc = int.from_bytes(datagram[2:4], "big"), int.from_bytes(datagram[8:12], "big")
        if not known or not self.lost.continues(ssrc, sequence):
            return False
        self.source, self._rtcp_source = source, None
        return True

    def send(self, datagram: bytes) -> bool:
        """Send to the learnt source or else to the negotiated address; False when it failed."""
        if self.protection is not None:
            protected = self.protection.protect(datagram)
            if protected is None:
                return False
            datagram = protected
        try:
            self._send(datagram)
        except ConnectionRefusedError:
            # That was ICMP's word on an earlier packet; this one has not been tried yet.
            return self._send_again(datagram)
        except OSError:
            return False
        return True

    def read_rtcp(self) -> None:
        """Take in what the peer reports; datagrams of other hosts are passed over."""
        for _ in range(_RTCP_BURST):
            try:
                data, source = self.rtcp.recvfrom(_RTCP_BYTES)
            except OSError:
                return
            if source[0] in self._hosts():
                self._take_rtcp(data, (source[0], source[1]))

    def _take_rtcp(self, data: bytes, source: Address) -> None:
        clear = data if self.protection is None else self.protection.unprotect_rtcp(data)
        if clear is not None:
            self._rtcp_source = source
            self._reported(clear)

    def send_report(self, block: ReportBlock | None, now_ns: int) -> None:
        """Send SR, or RR when nothing was sent since the last, with SDES (RFC 3550 §6.4)."""
        blocks = () if block is None else (block,)
        report: SenderReport | ReceiverReport = ReceiverReport(self.out.ssrc, blocks)
        if self.out.packets != self._packets_reported:
            self._packets_reported = self.out.packets
            report = SenderReport(
                ssrc=self.out.ssrc,
                ntp=ntp_time(time.time_ns()),
                rtp_timestamp=self.out.timestamp_at(now_ns),
                packets=self.out.packets,
                octets=self.out.octets,
                blocks=blocks,
            )
        names = SourceDescription({self.out.ssrc: self._cname})
        self._send_rtcp(build_compound((report, names)))

    def send_goodbye(self) -> None:
        """Tell the peer that our stream has ended (RFC 3550 §6.6)."""
        names = SourceDescription({self.out.ssrc: self._cname})
        bye = Goodbye((self.out.ssrc,))
        self._send_rtcp(build_compound((ReceiverReport(self.out.ssrc), names, bye)))

    def last_sr(self, now_ns: int) -> tuple[int, int]:
        """LSR and DLSR for a report block that is sent now."""
        if not self._last_sr:
            return 0, 0
        return self._last_sr, (now_ns - self._last_sr_ns) * 65_536 // NS_PER_S

    def figures(self, heard: LegStats) -> LegStats:
        """What it has received, as ``heard`` tells, and what it was sent."""
        return replace(
            heard,
            packets_sent=self.out.packets,
            packets_sent_lost=self.sent_lost,
            round_trip_ms=self.round_trip_ms,
        )

    def close(self) -> None:
        """Close the descriptors of this process."""
        self.closed = True
        self.rtp.close()
        self.rtcp.close()

    def _send(self, datagram: bytes) -> None:
        if self.is_locked:
            self.rtp.send(datagram)
        elif self.source is not None:
            self.rtp.sendto(datagram, self.source)
        elif self.media is not None:
            self.rtp.sendto(datagram, (self.media.remote.host, self.media.remote.port))

    def _send_again(self, datagram: bytes) -> bool:
        try:
            self._send(datagram)
        except OSError:
            return False
        return True

    def _hosts(self) -> set[str]:
        hosts = {self.source[0]} if self.source else set()
        return hosts | {self.media.remote.host} if self.media else hosts

    def _reported(self, data: bytes) -> None:
        for packet in parse_compound(data):
            if isinstance(packet, SenderReport):
                self._last_sr, self._last_sr_ns = middle_ntp(packet.ntp), time.monotonic_ns()
            if isinstance(packet, SenderReport | ReceiverReport):
                for block in packet.blocks:
                    if block.ssrc == self.out.ssrc:
                        self.sent_lost = max(block.cumulative_lost, 0)
                        trip = round_trip_ms(block, time.time_ns())
                        self.round_trip_ms = self.round_trip_ms if trip is None else trip

    def _send_rtcp(self, datagram: bytes) -> None:
        target = self._rtcp_target()
        ready = datagram if self.protection is None else self.protection.protect_rtcp(datagram)
        if target is None or ready is None:
            return
        with contextlib.suppress(OSError):  # no route; the next report may pass
            self.rtcp.sendto(ready, target)

    def _rtcp_target(self) -> Address | None:
        """Where reports were heard from; else what was negotiated, unless RTP came from elsewhere."""
        if self._rtcp_source is not None or self.media is None:
            return self._rtcp_source
        remote = self.media.remote
        if self.source is not None and self.source != (remote.host, remote.port):
            return self.source[0], self.source[1] + 1
        return None if remote.host in _UNSPECIFIED else (remote.host, remote.rtcp_port)
