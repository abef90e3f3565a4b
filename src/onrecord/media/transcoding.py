"""The transcoding process: codecs cost the loop, and the calls that need none, no time.

The loop hands it packets over a socket and takes what it made at its next sweep. It is started as soon as
a leg is opened that may need it and ends when no leg does any more. What it has no room for waits here,
in order: a start, or a machine that is busy, delays audio and loses none. What waits is bounded by its
number and its age, and what is given up is counted. Run as ``python -m onrecord.media.transcoding FD``.

A message costs more than a packet in it, so what one sweep brings goes in as few as it fits in, and comes
back in as many. One to the process is jobs, one from it is results, back to back, all big-endian::

    job:    kind u8 | number of the direction u32 | monotonic ns u64 | bytes u16 | packet, frame or JSON
    result: number of the direction u32 | jobs of it done u32 | bytes u16 | packet, or nothing

A result of number 0 tells how many jobs were given up; the first one, that the process is ready.
"""

import contextlib
import itertools
import json
import signal
import socket
import struct
import subprocess
import sys
import time
from collections import Counter, deque
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

import structlog

from onrecord.audio.payloads import make_encoder
from onrecord.core.units import NS_PER_S
from onrecord.media.messages import decode_media, encode_media
from onrecord.media.transcoder import Transcoder
from onrecord.sdp.negotiation import Media

MOST_AGE_NS = NS_PER_S
"""A packet that the process comes to later than that is given up: it must not run behind for ever."""
MOST_START_NS = 5 * NS_PER_S
"""The same while it starts."""
MOST_WAITING = 8192
"""Packets that wait for room in the socket."""
RESTART_SECONDS = 1.0
"""Between two starts, when the process dies."""
REST_SECONDS = 30.0
"""How long it stays when no leg needs it."""

_JOB = struct.Struct("!BIQH")
_RESULT = struct.Struct("!IIH")
_SALT = 0x9E3779B1
"""Odd: its multiples differ in all bits."""
_BATCH = 64
_BATCH_BYTES = 16_384
"""A message has no more jobs or results, and ends with the one that reaches so many bytes. The process
sends nothing before a whole message is done: about 3 ms of work, less than a sweep waits."""
_MOST_BYTES = 2 * _BATCH_BYTES
_MOST_TAKEN = 512 - _BATCH
"""Packets that are taken at once, or a message more: the rest is there at the next sweep."""

log = structlog.get_logger()


class _Kind(IntEnum):
    MESSAGE = 0
    PACKET = 1
    OVERLAY = 2


@dataclass(slots=True)
class _Direction:
    source: Media
    target: Media
    given: int = 0
    """Jobs that were handed over or wait."""
    done: int = 0


@dataclass(slots=True)
class _Waiting:
    kind: _Kind
    number: int
    data: bytes
    since_ns: int

    def packed(self) -> bytes:
        return _JOB.pack(self.kind, self.number, self.since_ns, len(self.data)) + self.data


