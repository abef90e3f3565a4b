"""The user agent against hand-written messages: what goes where, and what is refused how."""

import itertools

import pytest

from onrecord.core.errors import CapacityError
from onrecord.core.ids import LegId
from onrecord.core.units import NS_PER_S
from onrecord.metrics import SIP_REJECTED
from onrecord.sip.agent import Peer, Transmit, UaConfig, UserAgent
from onrecord.sip.backend import (
    Answered,
    DialRequest,
    Ended,
    IncomingCall,
    OfferReceived,
    Ringing,
)
from onrecord.sip.message import parse

SDP = "v=0\r\no=- 1 1 IN IP4 192.0.2.7\r\nm=audio 4000 RTP/AVP 0\r\n"
SOURCE = Peer("UDP", "192.0.2.7", 5062)
LEG = LegId("leg-1")
OUT = LegId("out")


class Bench:
    """An agent and one peer whose messages are written by hand."""

    def __init__(self, **config):
        legs, tokens = itertools.count(1), itertools.count(1)
        settings = {"host": "192.0.2.1", "port": 5060, **config}
        self.agent = UserAgent(
            UaConfig(new_leg=lambda: LegId(f"leg-{next(legs)}"), **settings),
            lambda: f"{next(tokens):016x}",
        )
        self.now_ns = 0
        self.branches = itertools.count(1)
        self.events: list[object] = []
        self.peers: list[Peer] = []

    def request(
        self, method, *, cseq=1, to_tag="", branch=None, body="", headers=(), source=SOURCE, **odd
    ):
        branch = branch or f"z9hG4bKpeer{next(self.branches)}"
        via = odd.get("via", f"SIP/2.0/{source.transport} 192.0.2.7:5062;branch={branch};rport")
        lines = [
            f"{method} {odd.get('uri', 'sip:us@192.0.2.1')} SIP/2.0",
            f"Via: {via}",
            "Max-Forwards: 70",
            f"From: <sip:peer@192.0.2.7>;tag={odd.get('from_tag', 'theirs')}",
            "To: <sip:us@192.0.2.1>" + (f";tag={to_tag}" if to_tag else ""),
            f"Call-ID: {odd.get('call_id', 'call')}",
            f"CSeq: {cseq} {method}",
            "Contact: <sip:peer@192.0.2.7:5062>",
            *headers,
            *(["Content-Type: application/sdp"] if body and not headers else []),
        ]
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]) + body
        return self.take(text.encode(), source)

    def respond(self, request, status, *, to_tag="theirs", body="", headers=()):
        copied = ("via", "from", "call-id", "cseq")
        lines = [f"SIP/2.0 {status} X"]
        lines += [f"{name}: {value}" for name, value in request.headers if name in copied]
        lines += [f"To: {request.get('to')};tag={to_tag}" if to_tag else f"To: {request.get('to')}"]
        lines += [*headers, *(["Content-Type: application/sdp"] if body else [])]
        text = "\r\n".join([*lines, f"Content-Length: {len(body)}", "", ""]) + body
        return self.take(text.encode(), SOURCE)

    def take(self, data, source=SOURCE):
        self.agent.receive(data, source, self.now_ns)
        return self.drain()

    def do(self, verb, *arguments):
        getattr(self.agent, verb)(*arguments, self.now_ns)
        return self.drain()

    def wait(self, seconds):
        self.now_ns += int(seconds * NS_PER_S)
        self.agent.wake(self.now_ns)
        return self.drain()

    def drain(self):
        """What was sent, parsed; events go to ``events``, destinations to ``peers``."""
        sent = []
        for output in self.agent.outputs():
            if isinstance(output, Transmit):
                sent.append(parse(output.data))
                self.peers.append(output.peer)
            else:
                self.events.append(output)
        return sent

    def incoming(self, **more):
        """An INVITE that was answered and acknowledged; returns our tag."""
        self.request("INVITE", body=SDP, **more)
        (ok,) = self.do("answer", LEG, SDP, ())
        self.request("ACK", to_tag=tag_of(ok))
        return tag_of(ok)

    def dialled(self, **more):
        """A call that the peer answered; returns our INVITE."""
        (invite,) = self.dial(**more)
        self.respond(invite, 200, body=SDP, headers=["Contact: <sip:peer@192.0.2.7:5062>"])
        return invite

    def dial(self, **more):
        request = DialRequest("sip:b@192.0.2.7:5062", "sip:a@192.0.2.1", SDP, **more)
        self.agent.dial(OUT, request, self.now_ns)
        return self.drain()


