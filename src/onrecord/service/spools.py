"""The folder of spools: where a recording's file of facts is, and its coming and going."""

from collections.abc import Iterator
from pathlib import Path

from onrecord.core.ids import RecordingId
from onrecord.spool.header import SpoolHeader
from onrecord.spool.writer import create_spool, sync_spool

SUFFIX = ".spool"
PART_SUFFIX = ".part"


class Spools:
    """``folder`` is made if it is not there."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        folder.mkdir(parents=True, exist_ok=True)

    def path(self, recording_id: RecordingId) -> Path:
        """Where the spool of a recording is, whether it exists or not."""
        return self._folder / f"{recording_id}{SUFFIX}"

    def part(self, recording_id: RecordingId, form: str) -> Path:
        """Where its file is made before it is stored."""
        return self._folder / f"{recording_id}.{form}{PART_SUFFIX}"

    def create(self, header: SpoolHeader) -> Path:
        """Make the spool of a new recording; not yet durable, see :meth:`sync`.

        Raises:
            OSError: the disk refused.
        """
        path = self.path(header.recording_id)
        create_spool(path, header)
        return path

    def sync(self, recording_id: RecordingId) -> None:
        """Make the spool and its name durable; blocks.

        Raises:
            OSError: the disk refused.
        """
        sync_spool(self.path(recording_id))

    def remove(self, recording_id: RecordingId) -> None:
        """Remove the spool; one that is not there is removed already."""
        self.path(recording_id).unlink(missing_ok=True)

    def recordings(self) -> Iterator[RecordingId]:
        """The recordings that have a spool here."""
        for path in sorted(self._folder.glob(f"*{SUFFIX}")):
            yield RecordingId(path.name.removesuffix(SUFFIX))

    def remove_parts(self) -> int:
        """Remove half-made files of an earlier run; returns how many there were."""
        parts = list(self._folder.glob(f"*{PART_SUFFIX}"))
        for path in parts:
            path.unlink(missing_ok=True)
        return len(parts)

    def set_aside(self, recording_id: RecordingId) -> Path:
        """Move a spool that belongs to no recording to ``orphans``; returns where it is now."""
        orphans = self._folder / "orphans"
        orphans.mkdir(exist_ok=True)
        target = orphans / f"{recording_id}{SUFFIX}"
        self.path(recording_id).replace(target)
        return target
