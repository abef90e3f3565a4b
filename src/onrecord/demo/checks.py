"""Is the file what was said? Pure: samples in, findings out."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.level import level_of

SAME_AT_LEAST = 0.8
"""Normalised correlation from which a clip counts as found; G.711 alone leaves 0.99."""
CROSSTALK_DBFS = -45.0
"""What a channel may hold while only the other one speaks."""
LENGTH_TOLERANCE_SECS = 0.5
_GUARD_SECS = 0.1


@dataclass(frozen=True, slots=True)
class Finding:
    """One check, for people."""

    what: str
    holds: bool


@dataclass(frozen=True, slots=True)
class Place:
    """Where a clip was found in a channel."""

    at_samples: int
    likeness: float
    """Normalised correlation there, 0 to 1."""


def find(clip: NDArray[np.int16], channel: NDArray[np.int16]) -> Place:
    """The best place of ``clip`` in ``channel``; likeness 0 where the channel is shorter or silent."""
    if not 0 < len(clip) <= len(channel):
        return Place(0, 0.0)
    size = 1 << (len(channel) + len(clip)).bit_length()
    sound, wanted = channel.astype(np.float64), clip.astype(np.float64)
    product = np.fft.rfft(sound, size) * np.conj(np.fft.rfft(wanted, size))
    matches = np.fft.irfft(product, size)[: len(channel) - len(clip) + 1]
    total = np.concatenate([[0.0], np.cumsum(sound**2)])
    energy = (total[len(clip) :] - total[: -len(clip)]) * np.sum(wanted**2)
    # a square root of nearly nothing would turn rounding errors into likeness
    likeness = np.where(energy > 1.0, matches / np.sqrt(np.maximum(energy, 1.0)), 0.0)
    best = int(np.argmax(likeness))
    return Place(best, float(np.clip(likeness[best], 0, 1)))


def speaks_on(
    name: str,
    channel_name: str,
    clips: Sequence[NDArray[np.int16]],
    channel: NDArray[np.int16],
    sample_rate: int,
) -> list[Finding]:
    """That the speaker's clips are on the channel, in their order, and nothing else is."""
    places = [find(clip, channel) for clip in clips]
    found = all(place.likeness >= SAME_AT_LEAST for place in places)
    in_order = places == sorted(places, key=lambda place: place.at_samples)
    times = " and ".join(f"{place.at_samples / sample_rate:.2f} s" for place in places)
    likeness = min((place.likeness for place in places), default=0.0)
    rest = channel.copy()
    guard = round(_GUARD_SECS * sample_rate)
    for clip, place in zip(clips, places, strict=True):
        rest[max(place.at_samples - guard, 0) : place.at_samples + len(clip) + guard] = 0
    level = level_of(rest)
    return [
        Finding(
            f"{name} is on {channel_name}, at {times} (likeness {likeness:.2f})", found and in_order
        ),
        Finding(
            f"nobody else is on {channel_name} (the rest: {level})",
            level.rms_dbfs is None or level.rms_dbfs <= CROSSTALK_DBFS,
        ),
    ]


def length_matches(name: str, file_secs: float, recorded_secs: float) -> Finding:
    """That a file is as long as the recording was."""
    return Finding(
        f"{name} lasts {file_secs:.2f} s, recorded were {recorded_secs:.2f} s",
        abs(file_secs - recorded_secs) <= LENGTH_TOLERANCE_SECS,
    )
