"""Whatever comes in: only the documented error, the same messages however a stream is split."""

import itertools

from hypothesis import given, settings
from hypothesis import strategies as st

from onrecord.core.ids import LegId
from onrecord.sip.agent import Peer, UaConfig, UserAgent
from onrecord.sip.backend import DialRequest
from onrecord.sip.framing import StreamFramer
from onrecord.sip.headers import (
    SipSyntaxError,
    parse_challenge,
    parse_cseq,
    parse_media_type,
    parse_name_addr,
    parse_sip_uri,
    parse_via,
    quote,
    split_list,
    unquote,
)
from onrecord.sip.message import Message, parse, read_envelope, session_description

PEER = Peer("UDP", "192.0.2.7", 5060)
SDP = "v=0\r\nm=audio 4000 RTP/AVP 0\r\n"
INVITE = (
    "INVITE sip:us@192.0.2.1 SIP/2.0\r\n"
    "Via: SIP/2.0/UDP 192.0.2.7:5062;branch=z9hG4bK1;rport, SIP/2.0/TCP [2001:db8::1]\r\n"
    "Record-Route: <sip:proxy;lr>\r\n"
    'From: "A, \\"B\\"" <sip:a@192.0.2.7>;tag=x\r\n'
    "To: <sip:us@192.0.2.1>\r\n"
    "Call-ID: id\r\nCSeq: 1 INVITE\r\n"
    "Contact: <sip:a@192.0.2.7:5062>\r\n"
    'Content-Type: multipart/mixed;boundary="b"\r\n'
    "Require: siprec\r\nAccept: application/sdp, */*;q=0.5\r\n"
    f"\r\n--b\r\nContent-Type: application/sdp\r\n\r\n{SDP}\r\n--b--\r\n"
).encode()
PIECES = [
    *(
        b"\r\n",
        b"\r\n ",
        b"\r",
        b"\n",
        b"\0",
        b":",
        b";",
        b",",
        b"<",
        b">",
        b'"',
        b"\\",
        b"=",
        b"@",
        b"\xff",
    ),
    *(
        b"SIP/2.0 200 OK\r\n",
        b"SIP/2.0",
        b"Via: ",
        b"tag=",
        b"l: 5\r\n",
        b"Content-Length: -1\r\n",
        b"z9hG4bK",
    ),
    *(b"INVITE", b"ACK", b"CANCEL", b"BYE", b"--b", b"sip:", b"99999999999999999999"),
]


@st.composite
def mutations(draw, base=INVITE):
    """A message with a few cuts, insertions and repeats."""
    data = bytearray(base)
    for _ in range(draw(st.integers(0, 4))):
        start = draw(st.integers(0, len(data)))
        end = min(len(data), start + draw(st.integers(0, 30)))
        data[start:end] = draw(st.sampled_from(PIECES) | st.binary(max_size=8))
    return bytes(data)


@given(st.binary(max_size=400) | mutations())
@settings(max_examples=400, deadline=None)
def test_parsing_raises_only_its_own_error(data):
    try:
        message = parse(data)
        session_description(message)
        read_envelope(message, PEER)
    except SipSyntaxError:
        return
    assert parse(message.encode()).headers[:-1] == message.headers


READERS = [
    parse_name_addr,
    parse_via,
    parse_sip_uri,
    parse_cseq,
    parse_challenge,
    parse_media_type,
    split_list,
]
TEXT = st.text(max_size=60) | st.lists(
    st.sampled_from([*'<>";,=:@?\\% \t', "sip:", "a", "SIP/2.0/UDP ", "branch", "[::1]", "1"]),
    max_size=30,
).map("".join)


@given(st.sampled_from(READERS), TEXT)
@settings(max_examples=800, deadline=None)
def test_header_readers_raise_only_their_own_error(reader, text):
    try:
        reader(text)
    except SipSyntaxError:
        return


@given(st.text())
def test_quoting_round_trips(text):
    assert unquote(quote(text)) == text
    assert split_list(f"{quote(text)}, x") == [quote(text), "x"]


NAMES = st.sampled_from(["Subject", "X-A", "Via", "Route", "Supported"])
VALUES = st.text(st.characters(exclude_characters="\r\n", exclude_categories=["Cs"]), max_size=40)


@given(st.lists(st.tuples(NAMES, VALUES), max_size=8), st.binary(max_size=200))
def test_what_is_encoded_is_parsed_back(headers, body):
    sent = Message("OPTIONS", "sip:b@h", headers=tuple(headers), body=body)
    got = parse(sent.encode())
    assert (got.method, got.uri, got.body, got.fault) == ("OPTIONS", "sip:b@h", body, "")
    blank = " \t"
    wanted = [(name.lower(), value.strip()) for name, value in headers]
    assert [(name, value.strip(blank)) for name, value in got.headers[:-1]] == wanted


@given(
    st.lists(st.binary(max_size=60), min_size=1, max_size=4),
    st.lists(st.integers(0, 3), min_size=4, max_size=4),
    st.lists(st.integers(0, 800), max_size=12),
)
@settings(deadline=None)
def test_any_split_of_a_stream_gives_the_same_messages(bodies, pings, cuts):
    messages = [
        Message("OPTIONS", "sip:b@h", headers=(("X", str(n)),), body=body).encode()
        for n, body in enumerate(bodies)
    ]
    stream = b"".join(
        b"\r\n\r\n" * n + message for n, message in zip(pings, messages, strict=False)
    )
    framer, got = StreamFramer(), []
    edges = sorted({0, len(stream), *(cut % (len(stream) + 1) for cut in cuts)})
    for start, end in itertools.pairwise(edges):
        got += framer.feed(stream[start:end])
    assert got == messages
    assert framer.take_pings() == sum(pings[: len(messages)])


@given(st.lists(st.binary(max_size=30) | st.sampled_from(PIECES), max_size=30))
@settings(deadline=None)
def test_the_framer_raises_only_its_own_error(chunks):
    framer = StreamFramer()
    try:
        for chunk in chunks:
            framer.feed(chunk)
    except SipSyntaxError:
        return


@given(st.lists(mutations() | mutations(INVITE.replace(b"siprec", b"")), max_size=6), st.booleans())
@settings(max_examples=150, deadline=None)
def test_an_agent_never_raises_and_forgets_everything(datagrams, dials):
    legs, tokens = itertools.count(), itertools.count()
    agent = UserAgent(
        UaConfig("192.0.2.1", 5060, lambda: LegId(f"leg-{next(legs)}")),
        lambda: f"{next(tokens):016x}",
    )
    if dials:
        agent.dial(LegId("out"), DialRequest("sip:b@192.0.2.7", "sip:a@h", SDP), 0)
    for data in datagrams:
        agent.receive(data, PEER, 0)
    for event in agent.outputs():
        if hasattr(event, "leg"):
            agent.answer(event.leg, SDP, (), 0)
    for leg in [LegId("out"), *(LegId(f"leg-{n}") for n in range(next(legs)))]:
        agent.hangup(leg, (), 0)
    while (now_ns := agent.next_deadline()) is not None:
        agent.wake(now_ns)
        assert now_ns <= 200 * 10**9
    assert (agent.calls, agent.transactions) == (0, 0)
