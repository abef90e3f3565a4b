import pytest

from onrecord.calls.lists import PageRequest, RecordingFilter
from onrecord.core.errors import CallerError
from onrecord.core.units import parse_iso
from onrecord.wire.body import parse_json
from onrecord.wire.queries import parse_application_list, parse_page, parse_recording_filter


def refusal(parse, query):
    with pytest.raises(CallerError) as caught:
        parse(query)
    assert caught.value.status == 400
    (fault,) = caught.value.faults
    return fault.code, fault.parameter


def test_pages_have_defaults_and_two_spellings():
    assert parse_page({}) == PageRequest(1, 20)
    assert parse_page({"page[number]": "3", "page[size]": "250"}) == PageRequest(3, 250)
    assert parse_page({"page_number": "2", "page_size": "1"}) == PageRequest(2, 1)
    assert parse_page({"page[number]": "0", "page_size": "0"}) == PageRequest(1, 20)


@pytest.mark.parametrize("value", ["-1", "x", "", "1.5", "251", "٣", "9" * 5000])
def test_page_nonsense_names_the_parameter(value):
    assert refusal(parse_page, {"page[size]": value}) == ("10015", "page[size]")
    assert refusal(parse_page, {"page_size": value}) == ("10015", "page_size")
    if value != "251":
        assert refusal(parse_page, {"page[number]": value}) == ("10015", "page[number]")


def test_recording_filters():
    wanted = parse_recording_filter(
        {
            "filter[call_leg_id]": "leg",
            "filter[from]": "+1",
            "filter[sip_call_id]": "x@y",
            "filter[created_at][gte]": "2026-02-03T04:05:06Z",
            "filter[end_time][lte]": "2026-02-03T04:05:06 00:00",
            "filter[start_time][lte]": "9999-01-01",
            "other": "x",
        }
    )
    moment = parse_iso("2026-02-03T04:05:06Z")
    assert wanted == RecordingFilter(
        call_leg_id="leg",
        from_="+1",
        sip_call_id="x@y",
        created_gte_ns=moment,
        ended_lte_ns=moment,
        started_lte_ns=2**63 - 1,
    )


@pytest.mark.parametrize(
    ("parameter", "value"),
    [
        ("filter[nothing]", "x"),
        ("filter[created_at]", "2026-01-01"),
        ("filter[created_at][eq]", "2026-01-01"),
        ("filter[created_at][gte]", "yesterday"),
        ("filter[from][gte]", "x"),
        ("filter", "x"),
        ("filter[from", "x"),
    ],
)
def test_a_bad_recording_filter_is_refused(parameter, value):
    assert refusal(parse_recording_filter, {parameter: value}) == ("10031", parameter)


def test_application_list():
    assert parse_application_list({}) == (None, "created_at")
    query = {"filter[application_name][contains]": "rou", "sort": "-connection_name"}
    assert parse_application_list(query) == ("rou", "-connection_name")
    assert refusal(parse_application_list, {"filter[application_name][contains]": "ro"}) == (
        "10031",
        "filter[application_name][contains]",
    )
    assert refusal(parse_application_list, {"filter[leg_id]": "x"}) == ("10031", "filter[leg_id]")
    assert refusal(parse_application_list, {"sort": "name"}) == ("10015", "sort")


def test_json_bodies():
    assert parse_json(b"") == {}
    assert parse_json(b" \r\n") == {}
    assert parse_json(b'{"a": [1, null]}') == {"a": [1, None]}
    assert parse_json(b'{"a": "\\u00e4\\ud83d\\ude00\\\\u0000"}') == {"a": "ä😀\\u0000"}


@pytest.mark.parametrize(
    ("raw", "code"),
    [
        (b"{", "10023"),
        (b"nope", "10023"),
        (b'{"a": NaN}', "10023"),
        (b'{"a": -Infinity}', "10023"),
        (b"9" * 5000, "10023"),
        (b"[" * 100_000, "10023"),
        (b'{"a":' * 100_000, "10023"),
        (b"\xef\xbb\xbf{}", "10023"),
        (b'{"a": "\xff"}', "10028"),
        ('{"a": 1}'.encode("utf-16"), "10028"),
        (b'{"a": "\\ud800"}', "10028"),
        (b'{"a": "\\u0000"}', "10028"),
        (b'{"\\u0000": 1}', "10028"),
    ],
)
def test_bytes_that_are_no_json(raw, code):
    with pytest.raises(CallerError) as caught:
        parse_json(raw)
    assert (caught.value.status, caught.value.faults[0].code) == (400, code)
