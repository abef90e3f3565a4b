"""The decoders of one source, and how its payloads come to a canvas: at once, or one after another."""

import numpy as np

from onrecord.audio.payloads import BadPayloadError, PayloadDecoder, make_decoder
from onrecord.timeline.deviations import Tally
from onrecord.timeline.payloads import G722, NAMES
from onrecord.timeline.placing import Canvas, Coded, Payloads, Samples


class Voices:
    """Decoders that have state, made when their codec is first heard."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._decoders: dict[int, PayloadDecoder] = {}

    def write(self, canvas: Canvas, payloads: Payloads, packets: Coded) -> int:
        """Write packets of the canvas's rate; how many have no place on it."""
        if packets.kind.max() < G722:
            return canvas.write(payloads, packets)
        plain = packets.kind < G722
        late = canvas.write(payloads, packets.rows(plain)) if plain.any() else 0
        fits = canvas.fits(packets.place, packets.units)
        for row in np.flatnonzero(~plain).tolist():
            place, start, size, units, kind = (int(column[row]) for column in packets)
            samples = self._decoded(kind, payloads.payload(start, size), units * canvas.factor)
            if fits[row]:
                canvas.put(place, samples)
            else:
                late += 1
        return late

    def _decoded(self, kind: int, payload: bytes, length: int) -> Samples:
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
