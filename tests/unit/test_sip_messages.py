"""Parsing, building, header values, framing and digests."""

import pytest

from onrecord.sip import message as message_module
from onrecord.sip.digest import Login, authorize
from onrecord.sip.framing import StreamFramer
from onrecord.sip.headers import (
    SipSyntaxError,
    parse_challenge,
    parse_cseq,
    parse_name_addr,
    parse_sip_uri,
    parse_via,
    split_list,
)
from onrecord.sip.message import Message, parse, read_envelope, session_description
from onrecord.sip.peers import Peer

PEER = Peer("UDP", "192.0.2.7", 5060)
SDP = "v=0\r\nm=audio 4000 RTP/AVP 0\r\n"


def raw(*lines, body=""):
    return ("\r\n".join([*lines, "", ""]) + body).encode()


MINIMAL = (
    "OPTIONS sip:b@h SIP/2.0",
    "v: SIP/2.0/UDP 192.0.2.7;branch=z9hG4bK1, SIP/2.0/TCP [2001:db8::1]:5070;branch=z9hG4bK2",
    'f: "Bell, A" <sip:a@h>;tag=x',
    "t: <sip:b@h>",
    "i: id",
    "CSeq: 1 OPTIONS",
)


def test_compact_forms_folding_and_lists():
    message = parse(raw(*MINIMAL, "Subject: one", "\ttwo", "k: a,", "K: b , c"))
    assert message.get("subject") == "one two"
    assert message.values("supported") == ["a", "b", "c"]
    envelope = read_envelope(message, PEER)
    assert envelope.from_.name == "Bell, A"
    assert envelope.from_.tag == "x"
    assert (envelope.via.host, envelope.via.branch) == ("192.0.2.7", "z9hG4bK1")
    assert envelope.to.tag == envelope.contact == ""


def test_the_body_ends_with_content_length():
    assert parse(raw(*MINIMAL, "l: 3", body="abcdef")).body == b"abc"
    assert parse(raw(*MINIMAL, body="abcdef")).body == b"abcdef"


@pytest.mark.parametrize(
    "line",
    [
        "l: 7",
        "l: -1",
        "l: \u0663",
        "l: 1e1",
        "no colon",
        "a b: c",
        "To: <sip:c@h>",
        "x: a\nb: c",
        "Max-Forwards: 256",
    ],
)
def test_faults_are_answerable_but_not_accepted(line):
    message = parse(raw(*MINIMAL, line, body="abcdef"))
    with pytest.raises(SipSyntaxError):
        read_envelope(message, PEER)


@pytest.mark.parametrize("missing", range(1, 6))
def test_what_every_message_needs(missing):
    lines = [line for number, line in enumerate(MINIMAL) if number != missing]
    with pytest.raises(SipSyntaxError):
        read_envelope(parse(raw(*lines)), PEER)


def test_limits():
    parse(raw(*MINIMAL, "X-Pad: " + "x" * 9000))
    with pytest.raises(SipSyntaxError):
        parse(raw(*MINIMAL, "X-Pad: " + "x" * message_module.MAX_LINE_BYTES))
    with pytest.raises(SipSyntaxError):
        parse(raw(*MINIMAL, *["A: b"] * message_module.MAX_HEADERS))
    with pytest.raises(SipSyntaxError):
        parse(raw(*MINIMAL, body="x" * message_module.MAX_MESSAGE_BYTES))


@pytest.mark.parametrize(
    "first", ["", "GET / HTTP/1.1", "SIP/2.0 99 Low", "SIP/2.0 700 High", "\x16\x03\x01"]
)
def test_what_is_not_sip_is_refused(first):
    with pytest.raises(SipSyntaxError):
        parse(raw(first, *MINIMAL[1:]))


def test_encoding_adds_the_length_and_lets_nothing_be_injected():
    sent = Message("BYE", "sip:b@h", headers=(("X-A", "1\r\nX-B: 2"),), body=b"abc").encode()
    assert sent == b"BYE sip:b@h SIP/2.0\r\nX-A: 1  X-B: 2\r\nContent-Length: 3\r\n\r\nabc"


