"""What a media process should be doing, whichever it is, and the requests that have a new one do it."""

import socket
from collections.abc import Collection, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from onrecord.calls.media import Beep
from onrecord.core.ids import LegId, RecordingId
from onrecord.media.channel import Message
from onrecord.media.messages import encode_beep, encode_media, joined
from onrecord.media.ports import PortPair
from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import Media
from onrecord.spool.header import SpoolHeader


@dataclass(slots=True)
class WantedLeg:
    """What a leg should be."""

    name: LegId
    pair: PortPair
    may_transcode: bool = False
    media: Media | None = None
    silence_when_idle: bool = False
    rollover: list[int] | None = None
    """How far the SRTP that it receives has come, as last reported."""
    before: LegStats = field(default_factory=LegStats)
    """Figures of media processes that are gone."""
    latest: LegStats = field(default_factory=LegStats)
    """As the present one last reported."""

    @property
    def figures(self) -> LegStats:
        """Over all media processes."""
        return joined(self.before, self.latest)

    @property
    def sockets(self) -> tuple[socket.socket, socket.socket]:
        """Those that go with :attr:`opening`."""
        return self.pair.rtp, self.pair.rtcp

    @property
    def opening(self) -> Message:
        """What a process is told of it first."""
        return {"leg": self.name, "may_transcode": self.may_transcode}

    @property
    def connection(self) -> Message:
        """Once its media is known."""
        media = None if self.media is None else encode_media(self.media)
        return {"leg": self.name, "media": media, "silence_when_idle": self.silence_when_idle}


@dataclass(slots=True)
class WantedCapture:
    """What a recording should be."""

    header: SpoolHeader
    path: Path
    began: bool = False
    """Its start has been answered: a new media process goes on with it instead of starting it."""
    paused: bool = False
    beep: Beep | None = None
    """Sent when it begins, and not again by a new media process."""

    @property
    def start(self) -> Message:
        """What a process is told of it."""
        return {
            "recording": self.header.recording_id,
            "leg": self.header.leg_id,
            "path": str(self.path),
            "track": self.header.track,
            "resumed": self.began,
            "paused": self.paused,
            "live": self.header.timeout_secs > 0,
            "beep": None if self.began else encode_beep(self.beep),
        }


class Wanted:
    """All legs, bridges and captures."""

    def __init__(self) -> None:
        self.legs: dict[LegId, WantedLeg] = {}
        self.captures: dict[RecordingId, WantedCapture] = {}
        self._bridges: dict[LegId, LegId] = {}
        self._deaf: set[LegId] = set()
        """Legs to which no digits are passed on."""

    def bridge(self, first: LegId, second: LegId, deaf: Collection[LegId]) -> None:
        """The two are to hear each other and nobody else."""
        for leg in (first, second):
            self.unbridge(leg)
        self._bridges[first], self._bridges[second] = second, first
        self._deaf |= set(deaf)

    def unbridge(self, leg: LegId) -> None:
        """The leg is to hear nobody."""
        other = self._bridges.pop(leg, None)
        if other is not None:
            self._bridges.pop(other, None)
            self._deaf -= {leg, other}

    def requests(self) -> Iterator[tuple[str, Message, tuple[socket.socket, ...]]]:
        """Operation, fields and sockets of each that a new media process needs, in order."""
        for leg in self.legs.values():
            yield "open", leg.opening, leg.sockets
            if leg.media is not None:
                yield "connect", leg.connection | {"rollover": leg.rollover}, ()
        for first, second in self._bridges.items():
            deaf = list({first, second} & self._deaf)
            yield "bridge", {"first": first, "second": second, "deaf": deaf}, ()
        for capture in self.captures.values():
            yield "start", capture.start, ()
        yield "go", {}, ()
