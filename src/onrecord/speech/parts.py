"""A recording in parts that an engine takes, cut in silence. Times in windows of 32 ms.

Two ways, because engines differ. *Talk*, for the local engine, which invents words in long silence: stretches of
speech with the short pauses between. *Cut*, for the clouds: the recording as it is, without the parts that
hold no speech at all. Pauses are never taken out of a part: the engines hear worse where sentences
are joined.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from onrecord.speech.silence import WINDOW_MS
from onrecord.speech.source import Sound
from onrecord.speech.vad import probabilities, spans_of

PAD: Final = 8
"""Windows kept round speech: 256 ms."""
MOST_PAUSE: Final = 156
"""A pause of more windows (5 s) ends a stretch of talk."""
_EARLIEST: Final = 0.6
"""A hard cut lies in the last 40 % of what would fit."""
_QUIET: Final = 7
"""Windows that must be quiet together where a cut is made."""

Spans = list[tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of the recording that goes to the engine in one piece."""

    start_ms: int
    end_ms: int

    @property
    def key(self) -> str:
        """Tells this part of a file from every other part of it."""
        return f"{self.start_ms}-{self.end_ms}"

    @property
    def duration_ms(self) -> int:
        """How long it is."""
        return self.end_ms - self.start_ms

    def place(self, part_ms: float) -> int:
        """The time in the recording of a time in the part; never outside of the part."""
        return min(self.end_ms, self.start_ms + max(0, round(part_ms)))


def talk(probability: NDArray[np.float32], limit_ms: int) -> list[Part]:
    """The stretches of talk of one channel, in parts of at most ``limit_ms``.

    Args:
        probability: Of speech, by window. Shape ``(n,)``.
        limit_ms: A talker without a pause is cut where the probability is lowest.
    """
    limit = limit_ms // WINDOW_MS
    speech = _padded(spans_of(probability), len(probability))
    found: Spans = []
    for start, end in _split(speech, probability, limit):
        if found and start - found[-1][1] <= MOST_PAUSE and end - found[-1][0] <= limit:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return _parts(found)


def cut(probability: NDArray[np.float32], limit_ms: int) -> list[Part]:
    """The recording in parts of at most ``limit_ms``, without the parts that hold no speech.

    Args:
        probability: Of speech, the highest of all channels, by window. Shape ``(n,)``.
        limit_ms: A cut lies where the silence is deepest.
    """
    speech = spans_of(probability)
    whole = _split([(0, len(probability))], probability, limit_ms // WINDOW_MS)
    heard = [(a, b) for a, b in whole if any(start < b and end > a for start, end in speech)]
    return _parts(heard)


def loudest(sound: Sound) -> NDArray[np.float32]:
    """The highest probability of speech of all channels, by window. Shape ``(n,)``."""
    heard = [probabilities(sound.channel(n), sound.rate) for n in range(sound.channels)]
    highest: NDArray[np.float32] = np.max(heard, axis=0)
    return highest


def _parts(spans: Spans) -> list[Part]:
    return [Part(start * WINDOW_MS, end * WINDOW_MS) for start, end in spans]


def _padded(spans: Spans, length: int) -> Spans:
    """Each with a little silence round it; what then touches is one."""
    found: Spans = []
    for start, end in ((max(0, a - PAD), min(length, b + PAD)) for a, b in spans):
        if found and start <= found[-1][1]:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _split(spans: Spans, probability: NDArray[np.float32], limit: int) -> Spans:
    found: Spans = []
    for first, end in spans:
        start = first
        while end - start > limit:
            stop = _quietest(probability, start + int(limit * _EARLIEST), start + limit)
            found.append((start, stop))
            start = stop
        found.append((start, end))
    return found


def _quietest(probability: NDArray[np.float32], low: int, high: int) -> int:
    """The middle of the quietest place, the latest of equals; between ``low`` and ``high``."""
    near = probability[low:high]
    side = _QUIET // 2
    around = np.convolve(near, np.ones(_QUIET))[side:-side]
    return high - 1 - int(np.argmin(around[::-1].round(3)))
