"""Where messages come from and go to. Names are not resolved here: that is the edge's work."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Peer:
    """One end of a path."""

    transport: str
    """``UDP`` or ``TCP``."""
    host: str
    """An address, or a name for the edge to resolve; IPv6 without brackets."""
    port: int
    flow: int = 0
    """The TCP connection, numbered by the edge. On the way out: the one to use while it is open;
    without it, or with 0, any connection to ``host:port``, opened if need be."""

    def __str__(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Transmit:
    """One message to send."""

    data: bytes
    peer: Peer
