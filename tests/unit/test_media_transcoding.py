"""Transcoding between codecs that no table joins: audio, time, events, and what is not audio."""

import os
import signal
import time
from dataclasses import replace

import numpy as np
import pytest

from listening import strength
from onrecord.audio.payloads import (
    BadPayloadError,
    Resampler,
    make_decoder,
    make_encoder,
    sample_rate,
    silent_payload,
)
from onrecord.media.transcoder import Transcoder
from onrecord.media.transcoding import MOST_AGE_NS, MOST_WAITING, Transcoding
from onrecord.rtp.header import build_packet
from onrecord.sdp.codecs import G722, L16_WIDE, OPUS, PCMA, PCMU, TELEPHONE_EVENT, Codec
from onrecord.sdp.negotiation import Media, MediaDirection, RtpAddress

REMOTE = RtpAddress("127.0.0.1", 4000, 4001)
CODECS = {"PCMU": PCMU, "PCMA": PCMA, "G722": G722, "OPUS": OPUS, "L16": L16_WIDE}


def media(codec: Codec, number: int = 96, events: Codec | None = TELEPHONE_EVENT) -> Media:
    types = {number: codec} | ({101: events} if events else {})
    return Media(REMOTE, types, number, codec, MediaDirection.SENDRECV, 101 if events else None)


