"""The database, as the use cases see it."""

# ruff: noqa: D102 -- a method without a docstring is said by its name and its protocol

from collections.abc import Callable, Sequence
from typing import Protocol, TypeVar

from onrecord.calls.lists import (
    CallEvent,
    CallEventFilter,
    Delivery,
    DeliveryFilter,
    Page,
    PageRequest,
    RecordingFilter,
    TranscriptionFilter,
)
from onrecord.calls.records import (
    ApiKey,
    Application,
    Attempt,
    CommandRecord,
    Event,
    FidelityReport,
    Leg,
    PhoneNumber,
    Recording,
    StorageCredentials,
    Transcription,
)
from onrecord.core.ids import ApplicationId, EventId, LegId, NodeId, RecordingId, TranscriptionId

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

    def jobs_waiting(self, node: NodeId, within_secs: float) -> bool:
        """Whether durable jobs of the node run, or are to begin within so many seconds."""
        ...


class Store(Protocol):
    """The database."""

    async def write(self, work: Callable[[Unit], T], *, patience_secs: float = 0.0) -> T:
        """Run ``work`` in one transaction: all of it is durable when this returns, or nothing happened.

        ``work`` runs on a writer thread and may share a commit with other callers' work; what it
        raises is raised here and undoes only its own changes. With ``patience_secs`` it waits so long
        for a commit that is made for others, and then gets one of its own.
        """
        ...

    async def read(self, work: Callable[[Unit], T]) -> T:
        """Run ``work`` on a snapshot, beside the writer."""
        ...
