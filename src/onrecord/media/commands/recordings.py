"""Commands about recordings; all but ``start`` answer when they took effect, in monotonic ns."""

import time
from pathlib import Path

import structlog

from onrecord.media.capture import Capture, Recording, tracks_of
from onrecord.media.channel import Message
from onrecord.media.durability import Syncer
from onrecord.media.leg import MediaLeg
from onrecord.media.legs import Legs
from onrecord.media.messages import codec_map
from onrecord.media.playing import Playing
from onrecord.media.receiver import Receiver
from onrecord.spool.writer import SpoolWriter

log = structlog.get_logger()


class RecordingCommands:
    """Start, pause, resume, stop. Each reads first what has come: it belongs to the time before."""

    def __init__(
        self, legs: Legs, capture: Capture, receiver: Receiver, playing: Playing, syncer: Syncer
    ) -> None:
        self._legs = legs
        self._capture = capture
        self._receiver = receiver
        self._playing = playing
        self._syncer = syncer

    def start(self, message: Message) -> int:
        """Capture a leg into a spool; answers since when."""
        known = self._capture.recordings.get(message["recording"])
        if known is not None:
            return known.started_ns
        leg = self._legs[message["leg"]]
        self._receiver.sweep()
        recording = Recording(
            id=message["recording"],
            leg_index=leg.index,
            tracks=tracks_of(message["track"]),
            writer=SpoolWriter(Path(message["path"])),
            started_ns=time.monotonic_ns(),
            paused=message["paused"],
            live=message["live"],
        )
        # What came while no process was there to read it still belongs to a recording that goes on.
        kind, since_ns = (
            ("media_replaced", 0) if message["resumed"] else ("start", recording.started_ns)
        )
        try:
            self._capture.start(recording, kind, codec_map(leg.media), since_ns)
        except OSError:
            recording.writer.close()
            raise
        self._syncer.want(wanted=True)
        self._beep(leg, recording, message["beep"])
        return recording.started_ns

    def pause(self, message: Message) -> int:
        """Keep nothing from now on."""
        recording, at_ns = self._now(message)
        if not recording.paused:
            self._capture.pause(recording, at_ns)
        return at_ns

    def resume(self, message: Message) -> int:
        """Keep what comes from now on again."""
        recording, at_ns = self._now(message)
        if recording.paused:
            self._capture.resume(recording, at_ns)
        return at_ns

    def stop(self, message: Message) -> int:
        """End a capture."""
        recording, at_ns = self._now(message)
        self._capture.stop(recording, at_ns, message["reason"])
        self._rest()
        return at_ns

    def leg_closes(self, leg: MediaLeg) -> None:
        """End the captures of a leg."""
        self._receiver.sweep()
        for recording in self._capture.of_leg(leg.index):
            self._capture.stop(recording, time.monotonic_ns(), "leg_closed")
        self._rest()

    def _now(self, message: Message) -> tuple[Recording, int]:
        recording = self._capture.recordings[message["recording"]]
        self._receiver.sweep()
        return recording, time.monotonic_ns()

    def _rest(self) -> None:
        self._syncer.want(bool(self._capture.recordings))

    def _beep(self, leg: MediaLeg, recording: Recording, beep: Message | None) -> None:
        if beep is None:
            return
        at_ns = time.monotonic_ns()
        try:
            heard = self._playing.beep(leg, beep["clip"], at_ns)
        except OSError as error:
            log.exception("beep_failed", recording_id=recording.id, error=str(error))
            return
        if heard:
            self._capture.tell(recording, "beep", at_ns, beep["fact"])
