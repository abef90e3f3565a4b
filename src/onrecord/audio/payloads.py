"""RTP payloads of one stream against samples, packet by packet: G.711, G.722, Opus and L16.

For audio that is passed on while a call is up; G.722 and Opus go through PyAV. A codec has state:
one object serves one stream, in the order of its packets.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Protocol, cast

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.g711 import (
    ALAW_SILENCE,
    ULAW_SILENCE,
    decode_alaw,
    decode_ulaw,
    encode_alaw,
    encode_ulaw,
)
from onrecord.core.errors import OnrecordError

if TYPE_CHECKING:
    from av import AudioFrame, AudioResampler
    from av.audio.codeccontext import AudioCodecContext

Samples = NDArray[np.int16]

FRAMES_PER_SECOND = 50
FRAMES_MS = (10, 20, 30, 40, 50, 60)
"""How long a packet may be; Opus has fewer lengths (RFC 6716 §2.1.4)."""
OPUS_FRAMES_MS = (10, 20, 40, 60)
OPUS_BITS_PER_SECOND = 32_000

_PLAIN_RATES = {"PCMU": 8000, "PCMA": 8000, "G722": 16000, "OPUS": 48000}
_AV_NAMES = {"G722": "g722", "OPUS": "libopus"}


class BadPayloadError(OnrecordError):
    """A payload that its codec cannot decode."""


class PayloadDecoder(Protocol):
    """Payloads to samples."""

    def decode(self, payload: bytes) -> Samples:
        """Mono samples at the codec's rate, shape ``(n,)``.

        Raises:
            BadPayloadError: it is not of the codec.
        """
        ...


class PayloadEncoder(Protocol):
    """Samples to payloads."""

    def encode(self, samples: Samples) -> bytes:
        """The payload of one frame at the codec's rate; empty while the codec fills up."""
        ...


def sample_rate(name: str, clock_rate: int) -> int:
    """Samples per second of a codec whose RTP clock counts ``clock_rate`` a second."""
    return _PLAIN_RATES.get(name, clock_rate)


def make_decoder(name: str) -> PayloadDecoder:
    """A decoder for an encoding name, upper case.

    Raises:
        LookupError: there is none.
    """
    return _Decoder(name) if name in _AV_NAMES else _Table(*_TABLES[name])


def make_encoder(name: str, frame_ms: int = 20) -> PayloadEncoder:
    """An encoder for an encoding name, upper case, which takes frames of ``frame_ms``.

    Raises:
        LookupError: there is none.
    """
    return _Encoder(name, frame_ms) if name in _AV_NAMES else _Table(*_TABLES[name])


_OPUS_SILENCE = b"\xf8\xff\xfe"
"""A CELT frame of 20 ms that says it is silent (RFC 6716 §3.1, §4.3); it needs no state."""


_SILENT_BYTES = {"PCMU": ULAW_SILENCE, "PCMA": ALAW_SILENCE, "G722": 0xFF, "L16": 0}
"""G.722 decodes a run of 0xFF to at most 3 of 32768, from any state."""


@cache
def silent_payload(name: str, clock_rate: int) -> bytes | None:
    """20 ms of silence; None for a codec that we do not speak."""
    if name == "OPUS":
        return _OPUS_SILENCE
    code = _SILENT_BYTES.get(name)
    frame = clock_rate // FRAMES_PER_SECOND
    return None if code is None else bytes((code,)) * frame * (2 if name == "L16" else 1)


class Resampler:
    """Changes the sample rate of one stream of mono audio."""

    def __init__(self, source: int, target: int) -> None:
        """Rates in Hz."""
        self._rates = source, target
        self._made = None if source == target else _make_resampler(target)

    def resample(self, samples: Samples) -> Samples:
        """What has come out by now; the filter keeps back about a millisecond."""
        if self._made is None or not len(samples):
            return samples
        return _samples_of(self._made.resample(_frame_of(samples, self._rates[0])))


def _l16_decode(codes: NDArray[np.uint8]) -> Samples:
    return codes[: len(codes) // 2 * 2].view(">i2").astype(np.int16)


def _l16_encode(samples: Samples) -> NDArray[np.uint8]:
    return samples.astype(">i2").view(np.uint8)


_TABLES: dict[
    str, tuple[Callable[[NDArray[np.uint8]], Samples], Callable[[Samples], NDArray[np.uint8]]]
] = {
    "PCMU": (decode_ulaw, encode_ulaw),
    "PCMA": (decode_alaw, encode_alaw),
    "L16": (_l16_decode, _l16_encode),
}


class _Table:
    """A codec without state."""

    def __init__(
        self,
        decode: Callable[[NDArray[np.uint8]], Samples],
        encode: Callable[[Samples], NDArray[np.uint8]],
    ) -> None:
        self._decode, self._encode = decode, encode

    def decode(self, payload: bytes) -> Samples:
        return self._decode(np.frombuffer(payload, np.uint8))

    def encode(self, samples: Samples) -> bytes:
        return self._encode(np.ascontiguousarray(samples)).tobytes()


class _Decoder:
    def __init__(self, name: str) -> None:
        import av  # a heavy library, which most calls do without

        context = av.CodecContext.create(_AV_NAMES[name], "r")
        self._context = cast("AudioCodecContext", context)
        self._context.sample_rate = _PLAIN_RATES[name]
        self._context.layout = "mono"
        self._packet = av.Packet
        self._error = av.FFmpegError

    def decode(self, payload: bytes) -> Samples:
        try:
            frames = self._context.decode(self._packet(payload))
        except self._error as error:
            raise BadPayloadError(f"not decodable: {error}") from error
        return _samples_of(frames)


class _Encoder:
    def __init__(self, name: str, frame_ms: int) -> None:
        import av  # as above

        context = cast("AudioCodecContext", av.CodecContext.create(_AV_NAMES[name], "w"))
        context.sample_rate = self._rate = _PLAIN_RATES[name]
        context.layout = "mono"
        context.format = "s16"
        if name == "OPUS":
            context.options = {"application": "voip", "frame_duration": str(frame_ms)}
            context.bit_rate = OPUS_BITS_PER_SECOND
        else:
            context.options = {"frame_size": str(self._rate * frame_ms // 1000)}
        context.open()
        self._context = context
        self._at = 0

    def encode(self, samples: Samples) -> bytes:
        frame = _frame_of(samples, self._rate)
        frame.pts, self._at = self._at, self._at + len(samples)
        return b"".join(bytes(packet) for packet in self._context.encode(frame))


def _frame_of(samples: Samples, rate: int) -> "AudioFrame":
    import av

    frame = av.AudioFrame.from_ndarray(
        np.ascontiguousarray(samples).reshape(1, -1), format="s16", layout="mono"
    )
    frame.sample_rate = rate
    return frame


def _samples_of(frames: "list[AudioFrame]") -> Samples:
    """The samples of 16 bits of mono frames; they share the memory of a single one."""
    parts = [
        np.frombuffer(cast("bytes", frame.planes[0]), np.int16, frame.samples)  # it is a buffer
        for frame in frames
    ]
    return parts[0] if len(parts) == 1 else np.concatenate([*parts, np.empty(0, np.int16)])


def _make_resampler(rate: int) -> "AudioResampler":
    import av

    return av.AudioResampler(format="s16", layout="mono", rate=rate)
