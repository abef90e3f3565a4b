"""Engine B: Whisper on this machine (faster-whisper, CTranslate2), in parts of at most 28 s of speech.

A network that was taught with 30 s of sound at a time invents words in silence, so it is given talk only; the memory
needed is the same for a minute and for four hours.
"""

import math
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final

import numpy as np
import structlog
from numpy.typing import NDArray

from onrecord.audio.resampling import resampled
from onrecord.core.errors import DestinationError
from onrecord.speech.engines import (
    DETECT,
    LOCAL,
    Progress,
    Transcript,
    TranscriptionRequest,
    segment_from_json,
)
from onrecord.speech.languages import check, code_for
from onrecord.speech.parts import Part, talk
from onrecord.speech.segments import Spoken, joined, segments_of
from onrecord.speech.source import Sound, open_sound
from onrecord.speech.vad import probabilities
from onrecord.speech.whisper_models import ModelError, find_model

log = structlog.get_logger()

PART_MS: Final = 28_000
_RATE: Final = 16_000
_DETECT_AMONG: Final = 3
"""The language is that of the longest of so many first parts."""


class LocalEngine:
    """Satisfies ``speech.engines.Engine``. The model is loaded once, at the first use.

    Args:
        model: Name of a model in ``folder``, or the path of a folder.
        folder: Where pulled models are.
        threads: Of the processor; a GPU is used where CTranslate2 finds one.
    """

    name = LOCAL

    def __init__(self, model: str, folder: Path, threads: int = 2) -> None:
        self._name = model
        self._folder = folder
        self._threads = threads
        self._lock = threading.Lock()
        self._loaded: Any = None

    def available(self) -> bool:
        """Whether the model is on this machine."""
        try:
            find_model(self._name, self._folder)
        except ModelError:
            return False
        return True

    def transcribe(
        self, path: Path, request: TranscriptionRequest, progress: Progress
    ) -> Transcript:
        """See :class:`onrecord.speech.engines.Engine`.

        Raises:
            DestinationError: the model is not there or does not know the language; not to be retried.
            UnreadableAudioError: the file is no audio.
        """
        if reason := check(LOCAL, request.language):
            raise DestinationError(reason, retry=False)
        with open_sound(path) as sound:
            parts = _parts(sound)
            language = self._language(sound, parts, request.language, progress)
            code = code_for(LOCAL, language) or language
            done = [self._part(sound, c, part, code, progress) for c, part in parts]
        segments = [segment_from_json(segment) for segments in done for segment in segments]
        return joined(segments, language, LOCAL)

    def detect(self, path: Path, progress: Progress) -> str:
        """The code of the language that is spoken in the file, as Whisper names it; ``en`` without speech.

        Raises:
            DestinationError, UnreadableAudioError: see :meth:`transcribe`.
        """
        with open_sound(path) as sound:
            return self._language(sound, _parts(sound), DETECT, progress)

    def _language(
        self, sound: Sound, parts: list[tuple[int, Part]], asked: str, progress: Progress
    ) -> str:
        if asked != DETECT:
            return asked
        if known := progress.load("language"):
            return str(known)
        model = self._model()
        if not parts or not model.model.is_multilingual:
            return "en"
        channel, part = max(parts[:_DETECT_AMONG], key=lambda at: at[1].duration_ms)
        found = str(model.detect_language(_heard(sound, channel, part))[0])
        progress.save("language", found)
        return found

    def _part(
        self, sound: Sound, channel: int, part: Part, code: str, progress: Progress
    ) -> list[dict[str, Any]]:
        """The segments of one part of one channel, as JSON."""
        key = f"{LOCAL} {Path(self._name).name} {code} {channel} {part.key}"
        saved: list[dict[str, Any]] | None = progress.load(key)
        if saved is None:
            model = self._model(code)
            found, _ = model.transcribe(
                _heard(sound, channel, part),
                language=code,
                beam_size=5,
                word_timestamps=True,
                condition_on_previous_text=False,
                vad_filter=False,
            )
            segments = segments_of(_spoken(found, part), channel)
            saved = joined(segments, code, LOCAL).as_json()["segments"]
            progress.save(key, saved)
        return list(saved)

    def _model(self, code: str | None = None) -> Any:
        with self._lock:
            if self._loaded is None:
                self._loaded = _load(self._name, self._folder, self._threads)
        if code is not None and code not in self._loaded.supported_languages:
            raise DestinationError(
                f"the transcription model {self._name} does not know the language {code}: use"
                " a model of another size, not one for English only",
                retry=False,
            )
        return self._loaded


def _load(name: str, folder: Path, threads: int) -> Any:
    try:
        path = find_model(name, folder)
    except ModelError as error:
        raise DestinationError(str(error), retry=False) from error
    import ctranslate2  # type: ignore[import-untyped]
    from faster_whisper import WhisperModel

    gpu = ctranslate2.get_cuda_device_count() > 0
    try:
        model = WhisperModel(
            str(path),
            device="cuda" if gpu else "cpu",
            compute_type="int8_float16" if gpu else "int8",
            cpu_threads=threads,
            local_files_only=True,
        )
    except (RuntimeError, ValueError, OSError) as error:
        said = str(error).splitlines()[0]
        raise DestinationError(f"the model in {path} does not load: {said}", retry=False) from error
    log.info("transcription_model_loaded", model=name, gpu=gpu)
    return model


def _parts(sound: Sound) -> list[tuple[int, Part]]:
    """The speech of all channels, in order of time."""
    found = [
        (channel, part)
        for channel in range(sound.channels)
        for part in talk(probabilities(sound.channel(channel), sound.rate), PART_MS)
    ]
    return sorted(found, key=lambda at: (at[1].start_ms, at[0]))


def _heard(sound: Sound, channel: int, part: Part) -> NDArray[np.float32]:
    samples = resampled(sound.cut(part.start_ms, part.end_ms)[:, channel], sound.rate, _RATE)
    return samples.astype(np.float32) / np.float32(32768)


def _spoken(found: Any, part: Part) -> Iterator[Spoken]:
    for segment in found:
        for word in segment.words or ():
            confidence = word.probability if math.isfinite(word.probability) else None
            start_ms, end_ms = part.place(word.start * 1000), part.place(word.end * 1000)
            sure = None if confidence is None else round(confidence, 3)
            yield Spoken(start_ms, end_ms, word.word, sure)
