"""What a leg is sent that no other leg said: clips one after another, a beep before them, overlays, and digits.

Everything here is ready to be sent: a clip is a mapped file of payloads. The loop only takes the next.
"""

import mmap
from collections import deque
from dataclasses import dataclass, field
from pathlib import Path

from onrecord.core.units import NS_PER_MS
from onrecord.rtp.telephone_event import event_payload

FRAME_NS = 20 * NS_PER_MS
LENGTH_BYTES = 2
_FRAME_MS = 20
_END_REPEATS = 2
"""The packet that ends an event is sent so many times more (RFC 4733 §2.5.1.4)."""
_AFTER_DIGIT = 5
"""Frames from the end of one digit to the next."""
_PAUSE_FRAMES = {"w": 25, "W": 50}


class MappedClip:
    """A clip that is being played, or waits for it."""

    def __init__(self, playback: str, path: Path, codec: str, loops: int | None) -> None:
        """Map the file; it may be removed afterwards.

        Args:
            playback: What it is called.
            path: At least one payload, each behind its length.
            codec: Encoding name of the payloads.
            loops: How often it is played; None: without end.

        Raises:
            OSError: the file cannot be read.
            ValueError: it is empty.
        """
        self.playback = playback
        self.codec = codec
        self.started = False
        """Its first frame has been sent."""
        self._loops = loops
        self._at = 0
        with path.open("rb") as file:
            self._data = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)

    @property
    def over(self) -> bool:
        """Its last frame has been taken."""
        return self._loops == 0

    def take(self) -> bytes:
        """The next payload; must not be called when it is over."""
        first = self._at + LENGTH_BYTES
        self._at = first + int.from_bytes(self._data[self._at : first], "big")
        payload = self._data[first : self._at]
        if self._at >= len(self._data):
            self._at = 0
            if self._loops is not None:
                self._loops -= 1
        return payload

    def close(self) -> None:
        """Unmap the file."""
        self._data.close()


@dataclass(slots=True)
class Key:
    """A digit that is pressed, or a pause, in frames of 20 ms."""

    digit: str | None
    """None for a pause."""
    sounding: int
    """Frames that the key is down."""
    length: int
    """Frames until the next key."""
    duration_ms: int
    """Of the whole event."""
    at: int = 0
    timestamp: int = 0

    @property
    def audible(self) -> bool:
        """Its packets are being sent, which nothing else may interrupt."""
        return self.digit is not None and self.at < self.sounding + _END_REPEATS

    def payload(self, units_per_ms: int) -> bytes | None:
        """The telephone-event to send in this frame, or None."""
        if self.digit is None or not self.audible:
            return None
        ended = self.at >= self.sounding - 1
        elapsed_ms = self.duration_ms if ended else (self.at + 1) * _FRAME_MS
        return event_payload(self.digit, elapsed_ms * units_per_ms, ended=ended)


def keys(digits: str, duration_ms: int) -> list[Key]:
    """The keys of ``digits``: 0-9, A-D, ``*`` and ``#``; ``w`` and ``W`` pause for 0.5 s and 1 s."""
    sounding = -(-duration_ms // _FRAME_MS)
    return [
        Key(None, 0, _PAUSE_FRAMES[digit], 0)
        if digit in _PAUSE_FRAMES
        else Key(digit, sounding, sounding + _AFTER_DIGIT, duration_ms)
        for digit in digits
    ]


@dataclass(slots=True)
class Player:
    """What one leg is to be sent."""

    beep: MappedClip | None = None
    """Goes before the clips, which wait for it."""
    clips: deque[MappedClip] = field(default_factory=deque)
    overlays: deque[MappedClip] = field(default_factory=deque)
    """Lie over the clips, or over what is relayed."""
    keys: deque[Key] = field(default_factory=deque)
    due_ns: int = 0
    """When the next frame is due."""
    running: bool = False
    """A timer takes its frames."""

    @property
    def audible(self) -> bool:
        """It has the leg to itself now: nothing is relayed to it."""
        return bool(self.clips) or self.interrupts

    @property
    def interrupts(self) -> bool:
        """A beep or a digit, over which nothing lies, is being sent."""
        return self.beep is not None or (bool(self.keys) and self.keys[0].audible)

    @property
    def idle(self) -> bool:
        """It has nothing to send."""
        return not (self.clips or self.overlays or self.keys) and self.beep is None
