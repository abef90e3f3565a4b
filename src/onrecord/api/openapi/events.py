"""JSON Schemas of the webhooks, and how the document shows them."""

from onrecord.api.openapi import operations as ops
from onrecord.api.openapi.reports import FIDELITY
from onrecord.api.openapi.schemas import CLIENT_STATE, CONNECTION, IDS, PARTIES, TRIMMED, URLS
from onrecord.api.openapi.shapes import (
    EVENT_ID,
    RECORDING_ID,
    Schema,
    array,
    choice,
    moment,
    nullable,
    number,
    obj,
    ref,
    text,
)
from onrecord.calls.records import HangupCause, HangupSource
from onrecord.wire.bodies.recordings import CHANNELS, FORMATS
from onrecord.wire.events import RECORDING_ERROR_REASONS, SIP_HEADER_NAMES
from onrecord.wire.sounds import PLAYBACK_STATUSES

_HEADER = obj({"name": text("Name.", "X-Ticket"), "value": text("Value.", "4711")})
_SIP_HEADER = obj({"name": choice("Name.", *SIP_HEADER_NAMES), "value": text("Value.", "12345")})

_MEDIA: Schema = {
    "media_url": nullable("The `audio_url` of the command.", "https://example.com/welcome.mp3"),
    "media_name": nullable("The `media_name` of the command.", "welcome.wav"),
    "overlay": {"type": "boolean", "description": "It lies over other audio.", "examples": [False]},
}
_DETAIL = nullable("What the matter was.", "the server answered 500")

_SOUNDS: dict[str, tuple[Schema, str]] = {
    "call.playback.started": (_MEDIA, "A file began to be heard."),
    "call.playback.ended": (
        {
            **_MEDIA,
            "status": {
                "type": "string",
                "description": "How it ended.",
                "enum": list(PLAYBACK_STATUSES),
            },
            "status_detail": _DETAIL,
        },
        "A file has been played, was stopped, or could not be played.",
    ),
    "call.speak.started": ({}, "A text began to be heard."),
    "call.speak.ended": (
        {
            "status": nullable(
                "`completed`, also when it was stopped; `call_hangup`; null when it could not be spoken.",
                "completed",
            ),
            "status_detail": _DETAIL,
        },
        "A text has been spoken, was stopped, or could not be spoken.",
    ),
    "call.dtmf.received": (
        {
            "digit": text("The key.", "5"),
            "from": text("Who calls.", "+18005550101"),
            "to": text("Who is called.", "+18005550100"),
        },
        "The party of the call has pressed a key.",
    ),
}
"""What each event has beside the members of every event, and what it says."""


def _event(kind: str, payload: Schema, description: str, optional: Schema | None = None) -> Schema:
    data = obj(
        {
            "record_type": choice("Always `event`.", "event"),
            "event_type": choice("What happened.", kind),
            "id": text("The event; the same in every attempt.", EVENT_ID, format="uuid"),
            "occurred_at": moment("When it happened."),
            "payload": obj(payload, optional=optional),
        }
    )
    meta = obj(
        {
            "attempt": number("1 for the first attempt to deliver.", 1),
            "delivered_to": text("The URL.", "https://example.com/telnyx"),
        }
    )
    return obj({"data": data, "meta": meta}, description=description)


_COMMON: Schema = {**IDS, "connection_id": CONNECTION, "client_state": CLIENT_STATE}
_LEG: Schema = {
    **_COMMON,
    **PARTIES,
    "from_sip_uri": text("SIP URI of the caller.", "sip:+18005550101@192.0.2.20"),
    "to_sip_uri": text("SIP URI of the called.", "sip:bob@192.0.2.10"),
    "calling_party_type": text("Always `sip`.", "sip"),
    "start_time": moment("When the leg began."),
    "custom_headers": array(_HEADER, "X- headers of the INVITE."),
    "sip_headers": array(_SIP_HEADER, "Standard headers of the INVITE."),
    "tags": array(text("A word."), "Always empty."),
}
_QUALITY: Schema = {
    "type": ["object", "null"],
    "description": "Figures of the audio, all of them texts.",
    "properties": {
        "inbound": obj(
            {
                "jitter_max_variance": text("Largest jitter, ms.", "1.25"),
                "jitter_packet_count": text("Packets that jitter was measured over.", "2500"),
                "mos": text(
                    "Estimated quality, 1 to 4.5, on the scale of the call's codec.", "4.41"
                ),
                "packet_count": text("Packets received.", "2500"),
                "skip_packet_count": text("Packets lost on the way.", "0"),
            }
        ),
        "outbound": obj(
            {
                "packet_count": text("Packets sent.", "2500"),
                "skip_packet_count": text("Of them, lost by what the peer reported.", "0"),
            }
        ),
    },
}

