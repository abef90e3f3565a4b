"""Between the records of ``calls.records`` and the columns of ``tables``: the only place that knows both.

``*_row`` gives the columns by name; ``*_record`` takes a row whose attributes are the columns.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, replace
from typing import Any

from onrecord.calls.records import (
    ApiKey,
    Application,
    Attempt,
    CommandRecord,
    Direction,
    Event,
    EventState,
    Fidelity,
    FidelityReport,
    HangupCause,
    HangupSource,
    Header,
    Leg,
    LegState,
    PhoneNumber,
    Recording,
    RecordingParams,
    RecordingState,
    StopReason,
    StorageCredentials,
    Transcription,
    TranscriptionState,
    Trimmed,
    WebhookTarget,
)

Columns = dict[str, Any]

_encode = json.JSONEncoder(separators=(",", ":")).encode


def _headers_text(headers: Sequence[Header]) -> str:
    return _encode([[h.name, h.value] for h in headers]) if headers else "[]"


def _headers(text: str) -> tuple[Header, ...]:
    return () if text == "[]" else tuple(Header(name, value) for name, value in json.loads(text))


def _texts(text: str) -> tuple[str, ...]:
    return () if text == "[]" else tuple(json.loads(text))


def _mapping(text: str) -> Mapping[str, Any]:
    value: dict[str, Any] = json.loads(text)
    return value


def key_row(key: ApiKey) -> Columns:
    """The columns of ``api_key``."""
    return asdict(key)


def key_record(row: Any) -> ApiKey:
    """The record of an ``api_key`` row."""
    return ApiKey(
        id=row.id,
        digest=bytes(row.digest),
        hint=row.hint,
        name=row.name,
        created_ns=row.created_ns,
        revoked_ns=row.revoked_ns,
    )


def application_row(application: Application) -> Columns:
    """The columns of ``application``; the folded name is what lists search and sort by."""
    return {
        "id": application.id,
        "name": application.name,
        "name_folded": application.name.casefold(),
        "webhook_url": application.webhook_url,
        "webhook_failover_url": application.webhook_failover_url,
        "webhook_timeout_ms": application.webhook_timeout_ms,
        "active": application.active,
        "document": _encode(dict(application.document)),
        "created_ns": application.created_ns,
        "updated_ns": application.updated_ns,
    }


def application_record(row: Any) -> Application:
    """The record of an ``application`` row."""
    return Application(
        id=row.id,
        name=row.name,
        webhook_url=row.webhook_url,
        webhook_failover_url=row.webhook_failover_url,
        webhook_timeout_ms=row.webhook_timeout_ms,
        active=bool(row.active),
        document=_mapping(row.document),
        created_ns=row.created_ns,
        updated_ns=row.updated_ns,
    )


def number_row(number: PhoneNumber) -> Columns:
    """The columns of ``phone_number``."""
    return asdict(number)


def number_record(row: Any) -> PhoneNumber:
    """The record of a ``phone_number`` row."""
    return PhoneNumber(
        address=row.address,
        application_id=row.application_id,
        created_ns=row.created_ns,
        updated_ns=row.updated_ns,
    )


def leg_row(leg: Leg) -> Columns:
    """The columns of ``leg``."""
    return {
        "id": leg.id,
        "session_id": leg.session_id,
        "call_control_id": leg.call_control_id,
        "application_id": leg.application_id,
        "node": leg.node,
        "direction": leg.direction.value,
        "state": leg.state.value,
        "from_": leg.from_,
        "to": leg.to,
        "from_sip_uri": leg.from_sip_uri,
        "to_sip_uri": leg.to_sip_uri,
        "caller_name": leg.caller_name,
        "sip_call_id": leg.sip_call_id,
        "first_of_session": leg.first_of_session,
        "created_ns": leg.created_ns,
        "client_state": leg.client_state,
        "custom_headers": _headers_text(leg.custom_headers),
        "sip_headers": _headers_text(leg.sip_headers),
        "offered_codecs": _encode(leg.offered_codecs),
        "codec": leg.codec,
        "webhook_url": leg.webhook.url,
        "webhook_failover_url": leg.webhook.failover_url,
        "webhook_method": leg.webhook.method,
        "webhook_rules": _webhook_rules(leg.webhook),
        "bridged_to": leg.bridged_to,
        "answered_ns": leg.answered_ns,
        "ended_ns": leg.ended_ns,
        "hangup_cause": leg.hangup_cause.value if leg.hangup_cause else None,
        "hangup_source": leg.hangup_source.value if leg.hangup_source else None,
        "sip_hangup_cause": leg.sip_hangup_cause,
    }


def _webhook_rules(webhook: WebhookTarget) -> str | None:
    """The rarely used part of a target as JSON; None where there is none of it."""
    if not webhook.urls and not webhook.retry_ms:
        return None
    return _encode([dict(webhook.urls), webhook.urls_method, dict(webhook.retry_ms)])


def _webhook(row: Any) -> WebhookTarget:
    plain = WebhookTarget(row.webhook_url, row.webhook_failover_url, row.webhook_method)
    if row.webhook_rules is None:
        return plain
    urls, method, retry_ms = json.loads(row.webhook_rules)
    return replace(
        plain,
        urls={kind: tuple(its) for kind, its in urls.items()},
        urls_method=method,
        retry_ms={kind: tuple(its) for kind, its in retry_ms.items()},
    )


def leg_record(row: Any) -> Leg:
    """The record of a ``leg`` row."""
    return Leg(
        id=row.id,
        session_id=row.session_id,
        call_control_id=row.call_control_id,
        application_id=row.application_id,
        node=row.node,
        direction=Direction(row.direction),
        state=LegState(row.state),
        from_=row.from_,
        to=row.to,
        from_sip_uri=row.from_sip_uri,
        to_sip_uri=row.to_sip_uri,
        caller_name=row.caller_name,
        sip_call_id=row.sip_call_id,
        first_of_session=bool(row.first_of_session),
        created_ns=row.created_ns,
        client_state=row.client_state,
        custom_headers=_headers(row.custom_headers),
        sip_headers=_headers(row.sip_headers),
        offered_codecs=_texts(row.offered_codecs),
        codec=row.codec,
        webhook=_webhook(row),
        bridged_to=row.bridged_to,
        answered_ns=row.answered_ns,
        ended_ns=row.ended_ns,
        hangup_cause=HangupCause(row.hangup_cause) if row.hangup_cause else None,
        hangup_source=HangupSource(row.hangup_source) if row.hangup_source else None,
        sip_hangup_cause=row.sip_hangup_cause,
    )


def recording_row(recording: Recording) -> Columns:
    """The columns of ``recording``."""
    return {
        "id": recording.id,
        "leg_id": recording.leg_id,
        "session_id": recording.session_id,
        "call_control_id": recording.call_control_id,
        "application_id": recording.application_id,
        "node": recording.node,
        "state": recording.state.value,
        "params": _encode(asdict(recording.params)),
        "initiated_by": recording.initiated_by,
        "from_": recording.from_,
        "to": recording.to,
        "sip_call_id": recording.sip_call_id,
        "started_ns": recording.started_ns,
        "created_ns": recording.created_ns,
        "updated_ns": recording.updated_ns,
        "client_state": recording.client_state,
        "ended_ns": recording.ended_ns,
        "stop_reason": recording.stop_reason.value if recording.stop_reason else None,
        "duration_ms": recording.duration_ms,
        "size_bytes": recording.size_bytes,
        "file_key": recording.file_key,
        "location": recording.location,
        "trimmed": _encode(asdict(recording.trimmed)) if recording.trimmed else None,
        "fidelity": _encode(asdict(recording.fidelity)) if recording.fidelity else None,
        "failure": recording.failure,
    }


def recording_record(row: Any) -> Recording:
    """The record of a ``recording`` row."""
    return Recording(
        id=row.id,
        leg_id=row.leg_id,
        session_id=row.session_id,
        call_control_id=row.call_control_id,
        application_id=row.application_id,
        node=row.node,
        state=RecordingState(row.state),
        params=RecordingParams(**json.loads(row.params)),
        initiated_by=row.initiated_by,
        from_=row.from_,
        to=row.to,
        sip_call_id=row.sip_call_id,
        started_ns=row.started_ns,
        created_ns=row.created_ns,
        updated_ns=row.updated_ns,
        client_state=row.client_state,
        ended_ns=row.ended_ns,
        stop_reason=StopReason(row.stop_reason) if row.stop_reason else None,
        duration_ms=row.duration_ms,
        size_bytes=row.size_bytes,
        file_key=row.file_key,
        location=row.location,
        trimmed=Trimmed(**json.loads(row.trimmed)) if row.trimmed else None,
        fidelity=_fidelity(row.fidelity),
        failure=row.failure,
    )


def _fidelity(text: str | None) -> Fidelity | None:
    if text is None:
        return None
    told = json.loads(text)
    return Fidelity(**told | {"without_audio": tuple(told["without_audio"])})


def report_row(report: FidelityReport) -> Columns:
    """The columns of ``fidelity_report``."""
    return asdict(report)


def report_record(row: Any) -> FidelityReport:
    """The record of a ``fidelity_report`` row."""
    return FidelityReport(row.recording_id, row.document, bytes(row.outline))


def command_row(command: CommandRecord) -> Columns:
    """The columns of ``command``."""
    return asdict(command)


def command_record(row: Any) -> CommandRecord:
    """The record of a ``command`` row."""
    return CommandRecord(**row._asdict())


def transcription_row(transcription: Transcription) -> Columns:
    """The columns of ``transcription``."""
    return {
        "id": transcription.id,
        "recording_id": transcription.recording_id,
        "state": transcription.state.value,
        "engine": transcription.engine,
        "language": transcription.language,
        "text": transcription.text,
        "segments": _encode([dict(segment) for segment in transcription.segments]),
        "duration_ms": transcription.duration_ms,
        "failure": transcription.failure,
        "created_ns": transcription.created_ns,
        "updated_ns": transcription.updated_ns,
    }


def transcription_record(row: Any) -> Transcription:
    """The record of a ``transcription`` row."""
    return Transcription(
        id=row.id,
        recording_id=row.recording_id,
        state=TranscriptionState(row.state),
        engine=row.engine,
        language=row.language,
        text=row.text,
        segments=tuple(json.loads(row.segments)),
        duration_ms=row.duration_ms,
        failure=row.failure,
        created_ns=row.created_ns,
        updated_ns=row.updated_ns,
    )


def storage_row(credentials: StorageCredentials) -> Columns:
    """The columns of ``storage_credentials``."""
    return asdict(credentials)


def storage_record(row: Any) -> StorageCredentials:
    """The record of a ``storage_credentials`` row."""
    return StorageCredentials(
        application_id=row.application_id,
        backend=row.backend,
        sealed=bytes(row.sealed),
        created_ns=row.created_ns,
        updated_ns=row.updated_ns,
    )


def event_row(event: Event) -> Columns:
    """The columns of ``event``."""
    return {
        "id": event.id,
        "type": event.type,
        "body": event.body,
        "occurred_ns": event.occurred_ns,
        "application_id": event.application_id,
        "leg_id": event.leg_id,
        "session_id": event.session_id,
        "recording_id": event.recording_id,
        "url": event.url,
        "failover_url": event.failover_url,
        "method": event.method,
        "timeout_ms": event.timeout_ms,
        "state": event.state.value,
        "attempts": event.attempts,
        "retry_ms": None if event.retry_ms is None else _encode(event.retry_ms),
        "due_ns": event.due_ns,
    }


def event_record(row: Any) -> Event:
    """The record of an ``event`` row."""
    return Event(
        id=row.id,
        type=row.type,
        body=row.body,
        occurred_ns=row.occurred_ns,
        application_id=row.application_id,
        leg_id=row.leg_id,
        session_id=row.session_id,
        recording_id=row.recording_id,
        url=row.url,
        failover_url=row.failover_url,
        method=row.method,
        timeout_ms=row.timeout_ms,
        state=EventState(row.state),
        attempts=row.attempts,
        retry_ms=None if row.retry_ms is None else tuple(json.loads(row.retry_ms)),
        due_ns=row.due_ns,
    )


def attempt_row(attempt: Attempt) -> Columns:
    """The columns of ``attempt``."""
    return {
        "event_id": attempt.event_id,
        "number": attempt.number,
        "url": attempt.url,
        "started_ns": attempt.started_ns,
        "finished_ns": attempt.finished_ns,
        "status": attempt.status,
        "error": attempt.error,
        "request_headers": _encode(dict(attempt.request_headers)),
        "response_headers": _encode(attempt.response_headers),
        "response_body": attempt.response_body,
    }


def attempt_record(row: Any) -> Attempt:
    """The record of an ``attempt`` row."""
    return Attempt(
        event_id=row.event_id,
        number=row.number,
        url=row.url,
        started_ns=row.started_ns,
        finished_ns=row.finished_ns,
        status=row.status,
        error=row.error,
        request_headers=_mapping(row.request_headers),
        response_headers=tuple((name, value) for name, value in json.loads(row.response_headers)),
        response_body=row.response_body,
    )
