"""The media process: one loop that ticks, without asyncio (``python -m onrecord.media.process``).

Between ticks it waits for commands of the control process, so that each is carried out at once.
When the control process goes away it folds what it holds and exits; recordings
then have no stop fact, which is how a later start knows that they were cut off.
"""

import argparse
import gc
import itertools
import select
import signal
import socket
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, astuple, dataclass
from pathlib import Path

import structlog

from onrecord.core.logs import configure_logs
from onrecord.core.units import NS_PER_MS, NS_PER_S
from onrecord.media.capture import Capture
from onrecord.media.channel import Channel, Message
from onrecord.media.commands.legs import LegCommands
from onrecord.media.commands.recordings import RecordingCommands
from onrecord.media.commands.sounds import SoundCommands
from onrecord.media.durability import Syncer
from onrecord.media.legs import Legs
from onrecord.media.messages import encode_stats
from onrecord.media.playing import Playing
from onrecord.media.receiver import Receiver
from onrecord.media.sockets import allow_descriptors
from onrecord.media.timers import Timers
from onrecord.media.upkeep import Upkeep

log = structlog.get_logger()

RELAY_TICK_NS = 5 * NS_PER_MS
OFF_BEAT = 0.99
"""Ticks are so much shorter than they are called. Else packets of 20 ms would come at the same moment between two
ticks for as long as a call lasts, and the loop's delay would be taken for theirs. So each stream has
packets that come right before a tick, and they tell its least delay."""
REST_MS = 250
"""How long a process without legs sleeps; a command wakes it."""
REPORT_NS = NS_PER_S
REPORT_LEGS_NS = 5 * NS_PER_S
"""Figures of legs are only for the case that this process dies."""
LIVE_NS = 100 * NS_PER_MS
"""How often the packets of recordings that are listened to are moved to their spools."""
LISTEN_NS = 50 * NS_PER_MS
"""How often received packets are looked through for digits."""
_MOST_UNSENT_DIGITS = 1000
"""More are not kept for a control process that does not read."""
_LEGS_PER_REPORT = 200
"""So many figures fit in one message."""


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
    """The loop, its timers and its reports; everything here runs on one thread."""

    def __init__(self, config: ProcessConfig, channel: Channel) -> None:
        self._config = config
        self._channel = channel
        self._timers = Timers()
        self._legs = Legs()
        self._capture = Capture(config.folder)
        self._receiver = Receiver(self._capture)
        self._playing = Playing(self._capture, self._receiver, self._timers.at, self._event)
        self._upkeep = Upkeep(
            self._timers,
            self._legs,
            self._capture,
            self._receiver,
            idle_ns=config.idle_packet_ms * NS_PER_MS,
            relearn_ns=config.relearn_ms * NS_PER_MS,
        )
        self._syncer = Syncer(config.data)
        self._capture.digit_heard = self._digit
        self._ended = False
        self._late_ticks = 0
        self._operations = self._commands()

    def _commands(self) -> Mapping[str, Callable[[Message], object]]:
        recordings = RecordingCommands(
            self._legs, self._capture, self._receiver, self._playing, self._syncer
        )
        legs = LegCommands(
            self._legs,
            self._capture,
            self._receiver,
            self._playing,
            upkeep=self._upkeep,
            recordings=recordings,
        )
        sounds = SoundCommands(self._legs, self._playing)
        return {
            "go": self._go,
            "open": legs.open,
            "connect": legs.connect,
            "bridge": legs.bridge,
            "unbridge": legs.unbridge,
            "stats": legs.stats,
            "close": legs.close,
            "start": recordings.start,
            "pause": recordings.pause,
            "resume": recordings.resume,
            "stop": recordings.stop,
            "play": sounds.play,
            "silence": sounds.silence,
            "press": sounds.press,
        }

    def run(self) -> None:
        """Until the control process goes away or :meth:`end` is called."""
        now_ns = time.monotonic_ns()
        for every_ns, timer in (
            (self._config.fold_ms * NS_PER_MS, self._fold),
            (REPORT_NS, self._report),
            (REPORT_LEGS_NS, self._report_legs),
            (LISTEN_NS, self._listen),
            (LIVE_NS, self._fold_live),
        ):
            self._timers.at(now_ns + every_ns, timer)
        self._upkeep.begin()
        self._channel.send({"ready": True})
        poll = select.poll()
        poll.register(self._channel.sock, select.POLLIN)
        while not self._ended:
            now_ns = self._tick(poll, now_ns) if self._legs.by_name else self._rest(poll)
            self._timers.run(time.monotonic_ns())

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
        """Wait for the tick after that of ``last_ns`` and read; returns its time.

        While a clip is played a timer makes it come earlier: frames leave when they are due.
        """
        tick_ns = self._tick_ns()
        due_ns = last_ns + tick_ns
        if self._playing.active and (first_ns := self._timers.first_ns) is not None:
            due_ns = min(due_ns, max(first_ns, last_ns))
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
        return round(OFF_BEAT * (min(tick_ns, RELAY_TICK_NS) if paced else tick_ns))

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
                message["descriptors"] = descriptors
                self._channel.send({"id": message["id"], **self._carry_out(message)})
        except (EOFError, ConnectionError):
            self.end()

    def _carry_out(self, message: Message) -> dict[str, object]:
        try:
            return {"result": self._operations[message["op"]](message)}
        except (OSError, LookupError) as error:
            log.warning("command_failed", op=message["op"], error=repr(error))
            return {"error": f"{type(error).__name__}: {error}"}

    def _go(self, _: Message) -> None:
        """Begin to read: all that there was before is known."""
        self._receiver.paused = False

    def _fold(self, now_ns: int) -> int:
        self._capture.fold()
        return now_ns + self._config.fold_ms * NS_PER_MS

    def _fold_live(self, now_ns: int) -> int:
        self._capture.fold_live(now_ns)
        return now_ns + LIVE_NS

    def _report(self, now_ns: int) -> int:
        self._receiver.transcoding.tend()
        counts = self._capture.counts
        told = {"received": counts.received, "written": counts.written, "folds": counts.folds}
        told["late_ticks"] = self._late_ticks
        self._tell({"counts": told, "dropped": counts.dropped})
        secured = ((leg.name, leg.protection) for leg in self._legs if leg.protection)
        come = iter([[name, *astuple(at)] for name, one in secured if (at := one.rollover)])
        while part := list(itertools.islice(come, _LEGS_PER_REPORT)):
            self._tell({"rollovers": part})
        return now_ns + REPORT_NS

    def _report_legs(self, now_ns: int) -> int:
        legs = iter(list(self._legs))
        figures = self._capture.reception.figures
        while part := list(itertools.islice(legs, _LEGS_PER_REPORT)):
            told = {leg.name: encode_stats(leg.figures(figures(leg.index))) for leg in part}
            self._tell({"legs": told})
        return now_ns + REPORT_LEGS_NS

    def _listen(self, now_ns: int) -> int:
        self._capture.listen()
        return now_ns + LISTEN_NS

    def _digit(self, leg_index: int, ssrc: int, timestamp: int, payload: bytes) -> None:
        leg = self._legs.by_index[leg_index]
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

    def _tell(self, message: Message) -> None:
        try:
            if not self._channel.has_unsent:  # a control process that does not read gets no more
                self._channel.send(message)
            else:
                self._channel.flush()
        except ConnectionError:
            self.end()


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
