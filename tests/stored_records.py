"""Records for tests of what stores and reads them; every maker takes members to change."""

from dataclasses import replace

from onrecord.calls.records import (
    Application,
    Direction,
    Event,
    Leg,
    LegState,
    Recording,
    RecordingParams,
    RecordingState,
)


def an_application(number=1, **changed):
    made = Application(
        id=f"{number:019d}",
        name=f"App {number}",
        webhook_url="https://example.com/hook",
        webhook_failover_url=None,
        webhook_timeout_ms=None,
        active=True,
        document={"dtmf_type": "RFC 2833", "tags": ["a", "ü"], "inbound": {"channel_limit": None}},
        created_ns=number * 1000,
        updated_ns=number * 1000,
    )
    return replace(made, **changed)


def a_leg(number=1, **changed):
    made = Leg(
        id=f"leg-{number}",
        session_id="session",
        call_control_id=f"v3:{number}",
        application_id="1",
        node="n1",
        direction=Direction.INCOMING,
        state=LegState.RINGING,
        from_="+15550001",
        to="sip:bob@example.com",
        from_sip_uri="sip:alice@example.com",
        to_sip_uri="sip:bob@example.com",
        caller_name="Älice",
        sip_call_id=f"call-{number}",
        first_of_session=True,
        created_ns=1_700_000_000_123_456_789 + number,
    )
    return replace(made, **changed)


def a_recording(number=1, **changed):
    made = Recording(
        id=f"recording-{number}",
        leg_id=f"leg-{number}",
        session_id="session",
        call_control_id=f"v3:{number}",
        application_id="1",
        node="n1",
        state=RecordingState.SAVED,
        params=RecordingParams(format="wav", channels="dual", trim="trim-silence"),
        initiated_by="StartCallRecordingAPI",
        from_="+15550001",
        to="+15550002",
        sip_call_id=f"call-{number}",
        started_ns=number * 10,
        created_ns=number * 100,
        updated_ns=number * 100,
        ended_ns=number * 1000,
    )
    return replace(made, **changed)


def an_event(number=1, **changed):
    made = Event(
        id=f"event-{number}",
        type="call.initiated",
        body='{"record_type":"event","payload":{"from":"ü"}}',
        occurred_ns=number,
        application_id="1",
        leg_id="leg-1",
        session_id=None,
        recording_id=None,
        url="http://127.0.0.1/hook",
        failover_url=None,
        method="POST",
        timeout_ms=2000,
        due_ns=number * 10,
    )
    return replace(made, **changed)


def jobs_of(unit):
    """Id, queue, state and version of every job."""
    found = unit._connection.exec_driver_sql(
        "SELECT workflow_uuid, queue_name, status, application_version"
        " FROM workflow_status ORDER BY 1"
    )
    return [tuple(row) for row in found]
