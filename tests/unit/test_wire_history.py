"""Filters, cursors and resources of what happened, of transcriptions and of storage credentials."""

import json

import pytest

from onrecord.app.transcripts import RENDERERS
from onrecord.calls.lists import (
    CallEvent,
    CallEventFilter,
    Delivery,
    DeliveryFilter,
    Page,
    PageRequest,
    TranscriptionFilter,
)
from onrecord.calls.records import (
    Attempt,
    CommandRecord,
    EventState,
    Transcription,
    TranscriptionState,
)
from onrecord.core.errors import CallerError
from onrecord.wire import history, storage, transcriptions
from stored_records import an_event

S = 1_000_000_000


def code(work, *arguments):
    with pytest.raises(CallerError) as raised:
        work(*arguments)
    (fault,) = raised.value.faults
    return raised.value.status, fault.code, fault.parameter or fault.pointer


def test_every_filter_of_call_events():
    given = {
        "filter[leg_id]": "l",
        "filter[application_session_id]": "s",
        "filter[connection_id]": "c",
        "filter[outbound.outbound_voice_profile_id]": "v",
        "filter[from]": "f",
        "filter[to]": "t",
        "filter[name]": "call.hangup",
        "filter[product]": "call_control",
        "filter[type]": "webhook",
        "filter[status]": "completed",
        "filter[failed]": "true",
        "filter[application_name][contains]": "abc",
        "filter[occurred_at][gt]": "1970-01-01T00:00:01Z",
        "filter[occurred_at][lte]": "1970-01-01T00:00:02Z",
        "page[number]": "2",
    }
    assert history.parse_call_event_filter(given) == CallEventFilter(
        kind="webhook",
        name="call.hangup",
        call_leg_id="l",
        call_session_id="s",
        connection_id="c",
        application_name="abc",
        voice_profile="v",
        from_="f",
        to="t",
        failed=True,
        status="completed",
        product="call_control",
        occurred_gt_ns=S,
        occurred_lte_ns=2 * S,
    )


def test_every_filter_of_deliveries_and_transcriptions():
    assert history.parse_delivery_filter(
        {
            "filter[status][eq]": "failed",
            "filter[event_type]": "a.b,c.d",
            "filter[webhook][contains]": "w",
            "filter[attempts][contains]": "x",
            "filter[started_at][gte]": "1970-01-01T00:00:01Z",
            "filter[finished_at][lte]": "1970-01-01T00:00:02Z",
        }
    ) == DeliveryFilter(
        delivered=False,
        types=("a.b", "c.d"),
        body_contains="w",
        attempts_contain="x",
        started_gte_ns=S,
        finished_lte_ns=2 * S,
    )
    assert transcriptions.parse_transcription_filter(
        {"filter[recording_id]": "r", "filter[created_at][gte]": "1970-01-01T00:00:01Z"}
    ) == TranscriptionFilter("r", created_gte_ns=S)


@pytest.mark.parametrize(
    ("parse", "parameter", "value"),
    [
        (history.parse_call_event_filter, "filter[x]", "1"),
        (history.parse_call_event_filter, "filter[type]", "other"),
        (history.parse_call_event_filter, "filter[failed]", "yes"),
        (history.parse_call_event_filter, "filter[application_name][contains]", "ab"),
        (history.parse_call_event_filter, "filter[occurred_at][gte]", "yesterday"),
        (history.parse_delivery_filter, "filter[status][eq]", "pending"),
        (history.parse_delivery_filter, "filter[status]", "failed"),
        (history.parse_delivery_filter, "filter[event_type]", "a," * 60),
        (transcriptions.parse_transcription_filter, "filter[created_at][gt]", "1"),
    ],
)
def test_filters_that_are_refused(parse, parameter, value):
    assert code(parse, {parameter: value}) == (400, "10031", parameter)


def test_cursors_lead_through_the_numbered_pages():
    assert history.parse_cursor_page({"page[number]": "3", "page[size]": "7"}) == PageRequest(3, 7)
    assert history.parse_cursor_page({"page[limit]": "5"}) == PageRequest(1, 5)
    page = Page(("b",), 2, 1, 3)
    meta = history.cursor_page_body(page, [{}], "/v2/x")["meta"]
    assert meta["page_number"], meta["total_pages"] == (2, 3)
    assert meta["total_items"] == 3
    cursors = meta["cursors"]
    after = {"page[after]": cursors["after"], "page[limit]": "1"}
    assert history.parse_cursor_page(after) == PageRequest(3, 1)
    assert history.parse_cursor_page({"page[before]": cursors["before"]}) == PageRequest(1, 20)
    assert meta["next"] == "/v2/x?page[after]=page-3&page[limit]=1"
    only = history.cursor_page_body(Page((), 1, 20, 0), [], "/v2/x")["meta"]
    assert (only["next"], only["previous"], only["cursors"]) == (
        None,
        None,
        {"after": None, "before": None},
    )
    for bad in ("", "page-0", "page-x", "cGFnZSAy"):
        query = {"page[after]": bad}
        assert code(history.parse_cursor_page, query) == (400, "10015", "page[after]")


