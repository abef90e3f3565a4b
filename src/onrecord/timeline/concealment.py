"""Fills short losses with what was heard last, in the manner of ITU-T G.711 Appendix I.

The last pitch period before the gap is repeated, whole for the first 10 ms and then softer by 20 %
for every 10 ms. Samples that were received are never changed; so, unlike there, the audio after the
gap is not blended. Gaps longer than 60 ms stay silent: nothing true can be said about them.
"""

from typing import Final

import numpy as np
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from onrecord.timeline.placing import Canvas
from onrecord.timeline.sequence import Integers

LONGEST: Final = 60 * 8
"""The longest gap that is filled, units."""
HISTORY: Final = 390
"""Units before the gap that are looked at: the longest pitch period three times."""
_LEAST_LAG: Final = 40
_MOST_LAG: Final = 120
"""Pitch periods of 5 to 15 ms: 66 to 200 Hz."""
_WINDOW: Final = 160
_FULL: Final = 80
"""Units that are not faded."""

_AT_ONCE: Final = 256


def conceal(canvas: Canvas, begin: Integers, units: Integers) -> int:
    """Fill the gaps that are empty; returns how many units were filled. Costs nothing without gaps.

    Args:
        canvas: Holds the audio before each gap.
        begin: First position of each gap. Shape ``(n,)``.
        units: Its length, 1 to :data:`LONGEST`. Shape ``(n,)``.
    """
    filled = 0
    for at in range(0, len(begin), _AT_ONCE):
        some = slice(at, at + _AT_ONCE)
        filled += _fill(canvas, begin[some], units[some])
    return filled


def _fill(canvas: Canvas, begin: Integers, units: Integers) -> int:
    factor = canvas.factor
    history = canvas.look(begin - HISTORY, HISTORY * factor)
    inside = canvas.fits(begin, units) & history.any(axis=1) & (begin >= canvas.base)
    lags = _pitch(history[:, ::factor]) * factor
    fade = _fade(LONGEST * factor, factor)
    filled = 0
    for row in np.flatnonzero(inside).tolist():
        length = int(units[row]) * factor
        if canvas.look(begin[row : row + 1], length).any():
            continue  # another source was heard there
        made = _repeat(history[row], int(lags[row]), length) * fade[:length]
        canvas.put(int(begin[row]), np.round(made).astype(np.int16))
        filled += int(units[row])
    return filled


def _pitch(history: NDArray[np.int16]) -> Integers:
    """The lag at which the end of each history is most like what came before, units. Shape ``(n,)``."""
    wide = history.astype(np.float32)
    end = wide[:, -_WINDOW:]
    earlier = sliding_window_view(wide, _WINDOW, axis=1)[:, -1 - _MOST_LAG : -_LEAST_LAG]
    products = np.einsum("glw,gw->gl", earlier, end)
    energy = np.einsum("glw,glw->gl", earlier, earlier)
    likeness = products / np.sqrt(np.maximum(energy, 1.0))  # the first of equals: the longest
    lags: Integers = _MOST_LAG - np.argmax(likeness, axis=1)
    return lags


def _repeat(history: NDArray[np.int16], lag: int, length: int) -> NDArray[np.float32]:
    """The last ``lag`` samples over and over, their seams blended over a quarter of the period."""
    period = history[-lag:].astype(np.float32)
    quarter = lag // 4
    before = history[-lag - quarter : -lag].astype(np.float32)
    rise = np.arange(1, quarter + 1, dtype=np.float32) / (quarter + 1)
    period[-quarter:] = period[-quarter:] * (1 - rise) + before * rise
    made: NDArray[np.float32] = np.resize(period, length)
    return made


def _fade(length: int, factor: int) -> NDArray[np.float32]:
    at = np.arange(length, dtype=np.float32) / factor
    return (1 - np.maximum(at - _FULL, 0) / (LONGEST - _FULL)).astype(np.float32)
