"""Live listening: the silence timers of all recordings that have one, judged together."""

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Generic, TypeVar

import numpy as np
from numpy.typing import NDArray

from onrecord.speech.silence import SilenceTimer
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

    def open(self, key: Key, tracks: int, timeout_ms: int) -> None:
        """Listen to a recording of so many tracks; a second call with the key begins anew."""
        self.close(key)
        places = np.array([self._place() for _ in range(tracks)], np.int64)
        waiting = np.empty((tracks, 0), np.int16)
        self._streams[key] = _Stream(SilenceTimer(timeout_ms), places, waiting)

    def close(self, key: Key) -> None:
        """Listen no more; unknown keys are no fault."""
        stream = self._streams.pop(key, None)
        if stream is not None:
            self._free += stream.places.tolist()

    def pause(self, key: Key, paused: bool = True) -> None:
        """Let the timer stand still, or go on with ``paused`` False; unknown keys are no fault."""
        if key in self._streams:
            self._streams[key].timer.paused = paused

    def hear(self, key: Key, block: NDArray[np.int16]) -> None:
        """Take in the next samples of all tracks, of the same time; unknown keys are no fault.

        What a track lacks (lost, late or never sent) must be filled with zeros: time is counted
        in samples. What comes while the timer is paused is dropped.

        Args:
            key: Which recording.
            block: At 8 kHz. Shape ``(tracks, n)``.
        """
        stream = self._streams.get(key)
        if stream is not None and not stream.timer.paused:
            stream.waiting = np.concatenate([stream.waiting, block], axis=1)

    def step(self) -> list[Key]:
        """Judge every whole window that waits; the recordings that must stop now.

        Those are closed; a key comes once.
        """
        heard: dict[Key, list[NDArray[np.float32]]] = {}
        while ready := [k for k, s in self._streams.items() if s.waiting.shape[1] >= WINDOW]:
            streams = [self._streams[key] for key in ready]
            windows = np.concatenate([s.waiting[:, :WINDOW] for s in streams])
            judged = self._ears.judge(windows, np.concatenate([s.places for s in streams]))
            at = 0
            for key, stream in zip(ready, streams, strict=True):
                stream.waiting = stream.waiting[:, WINDOW:]
                heard.setdefault(key, []).append(judged[at : at + len(stream.places)])
                at += len(stream.places)
        over = [k for k, w in heard.items() if self._streams[k].timer.hear(np.stack(w, axis=1))]
        for key in over:
            self.close(key)
        return over

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
