"""The OpenAPI 3.1 document, built from the same field tables that check the requests."""

from collections.abc import Sequence
from typing import Any

from onrecord import __version__
from onrecord.api import history_paths, schemas, sounds
from onrecord.api import operations as ops
from onrecord.api.schemas import Schema, ref
from onrecord.api.sounds import RULES
from onrecord.wire import bodies, errors, queries, resource_bodies, storage
from onrecord.wire.fields import ROUTE, Field, object_schema
from onrecord.wire.resources import APPLICATION_DEFAULTS, INBOUND_DEFAULTS, OUTBOUND_DEFAULTS

_COMMANDS: dict[str, tuple[str, str, Sequence[Field], str, Sequence[str], Schema]] = {
    "answer": (
        "AnswerCall",
        "Answer an incoming call",
        bodies.ANSWER,
        "Answers a call that rings.",
        ["call.answered"],
        {"client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d"},
    ),
    "reject": (
        "RejectCall",
        "Reject an incoming call",
        bodies.REJECT,
        "Refuses a call that rings.",
        ["call.hangup"],
        {"cause": "USER_BUSY"},
    ),
    "hangup": (
        "HangupCall",
        "Hang up",
        bodies.HANGUP,
        "Ends a call, whatever its state. Its recordings end with it.",
        ["call.hangup", "call.recording.saved"],
        {},
    ),
    "bridge": (
        "BridgeCall",
        "Connect two calls",
        bodies.BRIDGE,
        "Lets the parties of two answered legs hear each other.",
        ["call.bridged"],
        {"call_control_id": schemas.CALL_CONTROL_ID},
    ),
    "transfer": (
        "TransferCall",
        "Transfer a call",
        bodies.TRANSFER,
        (
            "Dials a second leg in the same session and connects it with this one as soon as it "
            "answers. A leg that this one is connected with is left then. If the target does not "
            "answer, this leg stays as it is."
        ),
        ["call.initiated", "call.answered", "call.hangup", "call.bridged"],
        {"to": "sip:bob@192.0.2.10"},
    ),
    "record_start": (
        "StartCallRecord",
        "Start recording",
        bodies.RECORD_START,
        (
            "Starts to record a call. The recording ends with record_stop, with the call, or by "
            "`max_length`. It begins before this is answered. Another record_start on the same "
            "call starts another recording beside the first."
        ),
        ["call.recording.saved", "call.recording.transcription.saved", "call.recording.error"],
        {"format": "wav", "channels": "dual", "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d"},
    ),
    "record_stop": (
        "StopCallRecord",
        "Stop recording",
        bodies.RECORD_STOP,
        "Stops one recording of a call, or all of them.",
        ["call.recording.saved"],
        {},
    ),
    "record_pause": (
        "PauseCallRecord",
        "Pause recording",
        bodies.RECORD_PAUSE,
        (
            "Pauses one recording of a call, or all of them. Nothing of what is said meanwhile is "
            "kept, and it does not count towards `max_length`."
        ),
        [],
        {},
    ),
    "record_resume": (
        "ResumeCallRecord",
        "Go on recording",
        bodies.RECORD_RESUME,
        "Goes on with one paused recording of a call, or with all of them.",
        [],
        {},
    ),
    "client_state_update": (
        "UpdateClientState",
        "Change the client_state",
        bodies.CLIENT_STATE_UPDATE,
        "Gives the call another client_state, which its webhooks carry from now on.",
        [],
        {"client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d"},
    ),
}
_COMMANDS |= sounds.COMMANDS
"""Name of the command: operation id, summary, fields, description, webhooks, example."""


