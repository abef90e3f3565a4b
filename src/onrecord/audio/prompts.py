"""Audio that is to be played into calls: any WAV or MP3 file as samples, and tones. Pure but for PyAV."""

import io
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.reading import UnreadableAudioError

if TYPE_CHECKING:
    from av import AudioFrame

_FULL_SCALE = 32767
_EDGE_MS = 5
"""A tone swells and fades for so long, so that it does not click."""


def file_type(content: bytes) -> str | None:
    """``wav`` or ``mp3`` by the first bytes of a file; None for anything else."""
    if content[:4] == b"RIFF" and content[8:12] == b"WAVE":
        return "wav"
    if content[:3] == b"ID3":
        return "mp3"
    # MPEG audio, layer III: eleven bits of ones, a version that exists, layer 01
    sync = len(content) > 1 and content[0] == 0xFF and content[1] & 0xE6 == 0xE2
    return "mp3" if sync and content[1] >> 3 & 3 != 1 else None


def read_prompt(content: bytes, rate: int, most_secs: float) -> NDArray[np.int16]:
    """The audio of a WAV or MP3 file, mixed to one channel, shape ``(n,)``, at ``rate`` Hz.

    Raises:
        UnreadableAudioError: it is of another type, cannot be decoded, has no sound at all, or is longer
            than ``most_secs``.
    """
    import av

    form = file_type(content)
    if form is None:
        raise UnreadableAudioError("the file is neither WAV nor MP3")
    parts: list[NDArray[np.int16]] = []
    length = 0
    try:
        with av.open(io.BytesIO(content), "r", format=form) as container:
            resampler = av.AudioResampler(format="s16", layout="mono", rate=rate)
            stream = container.streams.audio[0]
            for frame in container.decode(stream):
                for piece in resampler.resample(frame):
                    parts.append(_samples(piece))
                    length += piece.samples
                if length > most_secs * rate:
                    raise UnreadableAudioError(f"the file is longer than {most_secs:g} s")
            parts += map(_samples, resampler.resample(None))
    except (av.FFmpegError, OSError, IndexError, ValueError) as error:
        raise UnreadableAudioError(f"the file cannot be decoded: {error}") from error
    if not length:
        raise UnreadableAudioError("the file holds no audio")
    return np.concatenate(parts)


def _samples(frame: "AudioFrame") -> NDArray[np.int16]:
    return frame.to_ndarray().reshape(-1).astype(np.int16, copy=False)


def tone(hertz: float, millis: int, level_dbfs: float, rate: int) -> NDArray[np.int16]:
    """A sine that swells and fades, shape ``(n,)``; the level is that of its peak."""
    at = np.arange(millis * rate // 1000) / rate
    edge = _EDGE_MS / 1000
    envelope = np.clip(np.minimum(at, at[::-1]) / edge, 0, 1) if len(at) else at
    peak = _FULL_SCALE * 10 ** (level_dbfs / 20)
    return np.round(peak * envelope * np.sin(2 * np.pi * hertz * at)).astype(np.int16)
