"""What is known of applications, numbers, legs, recordings and events: plain values, no behaviour.

These are the rows that ``database`` stores, ``service`` changes and ``wire`` shows. Times are UTC
nanoseconds; None means that it has not happened.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from onrecord.core.ids import (
    ApplicationId,
    CallControlId,
    EventId,
    LegId,
    NodeId,
    RecordingId,
    SessionId,
    TranscriptionId,
)


class Direction(StrEnum):
    """Who placed the leg, seen from us."""

    INCOMING = "incoming"
    OUTGOING = "outgoing"


class LegState(StrEnum):
    """The life of a leg; the moves between states are the table in ``calls.states``."""

    RINGING = "ringing"
    ANSWERED = "answered"
    BRIDGED = "bridged"
    ENDED = "ended"


class RecordingState(StrEnum):
    """The life of a recording; the moves between states are the table in ``calls.states``."""

    RECORDING = "recording"
    PAUSED = "paused"
    STOPPED = "stopped"
    SAVED = "saved"
    FAILED = "failed"


class StopReason(StrEnum):
    """Why a recording ended."""

    COMMAND = "command"
    HANGUP = "hangup"
    MAX_LENGTH = "max_length"
    SILENCE = "silence"
    STORAGE = "storage"
    NODE_LOST = "node_lost"


class HangupCause(StrEnum):
    """The values of ``hangup_cause`` (contract section 9.1)."""

    NORMAL_CLEARING = "normal_clearing"
    CALL_REJECTED = "call_rejected"
    USER_BUSY = "user_busy"
    TIMEOUT = "timeout"
    NO_ANSWER = "no_answer"
    NOT_FOUND = "not_found"
    ORIGINATOR_CANCEL = "originator_cancel"
    TIME_LIMIT = "time_limit"
    UNSPECIFIED = "unspecified"


class HangupSource(StrEnum):
    """The values of ``hangup_source``: which party ended the leg."""

    CALLER = "caller"
    CALLEE = "callee"
    UNKNOWN = "unknown"


class EventState(StrEnum):
    """Where the delivery of a webhook event stands."""

    PENDING = "pending"
    DELIVERED = "delivered"
    DEAD = "dead"


@dataclass(frozen=True, slots=True)
class Header:
    """One SIP header that an application sees or sets."""

    name: str
    value: str


@dataclass(frozen=True, slots=True)
class ApiKey:
    """An API key; only its SHA-256 is kept."""

    id: str
    digest: bytes
    """SHA-256 of the key, 32 bytes."""
    hint: str
    """The first characters of the key, so that a person can tell keys apart."""
    name: str
    created_ns: int
    revoked_ns: int | None = None


@dataclass(frozen=True, slots=True)
class Application:
    """A call control application: where the webhooks of its calls go."""

    id: ApplicationId
    name: str
    webhook_url: str
    webhook_failover_url: str | None
    webhook_timeout_ms: int | None
    """None: the server's default."""
    active: bool
    document: Mapping[str, object]
    """The other members of the resource, as they were given (contract section 8.5)."""
    created_ns: int
    updated_ns: int


@dataclass(frozen=True, slots=True)
class PhoneNumber:
    """A number or SIP user whose incoming calls go to one application."""

    address: str
    application_id: ApplicationId
    created_ns: int
    updated_ns: int


@dataclass(frozen=True, slots=True)
class WebhookTarget:
    """Where events of one call go when the call overrides its application."""

    url: str | None = None
    failover_url: str | None = None
    method: str = "POST"
    urls: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """By type of event: one URL, or two of which the second is the failover."""
    urls_method: str = "POST"
    retry_ms: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    """By type of event: the waits before the retries, instead of the server's."""

    def changed(self, given: "WebhookTarget | None") -> "WebhookTarget":
        """Itself with what a later command gave."""
        if given is None:
            return self
        own = given if given.url is not None else self
        mapped = given if given.urls else self
        return WebhookTarget(
            url=own.url,
            failover_url=own.failover_url,
            method=own.method,
            urls=mapped.urls,
            urls_method=mapped.urls_method,
            retry_ms=given.retry_ms or self.retry_ms,
        )


@dataclass(frozen=True, slots=True)
class Leg:
    """One leg of a call."""

    id: LegId
    session_id: SessionId
    call_control_id: CallControlId
    application_id: ApplicationId
    node: NodeId
    direction: Direction
    state: LegState
    from_: str
    """Number or SIP URI of the caller."""
    to: str
    from_sip_uri: str
    to_sip_uri: str
    caller_name: str
    sip_call_id: str
    first_of_session: bool
    """True for the leg whose audio is channel A of a dual recording."""
    created_ns: int
    client_state: str | None = None
    custom_headers: tuple[Header, ...] = ()
    sip_headers: tuple[Header, ...] = ()
    offered_codecs: tuple[str, ...] = ()
    codec: str | None = None
    """Encoding name of the negotiated codec, once answered."""
    webhook: WebhookTarget = field(default_factory=WebhookTarget)
    bridged_to: LegId | None = None
    answered_ns: int | None = None
    ended_ns: int | None = None
    hangup_cause: HangupCause | None = None
    hangup_source: HangupSource | None = None
    sip_hangup_cause: str | None = None
    """SIP status as text, or ``unspecified``."""


@dataclass(frozen=True, slots=True)
class RecordingParams:
    """What a recording was asked to be (reference page of record_start)."""

    format: str
    """``wav`` or ``mp3``."""
    channels: str
    """``single`` or ``dual``."""
    track: str = "both"
    """``both``, ``inbound`` or ``outbound``; a single track is always mono."""
    custom_file_name: str | None = None
    play_beep: bool = False
    max_length_secs: int = 0
    timeout_secs: int = 0
    trim: str | None = None
    transcription: bool = False
    transcription_engine: str = "A"
    transcription_language: str = "en-US"
    transcription_profanity_filter: bool = False
    transcription_speaker_diarization: bool = False
    transcription_min_speaker_count: int = 2
    transcription_max_speaker_count: int = 6


