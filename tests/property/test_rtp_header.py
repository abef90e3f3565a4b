"""Vectorised RTP parsing against a scalar reading of RFC 3550 §5.1."""

import struct

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord.rtp.header import build_packet, parse_headers

noise = st.binary(max_size=80)


@st.composite
def rtp_like(draw):
    """A datagram with CSRC list, extension and padding, which may be cut short."""
    csrc, extended, padded = draw(st.integers(0, 15)), draw(st.booleans()), draw(st.booleans())
    first = draw(st.sampled_from([0x80, 0x80, 0x80, 0x40])) | csrc | extended << 4 | padded << 5
    data = struct.pack("!BBHII", first, draw(st.integers(0, 255)), draw(st.integers(0, 65535)),
                       draw(st.integers(0, 2**32 - 1)), draw(st.integers(0, 2**32 - 1)))  # fmt: skip
    data += draw(st.binary(min_size=4 * csrc, max_size=4 * csrc))
    if extended:
        words = draw(st.integers(0, 5))
        data += b"\xbe\xde" + struct.pack("!H", words) + bytes(4 * words)
    data += draw(st.binary(max_size=20))
    if padded:
        count = draw(st.integers(0, 8))
        data += bytes(max(count - 1, 0)) + bytes([count])
    return data[: draw(st.integers(0, len(data)))] if draw(st.booleans()) else data


def scalar(data):
    """(marker, pt, sequence, timestamp, ssrc, payload) or None."""
    if len(data) < 12 or data[0] >> 6 != 2:
        return None
    start = 12 + 4 * (data[0] & 15)
    if data[0] & 0x10:
        if len(data) < start + 4:
            return None
        start += 4 + 4 * int.from_bytes(data[start + 2 : start + 4], "big")
    end = len(data)
    if data[0] & 0x20:
        if data[-1] == 0:
            return None
        end -= data[-1]
    if end < start:
        return None
    _, second, sequence, timestamp, ssrc = struct.unpack_from("!BBHII", data)
    return bool(second & 0x80), second & 0x7F, sequence, timestamp, ssrc, data[start:end]


@given(st.lists(noise | rtp_like(), max_size=30), st.integers(0, 9))
def test_parses_as_the_scalar_reading(datagrams, gap):
    arena = bytearray()
    start = []
    for data in datagrams:
        start.append(len(arena))
        arena += data + bytes(gap)
    columns = parse_headers(
        np.frombuffer(bytes(arena), np.uint8),
        np.array(start, np.int64),
        np.array([len(d) for d in datagrams], np.int64),
    )
    for row, data in enumerate(datagrams):
        expected = scalar(data)
        assert bool(columns.valid[row]) == (expected is not None)
        if expected is None:
            continue
        at, size = int(columns.payload_start[row]), int(columns.payload_bytes[row])
        found = (
            bool(columns.marker[row]), int(columns.payload_type[row]), int(columns.sequence[row]),
            int(columns.timestamp[row]), int(columns.ssrc[row]), bytes(arena[at : at + size]),
        )  # fmt: skip
        assert found == expected


@given(
    st.integers(0, 127), st.integers(0, 2**17), st.integers(0, 2**33), st.integers(0, 2**32 - 1),
    st.booleans(), st.binary(max_size=40),
)  # fmt: skip
def test_what_is_built_parses_back(payload_type, sequence, timestamp, ssrc, marker, payload):
    packet = build_packet(payload_type, sequence, timestamp, ssrc, marker, payload)
    assert scalar(packet) == (
        marker, payload_type, sequence & 0xFFFF, timestamp & 0xFFFFFFFF, ssrc, payload,
    )  # fmt: skip


def test_a_payload_type_out_of_range_is_refused():
    with pytest.raises(ValueError, match="payload type 128"):
        build_packet(128, 0, 0, 0, False, b"")
