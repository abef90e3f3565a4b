"""The decoders of one source, and how its payloads come to a canvas: at once, or one after another."""

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.payloads import BadPayloadError, PayloadDecoder, make_decoder
from onrecord.timeline.deviations import Tally
from onrecord.timeline.payloads import NAMES
from onrecord.timeline.placing import Canvas, Payloads, Samples, is_stateless
from onrecord.timeline.sequence import Integers


class Voices:
    """Decoders that have state, made when their codec is first heard."""

    def __init__(self, tally: Tally) -> None:
        self._tally = tally
        self._decoders: dict[int, PayloadDecoder] = {}

    def write(
        self,
        canvas: Canvas,
        payloads: Payloads,
        place: Integers,
        start: Integers,
        size: Integers,
        units: Integers,
        kind: NDArray[np.uint8],
    ) -> int:
        """Write packets, in order of sequence, of the canvas's rate; how many have no place on it."""
        plain = is_stateless(kind)
        if plain.all():
            return canvas.write(payloads, place, start, size, kind)
        late = canvas.write(payloads, place[plain], start[plain], size[plain], kind[plain])
        fits = canvas.fits(place, units)
        for row in np.flatnonzero(~plain).tolist():
            payload = payloads.payload(int(start[row]), int(size[row]))
            samples = self._decoded(int(kind[row]), payload, int(units[row]) * canvas.factor)
            if fits[row]:
                canvas.put(int(place[row]), samples)
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
