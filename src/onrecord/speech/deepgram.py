"""Engine deepgram/nova-3: Deepgram's pre-recorded audio over HTTP, in parts of at most ten minutes."""

import json
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

import httpx

from onrecord.core.errors import DestinationError
from onrecord.speech.engines import (
    DEEPGRAM,
    Progress,
    Segment,
    Transcript,
    TranscriptionRequest,
    segment_from_json,
)
from onrecord.speech.languages import check, code_for
from onrecord.speech.parts import Part, cut, loudest
from onrecord.speech.segments import Spoken, joined, segments_of, spaced
from onrecord.speech.source import Sound, open_sound

PART_MS: Final = 600_000
MOST_ANSWER_BYTES: Final = 64 * 1024 * 1024

_MODEL = "nova-3"
_AGAIN = frozenset({408, 429})
_HINTS = {
    401: "check deepgram_api_key",
    402: "the account has no credit left",
    403: "the key may not use this model",
    429: "too many requests at a time",
}


@dataclass(frozen=True, slots=True)
class DeepgramConfig:
    """Where Deepgram is and who we are to it."""

    api_key: str
    url: str = "https://api.deepgram.com"
    timeout_secs: float = 300.0
    """How long it may take over one part."""


class DeepgramEngine:
    """Satisfies ``speech.engines.Engine``."""

    name = DEEPGRAM

    def __init__(self, config: DeepgramConfig) -> None:
        self._config = config

    def transcribe(
        self, path: Path, request: TranscriptionRequest, progress: Progress
    ) -> Transcript:
        """See :class:`onrecord.speech.engines.Engine`.

        Raises:
            DestinationError: refused, over quota, slow, or an answer that is none.
            UnreadableAudioError: the file is no audio.
        """
        if reason := check(DEEPGRAM, request.language):
            raise DestinationError(reason, retry=False)
        found: list[Segment] = []
        timeout = httpx.Timeout(self._config.timeout_secs, connect=10)
        with open_sound(path) as sound, httpx.Client(timeout=timeout) as client:
            for part in cut(loudest(sound), PART_MS):
                found += self._part(client, sound, request.language, part, progress)
        return joined(found, request.language, DEEPGRAM)

    def _part(
        self, client: httpx.Client, sound: Sound, language: str, part: Part, progress: Progress
    ) -> list[Segment]:
        key = f"{DEEPGRAM} {language} {part.key}"
        saved = progress.load(key)
        if saved is None:
            answer = self._ask(
                client, sound.wav(part.start_ms, part.end_ms), language, sound.channels
            )
            saved = [asdict(segment) for segment in _segments(answer, language, part.start_ms)]
            progress.save(key, saved)
        return [segment_from_json(segment) for segment in saved]

    def _ask(
        self, client: httpx.Client, wav: bytes, language: str, channels: int
    ) -> dict[str, Any]:
        try:
            with client.stream(
                "POST",
                f"{self._config.url.rstrip('/')}/v1/listen",
                params={
                    "model": _MODEL,
                    "language": code_for(DEEPGRAM, language) or language,
                    "smart_format": "true",
                    "multichannel": "true" if channels > 1 else "false",
                },
                headers={
                    "Authorization": f"Token {self._config.api_key}",
                    "Content-Type": "audio/wav",
                },
                content=wav,
            ) as answer:
                body = _read(answer)
        except httpx.TimeoutException as error:
            raise DestinationError("Deepgram did not answer in time") from error
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            said = str(error) or type(error).__name__
            raise DestinationError(f"Deepgram cannot be reached: {said}") from error
        if not answer.is_success:
            raise _refusal(answer.status_code)
        return _parsed(answer, body)


def _read(answer: httpx.Response) -> bytes:
    body = bytearray()
    for block in answer.iter_bytes():
        body += block
        if len(body) > MOST_ANSWER_BYTES:
            raise DestinationError("Deepgram's answer is too long", retry=False)
    return bytes(body)


def _refusal(status: int) -> DestinationError:
    hint = _HINTS.get(status)
    return DestinationError(
        f"Deepgram answered {status}" + (f": {hint}" if hint else ""),
        retry=status >= 500 or status in _AGAIN,
    )


def _parsed(answer: httpx.Response, body: bytes) -> dict[str, Any]:
    try:
        parsed = json.loads(body)
    except ValueError as error:
        kind = answer.headers.get("content-type", "nothing that says what it is")
        raise DestinationError(f"Deepgram answered no JSON but {kind}") from error
    return parsed if isinstance(parsed, dict) else {}


def _segments(answer: dict[str, Any], language: str, start_ms: int) -> list[Segment]:
    """The segments of an answer about a stretch that begins at ``start_ms``.

    Raises:
        DestinationError: the answer has not the form that Deepgram documents.
    """
    found: list[Segment] = []
    try:
        for channel, heard in enumerate(answer["results"]["channels"]):
            if heard["alternatives"]:
                words = heard["alternatives"][0]["words"]
                found += segments_of(_spoken(words, language, start_ms), channel)
    except (KeyError, TypeError, ValueError) as error:
        raise DestinationError(f"Deepgram's answer has another form: {error!r}") from error
    return found


def _spoken(words: list[dict[str, Any]], language: str, start_ms: int) -> Iterator[Spoken]:
    for word in words:
        yield Spoken(
            start_ms + round(float(word["start"]) * 1000),
            start_ms + round(float(word["end"]) * 1000),
            spaced(str(word.get("punctuated_word") or word["word"]), language),
            round(float(word["confidence"]), 3),
        )
