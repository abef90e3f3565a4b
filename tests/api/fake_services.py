"""Scripted use cases behind the real API: they remember what they were asked and answer from memory."""

from dataclasses import dataclass, field, replace
from pathlib import Path

from onrecord.api.services import Services
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
    Direction,
    FidelityReport,
    Leg,
    LegState,
    PhoneNumber,
    Recording,
    RecordingParams,
    RecordingState,
    Transcription,
)
from onrecord.core.ids import (
    ApplicationId,
    CallControlId,
    LegId,
    NodeId,
    RecordingId,
    SessionId,
    new_application_id,
    new_call_control_id,
    new_uuid,
)
from onrecord.service.destinations import Opened
from onrecord.storage import Links
from onrecord.wire import errors
from reported import gappy, kept

KEY = "KEY_test"
NOW_NS = 1_770_091_506_007_000_000
PUBLIC_KEY = bytes(range(32))


def make_leg(**changes: object) -> Leg:
    leg = Leg(
        id=LegId("4e9b7f3c-6f0e-4a52-9d6d-0a7b3c1f2e11"),
        session_id=SessionId("b3ad1d9e-7c36-4c0e-8f5e-2f3a9c7d6e22"),
        call_control_id=CallControlId("v3:MCG3gWxIBlKrZRR4S3Cy4RYnCnpkZmwnvLQhdaWF4wrGDEPDGXVJ0A"),
        application_id=ApplicationId("1293384261075731499"),
        node=NodeId("n1"),
        direction=Direction.INCOMING,
        state=LegState.RINGING,
        from_="+18005550101",
        to="+18005550100",
        from_sip_uri="sip:+18005550101@192.0.2.20",
        to_sip_uri="sip:+18005550100@192.0.2.10",
        caller_name="Ann",
        sip_call_id="a84b4c76e66710@192.0.2.20",
        first_of_session=True,
        created_ns=NOW_NS,
    )
    return replace(leg, **changes)


def make_recording(**changes: object) -> Recording:
    recording = Recording(
        id=RecordingId("6a09cdc3-8948-47f0-aa62-74ac943d6c58"),
        leg_id=LegId("4e9b7f3c-6f0e-4a52-9d6d-0a7b3c1f2e11"),
        session_id=SessionId("b3ad1d9e-7c36-4c0e-8f5e-2f3a9c7d6e22"),
        call_control_id=CallControlId("v3:MCG3gWxIBlKrZRR4S3Cy4RYnCnpkZmwnvLQhdaWF4wrGDEPDGXVJ0A"),
        application_id=ApplicationId("1293384261075731499"),
        node=NodeId("n1"),
        state=RecordingState.SAVED,
        params=RecordingParams(format="mp3", channels="dual"),
        initiated_by="StartCallRecordingAPI",
        from_="+18005550101",
        to="+18005550100",
        sip_call_id="a84b4c76e66710@192.0.2.20",
        started_ns=NOW_NS,
        created_ns=NOW_NS,
        updated_ns=NOW_NS + 61 * 10**9,
        ended_ns=NOW_NS + 60 * 10**9,
        duration_ms=60_000,
        file_key="2026-02-03/6a09cdc3/name-1770091506.mp3",
    )
    return replace(recording, **changes)


def page_of(items: list, page: PageRequest) -> Page:
    first = (page.number - 1) * page.size
    return Page(tuple(items[first : first + page.size]), page.number, page.size, len(items))


