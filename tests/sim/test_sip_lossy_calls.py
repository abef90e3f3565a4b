"""Whole calls between two agents over links that lose, reorder, repeat and delay."""

import random

import pytest

from onrecord.core.ids import LegId
from onrecord.sip.backend import (
    Answered,
    DialRequest,
    Ended,
    IncomingCall,
    OfferAnswered,
    OfferReceived,
    Ringing,
)
from sim.sip_pair import SDP, Pair

LEG = LegId("a-out")
A_SDP, B_SDP = SDP.format(n=1), SDP.format(n=2)
LOSSY = {"loss": 0.1, "duplication": 0.03, "delay_ms": (5, 300)}


def request(**more):
    return DialRequest("sip:b@10.0.0.2", "sip:a@10.0.0.1", more.pop("sdp", A_SDP), **more)


class Holding:
    """Rings, answers, holds once from one side, hangs up from the other or the same."""

    def __init__(self, pair, holder, closer):
        self.pair, self.holder, self.closer = pair, holder, closer
        self.legs = {"a": LEG}
        self.up = set()
        pair.on_event = self.react

    def react(self, side, event):
        pair = self.pair
        if isinstance(event, IncomingCall):
            self.legs["b"] = event.leg
            assert event.offer == A_SDP
            pair.do("b", "ring", event.leg)
            pair.at(0.7, lambda: pair.do("b", "answer", event.leg, B_SDP, ()))
        elif isinstance(event, Answered):
            self.up.add(side)
            if len(self.up) == 2:
                pair.at(1, lambda: pair.do(self.holder, "reoffer", self.legs[self.holder], A_SDP))
        elif isinstance(event, OfferReceived):
            pair.do(side, "accept_offer", event.leg, B_SDP)
        elif isinstance(event, OfferAnswered):
            pair.at(1, lambda: pair.do(self.closer, "hangup", self.legs[self.closer], ()))


