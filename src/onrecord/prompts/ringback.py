"""Ringback tones by country (ITU-T E.180 supplement 2): frequencies and cadence. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.prompts import tone

LEVEL_DBFS = -20.0
"""Of the peak of each frequency."""


@dataclass(frozen=True, slots=True)
class Tone:
    """What is repeated while a phone rings."""

    hertz: tuple[int, ...]
    """Sounded together."""
    cadence_ms: tuple[int, ...]
    """Sound, silence, sound, …"""


_TWICE = (400, 200, 400, 2000)
_PLAIN = Tone((425,), (1000, 4000))
_TONES: Mapping[str, Tone] = {
    "at": Tone((420,), (1000, 5000)),
    "au": Tone((400, 425), _TWICE),
    "be": Tone((425,), (1000, 3000)),
    "cl": Tone((400,), (1000, 3000)),
    "cn": Tone((450,), (1000, 4000)),
    "es": Tone((425,), (1500, 3000)),
    "fr": Tone((440,), (1500, 3500)),
    "hu": Tone((425,), (1250, 3750)),
    "il": Tone((400,), (1000, 3000)),
    "in": Tone((375, 400, 425), _TWICE),
    "jp": Tone((384, 416), (1000, 2000)),
    "my": Tone((425,), _TWICE),
    "nz": Tone((400, 450), _TWICE),
    "ph": Tone((425, 480), (1000, 4000)),
    "pt": Tone((425,), (1000, 5000)),
    "ru": Tone((425,), (800, 3200)),
    "se": Tone((425,), (1000, 5000)),
    "sg": Tone((401, 425, 449), _TWICE),
    "th": Tone((400,), (1000, 4000)),
    "tw": Tone((440, 480), (1000, 2000)),
    "uk": Tone((400, 450), _TWICE),
    "us": Tone((440, 480), (2000, 4000)),
    "us-old": Tone((380, 420, 460), (2000, 4000)),
    "za": Tone((367, 400, 433), _TWICE),
}


def ringback(country: str, rate: int) -> NDArray[np.int16]:
    """One period of a country's tone, shape ``(n,)``, at ``rate`` Hz; of those not listed, the usual one."""
    wanted = _TONES.get(country, _PLAIN)
    parts = []
    for n, millis in enumerate(wanted.cadence_ms):
        if n % 2:
            parts.append(np.zeros(millis * rate // 1000, np.int16))
        else:
            sounds = [tone(hertz, millis, LEVEL_DBFS, rate) for hertz in wanted.hertz]
            parts.append(np.sum(sounds, axis=0, dtype=np.int16))
    return np.concatenate(parts)
