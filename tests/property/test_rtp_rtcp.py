"""RTCP: what is built parses back, and nothing that a peer sends makes parsing fail."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord.rtp.rtcp import (
    Goodbye,
    ReceiverReport,
    ReportBlock,
    SenderReport,
    SourceDescription,
    build_compound,
    middle_ntp,
    ntp_time,
    parse_compound,
    round_trip_ms,
)

u32 = st.integers(0, 2**32 - 1)
blocks = st.lists(
    st.builds(ReportBlock, u32, st.integers(0, 255), st.integers(-(2**23), 2**23 - 1), u32, u32, u32, u32),
    max_size=4,
).map(tuple)  # fmt: skip
texts = st.text(max_size=60)
reports = st.builds(SenderReport, u32, st.integers(0, 2**64 - 1), u32, u32, u32, blocks) | st.builds(
    ReceiverReport, u32, blocks
)  # fmt: skip
others = st.builds(SourceDescription, st.dictionaries(u32, texts, max_size=4)) | st.builds(
    Goodbye, st.lists(u32, max_size=4).map(tuple), texts
)


@given(reports, st.lists(others, max_size=4))
def test_round_trip(report, rest):
    packets = (report, *rest)
    data = build_compound(packets)
    assert len(data) % 4 == 0
    assert parse_compound(data) == packets


@given(reports, st.lists(others, max_size=2), st.data())
def test_a_cut_keeps_the_whole_packets_before_it(report, rest, data):
    whole = build_compound((report, *rest))
    cut = data.draw(st.integers(0, len(whole) - 1))
    found = parse_compound(whole[:cut])
    assert found == (report, *rest)[: len(found)]
    assert len(found) <= len(rest)


@given(st.binary(max_size=200) | st.binary(max_size=120).map(lambda b: b"\x81\xc8\x00\x0c" + b))
def test_noise_never_raises(data):
    parse_compound(data)


@given(
    st.integers(200, 204),
    st.integers(0, 63),
    st.binary(max_size=80).map(lambda b: b[: len(b) // 4 * 4]),
)
def test_framed_noise_never_raises(kind, count_and_padding, body):
    head = bytes((0x80 | count_and_padding, kind)) + (len(body) // 4).to_bytes(2, "big")
    parse_compound(head + body)


def test_bytes_of_a_sender_report():
    block = ReportBlock(0xA1A2A3A4, 64, -2, 0x00010005, 77, 0x11223344, 0x00018000)
    data = build_compound([SenderReport(0x01020304, 0x0102030405060708, 160, 3, 480, (block,))])
    assert data.hex() == (
        "81c8000c" "01020304" "0102030405060708" "000000a0" "00000003" "000001e0"
        "a1a2a3a4" "40fffffe" "00010005" "0000004d" "11223344" "00018000"
    )  # fmt: skip


def test_bytes_of_sdes_end_at_a_multiple_of_four():
    data = build_compound([ReceiverReport(1), SourceDescription({2: "abc"})])
    assert data.hex() == "80c900010000000181ca0003000000020103616263000000"


def test_padding_of_the_last_packet_is_left_out():
    assert parse_compound(bytes.fromhex("a0c900020000000700000004")) == (ReceiverReport(7),)


def test_an_unknown_kind_is_passed_over():
    app = bytes.fromhex("80cc0002") + bytes(8)
    assert parse_compound(build_compound([ReceiverReport(1)]) + app + build_compound([ReceiverReport(2)])) == (
        ReceiverReport(1), ReceiverReport(2),
    )  # fmt: skip


def test_a_compound_begins_with_a_report():
    with pytest.raises(ValueError, match="begins with a report"):
        build_compound([Goodbye((1,))])


def test_round_trip_time():
    sent_ns = 1_700_000_000_000_000_000
    block = ReportBlock(1, 0, 0, 0, 0, middle_ntp(ntp_time(sent_ns)), 65_536 // 2)
    assert round_trip_ms(block, sent_ns + 540_000_000) == pytest.approx(40, abs=0.05)
    assert round_trip_ms(block, sent_ns + 100_000_000) is None
    assert round_trip_ms(ReportBlock(1, 0, 0, 0, 0), sent_ns) is None
