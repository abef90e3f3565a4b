"""What legs need from time to time: silence while they are sent nothing else, RTCP, and doubt about silent peers."""

import time

import structlog

from onrecord.core.units import NS_PER_MS, NS_PER_S
from onrecord.media.capture import Capture
from onrecord.media.leg import MediaLeg
from onrecord.media.legs import Legs
from onrecord.media.outbound import SILENT_FRAME_NS
from onrecord.media.receiver import Receiver
from onrecord.media.timers import Timers
from onrecord.rtp.reception import Heard

log = structlog.get_logger()

RTCP_NS = 5 * NS_PER_S
"""Between reports; the first comes after half of it (RFC 3550 §6.2)."""
DOUBT_NS = NS_PER_S
"""Peers that have fallen silent are looked for as often, at least."""

_TOGETHER_NS = 100 * NS_PER_MS
"""What legs do now and then is done for many at once: each alone would find its code and data
gone from the processor's caches, and take three times as long."""


class Upkeep:
    """Arms the timers of each leg and of all."""

    def __init__(
        self,
        timers: Timers,
        legs: Legs,
        capture: Capture,
        receiver: Receiver,
        *,
        idle_ns: int,
        relearn_ns: int,
    ) -> None:
        """After ``idle_ns`` a leg is sent silence; after ``relearn_ns`` a silent peer may have moved, unless 0."""
        self._timers = timers
        self._legs = legs
        self._capture = capture
        self._receiver = receiver
        self._idle_ns = idle_ns
        self._relearn_ns = relearn_ns

    def begin(self) -> None:
        """Watch for silent peers from now on."""
        if self._relearn_ns:
            self._timers.at(time.monotonic_ns(), self._doubt_silent)

    def take(self, leg: MediaLeg) -> None:
        """Look after a leg, now that its media is known, until it is closed."""
        now_ns = time.monotonic_ns()
        self._timers.at(now_ns, lambda due: self._idle(leg, due))
        self._timers.at(now_ns + RTCP_NS // 2, lambda due: self._rtcp(leg, due))

    def _idle(self, leg: MediaLeg, now_ns: int) -> int | None:
        """Keep a leg that is sent nothing awake with silence.

        The frames are not spooled: silence is what the timeline makes of a track without packets.
        """
        if leg.closed or leg.media is None:
            return None
        if leg.silence_when_idle and leg.peer is not None:
            return now_ns + _TOGETHER_NS
        every_ns = SILENT_FRAME_NS if leg.silence_when_idle else self._idle_ns
        last_ns = leg.out.last_sent_ns
        if last_ns + every_ns > now_ns:
            return together(last_ns + every_ns, every_ns)
        if leg.player.audible:
            return now_ns + every_ns
        if leg.may_send:
            frame = leg.out.silence(leg.media, now_ns)
            if frame is not None and not leg.send(frame):
                self._capture.counts.dropped["send"] += 1
        due_ns = last_ns + 2 * every_ns
        return together(due_ns if due_ns > now_ns else now_ns + every_ns, every_ns)

    def _rtcp(self, leg: MediaLeg, now_ns: int) -> int | None:
        if leg.closed:
            return None
        block = self._capture.reception.report(leg.index, *leg.last_sr(now_ns))
        leg.send_report(block, now_ns)
        return together(now_ns + RTCP_NS, RTCP_NS)

    def _doubt_silent(self, now_ns: int) -> int:
        """Listen for peers that may have moved: those that should send and have fallen silent."""
        for leg in self._legs:
            if leg.may_receive and leg.is_locked:
                last = self._silent_since(leg, now_ns - self._relearn_ns)
                if last is not None:
                    leg.doubt(last)
                    self._receiver.learn(leg)
                    log.info("source_silent", leg=leg.name)
        return now_ns + min(DOUBT_NS, self._relearn_ns)

    def _silent_since(self, leg: MediaLeg, oldest_ns: int) -> Heard | None:
        """The last packet that a leg received, if that was before ``oldest_ns``."""
        last = self._capture.reception.last(leg.index)
        if last is not None and last.arrival_ns < oldest_ns:
            self._capture.fold_leg(leg.index)  # something may have come since the last fold
            last = self._capture.reception.last(leg.index)
        return last if last is not None and last.arrival_ns < oldest_ns else None


def together(due_ns: int, every_ns: int) -> int:
    """The next moment that legs share, for what recurs so seldom that a tenth of a second is nothing."""
    return due_ns if every_ns < NS_PER_S else -(-due_ns // _TOGETHER_NS) * _TOGETHER_NS
