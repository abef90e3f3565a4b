"""What every database must do for the use cases, whichever it is."""

import asyncio
from dataclasses import replace
from sqlite3 import IntegrityError, OperationalError

import pytest

from onrecord.calls.lists import PageRequest, RecordingFilter
from onrecord.calls.records import (
    ApiKey,
    Attempt,
    CommandRecord,
    Direction,
    EventState,
    Fidelity,
    FidelityReport,
    HangupCause,
    HangupSource,
    Header,
    LegState,
    PhoneNumber,
    RecordingParams,
    RecordingState,
    StopReason,
    Trimmed,
    WebhookTarget,
)
from onrecord.core.ids import new_uuid
from onrecord.database import Database
from onrecord.jobs import JobClient, prepare
from stored_records import a_leg, a_recording, an_application, an_event, jobs_of


@pytest.fixture(params=["sqlite"])
async def store(request, tmp_path):
    url = f"sqlite:///{tmp_path}/onrecord.db"
    jobs = JobClient(url)
    database = Database(url, jobs=jobs)
    await database.start()
    yield database
    await database.close()
    jobs.close()


async def test_every_member_of_a_leg_comes_back(store):
    first = a_leg(direction=Direction.OUTGOING, first_of_session=False)
    whole = replace(
        first,
        state=LegState.ENDED,
        client_state="aGk=",
        custom_headers=(Header("X-One", "a"), Header("X-One", "b")),
        sip_headers=(Header("User-to-User", "00;enc=hex"),),
        offered_codecs=("PCMU", "opus"),
        codec="PCMU",
        webhook=WebhookTarget("http://a", "http://b", "GET"),
        bridged_to="leg-2",
        answered_ns=5,
        ended_ns=6,
        hangup_cause=HangupCause.USER_BUSY,
        hangup_source=HangupSource.CALLEE,
        sip_hangup_cause="486",
    )
    await store.write(lambda unit: unit.add_leg(first))
    assert await store.read(lambda unit: unit.leg("v3:1")) == first
    await store.write(lambda unit: unit.save_leg(whole))
    assert await store.read(lambda unit: unit.leg("v3:1")) == whole
    assert await store.read(lambda unit: unit.leg_by_id("leg-1")) == whole
    assert await store.read(lambda unit: unit.leg("v3:2")) is None


async def test_only_the_legs_of_the_node_that_are_up_are_unended(store):
    def work(unit):
        unit.add_leg(a_leg(1, state=LegState.ANSWERED))
        unit.add_leg(a_leg(2, state=LegState.ENDED))
        unit.add_leg(a_leg(3, node="n2"))
        unit.add_leg(a_leg(4))

    await store.write(work)
    found = await store.read(lambda unit: unit.legs_unended("n1"))
    assert [leg.id for leg in found] == ["leg-1", "leg-4"]


async def test_every_member_of_a_recording_comes_back(store):
    first = a_recording(state=RecordingState.RECORDING, ended_ns=None)
    whole = a_recording(
        state=RecordingState.FAILED,
        params=RecordingParams(
            "mp3", "single", track="inbound", custom_file_name="ü", play_beep=True
        ),
        client_state="aGk=",
        stop_reason=StopReason.MAX_LENGTH,
        duration_ms=1,
        size_bytes=2**40,
        file_key="2026-01-01/x/y.mp3",
        trimmed=Trimmed(1, 2, speech=False),
        fidelity=Fidelity(4.1, 0.25, 3, 60, 40, ("outbound",), silent=True, torn=True),
        failure="disk full",
    )
    await store.write(lambda unit: unit.add_recording(first))
    assert await store.read(lambda unit: unit.recording("recording-1")) == first
    await store.write(lambda unit: unit.save_recording(whole))
    assert await store.read(lambda unit: unit.recording("recording-1")) == whole
    await store.write(lambda unit: unit.remove_recording("recording-1"))
    await store.write(lambda unit: unit.remove_recording("recording-1"))
    assert await store.read(lambda unit: unit.recording("recording-1")) is None