def test_resources_of_call_events():
    command = CommandRecord("i", "v3:1", "once", "answer", "leg-1", "session", "1", 5 * S)
    shown = history.call_event_resource(CallEvent(command))
    assert (shown["type"], shown["name"], shown["call_leg_id"]) == ("command", "answer", "leg-1")
    assert shown["event_timestamp"] == "1970-01-01T00:00:05.000000Z"
    event = an_event(1, state=EventState.DEAD, attempts=2)
    last = Attempt("event-1", 2, "http://b", 1, 2, None, "no answer")
    shown = history.call_event_resource(CallEvent(event=event, last=last))
    assert (shown["type"], shown["name"]) == ("webhook", "call.initiated")
    assert shown["metadata"] == {
        "event": json.loads(event.body),
        "connection_id": "1",
        "attempt": 2,
        "delivered_to": "http://b",
        "http_status": None,
        "status": "completed",
        "failed": True,
    }
    waiting = history.call_event_resource(CallEvent(event=an_event(1)))["metadata"]
    assert (waiting["status"], waiting["failed"], waiting["delivered_to"]) == ("init", False, None)


def test_resource_of_a_delivery():
    attempts = (
        Attempt("event-1", 1, "http://a", S, 2 * S, 503, None, {"Telnyx-Timestamp": "1"}),
        Attempt(
            "event-1",
            2,
            "http://b",
            3 * S,
            4 * S,
            200,
            response_headers=(("x-a", "1"), ("x-a", "2")),
            response_body="ok",
        ),
    )
    event = an_event(1, state=EventState.DELIVERED, attempts=2)
    shown = history.delivery_resource(Delivery(event, attempts))
    assert (shown["status"], shown["started_at"], shown["finished_at"]) == (
        "delivered",
        "1970-01-01T00:00:01.000000Z",
        "1970-01-01T00:00:04.000000Z",
    )
    newest, oldest = shown["attempts"]
    assert (newest["status"], newest["errors"]) == ("delivered", [])
    assert newest["http"]["response"] == {
        "status": 200,
        "headers": [["x-a", "1"], ["x-a", "2"]],
        "body": "ok",
    }
    assert (oldest["status"], oldest["errors"]) == ("failed", [75599])
    assert oldest["detail"] == "the receiver answered 503"
    assert oldest["http"]["request"]["headers"] == [["Telnyx-Timestamp", "1"]]


@pytest.mark.parametrize(
    ("status", "code"),
    [
        *[(None, 75000), (307, 75300), (400, 75400), (404, 75404), (410, 75499)],
        *[(500, 75500), (503, 75599), (700, 75000)],
    ],
)
def test_codes_of_failed_deliveries(status, code):
    delivery = Delivery(an_event(1, attempts=1), (Attempt("event-1", 1, "http://a", S, S, status),))
    (shown,) = history.delivery_resource(delivery)["attempts"]
    assert shown["errors"] == [code]
    assert (shown["http"]["response"] is None) == (status is None)


@pytest.mark.parametrize(
    ("query", "accept", "expected"),
    [
        ({}, "", "json"),
        ({}, "application/json", "json"),
        ({}, "text/vtt", "vtt"),
        ({}, "text/html, text/plain;q=0.5", "txt"),
        ({"format": "vtt"}, "text/plain", "vtt"),
    ],
)
def test_the_format_of_segments(query, accept, expected):
    assert transcriptions.parse_format(query, accept) == expected


def test_segments_are_rendered():
    assert code(transcriptions.parse_format, {"format": "srt"}, "") == (400, "10015", "format")
    words = [{"start_ms": 0, "end_ms": 900, "text": "Hello.", "confidence": None}]
    segment = {
        "start_ms": 0,
        "end_ms": 900,
        "channel": 0,
        "speaker": None,
        "text": "Hello.",
        "confidence": 0.9,
        "words": words,
    }
    made = Transcription(
        "t",
        "r",
        TranscriptionState.COMPLETED,
        "B",
        "en-US",
        created_ns=S,
        updated_ns=S,
        text="Hello.",
        segments=(segment,),
        duration_ms=1000,
    )
    assert RENDERERS["vtt"](made) == "WEBVTT\n\n00:00:00.000 --> 00:00:00.900\nHello.\n"
    assert RENDERERS["txt"](made) == "Hello.\n"
    assert transcriptions.segments_resource(made) == [segment]
    shown = transcriptions.transcription_resource(made)
    assert (shown["status"], shown["transcription_text"], shown["duration_millis"]) == (
        "completed",
        "Hello.",
        1000,
    )


S3 = {
    "bucket": "b",
    "region": "r",
    "aws_access_key_id": "id",
    "aws_secret_access_key": "very-secret",
}


def test_storage_bodies_and_what_is_shown_of_them():
    body = {"backend": "s3", "configuration": S3 | {"backend": "s3", "more": 1}}
    assert storage.parse_storage(body) == ("s3", S3)
    shown = storage.storage_resource("7", "s3", S3)
    assert "very-secret" not in json.dumps(shown)
    assert shown["connection_id"] == "7"
    assert shown["data"]["configuration"] == S3 | {
        "backend": "s3",
        "aws_secret_access_key": storage.MASK,
    }
    for secret in ("credentials", "account_key"):
        assert "hidden" not in json.dumps(storage.storage_resource("7", "x", {secret: "hidden"}))


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, ("10004", "/backend")),
        ({"backend": "ftp"}, ("10032", "/backend")),
        ({"backend": "s3"}, ("10004", "/configuration")),
        ({"backend": "s3", "configuration": []}, ("10026", "/configuration")),
        (
            {"backend": "gcs", "configuration": {"bucket": "b"}},
            ("10004", "/configuration/credentials"),
        ),
        (
            {"backend": "s3-generic", "configuration": S3 | {"endpoint": "minio"}},
            ("10003", "/configuration/endpoint"),
        ),
    ],
)
def test_storage_bodies_that_are_refused(body, expected):
    assert code(storage.parse_storage, body) == (422, *expected)


def test_a_storage_body_that_is_no_object():
    assert code(storage.parse_storage, [])[:2] == (400, "10015")
