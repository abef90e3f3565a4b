"""Overlays: audio that a leg hears over all else that it is sent.

The loop computes nothing: while a leg has an overlay, what it is sent goes through the transcoding process,
which adds the overlay to the samples, whether or not the codecs agree. What is relayed from the leg's peer and the
clips that are played to the leg share one direction there. A peer that is transcoded anyway keeps its direction,
before and after.
"""

import secrets

from onrecord.media.leg import MediaLeg
from onrecord.media.outbound import OutboundStream
from onrecord.media.receiver import Receiver
from onrecord.media.route import needing_transcoder
from onrecord.media.transcoder import LEAD_MS, OVERLAY, clip_type
from onrecord.sdp.negotiation import Media

_TAIL = bytes(2 * OVERLAY.clock_rate // 50)
_TAIL_FRAMES = LEAD_MS // 20 + 1
"""So much silence behind an overlay brings out what waits of it."""


class Mixer:
    """Of one leg, from its first overlay until all of the last one has been sent."""

    def __init__(self, leg: MediaLeg, receiver: Receiver) -> None:
        """Takes the leg's audio over; :meth:`leave` gives it back."""
        self._leg = leg
        self._receiver = receiver
        self._number: int | None = None
        """Of the direction; None while the leg cannot be sent anything."""
        self._source: Media | None = None
        """Who feeds the direction: the leg's peer, or the leg itself for a direction of its own."""
        self._own = False
        self._clips = OutboundStream(secrets.randbits(32), 0, 0)
        self._tail = 0
        self.leaving = False
        """It is to give the leg back as soon as that can be."""
        leg.mixer = self
        self.follow()

    def follow(self) -> None:
        """Take up what has changed: the leg's media, its peer, or that one's media."""
        leg, target = self._leg, self._leg.hears
        if target is None or not leg.may_send:
            self._close()
        elif leg.peer is not None and leg.peer.route.passes:
            self._join(leg.peer)
        elif not self._own or self._source != target:
            self._close()
            self._own, self._source = True, target
            self._take(self._receiver.transcoding.open(target, target))

    @property
    def is_drained(self) -> bool:
        """There is no overlay any more, and enough silence behind the last one."""
        return not self._tail or self._number is None

    def lay(self, frame: bytes) -> bool:
        """Send a frame of an overlay; False when it could not be."""
        self._tail, self.leaving = _TAIL_FRAMES, False
        return self._number is None or self._receiver.transcoding.overlay(self._number, frame)

    def play(self, media: Media, payload: bytes, now_ns: int, *, first: bool) -> bool:
        """Send a frame of a clip under the overlay; False when it could not be."""
        if self._number is None or self._source is None:
            return True
        self._clips.clock_rate = media.send_codec.clock_rate
        samples, number = media.send_codec.clock_rate // 50, clip_type(self._source)
        packet = self._clips.frame(number, payload, samples, now_ns, first=first)
        return self._receiver.transcoding.put(self._number, packet)

    def drain(self) -> None:
        """Send a frame of the silence behind the last overlay."""
        if self._number is not None:
            self._tail -= 1
            self._receiver.transcoding.overlay(self._number, _TAIL)

    def leave(self) -> bool:
        """Give the leg back when all that was handed over has been sent; False: not yet.

        Then nothing is in the transcoding process that what comes next could overtake.
        """
        if self._number is not None and not self._receiver.transcoding.at_rest(self._number):
            return False
        self.end()
        return True

    def end(self) -> None:
        """Give the leg back at once."""
        self._close()
        self._leg.mixer = None
        peer, target = self._leg.peer, self._leg.hears
        if peer is None or peer.media is None or target is None:
            return
        if not needing_transcoder(peer.media, target):
            peer.reroute()

    def _join(self, peer: MediaLeg) -> None:
        if peer.route.transcoding is None:
            self._receiver.begin_transcoding(peer)
        if peer.route.transcoding != self._number:
            self._close()
            self._source = peer.media
            self._take(peer.route.transcoding)

    def _take(self, number: int | None) -> None:
        self._number = number
        if number is not None:
            self._receiver.mixed[number] = self._leg

    def _close(self) -> None:
        if self._number is not None:
            self._receiver.mixed.pop(self._number, None)
            if self._own:
                self._receiver.transcoding.close_direction(self._number)
        self._number, self._source, self._own = None, None, False
