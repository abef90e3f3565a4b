"""What comes after a call: delivery, finishing, recovery; over a real database."""

import asyncio
from dataclasses import replace

import pytest

from onrecord.calls.commands import ApplicationFields, RecordStart
from onrecord.calls.records import (
    EventState,
    LegState,
    RecordingParams,
    RecordingState,
    StopReason,
)
from onrecord.core.errors import DestinationError
from onrecord.core.ids import RecordingId
from onrecord.service.recovery import Recovered, Recovery

WAV = RecordingParams("wav", "dual", custom_file_name="My file/ü")


async def recorded(bench):
    """A call that was recorded and is over; returns leg id and recording id."""
    leg_id, token = await bench.answered()
    result = await bench.calls.record_start(token, RecordStart(WAV))
    await bench.far_ends(leg_id)
    return leg_id, result.recording_id


def recovery(bench, salvage=lambda: None):
    return Recovery(
        node=bench.settings.node,
        store=bench.database,
        spools=bench.spools,
        salvage=salvage,
        announcements=bench.announcements,
        delivery=bench.delivery,
        clock=bench.clock,
    )


async def with_failover(bench):
    fields = ApplicationFields("app", "http://receiver/primary", "http://receiver/failover")
    await bench.applications.update(bench.application.id, fields)


# Delivery


async def test_events_of_a_leg_are_sent_one_after_another(bench):
    bench.receiver.delay = 0.02
    leg_id, _ = await bench.answered()
    await bench.far_ends(leg_id)
    assert bench.receiver.types(leg_id) == ["call.initiated", "call.answered", "call.hangup"]
    for event in await bench.events_in_database(leg_id):
        assert (event.state, event.attempts) == (EventState.DELIVERED, 1)


async def test_a_slow_receiver_of_one_leg_does_not_hold_up_another(bench):
    bench.receiver.delay = 0.2
    started = asyncio.get_running_loop().time()
    await asyncio.gather(*(bench.incoming() for _ in range(5)))
    assert asyncio.get_running_loop().time() - started < 0.9
    assert len(bench.receiver.got) == 5


async def test_a_failed_attempt_goes_to_the_failover_url_at_once(bench):
    await with_failover(bench)
    bench.receiver.statuses = [500]
    leg_id = await bench.incoming()
    assert [(number, url) for _, number, url in bench.receiver.got] == [
        (1, "http://receiver/primary"),
        (2, "http://receiver/failover"),
    ]
    [event] = await bench.events_in_database(leg_id)
    assert (event.state, event.attempts, event.due_ns) == (EventState.DELIVERED, 2, None)
    assert bench.jobs.all("deliver") == []


async def test_later_attempts_are_jobs_and_then_the_event_is_dead(bench):
    bench.receiver.statuses = [500, None, 503]
    leg_id = await bench.incoming()
    [event] = await bench.events_in_database(leg_id)
    assert (event.state, event.attempts, event.due_ns) == (EventState.PENDING, 1, None)
    assert bench.jobs.all("deliver") == [(event.id, 2, 2)]
    await bench.delivery.attempt(event.id, 2)
    assert bench.jobs.all("deliver")[-1] == (event.id, 3, 8)
    await bench.delivery.attempt(event.id, 2)
    await bench.delivery.attempt(event.id, 3)
    await bench.delivery.attempt(event.id, 3)
    [event] = await bench.events_in_database(leg_id)
    assert (event.state, event.attempts) == (EventState.DEAD, 3)
    assert [number for _, number, _ in bench.receiver.got] == [1, 2, 3]
    made = await bench.database.read(lambda unit: unit.attempts(event.id))
    assert [(attempt.number, attempt.status) for attempt in made] == [(1, 500), (2, None), (3, 503)]


