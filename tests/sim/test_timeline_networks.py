"""Senders and networks of every kind: each sound that arrived is in its place, to one frame."""

import numpy as np
import pytest

from onrecord.timeline import Cause
from sim.rtpsim import FRAME, START_NS, Network, Sender, fold, run, send

PLAIN = Sender()
SHAKY = Network(jitter_ms=60)
WORST = Network(jitter_ms=300, loss=0.3, duplicates=0.1, reorder=0.1)
SPURTS = tuple((i, i + 0.7) for i in range(1, 19))

CASES = {
    "plain": (PLAIN, Network()),
    "loss of 30 %": (PLAIN, Network(loss=0.3)),
    "burst losses": (PLAIN, Network(burst_loss=0.03)),
    "jitter of 300 ms": (Sender(seconds=45), Network(jitter_ms=300)),
    "everything at once": (Sender(seconds=45), WORST),
    "reordering by 500 ms": (PLAIN, Network(reorder=0.2)),
    "duplicates": (PLAIN, Network(duplicates=0.3)),
    "DTX": (Sender(silences=((2, 5), (7, 7.5), (9, 15))), Network(jitter_ms=50)),
    "DTX without markers": (Sender(silences=SPURTS, marker=False), Network(jitter_ms=150)),
    "timestamp leaps on": (Sender(jumps=((8, 80_000),)), SHAKY),
    "timestamp leaps back": (Sender(jumps=((8, -80_000),)), SHAKY),
    "timestamp leaps by 300 ms": (Sender(jumps=((8, 2400), (12, -2400))), SHAKY),
    "clock stands still": (Sender(frozen=((5, 9),)), SHAKY),
    "new SSRC": (
        Sender(restarts=((5, 77), (9, 78))),
        Network(jitter_ms=60, loss=0.05, reorder=0.05),
    ),
    "sequence wraps": (Sender(sequence=65_500), Network(jitter_ms=60, reorder=0.05)),
    "timestamp wraps": (Sender(timestamp=2**32 - 50_000), Network(jitter_ms=60, reorder=0.05)),
    "late start": (Sender(late_s=6), SHAKY),
    "early stop": (Sender(silences=((8, 20),)), SHAKY),
    "network stalls": (PLAIN, Network(stalls=((4, 5.5), (10, 13)))),
    "network stalls at the start": (PLAIN, Network(stalls=((0, 1.5),))),
    "PCMU to PCMA and back": (Sender(codecs=((0, 0), (5, 8), (10, 0))), SHAKY),
    "changes of ptime": (Sender(ptimes=((0, 20), (4, 60), (8, 10), (12, 30), (16, 40))), SHAKY),
    "ptime of 60 ms": (Sender(ptimes=((0, 60),)), Network(jitter_ms=60, loss=0.2)),
    "digits": (Sender(events=((4, 4.4), (6, 6.2))), Network(jitter_ms=60, loss=0.1)),
}


@pytest.mark.parametrize("name", CASES)
def test_every_sound_that_arrived_is_in_its_place(name: str) -> None:
    sender, network = CASES[name]
    result = run(sender, network)
    assert len(result.errors) > 250
    assert result.missing == 0
    assert np.abs(result.errors).max() <= FRAME
    assert result.length == round((sender.seconds + 0.5) * 8000)
    assert result.deviations.late == 0


def test_a_restart_of_the_same_source_costs_at_most_one_packet() -> None:
    sender = Sender(restarts=((5, None), (9, None)))
    result = run(sender, Network(jitter_ms=60, loss=0.05))
    assert result.missing <= 1
    assert np.abs(result.errors).max() <= FRAME


@pytest.mark.parametrize("ppm", [-100, 100])
@pytest.mark.parametrize("silences", [(), tuple((i, i + 1.5) for i in range(1, 299, 3))])
def test_a_clock_that_is_off_stays_within_a_frame(ppm: float, silences: tuple) -> None:
    sender = Sender(seconds=300, skew_ppm=ppm, silences=silences)
    result = run(sender, Network(jitter_ms=60))
    assert np.abs(result.errors).max() <= FRAME
    assert result.missing == 0
    causes = [anchor.cause for anchor in result.deviations.reanchors[1:]]
    assert set(causes) == {Cause.SKEW}
    # 100 ppm are 30 ms in 300 s, and each correction is at least 2 ms.
    assert len(causes) <= 12


def test_jitter_stalls_and_reordering_never_move_the_anchor() -> None:
    network = Network(jitter_ms=300, reorder=0.2, stalls=((4, 4.6), (9, 11.5)))
    result = run(Sender(seconds=45), network, seed=5)
    assert [anchor.cause for anchor in result.deviations.reanchors] == [Cause.START]


def test_what_was_lost_is_silence_and_is_counted() -> None:
    packets = send(Sender(seconds=4), Network())
    gap = [packet for i, packet in enumerate(packets) if not 50 <= i < 60]
    samples, deviations = fold(gap, 4.5)
    begin = packets[50].truth
    assert not samples[begin : begin + 10 * FRAME].any()
    assert samples[begin - FRAME : begin].any()
    assert deviations.lost == 10
    assert deviations.packets == 190


