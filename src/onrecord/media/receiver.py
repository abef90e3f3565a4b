"""Reads the RTP sockets into the arena, once per tick, and passes on what is relayed.

Sockets are in one of three epoll sets by what a packet costs. *Plain*: received straight into the
arena and looked at by the fold. *Relayed*: sent on at once as well, or SRTP, which is opened at once. *Slow*: RTCP, and legs that
learn their source, which need the sender's address of each datagram. Slow sockets have the
kernel stamp arrivals, as they may hold what came while no media process was there to read it.
"""

import select
import socket
import time
from collections.abc import Callable, Mapping, Sequence

import structlog

from onrecord.media.arena import PITCH, SLOT_BYTES
from onrecord.media.capture import Capture
from onrecord.media.leg import MediaLeg
from onrecord.media.route import Mapped, Route, passing_map
from onrecord.media.sockets import STAMP_BYTES, arrival_of, stamp_arrivals
from onrecord.media.transcoding import Transcoding

log = structlog.get_logger()

_BATCH = 512
_RELAY_BATCH = 256
_MOST_SLOTS = SLOT_BYTES // PITCH
_MARGIN = (_BATCH + 2 * _RELAY_BATCH) * _MOST_SLOTS
"""Slots that one round may fill if every datagram is as large as it can be."""
_ROUNDS = 64
"""A sweep takes at most so many datagrams of one socket: twice what a peer of 50 packets/s sends
in a stalled half second, and what bounds a flood to the cost of a hundred peers."""
_LEARN_BURST = 256

_Taken = tuple[int, int, int | None]
"""Slot, size and arrival of a datagram of a leg that learns."""


