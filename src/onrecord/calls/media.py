"""What is played into a call and heard on it, in the words that the use cases and the media side share."""

from dataclasses import dataclass
from pathlib import Path
from typing import TypeAlias

from onrecord.core.errors import OnrecordError
from onrecord.core.ids import LegId


@dataclass(frozen=True, slots=True)
class FromUrl:
    """A file behind an http or https URL."""

    url: str


@dataclass(frozen=True, slots=True)
class FromFolder:
    """A file of the media folder, by its name."""

    name: str


@dataclass(frozen=True, slots=True)
class FromContent:
    """The bytes of a file."""

    content: bytes


@dataclass(frozen=True, slots=True)
class Spoken:
    """A text that is to be spoken."""

    text: str
    voice: str
    language: str
    ssml: bool = False
    """The text is Speech Synthesis Markup Language."""


COUNTRIES = (
    *(
        "at",
        "au",
        "be",
        "bg",
        "br",
        "ch",
        "cl",
        "cn",
        "cz",
        "de",
        "dk",
        "ee",
        "es",
        "fi",
        "fr",
        "gr",
    ),
    *(
        "hu",
        "il",
        "in",
        "it",
        "jp",
        "lt",
        "mx",
        "my",
        "nl",
        "no",
        "nz",
        "ph",
        "pl",
        "pt",
        "ru",
        "se",
    ),
    *("sg", "th", "tw", "uk", "us-old", "us", "ve", "za"),
)
"""Those whose ringback tones there are."""


@dataclass(frozen=True, slots=True)
class Ringback:
    """The tone that says that somebody else's phone rings."""

    country: str
    """One of COUNTRIES."""


PromptSource: TypeAlias = FromUrl | FromFolder | FromContent | Spoken | Ringback
"""Where the audio of a prompt comes from."""


class PromptFailed(OnrecordError):  # noqa: N818 -- past tense, like the events
    """The audio of a prompt could not be had; the text says why."""

    def __init__(self, reason: str, *, missing: bool = False) -> None:
        super().__init__(reason)
        self.missing = missing
        """There is no such file, as opposed to one that cannot be used."""


@dataclass(frozen=True, slots=True)
class Clip:
    """A file of payloads of 20 ms that are ready to be sent, each behind its length (u16, big-endian)."""

    path: Path
    codec: str
    """Encoding name."""


@dataclass(frozen=True, slots=True)
class Beep:
    """A tone that tells the party that a recording begins."""

    clip: Clip
    hz: int
    ms: int
    level_dbfs: float


@dataclass(frozen=True, slots=True)
class PlaybackStarted:
    """The first frame of a playback has been sent."""

    leg: LegId
    playback: str


@dataclass(frozen=True, slots=True)
class PlaybackEnded:
    """Nothing more of a playback will be sent."""

    leg: LegId
    playback: str
    outcome: str
    """``completed``, ``stopped``, ``closed`` (the leg is over) or ``failed``."""


@dataclass(frozen=True, slots=True)
class DigitHeard:
    """The party of a leg has pressed a key."""

    leg: LegId
    digit: str
    """One of ``0123456789*#ABCD``."""


MediaEvent: TypeAlias = PlaybackStarted | PlaybackEnded | DigitHeard
"""What the media side tells of its own accord."""
