"""Which attempt follows which: the whole course of an event, for each way a receiver may behave."""

import pytest

from onrecord.calls.records import Attempt
from onrecord.webhooks import Verdict, next_try, url_for, verdict
from stored_records import an_event

FIRST, OTHER = "http://first", "http://other"
ALONE = an_event(url=FIRST)
PAIR = an_event(url=FIRST, failover_url=OTHER)
DELAYS = (2, 8)


def attempt(status):
    return Attempt("event-1", 1, FIRST, 0, 1, status)


@pytest.mark.parametrize(
    ("status", "means"),
    [
        (200, Verdict.DELIVERED),
        (204, Verdict.DELIVERED),
        (299, Verdict.DELIVERED),
        (None, Verdict.RETRY),
        (408, Verdict.RETRY),
        (429, Verdict.RETRY),
        (500, Verdict.RETRY),
        (503, Verdict.RETRY),
        (301, Verdict.FAILOVER_ONLY),
        (400, Verdict.FAILOVER_ONLY),
        (404, Verdict.FAILOVER_ONLY),
        (410, Verdict.FAILOVER_ONLY),
        (100, Verdict.FAILOVER_ONLY),
    ],
)
def test_what_an_attempt_means(status, means):
    assert verdict(attempt(status)) is means


def course(event, answer):
    """The (URL, wait before it) of every attempt while ``answer(url)`` is what it meant."""
    made, number, url, delay = [], 1, event.url, 0
    while True:
        made.append((url, delay))
        step = next_try(event, number, answer(url), DELAYS)
        if step is None:
            return made
        assert step.url == url_for(event, number + 1)
        number, url, delay = number + 1, *step


def test_a_receiver_that_is_down_is_tried_after_each_wait():
    assert course(ALONE, lambda _: Verdict.RETRY) == [(FIRST, 0), (FIRST, 2), (FIRST, 8)]


def test_a_receiver_that_refuses_or_takes_it_is_left_alone():
    for outcome in (Verdict.DELIVERED, Verdict.FAILOVER_ONLY):
        assert course(ALONE, lambda _, o=outcome: o) == [(FIRST, 0)]


def test_the_failover_is_tried_at_once_and_then_they_alternate():
    assert course(PAIR, lambda _: Verdict.RETRY) == [
        (FIRST, 0),
        (OTHER, 0),
        (FIRST, 2),
        (OTHER, 0),
        (FIRST, 8),
        (OTHER, 0),
    ]


def test_a_refusal_leads_to_the_failover():
    def answer(url):
        return Verdict.FAILOVER_ONLY if url == FIRST else Verdict.DELIVERED

    assert course(PAIR, answer) == [(FIRST, 0), (OTHER, 0)]


def test_when_both_refuse_it_is_given_up():
    assert course(PAIR, lambda _: Verdict.FAILOVER_ONLY) == [(FIRST, 0), (OTHER, 0)]


def test_a_first_that_is_down_is_tried_again_although_the_failover_refused():
    step = next_try(PAIR, 2, Verdict.FAILOVER_ONLY, DELAYS, earlier=Verdict.RETRY)
    assert step == (FIRST, 2)
    assert next_try(PAIR, 2, Verdict.FAILOVER_ONLY, DELAYS, earlier=Verdict.FAILOVER_ONLY) is None
    assert next_try(PAIR, 6, Verdict.FAILOVER_ONLY, DELAYS, earlier=Verdict.RETRY) is None


def test_without_waits_there_is_one_round():
    assert next_try(ALONE, 1, Verdict.RETRY, ()) is None
    assert next_try(PAIR, 1, Verdict.RETRY, ()) == (OTHER, 0)
    assert next_try(PAIR, 2, Verdict.RETRY, ()) is None
