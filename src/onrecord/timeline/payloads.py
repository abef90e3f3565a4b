"""What a payload type carries: one of the kinds of audio, or something that is kept out of the file.

Places and lengths are counted in *units* of 125 µs, whatever the codec: all usual packets are whole
units long. RTP clocks count one, two or six ticks a unit, and not always a tick a sample: G.722 samples at
16 kHz while its clock counts 8,000 (RFC 3551 §4.5.2), and Opus counts 48,000 whatever it sends (RFC 7587 §4).
"""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

ULAW: Final = 0
ALAW: Final = 1
L16_8: Final = 2
L16_16: Final = 3
L16_48: Final = 4
G722: Final = 5
OPUS: Final = 6
EVENT: Final = 7
COMFORT_NOISE: Final = 8
UNKNOWN: Final = 9

PAYLOAD_TYPES = 128

NAMES: Final = ("PCMU", "PCMA", "L16/8000", "L16/16000", "L16/48000", "G722", "OPUS")
"""Of the kinds of audio, which come first."""
SAMPLES_PER_UNIT = np.array([1, 1, 1, 2, 6, 2, 6, 1, 1, 1], np.int64)
"""Of each kind's audio: its rate is 8,000 times this."""
TICKS_PER_UNIT = np.array([1, 1, 1, 2, 6, 1, 6, 1, 1, 1], np.int64)
"""Of each kind's RTP clock."""
BYTES_PER_UNIT = np.array([1, 1, 2, 4, 12, 1, 1, 1, 1, 1], np.int64)
"""Of each kind's payload; Opus has no fixed number."""

_KINDS = {
    ("PCMU", 8000): ULAW,
    ("PCMA", 8000): ALAW,
    ("L16", 8000): L16_8,
    ("L16", 16000): L16_16,
    ("L16", 48000): L16_48,
    ("G722", 8000): G722,
    ("OPUS", 48000): OPUS,
}
_NOT_AUDIO = {"TELEPHONE-EVENT": EVENT, "CN": COMFORT_NOISE}
_STATIC = {0: ULAW, 8: ALAW, 13: COMFORT_NOISE}
"""RFC 3551 §6: these hold wherever nothing else was announced for the number."""

_OPUS_UNITS = np.array([*[80, 160, 320, 480] * 3, *[80, 160] * 2, *[20, 40, 80, 160] * 4], np.int64)
"""Length of one frame of each configuration (RFC 6716 §3.1, table 2)."""
_OPUS_LONGEST: Final = 960
"""A packet holds no more than 120 ms (RFC 6716 §3.2.5)."""


def kinds_of(announced: object = None) -> NDArray[np.uint8]:
    """The kind of each payload type. Shape ``(128,)``.

    Args:
        announced: Payload type to encoding name, clock rate and perhaps channels, as JSON has it:
            ``{"0": ["PCMU", 8000]}``. What does not look like that is passed over; never raises.
    """
    kinds = np.full(PAYLOAD_TYPES, UNKNOWN, np.uint8)
    for number, kind in _STATIC.items():
        kinds[number] = kind
    if isinstance(announced, Mapping):
        for number, codec in announced.items():
            if str(number).isdecimal() and int(number) < PAYLOAD_TYPES:
                kinds[int(number)] = _kind_of(codec)
    return kinds


def _kind_of(codec: object) -> int:
    if isinstance(codec, str) or not isinstance(codec, Sequence) or len(codec) < 2:
        return UNKNOWN
    name = str(codec[0]).upper()
    if name in _NOT_AUDIO:
        return _NOT_AUDIO[name]
    if name == "L16" and len(codec) > 2 and codec[2] != 1:
        return UNKNOWN
    rate = codec[1]
    return _KINDS.get((name, rate), UNKNOWN) if isinstance(rate, int) else UNKNOWN


def units_of(
    kind: NDArray[np.uint8],
    arena: NDArray[np.uint8],
    start: NDArray[np.int64],
    size: NDArray[np.int64],
) -> NDArray[np.int64]:
    """How long the audio of each payload is, units; 0 for one that its codec cannot have made.

    Args:
        kind: Shape ``(n,)``.
        arena: Bytes that hold the payloads.
        start: Offset of each payload. Shape ``(n,)``.
        size: Bytes of each. Shape ``(n,)``.
    """
    if kind.max(initial=0) <= ALAW:
        return size
    units = size // BYTES_PER_UNIT[kind]
    opus = np.flatnonzero(kind == OPUS)
    if len(opus):
        units[opus] = _opus_units(arena, start[opus], size[opus])
    return units


def _opus_units(
    arena: NDArray[np.uint8], start: NDArray[np.int64], size: NDArray[np.int64]
) -> NDArray[np.int64]:
    """By the first two bytes of each packet (RFC 6716 §3.1, §3.2)."""
    first = arena.take(start, mode="clip")
    second = arena.take(start + 1, mode="clip")
    code = first & 3
    frames = np.where(code == 0, 1, np.where(code < 3, 2, second & 63)).astype(np.int64)
    units = frames * _OPUS_UNITS[first >> 3]
    bad = (size < 1) | ((code == 3) & (size < 2)) | (units > _OPUS_LONGEST)
    return np.where(bad, 0, units)