class Transcoding:
    """The loop's end; nothing here waits but for the start of the process. A *direction* is one leg's audio on its way to another."""

    def __init__(self) -> None:
        self._needing: set[str] = set()
        """Legs that may turn out to need it."""
        self._numbers = itertools.count(1)
        self._directions: dict[int, _Direction] = {}
        self._waiting: deque[_Waiting] = deque()
        self._sock: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._ready = False
        """It has told that it runs."""
        self._started = 0.0
        self._needed = 0.0
        self._given_up = 0
        self._given_up_there = 0
        """By the process that runs, as it last told."""

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid if self._process else None

    @property
    def runs(self) -> bool:
        """There is a process, ready or not."""
        return self._sock is not None

    @property
    def is_ready(self) -> bool:
        """What it is given is done at once."""
        return self._ready

    def need(self, leg: str) -> None:
        """A leg may need the process, which takes long to start: have it run from now on."""
        self._needing.add(leg)
        self.prepare()

    def spare(self, leg: str) -> None:
        """A leg is gone."""
        self._needing.discard(leg)

    def tend(self) -> None:
        """To be called now and then: start a process that has died, end one that no leg needs for a while."""
        if self._needing:
            self.prepare()
            return
        idle = time.monotonic() - self._needed > REST_SECONDS
        if self._sock is not None and idle and not self._directions:
            self.close()
            log.info("transcoding_ended")

    def prepare(self) -> None:
        """Start the process, if it does not run and has not just died."""
        self._needed = time.monotonic()
        if self._sock is None and self._needed - self._started > RESTART_SECONDS:
            self._start()

    def open(self, source: Media, target: Media) -> int:
        """A new direction; its number is for :meth:`put` and :meth:`close_direction`."""
        number = next(self._numbers)
        self._directions[number] = _Direction(source, target)
        self.prepare()
        self._tell(number)
        return number

    def close_direction(self, number: int) -> None:
        """Nothing more comes of it."""
        if self._directions.pop(number, None) is not None:
            self._say({"close": number})

    def put(self, number: int, packet: bytes) -> bool:
        """Have a packet transcoded; False when too much waits already."""
        return self._give(_Kind.PACKET, number, packet)

    def overlay(self, number: int, frame: bytes) -> bool:
        """Have a frame of an overlay (see :meth:`Transcoder.overlay`) lie over what comes next."""
        return self._give(_Kind.OVERLAY, number, frame)

    def at_rest(self, number: int) -> bool:
        """All that came of what a direction was given has been taken."""
        direction = self._directions.get(number)
        return direction is None or direction.given == direction.done

    def take(self) -> list[tuple[int, bytes]]:
        """What has been made since the last time, in order, with its direction; the rest next time."""
        made: list[tuple[int, bytes]] = []
        while len(made) < _MOST_TAKEN and (data := self._received()) is not None:
            for (number, count, _), packet in _parts(_RESULT, data):
                direction = self._directions.get(number)
                if not number:
                    self._told(count)
                elif direction is not None:
                    direction.done = count
                    if packet:
                        made.append((number, packet))
        self.flush()
        return made

    def flush(self) -> None:
        """Hand over what the socket has room for, in order. To be called when a sweep has put all it has."""
        while self._ready and self._waiting and self._sock is not None:
            jobs = self._next_jobs()
            try:
                self._sock.send(b"".join([job.packed() for job in jobs]))
            except BlockingIOError:
                return
            except OSError:
                log.exception("transcoding_process_lost")
                self.close()
                return
            for _ in jobs:
                self._waiting.popleft()

    def take_given_up(self) -> int:
        """How many packets and frames were given up since the last time."""
        given_up, self._given_up = self._given_up, 0
        return given_up

    def close(self) -> None:
        """End the process; packets that wait are kept for the next one."""
        self._ready = False
        self._given_up_there = 0
        self._waiting = deque(job for job in self._waiting if job.kind is not _Kind.MESSAGE)
        waiting = Counter(job.number for job in self._waiting)
        for number, direction in self._directions.items():
            self._given_up += max(direction.given - direction.done - waiting[number], 0)
            direction.given, direction.done = waiting[number], 0
        if self._sock is not None:
            self._sock.close()
            self._sock = None
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            self._process = None

    def _start(self) -> None:
        self._started = time.monotonic()
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        ours.setblocking(False)
        command = [sys.executable, "-m", "onrecord.media.transcoding", str(theirs.fileno())]
        with theirs:
            self._process = subprocess.Popen(  # noqa: S603 -- our own module
                command, pass_fds=(theirs.fileno(),)
            )
        self._sock = ours
        kept, self._waiting = self._waiting, deque()
        for number in self._directions:
            self._tell(number)
        self._waiting += kept
        log.info("transcoding_started", pid=self._process.pid)

    def _received(self) -> bytes | None:
        if self._sock is None:
            return None
        try:
            data = self._sock.recv(_MOST_BYTES)
        except BlockingIOError:
            return None
        except OSError:
            data = b""
        if not data:
            log.error("transcoding_process_died")
            self.close()
        return data or None

    def _told(self, given_up: int) -> None:
        if not self._ready:
            self._ready = True
            now_ns = time.monotonic_ns()
            for job in self._waiting:  # the start is over: from now on the shorter bound counts
                if now_ns - job.since_ns < MOST_START_NS:
                    job.since_ns = now_ns
        self._given_up += given_up - self._given_up_there
        self._given_up_there = given_up

    def _tell(self, number: int) -> None:
        direction = self._directions[number]
        source, target = map(_without_keys, (direction.source, direction.target))
        self._say({"open": number, "source": source, "target": target})

    def _say(self, message: dict[str, object]) -> None:
        if self._sock is not None:  # one that is not there yet is told everything when it starts
            self._wait(_Kind.MESSAGE, 0, json.dumps(message).encode())

    def _give(self, kind: _Kind, number: int, data: bytes) -> bool:
        self.prepare()
        direction = self._directions.get(number)
        if direction is None or len(self._waiting) >= MOST_WAITING:
            return False
        direction.given += 1
        self._wait(kind, number, data)
        return True

    def _wait(self, kind: _Kind, number: int, data: bytes) -> None:
        self._waiting.append(_Waiting(kind, number, data, time.monotonic_ns()))

    def _next_jobs(self) -> list[_Waiting]:
        """What the next message has."""
        jobs, size = [], 0
        for job in itertools.islice(self._waiting, _BATCH):
            jobs.append(job)
            size += _JOB.size + len(job.data)
            if size >= _BATCH_BYTES:
                break
        return jobs


