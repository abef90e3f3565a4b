"""SRTP contexts: round trips, tampering, replays, new keys, and a process that takes over."""

import base64

import pytest

from onrecord.media.srtp import Protection, Rollover
from onrecord.rtp.header import build_packet
from onrecord.rtp.rtcp import ReceiverReport, build_compound
from onrecord.sdp.crypto import SUITES
from onrecord.sdp.negotiation import Srtp

A, B, C = (base64.b64encode(bytes(range(n, n + 30))).decode() for n in (0, 50, 90))


def pair(suite: str = SUITES[0]) -> tuple[Protection, Protection]:
    return Protection(Srtp(suite, A, B)), Protection(Srtp(suite, B, A))


def packet(sequence: int, ssrc: int = 5) -> bytes:
    payload = bytes((sequence & 0xFF,)) * 160
    return build_packet(0, sequence & 0xFFFF, sequence * 160 & 0xFFFFFFFF, ssrc, False, payload)


@pytest.mark.parametrize(("suite", "tag"), [(SUITES[0], 10), (SUITES[1], 4)])
def test_both_suites_carry_rtp_and_rtcp_both_ways(suite, tag):
    ours, theirs = pair(suite)
    for one, two in ((ours, theirs), (theirs, ours)):
        protected = one.protect(packet(1))
        assert len(protected) == 172 + tag
        assert packet(1)[12:] not in protected
        assert two.unprotect(protected) == packet(1)
        report = build_compound((ReceiverReport(7),))
        assert two.unprotect_rtcp(one.protect_rtcp(report)) == report


def test_whatever_bit_is_changed_the_packet_is_refused():
    ours, theirs = pair()
    protected = ours.protect(packet(1))
    for at in range(0, 8 * len(protected), 13):
        broken = bytearray(protected)
        broken[at // 8] ^= 1 << at % 8
        assert theirs.unprotect(bytes(broken)) is None
    assert theirs.unprotect(packet(1)) is None
    for junk in (b"", b"\x80", protected[:12], bytes(1600)):
        assert theirs.unprotect(junk) is theirs.unprotect_rtcp(junk) is None
    assert theirs.unprotect(protected) == packet(1)


def test_a_replay_and_a_second_use_of_a_sequence_number_are_refused():
    ours, theirs = pair()
    protected = ours.protect(packet(1))
    assert theirs.unprotect(protected) is not None
    assert theirs.unprotect(protected) is None
    assert ours.protect(packet(1)) is None
    assert Protection(Srtp(SUITES[0], C, B)).unprotect(theirs.protect(packet(1))) is not None
    assert Protection(Srtp(SUITES[0], A, C)).unprotect(theirs.protect(packet(2))) is None


def test_a_kept_key_keeps_its_context_and_a_new_one_begins_anew():
    ours, theirs = pair()
    protected = ours.protect(packet(1))
    theirs.unprotect(protected)
    theirs.renew(Srtp(SUITES[0], B, A))
    assert theirs.unprotect(protected) is None
    ours.renew(Srtp(SUITES[0], C, B))
    theirs.renew(Srtp(SUITES[0], B, C))
    assert theirs.unprotect(ours.protect(packet(1))) == packet(1)


@pytest.mark.parametrize("last", [70_000, 65_537, 200_000, 131_071])
def test_a_process_that_takes_over_goes_on_behind_roll_overs(last):
    ours, theirs = pair()
    for sequence in [*range(65_000, last - 200, 16_000), *range(last - 200, last + 1)]:
        assert theirs.unprotect(ours.protect(packet(sequence))) is not None
    assert theirs.rollover == Rollover(5, last)
    fresh = Protection(theirs.agreed)
    successor = Protection(theirs.agreed, Rollover(5, last - 50))
    following = ours.protect(packet(last + 1))
    assert fresh.unprotect(following) is None
    assert successor.unprotect(following) == packet(last + 1)
    assert successor.rollover == Rollover(5, last + 1)
    other = ours.protect(packet(3, ssrc=6))
    assert successor.unprotect(other) == packet(3, ssrc=6)