def tag_of(message):
    return message.get("to").partition(";tag=")[2]


def statuses(messages):
    return [message.status for message in messages]


def test_an_incoming_call_from_invite_to_bye():
    bench = Bench()
    headers = [
        "Content-Type: application/sdp",
        "X-One: 1",
        "user-to-user: 3132",
        "Diversion: <sip:d@h>",
    ]
    (trying,) = bench.request("INVITE", body=SDP, headers=headers)
    assert (trying.status, tag_of(trying)) == (100, "")
    (call,) = bench.events
    assert isinstance(call, IncomingCall)
    assert (call.offer, call.from_uri, call.source) == (SDP, "sip:peer@192.0.2.7", "192.0.2.7:5062")
    assert dict(call.headers) == {"X-One": "1", "User-to-User": "3132", "Diversion": "<sip:d@h>"}
    (ringing,) = bench.do("ring", LEG)
    (ok,) = bench.do("answer", LEG, SDP, (("X-Two", "2"), ("To", "<sip:evil@h>")))
    assert statuses([ringing, ok]) == [180, 200]
    assert tag_of(ringing) == tag_of(ok) != ""
    assert (ok.body.decode(), ok.get("x-two")) == (SDP, "2")
    assert ok.get("contact") == "<sip:192.0.2.1:5060>"
    assert "INVITE" in ok.get("allow")
    assert bench.request("ACK", to_tag=tag_of(ok)) == []
    assert bench.events[1:] == [Answered(LEG, None)]
    (bye_ok,) = bench.request("BYE", cseq=2, to_tag=tag_of(ok))
    assert bye_ok.status == 200
    assert bench.events[2:] == [Ended(LEG, 200, by_remote=True, reason="bye")]


@pytest.mark.parametrize(
    ("via", "source", "reply_to", "stamp"),
    [
        (
            "SIP/2.0/UDP 10.0.0.5:5999;branch=z9hG4bKv;rport",
            SOURCE,
            SOURCE,
            ";received=192.0.2.7;rport=5062",
        ),
        ("SIP/2.0/UDP 192.0.2.7:5999;branch=z9hG4bKv", SOURCE, Peer("UDP", "192.0.2.7", 5999), ""),
        (
            "SIP/2.0/UDP a_host.example;branch=z9hG4bKv",
            SOURCE,
            Peer("UDP", "192.0.2.7", 5060),
            ";received=192.0.2.7",
        ),
        (
            "SIP/2.0/TCP 10.0.0.5:5999;branch=z9hG4bKv",
            Peer("TCP", "2001:db8::7", 40000, 3),
            Peer("TCP", "2001:db8::7", 40000, 3),
            ";received=2001:db8::7",
        ),
    ],
)
def test_responses_find_their_way(via, source, reply_to, stamp):
    bench = Bench()
    (ok,) = bench.request(
        "OPTIONS", via=f"{via}, SIP/2.0/UDP last.example;branch=z9hG4bKw", source=source
    )
    assert bench.peers == [reply_to]
    top, last = ok.values("via")
    assert top == via.replace(";rport", "") + stamp
    assert last == "SIP/2.0/UDP last.example;branch=z9hG4bKw"