def _parts(head: struct.Struct, message: bytes) -> Iterator[tuple[tuple[int, ...], bytes]]:
    """The jobs or results of a message: what stands before each, and what follows."""
    at = 0
    while at < len(message):
        fields = head.unpack_from(message, at)
        begin = at + head.size
        at = begin + fields[-1]
        yield fields, message[begin:at]


def _without_keys(media: Media) -> dict[str, object]:
    return encode_media(media) | {"srtp": None}


class _Worker:
    """The process's end."""

    def __init__(self, sock: socket.socket) -> None:
        self._sock = sock
        self._directions: dict[int, tuple[Transcoder, itertools.count[int]]] = {}
        self._given_up = 0
        self._results: list[bytes] = []
        self._results_bytes = 0

    def serve(self) -> None:
        """Until the loop's end is closed."""
        for name in ("OPUS", "G722"):
            make_encoder(name)  # which loads what they need
        self._add(0, 0)
        self._send()
        while message := self._sock.recv(_MOST_BYTES):
            for (kind, number, since_ns, _), data in _parts(_JOB, message):
                if kind == _Kind.MESSAGE:
                    self._change(json.loads(data))
                elif number in self._directions:
                    late = time.monotonic_ns() - since_ns > MOST_AGE_NS
                    self._do(_Kind(kind), number, None if late else data)
            self._send()

    def _change(self, message: dict[str, object]) -> None:
        if "close" in message:
            self._directions.pop(int(str(message["close"])), None)
            return
        source, target = (decode_media(message[side]) for side in ("source", "target"))  # type: ignore[arg-type]
        number = int(str(message["open"]))
        salt = number * _SALT & 0xFFFFFFFF
        self._directions[number] = Transcoder(source, target, salt), itertools.count(1)

    def _do(self, kind: _Kind, number: int, data: bytes | None) -> None:
        """Do a job, or give it up."""
        transcoder, count = self._directions[number]
        done = next(count)
        if data is None:
            self._given_up += 1
            self._add(0, self._given_up)
        made = [] if data is None else _tried(transcoder, kind, data)
        for packet in made[:-1]:
            self._add(number, done - 1, packet)
        self._add(number, done, made[-1] if made else b"")

    def _add(self, number: int, done: int, packet: bytes = b"") -> None:
        self._results.append(_RESULT.pack(number, done, len(packet)) + packet)
        self._results_bytes += len(self._results[-1])
        if len(self._results) >= _BATCH or self._results_bytes >= _BATCH_BYTES:
            self._send()

    def _send(self) -> None:
        if self._results:
            self._sock.send(b"".join(self._results))
            self._results, self._results_bytes = [], 0


def _tried(transcoder: Transcoder, kind: _Kind, data: bytes) -> list[bytes]:
    try:
        return transcoder.take(data) if kind is _Kind.PACKET else transcoder.overlay(data)
    except Exception:  # the unit of work is one packet: a codec's fault must not end the others
        log.exception("transcoding_failed")
        return []


if __name__ == "__main__":
    # A terminal's Ctrl-C and a service's stop are the control process's: we end with the loop.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    with contextlib.suppress(ConnectionError):
        _Worker(socket.socket(fileno=int(sys.argv[1]))).serve()