class Receiver:
    """The epoll sets and the sweep over them."""

    def __init__(self, capture: Capture) -> None:
        self._capture = capture
        self._plain = select.epoll()
        self._relayed = select.epoll()
        self._slow = select.epoll()
        self._plain_reads: dict[int, tuple[int, Callable[[memoryview], int]]] = {}
        self._relayed_legs: dict[int, MediaLeg] = {}
        self._alone: set[int] = set()
        """Descriptors among them of legs that are there for SRTP and not relayed."""
        self._slow_reads: dict[int, Callable[[], None]] = {}
        self.transcoding = Transcoding()
        self._transcoded: dict[int, MediaLeg] = {}
        self.mixed: dict[int, MediaLeg] = {}
        """Directions that overlays lie over, with the leg that hears them."""
        self.paused = True
        """Nothing is read: a new media process first learns what it is to go on with."""
        self._sets = (
            (self._plain, self._plain_reads),
            (self._relayed, self._relayed_legs),
            (self._slow, self._slow_reads),
        )

    @property
    def relays(self) -> bool:
        """Any leg is relayed."""
        return len(self._relayed_legs) > len(self._alone)

    def add(self, leg: MediaLeg) -> None:
        """Read a leg's sockets from now on; it learns first, even when it is locked already.

        A locked socket may still hold what strangers had sent before the lock.
        """
        self._slow.register(leg.rtcp, select.EPOLLIN)
        self._slow_reads[leg.rtcp.fileno()] = leg.read_rtcp
        self.learn(leg)

    def learn(self, leg: MediaLeg) -> None:
        """Look at the source of each of its datagrams until it is locked and drained."""
        self._take_out(leg.rtp)
        stamp_arrivals(leg.rtp, wanted=True)
        self._slow.register(leg.rtp, select.EPOLLIN)
        self._slow_reads[leg.rtp.fileno()] = lambda: self._read_learning(leg)

    def settle(self, leg: MediaLeg) -> None:
        """Put a locked leg where it belongs, after its peer came or went."""
        fd = leg.rtp.fileno()
        if fd not in self._slow_reads:
            self._place(leg)

    def remove(self, leg: MediaLeg) -> None:
        """Read it no more."""
        self._take_out(leg.rtp)
        self._take_out(leg.rtcp)

    def keep(self, key: int, datagram: bytes, now_ns: int) -> None:
        """Put a datagram that was sent at ``now_ns``, not received, into the arena."""
        self._make_room(_MOST_SLOTS)
        self._capture.arena.mark(now_ns)
        self._capture.arena.put(key, datagram)

    def sweep(self) -> None:
        """Take what has come: one datagram of each ready socket per round, until none is ready."""
        if self.paused:
            return
        for fd, _ in self._slow.poll(0):
            self._slow_reads[fd]()
        if self._transcoded or self.transcoding.runs:
            self._pass_transcoded()
        for _ in range(_ROUNDS):
            now_ns = self._mark(_MARGIN)
            if not self._sweep_plain() + self._sweep_relayed(now_ns):
                break
        self.transcoding.flush()

    def _make_room(self, slots: int) -> None:
        if not self._capture.arena.has_room(slots):
            self._capture.fold()
            self._capture.arena.has_room(slots)

    def _mark(self, slots: int) -> int:
        self._make_room(slots)
        now_ns = time.monotonic_ns()
        self._capture.arena.mark(now_ns)
        return now_ns

    def _sweep_plain(self) -> int:
        arena = self._capture.arena
        slots, meta, used = arena.slots, arena.meta, arena.used
        reads = self._plain_reads
        ready = self._plain.poll(0, _BATCH)
        try:
            for fd, _ in ready:
                key, receive_into = reads[fd]
                size = receive_into(slots[used])
                meta[used] = key | size
                used += 1 if size <= PITCH else -(-size // PITCH)
        except OSError:
            # ICMP's word on something sent: reading cleared it. The rest is ready in the next round.
            self._capture.counts.dropped["icmp"] += 1
        finally:
            arena.used = used
        return len(ready)

    def _sweep_relayed(self, now_ns: int) -> int:
        if not self._relayed_legs:
            return 0
        arena = self._capture.arena
        ready = self._relayed.poll(0, _RELAY_BATCH)
        for fd, _ in ready:
            leg = self._relayed_legs[fd]
            slot = arena.slots[arena.used]
            try:
                size = leg.rtp.recv_into(slot)
            except OSError:
                self._capture.counts.dropped["icmp"] += 1
                continue
            if leg.protection is not None and not (size := self._open(leg, slot, size)):
                continue
            arena.took(leg.inbound_key, size)
            self._pass_on(leg, slot[:size], now_ns)
        return len(ready)

    def _open(self, leg: MediaLeg, slot: memoryview, size: int) -> int:
        """Turn the SRTP in the slot to RTP; its size, or 0 when it is not the peer's."""
        clear = leg.protection.unprotect(bytes(slot[:size])) if leg.protection else None
        if clear is None:
            self._capture.counts.dropped["srtp"] += 1
            return 0
        slot[: len(clear)] = clear
        return len(clear)

    def _pass_on(self, leg: MediaLeg, packet: memoryview, now_ns: int) -> None:
        route = leg.route
        if route.convertible and len(packet) > 1 and packet[1] & 0x7F in route.convertible:
            self.begin_transcoding(leg)
            route = leg.route
        if route.transcoding is None:
            self._send_on(leg, packet, now_ns)
        elif leg.peer is not None and leg.peer.player.audible:
            return
        elif not self.transcoding.put(route.transcoding, bytes(packet)):
            self._capture.counts.dropped["transcode"] += 1

    def begin_transcoding(self, leg: MediaLeg) -> None:
        """Have all that the leg says go through the transcoding process on its way to its peer."""
        if leg.media is not None and leg.peer is not None and leg.peer.media is not None:
            hears = leg.peer.hears or leg.peer.media
            number = self.transcoding.open(leg.media, hears)
            self._transcoded[number] = leg
            leg.route = Route.through(number, hears)

    def _pass_transcoded(self) -> None:
        made = self.transcoding.take()
        now_ns = self._mark(len(made) * _MOST_SLOTS)
        for number, packet in made:
            leg = self._transcoded.get(number)
            if number in self.mixed:
                self._send_mixed(self.mixed[number], memoryview(packet), now_ns)
            elif leg is not None and leg.route.transcoding == number:
                self._send_on(leg, memoryview(packet), now_ns)
        self._capture.counts.dropped["transcode"] += self.transcoding.take_given_up()
        for number, leg in list(self._transcoded.items()):
            if leg.route.transcoding != number:
                del self._transcoded[number]
                self.transcoding.close_direction(number)

    def _send_on(self, leg: MediaLeg, packet: memoryview, now_ns: int) -> None:
        peer, mapping = leg.peer, leg.route.mapping
        if peer is not None and mapping and not peer.player.audible:
            self._send_to(peer, mapping, packet, now_ns)

    def _send_mixed(self, leg: MediaLeg, packet: memoryview, now_ns: int) -> None:
        if leg.media is not None and leg.may_send and not leg.player.interrupts:
            self._send_to(leg, passing_map(leg.media), packet, now_ns)

    def _send_to(
        self, leg: MediaLeg, mapping: Mapping[int, Mapped], packet: memoryview, now_ns: int
    ) -> None:
        datagram = leg.out.relayed(packet, mapping, now_ns)
        if datagram is None:
            self._capture.counts.dropped["not_relayed"] += 1
        elif not leg.send(datagram):
            self._capture.counts.dropped["send"] += 1
        elif self._capture.is_recorded(leg.outbound_key >> 16):
            self._capture.arena.put(leg.outbound_key, datagram)

    def _read_learning(self, leg: MediaLeg) -> None:
        self._mark(2 * _MOST_SLOTS * _LEARN_BURST)
        taken: list[_Taken] = []
        drained = False
        for _ in range(_LEARN_BURST):
            try:
                self._take_learning(leg, taken)
            except BlockingIOError:
                drained = True
                break
            except OSError:
                self._capture.counts.dropped["icmp"] += 1
        self._mark_arrivals(taken)
        now_ns = time.monotonic_ns()
        self._capture.arena.mark(now_ns)
        for slot, size, _ in taken:
            self._pass_on(leg, self._capture.arena.slots[slot][:size], now_ns)
        if drained and leg.is_locked and leg.source is not None:
            log.info("source_learnt", leg=leg.name, port=leg.source[1])
            self._place(leg)

    def _take_learning(self, leg: MediaLeg, taken: list[_Taken]) -> None:
        arena = self._capture.arena
        slot = arena.slots[arena.used]
        size, extra, _, source = leg.rtp.recvmsg_into([slot], STAMP_BYTES)
        if leg.protection is not None and not (size := self._open(leg, slot, size)):
            return
        if leg.accepts(slot[:size], source[:2]) and (leg.lost is None or leg.trust()):
            utc_offset_ns = time.time_ns() - time.monotonic_ns()
            taken.append((arena.used, size, arrival_of(extra, utc_offset_ns)))
            arena.took(leg.inbound_key, size)
        else:
            self._capture.counts.dropped["early" if leg.media is None else "foreign"] += 1

    def _mark_arrivals(self, taken: Sequence[_Taken]) -> None:
        """Note when each datagram came.

        What came before the kernel was asked to stamp is stamped when it is read; it cannot have
        come later than what was queued behind it.
        """
        latest_ns = time.monotonic_ns()
        marks: list[tuple[int, int]] = []
        for slot, _, arrival_ns in reversed(taken):
            latest_ns = latest_ns if arrival_ns is None else min(latest_ns, arrival_ns)
            marks.append((slot, latest_ns))
        for slot, at_ns in reversed(marks):
            self._capture.arena.mark_slot(slot, at_ns)

    def _place(self, leg: MediaLeg) -> None:
        self._take_out(leg.rtp)
        stamp_arrivals(leg.rtp, wanted=False)
        fd = leg.rtp.fileno()
        if leg.peer is None and leg.protection is None:
            self._plain_reads[fd] = (leg.inbound_key, leg.rtp.recv_into)
            self._plain.register(fd, select.EPOLLIN)
        else:
            self._relayed_legs[fd] = leg
            if leg.peer is None:
                self._alone.add(fd)
            self._relayed.register(fd, select.EPOLLIN)

    def _take_out(self, sock: socket.socket) -> None:
        fd = sock.fileno()
        self._alone.discard(fd)
        for epoll, reads in self._sets:
            if reads.pop(fd, None) is not None:
                epoll.unregister(fd)
