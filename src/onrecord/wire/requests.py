"""Request bodies to commands: every ``parse_*`` takes a JSON value and gives a checked command.

All of them raise :class:`CallerError` with every fault of the body (422), or that it is no object
(400), and nothing else.
"""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

from onrecord.calls.commands import (
    Answer,
    ApplicationFields,
    Bridge,
    ClientStateUpdate,
    Dial,
    Hangup,
    RecordPause,
    RecordResume,
    RecordStart,
    RecordStop,
    Reject,
    Transfer,
)
from onrecord.calls.media import FromFolder, FromUrl
from onrecord.calls.records import Application, Header, RecordingParams, WebhookTarget
from onrecord.core.ids import ApplicationId, CallControlId, RecordingId
from onrecord.wire import errors
from onrecord.wire.bodies import calls, recordings, resources
from onrecord.wire.bodies.members import WEBHOOK_FIELDS
from onrecord.wire.fields import ADDRESS, ROUTE, SENT_ON_ANSWER, Field, Reading, read
from onrecord.wire.languages import ENGLISH

_MS_PER_S = 1000
_KEPT_CHARACTERS = 255


def parse_record_start(body: object, *, strict_channels: bool = True) -> RecordStart:
    """POST …/actions/record_start; ``strict_channels`` off takes absent channels for ``single``."""
    fields = recordings.RECORD_START if strict_channels else recordings.RECORD_START_LENIENT
    # The reference page of the command does not have them, but all commands may carry them.
    reading = read((*fields, *WEBHOOK_FIELDS), members_of(body))
    _check_transcription(reading)
    reading.refuse_faults()
    values = reading.values
    params = RecordingParams(
        format=values["format"],
        channels=values["channels"],
        track=values["recording_track"],
        custom_file_name=values["custom_file_name"],
        play_beep=values["play_beep"] or False,
        max_length_secs=values["max_length"],
        timeout_secs=values["timeout_secs"],
        trim=values["trim"],
        transcription=values["transcription"],
        transcription_engine=values["transcription_engine"],
        transcription_language=values["transcription_language"],
        transcription_profanity_filter=values["transcription_profanity_filter"],
        transcription_speaker_diarization=values["transcription_speaker_diarization"],
        transcription_min_speaker_count=values["transcription_min_speaker_count"],
        transcription_max_speaker_count=values["transcription_max_speaker_count"],
    )
    return RecordStart(params, **carried(values))


def parse_record_stop(body: object) -> RecordStop:
    """POST …/actions/record_stop."""
    values = _read(recordings.RECORD_STOP, body)
    return RecordStop(_recording_id(values), **carried(values))


def parse_record_pause(body: object) -> RecordPause:
    """POST …/actions/record_pause."""
    values = _read(recordings.RECORD_PAUSE, body)
    return RecordPause(_recording_id(values), **carried(values))


def parse_record_resume(body: object) -> RecordResume:
    """POST …/actions/record_resume."""
    values = _read(recordings.RECORD_RESUME, body)
    return RecordResume(_recording_id(values), **carried(values))


def parse_client_state_update(body: object) -> ClientStateUpdate:
    """PUT …/actions/client_state_update."""
    return ClientStateUpdate(_read(calls.CLIENT_STATE_UPDATE, body)["client_state"])


def parse_answer(body: object) -> Answer:
    """POST …/actions/answer."""
    values = _read(calls.ANSWER, body)
    return Answer(
        **carried(values),
        custom_headers=_headers(values["custom_headers"]),
        send_silence_when_idle=values["send_silence_when_idle"],
        preferred_codecs=_codecs(values),
        record=_record_from_answer(values),
    )


def parse_reject(body: object) -> Reject:
    """POST …/actions/reject."""
    values = _read(calls.REJECT, body)
    return Reject(values["cause"], **carried(values))


def parse_hangup(body: object) -> Hangup:
    """POST …/actions/hangup."""
    values = _read(calls.HANGUP, body)
    return Hangup(custom_headers=_headers(values["custom_headers"]), **carried(values))


def parse_bridge(body: object) -> Bridge:
    """POST …/actions/bridge."""
    values = _read(calls.BRIDGE, body)
    return Bridge(
        other=CallControlId(values["call_control_id"]),
        **carried(values),
        record=_record_from_answer(values),
        park_after_unbridge=values["park_after_unbridge"] is not None
        or values["hold_after_unbridge"],
        prevent_double_bridge=values["prevent_double_bridge"],
        mute_dtmf=values["mute_dtmf"],
        ringtone=_ringtone(values),
    )


