"""All that is written of one track: a canvas for each rate of sampling, and two layers of each.

Sources that follow on one another are written to different layers. So, where two speak at once, neither is
written over the other: they are mixed when samples are taken, and what has another rate is resampled.
"""

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.resampling import context_samples, resample
from onrecord.timeline.placing import Canvas, Samples

_RATE = 8000


class Canvases:
    """The canvases of one track, which all end their finished part at the same position."""

    def __init__(self) -> None:
        self._first = Canvas()
        self._all = {(1, 0): self._first}

    @property
    def end(self) -> int:
        """Position after the last sample that was written."""
        return max(canvas.end for canvas in self._all.values())

    @property
    def blank(self) -> bool:
        """Nothing was written to what is not finished."""
        return all(canvas.blank for canvas in self._all.values())

    @property
    def best(self) -> int:
        """Samples a unit of the best codec that was written."""
        return max(factor for factor, _ in self._all)

    def of(self, factor: int, layer: int) -> Canvas:
        """The canvas of ``factor`` samples a unit on one layer, 0 or 1; made when it is first wanted."""
        if (factor, layer) not in self._all:
            canvas = Canvas(factor)
            canvas.skip(self._first.base)
            canvas.reach(self._first.base + self._first.room)
            self._all[factor, layer] = canvas
        return self._all[factor, layer]

    def reach(self, end: int) -> None:
        """Make room for positions below ``end``."""
        for canvas in self._all.values():
            canvas.reach(end)

    def mute(self, begin: int, end: int) -> None:
        """Make silence of what is not finished from ``begin`` to ``end``."""
        for canvas in self._all.values():
            canvas.mute(begin, end)

    def skip(self, end: int) -> None:
        """Finish what lies before ``end`` of a blank track."""
        for canvas in self._all.values():
            canvas.skip(end)

    def take(self, end: int, factor: int) -> Samples:
        """The samples up to ``end``, ``factor`` a unit, which are finished by this. Shape ``(n,)``."""
        if len(self._all) == 1 and factor == 1:
            return self._first.take(end)
        begin = self._first.base
        total: NDArray[np.float32] | None = None
        for canvas in self._all.values():
            if canvas.quiet:
                canvas.skip(end)
                continue
            if canvas.factor == factor:
                part = canvas.take(end).astype(np.float32)
            else:
                rates = canvas.factor * _RATE, factor * _RATE
                part = resample(canvas.take(end, context_samples(*rates)), *rates)
            total = part if total is None else total + part
        if total is None:
            return np.zeros((end - begin) * factor, np.int16)
        limited: Samples = np.round(total).clip(-32768, 32767).astype(np.int16)
        return limited