async def test_a_report_goes_with_its_recording(store):
    report = FidelityReport("recording-1", '{"tracks":{"inbound":"ü"}}', bytes(range(256)))

    def add(unit):
        unit.add_recording(a_recording())
        unit.add_report(report)

    await store.write(add)
    assert await store.read(lambda unit: unit.report("recording-1")) == report
    changed = a_recording(duration_ms=7)
    await store.write(lambda unit: unit.save_recording(changed))
    assert await store.read(lambda unit: unit.report("recording-1")) == report
    with pytest.raises(IntegrityError):
        await store.write(lambda unit: unit.add_report(report))
    await store.write(lambda unit: unit.remove_recording("recording-1"))
    assert await store.read(lambda unit: unit.report("recording-1")) is None


async def test_recordings_are_listed_newest_first_in_pages_and_only_when_saved(store):
    def work(unit):
        for number in range(1, 8):
            unit.add_recording(a_recording(number))
        unit.add_recording(a_recording(8, state=RecordingState.STOPPED))

    await store.write(work)

    def page(number):
        return store.read(
            lambda unit: unit.recordings(RecordingFilter(), PageRequest(number=number, size=3))
        )

    pages = [await page(number) for number in (1, 2, 3, 4)]
    numbers = [[int(item.id.split("-")[1]) for item in page.items] for page in pages]
    assert numbers == [[7, 6, 5], [4, 3, 2], [1], []]
    assert {page.total for page in pages} == {7}


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        (RecordingFilter(call_control_id="v3:2"), [2]),
        (RecordingFilter(call_leg_id="leg-3"), [3]),
        (RecordingFilter(call_session_id="session"), [3, 2, 1]),
        (RecordingFilter(call_session_id="Session"), []),
        (RecordingFilter(connection_id="1", from_="+15550001", to="+15550002"), [3, 2, 1]),
        (RecordingFilter(sip_call_id="call-1"), [1]),
        (RecordingFilter(conference_id="1"), []),
        (RecordingFilter(created_gte_ns=200), [3, 2]),
        (RecordingFilter(created_lte_ns=200), [2, 1]),
        (RecordingFilter(started_gte_ns=20, started_lte_ns=20), [2]),
        (RecordingFilter(ended_gte_ns=3000), [3]),
        (RecordingFilter(ended_lte_ns=999), []),
        (RecordingFilter(call_leg_id="leg-3", created_lte_ns=1), []),
    ],
)
async def test_recordings_are_filtered(store, wanted, found):
    await store.write(lambda unit: [unit.add_recording(a_recording(n)) for n in (1, 2, 3)])
    page = await store.read(lambda unit: unit.recordings(wanted, PageRequest()))
    assert [int(item.id.split("-")[1]) for item in page.items] == found
    assert page.total == len(found)


async def test_unfinished_recordings_are_those_without_a_file(store):
    states = list(RecordingState)
    await store.write(
        lambda unit: [unit.add_recording(a_recording(n, state=s)) for n, s in enumerate(states)]
    )
    await store.write(
        lambda unit: unit.add_recording(a_recording(99, node="n2", state=RecordingState.STOPPED))
    )
    found = await store.read(lambda unit: unit.recordings_unfinished("n1"))
    assert {r.state for r in found} == {
        RecordingState.RECORDING,
        RecordingState.PAUSED,
        RecordingState.STOPPED,
    }
    assert all(r.node == "n1" for r in found)