@pytest.mark.parametrize("text", ['"open', "<open", 'a"b'])
def test_open_quotes_and_brackets(text):
    with pytest.raises(SipSyntaxError):
        split_list(text)


def test_lists_split_outside_quotes_and_brackets():
    assert split_list('"a, \\"b" <sip:x,y@h>;p="q,r", <sip:c>') == [
        '"a, \\"b" <sip:x,y@h>;p="q,r"',
        "<sip:c>",
    ]


def test_addresses():
    address = parse_name_addr('"A \\"B\\" C" <sip:a@h;lr>;tag=T;+sip.instance="<urn:uuid:1;2>"')
    assert (address.name, address.uri, address.tag) == ('A "B" C', "sip:a@h;lr", "T")
    assert address.parameters["+sip.instance"] == '"<urn:uuid:1;2>"'
    assert parse_name_addr("sip:a@h;tag=T").uri == "sip:a@h"
    assert parse_name_addr("\u00c9va <sip:a@h>").name == "\u00c9va"


def test_uris():
    uri = parse_sip_uri("SIP:a:pw@my_host.example:5080;Transport=tcp;lr")
    assert (uri.scheme, uri.user, uri.host, uri.port) == ("sip", "a:pw", "my_host.example", 5080)
    assert uri.parameters == {"transport": "tcp", "lr": ""}
    assert parse_sip_uri("sip:[2001:db8::1]:5060").host == "2001:db8::1"
    for text in ("sip:", "sip:h:0", "sip:h:70000", "sip:a b@h", "tel:+1", "sip:a@b@c"):
        with pytest.raises(SipSyntaxError):
            parse_sip_uri(text)


def test_vias():
    via = parse_via("SIP / 2.0 / UDP my_host : 5070 ; branch = z ; received=2001:db8::1;rport")
    assert (via.transport, via.host, via.port, via.branch) == ("UDP", "my_host", 5070, "z")
    assert via.parameters["received"] == "2001:db8::1"
    assert via.parameters["rport"] == ""


def test_cseq_is_below_two_to_the_31():
    assert parse_cseq("0002147483647  BYE") == (2147483647, "BYE")
    for text in ("2147483648 BYE", "1", "BYE", "1 B YE", "\u0661 BYE", "-1 BYE"):
        with pytest.raises(SipSyntaxError):
            parse_cseq(text)


def mixed(kind, *parts):
    body = (
        "".join(f"--b\r\nContent-Type: {each}\r\n\r\n{text}\r\n" for each, text in parts)
        + "--b--\r\n"
    )
    return Message("INVITE", "sip:b", headers=(("content-type", kind),), body=body.encode())


@pytest.mark.parametrize("kind", ["multipart/mixed;boundary=b", 'Multipart/Mixed; boundary="b"'])
def test_the_sdp_of_a_multipart_body(kind):
    message = mixed(
        kind, ("application/rs-metadata+xml", "<r/>"), ("application/SDP; x=y", SDP.rstrip())
    )
    assert session_description(message) == SDP


def test_bodies_that_are_not_understood():
    assert session_description(Message("INVITE", "sip:b")) is None
    for message in (
        mixed("multipart/mixed;boundary=b", ("text/plain", "x")),
        Message("INVITE", "sip:b", body=b"x"),
        Message("INVITE", "sip:b", headers=(("content-type", "text/plain"),), body=b"x"),
        Message(
            "INVITE",
            "sip:b",
            headers=(("content-type", "application/sdp"), ("content-encoding", "gzip")),
            body=b"x",
        ),
    ):
        with pytest.raises(SipSyntaxError):
            session_description(message)


def test_a_stream_is_cut_by_content_length():
    first, second = raw(*MINIMAL, "l: 2", body="ab"), raw(*MINIMAL, "Content-Length:", " 0")
    framer = StreamFramer()
    assert framer.feed(b"\r\n\r\n" + first + b"\r\n\r\n\r\n\r\n" + second + b"\r\n") == [
        first,
        second,
    ]
    assert framer.take_pings() == 3
    assert framer.take_pings() == 0