@pytest.mark.parametrize(
    ("method", "more", "status", "header"),
    [
        ("FOO", {}, 405, ("allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO")),
        ("UPDATE", {}, 405, ("allow", "INVITE, ACK, CANCEL, BYE, OPTIONS, INFO")),
        ("INVITE", {"uri": "mailto:us@h"}, 416, ("server", None)),
        ("INVITE", {"headers": ["Require: 100rel, timer"]}, 420, ("unsupported", "100rel, timer")),
        (
            "INVITE",
            {"headers": ["Content-Type: text/plain"], "body": "x"},
            415,
            ("accept", "application/sdp"),
        ),
        ("INVITE", {"headers": ["Accept: text/plain"]}, 406, ("accept", None)),
        ("INVITE", {"headers": ["Record-Route: <sip:a@h>, <bad"]}, 400, ("server", None)),
        ("BYE", {}, 481, ("allow", None)),
        ("INFO", {}, 481, ("allow", None)),
        ("CANCEL", {}, 481, ("allow", None)),
        ("INVITE", {"to_tag": "unknown"}, 481, ("allow", None)),
        ("OPTIONS", {"to_tag": "unknown"}, 481, ("allow", None)),
        ("OPTIONS", {}, 200, ("accept", "application/sdp")),
        ("OPTIONS", {}, 200, ("supported", "")),
    ],
)
def test_requests_outside_a_dialog(method, more, status, header):
    bench = Bench()
    (response,) = bench.request(method, **more)
    assert response.status == status
    assert response.get(header[0]) == header[1]
    assert tag_of(response)
    assert not bench.events


def test_refusals_are_counted_and_stray_messages_dropped():
    def count(reason):
        return SIP_REJECTED.labels(reason=reason)._value.get()

    before = {
        each: count(each)
        for each in ("405", "unparsable", "stray ACK", "stray response", "malformed")
    }
    bench = Bench()
    bench.request("FOO")
    assert bench.take(b"\x00\x01garbage") == []
    assert bench.request("ACK", to_tag="zzz") == []
    assert bench.take(b"SIP/2.0 200 OK\r\nVia: SIP/2.0/UDP h;branch=z\r\n\r\n") == []
    invite = Bench().dial()[0]
    assert bench.respond(invite, 200) == []
    assert bench.take(b"ACK sip:us SIP/2.0\r\nVia: SIP/2.0/UDP h;branch=z\r\n\r\n") == []
    after = {each: count(each) - before[each] for each in before}
    assert after == {"405": 1, "unparsable": 1, "stray ACK": 1, "stray response": 1, "malformed": 2}
    assert bench.take(b"\r\n\r\n") == []
    assert bench.take(b"") == []


def test_a_request_that_came_by_two_paths_is_taken_once():
    bench = Bench()
    assert statuses(bench.request("INVITE", body=SDP)) == [100]
    assert statuses(bench.request("INVITE", body=SDP)) == [482]
    assert len(bench.events) == 1
    assert statuses(bench.request("INVITE", body=SDP, from_tag="other")) == [100]


def test_limits_are_answered_with_503():
    bench = Bench(max_calls=1)
    bench.request("INVITE", body=SDP)
    (refused,) = bench.request("INVITE", body=SDP, call_id="second")
    assert (refused.status, refused.get("retry-after")) == (503, "5")
    with pytest.raises(CapacityError):
        bench.dial()
    bench = Bench(max_transactions=1)
    bench.request("OPTIONS")
    assert statuses(bench.request("OPTIONS", cseq=2)) == [503]
    assert bench.agent.transactions == 1


@pytest.mark.parametrize(
    "more",
    [
        {"target": "tel:+15551234"},
        {"target": "sips:b@h"},
        {"target": "sip:b@h;transport=tls"},
        {"target": "sip:b@h b"},
        {"route": "http://proxy"},
        {"from_uri": "a b"},
    ],
)
def test_what_cannot_be_dialled(more):
    bench = Bench()
    request = DialRequest(**{"target": "sip:b@h", "from_uri": "sip:a@h", "sdp": SDP, **more})
    with pytest.raises(ValueError):
        bench.agent.dial(OUT, request, 0)
    assert (bench.agent.calls, bench.drain()) == (0, [])


