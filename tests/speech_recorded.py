"""Sentences that people read, with what they said: Debian's ``pocketsphinx-testdata``, at 8 kHz through G.711.

``librivox`` are five sentences of a novel, ``cards`` five hands of cards called out by another speaker.
"""

import re
import wave
from pathlib import Path

import numpy as np
import pytest

from onrecord.audio.resampling import resampled
from speech_sounds import RATE, telephone

FOLDER = Path("/usr/share/pocketsphinx/test/data")
SETS = ("librivox", "cards")

_LINE = re.compile(r"<s> (?P<words>.*) </s> \((?P<name>.*)\)")


def sentences(name):
    """Pairs of samples and words of a set; skips the test where the package is not installed."""
    folder = FOLDER / name
    if not folder.is_dir():
        pytest.skip("pocketsphinx-testdata is not installed: scripts/test-packages does it")
    (texts,) = folder.glob("*transcription")
    lines = [_LINE.match(line) for line in texts.read_text().splitlines() if line]
    return [(_samples(folder / f"{line['name']}.wav"), line["words"].split()) for line in lines]


def _samples(path):
    with wave.open(str(path)) as wav:
        sound = np.frombuffer(wav.readframes(wav.getnframes()), "<i2")
        return telephone(resampled(sound, wav.getframerate(), RATE))
