"""What the use cases need of the outside. Adapters satisfy these protocols without importing them.

A method without a docstring is said by its name and its protocol.
"""

# ruff: noqa: D102 -- see the last sentence above

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol, TypeVar

from onrecord.calls.media import Beep, Clip, PromptSource
from onrecord.calls.records import (
    ApiKey,
    Application,
    Attempt,
    CallEvent,
    CallEventFilter,
    CommandRecord,
    Delivery,
    DeliveryFilter,
    Event,
    Fidelity,
    FidelityReport,
    Leg,
    Page,
    PageRequest,
    PhoneNumber,
    Recording,
    RecordingFilter,
    RecordingParams,
    StorageCredentials,
    Transcription,
    TranscriptionFilter,
    Trimmed,
)
from onrecord.core.ids import (
    ApplicationId,
    EventId,
    LegId,
    NodeId,
    RecordingId,
    TranscriptionId,
)
from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import Codec, Media, RtpAddress
from onrecord.sip.backend import DialRequest
from onrecord.spool.header import SpoolHeader

T = TypeVar("T")


class Unit(Protocol):
    """One open database transaction. Its methods block; none is called on the event loop.

    ``add_*`` inserts, ``save_*`` replaces the whole row, a reader returns None for what is not there.
    """

    def add_key(self, key: ApiKey) -> None: ...
    def save_key(self, key: ApiKey) -> None: ...
    def key_by_digest(self, digest: bytes) -> ApiKey | None: ...
    def keys(self) -> Sequence[ApiKey]: ...

    def add_application(self, application: Application) -> None: ...
    def save_application(self, application: Application) -> None: ...
    def remove_application(self, application_id: ApplicationId) -> None: ...
    def application(self, application_id: str) -> Application | None: ...
    def oldest_application(self) -> Application | None:
        """The active application that was made first."""
        ...

    def applications(
        self, page: PageRequest, *, name_contains: str | None = None, sort: str = "created_at"
    ) -> Page[Application]:
        """Sort: ``created_at``, ``connection_name`` or ``active``, with ``-`` before it for descending."""
        ...

    def put_number(self, number: PhoneNumber) -> None:
        """Insert or replace."""
        ...

    def number(self, address: str) -> PhoneNumber | None: ...
    def numbers(self, page: PageRequest) -> Page[PhoneNumber]: ...

    def add_leg(self, leg: Leg) -> None: ...
    def save_leg(self, leg: Leg) -> None: ...
    def leg(self, call_control_id: str) -> Leg | None: ...
    def leg_by_id(self, leg_id: LegId) -> Leg | None: ...
    def legs_unended(self, node: NodeId) -> Sequence[Leg]: ...

    def add_command(self, command: CommandRecord) -> bool:
        """Insert; False, and nothing happens, when its scope has its command_id already."""
        ...

    def has_command(self, scope: str, command_id: str) -> bool: ...

    def active_legs(self, application_id: str, page: PageRequest) -> Page[Leg]:
        """Legs that have not ended, oldest first."""
        ...

    def call_events(self, wanted: CallEventFilter, page: PageRequest) -> Page[CallEvent]:
        """Oldest first."""
        ...

    def deliveries(self, wanted: DeliveryFilter, page: PageRequest) -> Page[Delivery]:
        """Events that were sent at least once, newest first."""
        ...

    def add_transcription(self, transcription: Transcription) -> None: ...
    def save_transcription(self, transcription: Transcription) -> None: ...
    def remove_transcription(self, transcription_id: str) -> None: ...
    def transcription(self, transcription_id: str) -> Transcription | None: ...
    def transcriptions(self, wanted: TranscriptionFilter, page: PageRequest) -> Page[Transcription]:
        """Newest first; those of a recording go with it."""
        ...

    def put_storage(self, credentials: StorageCredentials) -> None:
        """Insert or replace; they go with their application."""
        ...

    def storage(self, application_id: str) -> StorageCredentials | None: ...
    def remove_storage(self, application_id: str) -> None: ...

    def add_recording(self, recording: Recording) -> None: ...
    def save_recording(self, recording: Recording) -> None: ...
    def remove_recording(self, recording_id: RecordingId) -> None: ...
    def add_report(self, report: FidelityReport) -> None:
        """It goes with its recording."""
        ...

    def report(self, recording_id: str) -> FidelityReport | None: ...
    def recording(self, recording_id: str) -> Recording | None: ...
    def recordings(self, wanted: RecordingFilter, page: PageRequest) -> Page[Recording]:
        """Saved recordings, newest first."""
        ...

    def recordings_unfinished(self, node: NodeId) -> Sequence[Recording]:
        """Those of the node that are recording, paused or stopped."""
        ...

    def node_is_busy(self, node: NodeId) -> bool:
        """Whether the node has legs that have not ended or recordings that are not finished."""
        ...

    def add_event(self, event: Event) -> None: ...
    def save_event(self, event: Event) -> None: ...
    def event(self, event_id: EventId) -> Event | None: ...
    def events_due(self, now_ns: int, limit: int) -> Sequence[Event]:
        """Pending events whose ``due_ns`` has come, oldest first."""
        ...

    def add_attempt(self, attempt: Attempt) -> None: ...
    def attempts(self, event_id: EventId) -> Sequence[Attempt]: ...

    def prune(self, before_ns: int, limit: int) -> int:
        """Delete at most ``limit`` of each: legs that ended before, commands and events of before.

        Legs with an unfinished recording and events that are still to be delivered stay. Returns how
        many there were.
        """
        ...

    def secret(self, name: str) -> bytes | None: ...
    def put_secret(self, name: str, value: bytes) -> None: ...

    def enqueue_finish(self, recording_id: RecordingId, delay_secs: float = 0.0) -> None:
        """A durable job that masters and stores the recording; runs on the node that holds its spool."""
        ...

    def recordings_misplaced(self, application_id: str, limit: int) -> Sequence[Recording]:
        """Those of an application whose files belong in a bucket and are here, oldest first."""
        ...

    def enqueue_move(self, recording: Recording, since_ns: int, delay_secs: float) -> None:
        """The first of a row of durable jobs that move the recording's file into its bucket.

        Repeating the call changes nothing; another ``since_ns`` begins another row.
        """
        ...

    def enqueue_delivery(self, event_id: EventId, number: int, delay_secs: float) -> None:
        """A durable job for attempt ``number`` of an event. Repeating the call changes nothing."""
        ...

    def enqueue_transcription(self, node: NodeId, transcription_id: TranscriptionId) -> None:
        """A durable job that makes a transcription. Repeating the call changes nothing."""
        ...