def test_a_dialled_call_keeps_route_target_and_identity():
    bench = Bench()
    (invite,) = bench.dial(
        from_name='A "B"', headers=(("X-A", "1"), ("Via", "evil"), ("b ad", "x"))
    )
    assert invite.get("from").startswith('"A \\"B\\"" <sip:a@192.0.2.1>;tag=')
    assert (invite.get("x-a"), len(invite.all("via")), invite.body.decode()) == ("1", 1, SDP)
    routes = ["<sip:far@10.0.0.9;lr;x=2>", "<sip:192.0.2.7:5099;lr;x=1>"]
    bench.respond(invite, 180, headers=["Require: x"])
    headers = [*(f"Record-Route: {route}" for route in routes), "Contact: <sip:peer@10.0.0.1>"]
    (ack,) = bench.respond(invite, 200, body=SDP, headers=headers)
    assert bench.events == [Ringing(OUT), Answered(OUT, SDP)]
    (bye,) = bench.do("hangup", OUT, (("X-B", "2"),))
    for sent in (ack, bye):
        assert sent.uri == "sip:peer@10.0.0.1"
        assert sent.all("route") == routes[::-1]
        assert sent.get("from") == invite.get("from")
        assert tag_of(sent) == "theirs"
    assert bye.get("x-b") == "2"
    assert (ack.get("cseq"), bye.get("cseq")) == ("1 ACK", "2 BYE")
    assert bench.peers[-2:] == [Peer("UDP", "192.0.2.7", 5099)] * 2


def test_an_outbound_proxy_is_a_loose_route():
    bench = Bench()
    (invite,) = bench.dial(route="sip:192.0.2.66:5080;transport=tcp")
    assert bench.peers == [Peer("TCP", "192.0.2.66", 5080)]
    assert invite.get("route") == "<sip:192.0.2.66:5080;transport=tcp;lr>"
    assert invite.uri == "sip:b@192.0.2.7:5062"
    assert invite.get("contact") == "<sip:192.0.2.1:5060;transport=tcp>"


def test_early_media_is_reported_once_for_each_new_sdp():
    bench = Bench()
    (invite,) = bench.dial()
    bench.respond(invite, 100, to_tag="")
    assert bench.events == []
    bench.respond(invite, 180)
    bench.respond(invite, 180)
    bench.respond(invite, 183, body=SDP)
    bench.respond(invite, 183, body=SDP)
    assert bench.events == [Ringing(OUT), Ringing(OUT, SDP)]
    bench.respond(invite, 200)
    assert bench.events[2:] == [Answered(OUT, SDP)]


def test_the_second_fork_is_acknowledged_and_hung_up():
    bench = Bench()
    invite = bench.dialled()
    ack, bye = bench.respond(invite, 200, to_tag="second", body=SDP)
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert tag_of(ack) == tag_of(bye) == "second"
    assert [each.method for each in bench.respond(invite, 200, to_tag="second", body=SDP)] == [
        "ACK"
    ]
    assert [each.method for each in bench.respond(invite, 200, body=SDP)] == ["ACK"]
    assert bench.events == [Answered(OUT, SDP)]


CHALLENGE = 'WWW-Authenticate: Digest realm="r", nonce="{}", qop="auth"'
LOGIN = {"auth_username": "u", "auth_password": "p"}


def test_a_challenged_invite_and_bye_are_repeated_with_credentials():
    bench = Bench()
    (invite,) = bench.dial(**LOGIN)
    ack, again = bench.respond(invite, 401, headers=[CHALLENGE.format("n1")])
    assert (ack.method, again.method, again.get("cseq")) == ("ACK", "INVITE", "2 INVITE")
    assert again.get("via") != invite.get("via")
    assert tag_of(again) == ""
    (ack,) = bench.respond(again, 200, body=SDP)
    assert ack.get("authorization") == again.get("authorization")
    (bye,) = bench.do("hangup", OUT, ())
    (bye_again,) = bench.respond(bye, 401, to_tag="", headers=[CHALLENGE.format("n2")])
    assert (bye_again.method, bye_again.get("cseq")) == ("BYE", "4 BYE")
    assert 'nonce="n2"' in bye_again.get("authorization")
    assert [type(event) for event in bench.events] == [Answered, Ended]


