"""The outbound stream of a leg: one SSRC, one sequence and one clock, whatever feeds it."""

import numpy as np
import pytest

from onrecord.audio.g711 import decode_alaw, decode_ulaw
from onrecord.media.messages import codec_map, decode_media, encode_media, joined
from onrecord.media.outbound import OutboundStream
from onrecord.media.route import payload_map
from onrecord.rtp.header import build_packet
from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import Codec, Media, MediaDirection, RtpAddress

MS = 1_000_000
T0 = 10**12
PCMU, PCMA, EVENTS = Codec("PCMU"), Codec("PCMA"), Codec("TELEPHONE-EVENT")
OURS = 0xABCD0123


def media(types, number, codec, events=None):
    remote = RtpAddress("127.0.0.1", 4000, 4001)
    return Media(remote, types, number, codec, MediaDirection.SENDRECV, events)


ULAW = media({0: PCMU, 101: EVENTS}, 0, PCMU, 101)
ALAW = media({8: PCMA, 96: EVENTS}, 8, PCMA, 96)
BARE = media({0: PCMU}, 0, PCMU)


def stream():
    return OutboundStream(OURS, 65534, 2**32 - 320)


def fields(packet):
    return {
        "marker": packet[1] >> 7, "type": packet[1] & 0x7F,
        "sequence": int.from_bytes(packet[2:4], "big"), "timestamp": int.from_bytes(packet[4:8], "big"),
        "ssrc": int.from_bytes(packet[8:12], "big"),
    }  # fmt: skip


def relay(out, mapping, number, source=1, codec=0, first=1000, skip=0, payload=b"\x11" * 160):
    packet = build_packet(codec, number, first + 160 * number, source, False, payload)
    return out.relayed(memoryview(packet), mapping, T0 + (number + skip) * 20 * MS)


def test_relayed_packets_follow_each_other_over_a_change_of_source():
    out, mapping = stream(), payload_map(BARE, BARE)
    sent = [relay(out, mapping, n) for n in range(3)]
    sent += [relay(out, mapping, n, source=99, first=5_000_000, skip=3 - 50) for n in range(50, 53)]
    found = [fields(packet) for packet in sent]
    assert [f["ssrc"] for f in found] == [OURS] * 6
    assert [f["sequence"] for f in found] == [65535, 0, 1, 2, 3, 4]
    start = found[0]["timestamp"]
    assert [(f["timestamp"] - start) % 2**32 for f in found] == [160 * n for n in range(6)]
    assert [f["marker"] for f in found] == [1, 0, 0, 1, 0, 0]
    assert {packet[12:] for packet in sent} == {b"\x11" * 160}


def test_losses_and_reordering_stay_visible():
    out, mapping = stream(), payload_map(BARE, BARE)
    found = [fields(relay(out, mapping, n))["sequence"] for n in (0, 1, 4, 3, 5)]
    assert [(n - found[0]) % 65536 for n in found] == [0, 1, 4, 3, 5]
    silent = fields(out.silence(BARE, T0 + 120 * MS))
    assert (silent["sequence"] - found[0]) % 65536 == 6


def test_a_source_whose_clock_jumps_is_anchored_in_real_time():
    out, mapping = stream(), payload_map(BARE, BARE)
    first = fields(relay(out, mapping, 0))
    late = fields(relay(out, mapping, 1, first=10**8, skip=99))
    assert (late["timestamp"] - first["timestamp"]) % 2**32 == 100 * 160
    assert late["marker"] == 1


@pytest.mark.parametrize(
    ("source", "target", "decode_in", "decode_out", "number"),
    [(ULAW, ALAW, decode_ulaw, decode_alaw, 0), (ALAW, ULAW, decode_alaw, decode_ulaw, 8)],
)
def test_laws_are_translated(source, target, decode_in, decode_out, number):
    codes = bytes(range(256))
    packet = relay(stream(), payload_map(source, target), 0, codec=number, payload=codes)
    assert fields(packet)["type"] == target.send_payload_type
    heard = decode_out(np.frombuffer(packet[12:], np.uint8)).astype(int)
    meant = decode_in(np.frombuffer(codes, np.uint8)).astype(int)
    assert np.all(np.abs(heard - meant) <= np.maximum(np.abs(meant) / 16, 16))


