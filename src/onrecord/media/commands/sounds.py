"""Commands about what is played to legs, and the digits that they are sent."""

import time

from onrecord.media.channel import Message
from onrecord.media.legs import Legs
from onrecord.media.playing import Playing


class SoundCommands:
    """Those that go to the players of the legs."""

    def __init__(self, legs: Legs, playing: Playing) -> None:
        self._legs = legs
        self._playing = playing

    def play(self, message: Message) -> None:
        """Queue a clip."""
        self._playing.play(self._legs[message["leg"]], message, time.monotonic_ns())

    def silence(self, message: Message) -> None:
        """Play no more of a clip."""
        leg = self._legs.get(message["leg"])
        if leg is not None:
            self._playing.stop(leg, message["playback"])

    def press(self, message: Message) -> None:
        """Send digits."""
        leg, now_ns = self._legs[message["leg"]], time.monotonic_ns()
        self._playing.press(leg, message["digits"], message["duration_ms"], now_ns)
