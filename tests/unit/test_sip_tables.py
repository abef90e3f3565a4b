"""Every row of the SIP tables does what it says; every absent pair is ignored."""

import itertools

import pytest

from onrecord.core.ids import LegId
from onrecord.core.units import NS_PER_S
from onrecord.sip.alarms import Alarms
from onrecord.sip.backend import DialRequest, Ended
from onrecord.sip.core import Core, Facts, UaConfig
from onrecord.sip.dialogs import (
    CALLS,
    OFFERS,
    Call,
    CallInput,
    CallState,
    Effect,
    OfferInput,
    OfferState,
)
from onrecord.sip.message import Message, parse
from onrecord.sip.peers import Peer
from onrecord.sip.transactions import (
    START,
    TABLE,
    Action,
    Kind,
    Signal,
    State,
    Timer,
    Transaction,
    Transactions,
)

REQUEST = Message(
    "INVITE",
    "sip:b@example.com",
    headers=(
        ("Via", "SIP/2.0/UDP h;branch=z9hG4bKx"),
        ("Route", "<sip:p;lr>"),
        ("From", "<sip:a@h>;tag=1"),
        ("To", "<sip:b@h>"),
        ("Call-ID", "c"),
        ("CSeq", "7 INVITE"),
        ("Max-Forwards", "70"),
    ),
)
RESPONSE = Message(status=486, reason="Busy Here", headers=(("To", "<sip:b@h>;tag=9"),))
INPUTS = [*Signal, *Timer]


class Bench:
    """One transaction in a given state, its sent bytes and its alarms."""

    def __init__(self, kind, state, transport="UDP"):
        self.sent: list[bytes] = []
        self.alarms = Alarms()
        self.transactions = Transactions(self.alarms, lambda data, _peer: self.sent.append(data))
        peer = Peer(transport, "192.0.2.9", 5060)
        self.transaction = Transaction(kind, "key", REQUEST, peer, state, last=b"last")
        self.transactions._table["key"] = self.transaction


@pytest.mark.parametrize("kind", Kind)
def test_each_pair_of_a_transaction_does_its_row_or_nothing(kind):
    for state, what in itertools.product(State, INPUTS):
        bench = Bench(kind, state)
        row = TABLE[kind].get((state, what))
        actions = bench.transactions.signal(bench.transaction, what, 0, RESPONSE)
        if row is None:
            assert actions == ()
            assert bench.transaction.state is state
            assert not bench.sent
            assert len(bench.alarms) == 0
            continue
        assert actions == row.actions
        assert bench.transaction.state is row.state
        sends = [each for each in row.actions if each not in (Action.DELIVER, Action.FAIL)]
        assert len(bench.sent) == len(sends)
        assert bench.transaction.running == set(row.start)
        assert len(bench.transactions) == (0 if row.state is State.TERMINATED else 1)


@pytest.mark.parametrize("kind", Kind)
def test_each_state_of_a_transaction_is_reached_and_can_be_left(kind):
    reached = {START[kind].state} | {row.state for row in TABLE[kind].values()}
    assert {state for state, _ in TABLE[kind]} == reached - {State.TERMINATED}
    started = {timer for row in [START[kind], *TABLE[kind].values()] for timer in row.start}
    heard = {what for _, what in TABLE[kind] if isinstance(what, Timer)}
    assert heard - started == ({Timer.CANCELLED} if kind is Kind.CLIENT_INVITE else set())
    assert started <= heard


def fire_times(bench, start_ns=0):
    """Seconds and timer of each alarm until none is left."""
    fired = []
    while (now_ns := bench.alarms.next()) is not None:
        for transaction, timer in bench.alarms.due(now_ns):
            fired.append(((now_ns - start_ns) / NS_PER_S, timer.value))
            bench.transactions.signal(transaction, timer, now_ns)
    return fired


def client(method, transport="UDP"):
    bench = Bench(Kind.CLIENT_OTHER, State.TERMINATED, transport)
    peer = bench.transaction.peer
    request = Message(method, REQUEST.uri, headers=REQUEST.headers)
    bench.transactions._table.clear()
    bench.transaction = bench.transactions.open_client(request, "z9hG4bKx", peer, 0, None)
    return bench


def test_an_invite_is_sent_seven_times_in_32_seconds():
    bench = client("INVITE")
    times = [0.5, 1.5, 3.5, 7.5, 15.5, 31.5]
    assert fire_times(bench) == [*((at, "A") for at in times), (32.0, "B")]
    assert len(bench.sent) == 7
    assert len(bench.transactions) == 0


def test_another_request_is_sent_eleven_times_in_32_seconds():
    bench = client("BYE")
    times = [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]
    assert fire_times(bench) == [*((at, "E") for at in times), (32.0, "F")]
    assert len(bench.sent) == 11


