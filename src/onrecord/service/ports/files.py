"""Where finished files live, and the links to them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Protocol


class Storage(Protocol):
    """Where finished files live."""

    async def put(self, key: str, source: Path) -> None:
        """Store durably under ``key``; repeating it is harmless.

        Raises:
            DestinationError: it could not be stored.
        """
        ...

    async def delete(self, key: str) -> None:
        """What is not there is deleted already."""
        ...

    def path(self, key: str) -> Path:
        """Where the file is on this machine, whether it is there or not."""
        ...

    def link(self, key: str, now_ns: int) -> str:
        """A URL that gives the file to anybody for ten minutes."""
        ...


class Bucket(Protocol):
    """A bucket of an application's, with its credentials."""

    async def put(self, key: str, source: Path) -> None:
        """Store the file at ``source``, which stays; repeating it is harmless.

        Raises:
            AccessError: the credentials are refused.
            DestinationError: it could not be stored.
        """
        ...

    async def delete(self, key: str) -> None:
        """What is not there is deleted already; raises as ``put``."""
        ...

    def location(self, key: str) -> str:
        """The address of the file there."""
        ...

    def link(self, key: str) -> str:
        """A URL that anybody can use for a while, where there is such a thing; else the address."""
        ...


class Buckets(Protocol):
    """Kinds of storage that belong to others."""

    def open(self, backend: str, configuration: Mapping[str, str]) -> Bucket:
        """The bucket; nothing is sent yet.

        Raises:
            UnsupportedError: the backend is not known.
            CredentialsError: the credentials cannot be read.
        """
        ...


class Links(Protocol):
    """URLs that need no key, and their end."""

    def link(self, path: str, now_ns: int) -> str:
        """A URL that gives what is at ``path`` of this server to anybody for ten minutes."""
        ...

    def holds(self, path: str, expires: str, signature: str, now_ns: int) -> bool:
        """Whether these are the parts of such a URL that is not over."""
        ...


class Served(Protocol):
    """The links of a storage whose files this server serves itself."""

    def open_link(self, key: str, expires: str, signature: str, now_ns: int) -> Path | None:
        """The file's path, or None when the link's signature is wrong or its time is over."""
        ...
