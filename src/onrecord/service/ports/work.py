"""What is made of a recording that has ended: its file, and its text."""

# ruff: noqa: D102 -- a method without a docstring is said by its name and its protocol

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Protocol

from onrecord.calls.records import Fidelity, RecordingParams, Trimmed


class Reported(Protocol):
    """How faithful a finished file is."""

    @property
    def fidelity(self) -> Fidelity: ...
    def to_json(self) -> str: ...
    def packed_outline(self) -> bytes: ...


class Mastered(Protocol):
    """What a finished file holds."""

    @property
    def duration_ms(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def started_utc_ns(self) -> int: ...
    @property
    def ended_utc_ns(self) -> int: ...
    @property
    def trimmed(self) -> Trimmed | None: ...
    @property
    def report(self) -> Reported: ...


class Mastering(Protocol):
    """Makes the file of a recording out of its spool."""

    def master(self, spool: Path, target: Path) -> Mastered:
        """Write ``target`` anew from ``spool``; blocks, and computes for as long as it takes."""
        ...


class Transcribed(Protocol):
    """What is said in a file."""

    @property
    def text(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def segments(self) -> Sequence[Mapping[str, object]]: ...


class Transcriber(Protocol):
    """Turns a file into text, apart from this process."""

    async def transcribe(self, path: Path, progress: Path, params: RecordingParams) -> Transcribed:
        """What is said in the file at ``path``; cancelling it ends the work.

        ``progress`` is a file that keeps what was done: a repeat with it goes on from there.

        Raises:
            DestinationError: the engine refused, failed or died; ``retry`` says whether another time
                may go better.
        """
        ...
