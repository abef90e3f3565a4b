"""The packets of a window as columns: what each datagram holds, one row a packet.

All that is done to packets is done to whole columns at once. Rows are in order of arrival, until
:mod:`onrecord.timeline.numbering` has put them in that of sequence.
"""

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.rtp.header import parse_headers
from onrecord.timeline.payloads import UNKNOWN, kinds_of, units_of
from onrecord.timeline.placing import LONGEST_PAYLOAD
from onrecord.timeline.sequence import Integers


class Arrivals(NamedTuple):
    """Datagrams of one track in order of arrival."""

    arrival: Integers
    """Units since the file's time zero. Shape ``(n,)``."""
    start: Integers
    """Offset of each datagram in ``arena``."""
    size: Integers
    arena: NDArray[np.uint8]


class Columns(NamedTuple):
    """RTP packets. Each column has shape ``(n,)``."""

    arrival: Integers
    sequence: NDArray[np.uint16]
    timestamp: NDArray[np.uint32]
    ssrc: NDArray[np.uint32]
    kind: NDArray[np.uint8]
    """Of payload; see :mod:`onrecord.timeline.payloads`."""
    start: Integers
    """Where the payload begins in the arena."""
    size: Integers
    """Its bytes."""
    units: Integers
    """How long its audio is."""

    def rows(self, chosen: NDArray[np.generic] | slice) -> "Columns":
        """Some of them."""
        return Columns(*(column[chosen] for column in self))  # type: ignore[arg-type]


class Meanings:
    """What payload types mean, from which arrival on."""

    def __init__(self) -> None:
        self._tables: list[tuple[int, NDArray[np.uint8]]] = [(0, kinds_of())]

    def announce(self, arrival: int, payload_types: object) -> None:
        """From ``arrival`` on they mean this; see :func:`payloads.kinds_of`."""
        table = kinds_of(payload_types)
        if not np.array_equal(table, self._tables[-1][1]):
            self._tables.append((arrival, table))

    def forget(self, before: int) -> None:
        """Drop what no packet can meet that arrives at ``before`` or later."""
        old = [i for i, (moment, _) in enumerate(self._tables) if moment <= before]
        del self._tables[: old[-1] if old else 0]

    def parse(self, arrivals: Arrivals) -> tuple[Columns, NDArray[np.bool_]]:
        """The packets, and which of the datagrams are none or hold more audio than a packet can."""
        headers = parse_headers(arrivals.arena, arrivals.start, arrivals.size)
        kind = self._kind(arrivals.arrival, headers.payload_type)
        columns = Columns(
            arrivals.arrival,
            headers.sequence,
            headers.timestamp,
            headers.ssrc,
            kind,
            headers.payload_start,
            headers.payload_bytes,
            units_of(kind, arrivals.arena, headers.payload_start, headers.payload_bytes),
        )
        good = headers.valid & (headers.payload_bytes <= LONGEST_PAYLOAD)
        if not good.all():
            columns = columns.rows(good)
        columns.kind[columns.units == 0] = UNKNOWN
        return columns, ~good

    def _kind(self, arrival: Integers, payload_type: NDArray[np.uint8]) -> NDArray[np.uint8]:
        if len(self._tables) == 1:
            return self._tables[0][1][payload_type]
        since = np.array([moment for moment, _ in self._tables])
        tables = np.stack([table for _, table in self._tables])
        which = np.maximum(np.searchsorted(since, arrival, side="right") - 1, 0)
        return tables[which, payload_type]


def by_source(ssrc: NDArray[np.uint32]) -> list[tuple[int, NDArray[np.intp]]]:
    """Each source, and the rows of its packets in their order."""
    if len(ssrc) and (ssrc == ssrc[0]).all():
        return [(int(ssrc[0]), np.arange(len(ssrc)))]
    sources, counts = np.unique(ssrc, return_counts=True)
    rows = np.split(np.argsort(ssrc, kind="stable"), np.cumsum(counts)[:-1])
    return list(zip(sources.tolist(), rows, strict=True)) if len(ssrc) else []
