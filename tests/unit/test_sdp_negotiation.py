"""Offer and answer over what phones really send."""

from textwrap import dedent

import pytest

from onrecord.sdp.negotiation import (
    BadSdp,
    Codec,
    MediaDirection,
    NoCommonCodec,
    RtpAddress,
    accept,
    answer,
    offer,
    offered_codecs,
)
from onrecord.sdp.session import parse

LOCAL = RtpAddress("127.0.0.1", 40000, 40001)
D = MediaDirection


def sdp(text):
    return dedent(text).strip().replace("\n", "\r\n") + "\r\n"


def audio(*lines, host="192.0.2.7", formats="0 8 101", head=()):
    return "\r\n".join(
        [
            "v=0",
            "o=phone 1 1 IN IP4 192.0.2.7",
            "s=call",
            f"c=IN IP4 {host}",
            "t=0 0",
            *head,
            f"m=audio 5004 RTP/AVP {formats}",
            "a=rtpmap:101 telephone-event/8000",
            *lines,
            "",
        ]
    )


LINPHONE = sdp(
    """
    v=0
    o=ann 3112 2027 IN IP4 192.168.1.20
    s=Talk
    c=IN IP4 192.168.1.20
    b=AS:380
    t=0 0
    a=rtcp-xr:rcvr-rtt=all:10000 stat-summary=loss,dup,jitt,TTL voip-metrics
    a=record:off
    m=audio 7078 RTP/AVPF 96 97 98 0 8 18 99
    a=rtpmap:96 opus/48000/2
    a=fmtp:96 useinbandfec=1
    a=rtpmap:97 speex/16000
    a=rtpmap:98 speex/8000
    a=rtpmap:99 telephone-event/8000
    a=rtcp:7083 IN IP4 192.168.1.20
    a=rtcp-fb:* trr-int 5000
    m=video 9078 RTP/AVP 101
    a=rtpmap:101 VP8/90000
    """
)


def test_offer_lists_both_laws_and_events():
    assert offer(LOCAL, 77, 3) == sdp(
        """
        v=0
        o=onrecord 77 3 IN IP4 127.0.0.1
        s=-
        c=IN IP4 127.0.0.1
        t=0 0
        m=audio 40000 RTP/AVP 0 8 101
        a=rtpmap:0 PCMU/8000
        a=rtpmap:8 PCMA/8000
        a=rtpmap:101 telephone-event/8000
        a=fmtp:101 0-15
        a=ptime:20
        a=sendrecv
        """
    )


def test_offer_names_an_odd_rtcp_port_and_ipv6():
    text = offer(RtpAddress("2001:db8::1", 40000, 40007), 1, 1, D.SENDONLY)
    assert "c=IN IP6 2001:db8::1\r\n" in text
    assert "a=rtcp:40007\r\n" in text
    assert "a=sendonly\r\n" in text


def test_answer_to_a_softphone_takes_its_first_common_codec_and_refuses_video():
    ours = answer(LINPHONE, LOCAL, 5, 1)
    assert ours.sdp == sdp(
        """
        v=0
        o=onrecord 5 1 IN IP4 127.0.0.1
        s=-
        c=IN IP4 127.0.0.1
        t=0 0
        m=audio 40000 RTP/AVPF 0 99
        a=rtpmap:0 PCMU/8000
        a=rtpmap:99 telephone-event/8000
        a=fmtp:99 0-15
        a=ptime:20
        a=sendrecv
        m=video 0 RTP/AVP 101
        """
    )
    assert ours.media.remote == RtpAddress("192.168.1.20", 7078, 7083)
    assert ours.media.send_payload_type == 0
    assert ours.media.send_codec == Codec("PCMU")
    assert ours.media.telephone_event_payload_type == 99
    heard = {0: Codec("PCMU"), 8: Codec("PCMA"), 99: Codec("TELEPHONE-EVENT")}
    assert ours.media.payload_types == heard