def document() -> Schema:
    """The whole document, as JSON values."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "onrecord",
            "version": __version__,
            "summary": "Record phone calls through Telnyx's Call Control API on your own machine.",
            "description": (
                "Telnyx's official SDKs work against this server: set their base URL to "
                "`http://<host>:<port>/v2` and the API key, nothing else. Members of a body that "
                "are not listed are ignored, and null counts as absent unless said otherwise."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "security": [{"bearerAuth": []}],
        "tags": [
            {"name": "Calls", "description": "Dial, look up and control calls."},
            {"name": "Recordings", "description": "Finished recordings and their files."},
            {"name": "Applications", "description": "Where the webhooks of calls go."},
            {"name": "History", "description": "What happened to calls, and how it was told."},
            {"name": "Transcriptions", "description": "What was said in recordings."},
            {"name": "Numbers", "description": "Which application incoming calls go to."},
            {"name": "Server", "description": "Keys, health, metrics."},
        ],
        "paths": _paths(),
        "webhooks": {name: _webhook(name) for name in schemas.EVENTS},
        "components": {
            "schemas": _component_schemas(),
            "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}},
        },
    }


def _component_schemas() -> Schema:
    named: Schema = {
        "Errors": schemas.ERRORS,
        "CommandResult": schemas.COMMAND_RESULT,
        "Call": schemas.CALL,
        "Recording": schemas.RECORDING,
        "Application": _application(),
        "PhoneNumber": schemas.PHONE_NUMBER,
        **history_paths.SCHEMAS,
        "StorageCredentials": schemas.STORAGE_CREDENTIALS,
        "StorageCredentialsRequest": storage.request_schema(),
        "PublicKey": schemas.PUBLIC_KEY,
        "PaginationMeta": schemas.META,
        "DialRequest": object_schema(bodies.DIAL, "Dial"),
        "ApplicationRequest": object_schema(resource_bodies.APPLICATION, "Application"),
        "PhoneNumberRequest": object_schema(resource_bodies.PHONE_NUMBER, "Phone number"),
        "DeleteRecordingsRequest": object_schema(
            resource_bodies.RECORDING_IDS, "Delete recordings"
        ),
    }
    for operation_id, summary, fields, *_ in _COMMANDS.values():
        named[f"{operation_id}Request"] = object_schema(fields, summary) | RULES.get(
            operation_id, {}
        )
    for name, schema in schemas.EVENTS.items():
        named[f"Event.{name}"] = schema
    return named


def _application() -> Schema:
    """The request's members, all present, with what the server adds."""
    asked = object_schema(resource_bodies.APPLICATION)
    members: Schema = dict(asked["properties"])  # type: ignore[call-overload]  # a JSON object
    for name in ("inbound", "outbound"):
        members[name] = dict(members[name]) | {"description": "Kept settings."}
    own: Schema = {
        "record_type": schemas.choice("Always so.", "call_control_application"),
        "id": schemas.text("The application; `connection_id` elsewhere.", schemas.CONNECTION_ID),
    }
    times = {
        "created_at": schemas.moment("When it was made."),
        "updated_at": schemas.moment("When it last changed."),
    }
    example = {
        "record_type": "call_control_application",
        "id": schemas.CONNECTION_ID,
        "application_name": "call-router",
        "active": True,
        "webhook_event_url": "https://example.com/telnyx",
        "webhook_event_failover_url": None,
        "webhook_timeout_secs": None,
        **APPLICATION_DEFAULTS,
        "inbound": dict(INBOUND_DEFAULTS),
        "outbound": dict(OUTBOUND_DEFAULTS),
        "created_at": schemas.TIME,
        "updated_at": schemas.TIME,
    }
    return schemas.obj(own | members | times) | {"examples": [example]}


def _paths() -> Schema:
    call = ops.path_parameter("call_control_id", "Token of the call.", schemas.CALL_CONTROL_ID)
    paths: Schema = {
        "/v2/calls": {"post": _dial()},
        "/v2/calls/{call_control_id}": {
            "parameters": [call],
            "get": ops.operation(
                "RetrieveCallStatus",
                "Calls",
                "Look up a call",
                ops.data("Call", "The call. An ended one can be looked up for ten minutes."),
                description="Shows whether a call is up, and since when.",
            ),
        },
    }
    for name in _COMMANDS:
        paths[f"/v2/calls/{{call_control_id}}/actions/{name}"] = {
            "parameters": [call],
            "put" if name == "client_state_update" else "post": _command(name),
        }
    paths |= _recording_paths() | _application_paths() | _number_paths() | _server_paths()
    return paths | _storage_paths() | history_paths.paths()


def _dial() -> Schema:
    return ops.operation(
        "DialCall",
        "Calls",
        "Dial",
        ops.data("Call", "The call is being placed."),
        description=(
            "Places a call. It is answered at once; what becomes of the call is told by the "
            "webhooks `call.initiated`, `call.answered` and `call.hangup`."
        ),
        body=ops.body(
            "DialRequest",
            {
                "connection_id": schemas.CONNECTION_ID,
                "to": "sip:bob@192.0.2.10",
                "from": "+18005550101",
            },
        ),
        refusals={
            "missing_required_parameter": errors.missing("to"),
            "invalid_connection_id": errors.unknown_connection(),
            "invalid_phone_number_format": errors.not_e164("to"),
            "value_outside_range": errors.out_of_range("timeout_secs", 5, 600),
        },
    )