async def test_applications_are_searched_and_sorted_without_regard_to_case(store):
    def work(unit):
        unit.add_application(an_application(1, name="beta 100%", active=False))
        unit.add_application(an_application(2, name="Ärger"))
        unit.add_application(an_application(3, name="ALPHA_x"))

    await store.write(work)

    async def names(**how):
        page = await store.read(lambda unit: unit.applications(PageRequest(), **how))
        return [item.name for item in page.items]

    assert await names() == ["beta 100%", "Ärger", "ALPHA_x"]
    assert await names(sort="-created_at") == ["ALPHA_x", "Ärger", "beta 100%"]
    assert await names(sort="connection_name") == ["ALPHA_x", "beta 100%", "Ärger"]
    assert await names(sort="active") == ["beta 100%", "Ärger", "ALPHA_x"]
    assert await names(name_contains="äRG") == ["Ärger"]
    assert await names(name_contains="0%") == ["beta 100%"]
    assert await names(name_contains="a_") == ["ALPHA_x"]
    assert await names(name_contains="%") == ["beta 100%"]
    oldest = await store.read(lambda unit: unit.oldest_application())
    assert oldest == an_application(2, name="Ärger")


async def test_an_application_is_replaced_and_removed_with_its_numbers(store):
    await store.write(lambda unit: unit.add_application(an_application()))
    changed = an_application(active=False, webhook_timeout_ms=5, document={"a": None})
    await store.write(lambda unit: unit.save_application(changed))
    assert await store.read(lambda unit: unit.application(changed.id)) == changed
    number = PhoneNumber("+15550002", changed.id, 1, 1)
    await store.write(lambda unit: unit.put_number(number))
    again = replace(number, updated_ns=2)
    await store.write(lambda unit: unit.put_number(again))
    assert await store.read(lambda unit: unit.number("+15550002")) == again
    page = await store.read(lambda unit: unit.numbers(PageRequest()))
    assert (page.items, page.total) == ((again,), 1)
    await store.write(lambda unit: unit.remove_application(changed.id))
    assert await store.read(lambda unit: unit.application(changed.id)) is None
    assert await store.read(lambda unit: unit.number("+15550002")) is None


async def test_a_number_needs_an_application(store):
    with pytest.raises(IntegrityError):
        await store.write(lambda unit: unit.put_number(PhoneNumber("+1", "none", 1, 1)))


async def test_keys_are_found_by_their_digest(store):
    key = ApiKey("1", b"\0" * 32, "KEY01", "first", 1)
    await store.write(lambda unit: unit.add_key(key))
    assert await store.read(lambda unit: unit.key_by_digest(b"\0" * 32)) == key
    assert await store.read(lambda unit: unit.key_by_digest(b"\1" * 32)) is None
    revoked = replace(key, revoked_ns=5)
    await store.write(lambda unit: unit.save_key(revoked))
    assert await store.read(lambda unit: list(unit.keys())) == [revoked]


def a_command(scope, command_id):
    return CommandRecord(new_uuid(), scope, command_id, "hangup", "leg", "session", "app", 1)


async def test_a_command_is_claimed_once_in_its_scope(store):
    def claim(scope, command):
        return store.write(lambda unit: unit.add_command(a_command(scope, command)))

    assert await claim("v3:1", "a")
    assert not await claim("v3:1", "a")
    assert await claim("v3:2", "a")
    assert await claim("dial", "a")
    assert await claim("v3:1", None)
    assert await claim("v3:1", None), "commands without an id are never the same"
    assert await store.read(lambda unit: unit.has_command("dial", "a"))
    assert not await store.read(lambda unit: unit.has_command("dial", "b"))


async def test_a_refused_command_does_not_use_up_its_id(store):
    def refused(unit):
        assert unit.add_command(a_command("v3:1", "a"))
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        await store.write(refused)
    assert await store.write(lambda unit: unit.add_command(a_command("v3:1", "a")))


async def test_events_are_due_until_they_are_not_pending(store):
    def work(unit):
        for number in (3, 1, 2, 4):
            unit.add_event(an_event(number))
        unit.save_event(an_event(2, state=EventState.DELIVERED, attempts=1))
        unit.save_event(an_event(4, due_ns=None))

    await store.write(work)

    async def due(now_ns, limit=10):
        found = await store.read(lambda unit: unit.events_due(now_ns, limit))
        return [event.id for event in found]

    assert await due(9) == []
    assert await due(10) == ["event-1"]
    assert await due(99) == ["event-1", "event-3"]
    assert await due(99, limit=1) == ["event-1"]
    assert await store.read(lambda unit: unit.event("event-1")) == an_event(1)


