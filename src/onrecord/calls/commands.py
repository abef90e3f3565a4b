"""Commands of an application, parsed and checked for form; whether they may happen is not known here."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from onrecord.calls.media import PromptSource
from onrecord.calls.records import Header, RecordingParams, WebhookTarget
from onrecord.core.ids import ApplicationId, CallControlId, RecordingId


@dataclass(frozen=True, slots=True)
class Dial:
    """POST /v2/calls."""

    application_id: ApplicationId
    to: str
    """A SIP URI or a +E.164 number."""
    from_: str
    caller_name: str = ""
    timeout_secs: int = 30
    time_limit_secs: int = 14400
    transport: str = "UDP"
    encrypted: bool = False
    """The audio is to be SRTP."""
    custom_headers: tuple[Header, ...] = ()
    sip_headers: tuple[Header, ...] = ()
    auth_username: str | None = None
    auth_password: str | None = None
    link_to: CallControlId | None = None
    bridge_on_answer: bool = False
    park_after_unbridge: bool = False
    """The leg stays up when the leg that it was bridged with leaves it."""
    prevent_double_bridge: bool = False
    """Hang up on the answer instead of parting the leg of ``link_to`` from another."""
    mute_dtmf: str = "none"
    """As of a bridge of the new leg with that of ``link_to``."""
    ringtone: str | None = None
    """Country of the tone that the leg of ``link_to`` hears while the new one rings."""
    audio: PromptSource | None = None
    """What the called party hears on its answer, before it is bridged."""
    preferred_codecs: tuple[str, ...] = ()
    """As of an answer."""
    send_digits: str = ""
    """Sent as telephone-events once the call is answered."""
    client_state: str | None = None
    command_id: str | None = None
    webhook: WebhookTarget = field(default_factory=WebhookTarget)
    record: RecordingParams | None = None
    """Set when the call is to be recorded from its answer."""


@dataclass(frozen=True, slots=True)
class Answer:
    """POST /v2/calls/{id}/actions/answer."""

    client_state: str | None = None
    command_id: str | None = None
    custom_headers: tuple[Header, ...] = ()
    send_silence_when_idle: bool = False
    preferred_codecs: tuple[str, ...] = ()
    """Encoding names, upper case, best first; names that we do not speak count for nothing."""
    webhook: WebhookTarget | None = None
    record: RecordingParams | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """POST /v2/calls/{id}/actions/reject."""

    cause: str
    """``CALL_REJECTED`` or ``USER_BUSY``."""
    client_state: str | None = None
    command_id: str | None = None
    webhook: WebhookTarget | None = None


@dataclass(frozen=True, slots=True)
class Hangup:
    """POST /v2/calls/{id}/actions/hangup."""

    client_state: str | None = None
    command_id: str | None = None
    custom_headers: tuple[Header, ...] = ()
    webhook: WebhookTarget | None = None


@dataclass(frozen=True, slots=True)
class Bridge:
    """POST /v2/calls/{id}/actions/bridge."""

    other: CallControlId
    client_state: str | None = None
    command_id: str | None = None
    record: RecordingParams | None = None
    park_after_unbridge: bool = False
    """The leg of the command stays up when the other one leaves it."""
    prevent_double_bridge: bool = False
    """Refuse instead of parting the other leg from one that it is bridged with."""
    mute_dtmf: str = "none"
    """Who gets no digits of the other: ``self``, the leg of the command, ``opposite``, ``both`` or ``none``."""
    ringtone: str | None = None
    """Country of the tone that the leg hears while the other one still rings; None: it must be answered."""
    webhook: WebhookTarget | None = None


@dataclass(frozen=True, slots=True)
class Transfer:
    """POST /v2/calls/{id}/actions/transfer."""

    to: str
    """A SIP URI or a +E.164 number."""
    from_: str | None = None
    """None: what the caller of the transferred call had dialled."""
    caller_name: str = ""
    timeout_secs: int = 30
    time_limit_secs: int = 14400
    transport: str = "UDP"
    encrypted: bool = False
    """The audio of the new leg is to be SRTP."""
    early_media: bool = True
    """What the target sends before its answer is heard by the transferred party."""
    custom_headers: tuple[Header, ...] = ()
    sip_headers: tuple[Header, ...] = ()
    auth_username: str | None = None
    auth_password: str | None = None
    park_after_unbridge: bool = False
    client_state: str | None = None
    target_client_state: str | None = None
    mute_dtmf: str = "none"
    """As of a bridge of the transferred leg with the new one."""
    ringtone: str | None = None
    """Country of the tone that the transferred party hears while the target rings."""
    audio: PromptSource | None = None
    """What the target hears on its answer, before it is bridged."""
    preferred_codecs: tuple[str, ...] = ()
    """As of an answer."""
    send_digits: str = ""
    """Sent to the new leg once it is answered."""
    command_id: str | None = None
    webhook: WebhookTarget | None = None
    """Of the new leg; None: that of the transferred leg."""
    record: RecordingParams | None = None
    """Set when the new leg is to be recorded from its answer."""


@dataclass(frozen=True, slots=True)
class RecordStart:
    """POST /v2/calls/{id}/actions/record_start."""

    params: RecordingParams
    client_state: str | None = None
    command_id: str | None = None
    webhook: WebhookTarget | None = None


@dataclass(frozen=True, slots=True)
class RecordStop:
    """POST /v2/calls/{id}/actions/record_stop."""

    recording_id: RecordingId | None = None
    """None: all recordings of the leg."""
    client_state: str | None = None
    command_id: str | None = None
    webhook: WebhookTarget | None = None


@dataclass(frozen=True, slots=True)
class RecordPause:
    """POST /v2/calls/{id}/actions/record_pause."""

    recording_id: RecordingId | None = None
    """None: all recordings of the leg that run."""
    client_state: str | None = None
    command_id: str | None = None
    webhook: WebhookTarget | None = None


@dataclass(frozen=True, slots=True)
class RecordResume:
    """POST /v2/calls/{id}/actions/record_resume."""

    recording_id: RecordingId | None = None
    """None: all recordings of the leg that pause."""
    client_state: str | None = None
    command_id: str | None = None
    webhook: WebhookTarget | None = None


@dataclass(frozen=True, slots=True)
class PlaybackStart:
    """POST /v2/calls/{id}/actions/playback_start."""

    source: PromptSource
    loops: int | None = 1
    """None: without end."""
    overlay: bool = False
    stop: str | None = None
    """``current`` or ``all``: what is played already ends first."""
    targets: str = "self"
    """``self``, ``opposite`` or ``both``."""
    client_state: str | None = None
    command_id: str | None = None
    webhook: WebhookTarget | None = None


@dataclass(frozen=True, slots=True)
class PlaybackStop:
    """POST /v2/calls/{id}/actions/playback_stop."""

    stop: str = "all"
    """``current`` or ``all``."""
    overlay: bool = False
    client_state: str | None = None
    command_id: str | None = None
    webhook: WebhookTarget | None = None


@dataclass(frozen=True, slots=True)
class SendDtmf:
    """POST /v2/calls/{id}/actions/send_dtmf."""

    digits: str
    """Of ``0123456789ABCD*#`` and the pauses ``w`` and ``W``."""
    duration_ms: int = 250
    client_state: str | None = None
    command_id: str | None = None
    webhook: WebhookTarget | None = None


@dataclass(frozen=True, slots=True)
class ClientStateUpdate:
    """PUT /v2/calls/{id}/actions/client_state_update."""

    client_state: str
    command_id: None = None
    webhook: None = None
    """The command has neither."""


@dataclass(frozen=True, slots=True)
class ApplicationFields:
    """POST and PATCH /v2/call_control_applications: all that an application may set."""

    name: str
    webhook_url: str
    webhook_failover_url: str | None = None
    webhook_timeout_ms: int | None = None
    """None: the server's default."""
    active: bool = True
    document: Mapping[str, object] = field(default_factory=dict)
    """The other members of the resource (contract section 8.5)."""


@dataclass(frozen=True, slots=True)
class CommandResult:
    """What a command that was carried out, or had been before, answers."""

    call_control_id: CallControlId
    recording_id: RecordingId | None = None
    """The recording that the command started."""
