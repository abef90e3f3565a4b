"""Streams that Hypothesis makes up: everything that arrived is in its place; batches do not matter."""

from dataclasses import replace
from itertools import pairwise

import numpy as np
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onrecord.timeline import Timeline
from onrecord.timeline.sequence import EPOCH, MAX_DROPOUT, Point, first_of_each, unwrap
from sim.rtpsim import FRAME, START_NS, Network, Sender, columns, fold, score, send

BOUNDED = settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.too_slow], derandomize=True
)
SECONDS = 12.0


def tenths(low: float, high: float) -> st.SearchStrategy[float]:
    return st.integers(round(low * 10), round(high * 10)).map(lambda tenth: tenth / 10)


@st.composite
def spans(draw, low: float, longest: float) -> tuple:
    begins = draw(st.lists(tenths(low, SECONDS - 2), max_size=4, unique=True))
    return tuple((begin, begin + draw(tenths(0.3, longest))) for begin in sorted(begins))


networks = st.builds(
    Network,
    loss=st.sampled_from([0.0, 0.02, 0.1, 0.3]),
    burst_loss=st.sampled_from([0.0, 0.02]),
    jitter_ms=st.sampled_from([0.0, 5.0, 30.0, 100.0, 300.0]),
    duplicates=st.sampled_from([0.0, 0.1]),
    reorder=st.sampled_from([0.0, 0.02, 0.2]),
    reorder_ms=st.sampled_from([30.0, 200.0, 500.0]),
    stalls=st.sampled_from([(), ((6.0, 6.5),), ((7.0, 9.5),)]),
)
leaps = st.one_of(
    st.integers(-(2**30), 2**30).filter(lambda leap: abs(leap) > 4 * 1600),
    st.integers(-1600, 1600).filter(lambda leap: abs(leap) > 400),
)


def ordered(events: list) -> tuple:
    return tuple(sorted(events, key=lambda event: event[0]))


senders = st.builds(
    Sender,
    seconds=st.sampled_from([SECONDS, SECONDS, SECONDS + 25]),
    ptimes=st.lists(st.sampled_from([10, 20, 30, 40, 60]), min_size=1, max_size=3).map(
        lambda sizes: tuple((4.0 * i, size) for i, size in enumerate(sizes))
    ),
    late_s=tenths(0, 3),
    silences=spans(4, 2),
    comfort=spans(4, 2),
    jumps=st.lists(st.tuples(tenths(5, 10), leaps), max_size=2).map(ordered),
    restarts=st.lists(
        st.tuples(tenths(5, 10), st.none() | st.integers(1, 2**32 - 1)), max_size=2
    ).map(ordered),
    codecs=st.lists(st.sampled_from([0, 8]), min_size=1, max_size=3).map(
        lambda types: tuple((3.0 * i, number) for i, number in enumerate(types))
    ),
    events=spans(4, 0.6),
    sequence=st.integers(0, 65535),
    timestamp=st.integers(0, 2**32 - 1),
    skew_ppm=st.sampled_from([0.0, -300.0, 300.0]),
    marker=st.sampled_from([True, False, None]),
)


def telling(sender: Sender, network: Network) -> tuple[Sender, Network]:
    """The same without what no one could tell from the packets.

    That is a small leap of the timestamp that is alike to a silence, or comes soon before or after another
    new start, and a start or a few words between silences that a stalled network held back as a whole.
    """
    starts = [at for at, _ in (*sender.jumps, *sender.restarts)]
    quiet = (*sender.silences, *sender.comfort, *sender.events)

    def clear(at: float, leap: int) -> bool:
        alone = sum(abs(other - at) < 3 for other in starts) == 1
        return abs(leap) > 1600 or (
            network.jitter_ms <= 100
            and alone
            and not any(begin - 3 < at < end + 1 for begin, end in quiet)
        )

    sender = replace(sender, jumps=tuple(jump for jump in sender.jumps if clear(*jump)))
    return sender, replace(network, stalls=() if starts or quiet else network.stalls)


