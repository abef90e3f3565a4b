"""Calls from INVITE to hang-up, over a real database."""

import asyncio

import pytest

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
)
from onrecord.calls.records import (
    EventState,
    Header,
    LegState,
    PhoneNumber,
    RecordingParams,
    RecordingState,
    StopReason,
    WebhookTarget,
)
from onrecord.core.errors import CallerError
from onrecord.core.ids import CallControlId, RecordingId
from onrecord.core.units import NS_PER_S
from onrecord.sip.backend import Ended, IncomingCall, OfferAnswered, OfferReceived
from service_fakes import ANSWER, HOLD, OFFER, VIDEO_ONLY, Bench

WAV = RecordingParams("wav", "dual")


async def refused(awaitable):
    """(status, code, pointer) of the CallerError that it raises."""
    with pytest.raises(CallerError) as raised:
        await awaitable
    fault = raised.value.faults[0]
    return raised.value.status, fault.code, fault.pointer


async def dialled(bench, **more):
    to = more.pop("to", "sip:bob@example.com")
    command = Dial(bench.application.id, to, more.pop("from_", "+15550009"), **more)
    leg = await bench.calls.dial(command)
    await bench.settle()
    return leg


# Incoming


async def test_an_incoming_call_rings_and_is_told(bench):
    leg_id = await bench.incoming()
    assert bench.sip.of(leg_id) == [("ring", None)]
    [(kind, payload)] = bench.receiver.events(leg_id)
    assert kind == "call.initiated"
    assert payload["state"] == "parked"
    assert payload["from"] == "sip:alice@example.com"
    assert payload["to"] == "+15550001"
    assert payload["caller_id_name"] == "Alice"
    assert payload["custom_headers"] == [{"name": "X-Ticket", "value": "7"}]
    assert {"name": "User-to-User", "value": "abc"} in payload["sip_headers"]
    assert payload["offered_codecs"] == "PCMA,PCMU"
    row = await bench.row(leg_id)
    assert (row.state, row.application_id) == (LegState.RINGING, bench.application.id)
    [event] = await bench.events_in_database(leg_id)
    assert (event.state, event.attempts, event.due_ns) == (EventState.DELIVERED, 1, None)


async def test_a_number_goes_to_its_application(bench):
    fields = ApplicationFields("second", "http://receiver/second")
    second = await bench.applications.create(fields)
    number = PhoneNumber("+15550002", second.id, 1, 1)
    user = PhoneNumber("desk", second.id, 1, 1)
    await bench.database.write(lambda unit: (unit.put_number(number), unit.put_number(user)))
    for to in ("sip:+15550002@h", "sip:15550002@h", "sip:desk@h"):
        assert (await bench.row(await bench.incoming(to=to))).application_id == second.id
    elsewhere = await bench.incoming(to="sip:+15550003@h")
    assert (await bench.row(elsewhere)).application_id == bench.application.id


async def test_a_call_without_an_application_is_not_found(bench):
    inactive = ApplicationFields("app", "http://receiver/", active=False)
    await bench.applications.update(bench.application.id, inactive)
    leg_id = await bench.incoming()
    assert bench.sip.of(leg_id) == [("reject", 404)]
    assert await bench.row(leg_id) is None
    assert bench.receiver.got == []
    assert not bench.media.legs


@pytest.mark.parametrize("offer", [VIDEO_ONLY, OFFER.replace("8 0 101", "3 18"), "nonsense"])
async def test_an_offer_without_our_codecs_is_not_acceptable(bench, offer):
    leg_id = await bench.incoming(offer)
    assert bench.sip.of(leg_id) == [("reject", 488)]
    assert not bench.media.legs
    assert len(bench.edges.registry) == 0


async def test_without_a_port_the_call_is_refused(bench):
    bench.media.ports = 1
    first, second = await bench.incoming(), await bench.incoming()
    assert bench.sip.of(first) == [("ring", None)]
    assert bench.sip.of(second) == [("reject", 503)]


async def test_more_than_max_legs_are_refused(tmp_path):
    bench = Bench(tmp_path, max_legs=1)
    await bench.start()
    first, second = await bench.incoming(), await bench.incoming()
    assert bench.sip.of(first) == [("ring", None)]
    assert bench.sip.of(second) == [("reject", 503)]
    assert (await refused(dialled(bench)))[:2] == (503, "10037")
    await bench.far_ends(first, 487, "cancel")
    assert bench.sip.of(await bench.incoming()) == [("ring", None)]
    await bench.database.close()


async def test_a_cancelled_call_is_over(bench):
    leg_id = await bench.incoming()
    token = await bench.token(leg_id)
    await bench.far_ends(leg_id, 487, "cancel")
    kind, payload = bench.receiver.events(leg_id)[-1]
    assert kind == "call.hangup"
    assert payload["hangup_cause"] == "originator_cancel"
    assert payload["hangup_source"] == "caller"
    assert payload["sip_hangup_cause"] == "487"
    assert payload["call_quality_stats"] is None
    assert await refused(bench.calls.answer(token, Answer())) == (422, "90018", None)
    assert bench.media.closed[leg_id] == 1


