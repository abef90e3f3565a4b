"""Messages between the control process and a media process: JSON, with descriptors beside it.

One message is one packet of a SOCK_SEQPACKET Unix socket, at most MESSAGE_BYTES long.
"""

import json
import socket
from collections import deque
from collections.abc import Mapping, Sequence
from typing import Any

MESSAGE_BYTES = 65_536
MAX_DESCRIPTORS = 4

Message = dict[str, Any]


class Channel:
    """One end, non-blocking in both directions."""

    def __init__(self, sock: socket.socket) -> None:
        sock.setblocking(False)
        self.sock = sock
        self._unsent: deque[tuple[bytes, Sequence[socket.socket]]] = deque()

    @property
    def has_unsent(self) -> bool:
        """Messages wait for room in the socket."""
        return bool(self._unsent)

    @property
    def unsent(self) -> int:
        """How many messages wait."""
        return len(self._unsent)

    def send(self, message: Mapping[str, object], sockets: Sequence[socket.socket] = ()) -> None:
        """Send now, or keep until :meth:`flush` when the socket is full; order is kept.

        Sockets must stay open until the message is gone.

        Raises:
            ConnectionError: the other end is gone.
        """
        self._unsent.append((json.dumps(message, separators=(",", ":")).encode(), sockets))
        self.flush()

    def flush(self) -> None:
        """Send what waits, as far as there is room.

        Raises:
            ConnectionError: the other end is gone.
        """
        while self._unsent:
            data, sockets = self._unsent[0]
            try:
                socket.send_fds(self.sock, [data], [s.fileno() for s in sockets])
            except BlockingIOError:
                return
            self._unsent.popleft()

    def receive(self) -> tuple[Message, list[int]] | None:
        """The next message and its descriptors; None when there is none now.

        Raises:
            EOFError: the other end is gone.
        """
        try:
            data, descriptors, _, _ = socket.recv_fds(self.sock, MESSAGE_BYTES, MAX_DESCRIPTORS)
        except BlockingIOError:
            return None
        except ConnectionError as error:
            raise EOFError("the other process is gone") from error
        if not data:
            raise EOFError("the other process is gone")
        return json.loads(data), descriptors

    def close(self) -> None:
        """Close this end."""
        self.sock.close()
