"""Whatever a peer sends, the reader answers or refuses; what we write is read back as it was meant."""

from hypothesis import given
from hypothesis import strategies as st

from onrecord.core.errors import PeerError
from onrecord.sdp.negotiation import (
    MediaDirection,
    RtpAddress,
    accept,
    answer,
    offer,
    offered_codecs,
)
from onrecord.sdp.session import (
    Attribute,
    BadSdp,
    MediaDescription,
    SessionDescription,
    parse,
    render,
)

ports = st.integers(1, 65535)
hosts = st.ip_addresses(v=4).filter(lambda a: not a.is_multicast) | st.ip_addresses(v=6).filter(
    lambda a: not a.is_multicast and a.scope_id is None
)
locals_ = st.builds(lambda h, p, r: RtpAddress(str(h), p, r), hosts, ports, ports)
directions = st.sampled_from(MediaDirection)
tokens = st.text("abcXYZ019-._", min_size=1, max_size=8)
attributes = st.builds(
    Attribute, tokens.map(str.lower), st.none() | st.text("az /:;=,09", max_size=12).map(str.strip)
)
medias = st.builds(
    MediaDescription,
    st.sampled_from(["audio", "video", "image"]),
    st.integers(0, 65535),
    st.sampled_from(["RTP/AVP", "RTP/AVPF", "RTP/SAVP", "udptl"]),
    st.lists(st.integers(0, 127).map(str), min_size=1, max_size=6).map(tuple),
    st.none() | hosts.map(str),
    st.lists(attributes, max_size=5).map(tuple),
)
sessions = st.builds(
    SessionDescription,
    hosts.map(str),
    st.lists(attributes, max_size=3).map(tuple),
    st.lists(medias, max_size=4).map(tuple),
)
lines = st.one_of(
    st.just("v=0"),
    st.builds("c=IN IP4 {}".format, hosts | tokens),
    st.builds(
        "m=audio {} RTP/AVP {} {}".format, st.integers(0, 70000), tokens, st.integers(0, 130)
    ),
    st.builds("a=rtpmap:{} {}/{}".format, st.integers(0, 130), tokens, tokens),
    st.builds("a={}:{}".format, st.sampled_from(["ptime", "rtcp", "rtpmap"]), st.text(max_size=9)),
    st.builds("a={}".format, directions),
    st.text(max_size=20),
)
hostile = st.lists(lines, max_size=15).map(lambda rows: "\r\n".join(["v=0", *rows])) | st.text()


@given(sessions)
def test_what_is_written_is_read_back(session):
    assert parse(render(session, session_id=1, version=2)) == session


@given(hostile)
def test_hostile_text_is_answered_or_refused(text):
    local = RtpAddress("127.0.0.1", 4000, 4001)
    try:
        ours = answer(text, local, 1, 1)
    except PeerError:
        return
    theirs, mine = parse(text), parse(ours.sdp)
    assert [m.kind for m in mine.media] == [m.kind for m in theirs.media]
    assert sum(m.port != 0 for m in mine.media) == 1
    assert ours.media.send_payload_type in ours.media.payload_types
    assert 0 < ours.media.remote.rtcp_port <= 65535


@given(hostile)
def test_accept_and_list_raise_only_peer_errors(text):
    for reader in (accept, offered_codecs):
        try:
            reader(text)
        except PeerError:
            continue


@given(st.text(max_size=200))
def test_parse_raises_only_bad_sdp(text):
    try:
        parse("v=0\n" + text)
    except BadSdp:
        return


@given(locals_, locals_, directions, st.integers(0, 2**62), st.integers(0, 2**31))
def test_two_of_us_agree(a, b, direction, session_id, version):
    ours = answer(offer(a, session_id, version, direction), b, 1, 1)
    theirs = accept(ours.sdp, direction)
    assert ours.media.remote == a
    assert theirs.remote == b
    assert ours.media.send_codec == theirs.send_codec
    assert theirs.send_payload_type in ours.media.payload_types
    assert ours.media.send_payload_type in theirs.payload_types


@given(sessions, locals_, directions)
def test_a_later_offer_can_be_answered_by_the_same_peer(session, local, direction):
    text = render(session, session_id=1, version=1)
    try:
        ours = answer(text, local, 1, 1)
    except PeerError:
        return
    again = parse(offer(local, 1, 2, direction, previous=ours.sdp))
    assert [(m.kind, bool(m.port)) for m in again.media] == [
        (m.kind, bool(m.port)) for m in parse(ours.sdp).media
    ]
