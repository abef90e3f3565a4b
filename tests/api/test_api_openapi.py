"""The OpenAPI document: complete, true to the reference of record_start, and made of working examples."""

import json
from pathlib import Path

import httpx
import jsonschema_rs
import pytest

from api.api_server import running_api
from api.fake_services import NOW_NS, FakeFiles, Fakes, make_leg, make_recording
from onrecord.api.app import always_ready, api_routers
from onrecord.api.openapi import document
from onrecord.api.pages import errors_page, reference_page
from onrecord.calls.media import FromUrl
from onrecord.calls.records import LegState, StopReason, Transcription, TranscriptionState
from onrecord.core.clock import SystemClock
from onrecord.core.ids import TranscriptionId
from onrecord.core.settings import Settings
from onrecord.rtp.stats import LegStats
from onrecord.wire import events, sounds
from onrecord.wire.errors import TITLES
from onrecord.wire.fidelity import report_resource
from onrecord.wire.resources import recording_resource
from reported import gappy, kept

SPEC = document()
REFERENCE = Path(__file__).with_name("record_start_parameters.json")
FACTS = ("type", "format", "enum", "default", "minimum", "maximum", "minLength", "maxLength")
UNDOCUMENTED = {
    ("/v2/calls/{call_control_id}/actions/{name}", "POST"),
    ("/openapi.json", "GET"),
    ("/docs", "GET"),
    ("/docs/errors", "GET"),
}
"""Routes that only refuse, and the document's own."""

OPERATIONS = [
    (path, method, item[method])
    for path, item in SPEC["paths"].items()
    for method in ("get", "post", "patch", "put", "delete", "head")
    if method in item
]


def resolve(schema):
    """The document's schema with its own components at hand."""
    return jsonschema_rs.validator_for(schema | {"components": SPEC["components"]})


def test_record_start_is_the_reference():
    wanted = json.loads(REFERENCE.read_text())["parameters"]
    schema = SPEC["components"]["schemas"]["StartCallRecordRequest"]
    assert list(schema["properties"]) == [fact["name"] for fact in wanted]
    assert schema["required"] == [fact["name"] for fact in wanted if fact["required"]]
    for fact in wanted:
        ours = schema["properties"][fact["name"]]
        assert {key: ours[key] for key in FACTS if key in ours} == {
            key: fact[key] for key in FACTS if key in fact
        }, fact["name"]
    language = schema["properties"]["transcription_language"]
    assert len(language["enum"]) == 245


def test_every_route_is_described_and_every_description_is_served(tmp_path):
    services = Fakes(FakeFiles(tmp_path)).services()
    routers = api_routers(services, Settings(), always_ready, SystemClock())
    served = {
        (route.path.replace(":path", ""), method)
        for router in routers
        for route in router.routes
        for method in route.methods
    }
    described = {(path, method.upper()) for path, method, _ in OPERATIONS}
    assert served - UNDOCUMENTED == described


def test_ids_are_unique_and_references_lead_somewhere():
    ids = [operation["operationId"] for _, _, operation in OPERATIONS]
    assert len(ids) == len(set(ids))
    text = json.dumps(SPEC)
    for piece in text.split('"#/components/schemas/')[1:]:
        assert piece.partition('"')[0] in SPEC["components"]["schemas"]


def test_everything_has_words_and_every_member_an_example_that_fits():
    for name, schema in SPEC["components"]["schemas"].items():
        if not name.endswith("Request"):
            continue
        for member, described in schema.get("properties", {}).items():
            assert described["description"].endswith((".", "…")), member
            assert described["examples"], member
            for example in described["examples"]:
                resolve(described).validate(example)
    for path, _, operation in OPERATIONS:
        assert operation["summary"], path
        assert "default" in operation["responses"] or operation["security"] == []


def test_security_is_bearer_except_where_it_is_not_needed():
    assert SPEC["components"]["securitySchemes"] == {
        "bearerAuth": {"type": "http", "scheme": "bearer"}
    }
    for path, _, operation in OPERATIONS:
        assert ("security" in operation) == (not path.startswith("/v2"))
        if path.startswith("/v2"):
            assert "401" in operation["responses"]


def test_error_examples_have_the_shape_of_errors():
    errors = resolve(SPEC["components"]["schemas"]["Errors"])
    seen = set()
    for _, _, operation in OPERATIONS:
        for response in operation["responses"].values():
            for example in (
                response.get("content", {}).get("application/json", {}).get("examples", {}).values()
            ):
                errors.validate(example["value"])
                seen |= {entry["code"] for entry in example["value"]["errors"]}
    assert {"10004", "10032", "10033", "90015", "90018", "90034", "10009"} <= seen <= set(TITLES)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with running_api(tmp_path_factory.mktemp("files")) as server:
        yield server


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=server.base, headers=server.headers()) as http:
        yield http


BODIES = [entry for entry in OPERATIONS if "requestBody" in entry[2]]


