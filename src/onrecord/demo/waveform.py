"""The demo's pictures of sound: bars for a terminal, and an image for a file. Pure."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.text import Text

from onrecord.audio.envelope import envelope
from onrecord.audio.level import level_of
from onrecord.audio.picture import FULL_SCALE, Lane, Picture, clock, draw, ticks

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
            [track.channel, str(level_of(track.samples))],
            track.colour,
            envelope(track.samples, sample_rate),
            [(0.0, len(track.samples) / sample_rate)],
        )
        for track in tracks
    ]
    return draw(Picture(title, subtitle, seconds, lanes))


def _ruler(seconds: float, columns: int) -> str:
    line = [" "] * (columns + 8)
    for at in ticks(seconds):
        x = round(columns * at / max(seconds, 1e-9))
        label = clock(at)
        if all(c == " " for c in line[max(x - 1, 0) : x + len(label)]) and x < columns:
            line[x : x + len(label)] = label
    return "".join(line).rstrip()