@pytest.mark.parametrize(
    "data",
    [
        raw(*MINIMAL),
        raw(*MINIMAL, "l: 1", "l: 2"),
        raw(*MINIMAL, "l: 65536"),
        raw(*MINIMAL, "l: -1"),
        b"x" * 70_000,
    ],
)
def test_a_stream_that_cannot_be_cut(data):
    with pytest.raises(SipSyntaxError):
        StreamFramer().feed(data)


def credentials(
    challenge,
    *,
    status=401,
    method="GET",
    uri="/dir/index.html",
    cnonce="0a4f113b",
    login=None,
    earlier=(),
):
    name = "www-authenticate" if status == 401 else "proxy-authenticate"
    challenges = [challenge] if isinstance(challenge, str) else challenge
    response = Message(status=status, headers=tuple((name, each) for each in challenges))
    request = Message(method, uri, headers=tuple(earlier))
    return authorize(request, response, login or Login("Mufasa", "Circle Of Life"), cnonce)


def test_md5_as_in_rfc_2617():
    nonce, opaque = "dcd98b7102dd2f0e8b11d0f600bfb0c093", "5ccc069c403ebaf9f0171e9517f40e41"
    challenge = f'Digest realm="testrealm@host.com", qop="auth,auth-int", nonce="{nonce}", opaque="{opaque}"'
    ((name, value),) = credentials(challenge)
    assert name == "Authorization"
    assert 'response="6629fae49393a05397450978507c4ef1"' in value
    assert f'opaque="{opaque}"' in value
    assert "qop=auth," in value
    assert "algorithm" not in value


def test_sha_256_as_in_rfc_7616_is_preferred():
    nonce = "7ypf/xlj9XXwfDPEoM4URrv/xwf94BcCAzFZH4GiTo0v"
    cnonce = "f2/wE4q74E6zIJEtWaHKaf5wv/H5QzzpXusqGemxURZJ"
    both = [
        f'Digest realm="http-auth@example.org", qop="auth", algorithm={name}, nonce="{nonce}"'
        for name in ("MD5", "SHA-256")
    ]
    login = Login("Mufasa", "Circle of Life")
    ((_, value),) = credentials(both, cnonce=cnonce, login=login)
    assert 'response="753927fa0e85d155564e2e272a28d1802ca10daf4496794697cf8db5856cb6c1"' in value
    ((_, value),) = credentials(both[0], cnonce=cnonce, login=login)
    assert 'response="8ca523f5e9506fed4657c9700eebdbec"' in value


def test_without_qop_and_from_a_proxy():
    ((name, value),) = credentials('Digest realm="r", nonce="n"', status=407)
    assert name == "Proxy-Authorization"
    assert "nc=" not in value
    assert "qop" not in value


def test_refused_credentials_are_sent_again_only_for_a_new_nonce():
    first = credentials('Digest realm="r", nonce="n1", qop="auth"')
    assert credentials('Digest realm="r", nonce="n2"', earlier=first) is None
    assert credentials('Digest realm="r", nonce="n1", stale=true', earlier=first) is None
    assert credentials('Digest realm="r", nonce="n2", stale=TRUE', earlier=first) is not None
    assert credentials('Digest realm="other", nonce="n2"', earlier=first) is not None


@pytest.mark.parametrize(
    "challenge",
    [
        'Basic realm="r"',
        'Digest realm="r"',
        'Digest realm="r", nonce="n", algorithm=MD5-sess',
        'Digest realm="r", nonce="n", qop="auth-int"',
        "Digest",
        'Digest realm="r, nonce=n',
    ],
)
def test_challenges_that_are_not_answered(challenge):
    assert credentials(challenge) is None


def test_challenge_values_are_unquoted():
    scheme, values = parse_challenge('DIGEST realm="a, \\"b\\"", stale=false')
    assert (scheme, values) == ("digest", {"realm": 'a, "b"', "stale": "false"})