def parse_transfer(body: object) -> Transfer:
    """POST …/actions/transfer."""
    values = _read(calls.TRANSFER, body)
    to, digits = split_digits(values["to"])
    return Transfer(
        to=to,
        from_=values["from"],
        caller_name=values["from_display_name"] or "",
        timeout_secs=values["timeout_secs"],
        time_limit_secs=values["time_limit_secs"],
        transport=values["sip_transport_protocol"],
        encrypted=values["media_encryption"] == "SRTP",
        early_media=values["early_media"],
        custom_headers=_headers(values["custom_headers"]),
        sip_headers=_headers(values["sip_headers"]),
        auth_username=values["sip_auth_username"],
        auth_password=values["sip_auth_password"],
        park_after_unbridge=values["park_after_unbridge"] is not None,
        **carried(values),
        target_client_state=values["target_leg_client_state"],
        **_parties(values),
        send_digits=values["send_digits_on_answer"] or digits,
        record=_record_from_answer(values),
    )


_NEEDS_LINK = ("bridge_on_answer", "park_after_unbridge", "prevent_double_bridge")


def parse_dial(body: object) -> Dial:
    """POST /v2/calls."""
    reading = read(calls.DIAL, members_of(body))
    values = reading.values
    needs_link = any(values[name] for name in _NEEDS_LINK)
    if needs_link and values["link_to"] is None and reading.sound("link_to"):
        reading.add_fault("link_to", errors.missing("link_to"))
    reading.refuse_faults()
    return _dial(values)


def _dial(values: dict[str, Any]) -> Dial:
    link = values["link_to"]
    to, digits = split_digits(values["to"])
    return Dial(
        application_id=ApplicationId(values["connection_id"]),
        to=to,
        from_=values["from"],
        caller_name=values["from_display_name"] or "",
        timeout_secs=values["timeout_secs"],
        time_limit_secs=values["time_limit_secs"],
        transport=values["sip_transport_protocol"],
        encrypted=values["media_encryption"] == "SRTP",
        custom_headers=_headers(values["custom_headers"]),
        sip_headers=_headers(values["sip_headers"]),
        auth_username=values["sip_auth_username"],
        auth_password=values["sip_auth_password"],
        link_to=None if link is None else CallControlId(link),
        bridge_on_answer=values["bridge_on_answer"],
        park_after_unbridge=values["park_after_unbridge"] is not None,
        prevent_double_bridge=values["prevent_double_bridge"],
        **_parties(values),
        send_digits=values["send_digits_on_answer"] or digits,
        client_state=values["client_state"],
        command_id=command_id_of(values),
        webhook=_webhook(values),
        record=_record_from_answer(values),
    )


def _parties(values: dict[str, Any]) -> dict[str, Any]:
    """What dial and transfer have in common of what the parties hear; a URL goes before a file's name."""
    audio: FromUrl | FromFolder | None = None
    if values["audio_url"] is not None:
        audio = FromUrl(values["audio_url"])
    elif values["media_name"] is not None:
        audio = FromFolder(values["media_name"])
    return {
        "mute_dtmf": values["mute_dtmf"],
        "ringtone": _ringtone(values),
        "audio": audio,
        "preferred_codecs": _codecs(values),
    }


def _ringtone(values: dict[str, Any]) -> str | None:
    return values["ringtone"] if values["play_ringtone"] else None


def _codecs(values: dict[str, Any]) -> tuple[str, ...]:
    names = (name.strip().upper() for name in (values["preferred_codecs"] or "").split(","))
    return tuple(dict.fromkeys(name for name in names if name))


def split_digits(to: str) -> tuple[str, str]:
    """An address and the digits that ``to`` has behind a comma, as in ``+18005550100,200``."""
    address, _, digits = to.rpartition(",")
    if re.fullmatch(SENT_ON_ANSWER, digits) and ADDRESS.check("to", address) is None:
        return address, digits
    return to, ""


def parse_application(body: object, base: Application | None = None) -> ApplicationFields:
    """POST (``base`` None) and PATCH of an application: what is absent keeps the value of ``base``."""
    reading = read(resources.APPLICATION, members_of(body))
    reading.refuse_faults()
    given = {name: reading.values[name] for name in reading.given}
    kept = _kept(base) if base else ApplicationFields(name="", webhook_url="")
    timeout_ms = kept.webhook_timeout_ms
    if "webhook_timeout_secs" in given:
        timeout_ms = (given["webhook_timeout_secs"] or 0) * _MS_PER_S or None
    return ApplicationFields(
        name=given["application_name"],
        webhook_url=given["webhook_event_url"],
        webhook_failover_url=given.get("webhook_event_failover_url", kept.webhook_failover_url)
        or None,
        webhook_timeout_ms=timeout_ms,
        active=given.get("active", kept.active),
        document=_document(kept, given),
    )


