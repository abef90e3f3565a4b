"""Which engine does the work. Pure."""

from collections.abc import Collection
from dataclasses import dataclass

from onrecord.speech.engines import DETECT, GOOGLE, LOCAL
from onrecord.speech.languages import check

_SETTINGS = {
    "A": "google_credentials",
    "B": "transcription_model",
    "deepgram/nova-3": "deepgram_api_key",
}


@dataclass(frozen=True, slots=True)
class Chosen:
    """The engine that transcribes."""

    engine: str
    detect_locally: bool = False
    """Let the local engine find the language first: this one cannot."""
    instead_because: str | None = None
    """Why it is not the engine that was asked for; None where it is."""


@dataclass(frozen=True, slots=True)
class Refusal:
    """Nobody can do it."""

    reason: str


def choose(
    asked: str, language: str, configured: Collection[str], fallback: str
) -> Chosen | Refusal:
    """The engine for a request. Never raises.

    Args:
        asked: ``transcription_engine``.
        language: ``transcription_language``.
        configured: The engines that this server can use.
        fallback: ``local``: the local engine does what the one asked for cannot; ``none``: nobody does.
    """
    missing = _missing(asked, language, configured)
    if missing is None:
        return Chosen(asked, detect_locally=language == DETECT and asked == GOOGLE)
    if fallback == "local" and asked != LOCAL and _missing(LOCAL, language, configured) is None:
        return Chosen(LOCAL, instead_because=missing)
    return Refusal(missing)


def _missing(engine: str, language: str, configured: Collection[str]) -> str | None:
    """Why the engine cannot do it here."""
    if engine not in configured:
        setting = _SETTINGS.get(engine)
        how = f": set {setting}" if setting else ""
        return f"transcription engine {engine} is not configured on this server{how}"
    if engine == GOOGLE and language == DETECT:
        if LOCAL in configured:
            return None
        return "engine A does not detect the language, and there is no local engine to do it first"
    return check(engine, language)