@dataclass
class FakeCalls:
    legs: dict[str, Leg] = field(default_factory=dict)
    asked: list[tuple[str | None, object]] = field(default_factory=list)
    fail: Exception | None = None
    planned: RecordingId | None = None
    any_leg: Leg | None = None
    """Stands for every token that is not known."""

    def add(self, leg: Leg) -> Leg:
        self.legs[leg.call_control_id] = leg
        return leg

    def _leg(self, token: str, command: object) -> Leg:
        self.asked.append((token, command))
        if self.fail is not None:
            raise self.fail
        leg = self.legs.get(token, self.any_leg)
        if leg is None:
            raise errors.invalid_call_control_id()
        if leg.state is LegState.ENDED:
            raise errors.call_ended()
        return leg

    def _replace(self, token: str, leg: Leg) -> None:
        if token in self.legs:
            self.legs[token] = leg

    async def dial(self, command: Dial) -> Leg:
        self.asked.append((None, command))
        if self.fail is not None:
            raise self.fail
        if command.application_id == "404":
            raise errors.unknown_connection()
        self.planned = RecordingId(new_uuid()) if command.record else None
        return self.add(
            make_leg(
                call_control_id=new_call_control_id(NodeId("n1")),
                direction=Direction.OUTGOING,
                from_=command.from_,
                to=command.to,
                client_state=command.client_state,
            )
        )

    def planned_recording(self, leg: Leg) -> RecordingId | None:
        return self.planned

    async def status(self, call_control_id: str) -> Leg:
        if self.fail is not None:
            raise self.fail
        leg = self.legs.get(call_control_id, self.any_leg)
        if leg is None:
            raise errors.invalid_call_control_id()
        return leg

    async def answer(self, call_control_id: str, command: Answer) -> CommandResult:
        leg = self._leg(call_control_id, command)
        self._replace(call_control_id, replace(leg, state=LegState.ANSWERED))
        return CommandResult(
            leg.call_control_id, RecordingId(new_uuid()) if command.record else None
        )

    async def reject(self, call_control_id: str, command: Reject) -> CommandResult:
        return CommandResult(self._leg(call_control_id, command).call_control_id)

    async def hangup(self, call_control_id: str, command: Hangup) -> CommandResult:
        leg = self._leg(call_control_id, command)
        ended = replace(leg, state=LegState.ENDED, ended_ns=NOW_NS + 5 * 10**9)
        self._replace(call_control_id, ended)
        return CommandResult(leg.call_control_id)

    async def bridge(self, call_control_id: str, command: Bridge) -> CommandResult:
        leg = self._leg(call_control_id, command)
        if command.other not in self.legs and self.any_leg is None:
            raise errors.invalid_call_control_id("/call_control_id")
        return CommandResult(leg.call_control_id)

    async def transfer(self, call_control_id: str, command: Transfer) -> CommandResult:
        return CommandResult(self._leg(call_control_id, command).call_control_id)

    async def record_start(self, call_control_id: str, command: RecordStart) -> CommandResult:
        leg = self._leg(call_control_id, command)
        if leg.state is LegState.RINGING:
            raise errors.call_not_answered()
        return CommandResult(leg.call_control_id, RecordingId(new_uuid()))

    async def record_pause(self, call_control_id: str, command: RecordPause) -> CommandResult:
        return CommandResult(self._leg(call_control_id, command).call_control_id)

    async def record_resume(self, call_control_id: str, command: RecordResume) -> CommandResult:
        return CommandResult(self._leg(call_control_id, command).call_control_id)

    async def playback_start(self, call_control_id: str, command: PlaybackStart) -> CommandResult:
        return CommandResult(self._leg(call_control_id, command).call_control_id)

    async def playback_stop(self, call_control_id: str, command: PlaybackStop) -> CommandResult:
        return CommandResult(self._leg(call_control_id, command).call_control_id)

    async def send_dtmf(self, call_control_id: str, command: SendDtmf) -> CommandResult:
        return CommandResult(self._leg(call_control_id, command).call_control_id)

    async def client_state_update(
        self, call_control_id: str, command: ClientStateUpdate
    ) -> CommandResult:
        return CommandResult(self._leg(call_control_id, command).call_control_id)

    async def record_stop(self, call_control_id: str, command: RecordStop) -> CommandResult:
        return CommandResult(self._leg(call_control_id, command).call_control_id)


@dataclass
class FakeApplications:
    rows: dict[str, Application] = field(default_factory=dict)

    async def create(self, fields: ApplicationFields) -> Application:
        return self._put(new_application_id(), fields)

    def _put(self, application_id: ApplicationId, fields: ApplicationFields) -> Application:
        row = Application(
            application_id,
            fields.name,
            fields.webhook_url,
            fields.webhook_failover_url,
            fields.webhook_timeout_ms,
            fields.active,
            fields.document,
            NOW_NS,
            NOW_NS,
        )
        self.rows[application_id] = row
        return row

    async def get(self, application_id: str) -> Application:
        if application_id not in self.rows:
            raise errors.not_found("application")
        return self.rows[application_id]

    async def list(
        self, page: PageRequest, *, name_contains: str | None = None, sort: str = "created_at"
    ) -> Page[Application]:
        wanted = (name_contains or "").lower()
        return page_of([row for row in self.rows.values() if wanted in row.name.lower()], page)

    async def update(self, application_id: str, fields: ApplicationFields) -> Application:
        return self._put((await self.get(application_id)).id, fields)

    async def delete(self, application_id: str) -> Application:
        await self.get(application_id)
        return self.rows.pop(application_id)


@dataclass
class FakeRecordings:
    rows: dict[str, Recording] = field(default_factory=dict)
    links: Links = field(default_factory=lambda: Links("http://127.0.0.1", b"s" * 32, 600))
    now_ns: int = NOW_NS
    wanted: RecordingFilter | None = None

    async def get(self, recording_id: str) -> Recording:
        if recording_id not in self.rows:
            raise errors.not_found("recording")
        return self.rows[recording_id]

    async def report(self, recording_id: str) -> tuple[Recording, FidelityReport]:
        recording, report = await self.get(recording_id), gappy()
        return replace(recording, fidelity=report.fidelity), kept(report, recording_id)

    async def pictured(
        self, recording_id: str, expires: str, signature: str
    ) -> tuple[Recording, FidelityReport]:
        path = f"pictures/{recording_id}.png"
        if not self.links.holds(path, expires, signature, self.now_ns):
            raise errors.link_refused()
        return await self.report(recording_id)

    def picture_link(self, recording_id: RecordingId) -> str:
        return self.links.link(f"pictures/{recording_id}.png", self.now_ns)

    async def list(self, wanted: RecordingFilter, page: PageRequest) -> Page[Recording]:
        self.wanted = wanted
        return page_of(list(self.rows.values()), page)

    async def delete(self, recording_id: str) -> Recording:
        await self.get(recording_id)
        return self.rows.pop(recording_id)

    async def delete_many(self, recording_ids: object) -> None:
        for recording_id in recording_ids:
            self.rows.pop(recording_id, None)

    async def link(self, recording: Recording) -> str | None:
        return f"http://127.0.0.1/files/{recording.file_key}?expires=1&signature=s"


