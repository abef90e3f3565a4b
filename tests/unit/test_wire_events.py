"""The official SDK decides what an event is by validating it: it must see each of ours as its class."""

import base64
import json
import time
from dataclasses import replace
from datetime import UTC, datetime

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from telnyx import Telnyx
from telnyx.types import (
    CallAnsweredWebhookEvent,
    CallBridgedWebhookEvent,
    CallHangupWebhookEvent,
    CallInitiatedWebhookEvent,
    CallRecordingErrorWebhookEvent,
    CallRecordingSavedWebhookEvent,
    CallRecordingTranscriptionSavedWebhookEvent,
)

from api.fake_services import NOW_NS, make_leg, make_recording
from onrecord.calls.records import (
    Direction,
    HangupCause,
    HangupSource,
    Header,
    LegState,
    RecordingParams,
    Transcription,
    TranscriptionState,
)
from onrecord.core.ids import RecordingId, TranscriptionId
from onrecord.rtp.stats import LegStats
from onrecord.wire import events
from reported import gappy, report_on

EVENT_ID = "0ccc7b54-4df3-4bca-a65a-3da1ecc777f0"
OCCURRED = datetime(2026, 2, 3, 4, 5, 6, 7000, UTC)
STATE = "aGF2ZSBhIG5pY2UgZGF5ID1d"
STATS = LegStats(
    packets_received=2500,
    packets_lost=25,
    packets_sent=2400,
    packets_sent_lost=12,
    jitter_max_ms=1.25,
)


@pytest.fixture(scope="module")
def client():
    with Telnyx(api_key="k", base_url="http://127.0.0.1:9/v2") as client:
        yield client


@pytest.fixture
def unwrap(client):
    """Sign a body as a webhook and have the SDK verify and read it."""
    private = Ed25519PrivateKey.generate()
    key = base64.b64encode(private.public_key().public_bytes_raw()).decode()

    def unwrap(data_text):
        body = f'{{"data":{data_text},"meta":{{"attempt":1,"delivered_to":"http://x/"}}}}'
        stamp = str(int(time.time()))
        signature = private.sign(f"{stamp}|{body}".encode())
        headers = {
            "Telnyx-Timestamp": stamp,
            "Telnyx-Signature-Ed25519": base64.b64encode(signature).decode(),
        }
        return client.webhooks.unwrap(body, headers=headers, key=key)

    return unwrap


def check_common(event, kind):
    assert event.data.record_type == "event"
    assert event.data.event_type == kind
    assert event.data.id == EVENT_ID
    assert event.data.occurred_at == OCCURRED
    payload = event.data.payload
    assert payload.call_leg_id == "4e9b7f3c-6f0e-4a52-9d6d-0a7b3c1f2e11"
    assert payload.call_session_id == "b3ad1d9e-7c36-4c0e-8f5e-2f3a9c7d6e22"
    assert payload.connection_id == "1293384261075731499"
    assert payload.call_control_id == make_leg().call_control_id
    return payload


@pytest.mark.parametrize(
    ("direction", "state"), [(Direction.INCOMING, "parked"), (Direction.OUTGOING, "bridging")]
)
def test_initiated(unwrap, direction, state):
    leg = make_leg(
        direction=direction,
        client_state=STATE,
        custom_headers=(Header("X-Ticket", "4711"),),
        sip_headers=(Header("user-to-user", "1"), Header("Other", "2"), Header("Diversion", "3")),
        offered_codecs=("PCMU", "PCMA"),
    )
    event = unwrap(events.call_initiated(leg, EVENT_ID, NOW_NS))
    assert isinstance(event, CallInitiatedWebhookEvent)
    payload = check_common(event, "call.initiated")
    assert (payload.direction, payload.state) == (direction.value, state)
    assert (payload.from_, payload.to) == ("+18005550101", "+18005550100")
    assert payload.caller_id_name == "Ann"
    assert payload.client_state == STATE
    assert payload.start_time == OCCURRED
    assert [(h.name, h.value) for h in payload.custom_headers] == [("X-Ticket", "4711")]
    assert [(h.name, h.value) for h in payload.sip_headers] == [
        ("User-to-User", "1"),
        ("Diversion", "3"),
    ]
    assert payload.offered_codecs == "PCMU,PCMA"
    assert payload.tags == []
    assert payload.calling_party_type == "sip"
    assert payload.from_sip_uri == "sip:+18005550101@192.0.2.20"


