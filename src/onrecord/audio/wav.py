"""The header of a WAV file with 16-bit PCM (RIFF, ``fmt`` and ``data`` chunks, 44 bytes).

::

    "RIFF" riff_bytes u32 "WAVE" | "fmt " 16 u32 | 1 u16 (PCM) channels u16 rate u32
    bytes_per_second u32 bytes_per_frame u16 16 u16 (bits) | "data" data_bytes u32

Sizes have 32 bits, so a file ends at 4 GiB: 37 hours of two channels at 8 kHz. Longer is refused.
"""

import struct
from typing import Final

HEADER_BYTES: Final = 44
SAMPLE_BYTES: Final = 2
MAX_DATA_BYTES: Final = 0xFFFFFFFF - (HEADER_BYTES - 8) - 1
"""The most sample data that one file holds; even, as every frame is."""

_HEADER = struct.Struct("<4sI4s4sIHHIIHH4sI")
_UNKNOWN = 0xFFFFFFFF
_PCM = 1


def wav_header(channels: int, sample_rate: int, data_bytes: int | None = None) -> bytes:
    """The 44 bytes before the samples.

    Args:
        channels: 1 or more, interleaved.
        sample_rate: Frames per second.
        data_bytes: Length of the samples; None for a stream whose length is not known: players
            read such a file to its end.

    Raises:
        ValueError: the samples do not fit into a WAV file; see :data:`MAX_DATA_BYTES`.
    """
    if data_bytes is not None and not 0 <= data_bytes <= MAX_DATA_BYTES:
        raise ValueError(f"{data_bytes} bytes of samples do not fit into a WAV file")
    frame = channels * SAMPLE_BYTES
    riff = _UNKNOWN if data_bytes is None else data_bytes + HEADER_BYTES - 8
    data = _UNKNOWN if data_bytes is None else data_bytes
    fmt = (16, _PCM, channels, sample_rate, sample_rate * frame, frame, 8 * SAMPLE_BYTES)
    return _HEADER.pack(b"RIFF", riff, b"WAVE", b"fmt ", *fmt, b"data", data)