def test_lost_packets_that_come_late_are_not_lost() -> None:
    packets = send(Sender(seconds=10), Network(reorder=0.3, reorder_ms=900))
    _, deviations = fold(packets, 10.5)
    assert deviations.lost == 0
    assert deviations.reordered > 50


def test_a_resumed_stream_is_tied_anew_even_if_it_is_off_by_little() -> None:
    sender = Sender(seconds=12, frozen=((5, 5.1),))
    moment = START_NS + int(5.05e9)
    packets = send(sender, Network())
    _, plain = fold(packets, 12.5)
    _, told = fold(packets, 12.5, facts=[("resume_media", moment, {})])
    assert [anchor.cause for anchor in told.reanchors] == [Cause.START, Cause.RESUMED]
    assert told.reanchors[1].shift_samples == 800
    assert [anchor.cause for anchor in plain.reanchors][:1] == [Cause.START]


def test_two_sources_at_once_are_both_kept_in_turn() -> None:
    first = send(Sender(seconds=10, silences=((4, 6),)), Network(), seed=1)
    second = send(Sender(seconds=6, late_s=4, restarts=((0, 99),)), Network(), seed=2)
    both = sorted([*first, *second], key=lambda packet: packet.arrival_ns)
    samples, deviations = fold(both, 10.5)
    assert deviations.packets == len(both)
    assert deviations.lost == 0
    for packet in both:
        begin = packet.truth
        near = [np.array_equal(samples[begin + k :][:FRAME], packet.samples) for k in (-1, 0, 1)]
        assert any(near)


def test_a_later_jump_back_overwrites_and_never_grows_the_file() -> None:
    packets = send(Sender(seconds=10, jumps=((5, -4000),)), Network())
    samples, deviations = fold(packets, 10.0)
    assert len(samples) == 80_000
    assert deviations.reanchor_count == 2


def test_without_a_stop_the_file_ends_with_the_last_packet() -> None:
    packets = send(Sender(seconds=3), Network())
    samples, _ = fold(packets, 0, stop=False)
    assert abs(len(samples) - packets[-1].truth - FRAME) <= 1


@pytest.mark.parametrize("step", [1, 7, 250])
@pytest.mark.parametrize("seed", [1, 2])
def test_step_by_step_gives_the_same_samples_and_record(step: int, seed: int) -> None:
    sender = Sender(seconds=50, jumps=((20, 9000),), restarts=((30, 5),), silences=((35, 38),))
    packets = send(sender, WORST, seed)
    whole, record = fold(packets, 50.5)
    stepped, stepped_record = fold(packets, 50.5, step=step)
    assert np.array_equal(whole, stepped)
    assert record == stepped_record


def test_a_repeated_tail_changes_nothing() -> None:
    packets = send(Sender(seconds=30), Network(jitter_ms=40))
    plain, _ = fold(packets, 30.5)
    repeated, deviations = fold([*packets, *packets[-400:]], 30.5, step=25)
    assert np.array_equal(plain, repeated)
    assert deviations.duplicates == 400
    assert deviations.packets == len(packets)


def test_what_is_no_audio_stays_out_and_is_counted() -> None:
    packets = send(Sender(seconds=2), Network())
    for packet, payload_type in zip(packets[10:14], (13, 101, 96, 9), strict=True):
        packet.raw = packet.raw[:1] + bytes([payload_type]) + packet.raw[2:]
    packets[20].raw = b"\x80\x00\x12"
    packets[21].raw = packets[21].raw[:12]
    samples, deviations = fold(packets, 2.5)
    for i in (10, 11, 12, 13, 20, 21):
        begin = packets[i].truth
        assert not samples[begin : begin + FRAME - 1].any()
    assert deviations.comfort_noise == 1
    assert deviations.events == 1
    assert deviations.unknown == 3
    assert deviations.invalid == 1
    assert deviations.audio_packets == 94


def test_a_dynamic_payload_type_is_decoded_as_announced() -> None:
    packets = send(Sender(seconds=2, codecs=((0, 8),)), Network())
    for packet in packets:
        packet.raw = packet.raw[:1] + bytes([97]) + packet.raw[2:]
    codecs = {"inbound": {"97": ["PCMA", 8000]}}
    samples, _ = fold(packets, 2.5, facts=[("codecs", START_NS, codecs)])
    begin = packets[50].truth
    assert np.array_equal(samples[begin:][:FRAME], packets[50].samples)


def test_a_flood_is_cut_off_and_the_call_goes_on() -> None:
    packets = send(Sender(seconds=60), Network())
    flood = packets[100]
    many = [*packets[:100], *[flood] * 40_000, *packets[100:]]
    samples, deviations = fold(many, 60.5, step=5000)
    assert deviations.refused > 20_000
    assert len(samples) == 60.5 * 8000
    begin = packets[2500].truth
    assert np.array_equal(samples[begin:][:FRAME], packets[2500].samples)


def test_facts_only_give_silence_of_the_right_length_at_no_cost() -> None:
    hours = 5 * 3600
    blocks_samples, _ = fold([], hours)
    assert len(blocks_samples) == hours * 8000
    assert not blocks_samples.any()
