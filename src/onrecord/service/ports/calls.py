"""What calls are made of: signalling, media, what is played into them, and who listens for silence."""

# ruff: noqa: D102 -- a method without a docstring is said by its name and its protocol

from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Protocol

from onrecord.calls.media import Beep, Clip, PromptSource
from onrecord.core.ids import LegId, RecordingId
from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import Codec, Media, RtpAddress
from onrecord.sip.backend import DialRequest
from onrecord.spool.header import SpoolHeader


class Signalling(Protocol):
    """The SIP side: verbs return at once; what comes of them arrives as ``sip.backend`` events."""

    def dial(self, leg: LegId, request: DialRequest) -> str:
        """Send an INVITE; returns its SIP Call-ID.

        Raises:
            CapacityError: too many dialogs.
            ValueError: the target is not a SIP URI that can be reached.
        """
        ...

    def ring(self, leg: LegId) -> None: ...
    def answer(self, leg: LegId, sdp: str, headers: Sequence[tuple[str, str]] = ()) -> None: ...
    def reject(self, leg: LegId, status: int) -> None: ...
    def hangup(self, leg: LegId, headers: Sequence[tuple[str, str]] = ()) -> None:
        """CANCEL or BYE, whichever the dialog's state asks for."""
        ...

    def accept_offer(self, leg: LegId, sdp: str) -> None:
        """Answer a re-INVITE's offer (or make ours in the 200 when it brought none)."""
        ...

    def refuse_offer(self, leg: LegId, status: int) -> None: ...
    def reoffer(self, leg: LegId, sdp: str) -> None:
        """Offer other media (re-INVITE); an answer comes as ``OfferAnswered``, a refusal not at all."""
        ...


class MediaPlane(Protocol):
    """The media process, seen from the control process. Every method is idempotent per leg."""

    async def open_leg(self, leg: LegId, *, may_transcode: bool = False) -> RtpAddress:
        """Take an even RTP port and its odd RTCP port; returns what our SDP must say.

        ``may_transcode``: a codec beside G.711 is offered.

        Raises:
            CapacityError: the port range has run out.
        """
        ...

    async def connect_leg(
        self, leg: LegId, media: Media, *, silence_when_idle: bool = False
    ) -> None:
        """Exchange audio as negotiated; a repeat with other media (re-INVITE) replaces it."""
        ...

    async def close_leg(self, leg: LegId) -> LegStats:
        """Free the ports; figures of what was sent and received. Recordings must be stopped first."""
        ...

    async def bridge(
        self, first: LegId, second: LegId, *, deaf_to_digits: Collection[LegId] = ()
    ) -> None:
        """Relay audio between two connected legs until one is closed or ``unbridge``.

        Digits of the other leg are not passed on to those that are ``deaf_to_digits``.
        """
        ...

    async def unbridge(self, leg: LegId) -> None: ...

    async def start_recording(
        self, header: SpoolHeader, path: Path, beep: Beep | None = None
    ) -> int:
        """Capture the leg into the spool at ``path`` (which holds its header). Returns monotonic ns.

        The party hears the ``beep`` first.
        """
        ...

    async def play(
        self, leg: LegId, playback: str, clip: Clip, loops: int | None, *, overlay: bool = False
    ) -> None:
        """Queue a clip, ``loops`` times or, for None, without end; its file is not needed any longer.

        An ``overlay`` is in L16 at 16 kHz and lies over what else the leg is sent.
        """
        ...

    async def stop_playback(self, leg: LegId, playback: str) -> None:
        """Play no more of it; what has ended is no matter."""
        ...

    async def press(self, leg: LegId, digits: str, duration_ms: int) -> None:
        """Send digits as telephone-events."""
        ...

    async def stop_recording(self, recording_id: RecordingId) -> int:
        """End the capture; all facts are in the spool when this returns. Returns monotonic ns."""
        ...

    async def pause_recording(self, recording_id: RecordingId) -> int:
        """Keep nothing from now on, until it is resumed or stopped. Returns monotonic ns."""
        ...

    async def resume_recording(self, recording_id: RecordingId) -> int:
        """Keep what comes from now on again. Returns monotonic ns."""
        ...


class Prompts(Protocol):
    """Makes what is played into calls ready to be sent."""

    @property
    def speaks(self) -> bool:
        """Text can be spoken."""
        ...

    def plays(self, content: bytes) -> bool:
        """Whether a file is of a type that can be played."""
        ...

    async def load(self, source: PromptSource) -> bytes:
        """The bytes of an audio file.

        Raises:
            PromptFailed: there is none.
        """
        ...

    async def clip(self, content: bytes, codec: Codec) -> Clip:
        """The audio of a file in a codec.

        Raises:
            PromptFailed: it cannot be decoded, or is too long.
        """
        ...

    async def beep(self, codec: Codec) -> Beep:
        """The beep that begins a recording."""
        ...

    def discard(self, clip: Clip) -> None:
        """Remove a clip that is not needed any longer."""
        ...


class Listening(Protocol):
    """Hears when nothing is said in a recording any more."""

    def listen(
        self,
        recording_id: RecordingId,
        path: Path,
        *,
        timeout_secs: int,
        track: str,
        silent: Callable[[], None],
    ) -> None:
        """Call ``silent`` once when the recording was silent for so long after speech.

        The recording is that of the spool at ``path``; its pauses do not count.
        """
        ...

    def forget(self, recording_id: RecordingId) -> None:
        """Listen no more; unknown ids are no fault."""
        ...