@dataclass(frozen=True, slots=True)
class Trimmed:
    """What ``trim-silence`` has cut off a file."""

    start_ms: int
    end_ms: int
    speech: bool
    """False: nothing was said, and all but the first moment was cut off."""


@dataclass(frozen=True, slots=True)
class Fidelity:
    """How faithful a file is, in a few figures; the whole of it is in its report."""

    mos: float | None
    """The lower of the tracks' estimated opinion scores; None if no audio came at all."""
    loss_percent: float
    """The higher of the tracks' losses."""
    gaps: int
    """Of all tracks, but for those in which the sender was silent by itself."""
    gaps_ms: int
    concealed_ms: int
    without_audio: tuple[str, ...]
    """Tracks that no audio came for: ``inbound``, ``outbound``."""
    silent: bool
    """There is nothing to be heard in the file."""
    torn: bool
    """A crash cut its last write off."""


@dataclass(frozen=True, slots=True)
class FidelityReport:
    """The report on one finished recording."""

    recording_id: RecordingId
    document: str
    """A JSON object (docs/fidelity.md)."""
    outline: bytes
    """What the channels' waveforms are drawn from, as :mod:`onrecord.audio.envelope` packs it."""


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording of one leg."""

    id: RecordingId
    leg_id: LegId
    session_id: SessionId
    call_control_id: CallControlId
    application_id: ApplicationId
    node: NodeId
    state: RecordingState
    params: RecordingParams
    initiated_by: str
    from_: str
    to: str
    sip_call_id: str
    started_ns: int
    created_ns: int
    updated_ns: int
    client_state: str | None = None
    ended_ns: int | None = None
    stop_reason: StopReason | None = None
    duration_ms: int | None = None
    size_bytes: int | None = None
    file_key: str | None = None
    """Key of the finished file in the storage."""
    location: str | None = None
    """Address of the file in a bucket of the application's; None: it is with this server."""
    trimmed: Trimmed | None = None
    """None where the file is not trimmed."""
    fidelity: Fidelity | None = None
    """None until it is saved."""
    failure: str | None = None
    """Why it failed, for people; of a saved one, why its file is not in the bucket where it belongs."""

    @property
    def is_misplaced(self) -> bool:
        """Whether this server keeps a file that belongs in a bucket."""
        kept_here = self.file_key is not None and self.location is None
        return self.state is RecordingState.SAVED and kept_here and self.failure is not None


@dataclass(frozen=True, slots=True)
class CommandRecord:
    """One command that was carried out, written in the transaction of what it changed."""

    id: str
    scope: str
    """Within what ``command_id`` is unique: a call_control_id, or ``dial``."""
    command_id: str | None
    name: str
    """As in its path: ``record_start``; ``dial`` for a new call."""
    leg_id: LegId
    session_id: SessionId
    application_id: ApplicationId
    created_ns: int


@dataclass(frozen=True, slots=True)
class Event:
    """One webhook event, written in the transaction that made it true."""

    id: EventId
    type: str
    body: str
    """The JSON text of the ``data`` object; ``meta`` is added at each attempt."""
    occurred_ns: int
    application_id: ApplicationId
    leg_id: LegId | None
    session_id: SessionId | None
    recording_id: RecordingId | None
    url: str
    failover_url: str | None
    method: str
    timeout_ms: int
    state: EventState = EventState.PENDING
    attempts: int = 0
    """Attempts that have finished."""
    retry_ms: tuple[int, ...] | None = None
    """The waits before the retries; None: the server's."""
    due_ns: int | None = None
    """When the sweep may take the event up; None once it is delivered or dead."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """One finished try to deliver an event."""

    event_id: EventId
    number: int
    """1 for the first."""
    url: str
    started_ns: int
    finished_ns: int
    status: int | None
    """HTTP status of the answer; None when there was none."""
    error: str | None = None
    request_headers: Mapping[str, str] = field(default_factory=dict)
    response_headers: tuple[tuple[str, str], ...] = ()
    """In the order of the answer, as many as are kept."""
    response_body: str = ""
    """The beginning of the answer's body."""


class TranscriptionState(StrEnum):
    """How far a transcription is; the values are those of its ``status`` (contract section 7.4)."""

    IN_PROGRESS = "in-progress"
    COMPLETED = "completed"


@dataclass(frozen=True, slots=True)
class Transcription:
    """What is said in one recording."""

    id: TranscriptionId
    recording_id: RecordingId
    state: TranscriptionState
    engine: str
    """The engine that transcribes, or did."""
    language: str
    created_ns: int
    updated_ns: int
    text: str = ""
    segments: tuple[Mapping[str, object], ...] = ()
    """In order of time, each with ``start_ms``, ``end_ms``, ``channel``, ``speaker``, ``text``,
    ``confidence`` and ``words``."""
    duration_ms: int | None = None
    failure: str | None = None
    """Why there will be no text, for people; the state stays what it was, there is none for it."""


@dataclass(frozen=True, slots=True)
class StorageCredentials:
    """Where the files of one application go instead of to this server."""

    application_id: ApplicationId
    backend: str
    """``s3``, ``s3-generic``, ``gcs`` or ``azure``."""
    sealed: bytes
    """The configuration, as JSON, encrypted with a key that is not in the database."""
    created_ns: int
    updated_ns: int
