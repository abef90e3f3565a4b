"""The listener process: says when a recording has been silent for as long as was asked for.

The control process starts it for the first recording with ``timeout_secs``. Its standard input brings the
settings as one line of JSON, then lines ``{"listen": {"recording_id", "path", "timeout_secs", "track", "spoken"}}``
and ``{"forget": recording_id}``. Its standard output says ``{"spoken": recording_id}`` once when somebody has
spoken, ``{"silent": recording_id}``, and ``{"backlog": seconds}`` when that has changed.

It follows the spools of the recordings and knows no time but theirs: what is not stored yet has not
happened, so whatever runs late, a recording is stopped late and never wrongly. When there is more
to hear than it can, it gives up judgement, never audio: what is some seconds old is speech if it is
loud, and what is still older is passed over, with a silence that begins anew.
"""

import json
import os
import select
import signal
import sys
import time
from collections.abc import Callable, Iterator
from itertools import islice
from pathlib import Path
from typing import assert_never

import numpy as np
import structlog
from numpy.typing import NDArray

from onrecord.app.parent import end_with_parent
from onrecord.core.logs import configure_logs
from onrecord.core.settings import Settings
from onrecord.core.units import NS_PER_S
from onrecord.speech import Listener, SilenceState
from onrecord.spool.format import INBOUND, OUTBOUND
from onrecord.spool.reader import Begin, Fact, Packets, SpoolTail
from onrecord.timeline.live import LiveTimeline

POLL_SECS = 0.05
LOOK_SECS = 0.5
"""A recording that cannot be over sooner is looked at so often."""
TURN_RECORDS = 40
"""So many records of one recording are heard before it is the others' turn: two seconds."""
TURN_RECORDINGS = 64
"""So many recordings are heard at a time, so that none waits long for what the others take."""
BEHIND_NS = 2 * NS_PER_S
"""What was said so long ago says nothing about now: no recording is over by it."""
MOST_BEHIND_NS = 10 * NS_PER_S
"""What was said so long ago is passed over."""
REPORT_SECS = 1.0

_TRACKS = {"both": (INBOUND, OUTBOUND), "inbound": (INBOUND,), "outbound": (OUTBOUND,)}

log = structlog.get_logger()


class _Followed:
    """One recording: its spool, and what of it was heard."""

    def __init__(self, path: Path, timeout_ms: int, track: str, *, spoken: bool) -> None:
        """Open the spool.

        Raises:
            OSError: it cannot be read.
        """
        self.tail = SpoolTail(path)
        self.timeout_ms = timeout_ms
        self.tracks = _TRACKS[track]
        self.timeline = LiveTimeline(self.tracks)
        self.spoken = spoken
        """It was told that somebody has spoken."""
        self.look_ns = 0
        """When it is to be looked at again; 0 for never yet."""
        self.deadline_ns = 0
        """Looked at later, it may be stopped late."""
        self.more = False
        """There was more in the spool than was taken in."""

    def follow(self, oldest_ns: int) -> NDArray[np.int16] | None:
        """Take in the next records: what is settled now, or None when older sound was passed over.

        Raises:
            OSError: the spool cannot be read.
        """
        taken, passed_over = 0, False
        for record in islice(self.tail.records(ended=False), TURN_RECORDS):
            taken += 1
            match record:
                case Packets() if len(record.arrival_ns) and record.arrival_ns[-1] < oldest_ns:
                    self.timeline.fact("clock", int(record.arrival_ns[-1]), {})
                    passed_over = True
                case Packets():
                    self.timeline.packets(record.track, record.arrival_ns, record.size, record.data)
                case Fact():
                    self.timeline.fact(record.kind, record.at_ns, record.data)
                case Begin():
                    pass
                case _:
                    assert_never(record)
        self.more = taken == TURN_RECORDS
        settled = self.timeline.take()
        return None if passed_over else settled

    def is_behind(self, now_ns: int) -> bool:
        """Whether what was heard of it is too old to say something about now."""
        return now_ns - self.timeline.known_ns > BEHIND_NS