def _command(name: str) -> Schema:
    operation_id, summary, fields, description, events, example = _COMMANDS[name]
    told = ", ".join(f"`{event}`" for event in events)
    if told:
        description += f"\n\nWebhooks that follow: {told}."
    refusals = {
        "invalid_call_control_id": errors.invalid_call_control_id(),
        "call_already_ended": errors.call_ended(),
    }
    if name not in {"hangup", "client_state_update"}:
        refusals["call_not_answered"] = errors.call_not_answered()
    if name == "record_start":
        refusals |= {
            "missing_required_parameter": errors.missing("channels"),
            "invalid_enumerated_value": errors.not_allowed("channels", bodies.CHANNELS),
            "value_outside_range": errors.out_of_range("max_length", 0, bodies.MAX_LENGTH_SECS),
            "invalid_string_length": errors.bad_length("custom_file_name", 1, 40),
            "invalid_parameter_type": errors.wrong_type("play_beep", "boolean"),
            "client_state_not_base64": errors.client_state_not_base64(),
        }
    needed = operation_id in RULES or any(member.required for member in fields)
    return ops.operation(
        operation_id,
        "Calls",
        summary,
        ops.data("CommandResult", "The command was carried out, or had been before."),
        description=description,
        body=ops.body(f"{operation_id}Request", example, required=needed),
        refusals=refusals,
    )


def _recording_paths() -> Schema:
    recording = ops.path_parameter("recording_id", "The recording.", schemas.RECORDING_ID)
    filters = [
        ops.query(f"filter[{name}]", f"Only recordings with this `{name}`.", {"type": "string"})
        for name in queries.EQUALITY_FILTERS
    ]
    filters += [
        ops.query(
            f"filter[{name}][{bound}]",
            f"Only recordings whose `{name}` is at or {word} this ISO 8601 time.",
            {"type": "string", "format": "date-time"},
        )
        for name in queries.TIME_FILTERS
        for bound, word in (("gte", "after"), ("lte", "before"))
    ]
    key = ops.path_parameter("key", "Key of the file.", "2026-02-03/recording/name-1770091506.mp3")
    signed = [
        ops.query("expires", "When the link ends, as it was given.", {"type": "string"}),
        ops.query("signature", "Signature of the link, as it was given.", {"type": "string"}),
    ]
    return {
        "/v2/recordings": {
            "get": ops.operation(
                "ListRecordings",
                "Recordings",
                "List recordings",
                ops.listing("Recording", "Finished recordings, newest first."),
                parameters=[*ops.page_parameters(), *filters],
            )
        },
        "/v2/recordings/{recording_id}": {
            "parameters": [recording],
            "get": ops.operation(
                "RetrieveRecording",
                "Recordings",
                "Look up a recording",
                ops.data("Recording", "The recording, with a fresh link to its file."),
            ),
            "delete": ops.operation(
                "DeleteRecording",
                "Recordings",
                "Delete a recording",
                ops.data("Recording", "The recording that was deleted, and its file with it."),
            ),
        },
        "/v2/recordings/actions/delete": {
            "post": ops.operation(
                "DeleteRecordings",
                "Recordings",
                "Delete several recordings",
                ops.answer("Done.", schemas.obj({"status": schemas.choice("Always so.", "ok")})),
                body=ops.body("DeleteRecordingsRequest", {"ids": [schemas.RECORDING_ID]}),
                refusals={"missing_required_parameter": errors.missing("ids")},
            )
        },
        "/files/{key}": {
            "parameters": [key, *signed],
            "get": _file("GetFile", "Fetch a file"),
            "head": _file("HeadFile", "Ask for a file's size and type"),
        },
    }


def _file(operation_id: str, summary: str) -> Schema:
    audio = {kind: {"schema": {"type": "string"}} for kind in ("audio/wav", "audio/mpeg")}
    return {
        "operationId": operation_id,
        "tags": ["Recordings"],
        "summary": summary,
        "description": (
            "Serves the file behind a link of `download_urls` or `recording_urls`. The link itself "
            "is the permission; a single `Range` is honoured."
        ),
        "security": [],
        "responses": {
            "200": {"description": "The file.", "content": audio},
            "206": {"description": "A part of the file.", "content": audio},
            "403": ops.refusal(
                "The link is wrong or has expired.", {"link": errors.link_refused()}
            ),
            "default": ops.refusal("Something else is wrong.", {}),
        },
    }


def _application_paths() -> Schema:
    application = ops.path_parameter("application_id", "The application.", schemas.CONNECTION_ID)
    example = {
        "application_name": "call-router",
        "webhook_event_url": "https://example.com/telnyx",
    }
    body = ops.body("ApplicationRequest", example)
    refusals = {
        "missing_required_parameter": errors.missing("application_name"),
        "invalid_url": errors.invalid_url("webhook_event_url"),
    }
    sorts = [f"{sign}{name}" for name in queries.APPLICATION_SORTS for sign in ("", "-")]
    parameters = [
        *ops.page_parameters(),
        ops.query(
            "filter[application_name][contains]",
            "Only applications whose name holds this, in any case.",
            {"type": "string", "minLength": 3},
        ),
        ops.query("sort", "Order.", {"type": "string", "enum": sorts, "default": "created_at"}),
    ]

    def operation(name: str, summary: str, answer: Schema, **more: Any) -> Schema:
        return ops.operation(
            f"{name}CallControlApplication", "Applications", summary, answer, **more
        )

    return {
        "/v2/call_control_applications": {
            "get": operation(
                "List",
                "List applications",
                ops.listing("Application", "Applications."),
                parameters=parameters,
            ),
            "post": operation(
                "Create",
                "Make an application",
                ops.data("Application", "The new application.", "201"),
                body=body,
                refusals=refusals,
            ),
        },
        "/v2/call_control_applications/{application_id}": {
            "parameters": [application],
            "get": operation(
                "Retrieve", "Look up an application", ops.data("Application", "The application.")
            ),
            "patch": operation(
                "Update",
                "Change an application",
                ops.data("Application", "The application as it is now."),
                description="What is absent stays as it is; null takes a nullable value back.",
                body=body,
                refusals=refusals,
            ),
            "delete": operation(
                "Delete", "Delete an application", ops.data("Application", "What was deleted.")
            ),
        },
    }


