"""JSON Schemas of what the API answers and of the webhooks it sends, for the OpenAPI document."""

from typing import Any

from onrecord.api.sounds import PAYLOADS
from onrecord.calls.records import HangupCause, HangupSource
from onrecord.wire.bodies import CHANNELS, FORMATS
from onrecord.wire.events import RECORDING_ERROR_REASONS, SIP_HEADER_NAMES
from onrecord.wire.storage import BACKENDS

Schema = dict[str, Any]

LEG_ID = "4e9b7f3c-6f0e-4a52-9d6d-0a7b3c1f2e11"
SESSION_ID = "b3ad1d9e-7c36-4c0e-8f5e-2f3a9c7d6e22"
RECORDING_ID = "6a09cdc3-8948-47f0-aa62-74ac943d6c58"
EVENT_ID = "0ccc7b54-4df3-4bca-a65a-3da1ecc777f0"
CALL_CONTROL_ID = "v3:MCG3gWxIBlKrZRR4S3Cy4RYnCnpkZmwnvLQhdaWF4wrGDEPDGXVJ0A"
CONNECTION_ID = "1293384261075731499"
TIME = "2026-02-03T04:05:06.007Z"


def text(description: str, example: object = None, **more: object) -> Schema:
    """A string."""
    return {"type": "string", "description": description} | _example(example) | more


def nullable(description: str, example: object = None) -> Schema:
    """A string or null."""
    return {"type": ["string", "null"], "description": description} | _example(example)


def number(description: str, example: int) -> Schema:
    """A whole number."""
    return {"type": "integer", "description": description, "examples": [example]}


def flag(description: str, example: bool) -> Schema:
    """A boolean."""
    return {"type": "boolean", "description": description, "examples": [example]}


def choice(description: str, *values: str) -> Schema:
    """One of a few strings."""
    return {"type": "string", "description": description, "enum": list(values)}


def moment(description: str) -> Schema:
    """A time."""
    return text(description, TIME, format="date-time")


def obj(
    properties: Schema,
    *,
    required: list[str] | None = None,
    description: str = "",
    optional: Schema | None = None,
) -> Schema:
    """An object; without ``required`` all its members but the ``optional`` ones are always there."""
    schema: Schema = {"type": "object", "required": required or list(properties)}
    if required == []:
        del schema["required"]
    if description:
        schema["description"] = description
    return schema | {"properties": properties | (optional or {})}


def array(items: Schema, description: str) -> Schema:
    """An array."""
    return {"type": "array", "description": description, "items": items}


def _example(value: object) -> Schema:
    return {} if value is None else {"examples": [value]}