def test_the_peer_decides_the_order():
    media = answer(audio(formats="8 0"), LOCAL, 1, 1).media
    assert media.send_codec.name == "PCMA"
    assert media.telephone_event_payload_type is None


def test_dynamic_payload_types_are_answered_in_the_peers_numbering():
    text = audio("a=rtpmap:110 pcma/8000/1", "a=rtpmap:111\tPCMU/8000", formats="110 111")
    ours = answer(text, LOCAL, 1, 1)
    assert ours.media.send_payload_type == 110
    assert "m=audio 40000 RTP/AVP 110\r\na=rtpmap:110 PCMA/8000\r\n" in ours.sdp


@pytest.mark.parametrize(
    ("theirs", "ours"),
    [
        ("sendrecv", D.SENDRECV),
        ("sendonly", D.RECVONLY),
        ("recvonly", D.SENDONLY),
        ("inactive", D.INACTIVE),
    ],
)
def test_direction_is_turned_round(theirs, ours):
    in_media = answer(audio(f"a={theirs}"), LOCAL, 1, 1)
    in_session = answer(audio(head=[f"a={theirs}"]), LOCAL, 1, 1)
    assert in_media.media.direction == in_session.media.direction == ours
    assert f"a={ours}\r\n" in in_media.sdp


def test_the_medias_direction_and_address_win_over_the_sessions():
    media = answer(
        audio("c=IN IP4 198.51.100.4", "a=sendonly", head=["a=inactive"]), LOCAL, 1, 1
    ).media
    assert media.direction == D.RECVONLY
    assert media.remote.host == "198.51.100.4"


@pytest.mark.parametrize(("theirs", "ours"), [("sendrecv", D.RECVONLY), ("recvonly", D.INACTIVE)])
def test_hold_by_no_address(theirs, ours):
    assert answer(audio(f"a={theirs}", host="0.0.0.0"), LOCAL, 1, 1).media.direction == ours


def test_ipv6_peer():
    text = audio().replace("IN IP4 192.0.2.7", "IN IP6 2001:DB8::9")
    assert answer(text, LOCAL, 1, 1).media.remote.host == "2001:db8::9"


def test_several_streams_keep_their_order():
    text = sdp(
        """
        v=0
        c=IN IP4 192.0.2.7
        m=video 6000 RTP/AVP 96
        m=audio 0 RTP/AVP 0
        m=audio 6002 RTP/SAVP 0 8
        m=audio 6004 RTP/AVP 8
        m=image 6006 udptl t38
        m=audio 6008 RTP/AVP 0
        """
    )
    ours = answer(text, LOCAL, 1, 1)
    assert ours.media.remote.port == 6004
    rows = [(m.kind, m.port, m.protocol) for m in parse(ours.sdp).media]
    assert rows == [
        ("video", 0, "RTP/AVP"),
        ("audio", 0, "RTP/AVP"),
        ("audio", 0, "RTP/SAVP"),
        ("audio", 40000, "RTP/AVP"),
        ("image", 0, "udptl"),
        ("audio", 0, "RTP/AVP"),
    ]


@pytest.mark.parametrize(
    ("line", "ms"),
    [("a=ptime:30", 30), ("a=ptime:20.0", 20), ("a=ptime:0", 20), ("a=ptime:x", 20), ("a=x", 20)],
)
def test_ptime(line, ms):
    assert answer(audio(line), LOCAL, 1, 1).media.ptime_ms == ms


@pytest.mark.parametrize(
    "text",
    [
        audio(formats="18 101"),
        audio(formats="101"),
        audio("a=rtpmap:0 G726-32/8000", formats="0"),
        audio("a=rtpmap:96 PCMU/16000", formats="96"),
        audio().replace("m=audio 5004", "m=audio 0"),
        audio().replace("RTP/AVP", "RTP/SAVP"),
        audio().replace("m=audio", "m=video"),
        "v=0\r\nc=IN IP4 192.0.2.1\r\n",
    ],
)
def test_nothing_in_common_is_488(text):
    with pytest.raises(NoCommonCodec) as caught:
        answer(text, LOCAL, 1, 1)
    assert caught.value.sip_status == 488