async def test_attempts_are_kept_in_order_and_one_made_twice_once(store):
    await store.write(lambda unit: unit.add_event(an_event()))
    first = Attempt("event-1", 1, "http://a", 1, 2, None, "no answer", {"Telnyx-Timestamp": "1"})
    second = Attempt(
        *("event-1", 2, "http://b", 3, 4, 200),
        response_headers=(("x-a", "1"), ("x-a", "ü")),
        response_body="ök",
    )
    await store.write(lambda unit: (unit.add_attempt(second), unit.add_attempt(first)))
    repeated = replace(second, status=500)
    await store.write(lambda unit: unit.add_attempt(repeated))
    assert await store.read(lambda unit: list(unit.attempts("event-1"))) == [first, repeated]


async def test_what_an_event_says_stays_while_its_delivery_goes_on(store):
    first = an_event(retry_ms=(1, 2), failover_url="http://b/", recording_id="r")
    await store.write(lambda unit: unit.add_event(first))
    later = replace(first, state=EventState.DEAD, attempts=3, due_ns=None)
    await store.write(lambda unit: unit.save_event(replace(later, body="{}", url="http://c/")))
    assert await store.read(lambda unit: unit.event("event-1")) == later


async def test_secrets_are_replaced(store):
    await store.write(lambda unit: unit.put_secret("key", b"\0\xff"))
    await store.write(lambda unit: unit.put_secret("key", b"\1"))
    assert await store.read(lambda unit: unit.secret("key")) == b"\1"
    assert await store.read(lambda unit: unit.secret("other")) is None


async def test_saving_what_is_not_there_is_an_error(store):
    for work in (
        lambda unit: unit.save_leg(a_leg()),
        lambda unit: unit.save_recording(a_recording()),
        lambda unit: unit.save_event(an_event()),
        lambda unit: unit.enqueue_finish("none"),
    ):
        with pytest.raises(LookupError):
            await store.write(work)


async def test_works_that_share_a_commit_fail_alone(store):
    def work(number):
        def run(unit):
            unit.add_leg(a_leg(number))
            if number % 3 == 0:
                raise ValueError(str(number))
            return number

        return run

    results = await asyncio.gather(
        *[store.write(work(number)) for number in range(60)], return_exceptions=True
    )
    for number, result in enumerate(results):
        expected = ValueError if number % 3 == 0 else int
        assert isinstance(result, expected)
        assert str(result) == str(number)
    legs = await store.read(lambda unit: unit.legs_unended("n1"))
    assert len(legs) == 40


async def test_a_read_cannot_write_and_sees_one_moment(store):
    with pytest.raises(OperationalError):
        await store.read(lambda unit: unit.add_leg(a_leg()))
    loop = asyncio.get_running_loop()

    def look_twice(unit):
        before = unit.leg("v3:1")
        asyncio.run_coroutine_threadsafe(
            store.write(lambda other: other.add_leg(a_leg())), loop
        ).result(10)
        return before, unit.leg("v3:1")

    assert await store.read(look_twice) == (None, None)
    assert await store.read(lambda unit: unit.leg("v3:1")) == a_leg()


async def test_a_patient_write_goes_with_the_next_commit(store):
    refused = asyncio.ensure_future(store.write(lambda _: 1 / 0, patience_secs=600))
    patient = asyncio.ensure_future(
        store.write(lambda unit: unit.add_leg(a_leg(1)), patience_secs=600)
    )
    await asyncio.sleep(0)
    assert await store.read(lambda unit: unit.leg("v3:1")) is None
    await store.write(lambda unit: unit.add_leg(a_leg(2)))
    await patient
    with pytest.raises(ZeroDivisionError):
        await refused
    assert await store.read(lambda unit: unit.leg("v3:1")) == a_leg(1)


