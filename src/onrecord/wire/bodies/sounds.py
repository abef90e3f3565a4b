"""Bodies of playback_start, playback_stop, speak and send_dtmf (contract section 8.3)."""

import re
from collections.abc import Iterable
from dataclasses import dataclass, replace

from onrecord.core.errors import CallerError
from onrecord.wire import errors
from onrecord.wire.bodies.members import CLIENT_STATE, COMMAND_ID, WEBHOOK_FIELDS
from onrecord.wire.fields import (
    DIGITS,
    NAME,
    URL,
    Choice,
    Field,
    Flag,
    Form,
    Integer,
    Text,
)

MOST_LOOPS = 100
ENDLESS = "infinity"
SOURCES = ("audio_url", "media_name", "playback_content")
"""Exactly one of them is given to playback_start."""
STOPS = ("current", "all")
TARGETS = ("self", "opposite", "both")
PAYLOAD_TYPES = ("text", "ssml")
SERVICE_LEVELS = ("basic", "premium")
DIGIT_MILLIS = (100, 500)
SPOKEN_CHARACTERS = 3000
SSML_TAGS = frozenset(
    [
        "speak",
        "p",
        "s",
        "break",
        "prosody",
        "emphasis",
        "say-as",
        "sub",
        "lang",
        "voice",
        "phoneme",
        "w",
        "mark",
        "desc",
    ]
)
LANGUAGES = (
    "arb",
    "cmn-CN",
    "cy-GB",
    "da-DK",
    "de-DE",
    "en-AU",
    "en-GB",
    "en-GB-WLS",
    "en-IN",
    "en-US",
    "es-ES",
    "es-MX",
    "es-US",
    "fr-CA",
    "fr-FR",
    "hi-IN",
    "is-IS",
    "it-IT",
    "ja-JP",
    "ko-KR",
    "nb-NO",
    "nl-NL",
    "pl-PL",
    "pt-BR",
    "pt-PT",
    "ro-RO",
    "ru-RU",
    "sv-SE",
    "tr-TR",
)

_TIMES = f"[1-9][0-9]?|{MOST_LOOPS}"
_VOICE = r"[A-Za-z0-9_][A-Za-z0-9_.:/ -]*"
_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_TAG = re.compile(r"<\s*/?\s*([^\s<>/]*)")


def _refuse_voice(_: str, value: str) -> CallerError | None:
    return None if re.fullmatch(_VOICE, value) else errors.invalid_voice()


def _refuse_content(path: str, value: str) -> CallerError | None:
    if re.fullmatch(_BASE64, value):
        return None
    return errors.invalid_value(path, "It must be Base64.")


