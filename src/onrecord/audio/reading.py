"""Decodes any audio file that FFmpeg knows, whole, through PyAV."""

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from onrecord.core.errors import OnrecordError


class UnreadableAudioError(OnrecordError):
    """The file is not there, holds no audio, or cannot be decoded."""


def read_audio(path: Path) -> tuple[NDArray[np.int16], int]:
    """All samples of a file's first audio stream and their rate in Hz.

    Returns:
        Samples of shape ``(n, channels)`` and the sample rate; without the encoder's delay and
        padding where the file says how long they are.

    Raises:
        UnreadableAudioError: nothing could be decoded.
    """
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            rate, channels = stream.rate, stream.channels
            resampler = av.AudioResampler(format="s16", layout=stream.layout, rate=rate)
            parts = [
                piece.to_ndarray().reshape(-1, channels)
                for frame in container.decode(stream)
                for piece in resampler.resample(frame)
            ]
    except (av.FFmpegError, OSError, IndexError) as error:
        raise UnreadableAudioError(f"{path.name} cannot be decoded: {error}") from error
    empty = np.empty((0, channels), np.int16)
    return np.concatenate([empty, *parts]), rate