async def test_a_cancel_that_overtakes_the_set_up_still_gives_both_events(bench):
    leg_id = "00000000-0000-4000-8000-000000000001"
    call = IncomingCall(
        leg_id, "c", "sip:x@h", "sip:a@h", "", "sip:x@h", (), OFFER, "192.0.2.9:5060"
    )
    bench.calls.on_sip_event(call)
    bench.calls.on_sip_event(Ended(leg_id, 487, True, "cancel"))
    await bench.settle()
    assert bench.receiver.types(leg_id) == ["call.initiated", "call.hangup"]


async def test_a_call_that_nobody_commands_is_given_up(bench):
    leg_id = await bench.incoming()
    assert bench.timers.fire(bench.settings.ring_timeout_secs) == 1
    await bench.settle()
    assert bench.sip.of(leg_id)[-1] == ("reject", 480)
    assert bench.receiver.events(leg_id)[-1][1]["hangup_cause"] == "timeout"


async def test_a_fault_of_ours_while_a_call_comes_in_answers_500(bench):
    bench.media.fails = "open_leg"
    leg_id = await bench.incoming()
    assert bench.sip.of(leg_id) == [("reject", 500)]
    assert len(bench.edges.registry) == 0


# Answer, reject, hangup


async def test_answer_connects_and_tells(bench):
    leg_id = await bench.incoming()
    token = await bench.token(leg_id)
    command = Answer(
        client_state="YQ==",
        send_silence_when_idle=True,
        webhook=WebhookTarget("http://other/", None, "GET"),
    )
    result = await bench.calls.answer(token, command)
    assert (result.call_control_id, result.recording_id) == (token, None)
    await bench.settle()
    verb, sdp = bench.sip.of(leg_id)[-1]
    assert verb == "answer"
    assert "m=audio 10000 RTP/AVP 8 101" in sdp
    media, silence = bench.media.legs[leg_id]
    assert (media.remote.port, media.send_codec.name, silence) == (40000, "PCMA", True)
    row = await bench.row(leg_id)
    assert (row.state, row.codec, row.client_state) == (LegState.ANSWERED, "PCMA", "YQ==")
    assert row.answered_ns is not None
    kind, payload = bench.receiver.events(leg_id)[-1]
    assert (kind, payload["client_state"]) == ("call.answered", "YQ==")
    event, _, url = bench.receiver.got[-1]
    assert (event.method, url) == ("GET", "http://other/")
    assert not bench.timers.armed


async def test_an_answered_leg_is_not_answered_or_rejected_again(bench):
    _, token = await bench.answered()
    assert (await refused(bench.calls.answer(token, Answer())))[:2] == (422, "10027")
    assert (await refused(bench.calls.reject(token, Reject("USER_BUSY"))))[:2] == (422, "10027")


@pytest.mark.parametrize(
    ("cause", "status", "hangup_cause"),
    [("USER_BUSY", 486, "user_busy"), ("CALL_REJECTED", 603, "call_rejected")],
)
async def test_reject(bench, cause, status, hangup_cause):
    leg_id = await bench.incoming()
    await bench.calls.reject(await bench.token(leg_id), Reject(cause))
    await bench.far_ends(leg_id, status, "rejected", by_remote=False)
    assert bench.sip.of(leg_id)[-1] == ("reject", status)
    assert bench.receiver.types(leg_id) == ["call.initiated", "call.hangup"]
    assert bench.receiver.events(leg_id)[-1][1]["hangup_cause"] == hangup_cause


async def test_hangup_sends_a_bye_with_headers_and_one_event(bench):
    leg_id, token = await bench.answered()
    await bench.calls.hangup(token, Hangup("Yg==", None, (Header("X-Why", "done"),)))
    await bench.far_ends(leg_id, 200, "bye", by_remote=False)
    assert bench.sip.of(leg_id)[-1] == ("hangup", (("X-Why", "done"),))
    kinds = bench.receiver.types(leg_id)
    assert kinds == ["call.initiated", "call.answered", "call.hangup"]
    payload = bench.receiver.events(leg_id)[-1][1]
    assert payload["client_state"] == "Yg=="
    assert payload["call_quality_stats"]["inbound"]["packet_count"] == "50"
    assert bench.media.closed[leg_id] == 1
    assert len(bench.edges.registry) == 0


async def test_hangup_of_a_ringing_incoming_call_rejects_it(bench):
    leg_id = await bench.incoming()
    await bench.calls.hangup(await bench.token(leg_id), Hangup())
    assert bench.sip.of(leg_id)[-1] == ("reject", 603)