@pytest.mark.parametrize(
    "text",
    [
        "",
        "hello",
        "<xml/>",
        "o=- 1 1 IN IP4 1.2.3.4\r\nv=0\r\n",
        audio().replace("v=0", "v=1"),
        audio().replace("m=audio 5004", "m=audio port"),
        audio().replace("m=audio 5004", "m=audio 70000"),
        audio().replace("RTP/AVP 0 8 101", "RTP/AVP"),
        audio(host="phone.example.com"),
        audio(host="239.1.2.3"),
        audio().replace("c=IN IP4 192.0.2.7", "c=ATM NSAP 47"),
        audio().replace("c=IN IP4 192.0.2.7\r\n", ""),
        audio(formats=" ".join(["0"] * 65)),
        "v=0\r\n" + "m=audio 1 RTP/AVP 0\r\n" * 33,
        "v=0\r\n" + "a=x\r\n" * 1001,
        "v=0\r\n" + "x" * 70_000,
    ],
)
def test_garbage_is_refused(text):
    with pytest.raises(BadSdp) as caught:
        answer(text, LOCAL, 1, 1)
    assert caught.value.sip_status == 400
    assert len(str(caught.value)) < 100


def test_sloppy_line_ends_and_padding_are_taken():
    for end in ("\n", "\r", "\r\n\r\n"):
        text = "\r\n" + audio().replace("\r\n", end) + "\0\0"
        assert answer(text, LOCAL, 1, 1).media.remote.port == 5004


def test_accept_understands_both_numberings_of_the_answer():
    media = accept(audio("a=rtpmap:96 telephone-event/8000", formats="8 96"))
    assert media.send_payload_type == 8
    assert media.telephone_event_payload_type == 96
    events = Codec("TELEPHONE-EVENT")
    assert media.payload_types == {8: Codec("PCMA"), 101: events, 96: events}


def test_accept_never_gives_more_than_was_offered():
    assert accept(audio("a=sendrecv"), D.SENDONLY).direction == D.SENDONLY
    assert accept(audio("a=recvonly"), D.SENDONLY).direction == D.SENDONLY
    assert accept(audio("a=sendonly"), D.SENDONLY).direction == D.INACTIVE


def test_accept_of_a_refused_stream():
    with pytest.raises(NoCommonCodec):
        accept(audio().replace("m=audio 5004", "m=audio 0"))


def test_a_later_offer_keeps_lines_and_numbers():
    first = answer(
        sdp(
            """
            v=0
            c=IN IP4 192.0.2.7
            m=video 6000 RTP/AVP 96
            m=audio 6004 RTP/AVP 101
            a=rtpmap:101 PCMA/8000
            m=audio 6008 RTP/AVP 0
            """
        ),
        LOCAL,
        9,
        1,
    )
    again = offer(LOCAL, 9, 2, D.SENDONLY, previous=first.sdp)
    session = parse(again)
    assert "o=onrecord 9 2 " in again
    assert [(m.kind, m.port) for m in session.media] == [
        ("video", 0),
        ("audio", 40000),
        ("audio", 0),
    ]
    assert session.media[1].formats == ("101", "0", "96")
    assert list(session.media[1].values("rtpmap")) == [
        "101 PCMA/8000",
        "0 PCMU/8000",
        "96 telephone-event/8000",
    ]


def test_offered_codecs():
    assert offered_codecs(LINPHONE) == ("OPUS", "SPEEX", "PCMU", "PCMA", "G729")
    assert offered_codecs("v=0\r\nm=video 1 RTP/AVP 96\r\n") == ()
    with pytest.raises(BadSdp):
        offered_codecs("nonsense")
