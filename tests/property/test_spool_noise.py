"""Whatever bytes a spool holds, reading it never raises and finds the records among them."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from onrecord.spool.format import Torn, decode_records, encode_fact, encode_packets
from onrecord.spool.reader import Fact, read_records


@st.composite
def packet_records(draw):
    n, pitch = draw(st.integers(0, 5)), draw(st.integers(0, 9))
    size = np.array([draw(st.integers(0, pitch)) for _ in range(n)], np.uint16)
    arrival = np.array([draw(st.integers(-(2**63), 2**63 - 1)) for _ in range(n)], np.int64)
    data = np.frombuffer(draw(st.binary(min_size=n * pitch, max_size=n * pitch)), np.uint8)
    return draw(st.integers(0, 1)), arrival, size, data.reshape(n, pitch)


@given(packet_records())
def test_packets_come_back(given_packets):
    track, arrival, size, data = given_packets
    [record] = read_records(encode_packets(track, arrival, size, data))
    assert record.track == track
    assert record.arrival_ns.tolist() == arrival.tolist()
    assert record.size.tolist() == size.tolist()
    assert record.data.tolist() == data.tolist()


@given(st.binary(max_size=300))
def test_noise_is_torn(data):
    assert sum(r.size_bytes for r in decode_records(data) if isinstance(r, Torn)) == len(data)


@given(st.lists(st.binary(max_size=40).map(lambda b: b[: len(b) // 8 * 8]), max_size=6))
def test_records_between_noise_are_found(noise):
    data = b"".join(part + encode_fact("start", i) for i, part in enumerate(noise))
    found = [r for r in read_records(data) if isinstance(r, Fact)]
    assert [fact.at_ns for fact in found] == list(range(len(noise)))