async def test_a_patient_write_is_made_when_its_time_is_over_and_at_the_end(store):
    await store.write(lambda unit: unit.add_leg(a_leg(1)), patience_secs=0.01)
    assert await store.read(lambda unit: unit.leg("v3:1")) == a_leg(1)
    left = asyncio.ensure_future(
        store.write(lambda unit: unit.add_leg(a_leg(2)), patience_secs=600)
    )
    await asyncio.sleep(0)
    await store.close()
    await left
    await store.start()
    assert await store.read(lambda unit: unit.leg("v3:2")) == a_leg(2)


async def test_a_cancelled_writer_does_not_disturb_the_others(store):
    cancelled = asyncio.ensure_future(store.write(lambda unit: unit.add_leg(a_leg(1))))
    await asyncio.sleep(0)
    cancelled.cancel()
    await store.write(lambda unit: unit.add_leg(a_leg(2)))
    assert await store.read(lambda unit: unit.leg("v3:2")) == a_leg(2)
    with pytest.raises(asyncio.CancelledError):
        await cancelled


async def test_jobs_are_queued_with_the_state_or_not_at_all(store):
    await asyncio.to_thread(prepare, store.url)

    def refused(unit):
        unit.add_recording(a_recording(1))
        unit.enqueue_finish("recording-1")
        raise ValueError("refused")

    with pytest.raises(ValueError, match="refused"):
        await store.write(refused)
    assert await store.read(jobs_of) == []
    await store.write(
        lambda unit: (unit.add_recording(a_recording(1)), unit.enqueue_finish("recording-1"))
    )
    await store.write(lambda unit: unit.enqueue_finish("recording-1"))
    await store.write(lambda unit: unit.enqueue_delivery("event-1", 2, 60.0))
    await store.write(lambda unit: unit.enqueue_delivery("event-1", 2, 0.0))
    assert await store.read(jobs_of) == [
        ("deliver.event-1.2", "delivery", "DELAYED", "1"),
        ("finish.recording-1", "spool.n1", "ENQUEUED", "1"),
    ]


@pytest.mark.parametrize(
    ("queue", "waiting"),
    [
        (lambda unit: unit.enqueue_delivery("event-1", 2, 0.0), True),
        (lambda unit: unit.enqueue_delivery("event-1", 2, 60.0), False),
        (lambda unit: unit.enqueue_delivery("event-1", 2, 5.0), True),
        (lambda unit: unit.enqueue_move(a_recording(1), 1, 0.0), True),
        (lambda unit: unit.enqueue_move(a_recording(1, node="n2"), 1, 0.0), False),
        (lambda unit: unit.enqueue_transcription("n1", "t"), True),
    ],
)
async def test_jobs_wait_whose_time_has_come_or_comes_soon(store, queue, waiting):
    await asyncio.to_thread(prepare, store.url)
    assert await store.read(lambda unit: unit.jobs_waiting("n1", 10)) is False
    await store.write(queue)
    assert await store.read(lambda unit: unit.jobs_waiting("n1", 10)) is waiting


async def test_it_is_usable_again_after_a_close(store):
    await store.write(lambda unit: unit.add_leg(a_leg()))
    await store.close()
    await store.close()
    with pytest.raises(RuntimeError, match="not started"):
        await store.read(lambda unit: unit.leg("v3:1"))
    await store.start()
    assert await store.read(lambda unit: unit.leg("v3:1")) == a_leg()


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), KeyError("x")])
async def test_whatever_a_work_raises_reaches_its_caller_and_the_writer_goes_on(store, error):
    def raises(unit):
        unit.add_leg(a_leg(1))
        raise error

    def adds(unit):
        unit.add_leg(a_leg(2))

    async def outcome(work):
        try:
            await store.write(work)
        except BaseException as raised:
            return raised

    assert await outcome(raises) is error
    several = [outcome(work) for work in (raises, adds, raises)]
    assert await asyncio.gather(*several) == [error, None, error]
    found = await store.read(lambda unit: [unit.leg_by_id(f"leg-{n}") is not None for n in (1, 2)])
    assert found == [False, True]
