"""The errors that a caller can get: their codes, texts and JSON body (contract sections 3, 5 and 13).

Each function gives a :class:`CallerError` that is ready to be raised; several of them become one
with :func:`combine`.
"""

from collections.abc import Iterable
from types import MappingProxyType

from onrecord.core.errors import CallerError, Fault

TITLES = MappingProxyType(
    {
        "10003": "Invalid URL",
        "10004": "Missing required parameter",
        "10005": "Resource not found",
        "10007": "Unexpected error",
        "10009": "Authentication failed",
        "10010": "Authorization failed",
        "10011": "Too many requests",
        "10014": "Unsupported media type",
        "10015": "Bad request",
        "10016": "Phone number must be in +E164 format",
        "10023": "Invalid JSON",
        "10025": "Invalid string length",
        "10026": "Invalid parameter type",
        "10027": "Unprocessable entity",
        "10028": "Invalid encoding",
        "10030": "Method not allowed",
        "10031": "Invalid filter",
        "10032": "Invalid enumerated value",
        "10033": "Value outside of range",
        "10037": "Service unavailable",
        "90009": "Invalid value for loop",
        "90010": "Invalid value for payload",
        "90011": "Invalid value for payload_type",
        "90012": "Invalid value for voice",
        "90013": "Invalid value for language",
        "90014": "Invalid value for digits",
        "90015": "Invalid Call Control ID",
        "90016": "Invalid value for stop",
        "90018": "Call has already ended",
        "90020": "Call recording triggered before audio started",
        "90027": "Invalid value for duration_millis",
        "90030": "Invalid value for service_level",
        "90034": "Call not answered yet",
        "90040": "Audio file could not be used",
        "90049": "Invalid value for record_timeout_secs",
        "90057": "Invalid webhook_urls",
        "90102": "Outbound call cannot be answered",
    }
)
"""Every code that the server gives, with the title that goes with it unless a fault has its own."""

DOCUMENTATION = "/docs/errors"
"""Page of this server that explains the codes; ``meta.url`` points into it."""


def _fault(
    status: int,
    code: str,
    detail: str,
    *,
    title: str | None = None,
    pointer: str | None = None,
    parameter: str | None = None,
) -> CallerError:
    return CallerError(status, Fault(code, title or TITLES[code], detail, pointer, parameter))


def pointer_to(field: str) -> str:
    """JSON pointer (RFC 6901) to a member: ``a/0/b`` names members inside members."""
    return f"/{field}"


# Form of a body (contract section 5.1); ``field`` is a member, or a path such as ``custom_headers/0/name``.


def missing(field: str) -> CallerError:
    """A required member is absent, null or blank."""
    detail = f"The '{field}' parameter is required and cannot be blank."
    return _fault(422, "10004", detail, pointer=pointer_to(field))


def not_allowed(field: str, allowed: Iterable[str]) -> CallerError:
    """A value is none of ``allowed``; the text lists them in alphabetical order."""
    detail = f"The value must be one of: {', '.join(sorted(allowed))}."
    return _fault(422, "10032", detail, pointer=pointer_to(field))


def out_of_range(field: str, low: int, high: int) -> CallerError:
    """A number is below ``low`` or above ``high``."""
    detail = f"The value is outside of allowed range {low} to {high}"
    return _fault(422, "10033", detail, pointer=pointer_to(field))


def bad_record_timeout(field: str, low: int, high: int) -> CallerError:
    """``record_timeout_secs`` of dial and the like is out of range."""
    detail = f"The value is outside of allowed range {low} to {high}."
    return _fault(422, "90049", detail, pointer=pointer_to(field))


def min_above_max(low_field: str, high_field: str) -> CallerError:
    """The lower of two bounds that the caller gave is above the upper one."""
    detail = f"The value of '{low_field}' must not be above that of '{high_field}'."
    return _fault(422, "10033", detail, pointer=pointer_to(low_field))