async def test_commands_to_unknown_tokens(bench):
    for token in ("v3:nonsense", "", "é", "x" * 5000):
        assert await refused(bench.calls.hangup(token, Hangup())) == (
            422,
            "90015",
            "/call_control_id",
        )
        assert (await refused(bench.calls.status(token)))[:2] == (404, "10005")


async def test_status_can_be_read_for_ten_minutes(bench):
    leg_id, token = await bench.answered()
    assert (await bench.calls.status(token)).state is LegState.ANSWERED
    await bench.far_ends(leg_id)
    assert (await bench.calls.status(token)).state is LegState.ENDED
    bench.clock.shift_ns = 601 * 10**9
    assert await refused(bench.calls.status(token)) == (404, "10005", "/call_control_id")
    assert (await refused(bench.calls.hangup(token, Hangup())))[1] == "90018"


async def test_a_fault_of_ours_ends_that_leg_only(bench):
    leg_id, _ = await bench.answered()
    other, _ = await bench.answered()
    bench.media.fails = "connect_leg"
    bench.calls.on_sip_event(OfferReceived(leg_id, HOLD))
    await bench.settle()
    assert bench.sip.of(leg_id)[-1][0] == "hangup"
    assert bench.receiver.types(leg_id)[-1] == "call.hangup"
    assert (await bench.row(other)).state is LegState.ANSWERED


# Command ids and client_state


async def test_a_repeated_command_does_nothing_and_answers_the_same(bench):
    leg_id, token = await bench.answered()
    command = RecordStart(WAV, None, "once")
    first = await bench.calls.record_start(token, command)
    assert await bench.calls.record_start(token, command) == first
    assert len(bench.media.capturing) == 1
    stop = RecordStop(None, None, "stop")
    await bench.calls.record_stop(token, stop)
    await bench.calls.record_stop(token, stop)
    await bench.far_ends(leg_id)
    assert (await bench.calls.record_stop(token, stop)).call_control_id == token
    assert (await refused(bench.calls.hangup(token, Hangup(None, "new"))))[1] == "90018"
    assert (await refused(bench.calls.hangup(token, Hangup(None, "new"))))[1] == "90018"


async def test_commands_at_the_same_time_with_one_id_are_one(bench):
    _, token = await bench.answered()
    command = RecordStart(WAV, None, "once")
    results = await asyncio.gather(*(bench.calls.record_start(token, command) for _ in range(5)))
    assert len({result.recording_id for result in results}) == 1
    assert len(bench.media.capturing) == 1


async def test_a_refused_command_does_not_use_up_its_id(bench):
    leg_id = await bench.incoming()
    token = await bench.token(leg_id)
    command = RecordStart(WAV, None, "id")
    assert (await refused(bench.calls.record_start(token, command)))[:2] == (422, "90034")
    await bench.calls.answer(token, Answer())
    assert (await bench.calls.record_start(token, command)).recording_id is not None


async def test_an_id_is_the_calls_own(bench):
    for _ in range(2):
        _, token = await bench.answered()
        result = await bench.calls.record_start(token, RecordStart(WAV, None, "same"))
        assert result.recording_id is not None


async def test_client_state_is_the_calls_from_then_on(bench):
    leg_id, token = await bench.answered(command=Answer(client_state="MQ=="))
    await bench.calls.record_start(token, RecordStart(WAV, "Mg=="))
    await bench.calls.record_stop(token, RecordStop(None, "Mw=="))
    await bench.far_ends(leg_id)
    await bench.finish_all()
    states = {kind: payload["client_state"] for kind, payload in bench.receiver.events(leg_id)}
    assert states == {
        "call.initiated": None,
        "call.answered": "MQ==",
        "call.hangup": "Mw==",
        "call.recording.saved": "Mw==",
    }


# Recording


async def test_a_recording_is_durable_when_answered(bench):
    leg_id, token = await bench.answered()
    result = await bench.calls.record_start(token, RecordStart(WAV))
    recording = await bench.recording(result.recording_id)
    assert recording.state is RecordingState.RECORDING
    assert (recording.initiated_by, recording.params) == ("StartCallRecordingAPI", WAV)
    assert recording.sip_call_id == f"call-{leg_id}"
    assert bench.spools.path(recording.id).exists()
    assert bench.media.capturing == {recording.id: leg_id}
    second = await bench.calls.record_start(token, RecordStart(WAV))
    assert second.recording_id != recording.id
    await bench.calls.record_stop(token, RecordStop(recording.id))
    assert set(bench.media.capturing) == {second.recording_id}
    stopped = await bench.recording(recording.id)
    assert (stopped.state, stopped.stop_reason) == (RecordingState.STOPPED, StopReason.COMMAND)
    assert [job[0] for job in bench.jobs.all("finish")] == [recording.id]


