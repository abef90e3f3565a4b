"""MP3 by LAME (lameenc): constant bit rate, and a tag frame that makes it exact to the sample.

32 kbit/s a channel at 8 kHz: four bits a sample, twice what telephone speech needs to sound as it did.
It is constant so that players find a second without an index, and so that the size of a file is known
from its length. LAME codes a frame of two channels as sum and difference only where that is the
nearer of the two, so a channel that is silent stays silent while the other speaks; a test holds it to that.

LAME's search for the best noise shaping (levels 0 to 6) is off: with this many bits it finds nothing
that can be heard, and it costs a third more.

The encoder begins with silence of its own and fills up its last frame. How long both are stands in a
frame in front of the audio, which decodes to silence where it is not understood. Its layout is that
of Xing's tag with LAME's extension ("Mp3 Info Tag revision 1")::

    frame header 4 | side information, zero, 9/17/32 | "Info" | 0x0000000F | frames u32 | bytes u32
    | seek table u8[100] | quality u32 | "LAME4.0", 0, 0 | method u8 | low-pass u8 | gain u8[8]
    | ATH u8 | kbit/s u8 | delay:12 padding:12 | misc u8 | gain u8 | preset u16 | bytes u32
    | CRC-16 of the audio, not given: zero | CRC-16 of all before it

Integers are big-endian; the rest of the frame is zero.
"""

import struct
from typing import IO, Final

import lameenc  # type: ignore[import-not-found,import-untyped,unused-ignore]
import numpy as np
from numpy.typing import NDArray

_KBITS_PER_CHANNEL: Final = {8000: 32, 16000: 48, 48000: 64}
_QUALITY: Final = 7

_ENCODER_DELAY: Final = 576
"""Samples that LAME puts before the first; a decoder adds 529 of its own and knows that."""

_INFO = struct.Struct(">4sIII100sI9sBB8sBB3sBBHIH")
_INFO_BYTES: Final = _INFO.size + 2
_ALL_FIELDS: Final = 0x0F
_CBR: Final = 1
_ENCODER: Final = b"LAME4.0\0\0"
_SEEK_TABLE = bytes(i * 256 // 100 for i in range(100))
_MPEG1: Final = 3
_VERSION_AND_RATE: Final = {8000: (0, 2), 16000: (2, 2), 48000: (_MPEG1, 1)}
_MPEG1_KBITS: Final = (0, 32, 40, 48, 56, 64, 80, 96, 112, 128, 160, 192, 224, 256, 320)
_MPEG2_KBITS: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SIDE_BYTES: Final = {(True, 1): 17, (True, 2): 32, (False, 1): 9, (False, 2): 17}
_STEREO_MODE: Final = {1: 3, 2: 1}  # single channel, joint stereo


class _Stream:
    """The fixed properties of a constant bit rate stream (ISO/IEC 11172-3, 13818-3, and MPEG-2.5)."""

    def __init__(self, channels: int, sample_rate: int) -> None:
        self.channels = channels
        self.sample_rate = sample_rate
        self.kbits = _KBITS_PER_CHANNEL[sample_rate] * channels
        self._version, self._rate_index = _VERSION_AND_RATE[sample_rate]
        mpeg1 = self._version == _MPEG1
        self._rates = _MPEG1_KBITS if mpeg1 else _MPEG2_KBITS
        self.frame_samples = 1152 if mpeg1 else 576
        self.side_bytes = _SIDE_BYTES[mpeg1, channels]

    def frame_bytes(self, kbits: int) -> int:
        """Of a frame at this rate; the rates in use need no padding byte."""
        return self.frame_samples // 8 * kbits * 1000 // self.sample_rate

    def tag_kbits(self) -> int:
        """The rate of a frame that the tag fits into, never below that of the stream."""
        needed = 4 + self.side_bytes + _INFO_BYTES
        return next(
            k for k in self._rates if k >= self.kbits and k and self.frame_bytes(k) >= needed
        )

    def header(self, kbits: int) -> bytes:
        """A frame's first four bytes: layer III, no checksum, no padding."""
        word = 0xFFE << 20 | self._version << 19 | 1 << 17 | 1 << 16
        word |= self._rates.index(kbits) << 12 | self._rate_index << 10
        return (word | _STEREO_MODE[self.channels] << 6).to_bytes(4, "big")


def bit_rate(channels: int, sample_rate: int) -> int:
    """Bits per second of the audio in a file. Raises KeyError for a rate that has none."""
    return _KBITS_PER_CHANNEL[sample_rate] * channels * 1000


class Mp3Writer:
    """Encodes blocks of samples to a seekable file, in flat memory.

    Decoders that read the tag leave out the encoder's delay and padding: what comes out has the length
    and the place of what went in.
    """

    def __init__(self, file: IO[bytes], channels: int, sample_rate: int) -> None:
        """Begin a stream.

        Args:
            file: Empty, seekable, opened for binary writing; it is not closed here.
            channels: 1 or 2.
            sample_rate: 8000, 16000 or 48000.
        """
        self._file = file
        self._stream = _Stream(channels, sample_rate)
        self._samples = 0
        self._audio_bytes = 0
        encoder = lameenc.Encoder()
        encoder.silence()
        encoder.set_channels(channels)
        encoder.set_in_sample_rate(sample_rate)
        encoder.set_out_sample_rate(sample_rate)
        encoder.set_bit_rate(self._stream.kbits)
        encoder.set_quality(_QUALITY)
        self._encoder = encoder
        file.write(_tag(self._stream, 0, 0))

    def write(self, block: NDArray[np.int16]) -> None:
        """Encode the next samples. Shape ``(channels, n)``, ``n`` 1 or more."""
        self._samples += block.shape[1]
        self._keep(self._encoder.encode(block.T.astype("<i2", "C").tobytes()))

    def finish(self) -> None:
        """Encode what is left and complete the tag; nothing is written after."""
        self._keep(self._encoder.flush())
        self._file.seek(0)
        self._file.write(_tag(self._stream, self._samples, self._audio_bytes))

    def _keep(self, encoded: bytes) -> None:
        self._audio_bytes += len(encoded)
        self._file.write(encoded)


def _tag(stream: _Stream, samples: int, audio_bytes: int) -> bytes:
    """The first frame, for so many samples in so many bytes of audio frames."""
    kbits = stream.tag_kbits()
    frame_bytes = stream.frame_bytes(kbits)
    frames = audio_bytes // stream.frame_bytes(stream.kbits)
    padding = max(frames * stream.frame_samples - samples - _ENCODER_DELAY, 0)
    total = frame_bytes + audio_bytes
    info = _INFO.pack(
        b"Info",
        _ALL_FIELDS,
        frames,
        total,
        _SEEK_TABLE,
        100 - 10 * _QUALITY,
        _ENCODER,
        _CBR,
        0,
        bytes(8),
        0,
        stream.kbits,
        (_ENCODER_DELAY << 12 | padding).to_bytes(3, "big"),
        0,
        0,
        0,
        total,
        0,
    )
    head = stream.header(kbits) + bytes(stream.side_bytes) + info
    return (head + _crc16(head).to_bytes(2, "big")).ljust(frame_bytes, b"\0")


def _crc16(data: bytes) -> int:
    """CRC-16 with the polynomial 0x8005, bits reflected, from zero."""
    crc = 0
    for byte in data:
        crc ^= byte
        for _ in range(8):
            crc = crc >> 1 ^ (0xA001 if crc & 1 else 0)
    return crc
