"""Where a call's events go and when they are tried again; over a real database."""

from onrecord.calls.commands import Answer, ApplicationFields, Hangup, RecordStart, RecordStop
from onrecord.calls.records import EventState, RecordingParams, WebhookTarget


def sent(bench, kind):
    """(URL, method) of each attempt at events of the type."""
    return [(url, event.method) for event, _, url in bench.receiver.got if event.type == kind]


async def test_the_urls_of_a_type_go_before_the_call_s_and_the_application_s(bench):
    webhook = WebhookTarget(
        url="http://call/",
        method="GET",
        urls={"call.hangup": ("http://ended/", "http://spare/")},
    )
    leg_id, _ = await bench.answered(command=Answer(webhook=webhook))
    assert (await bench.row(leg_id)).webhook == webhook
    bench.receiver.statuses = [500]
    await bench.far_ends(leg_id)
    assert sent(bench, "call.initiated") == [("http://receiver/primary", "POST")]
    assert sent(bench, "call.answered") == [("http://call/", "GET")]
    assert sent(bench, "call.hangup") == [("http://ended/", "POST"), ("http://spare/", "POST")]


async def test_any_command_may_redirect_what_follows_it(bench):
    leg_id, token = await bench.answered()
    started = await bench.calls.record_start(
        token,
        RecordStart(RecordingParams("wav", "dual"), webhook=WebhookTarget(url="http://second/")),
    )
    await bench.calls.record_stop(
        token, RecordStop(started.recording_id, webhook=WebhookTarget(url="http://third/"))
    )
    await bench.finish_all()
    await bench.calls.hangup(token, Hangup(webhook=WebhookTarget(url="http://last/", method="GET")))
    await bench.settle()
    assert sent(bench, "call.answered") == [("http://receiver/primary", "POST")]
    assert sent(bench, "call.recording.saved") == [("http://third/", "POST")]
    assert sent(bench, "call.hangup") == [("http://last/", "GET")]
    assert (await bench.row(leg_id)).webhook == WebhookTarget(url="http://last/", method="GET")


async def test_a_retry_policy_replaces_the_waits_of_its_type(bench):
    webhook = WebhookTarget(retry_ms={"call.hangup": (0, 250)})
    leg_id, _ = await bench.answered(command=Answer(webhook=webhook))
    bench.receiver.statuses = [500, 503, 500]
    await bench.far_ends(leg_id)
    assert len(sent(bench, "call.hangup")) == 2, "a wait of nothing is no wait"
    (event_id, number, delay) = bench.jobs.all("deliver")[-1]
    assert (number, delay) == (3, 0.25)
    await bench.delivery.attempt(event_id, 3)
    event = await bench.database.read(lambda unit: unit.event(event_id))
    assert (event.state, event.attempts) == (EventState.DEAD, 3)


async def test_a_primary_that_is_only_down_is_tried_again_though_the_failover_refuses(bench):
    fields = ApplicationFields("app", "http://receiver/primary", "http://receiver/failover")
    await bench.applications.update(bench.application.id, fields)
    bench.receiver.statuses = [503, 404]
    await bench.incoming()
    (event_id, number, delay) = bench.jobs.all("deliver")[-1]
    assert (number, delay) == (3, 2)
    bench.receiver.statuses = [404, 404]
    await bench.delivery.attempt(event_id, 3)
    event = await bench.database.read(lambda unit: unit.event(event_id))
    assert (event.state, event.attempts) == (EventState.DEAD, 4)


async def test_a_job_that_repeats_the_failover_knows_what_the_primary_said(bench):
    """The process died between the two; a job makes the second attempt."""
    fields = ApplicationFields("app", "http://receiver/primary", "http://receiver/failover")
    await bench.applications.update(bench.application.id, fields)
    bench.receiver.statuses = [503, 503]
    await bench.incoming()
    (event_id, number, _) = bench.jobs.all("deliver")[-1]
    bench.receiver.statuses = [503, 403]
    await bench.delivery.attempt(event_id, number)
    assert bench.jobs.all("deliver")[-1] == (event_id, 5, 8)


async def test_an_event_whose_attempt_breaks_holds_no_later_one_up(bench):
    bench.receiver.statuses = ["no number"]
    await bench.answered()
    assert sent(bench, "call.initiated") == [("http://receiver/primary", "POST")]
    assert sent(bench, "call.answered") == [("http://receiver/primary", "POST")]
