"""The decoders of one source, and how its payloads come to a canvas: at once, or one after another."""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.payloads import BadPayloadError, PayloadDecoder, make_decoder
from onrecord.timeline.deviations import Tally
from onrecord.timeline.payloads import G722, NAMES, SAMPLES_PER_UNIT
from onrecord.timeline.placing import Canvas, Coded, Payloads, Samples
from onrecord.timeline.sequence import Integers


class Voices:
    """Decoders that have state, made when their codec is first heard."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._decoders: dict[int, PayloadDecoder] = {}

    def decode(self, kind: int, payload: bytes, length: int) -> Samples:
        """Always ``length`` samples: silence for what its decoder did not make or cannot make."""
        decoder = self._decoders.get(kind)
        if decoder is None:
            decoder = self._decoders[kind] = make_decoder(NAMES[kind])
        try:
            samples = decoder.decode(payload)[:length]
        except BadPayloadError:
            self._tally.invalid += 1
            return np.zeros(length, np.int16)
        return np.concatenate([samples, np.zeros(length - len(samples), np.int16)])


class Packets(NamedTuple):
    """Columns of one source's audio packets of a window, in order of sequence. Shape ``(n,)``."""

    start: Integers
    size: Integers
    units: Integers
    kind: NDArray[np.uint8]
    placed: NDArray[np.bool_]
    """False for those of the look-ahead, which no decoder with state may hear yet."""


class Sound:
    """Their audio. What has state is decoded once, in order, when the first of it is wanted."""

    def __init__(self, voices: Voices, payloads: Payloads, packets: Packets) -> None:
        self._voices = voices
        self._payloads = payloads
        self._packets = packets
        self._made: dict[int, Samples] = {}

    def samples(self, row: int) -> Samples:
        """Those of one packet that is placed, at its own rate."""
        packets = self._packets
        kind = packets.kind[row : row + 1]
        if kind[0] >= G722:
            return self._decoded()[row]
        size = int(packets.size[row])
        samples = self._payloads.samples(packets.start[row : row + 1], size, kind)
        length: int = packets.units[row] * SAMPLES_PER_UNIT[kind[0]]
        return samples[0, :length]

    def loudness(self, rows: Integers) -> NDArray[np.float32]:
        """Mean magnitude of each of some packets that are placed. Shape as ``rows``."""
        start, size, _, kind, _ = self._packets
        loud = self._payloads.loudness(start[rows], size[rows], kind[rows])
        for i in np.flatnonzero(kind[rows] >= G722).tolist():
            loud[i] = np.abs(self._decoded()[int(rows[i])].astype(np.float32)).mean()
        return loud

    def write(self, canvas: Canvas, place: Integers, rows: NDArray[np.intp]) -> int:
        """Write those packets that ``rows`` says, all placed and of the canvas's rate.

        Returns:
            How many have no place on it.
        """
        start, size, units, kind, _ = self._packets
        packets = Coded(place[rows], start[rows], size[rows], units[rows], kind[rows])
        if packets.kind.max() < G722:
            return canvas.write(self._payloads, packets)
        plain = packets.kind < G722
        late = canvas.write(self._payloads, packets.rows(plain)) if plain.any() else 0
        fits = canvas.fits(packets.place, packets.units)
        for i in np.flatnonzero(~plain & fits).tolist():
            canvas.put(int(packets.place[i]), self._decoded()[int(rows[i])])
        return late + int((~plain & ~fits).sum())

    def _decoded(self) -> dict[int, Samples]:
        if not self._made:
            start, size, units, kind, placed = self._packets
            for row in np.flatnonzero(placed & (kind >= G722)).tolist():
                payload = self._payloads.payload(int(start[row]), int(size[row]))
                length = int(units[row]) * int(SAMPLES_PER_UNIT[kind[row]])
                self._made[row] = self._voices.decode(int(kind[row]), payload, length)
        return self._made