def test_after_a_provisional_response_a_request_is_sent_every_four_seconds():
    bench = client("BYE")
    bench.transactions.signal(bench.transaction, Signal.PROVISIONAL, 0, RESPONSE)
    assert fire_times(bench)[:3] == [(0.5, "E"), (4.5, "E"), (8.5, "E")]


def test_a_provisional_response_stops_the_invite_timers():
    bench = client("INVITE")
    bench.transactions.signal(bench.transaction, Signal.PROVISIONAL, 0, RESPONSE)
    assert fire_times(bench) == []
    bench.transactions.expect_end(bench.transaction, 5 * NS_PER_S)
    assert fire_times(bench) == [(37.0, "cancelled")]
    assert len(bench.transactions) == 0


@pytest.mark.parametrize(("transport", "wait"), [("UDP", 32.0), ("TCP", 0.0)])
def test_a_refused_invite_is_acknowledged_each_time(transport, wait):
    bench = client("INVITE", transport)
    for _ in range(3):
        bench.transactions.signal(bench.transaction, Signal.FAILURE, 0, RESPONSE)
    _, first, *others = bench.sent
    assert others == [first, first]
    ack = parse(first)
    assert (ack.method, ack.uri) == ("ACK", REQUEST.uri)
    assert ack.get("via") == REQUEST.get("via")
    assert ack.get("to") == "<sip:b@h>;tag=9"
    assert (ack.get("cseq"), ack.get("route")) == ("7 ACK", "<sip:p;lr>")
    assert fire_times(bench) == [(wait, "D")]


@pytest.mark.parametrize(
    ("transport", "fired"),
    [("UDP", [0.5, 1.5, 3.5, 7.5, 11.5, 15.5, 19.5, 23.5, 27.5, 31.5]), ("TCP", [])],
)
def test_a_refusal_is_sent_until_the_ack(transport, fired):
    bench = Bench(Kind.SERVER_INVITE, State.PROCEEDING, transport)
    bench.transactions.respond(bench.transaction, RESPONSE, 0)
    assert fire_times(bench) == [*((at, "G") for at in fired), (32.0, "H")]
    bench = Bench(Kind.SERVER_INVITE, State.PROCEEDING, transport)
    bench.transactions.respond(bench.transaction, RESPONSE, 0)
    bench.transactions.signal(bench.transaction, Signal.ACK, 0)
    assert fire_times(bench) == [(5.0 if transport == "UDP" else 0.0, "I")]


def core():
    legs = itertools.count()
    config = UaConfig("192.0.2.1", 5060, lambda: LegId(f"leg-{next(legs)}"))
    return Core(config, lambda: "00ff00ff00ff00ff")


@pytest.mark.parametrize("state", CallState)
def test_each_pair_of_a_call_does_its_row_or_nothing(state):
    for what in CallInput:
        done: list[Effect] = []
        made = core()
        made.effects = {
            effect: lambda _call, _facts, effect=effect, done=done: done.append(effect)
            for effect in Effect
        }
        request = DialRequest("sip:b@h", "sip:a@h", "")
        call = Call(LegId("x"), state, None, request=request)
        made.calls.add(call)
        row = CALLS.get((state, what))
        assert made.advance(call, what, Facts(0)) == (row is not None)
        ends = [event for event in made.outbox if isinstance(event, Ended)]
        if row is None:
            assert (call.state, done, made.outbox) == (state, [], [])
            continue
        assert call.state is row.state
        reports = [each for each in row.effects if each.value.startswith("Ended")]
        assert len(ends) == len(reports) <= 1
        assert done == [each for each in row.effects if each not in reports]
        assert (made.calls.leg(call.leg) is None) == (row.state is CallState.ENDED)


def test_exactly_one_end_is_reported_on_every_way_through_a_call():
    """States split into before and after the report; no row reports twice or skips it."""
    reported = {CallState.CANCEL_OWED, CallState.CANCELLING, CallState.BYE_OWED, CallState.ENDED}
    for (state, _), row in CALLS.items():
        reports = any(effect.value.startswith("Ended") for effect in row.effects)
        assert reports == (state not in reported and row.state in reported)
        assert not (state in reported and row.state not in reported)


def test_offers_take_turns():
    for state, what in itertools.product(OfferState, OfferInput):
        call = Call(LegId("x"), CallState.CONFIRMED, None, offer=state)
        after = OFFERS.get((state, what))
        assert call.negotiate(what) == (after is not None)
        assert call.offer is (after or state)
    invites = [
        state for state, what in OFFERS if what in (OfferInput.INVITE_IN, OfferInput.INVITE_OUT)
    ]
    assert set(invites) == {OfferState.STABLE}


def test_alarms_fall_due_in_order_and_once():
    alarms: Alarms[str] = Alarms()
    for name, at in [("a", 30), ("b", 10), ("c", 20), ("b", 25)]:
        alarms.set(name, at)
    alarms.clear("c")
    assert alarms.next() == 25
    assert list(alarms.due(30)) == ["b", "a"]
    assert alarms.next() is None
    assert len(alarms) == 0
