"""The webhook events: each function gives the JSON text of the body's ``data`` (contract section 9).

Official SDKs choose the class of an event by validating its typed fields, so every value here stays
inside its documented enum and type; figures in ``call_quality_stats`` and ``sip_hangup_cause`` are
texts. ``meta`` is added by the sender at each attempt.
"""

import json
from collections.abc import Mapping, Sequence

from onrecord.calls.records import Direction, Header, Leg, Recording, Transcription
from onrecord.core.ids import EventId
from onrecord.core.units import iso_micros
from onrecord.rtp.opinion import opinion_of_leg
from onrecord.rtp.stats import LegStats
from onrecord.wire.fidelity import fidelity_member

SIP_HEADER_NAMES = ("User-to-User", "Diversion")
"""The only names that ``sip_headers`` may hold."""

REASON_UNAUTHORIZED = "Failed to authorize with storage using custom credentials"
REASON_CREDENTIALS = "Invalid credentials json"
REASON_BACKEND = "Unsupported backend"
REASON_INTERNAL = "Internal server error"
RECORDING_ERROR_REASONS = (
    REASON_UNAUTHORIZED,
    REASON_CREDENTIALS,
    REASON_BACKEND,
    REASON_INTERNAL,
)

_CLOCK_RATES = {"G722": 16000, "OPUS": 48000}
_INITIAL_STATE = {Direction.INCOMING: "parked", Direction.OUTGOING: "bridging"}


def call_initiated(leg: Leg, event_id: EventId, occurred_ns: int) -> str:
    """``call.initiated``: a leg began to ring (incoming) or was dialled (outgoing)."""
    payload = {
        **_leg_payload(leg),
        "direction": leg.direction.value,
        "state": _INITIAL_STATE[leg.direction],
        "caller_id_name": leg.caller_name,
        "offered_codecs": ",".join(leg.offered_codecs) or None,
    }
    return event_data("call.initiated", event_id, occurred_ns, payload)


def call_answered(leg: Leg, event_id: EventId, occurred_ns: int) -> str:
    """``call.answered``: audio can flow."""
    payload: dict[str, object] = {**_leg_payload(leg), "state": "answered"}
    if leg.codec is not None:
        payload |= {"codec": leg.codec, "sampling_rate": _CLOCK_RATES.get(leg.codec.upper(), 8000)}
    return event_data("call.answered", event_id, occurred_ns, payload)


def call_bridged(leg: Leg, event_id: EventId, occurred_ns: int) -> str:
    """``call.bridged``: one for each of the two legs."""
    payload = {**leg_ids(leg), "from": leg.from_, "to": leg.to}
    return event_data("call.bridged", event_id, occurred_ns, payload)


def call_hangup(leg: Leg, stats: LegStats | None, event_id: EventId, occurred_ns: int) -> str:
    """``call.hangup``: the leg is over; without ``stats`` the quality is null."""
    payload = {
        **_leg_payload(leg),
        "state": "hangup",
        "hangup_cause": (leg.hangup_cause or "unspecified"),
        "hangup_source": (leg.hangup_source or "unknown"),
        "sip_hangup_cause": leg.sip_hangup_cause or "unspecified",
        "call_quality_stats": None if stats is None else quality(stats, leg.codec),
        "end_time": _time(leg.ended_ns if leg.ended_ns is not None else occurred_ns),
    }
    return event_data("call.hangup", event_id, occurred_ns, payload)


def recording_saved(
    recording: Recording, leg: Leg | None, url: str, event_id: EventId, occurred_ns: int
) -> str:
    """``call.recording.saved``: the file can be fetched at ``url`` for as long as the link is valid."""
    params = recording.params
    started, ended = _time(recording.started_ns), _time(recording.ended_ns)
    payload = {
        **_recording_ids(recording, leg),
        "recording_id": recording.id,
        "format": params.format,
        "channels": shown_channels(recording),
        "recording_started_at": started,
        "recording_ended_at": ended,
        "start_time": started,
        "end_time": ended,
        "duration_millis": recording.duration_ms,
        "recording_urls": {params.format: url},
        "public_recording_urls": {},
        **trimmed_member(recording),
        **fidelity_member(recording),
        "from": recording.from_,
        "to": recording.to,
    }
    return event_data("call.recording.saved", event_id, occurred_ns, payload)