_COLUMNS = frozenset(
    {
        "application_name",
        "webhook_event_url",
        "webhook_event_failover_url",
        "webhook_timeout_secs",
        "active",
    }
)


def _kept(base: Application) -> ApplicationFields:
    return ApplicationFields(
        base.name,
        base.webhook_url,
        base.webhook_failover_url,
        base.webhook_timeout_ms,
        base.active,
        base.document,
    )


def _document(kept: ApplicationFields, given: dict[str, Any]) -> dict[str, object]:
    document = dict(kept.document)
    for name, value in given.items():
        if name in _COLUMNS:
            continue
        old = document.get(name)
        if isinstance(value, dict) and isinstance(old, dict):
            document[name] = old | value
        else:
            document[name] = list(value) if isinstance(value, tuple) else value
    return document


def parse_number(address: str, body: object) -> tuple[str, ApplicationId]:
    """PATCH /v2/phone_numbers/{address}: the checked address and the application to route it to."""
    path = "phone_number"
    if not 1 <= len(address) <= 128:
        raise errors.bad_length(path, 1, 128)
    if fault := ROUTE.check(path, address):
        raise fault
    values = _read(resources.PHONE_NUMBER, body)
    return address, ApplicationId(values["connection_id"])


def parse_recording_ids(body: object) -> tuple[RecordingId, ...]:
    """POST /v2/recordings/actions/delete."""
    values = _read(recordings.RECORDING_IDS, body)
    return tuple(RecordingId(item.lower()) for item in values["ids"])


def members_of(body: object) -> dict[str, object]:
    """The body as an object.

    Raises:
        CallerError: it is something else.
    """
    if not isinstance(body, dict):
        raise errors.not_an_object()
    return body


def _read(fields: Sequence[Field], body: object) -> dict[str, Any]:
    reading = read(fields, members_of(body))
    reading.refuse_faults()
    return reading.values


def _check_transcription(reading: Reading) -> None:
    values = reading.values
    low, high = "transcription_min_speaker_count", "transcription_max_speaker_count"
    if reading.sound(low, high) and values[low] > values[high]:
        reading.add_fault(low, errors.min_above_max(low, high))
    language = "transcription_language"
    deepgram = values["transcription_engine"] == recordings.DEEPGRAM
    if deepgram and reading.sound(language) and values[language] not in ENGLISH:
        reading.add_fault(language, errors.not_allowed(language, ENGLISH))


def command_id_of(values: dict[str, Any]) -> str | None:
    """The command_id as it is kept: ids may have any length, but not every database can index all lengths.

    An empty id would make all commands that carry it one command, so it counts as none.
    """
    given: str = values["command_id"] or ""
    if len(given) > _KEPT_CHARACTERS:
        return hashlib.sha256(given.encode()).hexdigest()
    return given or None


def carried(values: dict[str, Any]) -> dict[str, Any]:
    """What every command of a call may carry: its client_state, command_id and webhook."""
    return {
        "client_state": values["client_state"],
        "command_id": command_id_of(values),
        "webhook": _webhook_given(values),
    }


def _recording_id(values: dict[str, Any]) -> RecordingId | None:
    wanted = values["recording_id"]
    return None if wanted is None else RecordingId(wanted.lower())


def _headers(items: Sequence[dict[str, str]] | None) -> tuple[Header, ...]:
    return tuple(Header(item["name"], item["value"]) for item in items or ())


def _webhook(values: dict[str, Any]) -> WebhookTarget:
    policies = values["webhook_retries_policies"] or {}
    return WebhookTarget(
        url=values["webhook_url"],
        method=values["webhook_url_method"],
        urls=values["webhook_urls"] or {},
        urls_method=values["webhook_urls_method"],
        retry_ms={kind: policy["retries_ms"] for kind, policy in policies.items()},
    )


def _webhook_given(values: dict[str, Any]) -> WebhookTarget | None:
    """None where the command leaves the webhooks of the call as they are."""
    target = _webhook(values)
    return target if target.url or target.urls or target.retry_ms else None


def _record_from_answer(values: dict[str, Any]) -> RecordingParams | None:
    if values["record"] is None:
        return None
    return RecordingParams(
        format=values["record_format"],
        channels=values["record_channels"],
        track=values["record_track"],
        custom_file_name=values["record_custom_file_name"],
        max_length_secs=values["record_max_length"],
        timeout_secs=values["record_timeout_secs"],
        trim=values["record_trim"],
    )
