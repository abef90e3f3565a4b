"""Decodes any audio file that FFmpeg knows, whole or block by block, through PyAV."""

from collections.abc import Iterator
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
    parts = list(read_blocks(path))
    return np.concatenate([block for block, _ in parts]), parts[0][1]


def read_blocks(path: Path) -> Iterator[tuple[NDArray[np.int16], int]]:
    """The same block by block, for files that are too long for the memory.

    Yields:
        Samples of shape ``(n, channels)`` and the sample rate; the first block is empty.

    Raises:
        UnreadableAudioError: the file cannot be decoded, or not to its end.
    """
    import av

    try:
        with av.open(str(path)) as container:
            stream = container.streams.audio[0]
            rate, channels = stream.rate, stream.channels
            resampler = av.AudioResampler(format="s16", layout=stream.layout, rate=rate)
            yield np.empty((0, channels), np.int16), rate
            for frame in container.decode(stream):
                for piece in resampler.resample(frame):
                    yield (
                        piece.to_ndarray().reshape(-1, channels).astype(np.int16, copy=False),
                        rate,
                    )
    except (av.FFmpegError, OSError, IndexError) as error:
        raise UnreadableAudioError(f"{path.name} cannot be decoded: {error}") from error