async def test_hangup_stops_recordings_in_the_same_transaction(bench):
    leg_id, token = await bench.answered()
    ids = [(await bench.calls.record_start(token, RecordStart(WAV))).recording_id for _ in range(2)]
    await bench.far_ends(leg_id)
    assert {job[0] for job in bench.jobs.all("finish")} == set(ids)
    for recording_id in ids:
        assert (await bench.recording(recording_id)).stop_reason is StopReason.HANGUP
    assert not bench.media.capturing


async def test_record_stop_without_a_recording(bench):
    leg_id, token = await bench.answered()
    assert (await refused(bench.calls.record_stop(token, RecordStop())))[:2] == (422, "10027")
    wrong = RecordStop(RecordingId("11111111-1111-4111-8111-111111111111"))
    expected = (404, "10005", "/recording_id")
    assert await refused(bench.calls.record_stop(token, wrong)) == expected
    await bench.calls.record_start(token, RecordStart(WAV))
    assert await refused(bench.calls.record_stop(token, wrong)) == expected
    await bench.calls.record_stop(token, RecordStop())
    assert (await refused(bench.calls.record_stop(token, RecordStop())))[:2] == (422, "10027")


async def test_max_length_stops_the_recording_and_not_the_call(bench):
    leg_id, token = await bench.answered()
    params = RecordingParams("mp3", "single", max_length_secs=7)
    result = await bench.calls.record_start(token, RecordStart(params))
    assert bench.timers.fire(7) == 1
    await bench.settle()
    stopped = await bench.recording(result.recording_id)
    assert stopped.stop_reason is StopReason.MAX_LENGTH
    assert (await bench.row(leg_id)).state is LegState.ANSWERED


async def test_silence_stops_the_recording_and_not_the_call(bench):
    leg_id, token = await bench.answered()
    params = RecordingParams("mp3", "single", track="inbound", timeout_secs=7)
    silent = (await bench.calls.record_start(token, RecordStart(params))).recording_id
    other = (await bench.calls.record_start(token, RecordStart(params))).recording_id
    unbound = (await bench.calls.record_start(token, RecordStart(WAV))).recording_id
    assert bench.listening.asked == {silent: (7, "inbound"), other: (7, "inbound")}
    tell = bench.listening.wanted[silent]
    tell()
    tell()
    await bench.settle()
    assert (await bench.recording(silent)).stop_reason is StopReason.SILENCE
    assert (await bench.row(leg_id)).state is LegState.ANSWERED
    assert set(bench.media.capturing) == {other, unbound}
    await bench.calls.record_stop(token, RecordStop())
    assert bench.listening.wanted == {}


async def test_a_stopped_recordings_timer_is_gone(bench):
    _, token = await bench.answered()
    params = RecordingParams("mp3", "single", max_length_secs=7)
    await bench.calls.record_start(token, RecordStart(params))
    await bench.calls.record_stop(token, RecordStop())
    assert bench.timers.fire(7) == 0


async def test_answer_can_record_from_the_start(bench):
    leg_id = await bench.incoming()
    token = await bench.token(leg_id)
    result = await bench.calls.answer(token, Answer(record=WAV))
    recording = await bench.recording(result.recording_id)
    assert recording.initiated_by == "OutboundAPI"
    assert bench.media.capturing == {recording.id: leg_id}


async def test_a_recording_that_cannot_begin_leaves_nothing(bench):
    _, token = await bench.answered()
    bench.media.fails = "start_recording"
    with pytest.raises(ConnectionError):
        await bench.calls.record_start(token, RecordStart(WAV, None, "id"))
    assert list(bench.spools.recordings()) == []
    bench.media.fails = None
    assert (await bench.calls.record_start(token, RecordStart(WAV, None, "id"))).recording_id


async def test_a_recording_that_the_disk_does_not_take_leaves_nothing(bench, monkeypatch):
    _, token = await bench.answered()

    def full(recording_id):
        raise OSError("disk full")

    monkeypatch.setattr(bench.spools, "sync", full)
    with pytest.raises(OSError, match="disk full"):
        await bench.calls.record_start(token, RecordStart(WAV))
    assert not bench.media.capturing
    assert list(bench.spools.recordings()) == []
    unfinished = await bench.database.read(
        lambda unit: unit.recordings_unfinished(bench.settings.node)
    )
    assert list(unfinished) == []


async def test_a_media_process_that_is_gone_does_not_keep_a_leg_from_ending(bench):
    leg_id, token = await bench.answered()
    result = await bench.calls.record_start(token, RecordStart(WAV))
    bench.media.fails = "stop_recording"
    await bench.calls.record_stop(token, RecordStop())
    assert (await bench.recording(result.recording_id)).state is RecordingState.STOPPED
    bench.media.fails = "close_leg"
    await bench.far_ends(leg_id)
    assert (await bench.row(leg_id)).state is LegState.ENDED


# Late offer and changes of the session


