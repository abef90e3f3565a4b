"""Live listening: the silence timers of all recordings that have one, judged together."""

from collections.abc import Collection, Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from onrecord.speech.silence import SilenceState, SilenceTimer
from onrecord.speech.vad import WINDOW, Ears

Key = TypeVar("Key", bound=Hashable)


@dataclass(slots=True)
class _Stream:
    timer: SilenceTimer
    places: NDArray[np.int64]
    """The place of each track among the ears."""
    waiting: NDArray[np.int16]
    """Samples that are not judged yet. Shape ``(tracks, n)``."""


class Listener(Generic[Key]):
    """Hears any number of recordings in batches. For one thread; it has no clock of its own.

    A listening track costs about 0.75 ms of one core for each second of sound that is not silent.
    """

    def __init__(self) -> None:
        self._ears = Ears()
        self._free: list[int] = []
        self._streams: dict[Key, _Stream] = {}

    def __len__(self) -> int:
        return len(self._streams)

    def open(self, key: Key, tracks: int, timeout_ms: int) -> SilenceTimer:
        """Listen to a recording of so many tracks; a second call with the key begins anew."""
        self.close(key)
        places = np.array([self._place() for _ in range(tracks)], np.int64)
        waiting = np.empty((tracks, 0), np.int16)
        timer = SilenceTimer(timeout_ms)
        self._streams[key] = _Stream(timer, places, waiting)
        return timer

    def close(self, key: Key) -> None:
        """Listen no more; unknown keys are no fault."""
        stream = self._streams.pop(key, None)
        if stream is not None:
            self._free += stream.places.tolist()

    def hear(self, key: Key, block: NDArray[np.int16]) -> None:
        """Take in the next samples of all tracks, of the same time; unknown keys are no fault.

        What a track lacks (lost, late or never sent) must be filled with zeros: time is counted
        in samples.

        Args:
            key: Which recording.
            block: At 8 kHz. Shape ``(tracks, n)``.
        """
        stream = self._streams.get(key)
        if stream is not None:
            stream.waiting = np.concatenate([stream.waiting, block], axis=1)

    def step(self, behind: Collection[Key] = ()) -> list[Key]:
        """Judge every whole window that waits; the recordings that are over by what was judged.

        Args:
            behind: What was heard of these is of some time ago. None of them is over: what is said
                since is still to be heard. And they are to catch up: once there was speech in one,
                whatever is loud counts as speech, for a tenth of what asking the network costs.
        """
        ready = [(k, s, s.waiting.shape[1] // WINDOW) for k, s in self._streams.items()]
        ready = sorted((one for one in ready if one[2]), key=lambda one: -one[2])
        over: list[Key] = []
        at = 0
        judged = self._judged([(s, n, k in behind) for k, s, n in ready])
        for key, stream, count in ready:
            heard = judged[at : at + len(stream.places), :count]
            at += len(stream.places)
            if stream.timer.hear(heard) and key not in behind:
                over.append(key)
        return over

    def _judged(self, ready: list[tuple[_Stream, int, bool]]) -> NDArray[np.float32]:
        """The windows that wait, those of all streams side by side. Shape ``(tracks, most windows)``.

        Args:
            ready: Streams, how many windows of each wait, most first, and whether they are behind.
        """
        tracks = sum(len(stream.places) for stream, _, _ in ready)
        most = ready[0][1] if ready else 0
        windows = np.zeros((tracks, most, WINDOW), np.int16)
        places, counts = np.empty(tracks, np.int64), np.empty(tracks, np.int64)
        asked = np.empty(tracks, np.bool_)
        at = 0
        for stream, count, behind in ready:
            rows = slice(at, at + len(stream.places))
            heard, stream.waiting = np.split(stream.waiting, [count * WINDOW], axis=1)
            windows[rows, :count] = heard.reshape(-1, count, WINDOW)
            places[rows], counts[rows] = stream.places, count
            asked[rows] = not behind or stream.timer.state is SilenceState.WAITING
            at = rows.stop
        judged = np.zeros((tracks, most), np.float32)
        for step in range(most):
            n = np.count_nonzero(counts > step)
            judged[:n, step] = self._ears.judge(windows[:n, step], places[:n], asked[:n])
        return judged

    def drop(self, key: Key) -> None:
        """Forget what waits to be judged; the silence begins anew, if there was speech."""
        stream = self._streams[key]
        stream.waiting = stream.waiting[:, :0]
        if stream.timer.state is SilenceState.COUNTING:
            stream.timer.count()

    def timer(self, key: Key) -> SilenceTimer:
        """The timer of a recording that is listened to.

        Raises:
            KeyError: it is not.
        """
        return self._streams[key].timer

    def _place(self) -> int:
        if not self._free:
            there = len(self._ears.context)
            self._ears.grow(there * 2 or 8)
            self._free = list(range(there, len(self._ears.context)))
        place = self._free.pop()
        self._ears.forget(place)
        return place