def unavoidable(packets: list, sender: Sender) -> float:
    """What no one can know: the least delay that the network added, where it is largest, samples.

    Each stretch between two new starts is placed by the packets that it has.
    """
    cuts = sorted({0.0, sender.seconds + 1, *(at for at, _ in (*sender.jumps, *sender.restarts))})
    added = [
        (packet.truth / 8000, (packet.arrival_ns - START_NS) * 8 / 1e6 - packet.truth)
        for packet in packets
        if packet.truth >= 0
    ]
    least = [
        min((late for at, late in added if begin <= at - 0.04 < end), default=0.0)
        for begin, end in pairwise(cuts)
    ]
    return max(least)


@BOUNDED
@given(senders, networks, st.integers(0, 2**32 - 1))
def test_what_arrived_is_in_its_place(sender: Sender, network: Network, seed: int) -> None:
    sender, network = telling(sender, network)
    packets = send(sender, network, seed)
    samples, record = fold(packets, sender.seconds + 0.5)
    result = score(packets, samples, record, len(samples))
    assert result.length == round((sender.seconds + 0.5) * 8000)
    # Where a source restarts, packets of the old and the new overlap by their delays.
    starts = len(sender.jumps) + len(sender.restarts)
    delays = network.jitter_ms + bool(network.reorder) * network.reorder_ms
    overlaps = starts * (3 + round(delays / 10))
    assert result.missing <= overlaps
    allowed = FRAME + unavoidable(packets, sender) + (starts + 1) * network.jitter_ms / 4
    off = np.abs(result.errors) > allowed
    assert int(off.sum()) <= overlaps, result.errors[off]
    assert len(result.errors) + result.missing >= 1
    assert record.late == 0
    if not starts and not sender.skew_ppm:
        assert (result.missing, result.lost_samples) == (0, 0)
    # A loss may be filled in from both sides of a new start.
    assert result.false_ms <= 60 * starts


@BOUNDED
@given(senders, senders, networks, st.integers(0, 2**32 - 1), st.booleans())
def test_two_sources_never_break_one_another(
    first: Sender, second: Sender, network: Network, seed: int, same: bool
) -> None:
    """Whatever they do, and even under one SSRC, batches do not matter and the length is right."""
    second = replace(second, ssrc=first.ssrc if same else 0x99)
    both = [*send(first, network, seed), *send(second, network, seed + 1)]
    both.sort(key=lambda packet: packet.arrival_ns)
    samples, record = fold(both, SECONDS + 0.5)
    stepped, stepped_record = fold(both, SECONDS + 0.5, step=25)
    assert len(samples) == round((SECONDS + 0.5) * 8000)
    assert np.array_equal(samples, stepped)
    assert record == stepped_record


@BOUNDED
@given(senders, networks, st.integers(0, 2**32 - 1), st.integers(1, 300))
def test_batches_do_not_matter(sender: Sender, network: Network, seed: int, step: int) -> None:
    packets = send(sender, network, seed)
    whole, record = fold(packets, SECONDS)
    stepped, stepped_record = fold(packets, SECONDS, step=step)
    assert np.array_equal(whole, stepped)
    assert record == stepped_record


@BOUNDED
@given(
    st.lists(
        st.tuples(st.integers(-(10**9), 60 * 10**9), st.binary(max_size=40), st.integers(0, 1)),
        max_size=60,
    )
)
def test_no_datagram_can_break_the_fold(datagrams: list) -> None:
    timeline = Timeline(0)
    blocks = []
    for arrival, raw, track in datagrams:
        data = np.frombuffer(raw.ljust(44, b"\x80"), np.uint8)[None, :]
        size = np.array([len(raw)], np.uint16)
        blocks += timeline.packets(track, np.array([arrival]), size, data)
    blocks += timeline.fact("stop", 61 * 10**9, {})
    blocks += timeline.finish()
    assert sum(block.shape[1] for block in blocks) == 61 * 8000