def said(codec: Codec, seconds: float = 1.0, ptime_ms: int = 20, number: int = 96) -> list[bytes]:
    """Packets of a 440 Hz tone."""
    rate = sample_rate(codec.name, codec.clock_rate)
    encoder, frame = make_encoder(codec.name), rate * ptime_ms // 1000
    wave = (8000 * np.sin(2 * np.pi * 440 * np.arange(int(rate * seconds)) / rate)).astype(np.int16)
    packets = []
    for n in range(len(wave) // frame):
        payload = encoder.encode(wave[n * frame : (n + 1) * frame])
        if payload:
            step = codec.clock_rate * ptime_ms // 1000
            packets.append(build_packet(number, n + 7, 5000 + n * step, 42, False, payload))
    return packets


def parts(packet: bytes) -> tuple[int, int, int, bytes]:
    """Payload type, sequence, timestamp, payload."""
    number, sequence = packet[1] & 0x7F, int.from_bytes(packet[2:4], "big")
    return number, sequence, int.from_bytes(packet[4:8], "big"), packet[12:]


def heard(packets: list[bytes], codec: Codec) -> np.ndarray:
    decoder = make_decoder(codec.name)
    return np.concatenate([decoder.decode(parts(packet)[3]) for packet in packets])


@pytest.mark.parametrize("target", CODECS)
@pytest.mark.parametrize("source", CODECS)
def test_a_tone_comes_through_from_any_codec_to_any(source, target):
    there, here = CODECS[source], CODECS[target]
    transcoder = Transcoder(media(there), media(here, 97))
    made = [out for packet in said(there) for out in transcoder.take(packet)]
    assert len(made) >= 48
    numbers, sequences, times, _ = zip(*map(parts, made), strict=True)
    assert set(numbers) == {97}
    assert set(np.diff(sequences)) == {1}
    assert set(np.diff(times)) == {here.clock_rate // 50}
    rate = sample_rate(here.name, here.clock_rate)
    samples = heard(made, here)[rate // 4 : rate // 4 + rate // 2]
    assert 7000 < strength(samples, 440, rate) < 9000


@pytest.mark.parametrize("ptime_ms", [10, 30, 40, 60])
def test_packets_of_any_length_become_packets_of_20_ms(ptime_ms):
    transcoder = Transcoder(media(PCMU), media(G722, 9))
    made = [out for packet in said(PCMU, 1.2, ptime_ms) for out in transcoder.take(packet)]
    assert 58 <= len(made) <= 60
    assert {len(parts(packet)[3]) for packet in made} == {160}


def test_a_loss_shows_in_the_timestamps_and_a_late_packet_is_dropped():
    packets = said(G722, 0.4)
    late = packets.pop(8)
    transcoder = Transcoder(media(G722), media(L16_WIDE, 97))
    made = [out for packet in packets for out in transcoder.take(packet)]
    steps = np.diff([parts(packet)[2] for packet in made])
    assert sorted(set(steps)) == [320, 640]
    assert list(steps).count(640) == 1
    assert transcoder.take(late) == []


def test_another_source_goes_on_without_a_leap():
    transcoder = Transcoder(media(PCMU), media(OPUS, 97))
    first = [out for packet in said(PCMU, 0.2) for out in transcoder.take(packet)]
    other = [packet[:8] + b"\0\0\0\x09" + packet[12:] for packet in said(PCMU, 0.2)]
    second = [out for packet in other for out in transcoder.take(packet)]
    assert parts(second[0])[2] - parts(first[-1])[2] == 960
    assert second[0][8:12] == b"\0\0\0\x09"


def test_events_keep_their_timestamp_and_change_their_clock():
    wide = Codec("TELEPHONE-EVENT", 48000)
    transcoder = Transcoder(media(OPUS, events=wide), media(PCMU, 0))
    for packet in said(OPUS, 0.2):
        transcoder.take(packet)
    sent = [
        out
        for n, duration in enumerate((960, 1920, 2880))
        for out in transcoder.take(
            build_packet(101, 30 + n, 20000, 42, n == 0, b"\x05\x0a" + duration.to_bytes(2, "big"))
        )
    ]
    assert [parts(packet)[0] for packet in sent] == [101] * 3
    assert len({parts(packet)[2] for packet in sent}) == 1
    assert [parts(packet)[3] for packet in sent] == [
        b"\x05\x0a" + duration.to_bytes(2, "big") for duration in (160, 320, 480)
    ]


def test_what_is_no_audio_of_the_leg_is_dropped():
    transcoder = Transcoder(media(OPUS, events=None), media(PCMU, 0, events=None))
    noise = build_packet(13, 1, 1, 1, False, b"\x20")
    event = build_packet(101, 2, 1, 1, True, b"\x05\x0a\0\xa0")
    broken = build_packet(96, 3, 1, 1, False, b"\xff" * 12)
    for packet in (b"", b"\x80", noise[:11], noise, event, broken):
        assert transcoder.take(packet) == []


def test_payloads_that_are_broken_raise_one_error():
    for junk in (b"\xff" * 12, b"\x03"):
        with pytest.raises(BadPayloadError):
            make_decoder("OPUS").decode(junk)
    assert len(make_decoder("L16").decode(b"\0\1\2")) == 1
    with pytest.raises(LookupError):
        make_decoder("GSM")


@pytest.mark.parametrize("name", CODECS)
def test_silence_is_silent(name):
    codec = CODECS[name]
    decoder, payload = make_decoder(name), silent_payload(name, codec.clock_rate)
    samples = np.concatenate([decoder.decode(payload) for _ in range(20)])
    assert len(samples) == 20 * sample_rate(name, codec.clock_rate) // 50
    assert np.abs(samples).max() <= 8
    assert silent_payload("GSM", 8000) is None


def test_a_resampler_keeps_the_length():
    resampler = Resampler(8000, 48000)
    total = sum(len(resampler.resample(np.zeros(160, np.int16))) for _ in range(50))
    assert 48000 - 200 <= total <= 48000


def test_the_process_keeps_order_is_replaced_when_it_dies_and_bounds_what_waits():
    transcoding = Transcoding()
    number = transcoding.open(media(PCMU), media(G722, 9))
    packets = iter(said(PCMU, 30.0))

    def some(wanted: int) -> list[int]:
        """The sequence numbers of what comes out of a stream of packets."""
        made: list[tuple[int, bytes]] = []
        deadline = time.monotonic() + 10
        while len(made) < wanted and time.monotonic() < deadline:
            transcoding.put(number, next(packets))
            time.sleep(0.01)
            made += transcoding.take()
        assert {direction for direction, _ in made} == {number}
        return [parts(packet)[1] for _, packet in made]

    first = some(20)
    assert first == list(range(1, len(first) + 1))
    os.kill(transcoding.pid or 0, signal.SIGKILL)
    deadline = time.monotonic() + 5
    while transcoding.pid is not None and time.monotonic() < deadline:
        transcoding.take()
    second = some(20)
    assert second == list(range(1, len(second) + 1))
    packet = next(packets)
    assert not all(transcoding.put(number, packet) for _ in range(MOST_WAITING + 5000))
    transcoding.close()
    assert transcoding.pid is None


def test_nothing_is_lost_while_the_process_starts_and_while_it_is_stopped():
    transcoding = Transcoding()
    number = transcoding.open(media(PCMU), media(G722, 9))
    packets = said(PCMU, 2.0)
    assert all(transcoding.put(number, packet) for packet in packets[:50])
    made: list[tuple[int, bytes]] = []

    def until(wanted: int) -> None:
        deadline = time.monotonic() + 10
        while len(made) < wanted and time.monotonic() < deadline:
            time.sleep(0.005)
            made.extend(transcoding.take())

    until(50)
    os.kill(transcoding.pid or 0, signal.SIGSTOP)
    assert all(transcoding.put(number, packet) for packet in packets[50:])
    assert not transcoding.at_rest(number)
    time.sleep(0.3)
    os.kill(transcoding.pid or 0, signal.SIGCONT)
    until(100)
    assert transcoding.at_rest(number)
    assert transcoding.take_given_up() == 0
    assert [parts(packet)[1] for _, packet in made] == list(range(1, 101))
    assert set(np.diff([parts(packet)[2] for _, packet in made])) == {160}
    transcoding.close()


def test_many_packets_of_several_directions_come_back_each_in_its_order():
    transcoding = Transcoding()
    wide = replace(media(G722, 9), ptime_ms=10)
    packets = {
        transcoding.open(media(L16_WIDE), wide): said(L16_WIDE, 8.0, 40),
        transcoding.open(media(PCMU), media(OPUS, 97)): said(PCMU, 4.0),
        transcoding.open(media(PCMU), media(PCMA, 8)): said(PCMU, 4.0),
    }
    for number, turn in ((n, turn) for turn in range(200) for n in packets):
        assert transcoding.put(number, packets[number][turn])
    made: dict[int, list[int]] = {number: [] for number in packets}
    deadline = time.monotonic() + 20
    while not all(map(transcoding.at_rest, packets)) and time.monotonic() < deadline:
        time.sleep(0.005)
        taken = transcoding.take()
        assert len(taken) <= 512
        for number, packet in taken:
            made[number].append(parts(packet)[1])
    assert transcoding.take_given_up() == 0
    assert [len(sequences) for sequences in made.values()] == [800, pytest.approx(200, abs=1), 200]
    for sequences in made.values():
        assert sequences == list(range(1, len(sequences) + 1))
    transcoding.close()


def test_what_is_in_the_process_when_it_dies_is_counted_as_given_up():
    transcoding = Transcoding()
    number = transcoding.open(media(PCMU), media(G722, 9))
    packets = said(PCMU, 4.0)
    transcoding.put(number, packets[0])
    deadline = time.monotonic() + 10
    while not transcoding.at_rest(number) and time.monotonic() < deadline:
        time.sleep(0.005)
        transcoding.take()
    os.kill(transcoding.pid or 0, signal.SIGSTOP)
    assert all(transcoding.put(number, packet) for packet in packets[1:101])
    transcoding.flush()
    assert all(transcoding.put(number, packet) for packet in packets[101:111])
    os.kill(transcoding.pid or 0, signal.SIGKILL)
    os.waitid(os.P_PID, transcoding.pid or 0, os.WEXITED | os.WNOWAIT)
    assert transcoding.take() == []
    assert transcoding.pid is None
    assert transcoding.take_given_up() == 100
    assert not transcoding.at_rest(number)  # ten wait for the next one
    transcoding.close()


def test_what_is_too_late_is_given_up_and_counted(monkeypatch):
    transcoding = Transcoding()
    number = transcoding.open(media(PCMU), media(G722, 9))
    first, second, *_ = said(PCMU, 0.1)
    made: list[tuple[int, bytes]] = []

    def until_at_rest() -> None:
        deadline = time.monotonic() + 10
        while not transcoding.at_rest(number) and time.monotonic() < deadline:
            time.sleep(0.005)
            made.extend(transcoding.take())

    transcoding.put(number, first)
    until_at_rest()
    os.kill(transcoding.pid or 0, signal.SIGSTOP)
    transcoding.put(number, first)
    time.sleep(MOST_AGE_NS / 1e9 + 0.05)
    os.kill(transcoding.pid or 0, signal.SIGCONT)
    until_at_rest()
    transcoding.put(number, second)
    until_at_rest()
    assert len(made) == 2
    assert transcoding.take_given_up() == 1
    assert transcoding.take_given_up() == 0
    monkeypatch.setattr("onrecord.media.transcoding.REST_SECONDS", 0.0)
    transcoding.tend()
    assert transcoding.pid is not None
    transcoding.close_direction(number)
    transcoding.tend()
    assert transcoding.pid is None


def test_the_process_runs_while_any_leg_may_need_it(monkeypatch):
    monkeypatch.setattr("onrecord.media.transcoding.REST_SECONDS", 0.0)
    monkeypatch.setattr("onrecord.media.transcoding.RESTART_SECONDS", 0.0)
    transcoding = Transcoding()
    transcoding.tend()
    assert not transcoding.runs
    transcoding.need("a")
    transcoding.need("b")
    transcoding.spare("a")
    transcoding.tend()
    assert transcoding.runs
    transcoding.close()  # as when it has died
    transcoding.tend()
    assert transcoding.runs
    transcoding.spare("b")
    transcoding.spare("never there")
    transcoding.tend()
    assert not transcoding.runs


@pytest.mark.parametrize(
    ("codec", "wanted_ms", "made_ms"),
    [(PCMA, 10, 10), (PCMU, 60, 60), (G722, 10, 10), (G722, 30, 30), (OPUS, 60, 60), (OPUS, 30, 20),
     (L16_WIDE, 30, 30), (L16_WIDE, 60, 20), (PCMU, 25, 20)],
)  # fmt: skip
def test_packets_are_as_long_as_the_target_asks_where_they_can_be(codec, wanted_ms, made_ms):
    target = replace(media(codec, 97), ptime_ms=wanted_ms)
    source = G722 if codec in (PCMU, PCMA) else PCMU
    transcoder = Transcoder(media(source), target)
    made = [out for packet in said(source, 1.2) for out in transcoder.take(packet)]
    times = [parts(packet)[2] for packet in made]
    assert set(np.diff(times)) == {codec.clock_rate * made_ms // 1000}
    assert max(map(len, made)) <= 1412
    rate = sample_rate(codec.name, codec.clock_rate)
    assert {len(heard([packet], codec)) for packet in made} == {rate * made_ms // 1000}
    samples = heard(made, codec)[rate // 4 : rate // 4 + rate // 2]
    assert 7000 < strength(samples, 440, rate) < 9000


def overlays(seconds: float = 1.0, hertz: float = 1000.0) -> list[bytes]:
    """Frames of a tone, as an overlay has them."""
    at = np.arange(int(16000 * seconds)) / 16000
    wave = (6000 * np.sin(2 * np.pi * hertz * at)).astype(">i2")
    return [wave[n : n + 320].tobytes() for n in range(0, len(wave), 320)]


@pytest.mark.parametrize("name", CODECS)
def test_an_overlay_lies_over_the_audio_and_takes_nothing_away(name):
    codec = CODECS[name]
    transcoder = Transcoder(media(codec), media(codec, 97))
    made = []
    for packet, over in zip(said(codec), overlays(), strict=False):
        made += transcoder.overlay(over)
        made += transcoder.take(packet)
    assert set(np.diff([parts(packet)[2] for packet in made])) == {codec.clock_rate // 50}
    rate = sample_rate(codec.name, codec.clock_rate)
    samples = heard(made, codec)[rate // 4 : rate // 4 + rate // 2]
    assert 7000 < strength(samples, 440, rate) < 9000
    assert 5200 < strength(samples, 1000, rate) < 6800


def test_an_overlay_is_sent_alone_where_there_is_nothing_else_and_fills_a_pause():
    transcoder = Transcoder(media(PCMU), media(PCMU, 0))
    over = iter(overlays(2.0))
    alone = [out for _ in range(20) for out in transcoder.overlay(next(over))]
    assert len(alone) == 15
    assert strength(heard(alone, PCMU), 1000) == pytest.approx(6000, rel=0.05)
    packets = said(PCMU, 1.0)
    first = [out for packet in packets[:10] for out in transcoder.take(packet)]
    paused = [out for _ in range(20) for out in transcoder.overlay(next(over))]
    after = [out for packet in packets[30:] for out in transcoder.take(packet)]
    times = [parts(packet)[2] for packet in first + paused + after]
    assert set(np.diff(times[: len(first) + len(paused)])) == {160}
    real = (len(packets) - 1) * 160
    assert times[-1] - times[0] == real


def test_the_marker_of_a_talkspurt_is_passed_on():
    packets = [bytearray(packet) for packet in said(PCMU, 0.2)]
    for n in (0, 6):
        packets[n][1] |= 0x80
    transcoder = Transcoder(media(PCMU), media(G722, 9))
    made = [out for packet in packets for out in transcoder.take(bytes(packet))]
    assert [n for n, packet in enumerate(made) if packet[1] & 0x80] == [0, 6]
