"""Plays clips, beeps, overlays and digits into legs, at the pace of the tick; what was sent is kept like any packet.

While a leg is played a clip, nothing is relayed to it; an overlay lies over either (see
:mod:`onrecord.media.mixing`). Digits go first, clips and overlays wait meanwhile; a leg on hold misses what is
played to it.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import structlog

from onrecord.core.units import NS_PER_MS
from onrecord.media.capture import Capture
from onrecord.media.leg import MediaLeg
from onrecord.media.mixing import Mixer
from onrecord.media.player import FRAME_NS, MappedClip, keys
from onrecord.media.receiver import Receiver
from onrecord.media.route import translated
from onrecord.sdp.codecs import TELEPHONE_EVENT
from onrecord.sdp.negotiation import Media

log = structlog.get_logger()

LATE_NS = 40 * NS_PER_MS
"""Frames that are later than that are not made up for: the playback goes on from now."""

LEAVE_NS = 2 * NS_PER_MS
"""Between two tries to do without the transcoding process."""

MS_PER_S = 1000

_BEEP = "beep"


class Playing:
    """Feeds the players of all legs; lives on the media loop."""

    def __init__(
        self,
        capture: Capture,
        receiver: Receiver,
        later: Callable[[int, Callable[[int], int | None]], None],
        tell: Callable[[Mapping[str, object]], None],
    ) -> None:
        """``later`` arms a timer of the loop; ``tell`` sends a message to the control process."""
        self._capture = capture
        self._receiver = receiver
        self._later = later
        self._tell = tell
        self.active = 0
        """Legs that are played something."""

    def play(self, leg: MediaLeg, asked: Mapping[str, Any], now_ns: int) -> None:
        """Queue a clip; one that is queued already is not queued again.

        Raises:
            OSError: its file cannot be read.
        """
        playback, player = asked["playback"], leg.player
        queue = player.overlays if asked["overlay"] else player.clips
        if not any(clip.playback == playback for clip in queue):
            queue.append(_mapped(playback, asked, asked["loops"]))
            self._begin(leg, now_ns)

    def stop(self, leg: MediaLeg, playback: str) -> None:
        """Play no more of a clip; one that is not there has ended."""
        for clip in (*leg.player.clips, *leg.player.overlays):
            if clip.playback == playback:
                self._end(leg, clip, "stopped")
                return

    def press(self, leg: MediaLeg, digits: str, duration_ms: int, now_ns: int) -> None:
        """Send digits as telephone-events, after those that are being sent.

        Raises:
            LookupError: the peer takes none.
        """
        if leg.media is None or leg.media.telephone_event_payload_type is None:
            raise LookupError("the peer takes no telephone-events")
        leg.player.keys.extend(keys(digits, duration_ms))
        self._begin(leg, now_ns)

    def beep(self, leg: MediaLeg, asked: Mapping[str, Any], now_ns: int) -> bool:
        """Send a beep from now on, before all else; False when the leg cannot be sent anything.

        Raises:
            OSError: its file cannot be read.
        """
        if not leg.may_send:
            return False
        if leg.player.beep is not None:
            leg.player.beep.close()
        leg.player.beep = _mapped(_BEEP, asked, 1)
        self._begin(leg, now_ns)
        leg.player.due_ns = now_ns
        self._step(leg, now_ns)  # its time is a fact: it does not wait for the timer
        return True

    def close(self, leg: MediaLeg) -> None:
        """The leg is over."""
        leg.player.keys.clear()
        for clip in (*leg.player.clips, *leg.player.overlays):
            self._end(leg, clip, "closed")
        if leg.mixer is not None:
            leg.mixer.end()
        if leg.player.beep is not None:
            leg.player.beep.close()
            leg.player.beep = None

    def _begin(self, leg: MediaLeg, now_ns: int) -> None:
        if not leg.player.running:
            leg.player.running = True
            leg.player.due_ns = now_ns
            self.active += 1
            self._later(now_ns, lambda due: self._step(leg, due))

    def _step(self, leg: MediaLeg, now_ns: int) -> int | None:
        """Send the frames that are due; returns when the next one is, or None when all is sent."""
        player = leg.player
        if not player.running:
            return None
        if now_ns - player.due_ns > LATE_NS:
            player.due_ns = now_ns
        while player.due_ns <= now_ns:
            if player.idle and leg.mixer is None:
                player.running = False
                self.active -= 1
                return None
            self._frame(leg, now_ns)
            player.due_ns += FRAME_NS
        return player.due_ns

    def _frame(self, leg: MediaLeg, now_ns: int) -> None:
        player = leg.player
        if player.keys and self._key(leg, now_ns):
            return
        if player.beep is not None:
            self._send_clip(leg, player.beep, now_ns)
            if player.beep.over:
                player.beep.close()
                player.beep = None
            return
        if player.clips:
            self._play_clip(leg, player.clips[0], now_ns)
        if player.overlays:
            self._lay(leg, player.overlays[0])
        elif leg.mixer is not None:
            self._drain(leg, leg.mixer, now_ns)

    def _key(self, leg: MediaLeg, now_ns: int) -> bool:
        """Go on with the key that is pressed; False when nothing was to be sent of it."""
        key, media = leg.player.keys[0], leg.media
        audible = key.audible
        if media is not None and audible:
            self._send_key(leg, media, now_ns)
        key.at += 1
        if key.at >= key.length:
            leg.player.keys.popleft()
        return audible

    def _lay(self, leg: MediaLeg, clip: MappedClip) -> None:
        """Go on with an overlay; one that begins waits until it holds nothing else up."""
        if leg.mixer is None and not self._receiver.transcoding.is_ready:
            self._receiver.transcoding.prepare()
            return
        if not clip.started:
            self._tell({"leg": leg.name, "playback": clip.playback, "started": True})
            clip.started = True
        mixer = leg.mixer or Mixer(leg, self._receiver)
        if not mixer.lay(clip.take()):
            self._capture.counts.dropped["transcode"] += 1
        if clip.over:
            self._end(leg, clip, "completed")

    def _drain(self, leg: MediaLeg, mixer: Mixer, now_ns: int) -> None:
        if not mixer.is_drained:
            mixer.drain()
        elif not mixer.leaving:
            mixer.leaving = True
            self._later(now_ns, lambda due: self._leave(leg, mixer, due))

    def _leave(self, leg: MediaLeg, mixer: Mixer, now_ns: int) -> int | None:
        """Tried often: each try must meet a moment at which nothing is under way."""
        if leg.mixer is not mixer or not mixer.leaving or mixer.leave():
            return None
        return now_ns + LEAVE_NS

    def _send_key(self, leg: MediaLeg, media: Media, now_ns: int) -> None:
        key, number = leg.player.keys[0], media.telephone_event_payload_type
        if number is None or not leg.may_send:
            return
        codec = media.payload_types.get(number, TELEPHONE_EVENT)
        payload = key.payload(codec.clock_rate // MS_PER_S)
        if payload is None:
            return
        first = key.at == 0
        if first:
            key.timestamp = leg.out.timestamp_at(now_ns)
        self._send(leg, leg.out.event(number, key.timestamp, payload, now_ns, marker=first), now_ns)

    def _play_clip(self, leg: MediaLeg, clip: MappedClip, now_ns: int) -> None:
        if not clip.started:
            self._tell({"leg": leg.name, "playback": clip.playback, "started": True})
        if not self._send_clip(leg, clip, now_ns):
            self._end(leg, clip, "failed")
        elif clip.over:
            self._end(leg, clip, "completed")

    def _send_clip(self, leg: MediaLeg, clip: MappedClip, now_ns: int) -> bool:
        """Send its next frame; False when the leg's codec is another and cannot be had from it."""
        media = leg.media
        if media is None or not leg.may_send:
            clip.take()
            clip.started = True
            return True
        payload = translated(clip.take(), clip.codec, media.send_codec.name)
        if payload is None:
            return False
        samples, first = media.send_codec.clock_rate // 50, not clip.started
        clip.started = True
        if leg.mixer is not None and clip is not leg.player.beep:
            if not leg.mixer.play(media, payload, now_ns, first=first):
                self._capture.counts.dropped["transcode"] += 1
            return True
        packet = leg.out.frame(media.send_payload_type, payload, samples, now_ns, first=first)
        self._send(leg, packet, now_ns)
        return True

    def _send(self, leg: MediaLeg, packet: bytes, now_ns: int) -> None:
        if not leg.send(packet):
            self._capture.counts.dropped["send"] += 1
        elif self._capture.is_recorded(leg.outbound_key >> 16):
            self._receiver.keep(leg.outbound_key, packet, now_ns)

    def _end(self, leg: MediaLeg, clip: MappedClip, outcome: str) -> None:
        player = leg.player
        (player.clips if clip in player.clips else player.overlays).remove(clip)
        clip.close()
        self._tell({"leg": leg.name, "playback": clip.playback, "outcome": outcome})


def _mapped(playback: str, asked: Mapping[str, Any], loops: int | None) -> MappedClip:
    try:
        return MappedClip(playback, Path(asked["path"]), asked["codec"], loops)
    except ValueError as error:
        raise OSError(f"the clip cannot be mapped: {error}") from error
