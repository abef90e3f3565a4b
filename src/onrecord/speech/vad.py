"""Where there is speech: Silero's network at 8 kHz, one batch for all that is judged at a time.

The network sees windows of 256 samples (32 ms) with the 32 samples before them and carries a state from
window to window. Windows that are quieter than -50 dBFS are not shown to it: they are silence or
comfort noise, cost nothing and leave the state as it is.
"""

import functools
from importlib import resources
from typing import TYPE_CHECKING, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.resampling import resampled
from onrecord.speech.silence import OFF, ON

if TYPE_CHECKING:
    import onnxruntime

RATE: Final = 8000
WINDOW: Final = 256
"""Samples that are judged at once: 32 ms."""
CONTEXT: Final = 32
"""Samples before the window that the network sees again."""
GATE: Final = 104
"""Loudest sample of a window that is silence for sure: -50 dBFS."""

_STATE = 128
_LANES = 64
_LANE_WINDOWS = 512
_WARM_WINDOWS = 48
_SCALE = np.float32(1 / 32768)
_CLOSE_WINDOWS = 10
_WITHIN, _NEED = 3, 2


class Ears:
    """The network's memory of ``n`` streams: what each heard last. Grows, never shrinks."""

    def __init__(self, streams: int = 0) -> None:
        self.context = np.zeros((streams, CONTEXT), np.int16)
        self.state = np.zeros((2, streams, _STATE), np.float32)

    def grow(self, streams: int) -> None:
        """Have room for so many streams; those that are there keep what they know."""
        more = streams - len(self.context)
        if more > 0:
            self.context = np.pad(self.context, ((0, more), (0, 0)))
            self.state = np.pad(self.state, ((0, 0), (0, more), (0, 0)))

    def forget(self, stream: int) -> None:
        """Be as new for one stream."""
        self.context[stream] = 0
        self.state[:, stream] = 0

    def judge(
        self,
        windows: NDArray[np.int16],
        streams: NDArray[np.int64],
        asked: NDArray[np.bool_] | None = None,
    ) -> NDArray[np.float32]:
        """The probability of speech in the next window of each of some streams.

        Args:
            windows: 8 kHz samples. Shape ``(n, 256)``.
            streams: Whose windows they are, each at most once. Shape ``(n,)``.
            asked: Of which the network is asked, by default of all; of the others what is loud
                counts as speech. Shape ``(n,)``.

        Returns:
            0 to 1; exactly 0 below the gate. Shape ``(n,)``. Never raises on content.
        """
        probabilities = np.zeros(len(windows), np.float32)
        peak = np.maximum(windows.max(axis=1, initial=0), ~windows.min(axis=1, initial=0))
        above = peak > GATE
        if asked is not None:
            probabilities[above & ~asked] = 1
            above &= asked
        loud = np.flatnonzero(above)
        if len(loud):
            who = streams[loud]
            seen = np.concatenate([self.context[who], windows[loud]], axis=1)
            feed = {"input": seen * _SCALE, "state": self.state[:, who], "sr": _RATE_INPUT}
            output, state = _session().run(None, feed)
            probabilities[loud] = output[:, 0]
            self.state[:, who] = state
        self.context[streams] = windows[:, -CONTEXT:]
        return probabilities


class Stretch(Protocol):
    """Samples of one channel: an array, or what reads them piece by piece."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> NDArray[np.int16]: ...


def probabilities(samples: Stretch, rate: int = RATE) -> NDArray[np.float32]:
    """The probability of speech in each window (32 ms) of a whole stretch.

    The stretch is judged in many lanes side by side, each after 1.5 s of what goes before it, so that
    an hour takes seconds; the memory needed does not depend on the length.

    Args:
        samples: Shape ``(n,)``.
        rate: Samples per second.

    Returns:
        Shape ``(ceil(n / window),)``; the last window is filled up with silence.
    """
    wide = WINDOW * rate // RATE
    count = -(-len(samples) // wide)
    found = np.zeros(count, np.float32)
    for first in range(0, count, _LANES * _LANE_WINDOWS):
        last = min(count, first + _LANES * _LANE_WINDOWS)
        before = max(0, first - _WARM_WINDOWS)
        stretch = resampled(samples[before * wide : (last + 1) * wide], rate, RATE)
        found[first:last] = _judge_lanes(stretch, first - before, last - before)
    return found


def regions(samples: NDArray[np.int16], rate: int = RATE) -> list[tuple[int, int]]:
    """Where there is speech in a whole stretch: ``(start, end)`` in samples, in order, apart.

    Pauses shorter than 320 ms are part of the speech round them.
    """
    wide = WINDOW * rate // RATE
    spans = spans_of(probabilities(samples, rate))
    return [(start * wide, min(end * wide, len(samples))) for start, end in spans]


def spans_of(probability: NDArray[np.float32]) -> list[tuple[int, int]]:
    """The speech in windows that are judged already, ``(start, end)`` in windows. Pure.

    Speech is where two of three windows are at least ``ON``, and goes on to both sides as
    far as the windows are at least ``OFF``.

    Args:
        probability: By window. Shape ``(n,)``.
    """
    if not len(probability):
        return []
    sure = np.convolve(probability >= ON, np.ones(_WITHIN))[1:-1] >= _NEED
    alive = (probability >= OFF) | sure
    found: list[tuple[int, int]] = []
    for start, end in _runs(alive):
        if not sure[start:end].any():
            continue
        if found and start - found[-1][1] < _CLOSE_WINDOWS:
            found[-1] = (found[-1][0], end)
        else:
            found.append((start, end))
    return found


def _judge_lanes(samples: NDArray[np.int16], first: int, last: int) -> NDArray[np.float32]:
    """The windows ``first`` to ``last`` of 8 kHz samples: lane by lane, side by side."""
    padded = np.zeros(last * WINDOW, np.int16)
    padded[: len(samples)] = samples[: len(padded)]
    windows = padded.reshape(last, WINDOW)
    found = np.zeros(last, np.float32)
    starts = np.arange(first, last, _LANE_WINDOWS)
    lanes = np.arange(len(starts))
    ears = Ears(len(starts))
    for step in range(-_WARM_WINDOWS, _LANE_WINDOWS):
        at = starts + step
        live = lanes[(at >= 0) & (at < last)]
        heard = ears.judge(windows[at[live]], live)
        if step >= 0:
            found[at[live]] = heard
    return found[first:]


def _runs(flags: NDArray[np.bool_]) -> list[tuple[int, int]]:
    """The stretches of True, as ``(start, end)``."""
    edges = np.flatnonzero(np.diff(np.concatenate([[False], flags, [False]]))).tolist()
    return list(zip(edges[::2], edges[1::2], strict=True))


_RATE_INPUT = np.array(RATE, np.int64)


@functools.cache
def _session() -> "onnxruntime.InferenceSession":
    """The network, loaded once per process: 1 thread, so that the caller decides about cores."""
    import onnxruntime

    onnxruntime.set_default_logger_severity(3)
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    file = resources.files("onrecord.speech").joinpath("models", "silero_vad.onnx")
    return onnxruntime.InferenceSession(
        file.read_bytes(), options, providers=["CPUExecutionProvider"]
    )
