"""What is asked of a transcription engine and what it gives back, whichever engine it is."""

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final, Protocol

GOOGLE: Final = "A"
LOCAL: Final = "B"
DEEPGRAM: Final = "deepgram/nova-3"
"""The names of ``transcription_engine``."""

ENGINES: Final = (GOOGLE, LOCAL, DEEPGRAM)

DETECT: Final = "auto_detect"
"""The ``transcription_language`` that leaves the language to the engine."""


@dataclass(frozen=True, slots=True)
class Word:
    """One spoken word; times since the start of the file."""

    start_ms: int
    end_ms: int
    text: str
    confidence: float | None = None
    """0 to 1, as the engine says; engines cannot be compared."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A stretch of one talker's speech."""

    start_ms: int
    end_ms: int
    channel: int
    """0 is the first (A, left) or only channel of the file."""
    speaker: int | None
    """Number of the talker from 1 on within the channel, where they were told apart."""
    text: str
    confidence: float | None = None
    words: tuple[Word, ...] = ()
    """Empty where the engine gave no times for words."""


@dataclass(frozen=True, slots=True)
class Transcript:
    """All that was said, in order of time."""

    text: str
    language: str
    """As it was asked for; where it was detected, the code that the engine found."""
    engine: str
    """``A``, ``B`` or ``deepgram/nova-3``: who did the work."""
    segments: tuple[Segment, ...]

    def as_json(self) -> dict[str, Any]:
        """Itself as plain dictionaries and lists."""
        return asdict(self)

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> "Transcript":
        """What :meth:`as_json` gave, after a journey through JSON.

        Raises:
            KeyError, TypeError: it is something else.
        """
        segments = tuple(segment_from_json(segment) for segment in data["segments"])
        return cls(**{**data, "segments": segments})


def segment_from_json(data: dict[str, Any]) -> Segment:
    """A segment from its dictionary."""
    return Segment(**{**data, "words": tuple(Word(**word) for word in data["words"])})


@dataclass(frozen=True, slots=True)
class TranscriptionRequest:
    """What the application asked for."""

    language: str = "en-US"
    """One of the codes of :mod:`onrecord.speech.languages`."""
    profanity_filter: bool = False
    """This and the following: engine A only; the others ignore them."""
    diarization: bool = False
    min_speakers: int = 2
    max_speakers: int = 6


class Progress(Protocol):
    """Keeps what is paid for. Keys are short texts, values are JSON; both survive a crash."""

    def load(self, key: str) -> Any | None:
        """What was saved under the key last; None for nothing."""
        ...

    def save(self, key: str, value: Any) -> None:
        """Keep a value; it is durable when this returns. None takes the key away."""
        ...


class Engine(Protocol):
    """Turns a finished file into text. Blocks for as long as it takes: call it in a worker."""

    name: str
    """One of :data:`ENGINES`."""

    def transcribe(
        self, path: Path, request: TranscriptionRequest, progress: Progress
    ) -> Transcript:
        """What is said in the file at ``path`` (WAV with PCM16, or anything that FFmpeg reads).

        A repeat with the same ``progress`` goes on where the last one was cut off and
        pays for no part twice. A file without speech gives an empty transcript.

        Raises:
            DestinationError: the engine refused, failed, or is slow; ``retry`` says whether another time
                may go better.
            UnreadableAudioError: the file is no audio.
        """
        ...


class MemoryProgress:
    """Progress that lasts as long as the object: for one try."""

    def __init__(self) -> None:
        self.saved: dict[str, Any] = {}

    def load(self, key: str) -> Any | None:
        """See :class:`Progress`."""
        return self.saved.get(key)

    def save(self, key: str, value: Any) -> None:
        """See :class:`Progress`."""
        self.saved[key] = value