@pytest.mark.parametrize("block", range(6))
def test_no_call_is_lost_at_ten_percent_loss(block):
    for seed in range(block * 50, block * 50 + 50):
        pair = Pair(seed, **LOSSY)
        script = Holding(pair, "ab"[seed % 2], "ab"[seed // 2 % 2])
        pair.do("a", "dial", LEG, request())
        pair.run()
        for side in "ab":
            leg = script.legs[side]
            (answered,) = pair.of(side, Answered)
            (ended,) = pair.of(side, Ended)
            assert answered.leg == ended.leg == leg, seed
            assert answered.sdp == (B_SDP if side == "a" else None)
            assert (ended.reason, ended.status) == ("bye", 200), seed
            assert ended.by_remote == (side != script.closer), seed
        assert len(pair.of("b", IncomingCall)) == 1
        assert len(pair.of(script.holder, OfferAnswered)) == 1, seed
        pair.assert_clean()


def run_interleaving(seed):
    """Any verb at any time on both sides; returns the pair after everything has died down."""
    choose = random.Random(seed)
    pair = Pair(seed, loss=choose.choice([0, 0.1, 0.3]), duplication=0.05, delay_ms=(1, 400))
    legs = {"a": LEG, "b": None}

    def react(side, event):
        if isinstance(event, IncomingCall):
            legs["b"] = event.leg
        elif isinstance(event, OfferReceived) and choose.random() < 0.8:
            verb = choose.choice([("accept_offer", B_SDP), ("refuse_offer", 488)])
            pair.at(choose.uniform(0, 1), lambda: pair.do(side, verb[0], event.leg, verb[1]))

    def act(side, verb, *arguments):
        if legs[side] is not None:
            pair.do(side, verb, legs[side], *arguments)

    pair.on_event = react
    pair.do("a", "dial", LEG, request(sdp=choose.choice([A_SDP, ""])))
    verbs = [
        ("b", "ring"),
        ("b", "answer", B_SDP, ()),
        ("b", "answer", B_SDP, ()),
        ("b", "reject", 486),
        ("b", "hangup", ()),
        ("a", "hangup", ()),
        ("a", "reoffer", A_SDP),
        ("b", "reoffer", B_SDP),
        ("a", "accept_offer", A_SDP),
    ]
    for _ in range(choose.randrange(1, 7)):
        verb = choose.choice(verbs)
        pair.at(choose.uniform(0, 3), lambda verb=verb: act(*verb))
    for side in "ab":
        pair.at(200 + choose.uniform(0, 1), lambda side=side: act(side, "hangup", ()))
    pair.run()
    return pair


@pytest.mark.parametrize("block", range(4))
def test_any_interleaving_ends_each_leg_once(block):
    for seed in range(block * 100, block * 100 + 100):
        pair = run_interleaving(seed)
        for side in "ab":
            begun = {event.leg for event in pair.of(side, IncomingCall)} | (
                {LEG} if side == "a" else set()
            )
            ended = [event.leg for event in pair.of(side, Ended)]
            answered = [event.leg for event in pair.of(side, Answered)]
            assert sorted(ended) == sorted(begun), seed
            assert len(answered) == len(set(answered)), seed
            last = {event.leg: event for event in pair.events[side]}
            assert all(isinstance(event, Ended) for event in last.values()), seed
        pair.assert_clean()


def test_same_seed_same_bytes():
    first, second = run_interleaving(11), run_interleaving(11)
    assert first.sent == second.sent
    assert first.events == second.events


def up(pair, a_sdp=A_SDP):
    """A call that is answered on both sides; returns b's leg."""
    legs = []
    pair.on_event = lambda _side, event: (
        legs.append(event.leg) if isinstance(event, IncomingCall) else None
    )
    pair.do("a", "dial", LEG, request(sdp=a_sdp))
    pair.run(1)
    pair.do("b", "answer", legs[0], B_SDP, ())
    pair.run(1)
    return legs[0]


def methods(pair, side):
    return [data.split(b" ", 1)[0].decode() for sender, data in pair.sent if sender == side]


def test_glare_is_resolved_by_waiting():
    pair = Pair(5)
    leg = up(pair)
    pair.on_event = lambda side, event: (
        pair.do(side, "accept_offer", event.leg, B_SDP)
        if isinstance(event, OfferReceived)
        else None
    )
    pair.do("a", "reoffer", LEG, A_SDP)
    pair.do("b", "reoffer", leg, B_SDP)
    pair.run(8)
    assert len(pair.of("a", OfferAnswered)) == len(pair.of("b", OfferAnswered)) == 1
    assert len(pair.of("a", OfferReceived)) == len(pair.of("b", OfferReceived)) == 1
    pair.do("b", "hangup", leg, ())
    pair.run()
    pair.assert_clean()


def test_a_refused_offer_leaves_the_call_up():
    pair = Pair(6)
    leg = up(pair)
    pair.do("b", "reoffer", leg, B_SDP)
    pair.run(0.1)
    pair.do("a", "refuse_offer", LEG, 488)
    pair.run(60)
    assert not pair.of("a", Ended)
    assert not pair.of("b", Ended)
    assert not pair.of("b", OfferAnswered)
    pair.do("a", "hangup", LEG, ())
    pair.run()
    pair.assert_clean()


def test_an_invite_without_sdp_gets_the_offer_and_the_ack_the_answer():
    pair = Pair(7)
    leg = up(pair, a_sdp="")
    assert pair.of("b", IncomingCall)[0].offer is None
    assert pair.events["a"] == [OfferReceived(LEG, B_SDP)]
    pair.do("a", "accept_offer", LEG, A_SDP)
    pair.run(1)
    assert pair.of("a", Answered) == [Answered(LEG, None)]
    assert pair.of("b", Answered) == [Answered(leg, A_SDP)]
    pair.do("a", "hangup", LEG, ())
    pair.run()
    pair.assert_clean()


def test_cancel_waits_for_the_first_provisional_response():
    pair = Pair(8, delay_ms=(240, 240))
    pair.do("a", "dial", LEG, request())
    pair.do("a", "hangup", LEG, ())
    assert pair.events["a"] == [Ended(LEG, 487, by_remote=False, reason="cancel")]
    pair.run(0.45)
    assert methods(pair, "a") == ["INVITE"]
    pair.run()
    assert methods(pair, "a").count("CANCEL") == 1
    (ended,) = pair.of("b", Ended)
    assert (ended.status, ended.reason, ended.by_remote) == (487, "cancel", True)
    pair.assert_clean()


def test_a_200_that_crosses_the_cancel_is_acknowledged_and_ended():
    pair = Pair(9, delay_ms=(50, 50))
    pair.do("a", "dial", LEG, request())
    pair.run(0.2)
    (call,) = pair.of("b", IncomingCall)
    pair.do("b", "answer", call.leg, B_SDP, ())
    pair.do("a", "hangup", LEG, ())
    pair.run()
    assert {"CANCEL", "ACK", "BYE"} <= set(methods(pair, "a"))
    assert pair.events["a"] == [Ended(LEG, 487, by_remote=False, reason="cancel")]
    assert pair.of("b", Ended) == [Ended(call.leg, 200, by_remote=True, reason="bye")]
    pair.assert_clean()


def test_without_any_answer_the_dial_times_out():
    pair = Pair(10, loss=1.0)
    pair.do("a", "dial", LEG, request())
    pair.run(31.9)
    assert not pair.events["a"]
    assert methods(pair, "a") == ["INVITE"] * 7
    pair.run(0.2)
    assert pair.events["a"] == [Ended(LEG, None, by_remote=True, reason="timeout")]
    pair.run()
    pair.assert_clean()


def test_without_an_ack_the_call_fails_after_64_t1():
    pair = Pair(11)
    pair.do("a", "dial", LEG, request())
    pair.run(0.1)
    (call,) = pair.of("b", IncomingCall)
    pair.loss = 1.0
    pair.do("b", "answer", call.leg, B_SDP, ())
    pair.run(31.9)
    assert methods(pair, "b").count("SIP/2.0") == 12  # 100, and 200 eleven times
    assert not pair.of("b", Ended)
    pair.run(0.2)
    assert pair.of("b", Ended) == [Ended(call.leg, None, by_remote=False, reason="failed")]
    assert methods(pair, "b").count("BYE") == 1
    pair.run()
    assert pair.agents["b"].calls == pair.agents["b"].transactions == 0


def test_a_hangup_before_the_ack_sends_the_bye_after_it():
    pair = Pair(12, delay_ms=(100, 100))
    pair.do("a", "dial", LEG, request())
    pair.run(0.3)
    (call,) = pair.of("b", IncomingCall)
    pair.do("b", "answer", call.leg, B_SDP, ())
    pair.do("b", "hangup", call.leg, ())
    assert pair.of("b", Ended) == [Ended(call.leg, 200, by_remote=False, reason="bye")]
    pair.run(0.15)
    assert "BYE" not in methods(pair, "b")
    pair.run()
    assert methods(pair, "b").count("BYE") == 1
    assert pair.of("a", Ended) == [Ended(LEG, 200, by_remote=True, reason="bye")]
    pair.assert_clean()


def test_tcp_sends_nothing_twice():
    pair = Pair(13, delay_ms=(900, 900), transport="TCP")
    pair.do("a", "dial", LEG, request(transport="TCP"))
    pair.run(2)
    (call,) = pair.of("b", IncomingCall)
    pair.do("b", "ring", call.leg)
    pair.run(2)
    pair.do("b", "reject", call.leg, 486)
    pair.run()
    assert methods(pair, "a") == ["INVITE", "ACK"]
    assert pair.events["a"] == [Ringing(LEG), Ended(LEG, 486, by_remote=True, reason="rejected")]
    assert b"transport=tcp" in pair.sent[0][1]
    pair.assert_clean()
