"""Pictures of sound: bars for a terminal and an image for a file. Pure: arrays in, pictures out."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont
from rich.text import Text

FULL_SCALE = 32768
FLOOR_DBFS = -96.0
"""What silence is shown as; 16 bits go no lower."""

_BLOCKS = " ▁▂▃▄▅▆▇█"
_STEPS = len(_BLOCKS) - 1

_PAPER, _CARD, _INK, _MUTED, _GRID = "#f6f7f9", "#ffffff", "#1c2430", "#6b7686", "#e6e9ee"
_SCALE = 2  # drawn larger and reduced: smooth edges
_WIDTH, _MARGIN, _HEAD, _PANEL, _GAP, _FOOT = 1440, 40, 104, 190, 16, 48
_LABEL = 210
_NICE_STEPS_SECS = (0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600)
_MOST_TICKS = 16

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Track:
    """One channel of a recording."""

    name: str
    """Who is heard on it."""
    channel: str
    """For example ``channel A, left``."""
    samples: NDArray[np.int16]
    """Shape ``(n,)``."""
    colour: str
    """``#rrggbb``."""


@dataclass(frozen=True, slots=True)
class Levels:
    """How loud something is, dB below full scale; silence is ``FLOOR_DBFS``."""

    rms_dbfs: float
    peak_dbfs: float

    def __str__(self) -> str:
        return f"{self.rms_dbfs:.1f} dBFS RMS, peak {self.peak_dbfs:.1f}"


def levels(samples: NDArray[np.int16]) -> Levels:
    """RMS and peak of samples of any shape; of none, silence."""
    if not samples.size:
        return Levels(FLOOR_DBFS, FLOOR_DBFS)
    real = samples.astype(np.float64) / FULL_SCALE
    return Levels(_dbfs(float(np.sqrt(np.mean(real**2)))), _dbfs(float(np.max(np.abs(real)))))


def envelope(samples: NDArray[np.int16], columns: int) -> NDArray[np.float64]:
    """Lowest, highest and RMS value of each of ``columns`` equal stretches, in -1 to 1.

    Shape ``(columns, 3)``; a stretch without a sample is silent.
    """
    edges = np.linspace(0, len(samples), columns + 1).astype(int)
    found = np.zeros((columns, 3))
    for column, (first, last) in enumerate(pairwise(edges)):
        piece = samples[first:last].astype(np.float64) / FULL_SCALE
        if piece.size:
            found[column] = piece.min(), piece.max(), np.sqrt(np.mean(piece**2))
    return found


def bars(samples: NDArray[np.int16], columns: int, rows: int = 2) -> list[str]:
    """The loudness as block characters: ``rows`` lines of ``columns`` characters, the top one first."""
    shape = envelope(samples, columns)
    # the square root shows quiet speech without drowning the loud
    loud = np.sqrt(np.maximum(np.abs(shape[:, 0]), shape[:, 1]))
    heights = np.round(loud * rows * _STEPS).astype(int)
    return [
        "".join(_BLOCKS[min(max(height - row * _STEPS, 0), _STEPS)] for height in heights)
        for row in reversed(range(rows))
    ]


def terminal(tracks: Sequence[Track], sample_rate: int, columns: int) -> Text:
    """All tracks under each other with a ruler of seconds, for a rich console."""
    margin = max((len(track.name) for track in tracks), default=0) + 2
    picture = Text()
    for track in tracks:
        for row, line in enumerate(bars(track.samples, columns)):
            picture.append((track.name if row else "").ljust(margin), f"bold {track.colour}")
            picture.append(line + "\n", track.colour)
    longest = max((len(track.samples) for track in tracks), default=0)
    picture.append(" " * margin + _ruler(longest / sample_rate, columns), "dim")
    return picture


def image(tracks: Sequence[Track], sample_rate: int, title: str, subtitle: str = "") -> Image.Image:
    """A picture of all tracks on one time axis, with names, levels and seconds; RGB."""
    height = _HEAD + len(tracks) * (_PANEL + _GAP) + _FOOT
    canvas = Image.new("RGB", (_WIDTH * _SCALE, height * _SCALE), _PAPER)
    pen = _Pen(ImageDraw.Draw(canvas))
    pen.text(_MARGIN, 30, title, 26, _INK, bold=True)
    pen.text(_MARGIN, 66, subtitle, 15, _MUTED)
    seconds = max((len(track.samples) for track in tracks), default=0) / sample_rate
    for number, track in enumerate(tracks):
        top = _HEAD + number * (_PANEL + _GAP)
        _panel(pen, track, seconds, (_MARGIN, top, _WIDTH - _MARGIN, top + _PANEL))
    _axis(pen, seconds, height - _FOOT)
    return canvas.resize((_WIDTH, height), Image.Resampling.LANCZOS)


