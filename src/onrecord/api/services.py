"""What the API needs of the use cases. They satisfy these protocols without importing them.

Every method may raise :class:`CallerError`, which becomes the answer, and :class:`CapacityError`,
which becomes 503.
"""

# ruff: noqa: D102 -- names and types say what these methods are; the use cases document themselves

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol

from onrecord.calls.commands import (
    Answer,
    ApplicationFields,
    Bridge,
    ClientStateUpdate,
    CommandResult,
    Dial,
    Hangup,
    PlaybackStart,
    PlaybackStop,
    RecordPause,
    RecordResume,
    RecordStart,
    RecordStop,
    Reject,
    SendDtmf,
    Transfer,
)
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
    Application,
    FidelityReport,
    Leg,
    PhoneNumber,
    Recording,
    Transcription,
)
from onrecord.core.ids import ApplicationId, RecordingId


class Calls(Protocol):
    """Legs and the commands on them; a command returns once it is durable."""

    async def dial(self, command: Dial) -> Leg: ...
    def planned_recording(self, leg: Leg) -> RecordingId | None:
        """The recording that begins when the leg is answered, if it was dialled so."""
        ...

    async def status(self, call_control_id: str) -> Leg: ...
    async def answer(self, call_control_id: str, command: Answer) -> CommandResult: ...
    async def reject(self, call_control_id: str, command: Reject) -> CommandResult: ...
    async def hangup(self, call_control_id: str, command: Hangup) -> CommandResult: ...
    async def bridge(self, call_control_id: str, command: Bridge) -> CommandResult: ...
    async def transfer(self, call_control_id: str, command: Transfer) -> CommandResult: ...
    async def record_start(self, call_control_id: str, command: RecordStart) -> CommandResult: ...
    async def record_stop(self, call_control_id: str, command: RecordStop) -> CommandResult: ...
    async def record_pause(self, call_control_id: str, command: RecordPause) -> CommandResult: ...
    async def record_resume(self, call_control_id: str, command: RecordResume) -> CommandResult: ...
    async def playback_start(
        self, call_control_id: str, command: PlaybackStart
    ) -> CommandResult: ...
    async def playback_stop(self, call_control_id: str, command: PlaybackStop) -> CommandResult: ...
    async def send_dtmf(self, call_control_id: str, command: SendDtmf) -> CommandResult: ...
    async def client_state_update(
        self, call_control_id: str, command: ClientStateUpdate
    ) -> CommandResult: ...


class Applications(Protocol):
    """Call control applications."""

    async def create(self, fields: ApplicationFields) -> Application: ...
    async def get(self, application_id: str) -> Application: ...
    async def list(
        self, page: PageRequest, *, name_contains: str | None = None, sort: str = "created_at"
    ) -> Page[Application]: ...
    async def update(self, application_id: str, fields: ApplicationFields) -> Application: ...
    async def delete(self, application_id: str) -> Application: ...


class Recordings(Protocol):
    """Finished recordings."""

    async def get(self, recording_id: str) -> Recording: ...
    async def report(self, recording_id: str) -> tuple[Recording, FidelityReport]: ...
    async def pictured(
        self, recording_id: str, expires: str, signature: str
    ) -> tuple[Recording, FidelityReport]:
        """As ``report``, or a CallerError: 403 for a link that is wrong or over."""
        ...

    def picture_link(self, recording_id: RecordingId) -> str: ...
    async def list(self, wanted: RecordingFilter, page: PageRequest) -> Page[Recording]: ...
    async def delete(self, recording_id: str) -> Recording: ...
    async def delete_many(self, recording_ids: Sequence[RecordingId]) -> None: ...
    async def link(self, recording: Recording) -> str | None:
        """A URL of the file; None when there is no file."""
        ...


class Numbers(Protocol):
    """Which application the calls to a number go to."""

    async def route(self, address: str, application_id: ApplicationId) -> PhoneNumber: ...
    async def list(self, page: PageRequest) -> Page[PhoneNumber]: ...


class Keys(Protocol):
    """API keys."""

    async def check(self, presented: str) -> bool: ...


class Stored(Protocol):
    """Credentials as they were given."""

    @property
    def application_id(self) -> ApplicationId: ...
    @property
    def backend(self) -> str: ...
    @property
    def configuration(self) -> Mapping[str, str]: ...


class Destinations(Protocol):
    """Credentials for the buckets of applications."""

    async def put(
        self, application_id: str, backend: str, configuration: Mapping[str, str]
    ) -> Stored: ...
    async def get(self, application_id: str) -> Stored: ...
    async def delete(self, application_id: str) -> None: ...


class History(Protocol):
    """Calls that are up, what happened to calls, and how it was told."""

    async def active_calls(self, application_id: str, page: PageRequest) -> Page[Leg]: ...
    async def call_events(self, wanted: CallEventFilter, page: PageRequest) -> Page[CallEvent]: ...
    async def deliveries(self, wanted: DeliveryFilter, page: PageRequest) -> Page[Delivery]: ...
    async def delivery(self, event_id: str) -> Delivery: ...


class Transcriptions(Protocol):
    """Transcriptions of recordings."""

    async def get(self, transcription_id: str) -> Transcription: ...
    async def list(self, wanted: TranscriptionFilter, page: PageRequest) -> Page[Transcription]: ...
    async def delete(self, transcription_id: str) -> Transcription: ...


class Account(Protocol):
    """What receivers of webhooks verify with."""

    async def public_key(self) -> bytes:
        """Ed25519, 32 bytes."""
        ...


class Files(Protocol):
    """The files behind signed links."""

    async def path_for(self, key: str, expires: str, signature: str) -> Path:
        """The file, or a CallerError: 403 for a link that is wrong or over, 404 without a file."""
        ...


@dataclass(frozen=True, slots=True)
class Services:
    """The use cases, as the composition root wires them."""

    calls: Calls
    applications: Applications
    recordings: Recordings
    numbers: Numbers
    keys: Keys
    account: Account
    files: Files
    history: History
    destinations: Destinations
    transcriptions: Transcriptions
    renderers: Mapping[str, Callable[[Transcription], str]] = field(default_factory=dict)
    """A transcription as a text for people, by format: ``vtt``, ``txt``."""
