"""What facts and losses do to samples: concealment, pauses, beeps, gaps and their causes."""

import numpy as np
import pytest

from onrecord.audio.g711 import decode_ulaw, encode_ulaw
from onrecord.timeline import Timeline
from onrecord.timeline.gaps import GapCause
from sim.rtpsim import CODECS, FRAME, MS, START_NS, Network, Sender, columns, fold, send

S = 1_000_000_000


def voice(packets: list, hertz: float = 125.0) -> None:
    """Make the packets' audio a tone whose period is one of a voice."""
    for packet in packets:
        at = (packet.truth + np.arange(FRAME)) / 8000
        codes = encode_ulaw(np.round(8000 * np.sin(2 * np.pi * hertz * at)).astype(np.int16))
        packet.raw, packet.samples = packet.raw[:12] + codes.tobytes(), decode_ulaw(codes)


def without(packets: list, *spans: tuple[int, int]) -> list:
    return [p for i, p in enumerate(packets) if not any(a <= i < b for a, b in spans)]


def gap_causes(deviations) -> list:
    return [(gap.cause, round(gap.at_ms), round(gap.length_ms)) for gap in deviations.gaps]


@pytest.mark.parametrize("lost", [1, 2, 3])
def test_a_short_loss_of_a_voice_is_hardly_heard(lost: int) -> None:
    packets = send(Sender(seconds=4), Network())
    voice(packets)
    whole, _ = fold(packets, 4.5)
    samples, deviations = fold(without(packets, (60, 60 + lost)), 4.5)
    begin = packets[60].truth
    assert np.array_equal(samples[:begin], whole[:begin])
    assert np.array_equal(samples[begin + lost * FRAME :], whole[begin + lost * FRAME :])
    made, true = samples[begin:][:80].astype(float), whole[begin:][:80].astype(float)
    assert np.corrcoef(made, true)[0, 1] > 0.99
    assert np.abs(made - true).max() < 900
    assert deviations.concealed_ms == 20 * lost
    assert deviations.lost == lost
    assert gap_causes(deviations)[1] == (GapCause.LOSS, begin // 8, 20 * lost)
    energy = [
        np.abs(samples[begin + at :][:40].astype(int)).max() for at in range(0, lost * FRAME, 40)
    ]
    assert energy == sorted(energy, reverse=True) or max(np.diff(energy)) < 300
    assert energy[-1] < 8500 * (1 - (lost * 20 - 15) / 50) or lost == 1


def test_a_longer_loss_stays_silent() -> None:
    packets = send(Sender(seconds=4), Network())
    voice(packets)
    samples, deviations = fold(without(packets, (60, 64)), 4.5)
    begin = packets[60].truth
    assert not samples[begin : begin + 4 * FRAME].any()
    assert deviations.concealed_ms == 0
    assert deviations.lost == 4


@pytest.mark.parametrize("marker", [True, False])
def test_dtx_is_silence_and_not_concealed(marker: bool) -> None:
    sender = Sender(seconds=4, silences=((1, 1.04), (2, 2.5)), marker=marker)
    packets = send(sender, Network())
    samples, deviations = fold(packets, 4.5)
    assert deviations.concealed_ms == 0
    assert deviations.lost == 0
    assert not samples[8320 : 8320 + 320].any()
    assert gap_causes(deviations)[1:3] == [(GapCause.DTX, 1040, 40), (GapCause.DTX, 2040, 500)]


def test_digits_are_no_loss() -> None:
    packets = send(Sender(seconds=4, events=((1, 1.06),)), Network())
    samples, deviations = fold(packets, 4.5)
    assert (deviations.events, deviations.lost, deviations.concealed_ms) == (3, 0, 0)
    assert not samples[8320 : 8320 + 480].any()


def test_losses_at_window_edges_are_concealed_too() -> None:
    packets = send(Sender(seconds=60), Network())
    edge = next(i for i, p in enumerate(packets) if p.arrival_ns >= START_NS + 20 * S)
    _, deviations = fold(without(packets, (edge, edge + 2)), 60.5)
    assert deviations.concealed_ms == 40
    assert deviations.lost == 2


def test_concealment_never_changes_with_the_batches() -> None:
    packets = send(Sender(seconds=45), Network(loss=0.1, jitter_ms=60), seed=4)
    whole, record = fold(packets, 45.5)
    stepped, stepped_record = fold(packets, 45.5, step=13)
    assert np.array_equal(whole, stepped)
    assert record == stepped_record
    assert record.concealed_ms > 3000
    assert record.bursts > 150


def timeline_of(packets: list, facts: list, seconds: float, **how) -> tuple[np.ndarray, Timeline]:
    timeline = Timeline(0, (0,), **how)
    blocks = timeline.fact("start", START_NS, CODECS)
    todo = sorted(facts, key=lambda fact: fact[1])
    for packet in packets:
        while todo and todo[0][1] <= packet.arrival_ns:
            blocks += timeline.fact(*todo.pop(0))
        blocks += timeline.packets(0, *columns([packet]))
    for fact in todo:
        blocks += timeline.fact(*fact)
    blocks += timeline.fact("stop", START_NS + round(seconds * S), {})
    blocks += timeline.finish()
    return np.concatenate([block[0] for block in blocks]), timeline


PAUSE = [("pause", START_NS + 2 * S + 3 * MS, {}), ("resume", START_NS + 5 * S + 7 * MS, {})]


@pytest.mark.parametrize("length", [3.004, 40.0])
def test_a_pause_is_absent_and_what_was_said_in_it_too(length: float) -> None:
    seconds = 10 + length
    packets = send(Sender(seconds=seconds), Network())
    end = START_NS + 2 * S + 3 * MS + round(length * S)
    facts = [PAUSE[0], ("resume", end, {})]
    plain, _ = timeline_of(packets, [], seconds)
    samples, timeline = timeline_of(packets, facts, seconds)
    first, last = 2003 * 8, round((2.003 + length) * 8000)
    assert np.array_equal(samples, np.concatenate([plain[:first], plain[last:]]))
    assert timeline.pauses == ((2_003_000_000, 2_003_000_000 + round(length * S)),)
    assert timeline.ran_ns == round(seconds * S)


def test_a_pause_can_be_silence() -> None:
    packets = send(Sender(seconds=8), Network())
    plain, _ = timeline_of(packets, [], 8)
    samples, _ = timeline_of(packets, PAUSE, 8, keep_pauses=True)
    first, last = 2003 * 8, 5007 * 8
    assert not samples[first:last].any()
    plain[first:last] = 0
    assert np.array_equal(samples, plain)


def test_what_was_not_captured_in_a_pause_is_not_lost() -> None:
    packets = send(Sender(seconds=8), Network())
    kept = [p for p in packets if not PAUSE[0][1] <= p.arrival_ns < PAUSE[1][1]]
    samples, timeline = timeline_of(kept, PAUSE, 8)
    record = timeline.deviations(0)
    assert (record.lost, record.concealed_ms) == (0, 0)
    assert GapCause.LOSS not in record.gap_totals
    assert len(samples) == 8 * 8000 - 3004 * 8


def test_a_loss_at_the_end_of_a_pause_is_not_filled_from_it() -> None:
    packets = send(Sender(seconds=8), Network())
    facts = [PAUSE[0], ("resume", packets[250].arrival_ns + 5 * MS, {})]
    samples, timeline = timeline_of(without(packets, (250, 252)), facts, 8, keep_pauses=True)
    begin = packets[250].truth
    assert not samples[begin : begin + 2 * FRAME].any()
    assert timeline.deviations(0).concealed_ms == 0


def test_a_recording_that_is_stopped_while_paused_ends_with_the_pause() -> None:
    packets = send(Sender(seconds=8), Network())
    samples, timeline = timeline_of(packets, PAUSE[:1], 8)
    assert len(samples) == 2003 * 8
    assert timeline.pauses == ((2_003_000_000, 8 * S),)


def test_pauses_that_make_no_sense_are_passed_over() -> None:
    facts = [("resume", START_NS + S, {}), *PAUSE, ("pause", START_NS + 3 * S, {})]
    samples, timeline = timeline_of(send(Sender(seconds=8), Network()), facts, 8)
    assert timeline.pauses == ((2_003_000_000, 5_007_000_000),)
    assert len(samples) == 8 * 8000 - 3004 * 8


BEEP = {"hz": 1000, "ms": 200, "level_dbfs": -12.0}


def test_a_beep_is_mixed_into_a_file_of_the_party_alone() -> None:
    packets = send(Sender(seconds=2), Network())
    plain, _ = timeline_of(packets, [], 2)
    samples, _ = timeline_of(packets, [("beep", START_NS + 30 * MS, BEEP)], 2)
    added = samples.astype(int) - plain
    assert not added[:240].any()
    assert not added[240 + 1600 :].any()
    assert np.abs(added[300:320]).max() == pytest.approx(8231, abs=900)


def test_a_beep_is_heard_by_itself_at_the_files_rate() -> None:
    samples, _ = timeline_of([], [("beep", START_NS, BEEP)], 1, sample_rate=16000)
    assert len(samples) == 16_000
    at = np.arange(2400) / 16000
    heard = 2 * np.abs(np.mean(samples[400:2800] * np.exp(-2j * np.pi * 1000 * at)))
    assert heard == pytest.approx(32767 * 10 ** (-12 / 20), rel=0.02)
    assert not samples[3200:].any()


def test_a_beep_that_is_in_the_outbound_packets_is_not_doubled() -> None:
    timeline = Timeline(0, (0, 1))
    timeline.fact("start", START_NS, CODECS)
    timeline.fact("beep", START_NS, BEEP)
    timeline.fact("stop", START_NS + S, {})
    assert not any(block.any() for block in timeline.finish())


@pytest.mark.parametrize(
    "data", [{}, {**BEEP, "hz": "x"}, {**BEEP, "ms": -5}, {**BEEP, "ms": 10**9}, {**BEEP, "hz": 0}]
)
def test_a_beep_that_makes_no_sound_is_passed_over(data: dict) -> None:
    samples, _ = timeline_of([], [("beep", START_NS, data)], 1)
    assert not samples.any()


def test_gaps_have_their_causes() -> None:
    sender = Sender(seconds=20, late_s=0.5, silences=((3, 4), (6, 8)), codecs=((0, 0), (12, 8)))
    packets = send(sender, Network())
    packets = [p for p in packets if not 15 * S <= p.arrival_ns - START_NS < 15.5 * S]
    facts = [
        ("hold", START_NS + round(6.1 * S), {"direction": "sendonly"}),
        ("resume_media", START_NS + round(7.9 * S), {}),
        ("media_replaced", START_NS + round(15.4 * S), CODECS),
    ]
    _, timeline = timeline_of(packets, facts, 21)
    record = timeline.deviations(0)
    assert [gap.cause for gap in record.gaps] == [
        GapCause.NO_MEDIA,
        GapCause.DTX,
        GapCause.HOLD,
        GapCause.PROCESS_REPLACED,
        GapCause.NO_MEDIA,
    ]
    assert [round(gap.length_ms) for gap in record.gaps] == [540, 1000, 2000, 500, 960]
    assert [(use.name, round(use.at_ms)) for use in record.codecs] == [
        ("PCMU", 540),
        ("PCMA", 12_040),
    ]
    assert record.gap_totals[GapCause.DTX].count == 1
    assert timeline.deviations(0) == record


@pytest.mark.parametrize("ppm", [-100.0, 0.0, 100.0])
def test_drift_and_jitter_are_measured(ppm: float) -> None:
    packets = send(Sender(seconds=400, skew_ppm=ppm), Network(jitter_ms=30))
    _, record = fold(packets, 400.5)
    assert record.drift_ppm == pytest.approx(ppm, abs=8)
    assert record.jitter_ms == pytest.approx(10, abs=1)


def test_jitter_of_a_still_network_is_none() -> None:
    _, record = fold(send(Sender(seconds=10), Network()), 10)
    assert record.jitter_ms == 0
