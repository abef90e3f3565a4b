"""The media process: one loop that ticks, without asyncio (``python -m onrecord.media.process``).

Between ticks it waits for commands of the control process, so that each is carried out at once.
When the control process goes away it folds what it holds and exits; recordings
then have no stop fact, which is how a later start knows that they were cut off.
"""

import argparse
import gc
import heapq
import itertools
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass, replace
from pathlib import Path

import structlog

from onrecord.core.logs import configure_logs
from onrecord.core.units import NS_PER_MS, NS_PER_S
from onrecord.media.capture import Capture, Recording, tracks_of
from onrecord.media.channel import Channel, Message
from onrecord.media.durability import Syncer
from onrecord.media.leg import MediaLeg
from onrecord.media.messages import codec_map, decode_media, encode_stats
from onrecord.media.outbound import SILENT_FRAME_NS
from onrecord.media.playing import Playing
from onrecord.media.receiver import Receiver
from onrecord.media.sockets import allow_descriptors
from onrecord.media.srtp import Rollover
from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import Media, MediaDirection
from onrecord.spool.writer import SpoolWriter

log = structlog.get_logger()

RELAY_TICK_NS = 5 * NS_PER_MS
REST_MS = 250
"""How long a process without legs sleeps; a command wakes it."""
REPORT_NS = NS_PER_S
REPORT_LEGS_NS = 5 * NS_PER_S
"""Figures of legs are only for the case that this process dies."""
RTCP_NS = 5 * NS_PER_S
"""Between reports; the first comes after half of it (RFC 3550 §6.2)."""

_TOGETHER_NS = 100 * NS_PER_MS
"""What legs do now and then is done for many at once: each alone would find its code and data
gone from the processor's caches, and take three times as long."""

LIVE_NS = 100 * NS_PER_MS
"""How often the packets of recordings that are listened to are moved to their spools."""
LISTEN_NS = 50 * NS_PER_MS
"""How often received packets are looked through for digits."""
_MOST_UNSENT_DIGITS = 1000
"""More are not kept for a control process that does not read."""
_LEGS_PER_REPORT = 200
"""So many figures fit in one message."""

Timer = Callable[[int], int | None]
"""Called when due, with the time; returns when it is due next, or None for never."""


@dataclass(frozen=True, slots=True)
class ProcessConfig:
    """The command line of a media process."""

    control_fd: int
    folder: Path
    """Its own: arena and journal."""
    data: Path
    """Whose file system is synced."""
    tick_ms: int
    fold_ms: int
    idle_packet_ms: int
    relearn_ms: int
    log_level: str
    log_format: str

    def arguments(self) -> list[str]:
        """The command line that :meth:`parse` reads."""
        return [f"--{name.replace('_', '-')}={value}" for name, value in asdict(self).items()]

    @classmethod
    def parse(cls, arguments: Sequence[str]) -> "ProcessConfig":
        """What :meth:`arguments` made."""
        parser = argparse.ArgumentParser()
        for name, kind in cls.__annotations__.items():
            parser.add_argument(f"--{name.replace('_', '-')}", type=kind, required=True)
        return cls(**vars(parser.parse_args(arguments)))


