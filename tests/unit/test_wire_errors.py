import inspect
import json

import pytest

from onrecord.core.errors import CallerError, Fault
from onrecord.wire import errors

SAMPLES = {
    "missing": (errors.missing("to"), 422, "10004", "/to"),
    "not_allowed": (errors.not_allowed("format", ("wav", "mp3")), 422, "10032", "/format"),
    "out_of_range": (errors.out_of_range("max_length", 1, 5000), 422, "10033", "/max_length"),
    "min_above_max": (errors.min_above_max("a", "b"), 422, "10033", "/a"),
    "bad_length": (errors.bad_length("custom_file_name", 1, 40), 422, "10025", "/custom_file_name"),
    "wrong_type": (errors.wrong_type("max_length", "integer"), 422, "10026", "/max_length"),
    "invalid_value": (errors.invalid_value("x", "No."), 422, "10015", "/x"),
    "wrong_count": (errors.wrong_count("ids", 1, 5), 422, "10015", "/ids"),
    "client_state_not_base64": (errors.client_state_not_base64(), 422, "10015", "/client_state"),
    "invalid_url": (errors.invalid_url("webhook_url"), 422, "10003", "/webhook_url"),
    "bad_record_timeout": (errors.bad_record_timeout("x", 0, 9), 422, "90049", "/x"),
    "not_event_types": (errors.not_event_types("webhook_urls"), 422, "90057", "/webhook_urls"),
    "waits_too_long": (errors.waits_too_long("x", 60000), 422, "10033", "/x"),
    "not_e164": (errors.not_e164("to"), 422, "10016", "/to"),
    "invalid_loop": (errors.invalid_loop(), 422, "90009", "/loop"),
    "invalid_payload": (errors.invalid_payload("No."), 422, "90010", "/payload"),
    "invalid_payload_type": (errors.invalid_payload_type(["a"]), 422, "90011", "/payload_type"),
    "invalid_voice": (errors.invalid_voice(), 422, "90012", "/voice"),
    "invalid_language": (errors.invalid_language(["a"]), 422, "90013", "/language"),
    "invalid_digits": (errors.invalid_digits(), 422, "90014", "/digits"),
    "invalid_stop": (errors.invalid_stop(["a"]), 422, "90016", "/stop"),
    "invalid_duration": (errors.invalid_duration(1, 5000), 422, "90027", "/duration_millis"),
    "invalid_service_level": (errors.invalid_service_level(["a"]), 422, "90030", "/service_level"),
    "audio_not_usable": (errors.audio_not_usable("x"), 400, "90040", "/x"),
    "no_opposite_leg": (errors.no_opposite_leg(), 422, "10027", "/target_legs"),
    "no_speech": (errors.no_speech(), 422, "10027", None),
    "no_digits": (errors.no_digits(), 422, "10027", None),
    "invalid_call_control_id": (
        errors.invalid_call_control_id(),
        422,
        "90015",
        "/call_control_id",
    ),
    "call_ended": (errors.call_ended(), 422, "90018", None),
    "call_not_answered": (errors.call_not_answered(), 422, "90034", None),
    "recording_before_audio": (errors.recording_before_audio(), 422, "90020", None),
    "cannot_answer_outgoing": (errors.cannot_answer_outgoing(), 422, "90102", None),
    "call_already_answered": (errors.call_already_answered(), 422, "10027", None),
    "already_bridged": (errors.already_bridged(), 422, "10027", "/call_control_id"),
    "not_recording": (errors.not_recording(), 422, "10027", None),
    "recording_paused": (errors.recording_paused(), 422, "10027", None),
    "recording_not_paused": (errors.recording_not_paused(), 422, "10027", None),
    "unknown_connection": (errors.unknown_connection(), 422, "10015", "/connection_id"),
    "unprocessable": (errors.unprocessable("No."), 422, "10027", None),
    "not_found": (errors.not_found("recording"), 404, "10005", None),
    "not_finished": (errors.not_finished(), 404, "10005", None),
    "unknown_route": (errors.unknown_route("GET", "/x"), 404, "10005", None),
    "unknown_command": (errors.unknown_command("gather"), 404, "10005", None),
    "method_not_allowed": (errors.method_not_allowed("PUT", ["GET"]), 405, "10030", None),
    "unauthorized": (errors.unauthorized(), 401, "10009", None),
    "link_refused": (errors.link_refused(), 403, "10010", None),
    "unsupported_media_type": (errors.unsupported_media_type("text/xml"), 415, "10014", None),
    "invalid_json": (errors.invalid_json("why"), 400, "10023", None),
    "not_an_object": (errors.not_an_object(), 400, "10015", None),
    "invalid_encoding": (errors.invalid_encoding(), 400, "10028", None),
    "malformed_request": (errors.malformed_request("No."), 400, "10015", None),
    "invalid_filter": (errors.invalid_filter("filter[x]", "No."), 400, "10031", None),
    "body_too_large": (errors.body_too_large(1024), 413, "10015", None),
    "body_too_slow": (errors.body_too_slow(), 408, "10015", None),
    "head_too_large": (errors.head_too_large(1024), 431, "10015", None),
    "range_not_satisfiable": (errors.range_not_satisfiable(10), 416, "10033", None),
    "too_many_requests": (errors.too_many_requests(), 429, "10011", None),
    "unavailable": (errors.unavailable("Full."), 503, "10037", None),
    "unexpected": (errors.unexpected(), 500, "10007", None),
}


@pytest.mark.parametrize("name", SAMPLES)
def test_every_error_has_its_status_code_and_pointer(name):
    error, status, code, pointer = SAMPLES[name]
    assert error.status == status
    (entry,) = errors.error_body(error)["errors"]
    assert entry["code"] == code
    assert entry["title"]
    assert entry["detail"].endswith((".", "5000", "40"))
    assert entry.get("source", {}).get("pointer") == pointer
    assert entry["meta"] == {"url": f"/docs/errors#{code}"}
    assert json.loads(json.dumps(entry)) == entry


def test_every_function_that_makes_an_error_is_tested_here():
    made = {
        name
        for name, function in inspect.getmembers(errors, inspect.isfunction)
        if function.__module__ == errors.__name__
        and not name.startswith("_")
        and inspect.signature(function).return_annotation is CallerError
    }
    assert made == {*SAMPLES, "combine"}


def test_texts_are_those_of_the_reference_page():
    def detail(error):
        return error.faults[0].detail

    assert detail(errors.missing("to")) == "The 'to' parameter is required and cannot be blank."
    assert detail(errors.not_allowed("c", ("single", "dual"))) == (
        "The value must be one of: dual, single."
    )
    assert detail(errors.out_of_range("m", 1, 5000)) == (
        "The value is outside of allowed range 1 to 5000"
    )
    assert detail(errors.invalid_call_control_id()) == "The call_control_id provided was not valid."
    assert errors.call_not_answered().faults[0].title == "Call not answered yet"
    assert errors.recording_before_audio().faults[0].title == (
        "Call recording triggered before audio started"
    )


def test_combine_keeps_the_order_and_takes_faults_as_well():
    both = errors.combine([errors.missing("a"), Fault("10032", "t", "d", "/b")])
    assert both.status == 422
    assert [fault.pointer for fault in both.faults] == ["/a", "/b"]


def test_a_query_parameter_is_named_as_parameter():
    (entry,) = errors.error_body(errors.invalid_filter("filter[x]", "No."))["errors"]
    assert entry["source"] == {"parameter": "filter[x]"}


def test_every_code_in_use_has_a_title():
    for error, *_ in SAMPLES.values():
        assert error.faults[0].code in errors.TITLES
