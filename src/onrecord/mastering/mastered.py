"""What is known of a finished file."""

from dataclasses import dataclass
from pathlib import Path

from onrecord.audio.level import Level
from onrecord.calls.records import Trimmed
from onrecord.core.errors import OnrecordError
from onrecord.mastering.report import Report
from onrecord.timeline import Deviations


class MasteringError(OnrecordError):
    """The spool cannot become a file; trying again would give the same."""


@dataclass(frozen=True, slots=True)
class Mastered:
    """A finished file and what is known of it."""

    path: Path
    format: str
    """``wav`` or ``mp3``."""
    channels: int
    """1 or 2; of two the first is left."""
    sample_rate: int
    samples: int
    """Of each channel."""
    duration_ms: int
    """Of the file."""
    size_bytes: int
    levels: tuple[Level, ...]
    """Of each channel."""
    started_utc_ns: int
    ended_utc_ns: int
    tracks: dict[str, Deviations]
    """What was not as it should be, of each track in the file: ``inbound``, ``outbound``."""
    report: Report
    """How faithful the file is, and where it is not."""
    torn: bool
    """The spool holds bytes that are no whole record: a crash cut a write off."""
    trimmed: Trimmed | None = None
    """What was cut off; the times above are those of the whole recording."""
    pauses: tuple[tuple[int, int], ...] = ()
    """Begin and end of each pause, ns since the begin of the recording; nothing of them is in the file."""