def test_wrong_credentials_end_the_call():
    bench = Bench()
    (invite,) = bench.dial(**LOGIN)
    _, again = bench.respond(invite, 401, headers=[CHALLENGE.format("n1")])
    (ack,) = bench.respond(again, 401, headers=[CHALLENGE.format("n2")])
    assert ack.method == "ACK"
    assert bench.events == [Ended(OUT, 401, by_remote=True, reason="rejected")]


def test_a_challenge_after_the_hangup_is_not_answered():
    bench = Bench()
    (invite,) = bench.dial(**LOGIN)
    bench.do("hangup", OUT, ())
    assert [
        each.method for each in bench.respond(invite, 401, headers=[CHALLENGE.format("n")])
    ] == ["ACK"]
    assert bench.agent.calls == 0


def test_a_challenged_re_invite_is_repeated():
    bench = Bench()
    bench.dialled(**LOGIN)
    (offer,) = bench.do("reoffer", OUT, SDP)
    _, again = bench.respond(
        offer, 407, to_tag="", headers=['Proxy-Authenticate: Digest realm="r", nonce="n"']
    )
    assert again.body == offer.body
    assert again.get("proxy-authorization")
    assert [each.method for each in bench.respond(again, 200, to_tag="", body=SDP)] == ["ACK"]


@pytest.mark.parametrize("status", [408, 481])
def test_a_re_invite_that_finds_no_dialog_ends_the_call(status):
    bench = Bench()
    bench.dialled()
    (offer,) = bench.do("reoffer", OUT, SDP)
    ack, bye = bench.respond(offer, status, to_tag="")
    assert (ack.method, bye.method) == ("ACK", "BYE")
    assert bench.events[1:] == [Ended(OUT, status, by_remote=True, reason="failed")]


def test_requests_in_a_dialog():
    bench = Bench()
    tag = bench.incoming()
    assert statuses(bench.request("INFO", cseq=10, to_tag=tag, body="Signal=5")) == [200]
    assert statuses(bench.request("OPTIONS", cseq=11, to_tag=tag)) == [200]
    assert statuses(bench.request("MESSAGE", cseq=12, to_tag=tag)) == [405]
    assert statuses(bench.request("INFO", cseq=9, to_tag=tag)) == [500]
    assert statuses(bench.request("INFO", cseq=13, to_tag=tag, from_tag="other")) == [481]


def test_a_re_invite_is_asked_about_and_moves_the_target():
    bench = Bench()
    tag = bench.incoming()
    moved = ["Content-Type: application/sdp"]
    assert statuses(bench.request("INVITE", cseq=2, to_tag=tag, body=SDP, headers=moved)) == [100]
    assert bench.events[-1] == OfferReceived(LEG, SDP)
    (busy,) = bench.request("INVITE", cseq=3, to_tag=tag, body=SDP)
    assert (busy.status, busy.get("retry-after")) == (500, "5")
    (ok,) = bench.do("accept_offer", LEG, SDP)
    assert ok.status == 200
    assert statuses(bench.request("INVITE", cseq=4, to_tag=tag, body=SDP)) == [491]
    bench.request("ACK", cseq=2, to_tag=tag)
    assert statuses(bench.request("INVITE", cseq=5, to_tag=tag)) == [100]
    assert bench.events[-1] == OfferReceived(LEG, None)
    assert statuses(bench.do("refuse_offer", LEG, 488)) == [488]