class _Pen:
    """Draws in unscaled units."""

    def __init__(self, draw: ImageDraw.ImageDraw) -> None:
        self._draw = draw

    def text(
        self,
        x: float,
        y: float,
        words: str,
        size: int,
        colour: str,
        *,
        bold: bool = False,
        middle: bool = False,
    ) -> None:
        self._draw.text(
            (x * _SCALE, y * _SCALE),
            words,
            fill=colour,
            font=ImageFont.load_default(size * _SCALE),
            anchor="mt" if middle else "lt",
            # the built-in font has one weight
            stroke_width=1 if bold else 0,
            stroke_fill=colour,
        )

    def box(self, box: Box, colour: str, radius: float = 0) -> None:
        self._draw.rounded_rectangle([c * _SCALE for c in box], radius * _SCALE, fill=colour)


def _panel(pen: _Pen, track: Track, seconds: float, box: Box) -> None:
    left, top, right, bottom = box
    pen.box(box, _CARD, 12)
    pen.box((left, top + 12, left + 5, bottom - 12), track.colour)
    pen.text(left + 24, top + 52, track.name, 24, track.colour, bold=True)
    pen.text(left + 24, top + 88, track.channel, 14, _MUTED)
    found = levels(track.samples)
    pen.text(left + 24, top + 112, f"RMS {found.rms_dbfs:.1f} dBFS", 14, _MUTED)
    pen.text(left + 24, top + 134, f"peak {found.peak_dbfs:.1f} dBFS", 14, _MUTED)
    for at in _ticks(seconds):
        x = _x(at, seconds)
        pen.box((x, top + 12, x + 1, bottom - 12), _GRID)
    _wave(pen, track, (left + _LABEL, top + 16, right - 24, bottom - 16))


def _wave(pen: _Pen, track: Track, box: Box) -> None:
    """Bars of lowest to highest value in a pale shade, of the RMS in the full colour."""
    left, top, right, bottom = box
    columns = int((right - left) * _SCALE)
    shape = envelope(track.samples, columns)
    # the loudest sample nearly fills the panel; silence must not be blown up
    gain = 0.94 / max(float(np.max(np.abs(shape[:, :2]), initial=0)), 0.05)
    middle, half = (top + bottom) / 2, (bottom - top) / 2
    pen.box((left, middle - 0.5, right, middle + 0.5), track.colour)
    for column, (low, high, rms) in enumerate(shape * gain):
        x = left + column / _SCALE
        pen.box((x, middle - high * half, x, middle - low * half), _pale(track.colour))
        pen.box((x, middle - rms * half, x, middle + rms * half), track.colour)


def _axis(pen: _Pen, seconds: float, y: float) -> None:
    for at in _ticks(seconds):
        pen.text(_x(at, seconds), y, _clock(at), 14, _MUTED, middle=True)


def _x(at: float, seconds: float) -> float:
    left, right = _MARGIN + _LABEL, _WIDTH - _MARGIN - 24
    return left + (right - left) * at / max(seconds, 1e-9)


def _ticks(seconds: float) -> list[float]:
    step = next((s for s in _NICE_STEPS_SECS if seconds / s <= _MOST_TICKS), _NICE_STEPS_SECS[-1])
    return [n * step for n in range(int(seconds / step) + 1)]


def _clock(at: float) -> str:
    if at < 60:
        return f"{at:g} s"
    return f"{int(at // 60)}:{int(at % 60):02d}"


def _ruler(seconds: float, columns: int) -> str:
    line = [" "] * (columns + 8)
    for at in _ticks(seconds):
        x = round(columns * at / max(seconds, 1e-9))
        label = _clock(at)
        if all(c == " " for c in line[max(x - 1, 0) : x + len(label)]) and x < columns:
            line[x : x + len(label)] = label
    return "".join(line).rstrip()


def _dbfs(value: float) -> float:
    return max(20 * float(np.log10(max(value, 1e-9))), FLOOR_DBFS)


def _pale(colour: str) -> str:
    parts = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return "#" + "".join(f"{(part + 2 * 255) // 3:02x}" for part in parts)