EVENTS: dict[str, Schema] = {
    "call.initiated": _event(
        "call.initiated",
        {
            **_LEG,
            "direction": choice("Seen from this server.", "incoming", "outgoing"),
            "state": choice(
                "`parked` for incoming, `bridging` for outgoing.", "parked", "bridging"
            ),
            "caller_id_name": text("Name that the caller gave.", "Support desk"),
            "offered_codecs": nullable("Codecs that were offered.", "PCMU,PCMA"),
        },
        "A call came in or was dialled.",
    ),
    "call.answered": _event(
        "call.answered",
        {**_LEG, "state": choice("Always `answered`.", "answered")},
        "A call was answered; audio can flow. `codec` and `sampling_rate` are there when known.",
    ),
    "call.bridged": _event(
        "call.bridged", {**_COMMON, **PARTIES}, "Two legs were connected; one event for each."
    ),
    "call.hangup": _event(
        "call.hangup",
        {
            **_LEG,
            "state": choice("Always `hangup`.", "hangup"),
            "hangup_cause": choice("Why.", *HangupCause),
            "hangup_source": choice("Who ended it.", *HangupSource),
            "sip_hangup_cause": text("SIP status, or `unspecified`.", "200"),
            "call_quality_stats": _QUALITY,
            "end_time": moment("When the leg ended."),
        },
        "A call is over.",
    ),
    "call.recording.saved": _event(
        "call.recording.saved",
        {
            **_COMMON,
            **PARTIES,
            "recording_id": text("The recording.", RECORDING_ID, format="uuid"),
            "format": choice("Type of the file.", *FORMATS),
            "channels": choice("What the file has.", *CHANNELS),
            "recording_started_at": moment("When the recording began."),
            "recording_ended_at": moment("When it ended."),
            "start_time": moment("The same as `recording_started_at`."),
            "end_time": moment("The same as `recording_ended_at`."),
            "duration_millis": number("Length of the file.", 60000),
            "recording_urls": URLS,
            "public_recording_urls": {"type": "object", "description": "Always empty."},
        },
        "A recording is finished and its file can be fetched.",
        {"trimmed": TRIMMED, "fidelity": FIDELITY},
    ),
    "call.recording.transcription.saved": _event(
        "call.recording.transcription.saved",
        {
            **_COMMON,
            "recording_id": text("The recording.", RECORDING_ID, format="uuid"),
            "recording_transcription_id": text("The transcription.", EVENT_ID, format="uuid"),
            "status": choice("Always `completed`.", "completed"),
            "transcription_text": text("What was said.", "Hello, this is Ann."),
            "calling_party_type": choice("Always `sip`.", "sip"),
        },
        "What is said in a recording is known.",
    ),
    "call.recording.error": _event(
        "call.recording.error",
        {
            **_COMMON,
            **PARTIES,
            "recording_id": text("The recording.", RECORDING_ID, format="uuid"),
            "reason": choice("Why.", *RECORDING_ERROR_REASONS),
        },
        "A recording could not be finished or stored.",
    ),
}
for _name, (_payload, _description) in _SOUNDS.items():
    EVENTS[_name] = _event(_name, {**_COMMON, **_payload}, _description)


def webhook(name: str) -> Schema:
    """How the server calls the application with one type of event."""
    headers = [
        {
            "name": "Telnyx-Timestamp",
            "in": "header",
            "required": True,
            "description": "Unix time of the attempt, seconds.",
            "schema": {"type": "string"},
        },
        {
            "name": "Telnyx-Signature-Ed25519",
            "in": "header",
            "required": True,
            "description": "Base64 of the Ed25519 signature over timestamp, `|` and the raw body.",
            "schema": {"type": "string"},
        },
    ]
    return {
        "post": {
            "operationId": f"webhook.{name}",
            "summary": EVENTS[name]["description"],
            "security": [],
            "parameters": headers,
            "requestBody": {"content": {ops.JSON: {"schema": ref(f"Event.{name}")}}},
            "responses": {"2XX": {"description": "Received. Anything else is tried again."}},
        }
    }
