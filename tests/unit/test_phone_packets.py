"""The sent stream and its faults, and what is made of a stream that was heard; no sockets."""

import numpy as np
import pytest

from onrecord.audio.g711 import decode_alaw, encode_alaw, encode_ulaw
from onrecord.phone import Faults, read_clip, tone
from onrecord.phone.hearing import place
from onrecord.phone.packets import Packetiser
from onrecord.rtp.header import parse_headers
from onrecord.sdp.negotiation import PCMA, PCMU, TELEPHONE_EVENT

MS = 1_000_000
CODECS = {0: PCMU, 8: PCMA, 101: TELEPHONE_EVENT}


def stream(faults, frames):
    """(frame number, datagram) of ``frames``; None is a frame of silence."""
    packetiser = Packetiser(faults, ssrc=7, sequence=65534, timestamp=2**32 - 320)
    return [(n, d) for n, payload in enumerate(frames) for d in packetiser.frame(0, payload)]


def columns(datagrams):
    size = np.array([len(d) for d in datagrams], np.int64)
    start = np.cumsum(size) - size
    return parse_headers(np.frombuffer(b"".join(datagrams), np.uint8), start, size)


def rows(faults, frames):
    sent = stream(faults, frames)
    h = columns([d for _, d in sent])
    assert h.valid.all()
    seq = (h.sequence.astype(int) - 65534) % 65536
    ts = (h.timestamp.astype(int) - (2**32 - 320)) % 2**32
    return [n for n, _ in sent], list(seq), list(ts), list(h.marker), list(h.ssrc)


F = [b"\xff" * 160] * 6


def test_a_plain_stream_counts_over_both_wraps():
    assert rows(Faults(), F) == (
        [0, 1, 2, 3, 4, 5],
        [0, 1, 2, 3, 4, 5],
        [0, 160, 320, 480, 640, 800],
        [True] + [False] * 5,
        [7] * 6,
    )


def test_lost_duplicate_and_late_packets():
    faults = Faults(drop=frozenset({1}), duplicate=frozenset({2}), late=frozenset({3}))
    at, seq, ts, *_ = rows(faults, F)
    assert seq == [0, 2, 2, 4, 3, 5]
    assert ts == [0, 320, 320, 640, 480, 800]
    assert at == [0, 2, 2, 4, 4, 5]


def test_a_late_packet_comes_even_before_silence():
    faults = Faults(late=frozenset({1}))
    assert rows(faults, [*F[:2], None])[1] == [0, 1]


def test_silence_and_pauses_move_time_and_mark_the_next_talkspurt():
    faults = Faults(pauses=(range(2, 4),))
    _, seq, ts, marker, _ = rows(faults, [*F[:4], None, *F[:2]])
    assert seq == [0, 1, 2, 3]
    assert ts == [0, 160, 800, 960]
    assert marker == [True, False, True, False]


def test_jumps_and_a_new_source():
    faults = Faults(timestamp_jumps={1: 8000}, sequence_jumps={2: 10}, new_ssrc=frozenset({4}))
    _, seq, ts, _, ssrc = rows(faults, F)
    assert seq[:4] == [0, 1, 12, 13]
    assert ts[:4] == [0, 8160, 8320, 8480]
    assert ssrc[:4] == [7] * 4
    assert len(set(ssrc)) == 2
    assert seq[4] != 14
    assert (seq[5], ts[5]) == (seq[4] + 1, ts[4] + 160)


def test_random_losses_repeat_with_their_seed():
    frames = [b"\xff" * 160] * 500
    kept = [rows(Faults(drop_rate=0.1, seed=s), frames)[0] for s in (1, 1, 2)]
    assert kept[0] == kept[1] != kept[2]
    assert 420 < len(kept[0]) < 480


def heard(faults, samples, encode=encode_ulaw, payload_type=0, late_ns=0):
    frames = [encode(f).tobytes() for f in samples.reshape(-1, 160)]
    packetiser = Packetiser(faults, 1, 60000, 2**32 - 1000)
    datagrams, arrival = [], []
    for n, frame in enumerate(frames):
        for datagram in packetiser.frame(payload_type, frame):
            datagrams.append(datagram)
            arrival.append(n * 20 * MS + late_ns)
    return place(datagrams, arrival, CODECS)


def test_what_is_heard_is_what_was_said():
    said = tone(440, 1.0)
    assert np.abs(heard(Faults(), said).astype(int) - said).max() < 300
    exact = decode_alaw(encode_alaw(said))
    assert np.array_equal(heard(Faults(), said, encode_alaw, 8), exact)


def test_disorder_is_put_right_and_losses_are_silent():
    said = tone(440, 0.4)
    whole = heard(Faults(), said)
    assert np.array_equal(
        heard(Faults(late=frozenset({0, 5}), duplicate=frozenset({7})), said), whole
    )
    lost = heard(Faults(drop=frozenset({3}), pauses=(range(6, 8),)), said)
    expected = whole.copy()
    expected[480:640] = 0
    expected[960:1280] = 0
    assert np.array_equal(lost, expected)


def test_a_jump_and_a_new_source_lie_where_they_arrived():
    said = tone(440, 0.4)
    jumped = Faults(timestamp_jumps={4: 160_000, 10: -320_000}, new_ssrc=frozenset({14}))
    assert np.array_equal(heard(jumped, said), heard(Faults(), said))


def test_what_is_not_audio_is_left_out():
    said = tone(440, 0.2)
    assert len(place([b"", b"\x80", b"\x00" * 40], [0, 1, 2], CODECS)) == 0
    assert len(heard(Faults(), said, payload_type=101)) == 0
    assert len(heard(Faults(), said, payload_type=77)) == 0


def test_clips(tmp_path):
    import wave

    path = tmp_path / "x.wav"
    for form, fits in (((1, 2, 8000), True), ((2, 2, 8000), False), ((1, 2, 16000), False)):
        with wave.open(str(path), "wb") as file:
            file.setnchannels(form[0])
            file.setsampwidth(form[1])
            file.setframerate(form[2])
            file.writeframes(b"\x01\x00\xff\xff")
        if fits:
            assert read_clip(path).tolist() == [1, -1]
        else:
            with pytest.raises(ValueError, match=r"x\.wav"):
                read_clip(path)