async def test_a_retry_goes_where_the_policy_sent_it(bench):
    await with_failover(bench)
    bench.receiver.statuses = [500, 500, 500]
    leg_id = await bench.incoming()
    [event] = await bench.events_in_database(leg_id)
    await bench.delivery.attempt(event.id, 3)
    assert [url.rpartition("/")[2] for _, _, url in bench.receiver.got] == [
        "primary",
        "failover",
        "primary",
        "failover",
    ]
    [event] = await bench.events_in_database(leg_id)
    assert event.state is EventState.DELIVERED


async def test_the_sweep_finds_what_a_dead_process_left(bench):
    leg_id = await bench.incoming()
    [event] = await bench.events_in_database(leg_id)
    left = replace(event, state=EventState.PENDING, attempts=0, due_ns=event.occurred_ns + 1)
    await bench.database.write(lambda unit: unit.save_event(left))
    assert await bench.delivery.sweep() == 1
    assert bench.jobs.all("deliver") == [(event.id, 1, 0)]
    assert await bench.delivery.sweep() == 0


async def test_an_attempt_for_an_event_that_is_not_there_does_nothing(bench):
    await bench.delivery.attempt("11111111-1111-4111-8111-111111111111", 1)
    assert bench.receiver.got == []


async def test_attempts_that_cross_are_counted_once(bench):
    bench.receiver.statuses = [500]
    leg_id = await bench.incoming()
    [event] = await bench.events_in_database(leg_id)
    await asyncio.gather(*(bench.delivery.attempt(event.id, 2) for _ in range(3)))
    [event] = await bench.events_in_database(leg_id)
    assert (event.state, event.attempts) == (EventState.DELIVERED, 2)


# Finishing


async def test_a_finished_recording_is_stored_told_and_its_spool_gone(bench):
    leg_id, recording_id = await recorded(bench)
    await bench.finish_all()
    saved = await bench.recording(recording_id)
    assert (saved.state, saved.duration_ms, saved.size_bytes) == (RecordingState.SAVED, 1000, 12)
    assert (saved.started_ns, saved.ended_ns) == (5_000_000_000, 6_000_000_000)
    assert saved.stop_reason is StopReason.HANGUP
    day, folder, name = saved.file_key.split("/")
    assert (len(day), folder) == (10, recording_id)
    assert name == f"My file_ü-{saved.created_ns // 10**9}.wav"
    assert (bench.storage.folder / saved.file_key).read_bytes().startswith(b"file of")
    assert list((bench.folder / "spool").iterdir()) == []
    kind, payload = bench.receiver.events(leg_id)[-1]
    assert kind == "call.recording.saved"
    assert payload["recording_id"] == recording_id
    assert saved.file_key in payload["recording_urls"]["wav"]


async def test_finishing_again_does_nothing(bench):
    leg_id, recording_id = await recorded(bench)
    await bench.finish_all()
    await bench.finish_all()
    assert bench.receiver.types(leg_id).count("call.recording.saved") == 1


@pytest.mark.parametrize("point", ["put", "write", "unlink", "remove"])
async def test_finishing_after_a_crash_at_any_line(bench, monkeypatch, point):
    leg_id, recording_id = await recorded(bench)

    class Crash(Exception):
        pass

    def die(*_args, **_more):
        raise Crash

    with monkeypatch.context() as patch:
        target = {
            "put": (bench.storage, "put"),
            "write": (bench.finishing, "_save"),
            "unlink": (bench.spools.part(recording_id, "wav").__class__, "unlink"),
            "remove": (bench.spools, "remove"),
        }[point]
        patch.setattr(*target, die)
        with pytest.raises(Crash):
            await bench.finishing.finish(recording_id)
    await bench.finishing.finish(recording_id)
    await bench.settle()
    assert (await bench.recording(recording_id)).state is RecordingState.SAVED
    assert (await bench.recordings.report(recording_id))[1].recording_id == recording_id
    assert not bench.spools.path(recording_id).exists()
    events = await bench.database.read(lambda unit: unit.events_due(2**62, 100))
    saved = [event.type for event in events] + bench.receiver.types(leg_id)
    assert saved.count("call.recording.saved") == 1