@BOUNDED
@given(
    st.lists(
        st.tuples(st.integers(0, 65535), st.integers(0, 2**32 - 1), st.integers(0, 2)),
        min_size=1,
        max_size=80,
    )
)
def test_any_rtp_numbers_give_a_file_of_the_right_length(numbers: list) -> None:
    raws = [
        bytes([0x80, 0])
        + sequence.to_bytes(2, "big")
        + stamp.to_bytes(4, "big")
        + ssrc.to_bytes(4, "big")
        + bytes(160)
        for sequence, stamp, ssrc in numbers
    ]
    timeline = Timeline(0, (0,))
    data = np.frombuffer(b"".join(raws), np.uint8).reshape(-1, 172)
    arrival = np.arange(len(raws), dtype=np.int64) * 20_000_000
    blocks = timeline.packets(0, arrival, np.full(len(raws), 172, np.uint16), data)
    blocks += timeline.fact("stop", 2 * 10**9, {})
    blocks += timeline.finish()
    samples = np.concatenate([block[0] for block in blocks])
    assert len(samples) == 16_000
    assert samples.min() in {
        -32768,
        -32124,
        0,
    }  # code 0 is the loudest negative value; two are mixed
    record = timeline.deviations(0)
    assert record.packets + record.duplicates == len(raws)


def scalar_order(sequences: list[int]) -> list[int]:
    """RFC 3550 §A.1 for small steps, one packet at a time."""
    order, unwrapped = [], sequences[0] - 1
    for sequence in sequences:
        step = (sequence - unwrapped + 0x8000) % 0x10000 - 0x8000
        unwrapped += step
        order.append(unwrapped - sequences[0] + 1)
    return order


@BOUNDED
@given(st.integers(0, 65535), st.lists(st.integers(-40, MAX_DROPOUT), min_size=1, max_size=200))
def test_unwrapping_equals_one_packet_at_a_time(first: int, steps: list[int]) -> None:
    true = first + np.cumsum([0, *steps])
    sequence = (true & 0xFFFF).astype(np.uint16)
    timestamp = ((true * 160) & 0xFFFFFFFF).astype(np.uint32)
    small = np.abs(np.diff(true)) * 160 <= 160_000  # larger steps back are a new start
    unwrapped = unwrap(sequence, timestamp, None)
    if (small | (np.diff(true) > 0)).all():
        assert unwrapped.order.tolist() == scalar_order(sequence.tolist())
    assert (np.diff(unwrapped.media) == np.diff(true) * 160).all()
    middle = len(true) // 2
    if middle:
        head = unwrap(sequence[:middle], timestamp[:middle], None)
        point = Point(
            int(sequence[middle - 1]),
            int(timestamp[middle - 1]),
            int(head.order[-1]),
            int(head.media[-1]),
        )
        tail = unwrap(sequence[middle:], timestamp[middle:], point)
        assert [*head.order, *tail.order] == unwrapped.order.tolist()
        assert [*head.media, *tail.media] == unwrapped.media.tolist()


@BOUNDED
@given(st.lists(st.integers(0, 30), min_size=1, max_size=60), st.sets(st.integers(0, 30)))
def test_first_of_each_equals_a_set(order: list[int], known: set[int]) -> None:
    seen, expected = set(known), []
    for value in order:
        expected.append(value not in seen)
        seen.add(value)
    found = first_of_each(np.array(order, np.int64), np.array(sorted(known), np.int64))
    assert found.tolist() == expected
    assert EPOCH > 30


def test_columns_have_the_shape_of_a_record() -> None:
    arrival, size, data = columns(send(Sender(seconds=1), Network()))
    assert data.shape == (50, 172)
    assert size.tolist() == [172] * 50
    assert (np.diff(arrival) == 20_000_000).all()
