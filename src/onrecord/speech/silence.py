"""When a recording has been silent for too long: ``timeout_secs`` of record_start. Pure.

::

    waiting ──160 ms of speech within 400 ms──▶ counting ──silence reaches the limit──▶ (over)
                                                 │    ▲
                                                 └────┘ 64 ms of speech: silence is 0 again

Time is that of the media, counted in windows of 32 ms, and not that of the process that listens.
"""

from collections import deque
from enum import StrEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

WINDOW_MS: Final = 32
"""The media time of one judgement."""
ON: Final = 0.35
"""From this probability on a window counts towards the start of speech."""
OFF: Final = 0.20
"""From this probability on a window keeps speech alive."""
START_WINDOWS: Final = 5
"""So many windows of speech (160 ms) ..."""
START_WITHIN: Final = 12
"""... within the last so many (384 ms) are the start of speech."""
ALIVE_WINDOWS: Final = 2
"""So many windows in a row (64 ms) set the silence back to zero."""


class SilenceState(StrEnum):
    """What the timer is doing; see the diagram of the module."""

    WAITING = "waiting"
    """No speech yet: the silence before the first word never stops a recording."""
    COUNTING = "counting"


class SilenceTimer:
    """One recording's timer over all of its tracks together.

    Args:
        timeout_ms: The silence that ends the recording; 0 never ends it.
    """

    def __init__(self, timeout_ms: int) -> None:
        self._timeout_ms = timeout_ms
        self._recent: deque[bool] = deque(maxlen=START_WITHIN)
        self._run = 0
        self.state = SilenceState.WAITING
        self.silence_ms = 0
        """Since the last speech; 0 until the first."""
        self.heard_ms = 0
        """Media time so far."""

    @property
    def over(self) -> bool:
        """Whether the silence, as it is now, is as long as it may be."""
        return bool(self._timeout_ms) and self.silence_ms >= self._timeout_ms

    @property
    def left_ms(self) -> int:
        """Media time in which it cannot be over, whatever is heard."""
        return max(0, self._timeout_ms - self.silence_ms)

    def count(self) -> None:
        """Let the silence begin now, as if speech had just been heard."""
        self.state, self.silence_ms = SilenceState.COUNTING, 0

    def hear(self, probabilities: NDArray[np.float32]) -> bool:
        """Take in the next windows; whether it is over after them.

        Args:
            probabilities: Of speech, 0 to 1, by track and window. Shape ``(tracks, n)``: the loudest
                talker of a window is what counts.
        """
        for probability in probabilities.max(axis=0, initial=0.0).tolist():
            self._window(probability)
        return self.over

    def _window(self, probability: float) -> None:
        self.heard_ms += WINDOW_MS
        self._recent.append(probability >= ON)
        self._run = self._run + 1 if probability >= OFF else 0
        if self.state is SilenceState.WAITING:
            if sum(self._recent) >= START_WINDOWS:
                self.state = SilenceState.COUNTING
            return
        self.silence_ms = 0 if self._run >= ALIVE_WINDOWS else self.silence_ms + WINDOW_MS