def test_answered(unwrap):
    leg = make_leg(state=LegState.ANSWERED, codec="PCMU", answered_ns=NOW_NS)
    event = unwrap(events.call_answered(leg, EVENT_ID, NOW_NS))
    assert isinstance(event, CallAnsweredWebhookEvent)
    payload = check_common(event, "call.answered")
    assert payload.state == "answered"
    assert payload.client_state is None
    assert (payload.codec, payload.sampling_rate) == ("PCMU", 8000)
    wide = json.loads(events.call_answered(replace(leg, codec="G722"), EVENT_ID, NOW_NS))
    assert wide["payload"]["sampling_rate"] == 16000
    bare = json.loads(events.call_answered(replace(leg, codec=None), EVENT_ID, NOW_NS))
    assert "codec" not in bare["payload"]


def test_bridged(unwrap):
    event = unwrap(events.call_bridged(make_leg(state=LegState.BRIDGED), EVENT_ID, NOW_NS))
    assert isinstance(event, CallBridgedWebhookEvent)
    payload = check_common(event, "call.bridged")
    assert (payload.from_, payload.to) == ("+18005550101", "+18005550100")


@pytest.mark.parametrize("cause", HangupCause)
@pytest.mark.parametrize("source", HangupSource)
def test_hangup_with_every_cause_and_source(unwrap, cause, source):
    leg = make_leg(
        state=LegState.ENDED,
        hangup_cause=cause,
        hangup_source=source,
        sip_hangup_cause="486",
        ended_ns=NOW_NS,
    )
    event = unwrap(events.call_hangup(leg, STATS, EVENT_ID, NOW_NS))
    assert isinstance(event, CallHangupWebhookEvent)
    payload = check_common(event, "call.hangup")
    assert (payload.hangup_cause, payload.hangup_source) == (cause.value, source.value)
    assert payload.state == "hangup"
    assert payload.sip_hangup_cause == "486"
    assert payload.end_time == "2026-02-03T04:05:06.007000Z"
    inbound = payload.call_quality_stats.inbound
    assert (inbound.packet_count, inbound.skip_packet_count) == ("2500", "25")
    assert inbound.jitter_max_variance == "1.25"
    assert 3.0 < float(inbound.mos) < 4.4
    assert inbound.jitter_packet_count == "2500"
    outbound = payload.call_quality_stats.outbound
    assert (outbound.packet_count, outbound.skip_packet_count) == ("2400", "12")


@pytest.mark.parametrize(("codec", "mos"), [("PCMU", "4.41"), ("G722", "4.34"), ("OPUS", "4.40")])
def test_quality_is_on_the_scale_of_the_leg_s_codec(unwrap, codec, mos):
    leg = make_leg(state=LegState.ENDED, codec=codec, ended_ns=NOW_NS)
    event = unwrap(events.call_hangup(leg, replace(STATS, packets_lost=0), EVENT_ID, NOW_NS))
    assert event.data.payload.call_quality_stats.inbound.mos == mos


def test_hangup_of_which_nothing_is_known(unwrap):
    event = unwrap(events.call_hangup(make_leg(), None, EVENT_ID, NOW_NS))
    assert isinstance(event, CallHangupWebhookEvent)
    payload = check_common(event, "call.hangup")
    assert (payload.hangup_cause, payload.hangup_source) == ("unspecified", "unknown")
    assert payload.sip_hangup_cause == "unspecified"
    assert payload.call_quality_stats is None


