"""The resources that answers show (contract sections 3, 7.1, 8.1 and 8.5) as JSON objects."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import TypeVar

from onrecord.calls.lists import Page
from onrecord.calls.records import Application, Leg, LegState, PhoneNumber, Recording
from onrecord.core.ids import RecordingId
from onrecord.core.units import NS_PER_S, iso_millis
from onrecord.wire.events import shown_channels, trimmed_member
from onrecord.wire.fidelity import fidelity_member

T = TypeVar("T")

_MS_PER_S = 1000

APPLICATION_DEFAULTS: Mapping[str, object] = MappingProxyType(
    {
        "anchorsite_override": "Latency",
        "call_cost_in_webhooks": False,
        "dtmf_type": "RFC 2833",
        "first_command_timeout": False,
        "first_command_timeout_secs": 30,
        "redact_dtmf_debug_logging": False,
        "tags": [],
        "webhook_api_version": "2",
    }
)
INBOUND_DEFAULTS: Mapping[str, object] = MappingProxyType(
    {
        "channel_limit": None,
        "shaken_stir_enabled": False,
        "sip_subdomain": None,
        "sip_subdomain_receive_settings": "from_anyone",
    }
)
OUTBOUND_DEFAULTS: Mapping[str, object] = MappingProxyType(
    {"channel_limit": None, "outbound_voice_profile_id": None}
)


def leg_resource(
    leg: Leg, now_ns: int, *, recording_id: RecordingId | None = None
) -> dict[str, object]:
    """A call as GET /v2/calls/{id} shows it; the duration counts from ``start_time``."""
    ended = leg.state is LegState.ENDED
    end_ns = leg.ended_ns if leg.ended_ns is not None else now_ns
    resource: dict[str, object] = {
        "record_type": "call",
        "call_control_id": leg.call_control_id,
        "call_leg_id": leg.id,
        "call_session_id": leg.session_id,
        "client_state": leg.client_state,
        "is_alive": not ended,
        "call_duration": max(end_ns - leg.created_ns, 0) // NS_PER_S,
        "start_time": iso_millis(leg.created_ns),
    }
    if ended:
        resource["end_time"] = iso_millis(end_ns)
    if recording_id is not None:
        resource["recording_id"] = recording_id
    return resource


def dialled_resource(
    leg: Leg, now_ns: int, *, recording_id: RecordingId | None = None
) -> dict[str, object]:
    """A call as POST /v2/calls answers it: never alive, since dialling goes on after the answer."""
    return leg_resource(leg, now_ns, recording_id=recording_id) | {"is_alive": False}


def recording_resource(
    recording: Recording, link: str | None, picture: str | None = None
) -> dict[str, object]:
    """A finished recording; ``link`` and ``picture`` are URLs of its file and of its report's picture."""
    return {
        "record_type": "recording",
        "id": recording.id,
        "call_control_id": recording.call_control_id,
        "call_leg_id": recording.leg_id,
        "call_session_id": recording.session_id,
        "conference_id": None,
        "connection_id": recording.application_id,
        "channels": shown_channels(recording),
        "source": "call",
        "initiated_by": recording.initiated_by,
        "status": "completed",
        "from": recording.from_,
        "to": recording.to,
        "duration_millis": recording.duration_ms,
        "recording_started_at": iso_millis(recording.started_ns),
        "recording_ended_at": None
        if recording.ended_ns is None
        else iso_millis(recording.ended_ns),
        "created_at": iso_millis(recording.created_ns),
        "updated_at": iso_millis(recording.updated_ns),
        "download_urls": {} if link is None else {recording.params.format: link},
        **trimmed_member(recording),
        **fidelity_member(recording),
        **({} if picture is None or recording.fidelity is None else {"picture_url": picture}),
    }


def application_resource(application: Application) -> dict[str, object]:
    """A call control application, with the defaults of all that was never set."""
    document = application.document
    timeout_ms = application.webhook_timeout_ms
    return {
        "record_type": "call_control_application",
        "id": application.id,
        "application_name": application.name,
        "active": application.active,
        "webhook_event_url": application.webhook_url,
        "webhook_event_failover_url": application.webhook_failover_url,
        "webhook_timeout_secs": None if timeout_ms is None else timeout_ms // _MS_PER_S,
        **APPLICATION_DEFAULTS,
        **document,
        "inbound": _filled(INBOUND_DEFAULTS, document.get("inbound")),
        "outbound": _filled(OUTBOUND_DEFAULTS, document.get("outbound")),
        "created_at": iso_millis(application.created_ns),
        "updated_at": iso_millis(application.updated_ns),
    }


def number_resource(number: PhoneNumber) -> dict[str, object]:
    """A number and the application that its calls go to."""
    return {
        "record_type": "phone_number",
        "id": number.address,
        "phone_number": number.address,
        "status": "active",
        "connection_id": number.application_id,
        "tags": [],
        "created_at": iso_millis(number.created_ns),
        "updated_at": iso_millis(number.updated_ns),
    }


def page_body(page: Page[T], items: Sequence[Mapping[str, object]]) -> dict[str, object]:
    """A list answer: ``items`` are the resources of ``page``."""
    meta = {
        "page_number": page.number,
        "page_size": page.size,
        "total_pages": -(-page.total // page.size),
        "total_results": page.total,
    }
    return {"data": list(items), "meta": meta}


def _filled(defaults: Mapping[str, object], given: object) -> dict[str, object]:
    return {**defaults, **(given if isinstance(given, Mapping) else {})}
