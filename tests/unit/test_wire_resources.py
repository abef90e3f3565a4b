from api.fake_services import NOW_NS, make_leg, make_recording
from onrecord.calls.lists import Page
from onrecord.calls.records import Application, LegState, PhoneNumber, RecordingParams
from onrecord.wire.fidelity import report_resource
from onrecord.wire.resources import (
    application_resource,
    dialled_resource,
    leg_resource,
    number_resource,
    page_body,
    recording_resource,
)
from reported import gappy, kept

SECOND_NS = 10**9


def test_a_call_that_is_up():
    leg = make_leg(state=LegState.ANSWERED, client_state="YQ==")
    assert leg_resource(leg, NOW_NS + 50 * SECOND_NS + 999) == {
        "record_type": "call",
        "call_control_id": leg.call_control_id,
        "call_leg_id": leg.id,
        "call_session_id": leg.session_id,
        "client_state": "YQ==",
        "is_alive": True,
        "call_duration": 50,
        "start_time": "2026-02-03T04:05:06.007Z",
    }


def test_a_call_that_is_over():
    leg = make_leg(state=LegState.ENDED, ended_ns=NOW_NS + 5 * SECOND_NS)
    resource = leg_resource(leg, NOW_NS + 500 * SECOND_NS)
    assert resource["is_alive"] is False
    assert resource["call_duration"] == 5
    assert resource["end_time"] == "2026-02-03T04:05:11.007Z"
    assert resource["client_state"] is None


def test_a_call_just_dialled_is_never_alive():
    resource = dialled_resource(make_leg(), NOW_NS - 5, recording_id="r")
    assert (resource["is_alive"], resource["call_duration"]) == (False, 0)
    assert resource["recording_id"] == "r"


def test_a_recording():
    recording = make_recording()
    assert recording_resource(recording, "http://x/f") == {
        "record_type": "recording",
        "id": recording.id,
        "call_control_id": recording.call_control_id,
        "call_leg_id": recording.leg_id,
        "call_session_id": recording.session_id,
        "conference_id": None,
        "connection_id": recording.application_id,
        "channels": "dual",
        "source": "call",
        "initiated_by": "StartCallRecordingAPI",
        "status": "completed",
        "from": "+18005550101",
        "to": "+18005550100",
        "duration_millis": 60_000,
        "recording_started_at": "2026-02-03T04:05:06.007Z",
        "recording_ended_at": "2026-02-03T04:06:06.007Z",
        "created_at": "2026-02-03T04:05:06.007Z",
        "updated_at": "2026-02-03T04:06:07.007Z",
        "download_urls": {"mp3": "http://x/f"},
    }
    assert recording_resource(recording, None)["download_urls"] == {}
    mono = make_recording(params=RecordingParams("wav", "dual", track="outbound"))
    assert recording_resource(mono, "u")["channels"] == "single"


def test_how_faithful_a_recording_is():
    report = gappy()
    recording = make_recording(fidelity=report.fidelity)
    path = f"/v2/recordings/{recording.id}/report"
    assert recording_resource(recording, None)["fidelity"] == {
        "mos": 4.38,
        "loss_percent": 0.407,
        "gaps": 3,
        "gaps_millis": 11_040,
        "concealed_millis": 40,
        "tracks_without_audio": ["outbound"],
        "silent": False,
        "torn": False,
        "report_url": path,
    }
    assert "picture_url" not in recording_resource(recording, None)
    assert recording_resource(recording, None, "http://x/p")["picture_url"] == "http://x/p"
    assert "picture_url" not in recording_resource(make_recording(), None, "http://x/p")
    told = report_resource(recording, kept(report), "http://x/p")
    assert (told["record_type"], told["recording_id"]) == ("recording_report", recording.id)
    assert told["picture_url"] == "http://x/p"
    assert told["recording_started_at"] == "2026-02-03T04:05:06.007Z"
    inbound = told["tracks"]["inbound"]
    assert inbound["gaps"] == [
        {"start_millis": 2000.0, "duration_millis": 40.0, "cause": "loss", "packets": 2},
        {"start_millis": 5000.0, "duration_millis": 1000.0, "cause": "hold", "packets": 0},
    ]
    assert inbound["gap_totals"]["hold"] == {"count": 1, "duration_millis": 1000.0}
    assert (inbound["lost"], inbound["concealed_millis"]) == (2, 40.0)
    assert told["tracks"]["outbound"]["one_way"] is True
    assert [channel["silent"] for channel in told["channels"]] == [False, True]


def test_an_application_shows_defaults_under_what_was_given():
    document = {"dtmf_type": "Inband", "inbound": {"channel_limit": 3}}
    row = Application("1", "router", "https://x/", None, 2500, True, document, NOW_NS, NOW_NS)
    assert application_resource(row) == {
        "record_type": "call_control_application",
        "id": "1",
        "application_name": "router",
        "active": True,
        "webhook_event_url": "https://x/",
        "webhook_event_failover_url": None,
        "webhook_timeout_secs": 2,
        "anchorsite_override": "Latency",
        "call_cost_in_webhooks": False,
        "dtmf_type": "Inband",
        "first_command_timeout": False,
        "first_command_timeout_secs": 30,
        "redact_dtmf_debug_logging": False,
        "tags": [],
        "webhook_api_version": "2",
        "inbound": {
            "channel_limit": 3,
            "shaken_stir_enabled": False,
            "sip_subdomain": None,
            "sip_subdomain_receive_settings": "from_anyone",
        },
        "outbound": {"channel_limit": None, "outbound_voice_profile_id": None},
        "created_at": "2026-02-03T04:05:06.007Z",
        "updated_at": "2026-02-03T04:05:06.007Z",
    }


def test_a_number():
    resource = number_resource(PhoneNumber("+1", "2", NOW_NS, NOW_NS))
    assert (resource["id"], resource["phone_number"], resource["connection_id"]) == (
        "+1",
        "+1",
        "2",
    )
    assert resource["status"] == "active"


def test_a_page():
    page = Page(("a", "b"), 2, 2, 5)
    assert page_body(page, [{"id": "a"}, {"id": "b"}]) == {
        "data": [{"id": "a"}, {"id": "b"}],
        "meta": {"page_number": 2, "page_size": 2, "total_pages": 3, "total_results": 5},
    }
    assert page_body(Page((), 1, 20, 0), [])["meta"]["total_pages"] == 0