def test_a_re_invite_that_waits_is_ended_with_the_call():
    bench = Bench()
    tag = bench.incoming()
    bench.request("INVITE", cseq=2, to_tag=tag, body=SDP)
    sent = bench.request("BYE", cseq=3, to_tag=tag)
    assert [(each.status, each.get("cseq")) for each in sent] == [(200, "3 BYE"), (487, "2 INVITE")]


def test_a_cancelled_re_invite_leaves_the_call_up():
    bench = Bench()
    tag = bench.incoming()
    bench.request("INVITE", cseq=2, to_tag=tag, body=SDP, branch="z9hG4bKre")
    sent = bench.request("CANCEL", cseq=2, to_tag=tag, branch="z9hG4bKre")
    assert [(each.status, each.get("cseq")) for each in sent] == [
        (200, "2 CANCEL"),
        (487, "2 INVITE"),
    ]
    assert bench.do("accept_offer", LEG, SDP) == []
    assert bench.agent.calls == 1


def test_a_cancel_after_the_answer_changes_nothing():
    bench = Bench()
    bench.request("INVITE", body=SDP, branch="z9hG4bKin")
    bench.do("answer", LEG, SDP, ())
    assert statuses(bench.request("CANCEL", branch="z9hG4bKin")) == [200]
    assert not any(isinstance(event, Ended) for event in bench.events)
    assert bench.agent.calls == 1


def test_an_ack_without_the_answer_it_owes_fails_the_call():
    bench = Bench()
    bench.request("INVITE")
    assert bench.events[0].offer is None
    (ok,) = bench.do("answer", LEG, SDP, ())
    (bye,) = bench.request("ACK", to_tag=tag_of(ok))
    assert bye.method == "BYE"
    assert bench.events[1:] == [Ended(LEG, None, by_remote=False, reason="failed")]


@pytest.mark.parametrize(
    ("verb", "status", "reason"),
    [(("reject", LEG, 486), 486, "rejected"), (("hangup", LEG, ()), 480, "rejected")],
)
def test_an_incoming_call_that_is_refused(verb, status, reason):
    bench = Bench()
    bench.request("INVITE", body=SDP)
    assert statuses(bench.do(*verb)) == [status]
    assert bench.events[1:] == [Ended(LEG, status, by_remote=False, reason=reason)]
    assert bench.do("answer", LEG, SDP, ()) == []


def test_verbs_on_unknown_legs_do_nothing():
    bench = Bench()
    for verb in (
        ("ring", OUT),
        ("answer", OUT, SDP, ()),
        ("reject", OUT, 486),
        ("hangup", OUT, ()),
        ("accept_offer", OUT, SDP),
        ("refuse_offer", OUT, 488),
        ("reoffer", OUT, SDP),
    ):
        assert bench.do(*verb) == []
    assert bench.events == []


def test_an_unreachable_peer_fails_the_dial_at_once():
    bench = Bench()
    bench.dial()
    bench.do("transport_failed", Peer("UDP", "192.0.2.7", 5062))
    assert bench.events == [Ended(OUT, None, by_remote=False, reason="failed")]
    assert (bench.agent.calls, bench.agent.transactions) == (0, 0)


def test_a_tcp_dialog_prefers_its_connection():
    bench = Bench()
    source = Peer("TCP", "192.0.2.7", 40123, 9)
    bench.incoming(source=source)
    bench.do("hangup", LEG, ())
    assert bench.peers[-1] == Peer("TCP", "192.0.2.7", 5062, 9)


def test_an_rfc_2543_peer_without_branch_or_tags():
    bench = Bench()
    via = "SIP/2.0/UDP 192.0.2.7:5062"
    bench.request("INVITE", body=SDP, via=via)
    (again,) = bench.request("INVITE", body=SDP, via=via)
    assert again.status == 100
    (refused,) = bench.do("reject", LEG, 486)
    assert bench.request("ACK", to_tag=tag_of(refused), via=via) == []
    assert bench.wait(1) == []
    assert len(bench.events) == 2
