"""Paths and schemas of what happened: active calls, call events, deliveries, transcriptions."""

from collections.abc import Mapping

from onrecord.api.openapi import operations as ops
from onrecord.api.openapi import shapes
from onrecord.api.openapi.shapes import Schema
from onrecord.wire import history, transcriptions

_TRANSCRIPTION_ID = "6a09cdc3-8948-47f0-aa62-74ac943d6c58"
_IDS: Schema = {
    "call_leg_id": shapes.text("The leg.", shapes.LEG_ID, format="uuid"),
    "call_session_id": shapes.text("Its session.", shapes.SESSION_ID, format="uuid"),
}
_OPEN: Schema = {"type": "object", "additionalProperties": True}

SCHEMAS: Schema = {
    "ActiveCall": shapes.obj(
        {
            "record_type": shapes.choice("Always `call`.", "call"),
            "call_control_id": shapes.text("Its token.", shapes.CALL_CONTROL_ID),
            **_IDS,
            "client_state": shapes.nullable("The last client_state.", "aGF2ZSBhIG5pY2UgZGF5ID1d"),
            "call_duration": shapes.number("Seconds since it began.", 50),
        }
    ),
    "CallEvent": shapes.obj(
        {
            "record_type": shapes.choice("Always `call_event`.", "call_event"),
            "type": shapes.choice("What it is.", *history.KINDS),
            "name": shapes.text("Name of the command or type of the event.", "call.answered"),
            **_IDS,
            "event_timestamp": shapes.moment("When it happened."),
            "metadata": _OPEN
            | {
                "description": (
                    "Of a command: `command_id`, `connection_id`, `status`. Of a webhook: `event` "
                    "(its `data`), `connection_id`, `attempt` (how many there were), "
                    "`delivered_to`, `http_status`, `status`, `failed`."
                )
            },
        }
    ),
    "WebhookDelivery": shapes.obj(
        {
            "record_type": shapes.choice("Always `webhook_delivery`.", "webhook_delivery"),
            "id": shapes.text("The id of the event.", shapes.EVENT_ID, format="uuid"),
            "status": shapes.choice("How it stands.", *history.DELIVERY_STATUSES),
            "started_at": shapes.moment("When the first attempt began."),
            "finished_at": shapes.moment("When the last attempt ended."),
            "webhook": _OPEN | {"description": "The event: `data` of what was sent."},
            "attempts": shapes.array(
                _OPEN,
                "Newest first: `status`, `started_at`, `finished_at`, `http` (`request` with "
                "`url`, `method`, `headers`; `response` with `status`, `headers`, `body`, the "
                "latter two cut at 10000 characters), `errors` (codes) and, for people, `detail`.",
            ),
        }
    ),
    "RecordingTranscription": shapes.obj(
        {
            "record_type": shapes.choice("Always so.", "recording_transcription"),
            "id": shapes.text("The transcription.", _TRANSCRIPTION_ID, format="uuid"),
            "recording_id": shapes.text("Its recording.", shapes.RECORDING_ID, format="uuid"),
            "status": shapes.choice("How far it is.", "in-progress", "completed"),
            "transcription_text": shapes.text("What was said; empty until then.", "Hello."),
            "transcription_engine": shapes.text("Who transcribes, or did.", "B"),
            "transcription_language": shapes.text("The language.", "en-US"),
            "duration_millis": {
                "type": ["integer", "null"],
                "description": "Length of what was transcribed.",
                "examples": [60000],
            },
            "created_at": shapes.moment("When it was begun."),
            "updated_at": shapes.moment("When it last changed."),
            "failure": shapes.text(
                "Why there will be no text; absent otherwise.", "The engine refused."
            ),
        },
        required=[
            "record_type",
            "id",
            "recording_id",
            "status",
            "transcription_text",
            "transcription_engine",
            "transcription_language",
            "duration_millis",
            "created_at",
            "updated_at",
        ],
    ),
}


