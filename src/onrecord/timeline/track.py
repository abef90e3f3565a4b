"""One track of a recording: the datagrams of one window, parted by who sent them, all the way to samples.

A track has one sender as a rule. It has more after a transfer, with early media, or when two use one SSRC:
each is a :class:`~onrecord.timeline.stream.Stream` of its own, with its own numbers, clock and decoders.
"""

from collections.abc import Iterator

import numpy as np

from onrecord.timeline.anchor import JUMP
from onrecord.timeline.between import Shared
from onrecord.timeline.deviations import Cause, Deviations, Tally
from onrecord.timeline.gaps import Moments
from onrecord.timeline.packets import Arrivals, Columns, Meanings, by_source
from onrecord.timeline.placing import LONGEST_PAYLOAD, Payloads, Samples
from onrecord.timeline.stream import Stream
from onrecord.timeline.twins import Twins

STREAMS_KEPT = 8
"""Sources of one track that are remembered; a ninth takes the place of the oldest."""
MOST_SOURCES = 64
"""Sources of one window that are placed; in a flood of more, those that sent least are left out and counted."""
RESUMPTIONS_KEPT = 64


class Track:
    """The state of one track between windows."""

    def __init__(self, moments: Moments) -> None:
        self._shared = Shared(moments)
        self._canvases = self._shared.canvases
        self._meanings = Meanings()
        self._streams: dict[tuple[int, int], Stream] = {}
        self._twins: dict[int, Twins] = {}

    @property
    def tally(self) -> Tally:
        """What was counted so far."""
        return self._shared.tally

    @property
    def best(self) -> int:
        """Samples a unit of the best codec that was placed."""
        return self._canvases.best

    @property
    def end(self) -> int:
        """Position after the last sample that was placed."""
        return self._canvases.end

    @property
    def blank(self) -> bool:
        """Nothing was placed in what is not finished."""
        return self._canvases.blank

    def announce(self, arrival: int, payload_types: object) -> None:
        """From ``arrival`` on, payload types mean this; see :func:`payloads.kinds_of`."""
        self._meanings.announce(arrival, payload_types)

    def resume(self, arrival: int) -> None:
        """What comes from ``arrival`` on is tied to arrival time anew."""
        self._shared.resumed.append(arrival)
        del self._shared.resumed[:-RESUMPTIONS_KEPT]

    def place(self, arrivals: Arrivals, cut: int) -> None:
        """Put the packets of one window on the canvas.

        Args:
            arrivals: Those of the window and, after them, those of the look-ahead.
            cut: The end of the window: what arrives from here on is only looked at.
        """
        columns, invalid = self._meanings.parse(arrivals)
        self.tally.invalid += int(np.count_nonzero(invalid & (arrivals.arrival < cut)))
        self._canvases.reach(cut + JUMP + LONGEST_PAYLOAD)
        payloads = Payloads(arrivals.arena)
        for ssrc, mine in self._sources(columns, cut):
            for sender, packets in self._by_sender(ssrc, mine, cut):
                if packets.arrival[0] < cut:
                    self._stream(ssrc, sender).place(packets, payloads, cut)
        self._forget(cut)

    def mute(self, begin: int, end: int) -> None:
        """Make silence of what is not finished from ``begin`` to ``end``."""
        self._canvases.mute(begin, end)

    def skip(self, end: int) -> None:
        """Finish what lies before ``end`` of a blank track."""
        self._canvases.skip(end)

    def take(self, end: int, factor: int) -> Samples:
        """The samples up to ``end``, ``factor`` a unit, which are finished by this. Shape ``(n,)``."""
        return self._canvases.take(end, factor)

    def report(self, end: int | None = None) -> Deviations:
        """The deviations so far; with the gap behind the last audio if the file ends at ``end``."""
        shared = self._shared
        if end is not None:
            shared.gaps.finish(shared.reach, end)
            shared.reach = max(shared.reach, end)
        return shared.tally.report(shared.gaps.listed(), shared.gaps.totals())

    def _sources(self, columns: Columns, cut: int) -> Iterator[tuple[int, Columns]]:
        """The packets of each source, in order of their first ones."""
        sources = by_source(columns.ssrc)
        if len(sources) == 1:
            yield sources[0][0], columns
            return
        ours = int(np.searchsorted(columns.arrival, cut))
        busiest = sorted(sources, key=lambda source: len(source[1]), reverse=True)
        refused = busiest[MOST_SOURCES:]
        self.tally.refused += sum(int(np.searchsorted(rows, ours)) for _, rows in refused)
        for ssrc, rows in sorted(busiest[:MOST_SOURCES], key=lambda source: source[1][0]):
            yield ssrc, columns.rows(rows)

    def _by_sender(self, ssrc: int, columns: Columns, cut: int) -> Iterator[tuple[int, Columns]]:
        """The packets of each of the senders that one source turns out to be."""
        ours = int(np.searchsorted(columns.arrival, cut))
        twins = self._twins[ssrc] = self._twins.pop(ssrc) if ssrc in self._twins else Twins()
        found = twins.split(columns.sequence, columns.timestamp, ours) if ours else None
        if found is None:
            yield 0, columns
            return
        for sender in np.unique(found).tolist():
            yield sender, columns.rows(found == sender)

    def _stream(self, ssrc: int, sender: int) -> Stream:
        stream = self._streams.pop((ssrc, sender), None)
        if stream is None:
            others = list(self._streams.values())
            layer = 1 - others[-1].layer if others else 0
            cause = Cause.SSRC if others else Cause.START
            stream = Stream(self._shared, cause, layer)
            if len(others) >= STREAMS_KEPT:
                del self._streams[next(iter(self._streams))]
        self._streams[ssrc, sender] = stream
        return stream

    def _forget(self, cut: int) -> None:
        """Drop payload type maps that no later packet can meet, and sources long silent."""
        self._meanings.forget(cut)
        for ssrc in [*self._twins][:-STREAMS_KEPT]:
            del self._twins[ssrc]