async def test_a_late_offer(bench):
    leg_id, token = await bench.answered(offer=None, command=Answer(record=WAV))
    verb, sdp = bench.sip.of(leg_id)[-1]
    assert (verb, "RTP/AVP 0 8 9 96 101" in sdp) == ("answer", True)
    before = await refused(bench.calls.record_start(token, RecordStart(WAV)))
    assert before[:2] == (422, "90020")
    await bench.far_answers(leg_id)
    assert len(bench.media.capturing) == 1
    assert bench.media.legs[leg_id][0].send_codec.name == "PCMU"


async def test_a_late_offer_without_an_answer_ends_the_leg(bench):
    leg_id, _ = await bench.answered(offer=None)
    await bench.far_answers(leg_id, None)
    assert (await bench.row(leg_id)).sip_hangup_cause == "488"


async def test_hold_and_back(bench):
    leg_id, _ = await bench.answered()
    for offer, ours, agreed in ((HOLD, "recvonly", "recvonly"), (OFFER, "sendrecv", "sendrecv")):
        bench.calls.on_sip_event(OfferReceived(leg_id, offer))
        await bench.settle()
        verb, sdp = bench.sip.of(leg_id)[-1]
        assert (verb, f"a={ours}" in sdp) == ("accept_offer", True)
        assert bench.media.legs[leg_id][0].direction == agreed
    versions = [arg.split("\r\n")[1].split()[2] for verb, arg in bench.sip.of(leg_id) if arg]
    assert versions == ["1", "2", "3"]


async def test_an_unusable_offer_changes_nothing(bench):
    leg_id, _ = await bench.answered()
    before = bench.media.legs[leg_id]
    bench.calls.on_sip_event(OfferReceived(leg_id, VIDEO_ONLY))
    await bench.settle()
    assert bench.sip.of(leg_id)[-1] == ("refuse_offer", 488)
    assert bench.media.legs[leg_id] is before
    assert (await bench.row(leg_id)).state is LegState.ANSWERED


async def test_a_reinvite_without_an_offer_gets_ours(bench):
    leg_id, _ = await bench.answered()
    bench.calls.on_sip_event(OfferReceived(leg_id, None))
    bench.calls.on_sip_event(OfferAnswered(leg_id, ANSWER.replace("40000", "40002")))
    await bench.settle()
    assert bench.sip.of(leg_id)[-1][0] == "accept_offer"
    assert bench.media.legs[leg_id][0].remote.port == 40002
    bench.calls.on_sip_event(OfferAnswered(leg_id, "nonsense"))
    await bench.settle()
    assert bench.media.legs[leg_id][0].remote.port == 40002


# Dial


async def test_dial_answer_and_hang_up(bench):
    leg = await dialled(
        bench,
        caller_name="Desk",
        custom_headers=(Header("X-A", "1"),),
        client_state="YQ==",
        record=WAV,
    )
    [(verb, request)] = bench.sip.of(leg.id)
    assert (verb, request.target) == ("dial", "sip:bob@example.com")
    assert request.from_uri == "sip:+15550009@192.0.2.1"
    assert request.headers == (("X-A", "1"),)
    assert "m=audio 10000" in request.sdp
    assert leg.sip_call_id == f"sip-{leg.id}"
    planned = bench.calls.planned_recording(leg)
    assert bench.receiver.events(leg.id)[0][1]["state"] == "bridging"
    assert (await refused(bench.calls.answer(leg.call_control_id, Answer())))[1] == "90102"
    await bench.far_answers(leg.id)
    assert (await bench.row(leg.id)).state is LegState.ANSWERED
    assert bench.media.capturing == {planned: leg.id}
    assert bench.calls.planned_recording(leg) == planned
    await bench.far_ends(leg.id)
    assert bench.receiver.types(leg.id) == ["call.initiated", "call.answered", "call.hangup"]
    assert bench.receiver.events(leg.id)[-1][1]["hangup_source"] == "callee"
    assert bench.calls.planned_recording(leg) is None


async def test_a_refused_dial_is_told_with_its_status(bench):
    leg = await dialled(bench)
    await bench.far_ends(leg.id, 486, "rejected")
    assert bench.receiver.events(leg.id)[-1][1]["hangup_cause"] == "user_busy"


async def test_early_media_can_carry_the_answer(bench):
    from onrecord.sip.backend import Ringing

    leg = await dialled(bench)
    bench.calls.on_sip_event(Ringing(leg.id, ANSWER))
    await bench.far_answers(leg.id, None)
    assert bench.media.legs[leg.id][0].remote.port == 40000


async def test_an_unusable_answer_ends_the_leg(bench):
    leg = await dialled(bench)
    await bench.far_answers(leg.id, VIDEO_ONLY)
    assert bench.sip.of(leg.id)[-1] == ("hangup", ())
    assert (await bench.row(leg.id)).sip_hangup_cause == "488"