def bad_length(field: str, low: int, high: int | None) -> CallerError:
    """A text has fewer than ``low`` or more than ``high`` characters."""
    bounds = f"at least {low}" if high is None else f"{low} to {high}"
    detail = f"The length must be {bounds} characters."
    return _fault(422, "10025", detail, pointer=pointer_to(field))


def wrong_type(field: str, expected: str) -> CallerError:
    """A value has another JSON type; ``expected`` is its name in JSON Schema."""
    article = "an" if expected[0] in "aeiou" else "a"
    detail = f"The '{field}' parameter must be {article} {expected}."
    return _fault(422, "10026", detail, pointer=pointer_to(field))


def invalid_value(field: str, detail: str) -> CallerError:
    """A value has the right type and is still not usable; ``detail`` says why."""
    title = f"Invalid value for {field}"
    return _fault(422, "10015", detail, title=title, pointer=pointer_to(field))


def wrong_count(field: str, low: int, high: int) -> CallerError:
    """An array has fewer than ``low`` or more than ``high`` items."""
    return invalid_value(field, f"The array must have {low} to {high} items.")


def client_state_not_base64(field: str = "client_state") -> CallerError:
    """``client_state`` is not base64."""
    return invalid_value(field, f"The {field} provided is not a valid Base-64 encoded string.")


def invalid_url(field: str) -> CallerError:
    """A URL is not http or https, has no host or is over 2000 characters."""
    detail = f"The '{field}' parameter must be an http or https URL of at most 2000 characters."
    return _fault(422, "10003", detail, pointer=pointer_to(field))


def not_event_types(field: str) -> CallerError:
    """The names of an object are not types of events."""
    detail = f"The names in '{field}' must be types of webhook events, such as call.hangup."
    return _fault(422, "90057", detail, pointer=pointer_to(field))


def waits_too_long(field: str, most_ms: int) -> CallerError:
    """The waits of a retry policy are together over ``most_ms``."""
    detail = f"The delays of one event must not be over {most_ms} ms together."
    return _fault(422, "10033", detail, pointer=pointer_to(field))


def not_e164(field: str) -> CallerError:
    """A number is neither +E.164 nor a SIP URI."""
    detail = f"The '{field}' parameter must be in E164 format."
    return _fault(422, "10016", detail, pointer=pointer_to(field))


# What is played into a call (contract section 8.3)


def invalid_loop() -> CallerError:
    """``loop`` is neither 1 to 100 nor ``infinity``."""
    detail = "The value must be a whole number from 1 to 100, or 'infinity'."
    return _fault(422, "90009", detail, pointer="/loop")


def invalid_payload(detail: str) -> CallerError:
    """``payload`` of speak cannot be spoken."""
    return _fault(422, "90010", detail, pointer="/payload")


def invalid_payload_type(allowed: Iterable[str]) -> CallerError:
    """``payload_type`` is none that there is."""
    return _one_of("90011", "payload_type", allowed)


def invalid_voice() -> CallerError:
    """``voice`` is no name of a voice."""
    detail = "The value must be 'male', 'female' or the name of a voice."
    return _fault(422, "90012", detail, pointer="/voice")


def invalid_language(allowed: Iterable[str]) -> CallerError:
    """``language`` is none that there is."""
    return _one_of("90013", "language", allowed)


def invalid_digits(field: str = "digits") -> CallerError:
    """Digits hold something that is neither a digit nor a pause."""
    detail = "The value may hold 0-9, A-D, '*' and '#', and the pauses 'w' and 'W'."
    return _fault(422, "90014", detail, pointer=pointer_to(field))


def invalid_stop(allowed: Iterable[str]) -> CallerError:
    """``stop`` is none that there is."""
    return _one_of("90016", "stop", allowed)


def invalid_duration(low: int, high: int) -> CallerError:
    """``duration_millis`` is out of its range."""
    detail = f"The value is outside of allowed range {low} to {high}"
    return _fault(422, "90027", detail, pointer="/duration_millis")


def invalid_service_level(allowed: Iterable[str]) -> CallerError:
    """``service_level`` is none that there is."""
    return _one_of("90030", "service_level", allowed)


