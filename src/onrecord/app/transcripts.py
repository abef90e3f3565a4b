"""Kept transcriptions as the speech package writes transcripts for people."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from onrecord.calls.records import Transcription

if TYPE_CHECKING:
    from onrecord.speech import Transcript


def as_web_vtt(transcription: Transcription) -> str:
    """A WebVTT file."""
    from onrecord.speech import web_vtt

    return web_vtt(_transcript(transcription))


def as_plain_text(transcription: Transcription) -> str:
    """One line for each turn."""
    from onrecord.speech import plain_text

    return plain_text(_transcript(transcription))


RENDERERS: Mapping[str, Callable[[Transcription], str]] = MappingProxyType(
    {"vtt": as_web_vtt, "txt": as_plain_text}
)
"""By format."""


def _transcript(transcription: Transcription) -> "Transcript":
    from onrecord.speech import Transcript

    kept: dict[str, Any] = {
        "text": transcription.text,
        "language": transcription.language,
        "engine": transcription.engine,
        "segments": transcription.segments,
    }
    return Transcript.from_json(kept)
