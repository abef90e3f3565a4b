"""SRTP in offers and answers: keys, suites, and what must not be taken for granted (RFC 4568)."""

import base64

import pytest

from onrecord.sdp.crypto import SUITES, Crypto, Srtp, read_lines
from onrecord.sdp.negotiation import (
    MediaDirection,
    NoCommonCodec,
    RtpAddress,
    accept,
    answer,
    offer,
)

LOCAL = RtpAddress("127.0.0.1", 40000, 40001)
THERE = RtpAddress("127.0.0.2", 50000, 50001)
A, B, C, D = (base64.b64encode(bytes([n]) * 30).decode() for n in range(4))
LONG, SHORT = SUITES


def test_offer_and_answer_agree_on_suite_and_keys():
    ours = offer(LOCAL, 1, 1, keys=(A, B))
    assert "m=audio 40000 RTP/SAVP 0 8 101\r\n" in ours
    assert f"a=crypto:1 {LONG} inline:{A}\r\na=crypto:2 {SHORT} inline:{B}\r\n" in ours
    theirs = answer(ours, THERE, 2, 1, key=C)
    assert f"a=crypto:1 {LONG} inline:{C}\r\n" in theirs.sdp
    assert theirs.media.srtp == Srtp(LONG, C, A)
    assert accept(theirs.sdp, sent=ours).srtp == Srtp(LONG, A, C)


def test_an_answer_may_choose_the_second_suite():
    ours = offer(LOCAL, 1, 1, keys=(A, B))
    shorter = ours.replace(f"a=crypto:1 {LONG} inline:{A}\r\n", "")
    theirs = answer(shorter, THERE, 2, 1, key=C)
    assert theirs.media.srtp == Srtp(SHORT, C, B)
    assert accept(theirs.sdp, sent=ours).srtp == Srtp(SHORT, B, C)


def test_plain_offers_stay_plain_and_srtp_is_not_taken_without_a_key():
    assert answer(offer(LOCAL, 1, 1), THERE, 2, 1, key=C).media.srtp is None
    with pytest.raises(NoCommonCodec):
        answer(offer(LOCAL, 1, 1, keys=(A, B)), THERE, 2, 1)


@pytest.mark.parametrize(
    ("was", "instead"),
    [
        ("RTP/SAVP", "RTP/AVP"),
        ("a=crypto:1 ", "a=crypto:2 "),
        (LONG, "AES_CM_256_HMAC_SHA1_80"),
        (f"inline:{C}", "inline:AAAA"),
        (f"a=crypto:1 {LONG} inline:{C}\r\n", ""),
    ],
)
def test_an_answer_that_drops_the_protection_is_refused(was, instead):
    ours = offer(LOCAL, 1, 1, keys=(A, B))
    theirs = answer(ours, THERE, 2, 1, key=C).sdp.replace(was, instead)
    with pytest.raises(NoCommonCodec):
        accept(theirs, sent=ours)


@pytest.mark.parametrize(
    ("line", "taken"),
    [
        (f"1 {LONG} inline:{A}", True),
        (f"1 {LONG.lower()} inline:{A}|2^31", True),
        (f"1  {SHORT}  inline:{A}|1000 WSH=128", True),
        (f"1 {LONG} inline:{A}|2^20|1:4", False),
        (f"1 {LONG} inline:{A} UNENCRYPTED_SRTP", False),
        (f"1 {LONG} inline:{A} KDR=1", False),
        (f"1 {LONG} inline:{A};inline:{B}", False),
        (f"1 {LONG} inline:{A[:-4]}", False),
        ("1 F8_128_HMAC_SHA1_80 inline:" + A, False),
        (f"x {LONG} inline:{A}", False),
        ("", False),
    ],
)
def test_lines_that_we_cannot_serve_are_passed_over(line, taken):
    assert bool(read_lines([line])) is taken


def test_keys_are_not_shown():
    assert A not in repr(Crypto(1, LONG, A))
    assert A not in repr(Srtp(LONG, A, A))


def test_a_later_offer_keeps_the_keys():
    first = offer(LOCAL, 1, 1, keys=(A, B))
    again = offer(LOCAL, 1, 2, MediaDirection.SENDONLY, previous=first, keys=(A, B))
    assert answer(again, THERE, 2, 1, key=C).media.srtp == Srtp(LONG, C, A)
