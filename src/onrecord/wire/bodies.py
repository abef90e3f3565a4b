"""The members of every request body, with the words that the OpenAPI document uses for them.

The order of a table is the order in which faults are reported. Fields of record_start follow its
reference page; the rest follows contract section 8.
"""

from dataclasses import replace

from onrecord.wire import errors
from onrecord.wire.fields import (
    ADDRESS,
    BASE64,
    DIAL_ADDRESS,
    DIGITS,
    DISPLAY_NAME,
    EVENT_TYPE,
    HEADER_NAME,
    NAME,
    PRINTABLE,
    URL,
    UUID,
    Choice,
    Field,
    Flag,
    Group,
    Integer,
    ListOf,
    MapOf,
    OneOrMore,
    SingleTarget,
    Text,
)
from onrecord.wire.languages import LANGUAGES

FORMATS = ("wav", "mp3")
CHANNELS = ("single", "dual")
TRACKS = ("both", "inbound", "outbound")
ENGINES = ("A", "B", "deepgram/nova-3")
DEEPGRAM = "deepgram/nova-3"
REJECT_CAUSES = ("CALL_REJECTED", "USER_BUSY")

MAX_LENGTH_SECS = 14400
DIAL_MAX_LENGTH_SECS = 43200
MOST_RETRIES = 5
MOST_RETRY_MS = 60_000

CLIENT_STATE = Text(
    name="client_state",
    description=(
        "Base64 text of yours. It comes back, byte for byte, in every later webhook of the call."
    ),
    example="aGF2ZSBhIG5pY2UgZGF5ID1d",
    form=BASE64,
)
COMMAND_ID = Text(
    name="command_id",
    description=(
        "Makes the command safe to repeat: a second command with the same id on the same call "
        "does nothing and is answered like the first. A UUID is a good choice."
    ),
    example="891510ac-f3e4-11e8-af5b-de00688a4901",
)
_HEADER_VALUE = Text(
    name="value",
    description="Its value.",
    example="4711",
    required=True,
    high=1024,
    form=NAME,
)
CUSTOM_HEADERS = ListOf(
    name="custom_headers",
    description="SIP headers to add to the message that the command sends.",
    example=[{"name": "X-Ticket", "value": "4711"}],
    high=50,
    item=Group(
        name="header",
        description="One SIP header.",
        fields=(
            Text(
                name="name",
                description="Name of the header.",
                example="X-Ticket",
                required=True,
                low=1,
                high=128,
                form=HEADER_NAME,
            ),
            _HEADER_VALUE,
        ),
    ),
)
SIP_HEADERS = ListOf(
    name="sip_headers",
    description="Standard SIP headers to add to the INVITE.",
    example=[{"name": "User-to-User", "value": "4711"}],
    high=1,
    item=Group(
        name="header",
        description="One SIP header.",
        fields=(
            Choice(
                name="name",
                description="Name of the header.",
                example="User-to-User",
                required=True,
                values=("User-to-User",),
            ),
            _HEADER_VALUE,
        ),
    ),
)
WEBHOOK_FIELDS: tuple[Field, ...] = (
    Text(
        name="webhook_url",
        description="Where the later webhooks of this call go instead of to its application's URL.",
        example="https://example.com/telnyx",
        form=URL,
    ),
    Choice(
        name="webhook_url_method",
        description="HTTP method for `webhook_url`.",
        example="POST",
        default="POST",
        values=("POST", "GET"),
    ),
    MapOf(
        name="webhook_urls",
        description=(
            "By type of event, where its webhooks go instead: a URL, or an array of one or two, "
            "the second of which is used when the first fails."
        ),
        example={"call.hangup": ["https://example.com/ended"]},
        key=EVENT_TYPE,
        high=50,
        item=OneOrMore(
            name="url",
            description="One or two URLs.",
            high=2,
            item=Text(name="url", description="A URL.", form=URL),
        ),
    ),
    Choice(
        name="webhook_urls_method",
        description="HTTP method for `webhook_urls`.",
        example="POST",
        default="POST",
        values=("POST", "GET"),
    ),
    MapOf(
        name="webhook_retries_policies",
        description=(
            "By type of event, the waits before the retries of its webhooks instead of the "
            "server's; at most five, together at most 60000 ms."
        ),
        example={"call.hangup": {"retries_ms": [1000, 2000, 5000]}},
        key=EVENT_TYPE,
        high=50,
        item=Group(
            name="policy",
            description="How one type of event is tried again.",
            fields=(
                ListOf(
                    name="retries_ms",
                    description="Waits in milliseconds.",
                    required=True,
                    high=MOST_RETRIES,
                    item=Integer(name="wait", description="One wait.", low=0, high=MOST_RETRY_MS),
                ),
            ),
        ),
    ),
)

