"""Dial and the commands of a call: their paths and bodies."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from onrecord.api.openapi import operations as ops
from onrecord.api.openapi import shapes
from onrecord.api.openapi.shapes import Schema
from onrecord.wire import errors
from onrecord.wire.bodies import calls, recordings, sounds
from onrecord.wire.fields import Field, object_schema


@dataclass(frozen=True, slots=True)
class Command:
    """What the document says about one command."""

    operation_id: str
    summary: str
    fields: Sequence[Field]
    description: str
    webhooks: Sequence[str]
    """Types of the webhooks that follow."""
    example: Schema
    rule: Schema = field(default_factory=dict)
    """What the body must be beside its members."""

    @property
    def request(self) -> str:
        """Name of the schema of its body."""
        return f"{self.operation_id}Request"


COMMANDS: dict[str, Command] = {
    "answer": Command(
        "AnswerCall",
        "Answer an incoming call",
        calls.ANSWER,
        "Answers a call that rings.",
        ("call.answered",),
        {"client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d"},
    ),
    "reject": Command(
        "RejectCall",
        "Reject an incoming call",
        calls.REJECT,
        "Refuses a call that rings.",
        ("call.hangup",),
        {"cause": "USER_BUSY"},
    ),
    "hangup": Command(
        "HangupCall",
        "Hang up",
        calls.HANGUP,
        "Ends a call, whatever its state. Its recordings end with it.",
        ("call.hangup", "call.recording.saved"),
        {},
    ),
    "bridge": Command(
        "BridgeCall",
        "Connect two calls",
        calls.BRIDGE,
        "Lets the parties of two answered legs hear each other.",
        ("call.bridged",),
        {"call_control_id": shapes.CALL_CONTROL_ID},
    ),
    "transfer": Command(
        "TransferCall",
        "Transfer a call",
        calls.TRANSFER,
        (
            "Dials a second leg in the same session and connects it with this one as soon as it "
            "answers. A leg that this one is connected with is left then. If the target does not "
            "answer, this leg stays as it is."
        ),
        ("call.initiated", "call.answered", "call.hangup", "call.bridged"),
        {"to": "sip:bob@192.0.2.10"},
    ),
    "record_start": Command(
        "StartCallRecord",
        "Start recording",
        recordings.RECORD_START,
        (
            "Starts to record a call. The recording ends with record_stop, with the call, or by "
            "`max_length`. It begins before this is answered. Another record_start on the same "
            "call starts another recording beside the first."
        ),
        ("call.recording.saved", "call.recording.transcription.saved", "call.recording.error"),
        {"format": "wav", "channels": "dual", "client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d"},
    ),
    "record_stop": Command(
        "StopCallRecord",
        "Stop recording",
        recordings.RECORD_STOP,
        "Stops one recording of a call, or all of them.",
        ("call.recording.saved",),
        {},
    ),
    "record_pause": Command(
        "PauseCallRecord",
        "Pause recording",
        recordings.RECORD_PAUSE,
        (
            "Pauses one recording of a call, or all of them. Nothing of what is said meanwhile is "
            "kept, and it does not count towards `max_length`."
        ),
        (),
        {},
    ),
    "record_resume": Command(
        "ResumeCallRecord",
        "Go on recording",
        recordings.RECORD_RESUME,
        "Goes on with one paused recording of a call, or with all of them.",
        (),
        {},
    ),
    "client_state_update": Command(
        "UpdateClientState",
        "Change the client_state",
        calls.CLIENT_STATE_UPDATE,
        "Gives the call another client_state, which its webhooks carry from now on.",
        (),
        {"client_state": "aGF2ZSBhIG5pY2UgZGF5ID1d"},
    ),
    "playback_start": Command(
        "StartCallPlayback",
        "Play a file",
        sounds.PLAYBACK_START,
        (
            "Plays a WAV or MP3 file into the call: that of `audio_url`, `media_name` or "
            "`playback_content`. Files are played one after another. While one plays, its hearer "
            "does not hear the leg that it is bridged with. A file that cannot be had or played is "
            "told by `call.playback.ended`."
        ),
        ("call.playback.started", "call.playback.ended"),
        {"audio_url": "https://example.com/welcome.mp3"},
        {"oneOf": [{"required": [name]} for name in sounds.SOURCES]},
    ),
    "playback_stop": Command(
        "StopCallPlayback",
        "Stop playing",
        sounds.PLAYBACK_STOP,
        "Stops the file or text that this call's commands play, or all of them.",
        ("call.playback.ended", "call.speak.ended"),
        {},
    ),
    "speak": Command(
        "SpeakCall",
        "Speak a text",
        sounds.SPEAK,
        (
            "Speaks a text into the call with the server's speech engine, in its turn among what is "
            "played. Refused where no engine is installed."
        ),
        ("call.speak.started", "call.speak.ended"),
        {"payload": "Your call is important to us.", "voice": "female", "language": "en-US"},
    ),
    "send_dtmf": Command(
        "SendDTMF",
        "Send digits",
        sounds.SEND_DTMF,
        "Presses keys for the party of the call to hear (RFC 4733).",
        (),
        {"digits": "1www2WABCDw9"},
    ),
}


def schemas() -> Schema:
    """The bodies, by name."""
    named: Schema = {"DialRequest": object_schema(calls.DIAL, "Dial")}
    for command in COMMANDS.values():
        named[command.request] = object_schema(command.fields, command.summary) | command.rule
    return named


def paths() -> Schema:
    """The paths, as JSON values."""
    call = ops.path_parameter("call_control_id", "Token of the call.", shapes.CALL_CONTROL_ID)
    found: Schema = {
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
    for name in COMMANDS:
        found[f"/v2/calls/{{call_control_id}}/actions/{name}"] = {
            "parameters": [call],
            "put" if name == "client_state_update" else "post": _command(name),
        }
    return found


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
                "connection_id": shapes.CONNECTION_ID,
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
    command = COMMANDS[name]
    description = command.description
    told = ", ".join(f"`{event}`" for event in command.webhooks)
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
            "invalid_enumerated_value": errors.not_allowed("channels", recordings.CHANNELS),
            "value_outside_range": errors.out_of_range("max_length", 0, recordings.MAX_LENGTH_SECS),
            "invalid_string_length": errors.bad_length("custom_file_name", 1, 40),
            "invalid_parameter_type": errors.wrong_type("play_beep", "boolean"),
            "client_state_not_base64": errors.client_state_not_base64(),
        }
    needed = bool(command.rule) or any(member.required for member in command.fields)
    return ops.operation(
        command.operation_id,
        "Calls",
        command.summary,
        ops.data("CommandResult", "The command was carried out, or had been before."),
        description=description,
        body=ops.body(command.request, command.example, required=needed),
        refusals=refusals,
    )