def audio_not_usable(field: str) -> CallerError:
    """The audio that a command brings is neither WAV nor MP3."""
    return _fault(400, "90040", "The audio is neither WAV nor MP3.", pointer=pointer_to(field))


def no_opposite_leg() -> CallerError:
    """``target_legs`` names the other leg of a call that is not bridged."""
    return unprocessable("This call is not bridged: it has no opposite leg.", "/target_legs")


def no_speech() -> CallerError:
    """``speak``, and no speech engine is installed."""
    detail = "No speech engine is installed on this server; its operator can install espeak-ng."
    return unprocessable(detail)


def no_digits() -> CallerError:
    """``send_dtmf`` to a party that takes no telephone-events."""
    return unprocessable("The party of this call did not agree to take digits (RFC 4733).")


def _one_of(code: str, field: str, allowed: Iterable[str]) -> CallerError:
    detail = f"The value must be one of: {', '.join(sorted(allowed))}."
    return _fault(422, code, detail, pointer=pointer_to(field))


# State (contract section 5.2)


def invalid_call_control_id(pointer: str = "/call_control_id") -> CallerError:
    """No leg has this token; bridge and dial point at the member that carried it."""
    return _fault(422, "90015", "The call_control_id provided was not valid.", pointer=pointer)


def call_ended() -> CallerError:
    """The leg is over."""
    return _fault(422, "90018", "This call is no longer active and can't receive commands.")


def call_not_answered() -> CallerError:
    """The leg is ringing."""
    detail = "This call can't receive this command because it has not been answered yet."
    return _fault(422, "90034", detail)


def recording_before_audio() -> CallerError:
    """The leg is answered but its audio is not set up."""
    detail = "Call recording cannot be started until audio has commenced on the call."
    return _fault(422, "90020", detail)


def cannot_answer_outgoing() -> CallerError:
    """``answer`` was sent to a leg that we dialled."""
    return _fault(422, "90102", "The answer command is only for incoming calls.")


def call_already_answered() -> CallerError:
    """``answer`` or ``reject`` was sent to a leg that is answered."""
    return unprocessable("This call has been answered already.")


def already_bridged() -> CallerError:
    """``prevent_double_bridge``, and the other leg is bridged."""
    return unprocessable("The call to bridge with is bridged to another call.", "/call_control_id")


def not_recording() -> CallerError:
    """``record_stop`` on a leg that records nothing."""
    return unprocessable("This call is not being recorded.")


def recording_paused() -> CallerError:
    """``record_pause`` where everything pauses already."""
    return unprocessable("The recording is paused already.")


def recording_not_paused() -> CallerError:
    """``record_resume`` where nothing pauses."""
    return unprocessable("The recording is not paused.")


def unknown_connection(field: str = "connection_id") -> CallerError:
    """No usable application has this id."""
    title = "Invalid value for connection_id (Call Control App ID)"
    detail = (
        "The requested connection_id (Call Control App ID) is either invalid or does not exist. "
        "Only Call Control Apps with valid webhook URL are accepted."
    )
    return _fault(422, "10015", detail, title=title, pointer=pointer_to(field))


def unprocessable(detail: str, pointer: str | None = None) -> CallerError:
    """The state of things does not allow the command; ``detail`` says what is in the way."""
    return _fault(422, "10027", detail, pointer=pointer)


# The HTTP edge (contract section 13)


def not_found(what: str, pointer: str | None = None) -> CallerError:
    """``what`` (``recording``, ``application``) does not exist."""
    return _fault(404, "10005", f"The requested {what} does not exist.", pointer=pointer)


def not_finished() -> CallerError:
    """The recording exists, but what is asked for comes with its file."""
    detail = "The recording is not finished yet; call.recording.saved will tell when it is."
    return _fault(404, "10005", detail)


def unknown_route(method: str, path: str) -> CallerError:
    """Nothing is served there."""
    return _fault(404, "10005", f"There is nothing at {method} {path}.")


