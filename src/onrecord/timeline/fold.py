"""The fold: facts of a recording go in as they were stored, finished samples come out.

Arrival time is cut into windows of twenty seconds. A window is placed once a packet or a fact
shows that five more seconds have passed: by then all its packets are there, and the two seconds
after it, which decide whether a jump of the clocks persists. Samples leave ten seconds behind
the last window, so that a packet that a stalled network held back still lands in its place.

So the result depends on the facts alone and not on how they were handed over, memory is flat
whatever the length of the call, and everything between two window edges is done at once.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.g711 import SAMPLE_RATE
from onrecord.core.units import NS_PER_S
from onrecord.timeline.anchor import FIRST_MOMENTS
from onrecord.timeline.beeps import Beep, add_beeps, beep_of
from onrecord.timeline.deviations import Deviations
from onrecord.timeline.gaps import Moments
from onrecord.timeline.packets import Arrivals
from onrecord.timeline.sequence import Integers
from onrecord.timeline.track import Track

INBOUND = 0
OUTBOUND = 1
TRACKS = ("inbound", "outbound")

NS_PER_SAMPLE = NS_PER_S // SAMPLE_RATE
WINDOW = 20 * SAMPLE_RATE
LOOK_AHEAD = FIRST_MOMENTS
SETTLE = 3 * SAMPLE_RATE
"""How long after a packet another may be stored that came before it: more than one fold."""
HORIZON = 10 * SAMPLE_RATE
MOST_PACKETS = 16_000
"""Datagrams of one track that are held: 640 a second; what comes above is left out and counted."""

Block = NDArray[np.int16]


class _Part(NamedTuple):
    """Datagrams that were stored together."""

    arrival_ns: Integers
    start: Integers
    """Ascending offsets in ``arena``."""
    size: Integers
    arena: NDArray[np.uint8]

    def rows(self, chosen: NDArray[np.generic] | slice) -> "_Part":
        return _Part(self.arrival_ns[chosen], self.start[chosen], self.size[chosen], self.arena)

    def trimmed(self) -> "_Part":
        """With no more of the arena than its datagrams lie in."""
        first, end = int(self.start[0]), int(self.start[-1] + self.size[-1])
        return self._replace(start=self.start - first, arena=self.arena[first:end])

    def moved(self, by: int) -> "_Part":
        """As its datagrams lie in an arena that holds others before them."""
        return self._replace(start=self.start + by)


class _Inbox:
    """Datagrams of one track that were not placed yet, as they were stored."""

    def __init__(self) -> None:
        self.packets = 0
        self._parts: list[_Part] = []

    def add(self, part: _Part) -> None:
        """Keep some more; arrays are not copied."""
        if len(part.arrival_ns):
            self._parts.append(part)
            self.packets += len(part.arrival_ns)

    def take(self, start_ns: int, end: int, keep_from: int) -> Arrivals | None:
        """What arrived before ``end``, by arrival; what came from ``keep_from`` on stays here too."""
        if not self.packets:
            return None
        arrival_ns, start, size, arena = _joined(self._parts)
        arrival = (arrival_ns - start_ns) // NS_PER_SAMPLE
        if (arrival[1:] < arrival[:-1]).any():
            by_arrival = np.argsort(arrival, kind="stable")
            arrival, size, start = arrival[by_arrival], size[by_arrival], start[by_arrival]
        self._keep(start_ns + keep_from * NS_PER_SAMPLE)
        seen = int(np.searchsorted(arrival, end))
        return Arrivals(arrival[:seen], start[:seen], size[:seen], arena)

    def _keep(self, since_ns: int) -> None:
        """Forget what arrived before ``since_ns``."""
        parts, self._parts, self.packets = self._parts, [], 0
        for part in parts:
            kept = part.arrival_ns >= since_ns
            self.add(part if kept.all() else part.rows(kept))


def _joined(parts: list[_Part]) -> _Part:
    """One part of all, which are one at least and not empty."""
    if len(parts) == 1:
        return parts[0]
    arena = parts[0].arena
    if any(part.arena is not arena for part in parts):
        parts = [part.trimmed() for part in parts]
        arena = np.concatenate([part.arena for part in parts])
        begins = itertools.accumulate((len(part.arena) for part in parts), initial=0)
        parts = [part.moved(begin) for part, begin in zip(parts, begins, strict=False)]
    return _Part(
        np.concatenate([part.arrival_ns for part in parts]),
        np.concatenate([part.start for part in parts]),
        np.concatenate([part.size for part in parts]),
        arena,
    )


class Timeline:
    """Folds one recording's facts into samples, its tracks side by side.

    Feed facts and packets in the order in which they were stored; each call returns the blocks
    that were finished by it, and :meth:`finish` the rest. A block has shape ``(tracks, n)``,
    int16, tracks in the order given, and continues the one before.
    Nothing here raises on what packets or facts contain.
    """

    def __init__(
        self,
        start_ns: int,
        tracks: Sequence[int] = (INBOUND, OUTBOUND),
        *,
        sample_rate: int = SAMPLE_RATE,
        keep_pauses: bool = False,
    ) -> None:
        """Begin at time zero.

        Args:
            start_ns: Monotonic time of the first sample, until a ``start`` fact says otherwise.
            tracks: Which tracks are wanted; packets of others are passed over.
            sample_rate: Of the blocks: 8000, 16000 or 48000.
            keep_pauses: A pause is silence of its length; otherwise it is left out. What was said in
                it is never given out.
        """
        self.start_ns = start_ns
        self.end_ns: int | None = None
        """When the recording stopped; None as long as no fact says so."""
        self._factor = sample_rate // SAMPLE_RATE
        self._keep_pauses = keep_pauses
        self._moments = Moments()
        self._tracks = {number: Track(self._moments) for number in tracks}
        self._inboxes = {number: _Inbox() for number in tracks}
        self._beeps: list[Beep] = []
        self._window = 0
        self._emitted = 0
        self._fed = False
        self._finished = False

    def deviations(self, track: int) -> Deviations:
        """The record of one of the wanted tracks, up to the last window that was placed."""
        return self._tracks[track].report(self._emitted if self._finished else None)

    @property
    def best_rate(self) -> int:
        """The highest rate of the audio that was placed: below it, something is lost."""
        return SAMPLE_RATE * max((track.best for track in self._tracks.values()), default=1)

    @property
    def pauses(self) -> tuple[tuple[int, int], ...]:
        """Begin and end of each pause, ns since time zero; up to where the recording goes."""
        end = self._emitted
        spans = [(first, end if last is None else last) for first, last in self._moments.pauses]
        return tuple((a * NS_PER_SAMPLE, b * NS_PER_SAMPLE) for a, b in spans if a < b)

    @property
    def ran_ns(self) -> int:
        """How long the recording ran as far as blocks were given out, pauses included."""
        return self._emitted * NS_PER_SAMPLE

    def fact(self, kind: str, at_ns: int, data: Mapping[str, object]) -> list[Block]:
        """Take in one fact. A kind that says nothing of time, payloads or pauses changes nothing."""
        if kind == "start" and not self._fed:
            self.start_ns = at_ns
        moment = self._samples(at_ns)
        if kind in {"start", "codecs", "media_replaced"}:
            self._announce(moment, data)
        if kind in {"resume_media", "media_replaced"}:
            for track in self._tracks.values():
                track.resume(moment)
        elif kind == "stop":
            self.end_ns = at_ns
        elif kind == "beep" and OUTBOUND not in self._tracks:
            self._beeps += beep_of(moment, data)
        self._note(kind, at_ns)
        return self._pass(moment)

    def _note(self, kind: str, at_ns: int) -> None:
        """Keep what says that audio is missing on purpose, or why."""
        moments, at = self._moments, self._samples(at_ns)
        match kind:
            case "pause":
                moments.begin(moments.pauses, at)
            case "resume":
                moments.end(moments.pauses, -((self.start_ns - at_ns) // NS_PER_SAMPLE))
            case "hold":
                moments.begin(moments.holds, at)
            case "resume_media":
                moments.end(moments.holds, at)
            case "media_replaced":
                moments.replaced.append(at)

    def packets(
        self,
        track: int,
        arrival_ns: NDArray[np.int64],
        size: NDArray[np.integer],
        data: NDArray[np.uint8],
    ) -> list[Block]:
        """Take in datagrams of one track.

        Args:
            track: 0 inbound, 1 outbound.
            arrival_ns: Monotonic. Shape ``(n,)``.
            size: Bytes of each datagram. Shape ``(n,)``.
            data: Row ``i`` starts with datagram ``i``. Shape ``(n, pitch)``; kept, not copied.
        """
        n, pitch = data.shape
        tracks = np.full(n, track, np.uint8)
        start = np.arange(n) * pitch
        return self.datagrams(tracks, arrival_ns, start, size.astype(np.int64), data.reshape(-1))

    def datagrams(
        self,
        track: NDArray[np.uint8],
        arrival_ns: Integers,
        start: Integers,
        size: Integers,
        arena: NDArray[np.uint8],
    ) -> list[Block]:
        """Take in datagrams of any track, in the order in which they were stored.

        Args:
            track: 0 inbound, 1 outbound. Shape ``(n,)``.
            arrival_ns: Monotonic. Shape ``(n,)``.
            start: Offset of each in ``arena``, ascending. Shape ``(n,)``.
            size: Bytes of each. Shape ``(n,)``.
            arena: Bytes that hold them; kept, not copied.
        """
        part = _Part(arrival_ns, start, size, arena)
        blocks: list[Block] = []
        at = 0
        if len(self._inboxes) < len(TRACKS) or track.max(initial=INBOUND) > OUTBOUND:
            wanted = np.isin(track, list(self._inboxes))
            track, part = track[wanted], part.rows(wanted)
        while at < len(track):
            self._fed = True
            beyond = part.arrival_ns[at:] >= self.start_ns + self._edge * NS_PER_SAMPLE
            passed = int(np.argmax(beyond))
            end = at + passed + 1 if beyond[passed] else len(track)
            self._store(track[at:end], part.rows(slice(at, end)))
            if beyond[passed]:
                blocks += self._pass(self._samples(int(part.arrival_ns[end - 1])))
            at = end
        return blocks

    def finish(self) -> Iterator[Block]:
        """The blocks that are left, up to the stop fact or, without one, the last packet's end."""
        while any(inbox.packets for inbox in self._inboxes.values()):
            self._place_window()
            yield from self._emit(min(self._window - HORIZON, self._end()))
        while self._emitted < self._end():
            yield from self._emit(min(self._emitted + WINDOW, self._end()))
        self._finished = True

    @property
    def _edge(self) -> int:
        """What must have arrived before the window can be placed."""
        return self._window + WINDOW + LOOK_AHEAD + SETTLE

    def _samples(self, at_ns: int) -> int:
        return (at_ns - self.start_ns) // NS_PER_SAMPLE

    def _end(self) -> int:
        if self.end_ns is not None:
            return self._samples(self.end_ns)
        return max((track.end for track in self._tracks.values()), default=0)

    def _announce(self, moment: int, data: Mapping[str, object]) -> None:
        for number, track in self._tracks.items():
            if TRACKS[number] in data:
                track.announce(moment, data[TRACKS[number]])

    def _store(self, track: NDArray[np.uint8], part: _Part) -> None:
        for number, inbox in self._inboxes.items():
            rows = (track == number).nonzero()[0]
            room = MOST_PACKETS - inbox.packets
            self._tracks[number].tally.refused += max(len(rows) - room, 0)
            inbox.add(part.rows(rows[:room]))

    def _pass(self, moment: int) -> list[Block]:
        """Place and give out what is settled when ``moment`` has come."""
        blocks: list[Block] = []
        while moment >= self._edge:
            self._place_window()
            blocks += self._emit(self._window - HORIZON)
        return blocks

    def _place_window(self) -> None:
        cut = self._window + WINDOW
        for number, track in self._tracks.items():
            arrivals = self._inboxes[number].take(self.start_ns, cut + LOOK_AHEAD, cut)
            if arrivals is not None:
                track.place(arrivals, cut)
        self._window = cut

    def _emit(self, end: int) -> Iterator[Block]:
        """The samples up to ``end``, if there are any that were not given out yet."""
        begin, self._emitted = self._emitted, max(end, self._emitted)
        for first, last in self._moments.pauses:
            if first < end + SAMPLE_RATE and (last is None or last > begin):
                for track in self._tracks.values():
                    track.mute(first, self._window + WINDOW if last is None else last)
        for first, last, paused in self._moments.pieces(begin, end):
            block = self._take(first, last)
            if not paused or self._keep_pauses:
                yield block

    def _take(self, begin: int, end: int) -> Block:
        """The samples from ``begin``, up to which all were given out, to ``end``."""
        beeps = [beep for beep in self._beeps if beep.overlaps(begin, end)]
        tracks = self._tracks.values()
        if not beeps and all(track.blank for track in tracks):
            for track in tracks:
                track.skip(end)
            shape = (len(tracks), (end - begin) * self._factor)
            return np.broadcast_to(np.int16(0), shape)  # costs no memory
        block = np.stack([track.take(end, self._factor) for track in tracks])
        return add_beeps(block, begin, self._factor, beeps) if beeps else block
