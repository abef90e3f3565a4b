"""Sequence numbers and timestamps without their wraps, and which packets are repeats (RFC 3550 §A.1)."""

from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

MAX_DROPOUT = 3000
"""A step forward by more is a sender that started anew (RFC 3550 §A.1)."""
MAX_MISORDER = 500
"""A step back by more is a sender that started anew: ten seconds of 20 ms packets."""
SURE_RESTART = 50
"""A step back by more is a new start unless the next packet goes back to where it was."""
MAX_MISORDER_SAMPLES = 160_000
"""A step back whose timestamp moves by more, either way, is a new start: twenty seconds."""

EPOCH = 1 << 20
"""How far a new start moves the order on: more than what a late packet can go back."""

Integers = NDArray[np.int64]
Number = TypeVar("Number", bound=np.integer)


class Point(NamedTuple):
    """Where a stream's numbers stood: the last packet seen, raw and unwrapped."""

    sequence: int
    timestamp: int
    order: int
    media: int


class Unwrapped(NamedTuple):
    """Columns for ``n`` packets in order of arrival."""

    order: Integers
    """Sequence number without wraps; a new start moves it on by :data:`EPOCH`."""
    media: Integers
    """Timestamp without wraps, samples."""
    in_order: bool
    """Each packet comes after all before it: there are no repeats and no late ones."""


def steps(values: NDArray[Number], before: int) -> NDArray[Number]:
    """The difference of each value from the one before it, of the first from ``before``; same shape.

    As ``np.diff`` with ``prepend`` does it, in a tenth of the time for some hundred values.
    """
    made = np.empty_like(values)
    np.subtract(values[1:], values[:-1], out=made[1:])
    made[:1] = values[:1] - values.dtype.type(before)
    return made


def unwrap(
    sequence: NDArray[np.uint16], timestamp: NDArray[np.uint32], last: Point | None
) -> Unwrapped:
    """Take the wraps out of one stream's numbers.

    Args:
        sequence: In order of arrival, one or more. Shape ``(n,)``.
        timestamp: Shape ``(n,)``.
        last: The packet before the first of these; None at the start of a stream.

    Returns:
        Columns of shape ``(n,)``. Never raises: any numbers are a possible stream.
    """
    if last is None:
        last = Point(int(sequence[0]) - 1 & 0xFFFF, int(timestamp[0]), 0, 0)
    step = steps(sequence, last.sequence).view(np.int16).astype(np.int64)
    media_step = steps(timestamp, last.timestamp).view(np.int32).astype(np.int64)
    in_order = bool(step.min() > 0 and step.max() <= MAX_DROPOUT)
    if not in_order:
        step = np.where(_starts_anew(step, media_step), EPOCH, step)
    return Unwrapped(last.order + np.cumsum(step), last.media + np.cumsum(media_step), in_order)


def _starts_anew(step: Integers, media_step: Integers) -> NDArray[np.bool_]:
    following = np.append(step[1:], 0)
    stays = (step < -SURE_RESTART) & (following <= SURE_RESTART)
    far = (step > MAX_DROPOUT) | (step < -MAX_MISORDER)
    return far | stays | ((step <= 0) & (np.abs(media_step) > MAX_MISORDER_SAMPLES))


def first_of_each(order: Integers, known: Integers) -> NDArray[np.bool_]:
    """True where an order comes for the first time: not earlier in ``order``, not in ``known``."""
    first = np.zeros(len(order), np.bool_)
    first[np.unique(order, return_index=True)[1]] = True
    return first & ~np.isin(order, known)
