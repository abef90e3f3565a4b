"""The legs that are open, by name and by index."""

import itertools
import socket
from collections.abc import Iterator

from onrecord.media.leg import MediaLeg


class Legs:
    """The index, a row in tables, is low: that of a leg that is closed goes to another."""

    def __init__(self) -> None:
        self.by_name: dict[str, MediaLeg] = {}
        self.by_index: dict[int, MediaLeg] = {}
        self._unused = itertools.count()
        self._freed: list[int] = []

    def __iter__(self) -> Iterator[MediaLeg]:
        return iter(self.by_name.values())

    def __getitem__(self, name: str) -> MediaLeg:
        return self.by_name[name]

    def get(self, name: str) -> MediaLeg | None:
        """The leg of that name; None when it is not open."""
        return self.by_name.get(name)

    def open(self, name: str, rtp: socket.socket, rtcp: socket.socket) -> MediaLeg:
        """A new leg with these sockets."""
        index = self._freed.pop() if self._freed else next(self._unused)
        leg = self.by_name[name] = self.by_index[index] = MediaLeg(name, index, rtp, rtcp)
        return leg

    def close(self, leg: MediaLeg) -> None:
        """Close its sockets and give its index away."""
        leg.close()
        del self.by_name[leg.name], self.by_index[leg.index]
        self._freed.append(leg.index)