async def test_timeouts_of_a_dialled_leg(bench):
    leg = await dialled(bench, timeout_secs=11, time_limit_secs=33)
    assert bench.timers.fire(11) == 1
    await bench.settle()
    assert bench.receiver.events(leg.id)[-1][1]["hangup_cause"] == "timeout"
    leg = await dialled(bench, timeout_secs=11, time_limit_secs=33)
    await bench.far_answers(leg.id)
    assert bench.timers.fire(11) == 0
    assert bench.timers.fire(33) == 1
    await bench.settle()
    assert bench.receiver.events(leg.id)[-1][1]["hangup_cause"] == "time_limit"
    assert not bench.timers.armed


async def test_a_number_needs_a_proxy(bench, tmp_path):
    assert (await refused(dialled(bench, to="+15551234567"))) == (422, "10015", "/to")
    assert (await refused(dialled(bench, to="15551234567"))) == (422, "10016", "/to")
    assert (await refused(dialled(bench, to="sip:x@nowhere"))) == (422, "10015", "/to")
    assert not bench.media.legs
    (tmp_path / "b").mkdir()
    other = Bench(tmp_path / "b", outbound_proxy="sip:10.0.0.1:5080")
    await other.start()
    leg = await dialled(other, to="+15551234567")
    assert other.sip.of(leg.id)[0][1].target == "sip:+15551234567@10.0.0.1:5080"
    assert leg.to == "+15551234567"
    await other.settle()
    await other.database.close()


async def test_what_a_dial_may_name_wrongly(bench):
    unknown = Dial("1234567890123456789", "sip:b@h", "+15550009")
    assert await refused(bench.calls.dial(unknown)) == (422, "10015", "/connection_id")
    linked = Dial(bench.application.id, "sip:b@h", "+1555", link_to=CallControlId("v3:x"))
    assert await refused(bench.calls.dial(linked)) == (422, "90015", "/link_to")
    bench.media.ports = 0
    assert (await refused(dialled(bench)))[:2] == (503, "10037")
    bench.media.ports = 10
    bench.sip.full = True
    assert (await refused(dialled(bench)))[:2] == (503, "10037")
    assert not bench.media.legs
    assert len(bench.edges.registry) == 0


async def test_a_dial_with_an_id_places_one_call(bench):
    command = Dial(bench.application.id, "sip:b@h", "+1555", command_id="once")
    legs = await asyncio.gather(*(bench.calls.dial(command) for _ in range(4)))
    assert len({leg.id for leg in legs}) == 1
    assert len(bench.sip.verbs) == 1
    await bench.far_ends(legs[0].id, 603, "rejected")
    again = await bench.calls.dial(command)
    assert (again.id, again.state) == (legs[0].id, LegState.ENDED)
    bench.outside()
    assert (await bench.calls.dial(command)).id == legs[0].id
    assert bench.sip.verbs == []


async def test_a_refused_dial_does_not_use_up_its_id(bench):
    command = Dial(bench.application.id, "sip:b@h", "+1555", command_id="once")
    bench.sip.full = True
    assert (await refused(bench.calls.dial(command)))[0] == 503
    bench.sip.full = False
    assert (await bench.calls.dial(command)).state is LegState.RINGING


# Bridge


async def test_bridge_and_the_partners_end(bench):
    leg_a, token_a = await bench.answered()
    dialled_leg = await dialled(bench, link_to=token_a)
    assert not dialled_leg.first_of_session
    assert dialled_leg.session_id == (await bench.row(leg_a)).session_id
    token_b = dialled_leg.call_control_id
    assert (await refused(bench.calls.bridge(token_a, Bridge(token_b))))[1] == "90034"
    await bench.far_answers(dialled_leg.id)
    await bench.calls.bridge(token_a, Bridge(token_b, "YQ=="))
    await bench.settle()
    assert bench.media.bridges == {frozenset((leg_a, dialled_leg.id))}
    for leg_id in (leg_a, dialled_leg.id):
        assert bench.receiver.types(leg_id).count("call.bridged") == 1
        assert (await bench.row(leg_id)).state is LegState.BRIDGED
    await bench.calls.bridge(token_b, Bridge(token_a))
    await bench.settle()
    assert bench.receiver.types(leg_a).count("call.bridged") == 1
    await bench.far_ends(dialled_leg.id)
    for leg_id in (leg_a, dialled_leg.id):
        assert bench.receiver.types(leg_id).count("call.hangup") == 1
    assert bench.sip.of(leg_a)[-1] == ("hangup", ())
    assert not bench.media.legs


async def test_bridge_on_answer(bench):
    leg_a, token_a = await bench.answered()
    leg_b = await dialled(bench, link_to=token_a, bridge_on_answer=True)
    await bench.far_answers(leg_b.id)
    assert bench.media.bridges == {frozenset((leg_a, leg_b.id))}


