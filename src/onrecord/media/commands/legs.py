"""Commands about legs: their sockets, their media, and whom they talk with."""

import socket
import time
from typing import Any

from onrecord.media.capture import Capture
from onrecord.media.channel import Message
from onrecord.media.commands.recordings import RecordingCommands
from onrecord.media.leg import MediaLeg
from onrecord.media.legs import Legs
from onrecord.media.messages import codec_map, decode_media, encode_stats
from onrecord.media.playing import Playing
from onrecord.media.receiver import Receiver
from onrecord.media.srtp import Rollover
from onrecord.media.upkeep import Upkeep
from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import Media, MediaDirection

_CLOCK_RATE = 8000
"""Until the media of a leg is known."""


class LegCommands:
    """Open, connect, bridge, unbridge, stats, close."""

    def __init__(
        self,
        legs: Legs,
        capture: Capture,
        receiver: Receiver,
        playing: Playing,
        *,
        upkeep: Upkeep,
        recordings: RecordingCommands,
    ) -> None:
        self._legs = legs
        self._capture = capture
        self._receiver = receiver
        self._playing = playing
        self._upkeep = upkeep
        self._recordings = recordings

    def open(self, message: Message) -> None:
        """Read a leg's sockets from now on."""
        rtp, rtcp = (socket.socket(fileno=fd) for fd in message["descriptors"])
        name = message["leg"]
        if self._legs.get(name) is not None:
            rtp.close()
            rtcp.close()
            return
        if message["may_transcode"]:
            self._receiver.transcoding.need(name)
        leg = self._legs.open(name, rtp, rtcp)
        self._capture.reception.reset(leg.index, _CLOCK_RATE)
        self._receiver.add(leg)

    def connect(self, message: Message) -> None:
        """Take what was negotiated for a leg."""
        leg = self._legs[message["leg"]]
        media = decode_media(message["media"])
        leg.silence_when_idle = message["silence_when_idle"]
        if media != leg.media:
            self._change_media(leg, media, message.get("rollover"))

    def bridge(self, message: Message) -> None:
        """Pass on what either of two legs receives to the other."""
        first, second = both = self._legs[message["first"]], self._legs[message["second"]]
        deaf = message["deaf"]
        same = all(leg.deaf_to_digits == (leg.name in deaf) for leg in both)
        if first.peer is second and second.peer is first and same:
            return
        for leg in both:
            self._part(leg)
        first.peer, second.peer = second, first
        for leg in both:
            leg.deaf_to_digits = leg.name in deaf
        for leg in both:
            leg.reroute()
            self._receiver.settle(leg)

    def unbridge(self, message: Message) -> None:
        """Pass on nothing to and from a leg."""
        self._part(self._legs[message["leg"]])

    def stats(self, message: Message) -> dict[str, Any]:
        """Answers the figures of a leg now."""
        leg = self._legs[message["leg"]]
        self._capture.fold_leg(leg.index)
        return encode_stats(self._figures(leg))

    def close(self, message: Message) -> dict[str, Any]:
        """End all that a leg has; answers its figures."""
        leg = self._legs.get(message["leg"])
        if leg is None:
            return encode_stats(LegStats())
        self._part(leg)
        self._playing.close(leg)
        self._recordings.leg_closes(leg)
        self._capture.fold_leg(leg.index)
        figures = self._figures(leg)
        leg.send_goodbye()
        self._receiver.remove(leg)
        self._receiver.transcoding.spare(leg.name)
        self._capture.listen_for(leg.index, ())
        self._legs.close(leg)
        return encode_stats(figures)

    def _figures(self, leg: MediaLeg) -> LegStats:
        return leg.figures(self._capture.reception.figures(leg.index))

    def _change_media(self, leg: MediaLeg, media: Media, rollover: list[int] | None) -> None:
        self._receiver.sweep()
        before, source, secured = leg.media, leg.source, leg.protection is not None
        leg.connect(media, None if rollover is None else Rollover(*rollover))
        if before is None:
            self._upkeep.take(leg)
        if source != leg.source:
            self._receiver.learn(leg)
        elif secured != (leg.protection is not None):
            self._receiver.settle(leg)
        self._capture.reception.set_clock_rate(leg.index, media.send_codec.clock_rate)
        self._capture.listen_for(leg.index, _event_types(media))
        if not media.send_codec.is_g711:
            self._receiver.transcoding.need(leg.name)
        self._note_media(leg, before, media)
        for side in (leg, leg.peer):
            if side is not None:
                side.reroute()

    def _note_media(self, leg: MediaLeg, before: Media | None, after: Media) -> None:
        at_ns = time.monotonic_ns()
        if codec_map(before) != codec_map(after):
            self._capture.note(leg.index, "codecs", at_ns, codec_map(after))
        held = before is not None and before.direction != MediaDirection.SENDRECV
        holds = after.direction != MediaDirection.SENDRECV
        if holds:
            self._capture.note(leg.index, "hold", at_ns, {"direction": str(after.direction)})
        elif held:
            self._capture.note(leg.index, "resume_media", at_ns, {})

    def _part(self, leg: MediaLeg) -> None:
        for side in (leg, leg.peer):
            if side is not None:
                side.peer = None
                side.reroute()
                self._receiver.settle(side)


def _event_types(media: Media) -> list[int]:
    """The payload types under which the peer sends telephone-events."""
    return [number for number, codec in media.payload_types.items() if codec.is_event]
