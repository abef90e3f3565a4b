"""Engine A: Google Cloud Speech-to-Text v1.

Google takes at most 60 s of sound in a request. What is longer goes through a bucket, if there is one, and is heard as
a whole; without one it goes in parts of at most 55 s, cut in silence, and each part that is paid for is
kept. Speakers cannot be told apart across parts.
"""

import time
import uuid
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import structlog

from onrecord.core.errors import DestinationError
from onrecord.speech.bucket import STORAGE_URL, Bucket
from onrecord.speech.engines import (
    GOOGLE,
    Progress,
    Segment,
    Transcript,
    TranscriptionRequest,
    segment_from_json,
)
from onrecord.speech.google_client import GoogleAccess, OperationFailedError, Speech
from onrecord.speech.languages import check, code_for
from onrecord.speech.parts import Part, cut, loudest
from onrecord.speech.segments import Spoken, joined, segments_of, spaced
from onrecord.speech.source import Sound, open_sound

if TYPE_CHECKING:
    from google.cloud import speech_v1

    Config = speech_v1.RecognitionConfig
    Results = Sequence[speech_v1.SpeechRecognitionResult]

log = structlog.get_logger()

WHOLE_MS: Final = 59_000
"""What is not longer goes in one request."""
PART_MS: Final = 55_000

_FIRST_WAIT_SECS = 1.0
_LONGEST_WAIT_SECS = 20.0
_PATIENCE_SECS = 600.0
_OBJECT, _OPERATION, _RESULT = "google object", "google operation", "google result"


@dataclass(frozen=True, slots=True)
class GoogleConfig:
    """Where Google is and who we are to it."""

    access: GoogleAccess
    bucket: str | None = None
    """Name of a Cloud Storage bucket for recordings of more than a minute."""
    storage_url: str = STORAGE_URL


class GoogleEngine:
    """Satisfies ``speech.engines.Engine``.

    Args:
        config: See there.
        wait: Sleeps for so many seconds between looks at a long operation.
    """

    name = GOOGLE

    def __init__(self, config: GoogleConfig, wait: Callable[[float], None] = time.sleep) -> None:
        self._speech = Speech(config.access)
        self._wait = wait
        self._bucket: Bucket | None = None
        if config.bucket:
            token = None if config.access.plain else self._speech.token
            self._bucket = Bucket(config.bucket, token, config.storage_url)

    def transcribe(
        self, path: Path, request: TranscriptionRequest, progress: Progress
    ) -> Transcript:
        """See :class:`onrecord.speech.engines.Engine`.

        Raises:
            DestinationError: refused, over quota, slow, or a request that needs a bucket and has none.
            UnreadableAudioError: the file is no audio.
        """
        if reason := check(GOOGLE, request.language):
            raise DestinationError(reason, retry=False)
        with open_sound(path) as sound:
            found = self._heard(sound, request, progress)
        return joined(found, request.language, GOOGLE)

    def _heard(
        self, sound: Sound, request: TranscriptionRequest, progress: Progress
    ) -> list[Segment]:
        """The segments, got by the way that the length and the request leave."""
        config = _config(sound, request)
        if sound.duration_ms <= WHOLE_MS:
            return self._part(sound, config, Part(0, sound.duration_ms), progress)
        if self._bucket is not None:
            return self._through_bucket(self._bucket, sound, config, progress)
        if request.diarization:
            raise DestinationError(
                f"speakers of a recording of {sound.duration_ms // 1000} s cannot be told apart without a"
                " bucket, since Google takes 60 s at a time: set google_bucket",
                retry=False,
            )
        parts = cut(loudest(sound), PART_MS)
        return [s for part in parts for s in self._part(sound, config, part, progress)]

    def _part(
        self,
        sound: Sound,
        config: "Config",
        part: Part,
        progress: Progress,
    ) -> list[Segment]:
        key = f"{GOOGLE} {config.language_code} {part.key}"
        saved = progress.load(key)
        if saved is None:
            results = self._speech.recognize(config, sound.wav(part.start_ms, part.end_ms))
            saved = _as_json(_segments(results, config, part.start_ms))
            progress.save(key, saved)
        return [segment_from_json(segment) for segment in saved]

    def _through_bucket(
        self,
        bucket: Bucket,
        sound: Sound,
        config: "Config",
        progress: Progress,
    ) -> list[Segment]:
        """Upload, have it transcribed, delete; each step that is done is not done again."""
        saved = progress.load(_RESULT)
        if saved is None:
            operation = progress.load(_OPERATION) or self._begin(bucket, sound, config, progress)
            results = self._outcome(str(operation), sound.duration_ms, progress)
            saved = _as_json(_segments(results, config, 0))
            progress.save(_RESULT, saved)
        if key := progress.load(_OBJECT):
            self._remove(bucket, str(key))
            progress.save(_OBJECT, None)
        return [segment_from_json(segment) for segment in saved]

    def _begin(
        self,
        bucket: Bucket,
        sound: Sound,
        config: "Config",
        progress: Progress,
    ) -> str:
        key = progress.load(_OBJECT)
        if key is None:
            key = f"onrecord-transcription/{uuid.uuid4()}.wav"
            progress.save(_OBJECT, key)
        bucket.put(str(key), sound)
        try:
            operation = self._speech.begin(config, bucket.uri(str(key)))
        except DestinationError as error:
            if not error.retry:
                self._remove(bucket, str(key))
            raise
        progress.save(_OPERATION, operation)
        log.info("transcription_operation_started", operation=operation)
        return operation

    def _outcome(self, operation: str, duration_ms: int, progress: Progress) -> "Results":
        """The results of a long operation; waits for the length of the recording and ten minutes."""
        left = _PATIENCE_SECS + duration_ms / 1000
        pause = _FIRST_WAIT_SECS
        while True:
            try:
                results = self._speech.outcome(operation)
            except OperationFailedError:
                progress.save(_OPERATION, None)
                raise
            if results is not None:
                return results
            if left <= 0:
                raise DestinationError("Google has not finished a long transcription in time")
            self._wait(pause)
            left -= pause
            pause = min(pause * 1.5, _LONGEST_WAIT_SECS)

    def _remove(self, bucket: Bucket, key: str) -> None:
        """Delete the object; one that stays is a matter for the bucket's own lifecycle rule."""
        try:
            bucket.delete(key)
        except DestinationError as error:
            log.warning("transcription_object_left", object=key, reason=str(error))