@dataclass
class FakeNumbers:
    rows: dict[str, PhoneNumber] = field(default_factory=dict)

    async def route(self, address: str, application_id: ApplicationId) -> PhoneNumber:
        if application_id == "404":
            raise errors.unknown_connection()
        self.rows[address] = PhoneNumber(address, application_id, NOW_NS, NOW_NS)
        return self.rows[address]

    async def list(self, page: PageRequest) -> Page[PhoneNumber]:
        return page_of(list(self.rows.values()), page)


@dataclass
class FakeDestinations:
    rows: dict[str, Opened] = field(default_factory=dict)

    async def put(self, application_id: str, backend: str, configuration: object) -> Opened:
        if application_id == "404":
            raise errors.not_found("connection", "/connection_id")
        self.rows[application_id] = Opened(ApplicationId(application_id), backend, configuration)
        return self.rows[application_id]

    async def get(self, application_id: str) -> Opened:
        if application_id not in self.rows:
            raise errors.not_found("custom storage credentials", "/connection_id")
        return self.rows[application_id]

    async def delete(self, application_id: str) -> None:
        await self.get(application_id)
        del self.rows[application_id]


@dataclass
class FakeHistory:
    """A past of two legs, one command, one event."""

    asked: list[object] = field(default_factory=list)
    legs: list[Leg] = field(default_factory=list)
    events: list[CallEvent] = field(default_factory=list)
    sent: list[Delivery] = field(default_factory=list)

    async def active_calls(self, application_id: str, page: PageRequest) -> Page[Leg]:
        if application_id == "404":
            raise errors.not_found("connection", "/connection_id")
        return page_of(self.legs, page)

    async def call_events(self, wanted: CallEventFilter, page: PageRequest) -> Page[CallEvent]:
        self.asked.append(wanted)
        return page_of(self.events, page)

    async def deliveries(self, wanted: DeliveryFilter, page: PageRequest) -> Page[Delivery]:
        self.asked.append(wanted)
        return page_of(self.sent, page)

    async def delivery(self, event_id: str) -> Delivery:
        for delivery in self.sent:
            if delivery.event.id == event_id:
                return delivery
        raise errors.not_found("webhook delivery")


@dataclass
class FakeTranscriptions:
    rows: dict[str, Transcription] = field(default_factory=dict)
    wanted: TranscriptionFilter | None = None

    async def get(self, transcription_id: str) -> Transcription:
        if transcription_id not in self.rows:
            raise errors.not_found("recording transcription")
        return self.rows[transcription_id]

    async def list(self, wanted: TranscriptionFilter, page: PageRequest) -> Page[Transcription]:
        self.wanted = wanted
        return page_of(list(self.rows.values()), page)

    async def delete(self, transcription_id: str) -> Transcription:
        await self.get(transcription_id)
        return self.rows.pop(transcription_id)


class FakeKeys:
    async def check(self, presented: str) -> bool:
        return presented == KEY


class FakeAccount:
    async def public_key(self) -> bytes:
        return PUBLIC_KEY


@dataclass
class FakeFiles:
    folder: Path

    async def path_for(self, key: str, expires: str, signature: str) -> Path:
        if signature != "good":
            raise errors.link_refused()
        return self.folder / key


@dataclass
class Fakes:
    """All fakes of one server."""

    files: FakeFiles
    calls: FakeCalls = field(default_factory=FakeCalls)
    applications: FakeApplications = field(default_factory=FakeApplications)
    recordings: FakeRecordings = field(default_factory=FakeRecordings)
    numbers: FakeNumbers = field(default_factory=FakeNumbers)
    destinations: FakeDestinations = field(default_factory=FakeDestinations)
    history: FakeHistory = field(default_factory=FakeHistory)
    transcriptions: FakeTranscriptions = field(default_factory=FakeTranscriptions)

    def services(self) -> Services:
        return Services(
            self.calls,
            self.applications,
            self.recordings,
            self.numbers,
            FakeKeys(),
            FakeAccount(),
            self.files,
            self.history,
            self.destinations,
            self.transcriptions,
            {"vtt": lambda t: f"WEBVTT\n\n{t.text}", "txt": lambda t: t.text},
        )