class Store(Protocol):
    """The database."""

    async def write(self, work: Callable[[Unit], T]) -> T:
        """Run ``work`` in one transaction: all of it is durable when this returns, or nothing happened.

        ``work`` runs on a writer thread and may share a commit with other callers' work; what it
        raises is raised here and undoes only its own changes.
        """
        ...

    async def read(self, work: Callable[[Unit], T]) -> T:
        """Run ``work`` on a snapshot, beside the writer."""
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


class Storage(Protocol):
    """Where finished files live."""

    async def put(self, key: str, source: Path) -> None:
        """Store durably under ``key``; repeating it is harmless.

        Raises:
            DestinationError: it could not be stored.
        """
        ...

    async def delete(self, key: str) -> None:
        """What is not there is deleted already."""
        ...

    def path(self, key: str) -> Path:
        """Where the file is on this machine, whether it is there or not."""
        ...

    def link(self, key: str, now_ns: int) -> str:
        """A URL that gives the file to anybody for ten minutes."""
        ...


class Bucket(Protocol):
    """A bucket of an application's, with its credentials."""

    async def put(self, key: str, source: Path) -> None:
        """Store the file at ``source``, which stays; repeating it is harmless.

        Raises:
            AccessError: the credentials are refused.
            DestinationError: it could not be stored.
        """
        ...

    async def delete(self, key: str) -> None:
        """What is not there is deleted already; raises as ``put``."""
        ...

    def location(self, key: str) -> str:
        """The address of the file there."""
        ...

    def link(self, key: str) -> str:
        """A URL that anybody can use for a while, where there is such a thing; else the address."""
        ...