async def test_bridge_on_answer_to_a_call_that_is_over_leaves_the_leg_up(bench):
    leg_a, token_a = await bench.answered()
    leg_b = await dialled(bench, link_to=token_a, bridge_on_answer=True)
    await bench.far_ends(leg_a)
    await bench.far_answers(leg_b.id)
    assert (await bench.row(leg_b.id)).state is LegState.ANSWERED


async def test_a_leg_that_is_bridged_elsewhere_leaves_its_partner(bench):
    (leg_a, token_a), (leg_b, token_b), (leg_c, token_c) = [await bench.answered() for _ in "abc"]
    await bench.calls.bridge(token_a, Bridge(token_b))
    await bench.calls.bridge(token_c, Bridge(token_a, record=WAV))
    await bench.settle()
    assert bench.media.bridges == {frozenset((leg_a, leg_c))}
    assert (await bench.row(leg_b)).state is LegState.ENDED
    assert (await bench.row(leg_a)).state is LegState.BRIDGED
    assert list(bench.media.capturing.values()) == [leg_c]


async def test_a_bridge_whose_recording_cannot_begin_connects_nobody(bench):
    (leg_a, token_a), (_, token_b) = [await bench.answered() for _ in "ab"]
    bench.media.fails = "start_recording"
    with pytest.raises(ConnectionError):
        await bench.calls.bridge(token_a, Bridge(token_b, record=WAV))
    assert bench.media.bridges == set()
    assert (await bench.row(leg_a)).state is LegState.ANSWERED


async def test_what_cannot_be_bridged(bench):
    _, token = await bench.answered()
    assert (await refused(bench.calls.bridge(token, Bridge(token))))[:2] == (422, "10027")
    unknown = Bridge(CallControlId("v3:x"))
    assert (await refused(bench.calls.bridge(token, unknown))) == (
        422,
        "90015",
        "/call_control_id",
    )


async def test_bridges_in_opposite_directions_do_not_lock_each_other(bench):
    (leg_a, token_a), (leg_b, token_b) = [await bench.answered() for _ in "ab"]
    work = [
        bench.calls.bridge(*pair)
        for pair in ((token_a, Bridge(token_b)), (token_b, Bridge(token_a))) * 3
    ]
    await asyncio.wait_for(asyncio.gather(*work), 10)
    assert bench.media.bridges == {frozenset((leg_a, leg_b))}


# A database that fails for a while


async def test_an_end_that_cannot_be_written_is_written_later(bench, monkeypatch):
    leg_id, token = await bench.answered()
    result = await bench.calls.record_start(token, RecordStart(WAV))

    async def full(work):
        raise OSError("disk full")

    with monkeypatch.context() as patch:
        patch.setattr(bench.database, "write", full)
        await bench.far_ends(leg_id)
        assert bench.timers.fire(1.0) == 1
        await bench.settle()
    assert (await bench.row(leg_id)).state is LegState.ANSWERED
    assert len(bench.edges.registry) == 0
    assert (await refused(bench.calls.hangup(token, Hangup())))[1] == "90018"
    assert bench.timers.fire(2.0) == 1
    await bench.settle()
    assert (await bench.row(leg_id)).state is LegState.ENDED
    assert (await bench.recording(result.recording_id)).state is RecordingState.STOPPED
    assert bench.receiver.types(leg_id)[-1] == "call.hangup"
    assert bench.sip.of(leg_id)[-1][0] == "answer"


async def test_a_call_that_cannot_be_written_is_refused(bench, monkeypatch):
    async def full(work):
        raise OSError("disk full")

    leg_id = await bench.incoming()
    token = await bench.token(leg_id)
    with monkeypatch.context() as patch:
        patch.setattr(bench.database, "write", full)
        late = await bench.incoming()
        with pytest.raises(OSError, match="disk full"):
            await bench.calls.answer(token, Answer(record=WAV))
        with pytest.raises(OSError, match="disk full"):
            await dialled(bench)
    assert bench.sip.of(late) == [("reject", 500)]
    assert bench.sip.verbs[-1][0] == "hangup"
    assert bench.sip.of(leg_id) == [("ring", None)]
    assert set(bench.media.legs) == {leg_id}
    assert list(bench.spools.recordings()) == []
    assert (await bench.calls.answer(token, Answer(record=WAV))).recording_id is not None


async def test_a_session_refresh_leaves_the_media_alone(bench):
    leg_id, _ = await bench.answered()
    before = bench.media.legs[leg_id]
    bench.calls.on_sip_event(OfferReceived(leg_id, OFFER))
    await bench.settle()
    assert bench.sip.of(leg_id)[-1][0] == "accept_offer"
    assert bench.media.legs[leg_id] is before


# Closing, and callers that go away