def unknown_command(name: str) -> CallerError:
    """Telnyx may have this call command; this server has not."""
    return _fault(404, "10005", f"onrecord does not have the call command '{name}'.")


def method_not_allowed(method: str, allowed: Iterable[str]) -> CallerError:
    """The path exists, the method does not."""
    return _fault(405, "10030", f"{method} is not allowed here; use {', '.join(allowed)}.")


def unauthorized() -> CallerError:
    """The API key is absent, unknown or revoked."""
    detail = (
        "No valid API key was found in the request. Send it as 'Authorization: Bearer <API key>'."
    )
    return _fault(401, "10009", detail)


def link_refused() -> CallerError:
    """The signature of a link is wrong, or its time is over."""
    return _fault(403, "10010", "This link is not valid or has expired; ask for a new one.")


def unsupported_media_type(given: str) -> CallerError:
    """The body is not declared as JSON."""
    return _fault(415, "10014", f"The body must be application/json, not {given}.")


def invalid_json(reason: str) -> CallerError:
    """The body is not JSON (RFC 8259)."""
    return _fault(400, "10023", f"The body is not valid JSON: {reason}.")


def not_an_object() -> CallerError:
    """The body is JSON, but not an object."""
    return _fault(400, "10015", "The body must be a JSON object.")


def invalid_encoding() -> CallerError:
    """The body is not UTF-8, or has an unpaired surrogate or a NUL in a text."""
    return _fault(400, "10028", "The body must be UTF-8 text without NUL or unpaired surrogates.")


def malformed_request(detail: str, parameter: str | None = None) -> CallerError:
    """The request as a whole, or one query parameter, cannot be read."""
    return _fault(400, "10015", detail, parameter=parameter)


def invalid_filter(parameter: str, detail: str) -> CallerError:
    """A query parameter that narrows a list is not usable."""
    return _fault(400, "10031", detail, parameter=parameter)


def body_too_large(limit_bytes: int) -> CallerError:
    """The body is over the limit of the settings."""
    return _fault(413, "10015", f"The body must not be over {limit_bytes} bytes.")


def body_too_slow() -> CallerError:
    """The body did not arrive in time."""
    return _fault(408, "10015", "The body did not arrive in time.")


def head_too_large(limit_bytes: int) -> CallerError:
    """Request line and headers are over the limit."""
    return _fault(431, "10015", f"The headers must not be over {limit_bytes} bytes.")


def range_not_satisfiable(size_bytes: int) -> CallerError:
    """The ``Range`` header asks for nothing that the file has."""
    return _fault(416, "10033", f"The file has {size_bytes} bytes; the range lies outside of it.")


def too_many_requests() -> CallerError:
    """The API key has used up its rate for now."""
    return _fault(429, "10011", "This API key makes too many requests; wait a little.")


def unavailable(detail: str) -> CallerError:
    """A limit is reached; the same request may succeed later."""
    return _fault(503, "10037", detail)


def unexpected() -> CallerError:
    """A fault of ours."""
    return _fault(500, "10007", "An unexpected error occurred; the server's log has the reason.")


def combine(errors: Iterable[CallerError | Fault]) -> CallerError:
    """One error (422) that carries all faults, in the order given."""
    faults: list[Fault] = []
    for error in errors:
        faults.extend([error] if isinstance(error, Fault) else error.faults)
    return CallerError(422, *faults)


def error_body(error: CallerError) -> dict[str, object]:
    """The JSON body of an error answer; never raises."""
    return {"errors": [_entry(fault) for fault in error.faults]}


def _entry(fault: Fault) -> dict[str, object]:
    entry: dict[str, object] = {"code": fault.code, "title": fault.title, "detail": fault.detail}
    source = {
        name: value
        for name, value in (("pointer", fault.pointer), ("parameter", fault.parameter))
        if value is not None
    }
    if source:
        entry["source"] = source
    entry["meta"] = {"url": f"{DOCUMENTATION}#{fault.code}"}
    return entry
