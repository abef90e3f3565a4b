"""Active calls, call events, deliveries and transcriptions; over a real database."""

import pytest

from onrecord.calls.commands import Answer, Dial, RecordStart, RecordStop
from onrecord.calls.lists import (
    CallEventFilter,
    DeliveryFilter,
    PageRequest,
    RecordingFilter,
    TranscriptionFilter,
)
from onrecord.calls.records import RecordingParams, Transcription, TranscriptionState
from onrecord.core.errors import CallerError
from onrecord.core.units import NS_PER_S
from onrecord.service.history import RECENT_NS, History
from onrecord.service.pruning import Pruning
from onrecord.service.transcriptions import Transcriptions

FIRST = PageRequest(1, 250)


@pytest.fixture
def past(bench):
    return History(bench.database, bench.clock)


async def names(past, **wanted):
    found = await past.call_events(CallEventFilter(**wanted), FIRST)
    assert found.total == len(found.items)
    return [entry.command.name if entry.command else entry.event.type for entry in found.items]


async def test_active_calls_are_those_that_are_up(bench, past):
    legs = [(await bench.answered())[0] for _ in range(3)]
    await bench.far_ends(legs[0])
    page = await past.active_calls(bench.application.id, PageRequest(1, 1))
    assert ([leg.id for leg in page.items], page.total) == ([legs[1]], 2)
    page = await past.active_calls(bench.application.id, PageRequest(2, 1))
    assert [leg.id for leg in page.items] == [legs[2]]
    assert (await past.active_calls(bench.application.id, PageRequest(3, 1))).items == ()
    with pytest.raises(CallerError, match="10005"):
        await past.active_calls("no", FIRST)


async def test_commands_and_events_of_a_call_in_order(bench, past):
    leg_id, token = await bench.answered(command=Answer(command_id="first"))
    params = RecordingParams("wav", "dual")
    await bench.calls.record_start(token, RecordStart(params, None, "second"))
    await bench.calls.record_start(token, RecordStart(params, None, "second"))
    with pytest.raises(CallerError):
        await bench.calls.record_stop(token, RecordStop("unknown"))
    await bench.far_ends(leg_id)
    assert (await names(past))[0] == "call.initiated"
    assert (await names(past))[-1] == "call.hangup"
    assert await names(past, kind="webhook") == ["call.initiated", "call.answered", "call.hangup"]
    assert await names(past, kind="command") == ["answer", "record_start"]
    found = await past.call_events(CallEventFilter(kind="webhook", name="call.hangup"), FIRST)
    (entry,) = found.items
    assert (entry.event.leg_id, entry.last.status) == (leg_id, 200)
    (command,) = (await past.call_events(CallEventFilter(name="answer"), FIRST)).items
    assert (command.command.command_id, command.command.leg_id) == ("first", leg_id)


async def test_every_filter_of_call_events(bench, past):
    leg_id, _ = await bench.answered()
    row = await bench.row(leg_id)
    other = await bench.calls.dial(Dial(bench.application.id, "sip:bob@example.com", "+15550009"))
    await bench.settle()
    of_other = ["call.initiated", "dial"]
    assert sorted(await names(past, call_leg_id=other.id)) == of_other
    assert sorted(await names(past, call_session_id=other.session_id)) == of_other
    assert sorted(await names(past, from_="+15550009")) == of_other
    assert sorted(await names(past, to="sip:bob@example.com")) == of_other
    assert sorted(await names(past, to=row.to)) == ["answer", "call.answered", "call.initiated"]
    assert len(await names(past, connection_id=bench.application.id)) == 5
    assert await names(past, connection_id="no") == []
    assert len(await names(past, application_name="APP")) == 5
    assert await names(past, application_name="a%p") == []
    assert await names(past, voice_profile="7") == []
    assert len(await names(past, product="call_control")) == 5
    assert await names(past, product="fax") == []
    assert len(await names(past, status="completed")) == 5
    assert await names(past, status="init") == await names(past, status="in_progress") == []
    assert len(await names(past, failed=False)) == 5
    assert await names(past, failed=True) == []
    now = bench.clock.utc_ns()
    assert await names(past, occurred_gt_ns=now) == []
    assert len(await names(past, occurred_lte_ns=now)) == 5
    assert await names(past, occurred_eq_ns=row.created_ns - 1) == []


async def test_only_the_last_day_is_shown_unless_a_call_is_named(bench, past):
    leg_id, _ = await bench.answered()
    bench.clock.shift_ns += RECENT_NS + NS_PER_S
    session_id = (await bench.row(leg_id)).session_id
    assert await names(past) == await names(past, occurred_gte_ns=1) == []
    assert len(await names(past, call_leg_id=leg_id)) == 3
    assert len(await names(past, call_session_id=session_id)) == 3