def ref(name: str) -> Schema:
    """A reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}


_IDS: Schema = {
    "call_control_id": text("Token that controls the leg.", CALL_CONTROL_ID),
    "call_leg_id": text("The leg.", LEG_ID, format="uuid"),
    "call_session_id": text("The call that the leg is part of.", SESSION_ID, format="uuid"),
}
_CONNECTION = text("The application, as its id.", CONNECTION_ID)
_CLIENT_STATE = nullable("The last client_state that a command gave.", "aGF2ZSBhIG5pY2UgZGF5ID1d")
_PARTIES: Schema = {
    "from": text("Who calls.", "+18005550101"),
    "to": text("Who is called.", "sip:bob@192.0.2.10"),
}
_HEADER = obj({"name": text("Name.", "X-Ticket"), "value": text("Value.", "4711")})
_SIP_HEADER = obj({"name": choice("Name.", *SIP_HEADER_NAMES), "value": text("Value.", "12345")})

ERRORS = obj(
    {
        "errors": array(
            obj(
                {
                    "code": text("What went wrong, as digits.", "10004"),
                    "title": text("The same in words.", "Missing required parameter"),
                    "detail": text(
                        "What to change.", "The 'to' parameter is required and cannot be blank."
                    ),
                    "source": obj(
                        {
                            "pointer": text("JSON pointer to the member at fault.", "/to"),
                            "parameter": text("The query parameter at fault.", "page[size]"),
                        },
                        required=[],
                        description="Where the fault is; absent when it is nowhere in particular.",
                    ),
                    "meta": obj(
                        {"url": text("Where the code is explained.", "/docs/errors#10004")}
                    ),
                },
                required=["code", "title"],
            ),
            "All faults of the request, in the order of its parameters.",
        )
    },
    description="What went wrong.",
)

COMMAND_RESULT = obj(
    {
        "result": text("Always `ok`.", "ok"),
        "call_control_id": text("The leg that the command was for.", CALL_CONTROL_ID),
        "recording_id": text("The recording that the command began.", RECORDING_ID, format="uuid"),
    },
    required=["result"],
)

CALL = obj(
    {
        "record_type": choice("Always `call`.", "call"),
        **_IDS,
        "client_state": _CLIENT_STATE,
        "is_alive": flag("True until the leg is over; in the answer to dial always false.", True),
        "call_duration": number("Seconds from `start_time` until the end, or until now.", 50),
        "start_time": moment("When the leg began."),
        "end_time": moment("When it ended; absent while it is up."),
        "recording_id": text("Only when dialled with `record`.", RECORDING_ID, format="uuid"),
    },
    required=[
        "record_type",
        "call_control_id",
        "call_leg_id",
        "call_session_id",
        "client_state",
        "is_alive",
        "call_duration",
        "start_time",
    ],
)

_URLS = obj(
    {
        form: {"type": ["string", "null"], "description": f"Link to the {form} file."}
        for form in FORMATS
    },
    required=[],
    description="A link under the name of the file's format, valid for ten minutes.",
)

_TRIMMED = obj(
    {
        "start_millis": number("Cut off the beginning.", 1200),
        "end_millis": number("Cut off the end.", 3100),
        "speech": flag("Whether anything was said; if not, 100 ms are kept.", True),
    },
    description="What `trim-silence` cut off; not there where nothing was to be trimmed.",
)

RECORDING = obj(
    {
        "record_type": choice("Always `recording`.", "recording"),
        "id": text("The recording.", RECORDING_ID, format="uuid"),
        **_IDS,
        "conference_id": nullable("Always null."),
        "connection_id": _CONNECTION,
        "channels": choice("What the file has.", *CHANNELS),
        "source": choice("Always `call`.", "call"),
        "initiated_by": text("What began it.", "StartCallRecordingAPI"),
        "status": choice("Only finished recordings are shown.", "completed"),
        **_PARTIES,
        "duration_millis": {
            "type": ["integer", "null"],
            "description": "Length of the file.",
            "examples": [60000],
        },
        "recording_started_at": moment("When the recording began."),
        "recording_ended_at": {
            "type": ["string", "null"],
            "format": "date-time",
            "description": "When it ended.",
            "examples": [TIME],
        },
        "created_at": moment("When it was made."),
        "updated_at": moment("When it last changed."),
        "download_urls": _URLS,
    },
    optional={"trimmed": _TRIMMED},
)

PHONE_NUMBER = obj(
    {
        "record_type": choice("Always `phone_number`.", "phone_number"),
        "id": text("The number.", "+18005550100"),
        "phone_number": text("The number.", "+18005550100"),
        "status": choice("Always `active`.", "active"),
        "connection_id": _CONNECTION,
        "tags": array(text("A word."), "Always empty."),
        "created_at": moment("When it was made."),
        "updated_at": moment("When it last changed."),
    }
)

STORAGE_CREDENTIALS = obj(
    {
        "record_type": choice("Always so.", "custom_storage_credentials"),
        "connection_id": _CONNECTION,
        "data": obj(
            {
                "backend": choice("Where the files go.", *BACKENDS),
                "configuration": {
                    "type": "object",
                    "description": "As it was given, with its secrets hidden.",
                    "additionalProperties": {"type": "string"},
                },
            },
            description="The credentials.",
        ),
    }
)

PUBLIC_KEY = obj(
    {
        "record_type": choice("Always `public_key`.", "public_key"),
        "public_key": text(
            "Base64 of the 32 bytes of an Ed25519 key: the SDKs' TELNYX_PUBLIC_KEY.",
            "HrUJtVuEV5w3rnMvdJYlNMSkWwXZPQlNHHRDUmKbYqo=",
        ),
    }
)

META = obj(
    {
        "page_number": number("This page, from 1.", 1),
        "page_size": number("How many items a page holds.", 20),
        "total_pages": number("How many pages there are.", 3),
        "total_results": number("How many items all pages hold.", 55),
    }
)


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


_COMMON: Schema = {**_IDS, "connection_id": _CONNECTION, "client_state": _CLIENT_STATE}
_LEG: Schema = {
    **_COMMON,
    **_PARTIES,
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
                "mos": text("Estimated listening quality, 1 to 4.5.", "4.41"),
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
        "call.bridged", {**_COMMON, **_PARTIES}, "Two legs were connected; one event for each."
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
            **_PARTIES,
            "recording_id": text("The recording.", RECORDING_ID, format="uuid"),
            "format": choice("Type of the file.", *FORMATS),
            "channels": choice("What the file has.", *CHANNELS),
            "recording_started_at": moment("When the recording began."),
            "recording_ended_at": moment("When it ended."),
            "start_time": moment("The same as `recording_started_at`."),
            "end_time": moment("The same as `recording_ended_at`."),
            "duration_millis": number("Length of the file.", 60000),
            "recording_urls": _URLS,
            "public_recording_urls": {"type": "object", "description": "Always empty."},
        },
        "A recording is finished and its file can be fetched.",
        {"trimmed": _TRIMMED},
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
            **_PARTIES,
            "recording_id": text("The recording.", RECORDING_ID, format="uuid"),
            "reason": choice("Why.", *RECORDING_ERROR_REASONS),
        },
        "A recording could not be finished or stored.",
    ),
}
for _name, (_payload, _description) in PAYLOADS.items():
    EVENTS[_name] = _event(_name, {**_COMMON, **_payload}, _description)
