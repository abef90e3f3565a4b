"""The demo's pictures of sound: bars for a terminal, and an image for a file. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.text import Text

from onrecord.audio.envelope import envelope
from onrecord.audio.picture import FULL_SCALE, Lane, Picture, clock, draw, ticks

FLOOR_DBFS = -96.0
"""What silence is shown as; 16 bits go no lower."""

_BLOCKS = " ▁▂▃▄▅▆▇█"
_STEPS = len(_BLOCKS) - 1


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


def bars(samples: NDArray[np.int16], columns: int, rows: int = 2) -> list[str]:
    """The loudness as block characters: ``rows`` lines of ``columns`` characters, the top one first."""
    outline = envelope(samples, 1)  # a sample is a second: the rate does not matter here
    shape = outline.columns(np.linspace(0, len(samples), columns + 1)) / FULL_SCALE
    # the square root shows quiet speech without drowning the loud
    loud = np.sqrt(np.abs(shape[:, :2]).max(axis=1))
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
    seconds = max((len(track.samples) for track in tracks), default=0) / sample_rate
    lanes = [
        Lane(
            track.name,
            _notes(track),
            track.colour,
            envelope(track.samples, sample_rate),
            [(0.0, len(track.samples) / sample_rate)],
        )
        for track in tracks
    ]
    return draw(Picture(title, subtitle, seconds, lanes))


def _notes(track: Track) -> list[str]:
    found = levels(track.samples)
    return [
        track.channel,
        f"RMS {found.rms_dbfs:.1f} dBFS",
        f"peak {found.peak_dbfs:.1f} dBFS",
    ]


def _ruler(seconds: float, columns: int) -> str:
    line = [" "] * (columns + 8)
    for at in ticks(seconds):
        x = round(columns * at / max(seconds, 1e-9))
        label = clock(at)
        if all(c == " " for c in line[max(x - 1, 0) : x + len(label)]) and x < columns:
            line[x : x + len(label)] = label
    return "".join(line).rstrip()


def _dbfs(value: float) -> float:
    return max(20 * float(np.log10(max(value, 1e-9))), FLOOR_DBFS)