async def test_close_ends_all_legs_and_takes_no_more(bench):
    leg_a, token_a = await bench.answered()
    leg_b, token_b = await bench.answered()
    ringing = await bench.incoming()
    await bench.calls.bridge(token_a, Bridge(token_b))
    result = await bench.calls.record_start(token_a, RecordStart(WAV))
    await bench.calls.close()
    for leg_id in (leg_a, leg_b, ringing):
        assert bench.receiver.types(leg_id).count("call.hangup") == 1
    assert bench.sip.of(ringing)[-1] == ("reject", 503)
    assert bench.sip.of(leg_a)[-1] == ("hangup", ())
    assert (await bench.recording(result.recording_id)).state is RecordingState.STOPPED
    late = await bench.incoming()
    assert bench.sip.of(late) == [("reject", 503)]
    assert (await refused(dialled(bench)))[0] == 503


async def test_a_command_goes_on_when_its_caller_is_gone(bench):
    _, token = await bench.answered()
    caller = asyncio.create_task(bench.calls.record_start(token, RecordStart(WAV)))
    await asyncio.sleep(0)
    caller.cancel()
    with pytest.raises(asyncio.CancelledError):
        await caller
    await bench.settle()
    [recording_id] = bench.media.capturing
    assert (await bench.recording(recording_id)).state is RecordingState.RECORDING


# Pausing


async def test_all_recordings_pause_and_go_on(bench):
    _, token = await bench.answered()
    one = (await bench.calls.record_start(token, RecordStart(WAV))).recording_id
    two = (await bench.calls.record_start(token, RecordStart(WAV))).recording_id
    await bench.calls.record_pause(token, RecordPause(one))
    assert bench.media.paused == {one}
    assert (await bench.recording(one)).state is RecordingState.PAUSED
    await bench.calls.record_pause(token, RecordPause(client_state="aGk="))
    assert bench.media.paused == {one, two}
    await bench.calls.record_resume(token, RecordResume(two))
    assert bench.media.paused == {one}
    await bench.calls.record_resume(token, RecordResume())
    assert bench.media.paused == set()
    assert (await bench.recording(one)).state is RecordingState.RECORDING
    assert (await bench.calls.status(token)).client_state == "aGk="


async def test_what_cannot_pause_or_go_on_is_refused_clearly(bench):
    _, token = await bench.answered()
    with pytest.raises(CallerError, match=r"10027 .*not being recorded"):
        await bench.calls.record_pause(token, RecordPause())
    one = (await bench.calls.record_start(token, RecordStart(WAV))).recording_id
    with pytest.raises(CallerError, match=r"10027 .*not paused"):
        await bench.calls.record_resume(token, RecordResume())
    with pytest.raises(CallerError, match="10005"):
        await bench.calls.record_pause(token, RecordPause("none"))
    await bench.calls.record_pause(token, RecordPause(one, None, "once"))
    with pytest.raises(CallerError, match=r"10027 .*paused already"):
        await bench.calls.record_pause(token, RecordPause(one))
    await bench.calls.record_pause(token, RecordPause(one, None, "once"))
    await bench.calls.record_stop(token, RecordStop(one))
    assert (await bench.recording(one)).state is RecordingState.STOPPED


async def test_a_pause_that_fails_leaves_the_recording_running(bench):
    _, token = await bench.answered()
    one = (await bench.calls.record_start(token, RecordStart(WAV))).recording_id
    two = (await bench.calls.record_start(token, RecordStart(WAV))).recording_id
    bench.spools.path(two).unlink()
    with pytest.raises(OSError, match="No such file"):
        await bench.calls.record_pause(token, RecordPause(None, None, "id"))
    assert bench.media.paused == set()
    assert (await bench.recording(one)).state is RecordingState.RECORDING
    await bench.calls.record_pause(token, RecordPause(one, None, "id"))
    assert bench.media.paused == {one}


async def test_max_length_does_not_count_what_is_paused(bench):
    _, token = await bench.answered()
    params = RecordingParams("mp3", "single", max_length_secs=7)
    recording_id = (await bench.calls.record_start(token, RecordStart(params))).recording_id
    bench.clock.shift_ns += 3 * NS_PER_S
    await bench.calls.record_pause(token, RecordPause())
    assert bench.timers.fire(7) == 0
    bench.clock.shift_ns += 100 * NS_PER_S
    await bench.calls.record_resume(token, RecordResume())
    left = [timer.delay for timer in bench.timers.armed if timer.delay < 7]
    assert 3.5 < left[0] <= 4
    assert bench.timers.fire(left[0]) == 1
    await bench.settle()
    assert (await bench.recording(recording_id)).stop_reason is StopReason.MAX_LENGTH


async def test_a_client_state_update_is_in_the_webhooks_from_then_on(bench):
    leg_id, token = await bench.answered()
    await bench.calls.client_state_update(token, ClientStateUpdate("bmV3"))
    await bench.far_ends(leg_id)
    assert bench.receiver.events(leg_id)[-1][1]["client_state"] == "bmV3"
    with pytest.raises(CallerError, match="90018"):
        await bench.calls.client_state_update(token, ClientStateUpdate("bmV3"))