RECORD_START: tuple[Field, ...] = (
    Choice(
        name="format",
        description="Type of the audio file: `wav` is 16-bit PCM, `mp3` is smaller.",
        example="mp3",
        required=True,
        values=FORMATS,
    ),
    Choice(
        name="channels",
        description=(
            "`dual` gives a stereo file: the first leg of the session on channel A (left), all "
            "others on channel B (right). `single` mixes everything into one channel."
        ),
        example="single",
        required=True,
        values=CHANNELS,
    ),
    CLIENT_STATE,
    COMMAND_ID,
    Flag(
        name="play_beep",
        description="Play a beep to the party when the recording begins.",
        example=True,
    ),
    Integer(
        name="max_length",
        description="Seconds after which the recording stops by itself; 0 means never.",
        example=100,
        default=0,
        low=0,
        high=MAX_LENGTH_SECS,
    ),
    Integer(
        name="timeout_secs",
        description=(
            "Seconds of silence after which the recording stops, counted only once speech was "
            "heard; 0 means never."
        ),
        example=100,
        default=0,
        low=0,
    ),
    Choice(
        name="recording_track",
        description=(
            "What to record: `inbound` is what the party of this leg says, `outbound` what is "
            "sent to it. One track alone gives a mono file, whatever `channels` says."
        ),
        example="outbound",
        default="both",
        values=TRACKS,
    ),
    Choice(
        name="trim",
        description="`trim-silence` cuts silence off the beginning and the end of the file.",
        example="trim-silence",
        values=("trim-silence",),
    ),
    Text(
        name="custom_file_name",
        description=(
            "Name of the file instead of the call_leg_id; the Unix time is added in either case."
        ),
        example="my_recording_file_name",
        low=1,
        high=40,
    ),
    Flag(
        name="transcription",
        description="Transcribe the recording once it is finished.",
        example=True,
        default=False,
    ),
    Choice(
        name="transcription_engine",
        description=(
            "Speech engine: `A` (Google), `B` (Telnyx) or `deepgram/nova-3`, which takes only "
            "`en` and `en-…` languages."
        ),
        example="A",
        default="A",
        values=ENGINES,
    ),
    Choice(
        name="transcription_language",
        description="Language that is spoken. Not every engine knows every language.",
        example="en-US",
        default="en-US",
        values=LANGUAGES,
    ),
    Flag(
        name="transcription_profanity_filter",
        description="Mask swear words; engine `A` only.",
        example=True,
        default=False,
    ),
    Flag(
        name="transcription_speaker_diarization",
        description="Tell speakers apart; engine `A` only.",
        example=True,
        default=False,
    ),
    Integer(
        name="transcription_min_speaker_count",
        description="Fewest speakers to expect; engine `A` only.",
        example=4,
        default=2,
    ),
    Integer(
        name="transcription_max_speaker_count",
        description="Most speakers to expect; engine `A` only. Not below the fewest.",
        example=4,
        default=6,
    ),
)
RECORD_START_LENIENT: tuple[Field, ...] = tuple(
    replace(member, required=False, default="single") if member.name == "channels" else member
    for member in RECORD_START
)
"""For the setting ``strict_channels`` off."""

RECORD_STOP: tuple[Field, ...] = (
    CLIENT_STATE,
    COMMAND_ID,
    Text(
        name="recording_id",
        description="The recording to stop; without it all recordings of the call are stopped.",
        example="6a09cdc3-8948-47f0-aa62-74ac943d6c58",
        form=UUID,
    ),
)

