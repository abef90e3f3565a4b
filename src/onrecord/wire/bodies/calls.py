"""Bodies of dial and of the commands that are about the call itself (contract section 8)."""

from dataclasses import replace

from onrecord.wire.bodies.members import (
    CALL_CONTROL_ID,
    CLIENT_STATE,
    COMMAND_ID,
    CONNECTION_ID,
    CUSTOM_HEADERS,
    SIP_HEADERS,
    WEBHOOK_FIELDS,
)
from onrecord.wire.bodies.parties import (
    AUDIO_ON_ANSWER,
    HOLD_AFTER_UNBRIDGE,
    MUTE_DTMF,
    PREFERRED_CODECS,
    RINGTONE,
)
from onrecord.wire.bodies.recordings import RECORD_FROM_ANSWER
from onrecord.wire.fields import (
    ADDRESS,
    DIAL_ADDRESS,
    DIGITS,
    DISPLAY_NAME,
    PRINTABLE,
    Choice,
    Field,
    Flag,
    Integer,
    SingleTarget,
    Text,
)

REJECT_CAUSES = ("CALL_REJECTED", "USER_BUSY")

CLIENT_STATE_UPDATE: tuple[Field, ...] = (replace(CLIENT_STATE, required=True),)

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
    PREFERRED_CODECS,
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
    *WEBHOOK_FIELDS,
)
HANGUP: tuple[Field, ...] = (CLIENT_STATE, COMMAND_ID, CUSTOM_HEADERS, *WEBHOOK_FIELDS)

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
    CALL_CONTROL_ID,
    CLIENT_STATE,
    COMMAND_ID,
    _PARK,
    HOLD_AFTER_UNBRIDGE,
    _PREVENT_DOUBLE_BRIDGE,
    MUTE_DTMF,
    *RINGTONE,
    *WEBHOOK_FIELDS,
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
    CONNECTION_ID,
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
    replace(
        CALL_CONTROL_ID,
        name="link_to",
        description="call_control_id of a leg whose session the new leg joins.",
        required=False,
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
    PREFERRED_CODECS,
    *AUDIO_ON_ANSWER,
    replace(MUTE_DTMF, description=f"With `bridge_on_answer`. {MUTE_DTMF.description}"),
    *RINGTONE,
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
    PREFERRED_CODECS,
    *AUDIO_ON_ANSWER,
    MUTE_DTMF,
    *RINGTONE,
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