class Following:
    """All recordings that are listened to.

    Args:
        clock: The monotonic time, ns.
    """

    def __init__(self, clock: Callable[[], int] = time.monotonic_ns) -> None:
        self._clock = clock
        self._listener: Listener[str] = Listener()
        self._followed: dict[str, _Followed] = {}
        self.backlog_secs = 0.0
        """How late the recording was looked at that was late most, in the last turn."""
        self.more = False
        """Whether something that was there in the last turn is still to be heard."""

    def __len__(self) -> int:
        return len(self._followed)

    def listen(
        self, recording_id: str, path: Path, timeout_secs: int, track: str, *, spoken: bool = False
    ) -> None:
        """Listen to a recording; ``spoken``: somebody has spoken in it already.

        Raises:
            OSError: its spool cannot be read.
        """
        self.forget(recording_id)
        followed = _Followed(path, timeout_secs * 1000, track, spoken=spoken)
        self._followed[recording_id] = followed
        timer = self._listener.open(recording_id, len(followed.tracks), followed.timeout_ms)
        if spoken:
            timer.count()

    def forget(self, recording_id: str) -> None:
        """Listen no more; unknown ids are no fault."""
        followed = self._followed.pop(recording_id, None)
        if followed is not None:
            followed.tail.close()
            self._listener.close(recording_id)

    def turn(self) -> Iterator[tuple[str, str]]:
        """Hear what is new of the recordings whose time has come, the most pressing first.

        Yields ``("spoken", id)`` once for each in which somebody spoke, and ``("silent", id)`` for those
        that must stop, which are forgotten.
        """
        now_ns = self._clock()
        due = [one for one in self._followed.items() if one[1].look_ns <= now_ns]
        due.sort(key=lambda one: one[1].deadline_ns)
        looked = due[:TURN_RECORDINGS]
        self.backlog_secs = max(
            (_secs_late(followed, now_ns) for _, followed in looked), default=0.0
        )
        behind = {key for key, followed in looked if self._look(key, followed, now_ns)}
        self.more = len(due) > len(looked) or any(followed.more for _, followed in looked)
        over = self._listener.step(behind)
        for recording_id, followed in looked:
            if recording_id in self._followed:
                yield from self._told(recording_id, followed)
        now_ns = self._clock()
        for recording_id in over:
            if not self._followed[recording_id].is_behind(now_ns):
                self.forget(recording_id)
                yield "silent", recording_id

    def _look(self, recording_id: str, followed: _Followed, now_ns: int) -> bool:
        """Take in what is new; whether it is old."""
        try:
            settled = followed.follow(now_ns - MOST_BEHIND_NS)
        except OSError as error:
            log.warning("spool_not_read", recording=recording_id, error=str(error))
            self.forget(recording_id)
            return False
        if settled is None:
            self._listener.drop(recording_id)
        else:
            self._listener.hear(recording_id, settled)
        if followed.timeline.ended:
            self.forget(recording_id)
        return followed.is_behind(now_ns)

    def _told(self, recording_id: str, followed: _Followed) -> Iterator[tuple[str, str]]:
        """Say that somebody spoke, if that is news; and when it is to be looked at again."""
        timer = self._listener.timer(recording_id)
        if not followed.spoken and timer.state is SilenceState.COUNTING:
            followed.spoken = True
            yield "spoken", recording_id
        soonest = min(max(timer.left_ms / 1000, POLL_SECS), LOOK_SECS)
        wait_secs = 0.0 if followed.more else soonest
        followed.look_ns = self._clock() + round(wait_secs * NS_PER_S)
        followed.deadline_ns = followed.look_ns + round(soonest * NS_PER_S)


def _secs_late(followed: _Followed, now_ns: int) -> float:
    late_ns = now_ns - (followed.look_ns or now_ns)
    if followed.more:
        late_ns = max(late_ns, now_ns - followed.timeline.known_ns)
    return round(late_ns / NS_PER_S, 1)


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
        for what, recording_id in following.turn():
            _say({what: recording_id})
        if began >= report_at and following.backlog_secs != reported:
            reported, report_at = following.backlog_secs, began + REPORT_SECS
            _say({"backlog": reported})
        rest = 0.0 if following.more else max(began + POLL_SECS - time.monotonic(), 0)
        lines = told.lines(rest if len(following) else None)


def _obey(following: Following, message: dict[str, object]) -> None:
    match message:
        case {
            "listen": {
                "recording_id": str(recording_id),
                "path": str(path),
                "timeout_secs": int(timeout_secs),
                "track": str(track),
                "spoken": bool(spoken),
            }
        }:
            try:
                following.listen(recording_id, Path(path), timeout_secs, track, spoken=spoken)
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