async def test_a_storage_that_refuses_is_tried_again_then_given_up(bench):
    leg_id, recording_id = await recorded(bench)
    bench.storage.fails = DestinationError("503 from the bucket")
    with pytest.raises(DestinationError):
        await bench.finishing.finish(recording_id)
    assert (await bench.recording(recording_id)).state is RecordingState.STOPPED
    await bench.finishing.give_up(recording_id, "503 from the bucket")
    await bench.finishing.give_up(recording_id, "again")
    await bench.settle()
    failed = await bench.recording(recording_id)
    assert (failed.state, failed.failure) == (RecordingState.FAILED, "503 from the bucket")
    assert bench.spools.path(recording_id).exists()
    errors = [p for kind, p in bench.receiver.events(leg_id) if kind == "call.recording.error"]
    assert [payload["reason"] for payload in errors] == ["Internal server error"]
    await bench.finishing.finish(recording_id)
    assert bench.spools.path(recording_id).exists()


async def test_finishing_an_unknown_or_running_recording_does_nothing(bench):
    await bench.finishing.finish(RecordingId("11111111-1111-4111-8111-111111111111"))
    _, token = await bench.answered()
    result = await bench.calls.record_start(token, RecordStart(WAV))
    await bench.finishing.finish(result.recording_id)
    assert bench.spools.path(result.recording_id).exists()
    assert (await bench.recording(result.recording_id)).state is RecordingState.RECORDING


async def test_a_recording_of_a_deleted_application_is_saved_in_silence(bench):
    leg_id, recording_id = await recorded(bench)
    await bench.applications.delete(bench.application.id)
    await bench.finish_all()
    assert (await bench.recording(recording_id)).state is RecordingState.SAVED
    assert "call.recording.saved" not in bench.receiver.types(leg_id)


# Recovery


async def test_recovery_ends_legs_and_stops_recordings_of_a_dead_process(bench):
    leg_id, token = await bench.answered()
    ringing = await bench.incoming()
    result = await bench.calls.record_start(token, RecordStart(WAV))
    bench.outside()
    salvaged = []
    found = await recovery(bench, lambda: salvaged.append(1)).run()
    await bench.settle()
    assert (salvaged, found) == ([1], Recovered(2, 1, 0))
    assert sorted(bench.receiver.types()) == ["call.hangup", "call.hangup"]
    payload = bench.receiver.events(leg_id)[-1][1]
    assert (payload["hangup_cause"], payload["hangup_source"]) == ("unspecified", "unknown")
    for each in (leg_id, ringing):
        assert (await bench.row(each)).state is LegState.ENDED
    stopped = await bench.recording(result.recording_id)
    assert (stopped.state, stopped.stop_reason) == (RecordingState.STOPPED, StopReason.NODE_LOST)
    assert await recovery(bench).run() == Recovered(0, 0, 0)
    await bench.finish_all()
    assert (await bench.recording(result.recording_id)).state is RecordingState.SAVED


async def test_recovery_tidies_the_spool_folder(bench):
    _, recording_id = await recorded(bench)
    kept = bench.spools.path(recording_id).read_bytes()
    _, other = await recorded(bench)
    await bench.finishing.finish(recording_id)
    bench.spools.path(recording_id).write_bytes(kept)
    orphan = RecordingId("22222222-2222-4222-8222-222222222222")
    bench.spools.path(orphan).write_bytes(kept)
    bench.spools.part(other, "wav").write_bytes(b"half")
    assert await recovery(bench).run() == Recovered(0, 0, 1)
    assert list(bench.spools.recordings()) == [other]
    aside = bench.folder / "spool" / "orphans" / f"{orphan}.spool"
    assert aside.read_bytes() == kept
    assert not bench.spools.part(other, "wav").exists()
