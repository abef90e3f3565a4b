"""From a source to a clip: bytes are decoded at the rate of the leg's codec, encoded and written to a file."""

import asyncio
import errno
import io
import wave
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.payloads import FRAMES_PER_SECOND, make_encoder, sample_rate
from onrecord.audio.prompts import file_type, read_prompt, tone
from onrecord.audio.reading import UnreadableAudioError
from onrecord.calls.media import (
    Beep,
    Clip,
    FromContent,
    FromFolder,
    FromUrl,
    PromptFailed,
    PromptSource,
    Ringback,
    Spoken,
)
from onrecord.core.ids import new_uuid
from onrecord.core.settings import Settings
from onrecord.prompts.espeak import Espeak
from onrecord.prompts.fetching import Fetcher
from onrecord.prompts.ringback import ringback
from onrecord.sdp.codecs import Codec

MOST_AT_ONCE = 2
"""Files that are decoded or encoded at the same time."""
_RINGBACK_RATE = 8000


class Prompts:
    """Satisfies ``service.ports.Prompts``. Used on one event loop; ``close`` at the end."""

    def __init__(self, settings: Settings, media_folder: Path, clips: Path) -> None:
        """``media_folder`` holds what ``media_name`` names; ``clips`` is for files of our own."""
        self._settings = settings
        self._media_folder = media_folder
        self._clips = clips
        self._fetcher = Fetcher(settings.playback_max_bytes, settings.playback_fetch_secs)
        self._engine = Espeak(settings.speech_program)
        self._turns = asyncio.Semaphore(MOST_AT_ONCE)
        self._beeps: dict[Codec, Beep] = {}

    @property
    def speaks(self) -> bool:
        """A speech engine is installed."""
        return self._engine.installed

    def begin(self) -> None:
        """Remove what a server before this one left behind."""
        for left in self._clips.iterdir():
            left.unlink()

    async def close(self) -> None:
        """Close connections."""
        await self._fetcher.close()

    def plays(self, content: bytes) -> bool:
        """Whether a file is of a type that can be played."""
        return file_type(content) is not None

    async def load(self, source: PromptSource) -> bytes:
        """The bytes of the WAV or MP3 file that a source gives.

        Raises:
            PromptFailed: there is none.
        """
        match source:
            case FromUrl(url):
                return await self._fetcher.fetch(url)
            case FromContent(content):
                return content
            case FromFolder(name):
                return await self._found(name)
            case Spoken():
                return await self._engine.speak(source)
            case Ringback(country):
                return wav_file(ringback(country, _RINGBACK_RATE), _RINGBACK_RATE)

    async def clip(self, content: bytes, codec: Codec) -> Clip:
        """The audio of a file, ready to be sent in a codec; the caller removes it with :meth:`discard`.

        Raises:
            PromptFailed: it cannot be decoded, or is too long.
        """
        async with self._turns:
            return await asyncio.to_thread(self._made, content, codec)

    async def beep(self, codec: Codec) -> Beep:
        """The beep that begins a recording, ready to be sent in a codec; made once and kept."""
        if codec not in self._beeps:
            self._beeps[codec] = await asyncio.to_thread(self._beep, codec)
        return self._beeps[codec]

    def discard(self, clip: Clip) -> None:
        """Remove a clip's file; one that is gone is removed already."""
        clip.path.unlink(missing_ok=True)

    async def _found(self, name: str) -> bytes:
        try:
            return await asyncio.to_thread(self._read, name)
        except OSError as error:
            missing = error.errno == errno.ENAMETOOLONG
            raise PromptFailed(
                f"the file cannot be read: {error.strerror}", missing=missing
            ) from error

    def _read(self, name: str) -> bytes:
        path = self._media_folder / name
        if path.name != name or not path.is_file():
            raise PromptFailed(f"the media folder has no file {name}", missing=True)
        if path.stat().st_size > self._settings.playback_max_bytes:
            raise PromptFailed(f"the file has more than {self._settings.playback_max_bytes} bytes")
        return path.read_bytes()

    def _made(self, content: bytes, codec: Codec) -> Clip:
        rate = sample_rate(codec.name, codec.clock_rate)
        try:
            samples = read_prompt(content, rate, self._settings.playback_max_secs)
        except UnreadableAudioError as error:
            raise PromptFailed(str(error)) from error
        return self._write(samples, codec)

    def _beep(self, codec: Codec) -> Beep:
        settings = self._settings
        hz, ms, level = settings.beep_hz, settings.beep_ms, settings.beep_dbfs
        samples = tone(hz, ms, level, sample_rate(codec.name, codec.clock_rate))
        return Beep(self._write(samples, codec), hz, ms, level)

    def _write(self, samples: NDArray[np.int16], codec: Codec) -> Clip:
        path = self._clips / new_uuid()
        try:
            path.write_bytes(b"".join(framed(samples, codec)))
        except (OSError, LookupError) as error:
            path.unlink(missing_ok=True)
            raise PromptFailed(f"the audio cannot be made ready: {error}") from error
        return Clip(path, codec.name)


def wav_file(samples: NDArray[np.int16], rate: int) -> bytes:
    """A WAV file of mono samples, shape ``(n,)``."""
    file = io.BytesIO()
    with wave.open(file, "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(rate)
        out.writeframes(samples.astype("<i2").tobytes())
    return file.getvalue()


def framed(samples: NDArray[np.int16], codec: Codec) -> Iterator[bytes]:
    """The payloads of ``samples`` (at the codec's rate, ``n`` 1 or more), each behind its length.

    Raises:
        LookupError: we do not speak the codec.
    """
    size = sample_rate(codec.name, codec.clock_rate) // FRAMES_PER_SECOND
    encoder = make_encoder(codec.name)
    padded = np.pad(samples, (0, -len(samples) % size))
    for first in range(0, len(padded), size):
        payload = encoder.encode(padded[first : first + size])
        if payload:
            yield len(payload).to_bytes(2, "big") + payload
