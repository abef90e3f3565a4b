"""Finished files in a local folder: there whole and durable, or not at all."""

import asyncio
import contextlib
import errno
import os
import shutil
import threading
from pathlib import Path

from onrecord.calls.file_names import check_key
from onrecord.core.errors import DestinationError
from onrecord.storage.links import LinkError, LinkFault, Links, verify

_TRIES = 20


class LocalStorage:
    """Satisfies ``service.ports.Storage``.

    Args:
        root: The folder; made when first needed.
        links: What gives the files out.
    """

    def __init__(self, root: Path, links: Links) -> None:
        self._root = root.absolute()
        self._links = links
        self._lock = threading.RLock()
        self._settled: set[Path] = set()
        """Folders of folders whose names are durable, as are those above them, unless they were removed since."""

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
        """A URL that gives the file to anybody, as :meth:`Links.link` makes it."""
        return self._links.link(f"files/{key}", now_ns)

    def path_for(self, key: str, expires: str, signature: str, now_ns: int) -> Path:
        """The file that a link's parts name.

        Raises:
            LinkError: the link is wrong or expired, or its file is missing; nothing else.
        """
        verify(self._links.secret, f"files/{key}", expires, signature, now_ns)
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
        made = self._make(path.parent)
        _sync(source)
        try:
            source.replace(path)
        except OSError as error:
            if error.errno != errno.EXDEV:
                raise
            _copy(source, path)
        _sync(path.parent)
        self._settle(path.parent, made)
        source.unlink(missing_ok=True)

    def _make(self, folder: Path) -> int:
        """Make it with those above it that are missing; how many that were."""
        with self._lock:
            try:
                folder.mkdir()
            except FileExistsError:
                return 0
            except FileNotFoundError:
                above = self._make(folder.parent)
                folder.mkdir(exist_ok=True)
                self._settled.discard(folder)
                return above + 1
            self._settled.discard(folder)
            return 1

    def _settle(self, folder: Path, made: int) -> None:
        """Make its name durable, and those of the folders above it, as far as that is not sure.

        A crash may have left any of them made but not yet durable: only what was settled since is sure.
        ``made`` of them are new.
        """
        unsure = [folder]
        while (folder := folder.parent) != self._root.parent:
            if len(unsure) >= made and folder in self._settled:
                break
            unsure.append(folder)
        for each in unsure:
            _sync(each.parent)
        with self._lock:
            self._settled.update(unsure[1:])

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
