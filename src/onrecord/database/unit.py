"""One open transaction: the reads and writes that the use cases need, as ``service.ports.Unit``."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, Protocol, TypeVar

import sqlalchemy as sa

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
from onrecord.core.ids import (
    ApplicationId,
    EventId,
    LegId,
    NodeId,
    RecordingId,
    TranscriptionId,
)
from onrecord.database import lists, rows, statements
from onrecord.database.statements import Prepared, Selection

T = TypeVar("T")


class JobQueue(Protocol):
    """Where durable jobs are put, in the transaction of the connection that is given."""

    def enqueue_finish(
        self,
        connection: sa.Connection,
        node: NodeId,
        recording_id: RecordingId,
        delay_secs: float,
    ) -> None:
        """A job that finishes the recording on ``node``; a repeat changes nothing."""
        ...

    def enqueue_delivery(
        self, connection: sa.Connection, event_id: EventId, number: int, delay_secs: float
    ) -> None:
        """A job for attempt ``number`` of the event; a repeat changes nothing."""
        ...

    def enqueue_move(
        self,
        connection: sa.Connection,
        node: NodeId,
        recording_id: RecordingId,
        since_ns: int,
        delay_secs: float,
    ) -> None:
        """A job that moves the recording's file from ``node`` to its bucket; a repeat changes nothing."""
        ...

    def enqueue_transcription(
        self, connection: sa.Connection, node: NodeId, transcription_id: TranscriptionId
    ) -> None:
        """A job that makes the transcription on ``node``; a repeat changes nothing."""
        ...

    def waiting(self, connection: sa.Connection, node: NodeId, within_secs: float) -> bool:
        """Whether jobs of the node run, or are to begin within so many seconds."""
        ...


