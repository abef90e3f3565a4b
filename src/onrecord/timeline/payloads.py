"""What a payload type carries: one of two kinds of audio, or something that is kept out of the file."""

from collections.abc import Mapping, Sequence
from typing import Final

import numpy as np
from numpy.typing import NDArray

ULAW: Final = 0
ALAW: Final = 1
EVENT: Final = 2
COMFORT_NOISE: Final = 3
UNKNOWN: Final = 4

PAYLOAD_TYPES = 128

_CLOCK_RATE = 8000
_KINDS = {
    "PCMU": ULAW,
    "PCMA": ALAW,
    "TELEPHONE-EVENT": EVENT,
    "CN": COMFORT_NOISE,
}
_STATIC = {0: ULAW, 8: ALAW, 13: COMFORT_NOISE}
"""RFC 3551 §6: these hold wherever nothing else was announced for the number."""


def kinds_of(announced: object = None) -> NDArray[np.uint8]:
    """The kind of each payload type. Shape ``(128,)``.

    Args:
        announced: Payload type to encoding name and clock rate, as JSON has it:
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
    kind = _KINDS.get(str(codec[0]).upper(), UNKNOWN)
    if kind in {ULAW, ALAW} and codec[1] != _CLOCK_RATE:
        return UNKNOWN
    return kind