_CONTENT = Form(_refuse_content, {"pattern": f"^{_BASE64}$", "contentEncoding": "base64"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Loop(Field):
    """How often: 1 to 100, as a number or its digits, or ``infinity``, which is read as None."""

    def parse(self, path: str, value: object) -> int | None:  # noqa: ARG002 -- the code names it
        """The number of times."""
        if value == ENDLESS:
            return None
        number = value
        whole = isinstance(value, float) and value.is_integer()
        if isinstance(value, float | str) and (whole or re.fullmatch(_TIMES, str(value))):
            number = int(value)
        if not isinstance(number, int) or isinstance(number, bool):
            raise errors.invalid_loop()
        if not 1 <= number <= MOST_LOOPS:
            raise errors.invalid_loop()
        return number

    def constraints(self) -> dict[str, object]:
        """Either form."""
        number = {"type": "integer", "minimum": 1, "maximum": MOST_LOOPS}
        return {"anyOf": [number, {"type": "string", "pattern": f"^(?:{ENDLESS}|{_TIMES})$"}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class CodedChoice(Choice):
    """A choice whose refusal has a code of its own."""

    code: str
    """Name of the function of :mod:`onrecord.wire.errors`."""

    def parse(self, path: str, value: object) -> str:
        """The text itself."""
        if not isinstance(value, str):
            raise errors.wrong_type(path, "string")
        if value not in self.values:
            raise _REFUSALS[self.code](self.values)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Millis(Integer):
    """A duration whose refusal has a code of its own."""

    low: int
    high: int

    def parse(self, path: str, value: object) -> int:
        """The number."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise errors.wrong_type(path, "integer")
        if not self.low <= value <= self.high:
            raise errors.invalid_duration(self.low, self.high)
        return value


@dataclass(frozen=True, slots=True, kw_only=True)
class SpokenText(Text):
    """A text to be spoken."""

    def parse(self, path: str, value: object) -> str:
        """The text itself."""
        if not isinstance(value, str):
            raise errors.wrong_type(path, "string")
        if len(value) > SPOKEN_CHARACTERS:
            raise errors.invalid_payload(f"The length must be 1 to {SPOKEN_CHARACTERS} characters.")
        return value


_REFUSALS = {
    "stop": errors.invalid_stop,
    "payload_type": errors.invalid_payload_type,
    "language": errors.invalid_language,
    "service_level": errors.invalid_service_level,
}


def ssml_fault(text: str) -> CallerError | None:
    """What is wrong with a text that is said to be SSML: tags that are none, or that fetch something."""
    unknown = sorted({tag for tag in _tags(text) if tag not in SSML_TAGS})
    if unknown:
        return errors.invalid_payload(f"These SSML tags are not taken: {', '.join(unknown)[:200]}.")
    return None


def _tags(text: str) -> Iterable[str]:
    return (match[1].lower() for match in _TAG.finditer(text))


_STOP = CodedChoice(
    name="stop",
    description=(
        "What ends before: `current` is what plays, `all` is that and everything that waits."
    ),
    example="current",
    values=STOPS,
    code="stop",
)
_TARGET_LEGS = Choice(
    name="target_legs",
    description="Who hears it: this leg, the leg that it is bridged with, or both.",
    example="self",
    default="self",
    values=TARGETS,
)
_LOOP = Loop(
    name="loop",
    description="How often it is played: 1 to 100, or `infinity`.",
    example=1,
    default=1,
)
_OVERLAY = Flag(
    name="overlay",
    description=(
        "Lay it over what the party hears anyway, of files as of the other party; overlays play one "
        "after another in a queue of their own."
    ),
    example=False,
    default=False,
)

PLAYBACK_START: tuple[Field, ...] = (
    Text(
        name="audio_url",
        description="Where the WAV or MP3 file is fetched from.",
        example="https://example.com/welcome.mp3",
        form=URL,
    ),
    Text(
        name="media_name",
        description="Name of a WAV or MP3 file in the folder `media` of the server's data folder.",
        example="welcome.wav",
        low=1,
        high=255,
        form=NAME,
    ),
    Text(
        name="playback_content",
        description=(
            "The WAV or MP3 file itself, as Base64; the setting `max_body_bytes` bounds it."
        ),
        example="SUQzBAAAAAAAAA==",
        low=1,
        form=_CONTENT,
    ),
    Choice(
        name="audio_type",
        description="Type of the file; what its content says goes before.",
        example="mp3",
        default="mp3",
        values=("mp3", "wav"),
    ),
    _LOOP,
    _OVERLAY,
    _STOP,
    _TARGET_LEGS,
    Flag(
        name="cache_audio",
        description="Taken, and without effect: a file is fetched for each command.",
        example=False,
        default=True,
    ),
    CLIENT_STATE,
    COMMAND_ID,
    *WEBHOOK_FIELDS,
)
PLAYBACK_STOP: tuple[Field, ...] = (
    replace(
        _STOP,
        description="`current` stops what plays, and the next begins; `all` stops everything.",
        default="all",
    ),
    replace(_OVERLAY, description="Stop in the queue of overlays instead."),
    CLIENT_STATE,
    COMMAND_ID,
    *WEBHOOK_FIELDS,
)
SPEAK: tuple[Field, ...] = (
    SpokenText(
        name="payload",
        description="What is said: at most 3000 characters.",
        example="Your call is important to us.",
        required=True,
        high=SPOKEN_CHARACTERS,
    ),
    Text(
        name="voice",
        description=(
            "Who says it: `male` or `female`. Names of other providers' voices are taken, and spoken "
            "in the local engine's voice of the language."
        ),
        example="female",
        required=True,
        form=Form(_refuse_voice, {"pattern": f"^{_VOICE}$"}),
    ),
    CodedChoice(
        name="payload_type",
        description="`ssml` for Speech Synthesis Markup Language; tags that fetch audio are refused.",
        example="text",
        default="text",
        values=PAYLOAD_TYPES,
        code="payload_type",
    ),
    CodedChoice(
        name="service_level",
        description="Taken, and without effect: there is one engine.",
        example="basic",
        default="premium",
        values=SERVICE_LEVELS,
        code="service_level",
    ),
    CodedChoice(
        name="language",
        description="Language of the text.",
        example="en-US",
        default="en-US",
        values=LANGUAGES,
        code="language",
    ),
    _LOOP,
    _STOP,
    _TARGET_LEGS,
    CLIENT_STATE,
    COMMAND_ID,
    *WEBHOOK_FIELDS,
)
SEND_DTMF: tuple[Field, ...] = (
    Text(
        name="digits",
        description=(
            "What is pressed: `0`-`9`, `A`-`D`, `*` and `#`; `w` and `W` pause for 0.5 s and 1 s."
        ),
        example="1www2WABCDw9",
        required=True,
        high=256,
        form=DIGITS,
    ),
    Millis(
        name="duration_millis",
        description="How long each key is down.",
        example=250,
        default=250,
        low=DIGIT_MILLIS[0],
        high=DIGIT_MILLIS[1],
    ),
    CLIENT_STATE,
    COMMAND_ID,
    *WEBHOOK_FIELDS,
)
