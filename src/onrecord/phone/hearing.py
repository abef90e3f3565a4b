"""What a phone heard, put in place: datagrams and arrival times in, samples out. Pure."""

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.payloads import (
    BadPayloadError,
    PayloadDecoder,
    Resampler,
    make_decoder,
    sample_rate,
)
from onrecord.rtp.header import parse_headers
from onrecord.sdp.codecs import ALL_CODECS, Codec

_SAMPLES_PER_MS = 8
_NEW_ANCHOR_SAMPLES = 16_000
"""Two seconds: a timestamp that is further off its arrival begins a new stretch."""
_SAMPLE_RATE = 8000


def place(
    datagrams: Sequence[bytes], arrival_ns: Sequence[int], codecs: Mapping[int, Codec]
) -> NDArray[np.int16]:
    """The audio from the first packet on; what was never heard is zero.

    Packets lie where their timestamp says, relative to the first of their stretch; a stretch (a
    source, or what follows a jump) lies where it arrived. What is not audio of ``codecs`` is left out.
    """
    size = np.array([len(datagram) for datagram in datagrams], np.int64)
    start = np.cumsum(size) - size
    arena = np.frombuffer(b"".join(datagrams), np.uint8)
    headers = parse_headers(arena, start, size)
    valid = np.flatnonzero(headers.valid).tolist()
    heard = [n for n in valid if _audio(codecs, headers.payload_type[n])]
    ears: dict[Codec, tuple[PayloadDecoder, Resampler]] = {}
    pieces = []
    anchors: dict[int, tuple[int, int]] = {}
    for n in heard:
        elapsed = (arrival_ns[n] - arrival_ns[heard[0]]) * _SAMPLES_PER_MS // 1_000_000
        ssrc, timestamp = int(headers.ssrc[n]), int(headers.timestamp[n])
        codec = codecs[int(headers.payload_type[n])]
        at = _offset(anchors.get(ssrc), timestamp, codec.clock_rate)
        if at is None or abs(at - elapsed) > _NEW_ANCHOR_SAMPLES:
            at = elapsed
            anchors[ssrc] = timestamp, at
        first = int(headers.payload_start[n])
        codes = arena[first : first + int(headers.payload_bytes[n])].tobytes()
        pieces.append((at, _decoded(ears, codec, codes)))
    return _joined(pieces)


def _audio(codecs: Mapping[int, Codec], payload_type: np.uint8) -> bool:
    codec = codecs.get(int(payload_type))
    return codec is not None and codec.name in ALL_CODECS


def _decoded(
    ears: dict[Codec, tuple[PayloadDecoder, Resampler]], codec: Codec, payload: bytes
) -> NDArray[np.int16]:
    if codec not in ears:
        rate = sample_rate(codec.name, codec.clock_rate)
        ears[codec] = make_decoder(codec.name), Resampler(rate, _SAMPLE_RATE)
    decoder, resampler = ears[codec]
    try:
        return resampler.resample(decoder.decode(payload))
    except BadPayloadError:
        return np.empty(0, np.int16)


def _offset(anchor: tuple[int, int] | None, timestamp: int, clock_rate: int) -> int | None:
    if anchor is None:
        return None
    base, at = anchor
    # the nearer way round the 32-bit counter
    return at + ((timestamp - base + 2**31) % 2**32 - 2**31) * _SAMPLE_RATE // clock_rate


def _joined(pieces: Sequence[tuple[int, NDArray[np.int16]]]) -> NDArray[np.int16]:
    # a packet that overtook the first one lies before it
    first = min((at for at, _ in pieces), default=0)
    last = max((at + len(samples) for at, samples in pieces), default=0)
    whole = np.zeros(last - first, np.int16)
    for at, samples in pieces:
        whole[at - first : at - first + len(samples)] = samples
    return whole
