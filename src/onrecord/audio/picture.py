"""Draws waveforms as an image: lanes over one time axis, with marks, bands and a legend. Pure.

What the marks mean and which colours they have is up to the caller.
"""

import io
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageDraw, ImageFont

from onrecord.audio.envelope import Envelope

WIDTH: Final = 1440
FULL_SCALE: Final = 32768

_PAPER, _CARD, _INK, _MUTED, _GRID = "#f6f7f9", "#ffffff", "#1c2430", "#6b7686", "#e6e9ee"
_SCALE = 2  # drawn larger and reduced: smooth edges
_MARGIN, _HEAD, _PANEL, _GAP, _AXIS, _LEGEND_ROW = 40, 112, 190, 16, 40, 30
_LABEL, _INSET = 210, 24
LEFT: Final = _MARGIN + _LABEL
RIGHT: Final = WIDTH - _MARGIN - _INSET
"""Where time begins and ends, pixels."""
_RIBBON, _LEAST_RIBBON = 6, 3
_HATCH = 12
_NICE_STEPS_SECS = (0.1, 0.2, 0.5, 1, 2, 5, 10, 30, 60, 300, 600, 1800, 3600)
_MOST_TICKS = 16

Box = tuple[float, float, float, float]


@dataclass(frozen=True, slots=True)
class Mark:
    """A stretch of a lane that is coloured; however short it is, it can be seen."""

    begin: float
    """Seconds."""
    end: float
    colour: str
    """``#rrggbb``, as everywhere here."""


@dataclass(frozen=True, slots=True)
class Band:
    """A stretch of all lanes that is hatched."""

    begin: float
    end: float
    words: str
    """Shown where there is room for them."""


@dataclass(frozen=True, slots=True)
class Lane:
    """One channel."""

    name: str
    notes: Sequence[str]
    """Lines below the name, four at most."""
    colour: str
    envelope: Envelope
    pieces: Sequence[tuple[float, float]]
    """Where its sound lies on the time axis, seconds, in order: it may have been cut."""
    marks: Sequence[Mark] = ()


@dataclass(frozen=True, slots=True)
class Picture:
    """What is to be drawn."""

    title: str
    subtitle: str
    seconds: float
    """Length of the time axis."""
    lanes: Sequence[Lane]
    bands: Sequence[Band] = ()
    figures: Sequence[tuple[str, str]] = ()
    """Values with a word on each, for the upper right corner."""
    legend: Sequence[tuple[str, str]] = ()
    """Colours with their meaning."""


def draw(picture: Picture) -> Image.Image:
    """The picture, RGB, :data:`WIDTH` pixels wide."""
    rows = _legend_rows(picture.legend)
    below = _HEAD + len(picture.lanes) * (_PANEL + _GAP)
    height = below + _AXIS + len(rows) * _LEGEND_ROW
    canvas = Image.new("RGB", (WIDTH * _SCALE, height * _SCALE), _PAPER)
    pen = _Pen(ImageDraw.Draw(canvas))
    _head(pen, picture)
    for number, lane in enumerate(picture.lanes):
        top = _HEAD + number * (_PANEL + _GAP)
        _panel(pen, picture, lane, top)
    for at in ticks(picture.seconds):
        pen.text(_x(at, picture.seconds), below + 12, clock(at), 14, _MUTED, anchor="ms")
    for number, row in enumerate(rows):
        _legend(pen, row, below + _AXIS + number * _LEGEND_ROW)
    return canvas.resize((WIDTH, height), Image.Resampling.LANCZOS)


def png(picture: Picture) -> bytes:
    """The picture as a PNG file."""
    file = io.BytesIO()
    draw(picture).save(file, "PNG")
    return file.getvalue()


def ticks(seconds: float) -> list[float]:
    """Where a time axis of this length has its numbers, 17 at most."""
    step = next((s for s in _NICE_STEPS_SECS if seconds / s <= _MOST_TICKS), _NICE_STEPS_SECS[-1])
    return [n * step for n in range(int(seconds / step + 1e-9) + 1)]


def clock(at: float) -> str:
    """A time in seconds for people: ``1.5 s``, ``2:05``, ``1:02:05``."""
    if at < 60:
        return f"{at:.4g} s"
    whole = int(at)
    if whole < 3600:
        return f"{whole // 60}:{whole % 60:02d}"
    return f"{whole // 3600}:{whole // 60 % 60:02d}:{whole % 60:02d}"


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
        anchor: str = "ls",
    ) -> None:
        self._draw.text(
            (x * _SCALE, y * _SCALE),
            words,
            fill=colour,
            font=_font(size),
            anchor=anchor,
            # the built-in font has one weight
            stroke_width=1 if bold else 0,
            stroke_fill=colour,
        )

    def box(self, box: Box, colour: str, radius: float = 0) -> None:
        self._draw.rounded_rectangle([c * _SCALE for c in box], radius * _SCALE, fill=colour)

    def shape(self, points: NDArray[np.float64], colour: str) -> None:
        self._draw.polygon((points * _SCALE).ravel().tolist(), fill=colour)

    def line(self, box: Box, colour: str) -> None:
        self._draw.line([c * _SCALE for c in box], fill=colour, width=_SCALE)


@cache
def _font(size: int) -> Any:
    return ImageFont.load_default(size * _SCALE)