def recording_error(
    recording: Recording,
    reason: str,
    event_id: EventId,
    occurred_ns: int,
    leg: Leg | None = None,
) -> str:
    """``call.recording.error``: the recording could not be finished or stored.

    Raises:
        ValueError: ``reason`` is none of ``RECORDING_ERROR_REASONS``.
    """
    if reason not in RECORDING_ERROR_REASONS:
        raise ValueError(f"not a documented reason: {reason}")
    payload = {
        **_recording_ids(recording, leg),
        "recording_id": recording.id,
        "reason": reason,
        "from": recording.from_,
        "to": recording.to,
    }
    return event_data("call.recording.error", event_id, occurred_ns, payload)


def transcription_saved(
    transcription: Transcription,
    recording: Recording,
    leg: Leg | None,
    event_id: EventId,
    occurred_ns: int,
) -> str:
    """``call.recording.transcription.saved``: what is said in a recording."""
    payload = {
        **_recording_ids(recording, leg),
        "recording_id": recording.id,
        "recording_transcription_id": transcription.id,
        "status": "completed",
        "transcription_text": transcription.text,
        "calling_party_type": "sip",
    }
    return event_data("call.recording.transcription.saved", event_id, occurred_ns, payload)


def shown_channels(recording: Recording) -> str:
    """``single`` or ``dual``: what the file has; a recording of one track is mono whatever was asked."""
    return recording.params.channels if recording.params.track == "both" else "single"


def trimmed_member(recording: Recording) -> dict[str, object]:
    """``trimmed``, of a recording that was trimmed; only this server has it."""
    cut = recording.trimmed
    if cut is None:
        return {}
    return {
        "trimmed": {"start_millis": cut.start_ms, "end_millis": cut.end_ms, "speech": cut.speech}
    }


def quality(stats: LegStats, codec: str | None) -> dict[str, dict[str, str]]:
    """``call_quality_stats``, all of it texts; jitter is measured over every packet received."""
    return {
        "inbound": {
            "jitter_max_variance": f"{stats.jitter_max_ms:.2f}",
            "jitter_packet_count": str(stats.packets_received),
            "mos": f"{opinion_of_leg(stats, codec):.2f}",
            "packet_count": str(stats.packets_received),
            "skip_packet_count": str(stats.packets_lost),
        },
        "outbound": {
            "packet_count": str(stats.packets_sent),
            "skip_packet_count": str(stats.packets_sent_lost),
        },
    }


def leg_ids(leg: Leg) -> dict[str, object]:
    """What the payload of every event of a leg begins with."""
    return {
        "call_control_id": leg.call_control_id,
        "call_leg_id": leg.id,
        "call_session_id": leg.session_id,
        "connection_id": leg.application_id,
        "client_state": leg.client_state,
    }


def _leg_payload(leg: Leg) -> dict[str, object]:
    return {
        **leg_ids(leg),
        "from": leg.from_,
        "to": leg.to,
        "from_sip_uri": leg.from_sip_uri,
        "to_sip_uri": leg.to_sip_uri,
        "calling_party_type": "sip",
        "start_time": _time(leg.created_ns),
        "custom_headers": _headers(leg.custom_headers),
        "sip_headers": _sip_headers(leg.sip_headers),
        "tags": [],
    }


def _recording_ids(recording: Recording, leg: Leg | None) -> dict[str, object]:
    client_state = recording.client_state
    if client_state is None and leg is not None:
        client_state = leg.client_state
    return {
        "call_control_id": recording.call_control_id,
        "call_leg_id": recording.leg_id,
        "call_session_id": recording.session_id,
        "connection_id": recording.application_id,
        "client_state": client_state,
    }


def _headers(headers: Sequence[Header]) -> list[dict[str, str]]:
    return [{"name": header.name, "value": header.value} for header in headers]


def _sip_headers(headers: Sequence[Header]) -> list[dict[str, str]]:
    known = {name.lower(): name for name in SIP_HEADER_NAMES}
    return [
        {"name": known[header.name.lower()], "value": header.value}
        for header in headers
        if header.name.lower() in known
    ]


def _time(utc_ns: int | None) -> str | None:
    return None if utc_ns is None else iso_micros(utc_ns)


def event_data(
    kind: str, event_id: EventId, occurred_ns: int, payload: Mapping[str, object]
) -> str:
    """The JSON text of ``data``."""
    data = {
        "record_type": "event",
        "event_type": kind,
        "id": event_id,
        "occurred_at": iso_micros(occurred_ns),
        "payload": payload,
    }
    return json.dumps(data, separators=(",", ":"))