async def test_deliveries_have_their_attempts_and_are_filtered(bench, past):
    bench.receiver.statuses = [500]
    leg_id = await bench.incoming()
    bench.receiver.statuses = []
    other = await bench.incoming()

    async def of(**wanted):
        found = await past.deliveries(DeliveryFilter(**wanted), FIRST)
        return [delivery.event.leg_id for delivery in found.items]

    assert await of() == [other, leg_id]
    assert await of(delivered=True) == [other]
    assert await of(delivered=False) == [leg_id]
    assert await of(types=("call.initiated", "x")) == [other, leg_id]
    assert await of(types=("call.hangup",)) == []
    assert await of(body_contains=other) == [other]
    assert await of(attempts_contain="receiver/primary") == [other, leg_id]
    assert await of(attempts_contain="receiver_primary") == []
    now = bench.clock.utc_ns()
    assert await of(started_gte_ns=now) == await of(finished_gte_ns=now) == []
    assert await of(started_lte_ns=now, finished_lte_ns=now) == [other, leg_id]
    failed = (await past.deliveries(DeliveryFilter(delivered=False), FIRST)).items[0]
    again = await past.delivery(failed.event.id)
    assert (again, [attempt.status for attempt in again.attempts]) == (failed, [500])
    with pytest.raises(CallerError, match="10005"):
        await past.delivery("no")


async def test_transcriptions_are_found_and_go_with_their_recording(bench):
    leg_id, token = await bench.answered()
    started = await bench.calls.record_start(token, RecordStart(RecordingParams("mp3", "single")))
    await bench.far_ends(leg_id)
    await bench.finish_all()
    segments = ({"start_ms": 0, "end_ms": 900, "text": "Hello."},)
    made = [
        Transcription(
            f"t{number}",
            started.recording_id,
            TranscriptionState.COMPLETED if number else TranscriptionState.IN_PROGRESS,
            "B",
            "en-US",
            created_ns=number,
            updated_ns=number,
            text="Hello.",
            segments=segments,
            duration_ms=1000,
        )
        for number in range(3)
    ]

    def add(unit):
        for transcription in made:
            unit.add_transcription(transcription)

    await bench.database.write(add)
    kept = Transcriptions(bench.database, bench.transcription_files)
    assert await kept.get("t1") == made[1]
    wanted = TranscriptionFilter(recording_id=started.recording_id)
    assert (await kept.list(wanted, FIRST)).items == tuple(reversed(made))
    assert (await kept.list(TranscriptionFilter("no"), FIRST)).items == ()
    between = TranscriptionFilter(created_gte_ns=1, created_lte_ns=1)
    assert (await kept.list(between, FIRST)).items == (made[1],)
    assert await kept.delete("t1") == made[1]
    with pytest.raises(CallerError, match="10005"):
        await kept.delete("t1")
    recordings = bench.recordings
    await recordings.delete(started.recording_id)
    assert (await kept.list(TranscriptionFilter(), FIRST)).total == 0


async def test_what_is_old_is_forgotten_and_what_is_needed_is_kept(bench, past, monkeypatch):
    monkeypatch.setattr("onrecord.service.pruning.BATCH_ROWS", 2)
    monkeypatch.setattr("onrecord.service.pruning.PAUSE_SECS", 0)
    pruning = Pruning(bench.database, bench.clock, 30)
    legs = []
    for _ in range(3):
        leg_id, token = await bench.answered()
        started = await bench.calls.record_start(
            token, RecordStart(RecordingParams("mp3", "single"))
        )
        await bench.far_ends(leg_id)
        legs.append(leg_id)
    for recording_id, _, _ in bench.jobs.all("finish")[:2]:
        await bench.finishing.finish(recording_id)
    up, _ = await bench.answered()
    bench.receiver.statuses = [500] * 2
    undelivered = await bench.incoming()
    await bench.settle()
    assert await pruning.prune() == 0
    bench.clock.shift_ns += 31 * 86400 * NS_PER_S
    assert await pruning.prune() > 20
    rows = [await bench.row(leg_id) is not None for leg_id in (*legs, up, undelivered)]
    assert rows == [False, False, True, True, True]
    assert await names(past, call_leg_id=up) == []
    assert await names(past, call_leg_id=undelivered) == ["call.initiated"]
    assert (await bench.recordings.list(RecordingFilter(), FIRST)).total == 2
    await bench.finishing.finish(started.recording_id)
    assert await pruning.prune() == 1
    assert await bench.row(legs[2]) is None