def _head(pen: _Pen, picture: Picture) -> None:
    pen.text(_MARGIN, 51, picture.title, 26, _INK, bold=True)
    pen.text(_MARGIN, 82, picture.subtitle, 15, _MUTED)
    x = float(WIDTH - _MARGIN)
    for value, word in reversed(picture.figures):
        pen.text(x, 51, value, 26, _INK, bold=True, anchor="rs")
        pen.text(x, 82, word, 15, _MUTED, anchor="rs")
        x -= max(_width(value, 26), _width(word, 15)) + 40


def _panel(pen: _Pen, picture: Picture, lane: Lane, top: float) -> None:
    left, bottom = _MARGIN, top + _PANEL
    pen.box((left, top, WIDTH - _MARGIN, bottom), _CARD, 12)
    pen.box((left, top + 12, left + 5, bottom - 12), lane.colour)
    first = (top + bottom) / 2 + 2 - 11 * len(lane.notes)
    pen.text(left + _INSET, first, lane.name, 24, lane.colour, bold=True)
    for number, note in enumerate(lane.notes):
        pen.text(left + _INSET, first + 28 + 22 * number, note, 14, _MUTED)
    top, bottom, seconds = top + 12, bottom - 12, picture.seconds
    for mark in lane.marks:
        x0, x1 = _x(mark.begin, seconds), _x(mark.end, seconds)
        pen.box((x0, top, max(x1, x0 + 1), bottom), _mixed(mark.colour, 0.2))
    for band in picture.bands:
        _band(pen, band, seconds, top, bottom)
    for at in ticks(seconds):
        pen.box((_x(at, seconds), top, _x(at, seconds) + 0.5, bottom), _GRID)
    _wave(pen, lane, seconds, top + 4, bottom - _RIBBON - 4)
    for mark in lane.marks:
        x0, x1 = _x(mark.begin, seconds), _x(mark.end, seconds)
        x1 = max(x1, x0 + _LEAST_RIBBON)
        pen.box((x0, bottom - _RIBBON, min(x1, RIGHT + _LEAST_RIBBON), bottom), mark.colour)


def _band(pen: _Pen, band: Band, seconds: float, top: float, bottom: float) -> None:
    x0, x1 = _x(band.begin, seconds), _x(band.end, seconds)
    x1 = max(x1, x0 + 2)
    pen.box((x0, top, x1, bottom), _PAPER)
    height = bottom - top
    for x in np.arange(x0 - height, x1, _HATCH).tolist():
        rise0, rise1 = max(x0 - x, 0.0), min(x1 - x, height)
        pen.line((x + rise0, bottom - rise0, x + rise1, bottom - rise1), _GRID)
    if _width(band.words, 14) + 12 < x1 - x0:
        pen.text((x0 + x1) / 2, top + 20, band.words, 14, _MUTED, anchor="ms")


def _wave(pen: _Pen, lane: Lane, seconds: float, top: float, bottom: float) -> None:
    """From lowest to highest value in a pale shade, the RMS in the full colour."""
    # the loudest sample nearly fills the panel; silence must not be blown up
    peak = float(np.abs(lane.envelope.values[:, :2].astype(int)).max(initial=0)) / FULL_SCALE
    half = 0.96 * (bottom - top) / 2 / max(peak, 0.05) / FULL_SCALE
    middle, heard = (top + bottom) / 2, 0.0
    for begin, end in lane.pieces:
        x0, x1 = _x(begin, seconds), _x(end, seconds)
        stretches = min(round(x1 - x0), int((end - begin) / lane.envelope.seconds)) + 1
        edges = np.linspace(heard, heard + end - begin, stretches + 1)
        shape = lane.envelope.columns(edges) * half
        heard += end - begin
        x = np.linspace(x0, x1, stretches)
        low, high, rms = shape[:, 0], shape[:, 1], shape[:, 2]
        for over, under, colour in (
            (high, low, _mixed(lane.colour, 0.34)),
            (rms, -rms, lane.colour),
        ):
            upper = np.column_stack([x, middle - over])
            lower = np.column_stack([x, middle - under])[::-1]
            pen.shape(np.concatenate([upper, lower]), colour)
        pen.box((x0, middle - 0.5, max(x1, x0 + 0.5), middle), lane.colour)


def _legend_rows(legend: Sequence[tuple[str, str]]) -> list[list[tuple[float, str, str]]]:
    """The legend's rows: each with its place, colour and words."""
    rows: list[list[tuple[float, str, str]]] = []
    x = float(WIDTH)
    for colour, words in legend:
        width = 20 + _width(words, 14)
        if x + width > RIGHT:
            rows.append([])
            x = LEFT
        rows[-1].append((x, colour, words))
        x += width + 28
    return rows


def _legend(pen: _Pen, row: Sequence[tuple[float, str, str]], y: float) -> None:
    for x, colour, words in row:
        pen.box((x, y, x + 12, y + 11), colour, 3)
        pen.text(x + 20, y + 11, words, 14, _MUTED)


def _width(words: str, size: int) -> float:
    return float(_font(size).getlength(words)) / _SCALE


def _x(at: float, seconds: float) -> float:
    return LEFT + (RIGHT - LEFT) * min(max(at / max(seconds, 1e-9), 0.0), 1.0)


def _mixed(colour: str, part: float) -> str:
    """So much of the colour on white."""
    parts = (int(colour[n : n + 2], 16) for n in (1, 3, 5))
    return "#" + "".join(f"{round(255 - part * (255 - one)):02x}" for one in parts)