RECORD_PAUSE: tuple[Field, ...] = (
    CLIENT_STATE,
    COMMAND_ID,
    Text(
        name="recording_id",
        description="The recording to pause; without it all of the call that run are paused.",
        example="6a09cdc3-8948-47f0-aa62-74ac943d6c58",
        form=UUID,
    ),
)
RECORD_RESUME: tuple[Field, ...] = (
    CLIENT_STATE,
    COMMAND_ID,
    Text(
        name="recording_id",
        description="The recording to go on with; without it all of the call that are paused.",
        example="6a09cdc3-8948-47f0-aa62-74ac943d6c58",
        form=UUID,
    ),
)
CLIENT_STATE_UPDATE: tuple[Field, ...] = (replace(CLIENT_STATE, required=True),)

RECORD_FROM_ANSWER: tuple[Field, ...] = (
    Choice(
        name="record",
        description="Record the call from its answer on.",
        example="record-from-answer",
        values=("record-from-answer",),
    ),
    Choice(
        name="record_channels",
        description="As `channels` of record_start.",
        example="dual",
        default="dual",
        values=CHANNELS,
    ),
    Choice(
        name="record_format",
        description="As `format` of record_start.",
        example="mp3",
        default="mp3",
        values=FORMATS,
    ),
    Text(
        name="record_custom_file_name",
        description="As `custom_file_name` of record_start.",
        example="my_recording_file_name",
        low=1,
        high=40,
    ),
    Integer(
        name="record_max_length",
        description="As `max_length` of record_start, with a higher bound.",
        example=1000,
        default=0,
        low=0,
        high=DIAL_MAX_LENGTH_SECS,
    ),
    Integer(
        name="record_timeout_secs",
        description="As `timeout_secs` of record_start.",
        example=100,
        default=0,
        low=0,
        refuse=errors.bad_record_timeout,
    ),
    Choice(
        name="record_track",
        description="As `recording_track` of record_start.",
        example="outbound",
        default="both",
        values=TRACKS,
    ),
    Choice(
        name="record_trim",
        description="As `trim` of record_start.",
        example="trim-silence",
        values=("trim-silence",),
    ),
)

ANSWER: tuple[Field, ...] = (
    CLIENT_STATE,
    COMMAND_ID,
    CUSTOM_HEADERS,
    Flag(
        name="send_silence_when_idle",
        description="Send silent packets while there is no other audio for the party.",
        example=False,
        default=False,
    ),
    *WEBHOOK_FIELDS,
    *RECORD_FROM_ANSWER,
)
REJECT: tuple[Field, ...] = (
    Choice(
        name="cause",
        description="What the caller is told: `CALL_REJECTED` (603) or `USER_BUSY` (486).",
        example="USER_BUSY",
        required=True,
        values=REJECT_CAUSES,
    ),
    CLIENT_STATE,
    COMMAND_ID,
)
HANGUP: tuple[Field, ...] = (CLIENT_STATE, COMMAND_ID, CUSTOM_HEADERS)
_PARK = Choice(
    name="park_after_unbridge",
    description=(
        "`self`: this leg stays up when the leg that it was connected with leaves it. Without it "
        "the leg is hung up then."
    ),
    example="self",
    values=("self",),
)
_PREVENT_DOUBLE_BRIDGE = Flag(
    name="prevent_double_bridge",
    description="Do not take the other leg away from a leg that it is connected with.",
    example=True,
    default=False,
)
BRIDGE: tuple[Field, ...] = (
    Text(
        name="call_control_id",
        description="The leg to connect with.",
        example="v3:MCG3gWxIBlKrZRR4S3Cy4RYnCnpkZmwnvLQhdaWF4wrGDEPDGXVJ0A",
        required=True,
        high=512,
        form=NAME,
    ),
    CLIENT_STATE,
    COMMAND_ID,
    _PARK,
    _PREVENT_DOUBLE_BRIDGE,
    *RECORD_FROM_ANSWER,
)

