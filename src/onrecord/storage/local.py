"""Finished files in a local folder: there whole and durable, or not at all."""

import asyncio
import contextlib
import errno
import os
import shutil
from pathlib import Path

from onrecord.calls.file_names import check_key
from onrecord.core.errors import DestinationError
from onrecord.core.units import NS_PER_S
from onrecord.storage.links import LinkError, LinkFault, link, verify

_TRIES = 20


class LocalStorage:
    """Satisfies ``service.ports.Storage``.

    Args:
        root: The folder; made when first needed.
        base_url: Where the API is reached by those who get links.
        secret: Key of the links' signatures.
        valid_secs: How long a link is valid.
    """

    def __init__(self, root: Path, base_url: str, secret: bytes, valid_secs: int) -> None:
        self._root = root.absolute()
        self._base_url = base_url
        self._secret = secret
        self._valid_secs = valid_secs

    async def put(self, key: str, source: Path) -> None:
        """Move ``source`` to ``key`` durably, replacing what is there.

        A repeat whose source has been moved already is harmless. The source is moved and not
        linked: what later writes to its path must not change the stored file.

        Raises:
            DestinationError: it could not be stored; the source is still there.
            ValueError: ``key`` is not one.
        """
        await asyncio.to_thread(self._put, self.path(key), source)

    async def delete(self, key: str) -> None:
        """Delete durably, with the folders that it leaves empty; what is not there is deleted already.

        Raises:
            DestinationError: it could not be deleted.
            ValueError: ``key`` is not one.
        """
        await asyncio.to_thread(self._delete, self.path(key))

    def path(self, key: str) -> Path:
        """Where the file is, whether it is there or not.

        Raises:
            ValueError: ``key`` is not one.
        """
        check_key(key)
        return self._root / key

    def link(self, key: str, now_ns: int) -> str:
        """A URL that gives the file to anybody for ``valid_secs`` from ``now_ns`` (UTC)."""
        return link(self._base_url, self._secret, key, now_ns // NS_PER_S + self._valid_secs)

    def path_for(self, key: str, expires: str, signature: str, now_ns: int) -> Path:
        """The file that a link's parts name.

        Raises:
            LinkError: the link is wrong or expired, or its file is missing; nothing else.
        """
        verify(self._secret, key, expires, signature, now_ns)
        try:
            path = self.path(key)
        except ValueError as error:
            raise LinkError(LinkFault.WRONG) from error
        if not path.is_file():
            raise LinkError(LinkFault.MISSING)
        return path

    def open_link(self, key: str, expires: str, signature: str, now_ns: int) -> Path | None:
        """As ``path_for``, but None for a wrong or expired link, and a path whether it is there or not."""
        try:
            return self.path_for(key, expires, signature, now_ns)
        except LinkError as error:
            return self.path(key) if error.reason is LinkFault.MISSING else None

    def _put(self, path: Path, source: Path) -> None:
        if not source.exists() and path.exists():
            return
        for left in reversed(range(_TRIES)):
            try:
                self._place(path, source)
            except OSError as error:
                # A delete beside us may take the new folder while it is still empty.
                if isinstance(error, FileNotFoundError) and left and source.exists():
                    continue
                raise DestinationError(
                    f"the folder of recordings {self._root} cannot take a file: {error.strerror}"
                ) from error
            return

    def _place(self, path: Path, source: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        _sync(source)
        try:
            source.replace(path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(source, path)
        # All of them: a crash may have left any of them made but not yet durable.
        for folder in path.parents:
            _sync(folder)
            if folder == self._root.parent:
                break
        source.unlink(missing_ok=True)

    def _delete(self, path: Path) -> None:
        try:
            path.unlink(missing_ok=True)
            folder = path.parent
            while folder != self._root and _remove_if_empty(folder):
                folder = folder.parent
            # A delete beside us may have taken it as well.
            with contextlib.suppress(FileNotFoundError):
                _sync(folder)
        except OSError as error:
            raise DestinationError(
                f"a file in {self._root} cannot be deleted: {error.strerror}"
            ) from error


def _copy(source: Path, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    shutil.copyfile(source, part)
    _sync(part)
    part.replace(path)


def _remove_if_empty(folder: Path) -> bool:
    try:
        folder.rmdir()
    except FileNotFoundError:
        return True
    except OSError as error:
        if error.errno in {errno.ENOTEMPTY, errno.EEXIST}:
            return False
        raise
    return True


def _sync(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
