"""Reception statistics over folds against a packet-by-packet reading of RFC 3550 A.1, A.3, A.8."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from onrecord.rtp.reception import Batch, ReceptionTable

RATE = 8000


class Scalar:
    """One stream, one packet at a time."""

    def __init__(self):
        self.ssrc = None
        self.received = self.before = 0
        self.jitter = self.jitter_max = 0.0

    def packet(self, ssrc, sequence, timestamp, arrival_ns):
        step = None
        if ssrc == self.ssrc:
            step = (sequence - self.last + 0x8000) % 0x10000 - 0x8000
        if step is None or step >= 3000 or step < -100:
            if self.ssrc is not None:
                self.before += self.highest - self.base + 1
            self.ssrc, self.base, self.highest, self.last, self.jitter = ssrc, *[sequence] * 3, 0.0
        else:
            self.last += step
            self.highest = max(self.highest, self.last)
            moved = (timestamp - self.timestamp + 2**31) % 2**32 - 2**31
            distance = abs((arrival_ns - self.arrival_ns) * RATE / 1e9 - moved)
            self.jitter += (distance - self.jitter) / 16
        self.timestamp, self.arrival_ns = timestamp, arrival_ns
        self.received += 1

    @property
    def expected(self):
        return self.before + self.highest - self.base + 1


packets = st.tuples(
    st.integers(0, 3),  # stream
    st.sampled_from([7, 7, 7, 7, 7, 9]),  # ssrc
    st.integers(-3, 5) | st.sampled_from([-101, -100, 2999, 3000, 40000]),  # step
    st.integers(0, 60_000_000),  # ns since the packet before
)


@given(st.lists(st.lists(packets, max_size=40), max_size=6), st.integers(0, 65535))
def test_as_packet_by_packet(folds, first):
    table = ReceptionTable(4)
    oracle = [Scalar() for _ in range(4)]
    for stream in range(4):
        table.reset(stream, RATE)
    sequence, now_ns = [first] * 4, 10**15
    for fold in folds:
        rows = []
        for stream, ssrc, step, gap in fold:
            sequence[stream] = (sequence[stream] + step) % 65536
            now_ns += gap
            rows.append((stream, ssrc, sequence[stream], sequence[stream] * 160 % 2**32, now_ns))
            oracle[stream].packet(*rows[-1][1:])
        rows.sort(key=lambda row: row[0])
        kinds = (np.int64, np.uint32, np.uint16, np.uint32, np.int64)
        columns = [np.array([row[i] for row in rows], kind) for i, kind in enumerate(kinds)]
        table.update(Batch(*columns))
        for stream, truth in enumerate(oracle):
            truth.jitter_max = max(truth.jitter_max, truth.jitter)
            figures = table.figures(stream)
            assert figures.packets_received == truth.received
            if truth.ssrc is not None:
                assert figures.packets_lost == max(truth.expected - truth.received, 0)
                assert figures.jitter_max_ms == pytest.approx(
                    truth.jitter_max * 1000 / RATE, abs=1e-6
                )
                block = table.report(stream, 0, 0)
                assert (block.ssrc, block.highest_sequence) == (truth.ssrc, truth.highest)
                assert block.jitter == pytest.approx(truth.jitter, abs=1)


def batch(sequences, first_ns=10**9):
    n = len(sequences)
    return Batch(
        stream=np.zeros(n, np.int64),
        ssrc=np.full(n, 5, np.uint32),
        sequence=np.array(sequences, np.uint16),
        timestamp=(np.array(sequences) * 160).astype(np.uint32),
        arrival_ns=first_ns + np.arange(n) * 20_000_000,
    )


def test_losses_over_a_wrap_and_per_report():
    table = ReceptionTable(1)
    table.reset(0, RATE)
    assert table.report(0, 0, 0) is None
    table.update(batch([65533, 65534, 1, 2]))  # 65535 and 0 are lost
    block = table.report(0, 11, 12)
    assert (block.cumulative_lost, block.fraction_lost) == (2, 2 * 256 // 6)
    assert (block.highest_sequence, block.last_sr, block.delay_since_last_sr) == (65538, 11, 12)
    table.update(batch([3, 4]))
    assert table.report(0, 0, 0).fraction_lost == 0
    assert table.figures(0).packets_lost == 2
    assert table.figures(0).first_packet_ns == 10**9


def test_a_reset_forgets():
    table = ReceptionTable(1)
    table.reset(0, RATE)
    table.update(batch([1, 5]))
    table.reset(0, RATE)
    assert table.figures(0).packets_received == 0
    assert table.figures(0).first_packet_ns is None