class SqlUnit:
    """Satisfies ``service.ports.Unit`` over one connection whose transaction somebody else ends.

    ``save_*`` raises LookupError when there is no such row; ``add_*`` raises the driver's
    IntegrityError when there is one already.
    """

    def __init__(self, connection: sa.Connection, jobs: JobQueue) -> None:
        self._connection = connection
        self._jobs = jobs

    def add_key(self, key: ApiKey) -> None:
        """Insert."""
        statements.add_key.run(self._connection, rows.key_row(key))

    def save_key(self, key: ApiKey) -> None:
        """Replace the whole row."""
        self._save(statements.save_key, rows.key_row(key))

    def key_by_digest(self, digest: bytes) -> ApiKey | None:
        """The key with this SHA-256, revoked or not."""
        return self._one(statements.key_by_digest, rows.key_record, digest=digest)

    def keys(self) -> Sequence[ApiKey]:
        """All keys, oldest first."""
        return self._all(statements.keys, rows.key_record)

    def add_application(self, application: Application) -> None:
        """Insert."""
        statements.add_application.run(self._connection, rows.application_row(application))

    def save_application(self, application: Application) -> None:
        """Replace the whole row."""
        self._save(statements.save_application, rows.application_row(application))

    def remove_application(self, application_id: ApplicationId) -> None:
        """Delete it and the routes of numbers to it; what is not there is deleted already."""
        statements.remove_application.run(self._connection, {"id": application_id})

    def application(self, application_id: str) -> Application | None:
        """The application of this id."""
        return self._one(statements.application, rows.application_record, id=application_id)

    def oldest_application(self) -> Application | None:
        """The active application that was made first."""
        return self._one(statements.oldest_application, rows.application_record)

    def applications(
        self, page: PageRequest, *, name_contains: str | None = None, sort: str = "created_at"
    ) -> Page[Application]:
        """One page; upper and lower case are the same to ``name_contains``.

        Raises:
            KeyError: ``sort`` is not ``created_at``, ``connection_name`` or ``active``, with or
                without ``-`` before it.
        """
        selection = statements.applications[sort, name_contains is not None]
        values = {"pattern": lists.pattern((name_contains or "").casefold())}
        return self._page(selection, rows.application_record, page, values)

    def put_number(self, number: PhoneNumber) -> None:
        """Insert or replace."""
        statements.put_number.run(self._connection, rows.number_row(number))

    def number(self, address: str) -> PhoneNumber | None:
        """The route of this number or SIP user."""
        return self._one(statements.number, rows.number_record, address=address)

    def numbers(self, page: PageRequest) -> Page[PhoneNumber]:
        """One page, by address."""
        return self._page(statements.numbers, rows.number_record, page, {})

    def add_leg(self, leg: Leg) -> None:
        """Insert."""
        statements.add_leg.run(self._connection, rows.leg_row(leg))

    def save_leg(self, leg: Leg) -> None:
        """Write all that may have changed of it (see ``tables.FIXED``)."""
        self._save(statements.save_leg, rows.leg_row(leg))

    def leg(self, call_control_id: str) -> Leg | None:
        """The leg that this token controls."""
        return self._one(statements.leg, rows.leg_record, call_control_id=call_control_id)

    def leg_by_id(self, leg_id: LegId) -> Leg | None:
        """The leg of this id."""
        return self._one(statements.leg_by_id, rows.leg_record, id=leg_id)

    def legs_unended(self, node: NodeId) -> Sequence[Leg]:
        """The node's legs that have not ended, oldest first."""
        return self._all(statements.legs_unended, rows.leg_record, node=node)

    def add_command(self, command: CommandRecord) -> bool:
        """Insert; False, and nothing happens, when its scope has its command_id already."""
        return statements.add_command.run(self._connection, rows.command_row(command)) == 1

    def has_command(self, scope: str, command_id: str) -> bool:
        """Whether ``command_id`` was seen in ``scope``."""
        values = {"scope": scope, "command_id": command_id}
        return statements.has_command.first(self._connection, values) is not None

    def active_legs(self, application_id: str, page: PageRequest) -> Page[Leg]:
        """One page of the application's legs that have not ended, oldest first."""
        values = {"application_id": application_id}
        return self._page(lists.active_legs, rows.leg_record, page, values)

    def call_events(self, wanted: CallEventFilter, page: PageRequest) -> Page[CallEvent]:
        """One page of the history, oldest first."""
        selection, values = lists.call_events(wanted)
        return self._page(selection, self._call_event, page, values)

    def _call_event(self, entry: Any) -> CallEvent:
        if entry.kind == lists.COMMAND:
            return CallEvent(self._one(statements.command, rows.command_record, id=entry.id))
        event = self._one(statements.event, rows.event_record, id=entry.id)
        newest = {"event_id": entry.id, "number": event.attempts if event else 0}
        last = self._one(statements.attempt, rows.attempt_record, **newest)
        return CallEvent(event=event, last=last)

    def deliveries(self, wanted: DeliveryFilter, page: PageRequest) -> Page[Delivery]:
        """One page of the events that were sent at least once, newest first."""
        selection, values = lists.deliveries(wanted)

        def record(row: Any) -> Delivery:
            event = rows.event_record(row)
            return Delivery(event, tuple(self.attempts(event.id)))

        return self._page(selection, record, page, values)

    def add_transcription(self, transcription: Transcription) -> None:
        """Insert."""
        statements.add_transcription.run(self._connection, rows.transcription_row(transcription))

    def save_transcription(self, transcription: Transcription) -> None:
        """Replace the whole row."""
        self._save(statements.save_transcription, rows.transcription_row(transcription))

    def remove_transcription(self, transcription_id: str) -> None:
        """Delete; what is not there is deleted already."""
        statements.remove_transcription.run(self._connection, {"id": transcription_id})

    def transcription(self, transcription_id: str) -> Transcription | None:
        """The transcription of this id."""
        return self._one(statements.transcription, rows.transcription_record, id=transcription_id)

    def transcriptions(self, wanted: TranscriptionFilter, page: PageRequest) -> Page[Transcription]:
        """One page, newest first."""
        selection, values = lists.transcriptions(wanted)
        return self._page(selection, rows.transcription_record, page, values)

    def put_storage(self, credentials: StorageCredentials) -> None:
        """Insert or replace."""
        statements.put_storage.run(self._connection, rows.storage_row(credentials))

    def storage(self, application_id: str) -> StorageCredentials | None:
        """Where the application's files go, if not to this server."""
        return self._one(statements.storage, rows.storage_record, application_id=application_id)

    def remove_storage(self, application_id: str) -> None:
        """Delete; what is not there is deleted already."""
        statements.remove_storage.run(self._connection, {"application_id": application_id})

    def add_recording(self, recording: Recording) -> None:
        """Insert."""
        statements.add_recording.run(self._connection, rows.recording_row(recording))

    def save_recording(self, recording: Recording) -> None:
        """Write all that may have changed of it (see ``tables.FIXED``)."""
        self._save(statements.save_recording, rows.recording_row(recording))

    def remove_recording(self, recording_id: RecordingId) -> None:
        """Delete; what is not there is deleted already."""
        statements.remove_recording.run(self._connection, {"id": recording_id})

    def add_report(self, report: FidelityReport) -> None:
        """Insert; it goes with its recording."""
        statements.add_report.run(self._connection, rows.report_row(report))

    def report(self, recording_id: str) -> FidelityReport | None:
        """The report on the recording of this id."""
        return self._one(statements.report, rows.report_record, recording_id=recording_id)

    def recording(self, recording_id: str) -> Recording | None:
        """The recording of this id, whatever its state."""
        return self._one(statements.recording, rows.recording_record, id=recording_id)

    def recordings(self, wanted: RecordingFilter, page: PageRequest) -> Page[Recording]:
        """One page of the saved recordings, newest first."""
        selection, values = statements.recordings(wanted)
        return self._page(selection, rows.recording_record, page, values)

    def recordings_unfinished(self, node: NodeId) -> Sequence[Recording]:
        """Those of the node that are recording, paused or stopped, oldest first."""
        return self._all(statements.recordings_unfinished, rows.recording_record, node=node)

    def add_event(self, event: Event) -> None:
        """Insert."""
        statements.add_event.run(self._connection, rows.event_row(event))

    def save_event(self, event: Event) -> None:
        """Write all that may have changed of it (see ``tables.FIXED``)."""
        self._save(statements.save_event, rows.event_row(event))

    def event(self, event_id: EventId) -> Event | None:
        """The event of this id."""
        return self._one(statements.event, rows.event_record, id=event_id)

    def events_due(self, now_ns: int, limit: int) -> Sequence[Event]:
        """Pending events whose ``due_ns`` has come, oldest first."""
        return self._all(statements.events_due, rows.event_record, now_ns=now_ns, at_most=limit)

    def add_attempt(self, attempt: Attempt) -> None:
        """Insert; an attempt that a crash made happen twice replaces its first row."""
        statements.put_attempt.run(self._connection, rows.attempt_row(attempt))

    def attempts(self, event_id: EventId) -> Sequence[Attempt]:
        """The event's attempts, first one first."""
        return self._all(statements.attempts, rows.attempt_record, event_id=event_id)

    def prune(self, before_ns: int, limit: int) -> int:
        """Delete at most ``limit`` of each: legs that ended before, commands and events of before.

        Legs with an unfinished recording and events that are still to be delivered stay; attempts go
        with their events. Returns how many there were.
        """
        values = {"before_ns": before_ns, "at_most": limit}
        return sum(statement.run(self._connection, values) for statement in statements.prune)

    def secret(self, name: str) -> bytes | None:
        """The secret of this name."""
        row = statements.secret.first(self._connection, {"name": name})
        return bytes(row.value) if row else None

    def put_secret(self, name: str, value: bytes) -> None:
        """Insert or replace."""
        statements.put_secret.run(self._connection, {"name": name, "value": value})

    def enqueue_finish(self, recording_id: RecordingId, delay_secs: float = 0.0) -> None:
        """Queue the finishing of a recording on its own node.

        Raises:
            LookupError: there is no such recording.
        """
        row = statements.recording_node.first(self._connection, {"id": recording_id})
        if row is None:
            raise LookupError(f"no recording {recording_id}")
        self._jobs.enqueue_finish(self._connection, row.node, recording_id, delay_secs)

    def recordings_misplaced(self, application_id: str, limit: int) -> Sequence[Recording]:
        """Those of an application whose files belong in a bucket and are here, oldest first."""
        return self._all(
            statements.recordings_misplaced,
            rows.recording_record,
            application_id=application_id,
            limit=limit,
        )

    def enqueue_move(self, recording: Recording, since_ns: int, delay_secs: float) -> None:
        """Queue the moving of a recording's file on the recording's own node."""
        self._jobs.enqueue_move(
            self._connection, recording.node, recording.id, since_ns, delay_secs
        )

    def enqueue_delivery(self, event_id: EventId, number: int, delay_secs: float) -> None:
        """Queue attempt ``number`` of an event."""
        self._jobs.enqueue_delivery(self._connection, event_id, number, delay_secs)

    def enqueue_transcription(self, node: NodeId, transcription_id: TranscriptionId) -> None:
        """Queue the making of a transcription on a node."""
        self._jobs.enqueue_transcription(self._connection, node, transcription_id)

    def jobs_waiting(self, node: NodeId, within_secs: float) -> bool:
        """Whether jobs of the node run, or are to begin within so many seconds."""
        return self._jobs.waiting(self._connection, node, within_secs)

    def _save(self, statement: Prepared, row: dict[str, Any]) -> None:
        row["id_"] = row["id"]
        if statement.run(self._connection, row) != 1:
            raise LookupError(f"no row {row['id']} to save")

    def _one(self, statement: Prepared, record: Callable[[Any], T], **values: object) -> T | None:
        row = statement.first(self._connection, values)
        return None if row is None else record(row)

    def _all(
        self, statement: Prepared, record: Callable[[Any], T], **values: object
    ) -> Sequence[T]:
        return [record(row) for row in statement.all(self._connection, values)]

    def _page(
        self,
        selection: Selection[Any],
        record: Callable[[Any], T],
        page: PageRequest,
        values: Mapping[str, object],
    ) -> Page[T]:
        (total,) = selection.count.first(self._connection, values)
        window = {"page_size": page.size, "page_skip": (page.number - 1) * page.size}
        found = selection.rows.all(self._connection, {**values, **window})
        items = tuple(record(row) for row in found)
        return Page(items=items, number=page.number, size=page.size, total=total)
