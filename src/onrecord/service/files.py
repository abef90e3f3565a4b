"""Finished files by their signed links, for a storage that has no server of its own."""

from pathlib import Path

from onrecord.core.clock import Clock
from onrecord.service.ports import Served
from onrecord.wire import errors


class Files:
    """Checks links."""

    def __init__(self, storage: Served, clock: Clock) -> None:
        self._storage = storage
        self._clock = clock

    async def path_for(self, key: str, expires: str, signature: str) -> Path:
        """The file that a link gives.

        Raises:
            CallerError: 403, the link is wrong or over; 404, it is right and the file is gone.
        """
        path = self._storage.open_link(key, expires, signature, self._clock.utc_ns())
        if path is None:
            raise errors.link_refused()
        if not path.is_file():
            raise errors.not_found("file")
        return path