@pytest.mark.parametrize("entry", BODIES, ids=lambda entry: entry[2]["operationId"])
def test_the_examples_of_bodies_work(server, http, entry):
    path, method, operation = entry
    leg = server.fakes.calls.add(make_leg(state=LegState.ANSWERED))
    made = http.post(
        "/v2/call_control_applications",
        json={"application_name": "a", "webhook_event_url": "http://x/"},
    ).json()["data"]
    url = path.format(
        call_control_id=leg.call_control_id,
        application_id=made["id"],
        connection_id=made["id"],
        address="+18005550100",
    )
    for example in operation["requestBody"]["content"]["application/json"]["examples"].values():
        response = http.request(method, url, json=example["value"])
        status = str(response.status_code)
        assert status in ("200", "201")
        described = operation["responses"][status]["content"]["application/json"]["schema"]
        resolve(described).validate(response.json())


def test_events_are_as_the_webhooks_section_says():
    leg = make_leg(state=LegState.ENDED, offered_codecs=("PCMU",), codec="PCMU", ended_ns=NOW_NS)
    recording = make_recording(stop_reason=StopReason.HANGUP, fidelity=gappy().fidelity)
    event_id = "0ccc7b54-4df3-4bca-a65a-3da1ecc777f0"
    stats = LegStats(packets_received=5, packets_sent=5)
    made = {
        "call.initiated": events.call_initiated(leg, event_id, NOW_NS),
        "call.answered": events.call_answered(leg, event_id, NOW_NS),
        "call.bridged": events.call_bridged(leg, event_id, NOW_NS),
        "call.hangup": events.call_hangup(leg, stats, event_id, NOW_NS),
        "call.recording.saved": events.recording_saved(recording, leg, "u", event_id, NOW_NS),
        "call.recording.error": events.recording_error(
            recording, events.REASON_INTERNAL, event_id, NOW_NS
        ),
    }
    transcription = Transcription(
        id=TranscriptionId("9d0fd0aa-3e59-4c2a-8a4f-1c1f0d9c6c11"),
        recording_id=recording.id,
        state=TranscriptionState.COMPLETED,
        engine="B",
        language="en",
        created_ns=NOW_NS,
        updated_ns=NOW_NS,
        text="Hello.",
    )
    made["call.recording.transcription.saved"] = events.transcription_saved(
        transcription, recording, leg, event_id, NOW_NS
    )
    url = FromUrl("http://x/a.wav")
    made |= {
        "call.playback.started": sounds.playback_started(leg, url, event_id, NOW_NS),
        "call.playback.ended": sounds.playback_ended(
            leg, url, ("failed", "no audio"), event_id, NOW_NS
        ),
        "call.speak.started": sounds.speak_started(leg, event_id, NOW_NS),
        "call.speak.ended": sounds.speak_ended(leg, "failed", "no engine", event_id, NOW_NS),
        "call.dtmf.received": sounds.dtmf_received(leg, "#", event_id, NOW_NS),
    }
    assert set(SPEC["webhooks"]) == set(made)
    for name, text in made.items():
        described = SPEC["components"]["schemas"][f"Event.{name}"]
        data = json.loads(text)
        meta = {"attempt": 1, "delivered_to": "http://x/"}
        resolve(described).validate({"data": data, "meta": meta})
        known = described["properties"]["data"]["properties"]["payload"]["properties"]
        assert set(data["payload"]) - set(known) <= {"codec", "sampling_rate"}
    quiet = json.loads(events.call_hangup(leg, None, event_id, NOW_NS))
    resolve(SPEC["components"]["schemas"]["Event.call.hangup"]).validate(
        {"data": quiet, "meta": {"attempt": 1, "delivered_to": "u"}}
    )


def test_a_report_is_as_described():
    report = gappy()
    recording = make_recording(fidelity=report.fidelity)
    described = SPEC["components"]["schemas"]["RecordingReport"]
    told = report_resource(recording, kept(report), "http://x/p")
    resolve(described).validate(told)
    assert set(told) == set(described["properties"])
    track = described["properties"]["tracks"]["additionalProperties"]
    assert set(told["tracks"]["inbound"]) == set(track["properties"])
    [channel, _] = told["channels"]
    assert set(channel) == set(described["properties"]["channels"]["items"]["properties"])
    member = recording_resource(recording, None, "http://x/p")
    resolve(SPEC["components"]["schemas"]["Recording"]).validate(member)
    shown = SPEC["components"]["schemas"]["Recording"]["properties"]["fidelity"]
    assert set(member["fidelity"]) == set(shown["properties"])


def test_the_server_gives_the_document_out(http):
    response = http.get("/openapi.json")
    assert response.headers["content-type"] == "application/json"
    assert response.json() == json.loads(json.dumps(SPEC))
    assert response.json()["openapi"].startswith("3.1")


def test_the_pages_show_everything_and_load_nothing_from_elsewhere():
    page = reference_page()
    for path, _, operation in OPERATIONS:
        assert f"<code>{path}</code>" in page
        assert f'id="{operation["operationId"]}"' in page
    for parameter in json.loads(REFERENCE.read_text())["parameters"]:
        assert f"<code>{parameter['name']}" in page
    codes = errors_page()
    for code, title in TITLES.items():
        assert f'id="{code}"' in codes
        assert title in codes
    for text in (page, codes):
        assert "<script" not in text
        assert "src=" not in text
        assert "<link" not in text