def _storage_paths() -> Schema:
    example = {
        "backend": "s3-generic",
        "configuration": {
            "bucket": "recordings",
            "region": "us-east-1",
            "endpoint": "https://minio.example.com",
            "aws_access_key_id": "AKIAIOSFODNN7EXAMPLE",
            "aws_secret_access_key": "secret",
        },
    }
    kept = ops.answer("The credentials, with secrets hidden.", ref("StorageCredentials"))
    given: Schema = {
        "description": "Files of the application's recordings go to the bucket from now on.",
        "body": ops.body("StorageCredentialsRequest", example),
        "refusals": {"missing_required_parameter": errors.missing("configuration/bucket")},
    }

    def operation(name: str, summary: str, answer: Schema, **more: Any) -> Schema:
        return ops.operation(f"{name}StorageCredentials", "Recordings", summary, answer, **more)

    return {
        "/v2/custom_storage_credentials/{connection_id}": {
            "parameters": [
                ops.path_parameter("connection_id", "The application.", schemas.CONNECTION_ID)
            ],
            "post": operation("Create", "Store files in a bucket", kept, **given),
            "put": operation("Update", "Store files in another bucket", kept, **given),
            "get": operation("Retrieve", "Look up where files are stored", kept),
            "delete": operation(
                "Delete", "Store files with this server", {"204": {"description": "Done."}}
            ),
        }
    }


def _number_paths() -> Schema:
    address = ops.path_parameter("address", "A +E.164 number or a SIP user.", "+18005550100")
    address["schema"] |= {"maxLength": 128} | dict(ROUTE.schema)
    return {
        "/v2/phone_numbers": {
            "get": ops.operation(
                "ListPhoneNumbers",
                "Numbers",
                "List numbers",
                ops.listing("PhoneNumber", "Numbers that have an application."),
                parameters=ops.page_parameters(),
            )
        },
        "/v2/phone_numbers/{address}": {
            "parameters": [address],
            "patch": ops.operation(
                "UpdatePhoneNumber",
                "Numbers",
                "Send a number's calls to an application",
                ops.data("PhoneNumber", "The number as it is now."),
                description=(
                    "Makes the entry if need be. Calls to a number without one go to the default "
                    "application."
                ),
                body=ops.body("PhoneNumberRequest", {"connection_id": schemas.CONNECTION_ID}),
                refusals={"invalid_connection_id": errors.unknown_connection()},
            ),
        },
    }


def _server_paths() -> Schema:
    status = schemas.obj(
        {"status": schemas.text("`ok` or `unavailable`.", "ok"), "reason": schemas.text("Why.")},
        required=["status"],
    )
    up = ops.answer("It does.", status)["200"]

    def open_to_all(operation_id: str, summary: str, responses: Schema) -> Schema:
        return {
            "get": {
                "operationId": operation_id,
                "tags": ["Server"],
                "summary": summary,
                "security": [],
                "responses": responses,
            }
        }

    plain = {"200": {"description": "Prometheus text.", "content": {"text/plain": {}}}}
    busy = {"description": "Not now.", "content": {ops.JSON: {"schema": status}}}
    return {
        "/v2/public_key": {
            "get": ops.operation(
                "RetrievePublicKey",
                "Server",
                "Key that webhooks are signed with",
                ops.data("PublicKey", "The public key."),
            )
        },
        "/health/live": open_to_all("Live", "Does the server run?", {"200": up}),
        "/health/ready": open_to_all(
            "Ready", "Does the server take calls?", {"200": up, "503": busy}
        ),
        "/metrics": open_to_all("Metrics", "Figures for Prometheus", plain),
    }


def _webhook(name: str) -> Schema:
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
            "summary": schemas.EVENTS[name]["description"],
            "security": [],
            "parameters": headers,
            "requestBody": {"content": {ops.JSON: {"schema": ref(f"Event.{name}")}}},
            "responses": {"2XX": {"description": "Received. Anything else is tried again."}},
        }
    }
