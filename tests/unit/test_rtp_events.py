"""Digits as telephone-events: what is sent, and that each is heard once."""

import pytest

from onrecord.rtp.telephone_event import DIGITS, EventListener, event_payload

SSRC = 7


def packets(digit, timestamp, frames=5):
    """(timestamp, payload) of one event as a sender makes it: the last packet three times."""
    made = [event_payload(digit, 160 * n, ended=False) for n in range(1, frames)]
    made += [event_payload(digit, 160 * frames, ended=True)] * 3
    return [(timestamp, payload) for payload in made]


def heard(stream, ssrc=SSRC, listener=None):
    listener = listener or EventListener()
    return "".join(listener.read(ssrc, at, payload) or "" for at, payload in stream)


def test_the_payload_is_that_of_rfc_4733():
    assert event_payload("0", 160, ended=False) == b"\x00\x0a\x00\xa0"
    assert event_payload("#", 2000, ended=True) == b"\x0b\x8a\x07\xd0"
    assert [event_payload(digit, 0, ended=False)[0] for digit in DIGITS] == list(range(16))


def test_each_digit_is_told_once_at_its_first_packet():
    listener = EventListener()
    told = [listener.read(SSRC, at, payload) for at, payload in packets("5", 1000)]
    assert told == ["5"] + [None] * 6
    assert heard([*packets("5", 9000), *packets("5", 12000)], listener=listener) == "55"


@pytest.mark.parametrize("kept", [slice(3, None), slice(-1, None), slice(0, 1)])
def test_any_packet_of_an_event_tells_it(kept):
    assert heard([*packets("1", 0)[kept], *packets("2", 4000)[kept]]) == "12"


def test_packets_that_come_late_say_nothing_new():
    first, second = packets("1", 0), packets("2", 4000)
    assert heard([*first[:4], *second, *first[4:], *second[2:]]) == "12"


def test_timestamps_wrap_and_sources_change():
    listener = EventListener()
    stream = [*packets("1", 2**32 - 100), *packets("2", 3900)]
    assert heard(stream, listener=listener) == "12"
    assert heard(packets("3", 5), ssrc=8, listener=listener) == "3"


def test_a_long_event_in_segments_is_one_digit():
    first = [(100, event_payload("9", 0xFFFF, ended=False))]
    rest = packets("9", 100 + 0xFFFF)
    assert heard([*first, *rest]) == "9"
    ended = [(100, event_payload("9", 0xFFFF, ended=True))]
    assert heard([*ended, *rest]) == "99"


@pytest.mark.parametrize("payload", [b"", b"\x05\x0a\x00", b"\x10\x0a\x00\xa0", b"\xff" * 8])
def test_what_is_no_digit_is_none(payload):
    assert EventListener().read(SSRC, 0, payload) is None
