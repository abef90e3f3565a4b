"""The engines of this server, chosen and run: what jobs call."""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Self

import structlog

from onrecord.core.errors import DestinationError
from onrecord.core.settings import Settings
from onrecord.metrics import TRANSCRIPTIONS
from onrecord.speech.deepgram import DeepgramConfig, DeepgramEngine
from onrecord.speech.engines import (
    DEEPGRAM,
    GOOGLE,
    LOCAL,
    Engine,
    Progress,
    Transcript,
    TranscriptionRequest,
)
from onrecord.speech.google import GoogleConfig, GoogleEngine
from onrecord.speech.google_client import GoogleAccess
from onrecord.speech.local import LocalEngine
from onrecord.speech.selection import Chosen, Refusal, choose

log = structlog.get_logger()

MODELS_FOLDER = "models"
"""Within the data folder."""
_FROM_MACHINE = "environment"


class Transcriber:
    """All engines that this server can use. Its methods block; any thread may call them.

    Args:
        clouds: The engines that are configured beside the local one, by name.
        local: The local engine; it counts from when its model is on this machine.
        fallback: ``local`` or ``none``; see :func:`onrecord.speech.selection.choose`.
    """

    def __init__(self, clouds: Mapping[str, Engine], local: LocalEngine, fallback: str) -> None:
        self._clouds = dict(clouds)
        self._local = local
        self._fallback = fallback

    @classmethod
    def from_settings(cls, settings: Settings) -> Self:
        """The engines that the settings name; nothing is loaded or connected yet."""
        clouds: dict[str, Engine] = {}
        if google := _google(settings):
            clouds[GOOGLE] = google
        if settings.deepgram_api_key:
            config = DeepgramConfig(settings.deepgram_api_key, settings.deepgram_url)
            clouds[DEEPGRAM] = DeepgramEngine(config)
        folder = settings.models_folder or settings.data / MODELS_FOLDER
        local = LocalEngine(settings.transcription_model, folder, settings.transcription_threads)
        return cls(clouds, local, settings.engine_fallback)

    def configured(self) -> frozenset[str]:
        """The engines that can be used now."""
        return frozenset(self._clouds) | ({LOCAL} if self._local.available() else set())

    def choose(self, asked: str, language: str) -> Chosen | Refusal:
        """The engine for ``transcription_engine`` and ``transcription_language``. Never raises."""
        return choose(asked, language, self.configured(), self._fallback)

    def transcribe(
        self, path: Path, asked: str, request: TranscriptionRequest, progress: Progress
    ) -> Transcript:
        """What is said in the file at ``path``; see :class:`onrecord.speech.engines.Engine`.

        Args:
            path: WAV with PCM16, or anything that FFmpeg reads.
            asked: ``transcription_engine``.
            request: See there.
            progress: One for each recording.

        Raises:
            DestinationError: nobody can do it, or the engine refused, failed, or is slow.
            UnreadableAudioError: the file is no audio.
        """
        chosen = self._chosen(asked, request.language)
        if chosen.detect_locally:
            request = replace(request, language=self._local.detect(path, progress))
            chosen = self._chosen(asked, request.language)
        try:
            transcript = self._engine(chosen.engine).transcribe(path, request, progress)
        except DestinationError as error:
            outcome = "retried" if error.retry else "refused"
            TRANSCRIPTIONS.labels(chosen.engine, outcome).inc()
            raise
        TRANSCRIPTIONS.labels(chosen.engine, "done").inc()
        return transcript

    def _chosen(self, asked: str, language: str) -> Chosen:
        chosen = self.choose(asked, language)
        if isinstance(chosen, Refusal):
            TRANSCRIPTIONS.labels(asked, "refused").inc()
            raise DestinationError(chosen.reason, retry=False)
        if chosen.instead_because:
            log.info(
                "transcription_engine_replaced",
                asked=asked,
                engine=chosen.engine,
                reason=chosen.instead_because,
            )
        return chosen

    def _engine(self, name: str) -> Engine:
        return self._local if name == LOCAL else self._clouds[name]


def _google(settings: Settings) -> GoogleEngine | None:
    """None where neither credentials nor a server that wants none are named."""
    named = settings.google_credentials
    file = None if named in {None, _FROM_MACHINE} else Path(str(named))
    access = GoogleAccess(credentials=file, endpoint=settings.google_endpoint)
    if named is None and not access.plain:
        return None
    return GoogleEngine(GoogleConfig(access, settings.google_bucket))
