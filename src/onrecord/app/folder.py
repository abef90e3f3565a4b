"""The data folder: where each thing lives, and the lock that keeps two servers out of one folder."""

import fcntl
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path

from onrecord.core.errors import OnrecordError


class FolderInUseError(OnrecordError):
    """Another server runs on this data folder."""


@dataclass(frozen=True, slots=True)
class Running:
    """What a running server tells others on its machine, in ``run.json``."""

    pid: int
    http_url: str
    sip_port: int


@dataclass(frozen=True, slots=True)
class DataFolder:
    """Paths below ``data``; ``prepare`` makes them."""

    root: Path

    @property
    def database(self) -> Path:
        """The SQLite file."""
        return self.root / "onrecord.db"

    @property
    def spool(self) -> Path:
        """Facts of recordings that are not finished."""
        return self.root / "spool"

    @property
    def arena(self) -> Path:
        """The media process's mapped packets."""
        return self.root / "arena"

    @property
    def recordings(self) -> Path:
        """Finished files."""
        return self.root / "recordings"

    @property
    def media(self) -> Path:
        """What ``media_name`` of playback_start names: filled by the operator."""
        return self.root / "media"

    @property
    def clips(self) -> Path:
        """Audio that is being played, as it is sent."""
        return self.root / "clips"

    @property
    def transcriptions(self) -> Path:
        """Audio and progress of transcriptions that are being made."""
        return self.root / "transcriptions"

    @property
    def keys(self) -> Path:
        """Keys that are kept apart from the database."""
        return self.root / "keys"

    @property
    def locks(self) -> Path:
        """One lock file per role."""
        return self.root / "locks"

    @property
    def run_file(self) -> Path:
        """Where the running server's addresses are."""
        return self.root / "run.json"

    def prepare(self) -> None:
        """Make every folder; others than the owner cannot read them."""
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        for folder in (
            self.spool,
            self.arena,
            self.recordings,
            self.keys,
            self.locks,
            self.media,
            self.clips,
            self.transcriptions,
        ):
            folder.mkdir(mode=0o700, exist_ok=True)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold the folder for one server.

        Raises:
            FolderInUseError: another process holds it.
        """
        descriptor = os.open(self.locks / "control", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            os.close(descriptor)
            raise FolderInUseError(f"another server is running on {self.root}") from error
        try:
            yield
        finally:
            os.close(descriptor)

    def announce(self, running: Running) -> None:
        """Write ``run.json`` whole or not at all."""
        part = self.run_file.with_suffix(".part")
        part.write_text(json.dumps(asdict(running)) + "\n")
        part.replace(self.run_file)

    def running(self) -> Running | None:
        """What the last server announced, or None; it may have died since."""
        try:
            return Running(**json.loads(self.run_file.read_text()))
        except (OSError, ValueError, TypeError):
            return None