def paths() -> Schema:
    """The paths, as JSON values."""
    connection = ops.path_parameter("connection_id", "The application.", shapes.CONNECTION_ID)
    delivery = ops.path_parameter("delivery_id", "The delivery.", shapes.EVENT_ID)
    return {
        "/v2/connections/{connection_id}/active_calls": {
            "parameters": [connection],
            "get": ops.operation(
                "ListConnectionActiveCalls",
                "History",
                "List the calls that are up",
                ops.listing("ActiveCall", "Calls, oldest first."),
                parameters=_cursor_parameters(),
            ),
        },
        "/v2/call_events": {
            "get": ops.operation(
                "ListCallEvents",
                "History",
                "List commands and events",
                ops.listing("CallEvent", "Commands and events, oldest first."),
                description=(
                    "Shows the last 24 hours unless `filter[leg_id]` or "
                    "`filter[application_session_id]` is given."
                ),
                parameters=[*ops.page_parameters(), *_filters(history.EVENT_FILTERS)],
            )
        },
        "/v2/webhook_deliveries": {
            "get": ops.operation(
                "ListWebhookDeliveries",
                "History",
                "List webhook deliveries",
                ops.listing("WebhookDelivery", "Events that were sent, newest first."),
                parameters=[*ops.page_parameters(), *_filters(history.DELIVERY_FILTERS)],
            )
        },
        "/v2/webhook_deliveries/{delivery_id}": {
            "parameters": [delivery],
            "get": ops.operation(
                "RetrieveWebhookDelivery",
                "History",
                "Look up a webhook delivery",
                ops.data("WebhookDelivery", "The delivery with all its attempts."),
            ),
        },
    } | _transcription_paths()


def _transcription_paths() -> Schema:
    one = ops.path_parameter("transcription_id", "The transcription.", _TRANSCRIPTION_ID)
    plain = {"schema": {"type": "string"}}
    segments = ops.answer(
        "The segments.", shapes.obj({"data": shapes.array(_OPEN, "In order of time.")})
    )
    segments["200"]["content"] |= {"text/vtt": plain, "text/plain": plain}
    form = {"type": "string", "enum": sorted(transcriptions.MEDIA_TYPES)}
    return {
        "/v2/recording_transcriptions": {
            "get": ops.operation(
                "ListRecordingTranscriptions",
                "Transcriptions",
                "List transcriptions",
                ops.listing("RecordingTranscription", "Transcriptions, newest first."),
                parameters=[*_cursor_parameters(), *_filters(transcriptions.FILTERS)],
            )
        },
        "/v2/recording_transcriptions/{transcription_id}": {
            "parameters": [one],
            "get": ops.operation(
                "RetrieveRecordingTranscription",
                "Transcriptions",
                "Look up a transcription",
                ops.data("RecordingTranscription", "The transcription."),
            ),
            "delete": ops.operation(
                "DeleteRecordingTranscription",
                "Transcriptions",
                "Delete a transcription",
                ops.data("RecordingTranscription", "The transcription that was deleted."),
            ),
        },
        "/v2/recording_transcriptions/{transcription_id}/segments": {
            "parameters": [one],
            "get": ops.operation(
                "RetrieveRecordingTranscriptionSegments",
                "Transcriptions",
                "Who said what, and when",
                segments,
                description=(
                    "JSON, WebVTT or plain text, as `format` or else the Accept header says. "
                    "Times are milliseconds from the beginning of the file."
                ),
                parameters=[ops.query("format", "Which format.", form)],
            ),
        },
    }


def _cursor_parameters() -> list[Schema]:
    text: Schema = {"type": "string", "pattern": f"^{history.CURSOR}$"}
    limit: Schema = {"type": "integer", "minimum": 0, "maximum": 250}
    return [
        *ops.page_parameters(),
        ops.query("page[after]", "`meta.cursors.after` of an earlier answer.", text),
        ops.query("page[before]", "`meta.cursors.before` of an earlier answer.", text),
        ops.query("page[limit]", "Items on a page; the same as `page[size]`.", limit),
    ]


def _filters(known: Mapping[str, Mapping[str, object]]) -> list[Schema]:
    return [
        ops.query(f"filter[{name}]", f"Narrows by `{name.replace('][', ' ')}`.", dict(schema))
        for name, schema in known.items()
    ]
