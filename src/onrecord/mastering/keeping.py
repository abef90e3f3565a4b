"""Masters long recordings while they run, so that what is left at their end does not grow with them.

An optimisation and nothing else: the bytes are those of one go, and whatever goes wrong here, one go makes the
file. Nothing is told from outside. A spool that is there for some time and still grows belongs to a
recording that runs; short ones are left alone, as there is nothing to gain.
"""

import os
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final

import structlog

from onrecord.mastering.master import Master, master
from onrecord.mastering.mastered import Mastered
from onrecord.mastering.rough import Trimmer

MOST_OPEN: Final = 64
"""Recordings that are mastered while they run, those that run longest first: each holds some 2 MB."""
PACE_SECS: Final = 20.0
"""How often each of them is taken in: a window of the timeline."""
ROUND_SECS: Final = 1.0
"""After so long a round ends, wherever it is: one who waits for a file goes first."""
SUFFIX: Final = ".spool"
PART: Final = ".grown.part"
"""What such a file is called until its recording is finished, and with ``.part`` once more while it grows."""

_log = structlog.get_logger()


@dataclass(slots=True)
class _Kept:
    """A recording that is mastered while it runs. ``lock`` is held by who works on it."""

    master: Master
    target: Path
    taken_in: float = float("-inf")
    """When it was last taken in to its end."""
    lock: threading.Lock = field(default_factory=threading.Lock)
    closed: bool = False


@dataclass(slots=True)
class _Seen:
    """A spool as the rounds before found it."""

    since: float
    size: int


class Masters:
    """Makes the files of one folder of spools. Methods may be called by any threads."""

    def __init__(
        self,
        spools: Path,
        trimmer: Trimmer | None = None,
        *,
        after_secs: float = 0.0,
        most_open: int = MOST_OPEN,
        pace_secs: float = PACE_SECS,
        now: Callable[[], float] = time.monotonic,
    ) -> None:
        """Remove what an earlier process left.

        Args:
            spools: The folder.
            trimmer: See :func:`master`.
            after_secs: Recordings that run longer are mastered while they run; 0: none are.
            most_open: How many at once.
            pace_secs: How often each is taken in.
            now: Seconds that only ever rise.
        """
        self._spools = spools
        self._trimmer = trimmer
        self._after_secs = after_secs
        self._most_open = most_open
        self._pace_secs = pace_secs
        self._now = now
        self._lock = threading.Lock()
        """Held for moments, by who looks at what follows."""
        self._open: dict[str, _Kept] = {}
        """By the name of the spool, as what follows."""
        self._past: set[str] = set()
        """Never opened again: they are being finished, or are to be finished in one go."""
        self._seen: dict[str, _Seen] = {}
        for left in spools.glob(f"*{PART}*"):
            left.unlink(missing_ok=True)

    def master(self, spool: Path, target: Path) -> Mastered:
        """See :func:`master`; blocks for the computing that is left.

        Raises:
            MasteringError: as :func:`master`.
            OSError: as :func:`master`.
        """
        with self._lock:
            self._past.add(spool.name)
            kept = self._open.pop(spool.name, None)
        done = None if kept is None else self._grown(kept, target)
        return done or master(spool, target, self._trimmer)

    def round(self) -> None:
        """Take in what has come of the recordings that run; to be called every few seconds. Blocks."""
        if not self._after_secs:
            return
        sizes = self._sizes()
        self._forget(sizes)
        self._begin(sizes)
        began = self._now()
        for kept in sorted(self._kept(), key=lambda kept: kept.taken_in):
            if kept.taken_in + self._pace_secs <= began:
                self._catch_up(kept, until=began + ROUND_SECS)

    def close(self) -> None:
        """Give up all that are open, with their files."""
        for kept in self._kept():
            self._drop(kept)

    @property
    def open(self) -> int:
        """How many recordings are mastered while they run."""
        return len(self._open)

    def _kept(self) -> list[_Kept]:
        with self._lock:
            return list(self._open.values())

    def _sizes(self) -> dict[str, int]:
        sizes = {}
        with os.scandir(self._spools) as entries:
            for entry in entries:
                if entry.name.endswith(SUFFIX):
                    with suppress(FileNotFoundError):  # finished meanwhile
                        sizes[entry.name] = entry.stat().st_size
        return sizes

    def _forget(self, sizes: dict[str, int]) -> None:
        """What is gone: recordings that were never begun, or are finished."""
        with self._lock:
            self._past &= sizes.keys()
            gone = [self._open[name] for name in self._open.keys() - sizes.keys()]
        self._seen = {name: seen for name, seen in self._seen.items() if name in sizes}
        for kept in gone:
            self._drop(kept)

    def _begin(self, sizes: dict[str, int]) -> None:
        """Open those that have run for long and grow, the longest first."""
        now = self._now()
        grown = {name for name, seen in self._seen.items() if sizes[name] > seen.size}
        for name, size in sizes.items():
            self._seen.setdefault(name, _Seen(now, size)).size = size
        for name, seen in self._seen.items():
            if name in grown and now - seen.since >= self._after_secs:
                self._open_one(name)

    def _open_one(self, name: str) -> None:
        target = (self._spools / name).with_suffix(PART)
        with self._lock:
            known = name in self._past or name in self._open
            if not known and len(self._open) < self._most_open:
                with suppress(OSError):  # gone meanwhile
                    made = Master(self._spools / name, target, self._trimmer)
                    self._open[name] = _Kept(made, target)

    def _catch_up(self, kept: _Kept, until: float) -> None:
        """Piece by piece, so that who wants to finish it does not wait long."""
        while self._now() < until:
            with kept.lock:
                if kept.closed or not self._advanced(kept):
                    return

    def _advanced(self, kept: _Kept) -> bool:
        """Take in one more piece; False if there was none."""
        try:
            if kept.master.advance(pieces=1):
                return True
            kept.taken_in = self._now()
        except Exception as error:  # noqa: BLE001 - the unit of work: one go meets it again, and says so
            _log.warning("not_kept_up", file=kept.target.name, error=repr(error))
            self._leave(kept)
        return False

    def _grown(self, kept: _Kept, target: Path) -> Mastered | None:
        """The file of a recording that has ended; None if it cannot be had in this way."""
        with kept.lock:
            if kept.closed:
                return None
            kept.closed = True
            try:
                mastered = kept.master.finish()
            except Exception as error:  # noqa: BLE001 - as above
                _log.warning("not_kept_up", file=kept.target.name, error=repr(error))
                return None
            kept.target.replace(target)
            return replace(mastered, path=target)

    def _drop(self, kept: _Kept) -> None:
        with kept.lock:
            self._leave(kept)

    def _leave(self, kept: _Kept) -> None:
        """Work on it no more; the caller holds its lock."""
        if not kept.closed:
            kept.closed = True
            kept.master.close()
        with self._lock:
            for name in [name for name, other in self._open.items() if other is kept]:
                del self._open[name]
                self._past.add(name)
