"""The listener process: says when a recording has been silent for as long as was asked for.

The control process starts it for the first recording with ``timeout_secs``. Its standard input brings the
settings as one line of JSON, then lines ``{"listen": {"recording_id", "path", "timeout_secs", "track"}}``
and ``{"forget": recording_id}``. Its standard output says ``{"silent": recording_id}``, and
``{"backlog": seconds}`` when that has changed.

It follows the spools of the recordings and knows no time but theirs: what is not stored yet has not
happened, so whatever runs late, a recording is stopped late and never wrongly.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from typing import assert_never

import structlog

from onrecord.app.parent import end_with_parent
from onrecord.core.logs import configure_logs
from onrecord.core.settings import Settings
from onrecord.core.units import NS_PER_S
from onrecord.speech import Listener, SilenceState
from onrecord.spool.format import INBOUND, OUTBOUND
from onrecord.spool.reader import Begin, Fact, Packets, SpoolTail
from onrecord.timeline.live import LiveTimeline

POLL_SECS = 0.05
TURN_RECORDS = 20
"""So many records of one recording are heard before it is the others' turn: two seconds."""
BEHIND_NS = 2 * NS_PER_S
"""A silence that ran out so long ago says nothing about now: it is waited for again."""
REPORT_SECS = 1.0

_TRACKS = {"both": (INBOUND, OUTBOUND), "inbound": (INBOUND,), "outbound": (OUTBOUND,)}

log = structlog.get_logger()


class _Followed:
    """One recording: its spool, and what of it was heard."""

    def __init__(self, path: Path, timeout_ms: int, track: str) -> None:
        """Open the spool.

        Raises:
            OSError: it cannot be read.
        """
        self.tail = SpoolTail(path)
        self.timeout_ms = timeout_ms
        self.tracks = _TRACKS[track]
        self.timeline = LiveTimeline(self.tracks)

    def follow(self) -> bool:
        """Take in the next records; False when there were no more."""
        taken = 0
        for record in islice(self.tail.records(ended=False), TURN_RECORDS):
            taken += 1
            match record:
                case Packets():
                    self.timeline.packets(record.track, record.arrival_ns, record.size, record.data)
                case Fact():
                    self.timeline.fact(record.kind, record.at_ns, record.data)
                case Begin():
                    pass
                case _:
                    assert_never(record)
        return taken == TURN_RECORDS


class Following:
    """All recordings that are listened to."""

    def __init__(self) -> None:
        self._listener: Listener[str] = Listener()
        self._followed: dict[str, _Followed] = {}
        self.backlog_secs = 0.0
        """How far behind its spool the recording is that is farthest behind."""

    def __len__(self) -> int:
        return len(self._followed)

    def listen(self, recording_id: str, path: Path, timeout_secs: int, track: str) -> None:
        """Listen to a recording from its begin on.

        Raises:
            OSError: its spool cannot be read.
        """
        self.forget(recording_id)
        followed = _Followed(path, timeout_secs * 1000, track)
        self._followed[recording_id] = followed
        self._listener.open(recording_id, len(followed.tracks), followed.timeout_ms)

    def forget(self, recording_id: str) -> None:
        """Listen no more; unknown ids are no fault."""
        followed = self._followed.pop(recording_id, None)
        if followed is not None:
            followed.tail.close()
            self._listener.close(recording_id)

    def turn(self, now_ns: int) -> Iterator[str]:
        """Hear what is new of each recording; the ids of those that must stop."""
        behind = [0]
        for recording_id, followed in list(self._followed.items()):
            try:
                more = followed.follow()
            except OSError as error:
                log.warning("spool_not_read", recording=recording_id, error=str(error))
                self.forget(recording_id)
                continue
            self._listener.hear(recording_id, followed.timeline.take())
            if more:
                behind.append(now_ns - followed.timeline.known_ns)
            if followed.timeline.ended:
                self.forget(recording_id)
        self.backlog_secs = max(behind) / NS_PER_S
        for recording_id in self._listener.step():
            if self._is_late(recording_id, now_ns):
                self._wait_again(recording_id)
            else:
                self.forget(recording_id)
                yield recording_id

    def _is_late(self, recording_id: str, now_ns: int) -> bool:
        return now_ns - self._followed[recording_id].timeline.known_ns > BEHIND_NS

    def _wait_again(self, recording_id: str) -> None:
        followed = self._followed[recording_id]
        self._listener.open(recording_id, len(followed.tracks), followed.timeout_ms)
        self._listener.timer(recording_id).state = SilenceState.COUNTING


class _Told:
    """Lines of standard input, as they come."""

    def __init__(self) -> None:
        self._fd = sys.stdin.fileno()
        self._rest = b""

    def lines(self, wait_secs: float | None) -> list[bytes]:
        """The lines that came, after a wait for the first of no more than ``wait_secs``.

        Raises:
            EOFError: nothing will come any more.
        """
        if not select.select([self._fd], [], [], wait_secs)[0]:
            return []
        piece = os.read(self._fd, 1 << 16)
        if not piece:
            raise EOFError
        *lines, self._rest = (self._rest + piece).split(b"\n")
        return lines


def main() -> None:
    """Run until the control process closes standard input."""
    end_with_parent()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    told = _Told()
    waiting: list[bytes] = []
    while not waiting:
        waiting = told.lines(None)
    settings = Settings(**json.loads(waiting.pop(0))["settings"])
    configure_logs(settings.log_level, settings.log_format, "listener")
    try:
        _run(told, waiting)
    except EOFError:
        return


def _run(told: _Told, lines: list[bytes]) -> None:
    following = Following()
    reported, report_at = 0.0, time.monotonic()
    while True:
        for line in lines:
            _obey(following, json.loads(line))
        began = time.monotonic()
        for recording_id in following.turn(time.monotonic_ns()):
            _say({"silent": recording_id})
        if began >= report_at and following.backlog_secs != reported:
            reported, report_at = following.backlog_secs, began + REPORT_SECS
            _say({"backlog": reported})
        rest = 0.0 if following.backlog_secs else max(began + POLL_SECS - time.monotonic(), 0)
        lines = told.lines(rest if len(following) else None)


def _obey(following: Following, message: dict[str, object]) -> None:
    match message:
        case {
            "listen": {
                "recording_id": str(recording_id),
                "path": str(path),
                "timeout_secs": int(timeout_secs),
                "track": str(track),
            }
        }:
            try:
                following.listen(recording_id, Path(path), timeout_secs, track)
            except OSError as error:
                log.warning("spool_not_read", recording=recording_id, error=str(error))
        case {"forget": str(recording_id)}:
            following.forget(recording_id)
        case _:
            log.warning("unknown_command")


def _say(message: dict[str, object]) -> None:
    sys.stdout.write(json.dumps(message) + "\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main()
