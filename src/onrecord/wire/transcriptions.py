"""Recording transcriptions: their filters, resource and segments (contract section 7.4)."""

from collections.abc import Mapping
from typing import Any

from onrecord.calls.lists import TranscriptionFilter
from onrecord.calls.records import Transcription
from onrecord.core.units import iso_millis
from onrecord.wire import errors
from onrecord.wire.queries import parse_moment

FILTERS: Mapping[str, Mapping[str, object]] = {
    "recording_id": {"type": "string"},
    "created_at][gte": {"type": "string", "format": "date-time"},
    "created_at][lte": {"type": "string", "format": "date-time"},
}
"""What may stand in ``filter[…]`` of GET /v2/recording_transcriptions, and its JSON Schema."""

MEDIA_TYPES: Mapping[str, str] = {
    "json": "application/json",
    "vtt": "text/vtt; charset=utf-8",
    "txt": "text/plain; charset=utf-8",
}
"""The formats of a transcription's segments."""


def parse_transcription_filter(query: Mapping[str, str]) -> TranscriptionFilter:
    """``filter[…]`` of GET /v2/recording_transcriptions.

    Raises:
        CallerError: 400 that names the parameter.
    """
    wanted: dict[str, Any] = {}
    for parameter, value in query.items():
        if not parameter.startswith("filter"):
            continue
        name = parameter[len("filter[") : -1]
        if name not in FILTERS:
            raise errors.invalid_filter(parameter, "There is no such filter for transcriptions.")
        if name == "recording_id":
            wanted[name] = value
        else:
            wanted[f"created_{name.rpartition('[')[2]}_ns"] = parse_moment(parameter, value)
    return TranscriptionFilter(**wanted)


def parse_format(query: Mapping[str, str], accept: str) -> str:
    """``?format=`` if there is one, else the first known type of the Accept header, else ``json``.

    Raises:
        CallerError: 400, the format is not known.
    """
    given = query.get("format")
    if given is not None:
        if given not in MEDIA_TYPES:
            detail = f"The value must be one of: {', '.join(sorted(MEDIA_TYPES))}."
            raise errors.malformed_request(detail, "format")
        return given
    known = {kind.partition(";")[0]: form for form, kind in MEDIA_TYPES.items()}
    for part in accept.split(","):
        kind = part.partition(";")[0].strip().lower()
        if kind in known:
            return known[kind]
    return "json"


def transcription_resource(transcription: Transcription) -> dict[str, object]:
    """A transcription without its segments; ``failure`` is there when there will be no text."""
    failed = {} if transcription.failure is None else {"failure": transcription.failure}
    return {
        "record_type": "recording_transcription",
        "id": transcription.id,
        "recording_id": transcription.recording_id,
        "status": transcription.state.value,
        "transcription_text": transcription.text,
        "transcription_engine": transcription.engine,
        "transcription_language": transcription.language,
        "duration_millis": transcription.duration_ms,
        "created_at": iso_millis(transcription.created_ns),
        "updated_at": iso_millis(transcription.updated_ns),
        **failed,
    }


def segments_resource(transcription: Transcription) -> list[dict[str, object]]:
    """The segments: who said what from when to when."""
    return [dict(segment) for segment in transcription.segments]