def test_events_pass_in_the_receivers_number_or_vanish_without_a_gap():
    event = b"\x05\x0a\x00\xa0"
    passed = relay(stream(), payload_map(ULAW, ALAW), 0, codec=101, payload=event)
    assert (fields(passed)["type"], passed[12:]) == (96, event)
    out, mapping = stream(), payload_map(ULAW, BARE)
    before = fields(relay(out, mapping, 0))
    assert relay(out, mapping, 1, codec=101, payload=event) is None
    after = fields(relay(out, mapping, 2))
    assert (after["sequence"] - before["sequence"]) % 65536 == 1


def test_a_long_event_keeps_its_timestamp_and_what_follows_keeps_the_clock():
    out, mapping = stream(), payload_map(ULAW, ULAW)
    first = fields(relay(out, mapping, 0))
    for number in range(1, 100):  # two seconds; an event's packets repeat its first timestamp
        packet = build_packet(101, number, 1000 + 160, 1, False, b"\x05\x0a\x00\xa0")
        sent = fields(out.relayed(memoryview(packet), mapping, T0 + number * 20 * MS))
        assert (sent["timestamp"] - first["timestamp"]) % 2**32 == 160
    after = fields(relay(out, mapping, 100))
    assert (after["timestamp"] - first["timestamp"]) % 2**32 == 100 * 160


def test_other_codecs_are_not_passed_on():
    g722 = media({9: Codec("G722")}, 9, Codec("G722"))
    gsm = media({3: Codec("GSM")}, 3, Codec("GSM"))
    assert payload_map(g722, ULAW) == payload_map(gsm, ULAW) == {}
    assert stream().silence(gsm, T0) is None
    assert stream().silence(g722, T0)[12:] == b"\xff" * 160


def test_csrc_extension_and_padding_are_taken_off():
    payload = bytes(range(20))
    rest = bytes(8) + b"\xbe\xde\x00\x01" + bytes(4) + payload + b"\0\0\0\4"
    packet = bytes((0xB2,)) + build_packet(0, 9, 9, 9, False, b"")[1:] + rest
    sent = stream().relayed(memoryview(packet), payload_map(BARE, BARE), T0)
    assert (sent[0], sent[12:]) == (0x80, payload)


@pytest.mark.parametrize(
    "packet",
    [
        b"",
        bytes(11),
        bytes(40),
        b"\x9f" + bytes(30),
        b"\xa0" + bytes(20),
        b"\xa0" + bytes(12) + b"\xff",
    ],
)
def test_what_is_no_rtp_is_not_passed_on(packet):
    assert stream().relayed(memoryview(packet), payload_map(BARE, BARE), T0) is None


def test_silence_keeps_time():
    out = stream()
    frames = [fields(out.silence(ALAW, T0 + at * MS)) for at in (0, 20, 41, 60, 1060, 1080)]
    start = frames[0]["timestamp"]
    assert [(f["timestamp"] - start) % 2**32 // 160 for f in frames] == [0, 1, 2, 3, 53, 54]
    assert [f["sequence"] for f in frames] == [65535, 0, 1, 2, 3, 4]
    assert [f["marker"] for f in frames] == [1, 0, 0, 0, 1, 0]
    assert out.silence(ALAW, T0 + 1100 * MS)[12:] == b"\xd5" * 160
    assert (out.packets, out.octets) == (7, 7 * 160)


def test_media_survives_the_way_to_the_media_process():
    for value in (ULAW, ALAW, BARE):
        assert decode_media(encode_media(value)) == value
    assert codec_map(ALAW) == {
        "inbound": {"8": ["PCMA", 8000], "96": ["TELEPHONE-EVENT", 8000]},
        "outbound": {"8": ["PCMA", 8000], "96": ["TELEPHONE-EVENT", 8000]},
    }


def test_figures_of_two_processes_are_joined():
    assert joined(LegStats(5, 1, 2, 3.0, 100, 7.0), LegStats(10, 2, 4, 1.0, 900, None)) == LegStats(
        15, 3, 6, 3.0, 100, 7.0
    )