class Buckets(Protocol):
    """Kinds of storage that belong to others."""

    def open(self, backend: str, configuration: Mapping[str, str]) -> Bucket:
        """The bucket; nothing is sent yet.

        Raises:
            UnsupportedError: the backend is not known.
            CredentialsError: the credentials cannot be read.
        """
        ...


class Sender(Protocol):
    """Sends one webhook over HTTP."""

    async def send(self, event: Event, number: int, url: str) -> Attempt:
        """Sign and send; never raises: failures are in the attempt."""
        ...


class Policy(Protocol):
    """What follows from one attempt of a webhook; pure."""

    def verdict(self, attempt: Attempt) -> Any:
        """What the attempt came to; only ``next_try`` reads it."""
        ...

    def next_try(
        self,
        event: Event,
        number: int,
        outcome: Any,
        delays: Sequence[float],
        *,
        earlier: Any | None = None,
    ) -> tuple[str, float] | None:
        """URL of the attempt after ``number`` and the seconds to wait for it; None: there is none.

        ``outcome`` is the verdict on attempt ``number``, ``earlier`` that on the one before it.
        """
        ...


class Reported(Protocol):
    """How faithful a finished file is."""

    @property
    def fidelity(self) -> Fidelity: ...
    def to_json(self) -> str: ...
    def packed_outline(self) -> bytes: ...


class Mastered(Protocol):
    """What a finished file holds."""

    @property
    def duration_ms(self) -> int: ...
    @property
    def size_bytes(self) -> int: ...
    @property
    def started_utc_ns(self) -> int: ...
    @property
    def ended_utc_ns(self) -> int: ...
    @property
    def trimmed(self) -> Trimmed | None: ...
    @property
    def report(self) -> Reported: ...


class Mastering(Protocol):
    """Makes the file of a recording out of its spool."""

    def master(self, spool: Path, target: Path) -> Mastered:
        """Write ``target`` anew from ``spool``; blocks, and computes for as long as it takes."""
        ...


class Transcribed(Protocol):
    """What is said in a file."""

    @property
    def text(self) -> str: ...
    @property
    def language(self) -> str: ...
    @property
    def engine(self) -> str: ...
    @property
    def segments(self) -> Sequence[Mapping[str, object]]: ...


class Transcriber(Protocol):
    """Turns a file into text, apart from this process."""

    async def transcribe(self, path: Path, progress: Path, params: RecordingParams) -> Transcribed:
        """What is said in the file at ``path``; cancelling it ends the work.

        ``progress`` is a file that keeps what was done: a repeat with it goes on from there.

        Raises:
            DestinationError: the engine refused, failed or died; ``retry`` says whether another time
                may go better.
        """
        ...


class Links(Protocol):
    """URLs that need no key, and their end."""

    def link(self, path: str, now_ns: int) -> str:
        """A URL that gives what is at ``path`` of this server to anybody for ten minutes."""
        ...

    def holds(self, path: str, expires: str, signature: str, now_ns: int) -> bool:
        """Whether these are the parts of such a URL that is not over."""
        ...


class Served(Protocol):
    """The links of a storage whose files this server serves itself."""

    def open_link(self, key: str, expires: str, signature: str, now_ns: int) -> Path | None:
        """The file's path, or None when the link's signature is wrong or its time is over."""
        ...


class Handle(Protocol):
    """A timer that can be cancelled."""

    def cancel(self) -> None: ...


class Later(Protocol):
    """``loop.call_later``."""

    def __call__(self, delay: float, callback: Callable[[], object], /) -> Handle: ...