DIAL: tuple[Field, ...] = (
    SingleTarget(
        name="to",
        description=(
            "Whom to call: a +E.164 number or a SIP URI; an array with one of them is fine. Digits "
            "behind a comma are sent when the call is answered, as `send_digits_on_answer`."
        ),
        example="sip:bob@192.0.2.10",
        required=True,
        high=512,
        form=DIAL_ADDRESS,
    ),
    Text(
        name="from",
        description="Who calls: a +E.164 number or a SIP URI.",
        example="+18005550101",
        required=True,
        high=512,
        form=ADDRESS,
    ),
    Text(
        name="connection_id",
        description="Id of the call control application that the call belongs to.",
        example="1293384261075731499",
        required=True,
        high=64,
        form=NAME,
    ),
    Text(
        name="from_display_name",
        description="Name of the caller to show: letters, digits, blanks and `-_~!.+`.",
        example="Support desk",
        high=128,
        form=DISPLAY_NAME,
    ),
    Integer(
        name="timeout_secs",
        description="Seconds to wait for an answer.",
        example=60,
        default=30,
        low=5,
        high=600,
    ),
    Integer(
        name="time_limit_secs",
        description="Seconds after which an answered call is hung up.",
        example=600,
        default=14400,
        low=30,
        high=14400,
    ),
    Choice(
        name="sip_transport_protocol",
        description="How the INVITE is sent.",
        example="UDP",
        default="UDP",
        values=("UDP", "TCP"),
    ),
    Choice(
        name="media_encryption",
        description="Encryption of the audio: `SRTP` offers keys in the INVITE (SDES).",
        example="SRTP",
        default="disabled",
        values=("disabled", "SRTP"),
    ),
    CUSTOM_HEADERS,
    SIP_HEADERS,
    Text(
        name="sip_auth_username",
        description="User name for a digest challenge of the other side.",
        example="bob",
        high=256,
        form=PRINTABLE,
    ),
    Text(
        name="sip_auth_password",
        description="Password for a digest challenge of the other side.",
        example="secret",
        high=256,
        form=PRINTABLE,
    ),
    Text(
        name="link_to",
        description="call_control_id of a leg whose session the new leg joins.",
        example="v3:MCG3gWxIBlKrZRR4S3Cy4RYnCnpkZmwnvLQhdaWF4wrGDEPDGXVJ0A",
        high=512,
        form=PRINTABLE,
    ),
    Flag(
        name="bridge_on_answer",
        description="Connect the new leg with that of `link_to` as soon as it answers.",
        example=False,
        default=False,
    ),
    replace(_PARK, description=f"{_PARK.description} Needs `link_to`."),
    replace(
        _PREVENT_DOUBLE_BRIDGE,
        description=(
            "With `bridge_on_answer`: hang the new leg up if that of `link_to` is connected with "
            "another by then. Needs `link_to`."
        ),
    ),
    Text(
        name="send_digits_on_answer",
        description="Digits to send when the call is answered, as `digits` of send_dtmf.",
        example="ww200",
        high=64,
        form=DIGITS,
    ),
    CLIENT_STATE,
    replace(
        COMMAND_ID,
        description="Makes dialling safe to repeat: a second dial with the same id does nothing.",
    ),
    *WEBHOOK_FIELDS,
    *RECORD_FROM_ANSWER,
)

_OF_DIAL = {member.name: member for member in DIAL}

TRANSFER: tuple[Field, ...] = (
    _OF_DIAL["to"],
    Text(
        name="from",
        description="Who calls; by default the `to` of the call that is transferred.",
        example="+18005550101",
        high=512,
        form=ADDRESS,
    ),
    _OF_DIAL["from_display_name"],
    _OF_DIAL["timeout_secs"],
    _OF_DIAL["time_limit_secs"],
    Flag(
        name="early_media",
        description="Let the transferred party hear what the target sends before it answers.",
        example=True,
        default=True,
    ),
    _OF_DIAL["sip_transport_protocol"],
    _OF_DIAL["media_encryption"],
    CUSTOM_HEADERS,
    SIP_HEADERS,
    _OF_DIAL["sip_auth_username"],
    _OF_DIAL["sip_auth_password"],
    _OF_DIAL["send_digits_on_answer"],
    _PARK,
    CLIENT_STATE,
    replace(
        CLIENT_STATE,
        name="target_leg_client_state",
        description="The `client_state` of the new leg.",
    ),
    COMMAND_ID,
    *WEBHOOK_FIELDS,
    *RECORD_FROM_ANSWER,
)