def test_recording_saved(unwrap):
    recording = make_recording(client_state=STATE)
    event = unwrap(events.recording_saved(recording, None, "http://x/f.mp3", EVENT_ID, NOW_NS))
    assert isinstance(event, CallRecordingSavedWebhookEvent)
    payload = check_common(event, "call.recording.saved")
    assert payload.channels == "dual"
    assert payload.client_state == STATE
    assert payload.recording_urls.mp3 == "http://x/f.mp3"
    assert payload.recording_urls.wav is None
    assert payload.public_recording_urls.mp3 is None
    assert payload.recording_started_at == OCCURRED
    assert payload.recording_ended_at == datetime(2026, 2, 3, 4, 6, 6, 7000, UTC)
    assert payload.recording_id == recording.id
    assert payload.format == "mp3"
    assert payload.start_time == "2026-02-03T04:05:06.007000Z"
    assert payload.end_time == "2026-02-03T04:06:06.007000Z"
    assert payload.duration_millis == 60_000
    assert (payload.model_extra["from"], payload.to) == ("+18005550101", "+18005550100")


def test_the_fidelity_of_a_recording_does_not_disturb_the_sdk(unwrap):
    recording = make_recording(fidelity=gappy().fidelity)
    event = unwrap(events.recording_saved(recording, None, "http://x/f.mp3", EVENT_ID, NOW_NS))
    assert isinstance(event, CallRecordingSavedWebhookEvent)
    payload = check_common(event, "call.recording.saved")
    assert payload.fidelity["tracks_without_audio"] == ["outbound"]
    silent = make_recording(fidelity=report_on([], {}, seconds=0).fidelity)
    event = unwrap(events.recording_saved(silent, None, "http://x/f.mp3", EVENT_ID, NOW_NS))
    assert isinstance(event, CallRecordingSavedWebhookEvent)
    assert event.data.payload.fidelity["mos"] is None


def test_recording_saved_takes_the_state_of_the_call_when_it_has_none_of_its_own():
    leg = make_leg(client_state=STATE)
    text = events.recording_saved(make_recording(), leg, "http://x/", EVENT_ID, NOW_NS)
    assert json.loads(text)["payload"]["client_state"] == STATE


def test_a_recording_of_one_track_is_single():
    params = RecordingParams(format="wav", channels="dual", track="inbound")
    recording = make_recording(params=params)
    data = json.loads(events.recording_saved(recording, None, "u", EVENT_ID, NOW_NS))
    assert data["payload"]["channels"] == "single"
    assert data["payload"]["recording_urls"] == {"wav": "u"}


@pytest.mark.parametrize("reason", events.RECORDING_ERROR_REASONS)
def test_recording_error(unwrap, reason):
    event = unwrap(events.recording_error(make_recording(), reason, EVENT_ID, NOW_NS))
    assert isinstance(event, CallRecordingErrorWebhookEvent)
    payload = check_common(event, "call.recording.error")
    assert payload.reason == reason
    assert payload.recording_id == make_recording().id


def test_an_undocumented_reason_is_a_fault_of_ours():
    with pytest.raises(ValueError, match="disk full"):
        events.recording_error(make_recording(), "disk full", EVENT_ID, NOW_NS)


def test_transcription_saved(unwrap):
    transcription = Transcription(
        id=TranscriptionId("9d0fd0aa-3e59-4c2a-8a4f-1c1f0d9c6c11"),
        recording_id=RecordingId("r"),
        state=TranscriptionState.COMPLETED,
        engine="B",
        language="en",
        created_ns=NOW_NS,
        updated_ns=NOW_NS,
        text="Hello, Bob.",
    )
    recording = make_recording(client_state=STATE)
    event = unwrap(events.transcription_saved(transcription, recording, None, EVENT_ID, NOW_NS))
    assert isinstance(event, CallRecordingTranscriptionSavedWebhookEvent)
    payload = check_common(event, "call.recording.transcription.saved")
    assert payload.recording_id == recording.id
    assert payload.recording_transcription_id == transcription.id
    assert (payload.status, payload.calling_party_type) == ("completed", "sip")
    assert payload.transcription_text == "Hello, Bob."
    assert payload.client_state == STATE