def _config(sound: Sound, request: TranscriptionRequest) -> "Config":
    from google.cloud import speech_v1

    config = speech_v1.RecognitionConfig(
        encoding=speech_v1.RecognitionConfig.AudioEncoding.LINEAR16,
        sample_rate_hertz=sound.rate,
        audio_channel_count=sound.channels,
        enable_separate_recognition_per_channel=sound.channels > 1,
        language_code=code_for(GOOGLE, request.language),
        profanity_filter=request.profanity_filter,
        enable_word_time_offsets=True,
        enable_word_confidence=True,
        enable_automatic_punctuation=True,
    )
    if request.diarization:
        config.diarization_config = speech_v1.SpeakerDiarizationConfig(
            enable_speaker_diarization=True,
            min_speaker_count=request.min_speakers,
            max_speaker_count=max(request.min_speakers, request.max_speakers),
        )
    return config


def _segments(results: "Results", config: "Config", start_ms: int) -> list[Segment]:
    """The segments of an answer about a stretch that begins at ``start_ms``."""
    heard: Results = [result for result in results if result.alternatives]
    if config.diarization_config.enable_speaker_diarization:
        heard = _told_apart(heard)
    found: list[Segment] = []
    end_ms = start_ms
    for result in heard:
        begin_ms, end_ms = end_ms, start_ms + _ms(result.result_end_time)
        best, channel = result.alternatives[0], max(0, result.channel_tag - 1)
        if best.words:
            words = _spoken(best.words, config.language_code, start_ms)
            found += segments_of(words, channel)
        elif text := best.transcript.strip():
            found.append(
                Segment(min(begin_ms, end_ms), end_ms, channel, None, text, best.confidence or None)
            )
    return found


def _told_apart(results: "Results") -> "Results":
    """The last result of each channel: with speakers told apart it has all words, with their tags."""
    last = {
        result.channel_tag: result
        for result in results
        if any(word.speaker_tag for word in result.alternatives[0].words)
    }
    return list(last.values()) or results


def _spoken(
    words: "Iterable[speech_v1.WordInfo]", language: str, start_ms: int
) -> Iterator[Spoken]:
    for word in words:
        yield Spoken(
            start_ms + _ms(word.start_time),
            start_ms + _ms(word.end_time),
            spaced(word.word, language),
            round(word.confidence, 3) if word.confidence else None,
            word.speaker_tag or None,
        )


def _ms(time_offset: timedelta) -> int:
    return round(time_offset.total_seconds() * 1000)


def _as_json(segments: Iterable[Segment]) -> list[dict[str, Any]]:
    return [asdict(segment) for segment in segments]
