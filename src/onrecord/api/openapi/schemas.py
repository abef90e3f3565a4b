"""JSON Schemas of what the API answers."""

from onrecord.api.openapi.reports import FIDELITY, PICTURE_URL
from onrecord.api.openapi.shapes import (
    CALL_CONTROL_ID,
    CONNECTION_ID,
    LEG_ID,
    RECORDING_ID,
    SESSION_ID,
    TIME,
    Schema,
    array,
    choice,
    flag,
    moment,
    nullable,
    number,
    obj,
    text,
)
from onrecord.wire.bodies.recordings import CHANNELS, FORMATS
from onrecord.wire.storage import BACKENDS

IDS: Schema = {
    "call_control_id": text("Token that controls the leg.", CALL_CONTROL_ID),
    "call_leg_id": text("The leg.", LEG_ID, format="uuid"),
    "call_session_id": text("The call that the leg is part of.", SESSION_ID, format="uuid"),
}
CONNECTION = text("The application, as its id.", CONNECTION_ID)
CLIENT_STATE = nullable("The last client_state that a command gave.", "aGF2ZSBhIG5pY2UgZGF5ID1d")
PARTIES: Schema = {
    "from": text("Who calls.", "+18005550101"),
    "to": text("Who is called.", "sip:bob@192.0.2.10"),
}

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
        **IDS,
        "client_state": CLIENT_STATE,
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

URLS = obj(
    {
        form: {"type": ["string", "null"], "description": f"Link to the {form} file."}
        for form in FORMATS
    },
    required=[],
    description="A link under the name of the file's format, valid for ten minutes.",
)

TRIMMED = obj(
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
        **IDS,
        "conference_id": nullable("Always null."),
        "connection_id": CONNECTION,
        "channels": choice("What the file has.", *CHANNELS),
        "source": choice("Always `call`.", "call"),
        "initiated_by": text("What began it.", "StartCallRecordingAPI"),
        "status": choice("Only finished recordings are shown.", "completed"),
        **PARTIES,
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
        "download_urls": URLS,
    },
    optional={"trimmed": TRIMMED, "fidelity": FIDELITY, "picture_url": PICTURE_URL},
)

PHONE_NUMBER = obj(
    {
        "record_type": choice("Always `phone_number`.", "phone_number"),
        "id": text("The number.", "+18005550100"),
        "phone_number": text("The number.", "+18005550100"),
        "status": choice("Always `active`.", "active"),
        "connection_id": CONNECTION,
        "tags": array(text("A word."), "Always empty."),
        "created_at": moment("When it was made."),
        "updated_at": moment("When it last changed."),
    }
)

STORAGE_CREDENTIALS = obj(
    {
        "record_type": choice("Always so.", "custom_storage_credentials"),
        "connection_id": CONNECTION,
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
