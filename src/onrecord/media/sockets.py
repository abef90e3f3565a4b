"""UDP sockets for RTP: made in pairs, locked to one source by the kernel, and let go again."""

import ctypes
import os
import resource
import socket
import struct

from onrecord.core.units import NS_PER_S

RECEIVE_BUFFER_BYTES = 212_992
"""Asked for; Linux keeps twice as much. At 2,304 bytes of kernel memory for a small datagram
this holds 3.6 s of 50 packets/s: a stall or a new start of the media process loses nothing."""

_SO_TIMESTAMPNS = 35
_TIMESPEC = struct.Struct("@qq")
STAMP_BYTES = socket.CMSG_SPACE(_TIMESPEC.size)
"""Room for the ancillary data of :func:`arrival_of`."""

Address = tuple[str, int]

_libc = ctypes.CDLL(None, use_errno=True)


def bind_udp(host: str, port: int) -> socket.socket:
    """A non-blocking UDP socket.

    Raises:
        OSError: the port is taken.
    """
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    sock = socket.socket(family, socket.SOCK_DGRAM)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, RECEIVE_BUFFER_BYTES)
        sock.bind((host, port))
    except OSError:
        sock.close()
        raise
    return sock


def peer_of(sock: socket.socket) -> Address | None:
    """The source that the socket is locked to, or None."""
    try:
        address = sock.getpeername()
    except OSError:
        return None
    return address[0], address[1]


def lock(sock: socket.socket, source: Address) -> bool:
    """Let the kernel drop what others send from now on; False when it refuses the address.

    What others sent before is still queued.
    """
    try:
        sock.connect(source)
    except OSError:
        return False
    return True


def unlock(sock: socket.socket) -> None:
    """Undo :func:`lock` by ``connect(AF_UNSPEC)``, which Python cannot express; keeps the port."""
    unspecified = (ctypes.c_char * 16)()
    if _libc.connect(sock.fileno(), unspecified, len(unspecified)) != 0:
        raise OSError(ctypes.get_errno(), "connect(AF_UNSPEC) failed")


def stamp_arrivals(sock: socket.socket, *, wanted: bool) -> None:
    """Have the kernel note when each datagram arrived, for :func:`arrival_of`."""
    sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, wanted)


def arrival_of(ancillary: list[tuple[int, int, bytes]], utc_offset_ns: int) -> int | None:
    """Monotonic ns at which a datagram arrived, from what ``recvmsg`` gave beside it, or None.

    The kernel stamps UTC; ``utc_offset_ns`` is UTC less monotonic.
    """
    for level, kind, data in ancillary:
        if (level, kind, len(data)) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS, _TIMESPEC.size):
            seconds, nanoseconds = _TIMESPEC.unpack(data)
            return int(seconds) * NS_PER_S + int(nanoseconds) - utc_offset_ns
    return None


def sync_file_system(fd: int) -> None:
    """``syncfs``: blocks until all that was written to the file system of ``fd`` is durable.

    Raises:
        OSError: the disk failed.
    """
    if _libc.syncfs(fd) != 0:
        code = ctypes.get_errno()
        raise OSError(code, os.strerror(code))


def allow_descriptors() -> None:
    """Raise this process's limit of open files as far as it may: each call takes several."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft != hard:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
