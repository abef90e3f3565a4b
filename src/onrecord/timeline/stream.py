"""One source (SSRC) of a track: its packets are numbered, then placed, then what lies between is looked at.

A place is media time plus the source's anchor. The anchor moves where the clocks jumped or drifted apart; where
that is in sound that goes on, the seam is hidden under a blend.
"""

from functools import partial

import numpy as np
from numpy.typing import NDArray

from onrecord.timeline.anchor import Anchor, Run
from onrecord.timeline.between import Between, Placed, Shared
from onrecord.timeline.decoding import Packets, Sound, Voices
from onrecord.timeline.deviations import Cause
from onrecord.timeline.mediatime import MediaTime
from onrecord.timeline.numbering import Numbered, Numbering
from onrecord.timeline.packets import Columns
from onrecord.timeline.payloads import EVENT, L16_8, SAMPLES_PER_UNIT
from onrecord.timeline.placing import LONGEST_PAYLOAD, Payloads
from onrecord.timeline.sequence import Integers
from onrecord.timeline.splicing import Splicer


class Stream:
    """The state of one source between two windows."""

    def __init__(self, shared: Shared, cause: Cause, layer: int) -> None:
        """Begin, for a ``cause``, on a ``layer`` of the track's canvases."""
        self.layer = layer
        self._shared = shared
        self._numbering = Numbering(shared.tally, shared.moments)
        self._media = MediaTime()
        self._anchor = Anchor(shared.tally, cause)
        self._voices = Voices(shared.tally)
        self._between = Between(shared, layer)

    def place(self, columns: Columns, payloads: Payloads, cut: int) -> None:
        """Put the source's packets of one window on the canvases.

        Args:
            columns: In order of arrival, one or more that arrived before ``cut``.
            payloads: What they hold.
            cut: The end of the window; what arrives from here on is only looked at.
        """
        columns, numbered = self._numbering.number(columns, cut)
        audio = columns.kind < EVENT
        if not audio.all():
            columns, numbered = columns.rows(audio), numbered.rows(audio)
        if numbered.placed.any():
            self._write(columns, numbered, payloads)

    def _write(self, columns: Columns, numbered: Numbered, payloads: Payloads) -> None:
        """Place audio, which is in order of sequence."""
        order, placed, kind, units = numbered.order, numbered.placed, columns.kind, columns.units
        media = self._media.units(order, numbered.media, kind, units, placed)
        last = self._anchor.last_order
        late = 0 if last is None else int(np.searchsorted(order, last, side="right"))
        place = media.copy()
        place[:late] = self._anchor.places_of_late(order[:late], media[:late])

        packets = Packets(columns.start, columns.size, units, kind, placed)
        sound = Sound(self._voices, payloads, packets)
        run = Run(order, media, units, columns.arrival, columns.arrival - media, placed)
        fresh = run.since(late)
        if fresh.placed.any():
            resumed = np.array(self._shared.resumed, np.int64)
            splicer = Splicer(sound, late, units, partial(_follows, run, kind))
            place[late:] = self._anchor.places(fresh, resumed, splicer)
        self._put(sound, kind, place, np.flatnonzero(placed))
        if fresh.placed.any():
            self._hide(late, kind, place)
            rows = late + np.flatnonzero(fresh.placed)
            made = (order, numbered.rank, media, units, kind, place, columns.arrival)
            self._between.look(Placed(*(column[rows] for column in made)))  # type: ignore[arg-type]

    def _put(
        self, sound: Sound, kind: NDArray[np.uint8], place: Integers, rows: NDArray[np.intp]
    ) -> None:
        """Write some packets to the canvas of each rate."""
        tally, canvases = self._shared.tally, self._shared.canvases
        if kind.max() <= L16_8:
            tally.late += sound.write(canvases.of(1, self.layer), place, rows)
            return
        factors = SAMPLES_PER_UNIT[kind[rows]]
        for factor in np.unique(factors).tolist():
            mine = rows[factors == factor]
            tally.late += sound.write(canvases.of(factor, self.layer), place, mine)

    def _hide(self, late: int, kind: NDArray[np.uint8], place: Integers) -> None:
        """Put the blended audio where a run was moved."""
        for seam in self._anchor.seams:
            row, length = late + seam.row, abs(seam.shift)
            begin = int(place[row]) - max(seam.shift, 0)
            canvas = self._shared.canvases.of(int(SAMPLES_PER_UNIT[kind[row]]), self.layer)
            fits = canvas.fits(np.array([begin]), np.array([length]))[0]
            if fits and not self._shared.moments.paused(begin - LONGEST_PAYLOAD, begin + length):
                canvas.put(begin, seam.blend)
                self._shared.tally.blended += length


def _follows(run: Run, kind: NDArray[np.uint8]) -> NDArray[np.bool_]:
    """Where a packet goes on where the one before ends, at the same rate, both of them placed."""
    follows = np.zeros(len(run.order), np.bool_)
    follows[1:] = (
        (run.order[1:] - run.order[:-1] == 1)
        & (run.media[1:] - run.media[:-1] == run.samples[:-1])
        & (SAMPLES_PER_UNIT[kind[1:]] == SAMPLES_PER_UNIT[kind[:-1]])
        & run.placed[1:]
        & run.placed[:-1]
    )
    return follows
