"""The transcoding process: codecs cost the loop, and the calls that need none, no time.

The loop hands it packets over a socket and takes what it made at its next sweep. It is started when a
leg has a codec beside G.711, and ends with the media process. What waits is bounded twice: the socket
holds only so much, and packets that waited too long are passed over. Run as
``python -m onrecord.media.transcoding FD``.
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
from collections import deque

import structlog

from onrecord.core.units import NS_PER_MS
from onrecord.media.messages import decode_media, encode_media
from onrecord.media.transcoder import Transcoder
from onrecord.sdp.negotiation import Media

MOST_AGE_NS = 100 * NS_PER_MS
"""A packet that waited longer is not transcoded: its listener has no use for it."""
RESTART_SECONDS = 1.0
"""Between two starts, when the process dies."""

_JOB = struct.Struct("!IQ")
"""Number of the direction, or 0 for a message; monotonic ns. The packet follows."""
_RESULT = struct.Struct("!I")
_MOST_BYTES = 4096

log = structlog.get_logger()


class Transcoding:
    """The loop's end; nothing here waits but for the start of the process. A *direction* is one leg's audio on its way to another."""

    def __init__(self) -> None:
        self._numbers = itertools.count(1)
        self._directions: dict[int, tuple[Media, Media]] = {}
        self._unsaid: deque[bytes] = deque()
        self._sock: socket.socket | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._started = 0.0

    @property
    def pid(self) -> int | None:
        """Of the process; None while there is none."""
        return self._process.pid if self._process else None

    def prepare(self) -> None:
        """Start the process, if it does not run and has not just died."""
        if self._sock is None and time.monotonic() - self._started > RESTART_SECONDS:
            self._start()

    def open(self, source: Media, target: Media) -> int:
        """A new direction; its number is for :meth:`put` and :meth:`close_direction`."""
        self.prepare()
        number = next(self._numbers)
        self._directions[number] = source, target
        self._tell(number)
        return number

    def close_direction(self, number: int) -> None:
        """Nothing more comes of it."""
        if self._directions.pop(number, None) is not None:
            self._say({"close": number})

    def put(self, number: int, packet: bytes) -> bool:
        """Have a packet transcoded; False when too much waits already, or nobody is there."""
        self.prepare()
        return self._all_said() and self._send(number, packet)

    def take(self) -> list[tuple[int, bytes]]:
        """What has been made since the last time, in order, with its direction."""
        made: list[tuple[int, bytes]] = []
        while self._sock is not None:
            try:
                data = self._sock.recv(_MOST_BYTES)
            except BlockingIOError:
                break
            except OSError:
                data = b""
            if not data:
                self._lost()
                break
            made.append((_RESULT.unpack_from(data)[0], data[_RESULT.size :]))
        return made

    def close(self) -> None:
        """End the process."""
        self._unsaid.clear()
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
        self._unsaid.clear()
        for number in self._directions:
            self._tell(number)
        log.info("transcoding_started", pid=self._process.pid)

    def _lost(self) -> None:
        log.error("transcoding_process_died")
        self.close()

    def _tell(self, number: int) -> None:
        source, target = map(_without_keys, self._directions[number])
        self._say({"open": number, "source": source, "target": target})

    def _say(self, message: dict[str, object]) -> None:
        self._unsaid.append(json.dumps(message).encode())
        self._all_said()

    def _all_said(self) -> bool:
        """Messages are not lost as packets may be: what the socket has no room for waits."""
        while self._unsaid:
            if not self._send(0, self._unsaid[0]):
                return False
            if self._unsaid:  # a process that was lost just now is told everything anew
                self._unsaid.popleft()
        return True

    def _send(self, number: int, data: bytes) -> bool:
        if self._sock is None:
            return False
        try:
            self._sock.send(_JOB.pack(number, time.monotonic_ns()) + data)
        except BlockingIOError:
            return False
        except OSError:
            self._lost()
            return False
        return True


def _without_keys(media: Media) -> dict[str, object]:
    return encode_media(media) | {"srtp": None}


def serve(sock: socket.socket) -> None:
    """The process's end: until the loop's is closed."""
    directions: dict[int, Transcoder] = {}
    while data := sock.recv(_MOST_BYTES):
        number, sent_ns = _JOB.unpack_from(data)
        if not number:
            _change(directions, json.loads(data[_JOB.size :]))
        elif number in directions and time.monotonic_ns() - sent_ns < MOST_AGE_NS:
            for made in _tried(directions[number], data[_JOB.size :]):
                sock.send(_RESULT.pack(number) + made)


def _change(directions: dict[int, Transcoder], message: dict[str, object]) -> None:
    if "close" in message:
        directions.pop(int(str(message["close"])), None)
        return
    source, target = (decode_media(message[side]) for side in ("source", "target"))  # type: ignore[arg-type]
    directions[int(str(message["open"]))] = Transcoder(source, target)


def _tried(transcoder: Transcoder, packet: bytes) -> list[bytes]:
    try:
        return transcoder.take(packet)
    except Exception:  # the unit of work is one packet: a codec's fault must not end the others
        log.exception("transcoding_failed")
        return []


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal's Ctrl-C is the control process's
    with contextlib.suppress(ConnectionError):
        serve(socket.socket(fileno=int(sys.argv[1])))