class MediaProcess:
    """The loop and the commands; everything here runs on one thread."""

    def __init__(self, config: ProcessConfig, channel: Channel) -> None:
        self._config = config
        self._channel = channel
        self._capture = Capture(config.folder)
        self._receiver = Receiver(self._capture)
        self._playing = Playing(self._capture, self._receiver, self._later, self._event)
        self._capture.digit_heard = self._digit
        self._syncer = Syncer(config.data)
        self._legs: dict[str, MediaLeg] = {}
        self._by_index: dict[int, MediaLeg] = {}
        self._free = itertools.count()
        self._freed: list[int] = []
        self._timers: list[tuple[int, int, Timer]] = []
        self._serial = itertools.count()
        self._ended = False
        self._late_ticks = 0
        self._operations: dict[str, Callable[[Message, list[int]], object]] = {
            "open": self._open,
            "connect": self._connect,
            "close": self._close,
            "bridge": self._bridge,
            "unbridge": self._unbridge,
            "start": self._start,
            "stop": self._stop,
            "pause": self._pause,
            "resume": self._resume,
            "play": self._play,
            "silence": self._silence,
            "press": self._press,
            "stats": self._stats,
            "go": self._go,
        }

    def run(self) -> None:
        """Until the control process goes away or :meth:`end` is called."""
        fold_ns = self._config.fold_ms * NS_PER_MS
        now_ns = time.monotonic_ns()
        self._later(now_ns + fold_ns, lambda due: self._fold(due, fold_ns))
        self._later(now_ns + REPORT_NS, self._report)
        self._later(now_ns + REPORT_LEGS_NS, self._report_legs)
        if self._config.relearn_ms:
            self._later(now_ns, self._doubt_silent)
        self._later(now_ns + LISTEN_NS, self._listen)
        self._later(now_ns + LIVE_NS, self._fold_live)
        self._channel.send({"ready": True})
        poll = select.poll()
        poll.register(self._channel.sock, select.POLLIN)
        while not self._ended:
            now_ns = self._tick(poll, now_ns) if self._legs else self._rest(poll)
            self._run_timers(time.monotonic_ns())

    def end(self) -> None:
        """Leave the loop at the next tick."""
        self._ended = True

    def close(self) -> None:
        """Write what is left. Nothing says that the recordings ended: they did not."""
        self._receiver.sweep()
        self._receiver.transcoding.close()
        self._capture.close()
        self._syncer.close()

    def _rest(self, poll: select.poll) -> int:
        """Without a leg there is nothing to read: wait for a command. Returns the time."""
        if poll.poll(REST_MS):
            self._answer()
        return time.monotonic_ns()

    def _tick(self, poll: select.poll, last_ns: int) -> int:
        """Wait for the tick after that of ``last_ns`` and read; returns its time."""
        tick_ns = self._tick_ns()
        due_ns = last_ns + tick_ns
        self._wait(poll, due_ns)
        self._receiver.sweep()
        now_ns = time.monotonic_ns()
        if now_ns - due_ns > tick_ns:
            self._late_ticks += 1
            return now_ns
        return due_ns  # ticks keep to their grid

    def _tick_ns(self) -> int:
        tick_ns = self._config.tick_ms * NS_PER_MS
        paced = self._receiver.relays or self._playing.active
        return min(tick_ns, RELAY_TICK_NS) if paced else tick_ns

    def _wait(self, poll: select.poll, until_ns: int) -> None:
        """Until the next tick; commands that come are carried out."""
        while not self._ended:
            left_ns = until_ns - time.monotonic_ns()
            if left_ns <= 0 or not poll.poll(left_ns / NS_PER_MS):
                return
            self._answer()

    def _answer(self) -> None:
        try:
            while (received := self._channel.receive()) is not None:
                message, descriptors = received
                self._channel.send({"id": message["id"], **self._carry_out(message, descriptors)})
        except (EOFError, ConnectionError):
            self.end()

    def _carry_out(self, message: Message, descriptors: list[int]) -> dict[str, object]:
        try:
            return {"result": self._operations[message["op"]](message, descriptors)}
        except (OSError, LookupError) as error:
            log.warning("command_failed", op=message["op"], error=repr(error))
            return {"error": f"{type(error).__name__}: {error}"}

    def _later(self, due_ns: int, timer: Timer) -> None:
        heapq.heappush(self._timers, (due_ns, next(self._serial), timer))

    def _run_timers(self, now_ns: int) -> None:
        while self._timers[0][0] <= now_ns:
            _, serial, timer = heapq.heappop(self._timers)
            due_ns = timer(now_ns)
            if due_ns is not None:
                heapq.heappush(self._timers, (due_ns, serial, timer))

    def _fold(self, now_ns: int, every_ns: int) -> int:
        self._capture.fold()
        return now_ns + every_ns

    def _fold_live(self, now_ns: int) -> int:
        self._capture.fold_live(now_ns)
        return now_ns + LIVE_NS

    def _transcoding(self) -> None:
        """Have the transcoding process run while a leg may need it: it takes long to start."""
        if any(leg.may_transcode for leg in self._legs.values()):
            self._receiver.transcoding.prepare()
        else:
            self._receiver.transcoding.rest()

    def _report(self, now_ns: int) -> int:
        self._transcoding()
        counts = self._capture.counts
        told = {"received": counts.received, "written": counts.written, "folds": counts.folds}
        told["late_ticks"] = self._late_ticks
        self._tell({"counts": told, "dropped": counts.dropped})
        secured = ((leg.name, leg.protection) for leg in self._legs.values() if leg.protection)
        come = iter([[name, *astuple(at)] for name, one in secured if (at := one.rollover)])
        while part := list(itertools.islice(come, _LEGS_PER_REPORT)):
            self._tell({"rollovers": part})
        return now_ns + REPORT_NS

    def _report_legs(self, now_ns: int) -> int:
        legs = iter(list(self._legs.values()))
        while part := list(itertools.islice(legs, _LEGS_PER_REPORT)):
            self._tell({"legs": {leg.name: encode_stats(self._figures(leg)) for leg in part}})
        return now_ns + REPORT_LEGS_NS

    def _listen(self, now_ns: int) -> int:
        self._capture.listen()
        return now_ns + LISTEN_NS

    def _digit(self, leg_index: int, ssrc: int, timestamp: int, payload: bytes) -> None:
        leg = self._by_index[leg_index]
        digit = leg.listener.read(ssrc, timestamp, payload)
        if digit is None:
            return
        if self._channel.unsent < _MOST_UNSENT_DIGITS:
            self._event({"leg": leg.name, "digit": digit})
        else:
            self._capture.counts.dropped["digit"] += 1

    def _event(self, message: Mapping[str, object]) -> None:
        """Tell what happened; unlike figures it is kept while the control process is busy."""
        try:
            self._channel.send(message)
        except ConnectionError:
            self.end()

    def _doubt_silent(self, now_ns: int) -> int:
        """Listen for peers that may have moved: those that should send and have fallen silent."""
        oldest_ns = now_ns - self._config.relearn_ms * NS_PER_MS
        for leg in self._legs.values():
            last = self._capture.reception.last(leg.index)
            silent = last is not None and last.arrival_ns < oldest_ns
            if last is not None and silent and leg.may_receive and leg.is_locked:
                leg.doubt(last)
                self._receiver.learn(leg)
                log.info("source_silent", leg=leg.name)
        return now_ns + min(REPORT_NS, self._config.relearn_ms * NS_PER_MS)

    def _tell(self, message: Message) -> None:
        try:
            if not self._channel.has_unsent:  # a control process that does not read gets no more
                self._channel.send(message)
            else:
                self._channel.flush()
        except ConnectionError:
            self.end()

    # Commands. Each may be repeated: it then changes nothing and answers the same.

    def _go(self, _: Message, __: list[int]) -> None:
        """Begin to read: all that there was before is known."""
        self._receiver.paused = False

    def _open(self, message: Message, descriptors: list[int]) -> None:
        rtp, rtcp = (socket.socket(fileno=fd) for fd in descriptors)
        name = message["leg"]
        if name in self._legs:
            rtp.close()
            rtcp.close()
            return
        leg = MediaLeg(name, self._freed.pop() if self._freed else next(self._free), rtp, rtcp)
        leg.may_transcode = message["may_transcode"]
        self._transcoding()
        self._legs[name] = self._by_index[leg.index] = leg
        self._capture.reception.reset(leg.index, 8000)
        self._receiver.add(leg)

    def _connect(self, message: Message, _: list[int]) -> None:
        leg = self._legs[message["leg"]]
        media = decode_media(message["media"])
        before = leg.media
        leg.silence_when_idle = message["silence_when_idle"]
        if media == before:
            return
        self._receiver.sweep()
        locked = leg.source
        rollover = message.get("rollover")
        secured = leg.protection is not None
        leg.connect(media, None if rollover is None else Rollover(*rollover))
        if before is None:
            now_ns = time.monotonic_ns()
            self._later(now_ns, lambda due: self._idle(leg, due))
            self._later(now_ns + RTCP_NS // 2, lambda due: self._rtcp(leg, due))
        if locked != leg.source:
            self._receiver.learn(leg)
        elif secured != (leg.protection is not None):
            self._receiver.settle(leg)
        self._capture.reception.set_clock_rate(leg.index, media.send_codec.clock_rate)
        self._capture.listen_for(leg.index, _event_types(media))
        leg.may_transcode = leg.may_transcode or not media.send_codec.is_g711
        self._transcoding()
        self._note_media(leg, before, media)
        for side in (leg, leg.peer):
            if side is not None:
                side.route()

    def _note_media(self, leg: MediaLeg, before: Media | None, after: Media) -> None:
        at_ns = time.monotonic_ns()
        if codec_map(before) != codec_map(after):
            self._capture.note(leg.index, "codecs", at_ns, codec_map(after))
        held = before is not None and before.direction != MediaDirection.SENDRECV
        holds = after.direction != MediaDirection.SENDRECV
        if holds:
            self._capture.note(leg.index, "hold", at_ns, {"direction": str(after.direction)})
        elif held:
            self._capture.note(leg.index, "resume_media", at_ns, {})

    def _close(self, message: Message, descriptors: list[int]) -> dict[str, object]:
        leg = self._legs.get(message["leg"])
        if leg is None:
            return encode_stats(LegStats())
        self._unbridge(message, descriptors)
        self._playing.close(leg)
        self._receiver.sweep()
        for recording in self._capture.of_leg(leg.index):
            self._capture.stop(recording, time.monotonic_ns(), "leg_closed")
        self._capture.fold_leg(leg.index)
        figures = self._figures(leg)
        leg.send_goodbye()
        self._receiver.remove(leg)
        leg.close()
        self._capture.listen_for(leg.index, ())
        del self._legs[leg.name], self._by_index[leg.index]
        self._freed.append(leg.index)
        self._syncer.want(bool(self._capture.recordings))
        return encode_stats(figures)

    def _bridge(self, message: Message, descriptors: list[int]) -> None:
        first, second = self._legs[message["first"]], self._legs[message["second"]]
        deaf = message["deaf"]
        same = all(leg.deaf_to_digits == (leg.name in deaf) for leg in (first, second))
        if first.peer is second and second.peer is first and same:
            return
        for leg in (first, second):
            self._unbridge({"leg": leg.name}, descriptors)
        first.peer, second.peer = second, first
        for leg in (first, second):
            leg.deaf_to_digits = leg.name in deaf
        for leg in (first, second):
            leg.route()
            self._receiver.settle(leg)

    def _unbridge(self, message: Message, _: list[int]) -> None:
        leg = self._legs[message["leg"]]
        for side in (leg, leg.peer):
            if side is not None:
                side.peer = None
                side.route()
                self._receiver.settle(side)

    def _start(self, message: Message, _: list[int]) -> int:
        known = self._capture.recordings.get(message["recording"])
        if known is not None:
            return known.started_ns
        leg = self._legs[message["leg"]]
        self._receiver.sweep()
        recording = Recording(
            id=message["recording"],
            leg_index=leg.index,
            tracks=tracks_of(message["track"]),
            writer=SpoolWriter(Path(message["path"])),
            started_ns=time.monotonic_ns(),
            paused=message["paused"],
            live=message["live"],
        )
        # What came while no process was there to read it still belongs to a recording that goes on.
        kind, since_ns = (
            ("media_replaced", 0) if message["resumed"] else ("start", recording.started_ns)
        )
        try:
            self._capture.start(recording, kind, codec_map(leg.media), since_ns)
        except OSError:
            recording.writer.close()
            raise
        self._syncer.want(wanted=True)
        self._beep(leg, recording, message.get("beep"))
        return recording.started_ns

    def _beep(self, leg: MediaLeg, recording: Recording, beep: Message | None) -> None:
        if beep is None:
            return
        at_ns = time.monotonic_ns()
        try:
            heard = self._playing.beep(leg, beep["clip"], at_ns)
        except OSError as error:
            log.exception("beep_failed", recording_id=recording.id, error=str(error))
            return
        if heard:
            self._capture.tell(recording, "beep", at_ns, beep["fact"])

    def _stop(self, message: Message, _: list[int]) -> int:
        recording = self._capture.recordings[message["recording"]]
        self._receiver.sweep()
        at_ns = time.monotonic_ns()
        self._capture.stop(recording, at_ns, message["reason"])
        self._syncer.want(bool(self._capture.recordings))
        return at_ns

    def _pause(self, message: Message, _: list[int]) -> int:
        recording = self._capture.recordings[message["recording"]]
        self._receiver.sweep()
        at_ns = time.monotonic_ns()
        if not recording.paused:
            self._capture.pause(recording, at_ns)
        return at_ns

    def _resume(self, message: Message, _: list[int]) -> int:
        recording = self._capture.recordings[message["recording"]]
        self._receiver.sweep()
        at_ns = time.monotonic_ns()
        if recording.paused:
            self._capture.resume(recording, at_ns)
        return at_ns

    def _play(self, message: Message, _: list[int]) -> None:
        self._playing.play(self._legs[message["leg"]], message, time.monotonic_ns())

    def _silence(self, message: Message, _: list[int]) -> None:
        leg = self._legs.get(message["leg"])
        if leg is not None:
            self._playing.stop(leg, message["playback"])

    def _press(self, message: Message, _: list[int]) -> None:
        leg = self._legs[message["leg"]]
        now_ns = time.monotonic_ns()
        self._playing.press(leg, message["digits"], message["duration_ms"], now_ns)

    def _stats(self, message: Message, _: list[int]) -> dict[str, object]:
        leg = self._legs[message["leg"]]
        self._capture.fold_leg(leg.index)
        return encode_stats(self._figures(leg))

    def _figures(self, leg: MediaLeg) -> LegStats:
        heard = self._capture.reception.figures(leg.index)
        return replace(
            heard,
            packets_sent=leg.out.packets,
            packets_sent_lost=leg.sent_lost,
            round_trip_ms=leg.round_trip_ms,
        )

    # Timers of a leg.

    def _idle(self, leg: MediaLeg, now_ns: int) -> int | None:
        """Keep a leg that is sent nothing awake with silence.

        The frames are not spooled: silence is what the timeline makes of a track without packets.
        """
        if leg.closed or leg.media is None:
            return None
        if leg.silence_when_idle and leg.peer is not None:
            return now_ns + _TOGETHER_NS
        idle_ns = self._config.idle_packet_ms * NS_PER_MS
        every_ns = SILENT_FRAME_NS if leg.silence_when_idle else idle_ns
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


def together(due_ns: int, every_ns: int) -> int:
    """The next moment that legs share, for what recurs so seldom that a tenth of a second is nothing."""
    return due_ns if every_ns < NS_PER_S else -(-due_ns // _TOGETHER_NS) * _TOGETHER_NS


def _event_types(media: Media) -> list[int]:
    """The payload types under which the peer sends telephone-events."""
    return [number for number, codec in media.payload_types.items() if codec.is_event]


def main(arguments: Sequence[str]) -> int:
    """Run a media process on the descriptor and with the settings of its command line."""
    config = ProcessConfig.parse(arguments)
    configure_logs(config.log_level, config.log_format, "media")
    allow_descriptors()
    channel = Channel(socket.socket(fileno=config.control_fd))
    process = MediaProcess(config, channel)
    # A terminal's Ctrl-C and a service's stop reach the whole group; calls end in the control process
    # first, and its going away ends us.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    # Nothing on the loop makes cycles, and a collection would stop it for milliseconds.
    gc.collect()
    gc.freeze()
    gc.disable()
    process.run()
    process.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
