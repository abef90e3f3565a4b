"""G.711 against the values and properties that the Recommendation prints."""

import numpy as np

from onrecord.audio.g711 import (
    ALAW_SILENCE,
    ALAW_TO_ULAW,
    ULAW_SILENCE,
    ULAW_TO_ALAW,
    decode_alaw,
    decode_ulaw,
    encode_alaw,
    encode_ulaw,
)

CODES = np.arange(256, dtype=np.uint8)
SAMPLES = np.arange(-32768, 32768).astype(np.int16)


def scalar_ulaw(sample: int) -> int:
    """Encoding by decision values, one sample at a time (table 2/G.711, 16-bit scale)."""
    biased = min(abs(sample), 32635) + 132
    segment = next(s for s in range(8) if biased < 256 << s)
    code = segment << 4 | (biased - (128 << segment)) >> segment + 3
    return 0xFF ^ (code | (0x80 if sample < 0 else 0))


def scalar_alaw(sample: int) -> int:
    """Encoding by decision values, one sample at a time (table 1/G.711, 16-bit scale)."""
    magnitude = (-sample - 1 if sample < 0 else sample) >> 4
    segment = next(s for s in range(8) if magnitude < 32 << max(s - 1, 0) and (s or magnitude < 16))
    code = segment << 4 | (magnitude >> max(segment - 1, 0)) & 15
    return 0x55 ^ (code | (0 if sample < 0 else 0x80))


def test_printed_values_of_ulaw() -> None:
    for code, value in (
        (0x80, 32124),
        (0x00, -32124),
        (0xFF, 0),
        (0x7F, 0),
        (0xFE, 8),
        (0xEF, 132),
    ):
        assert decode_ulaw(np.array([code], np.uint8))[0] == value


def test_printed_values_of_alaw() -> None:
    for code, value in ((0xAA, 32256), (0x2A, -32256), (0xD5, 8), (0x55, -8), (0xC5, 264)):
        assert decode_alaw(np.array([code], np.uint8))[0] == value


def test_encoders_equal_the_decision_values_for_every_sample() -> None:
    chosen = SAMPLES[::7]
    assert encode_ulaw(chosen).tolist() == [scalar_ulaw(int(s)) for s in chosen]
    assert encode_alaw(chosen).tolist() == [scalar_alaw(int(s)) for s in chosen]


def test_decoding_and_encoding_again_changes_only_negative_zero() -> None:
    assert CODES[encode_ulaw(decode_ulaw(CODES)) != CODES].tolist() == [0x7F]
    assert (encode_alaw(decode_alaw(CODES)) == CODES).all()


def test_error_is_at_most_half_a_step() -> None:
    for encode, decode in ((encode_ulaw, decode_ulaw), (encode_alaw, decode_alaw)):
        error = np.abs(decode(encode(SAMPLES)).astype(int) - SAMPLES)
        inside = np.abs(SAMPLES.astype(int)) < 32124
        assert (error <= (np.abs(SAMPLES.astype(int)) + 132) / 32 + 8)[inside].all()


def test_silence_is_silence() -> None:
    assert decode_ulaw(np.array([ULAW_SILENCE], np.uint8))[0] == 0
    assert decode_alaw(np.array([ALAW_SILENCE], np.uint8))[0] == 8
    assert ULAW_TO_ALAW[ULAW_SILENCE] == ALAW_SILENCE
    assert ALAW_TO_ULAW[ALAW_SILENCE] == ULAW_SILENCE ^ 1


def test_there_and_back_changes_what_section_3_6_says() -> None:
    ulaw = {int(c) & 0x7F ^ 0x7F for c in CODES[ALAW_TO_ULAW[ULAW_TO_ALAW] != CODES]}
    assert ulaw == {0, 2, 4, 6, 8, 10, 12, 14}
    alaw = {((int(c) ^ 0x55) & 0x7F) + 1 for c in CODES[ULAW_TO_ALAW[ALAW_TO_ULAW] != CODES]}
    assert alaw == {26, 28, 30, 32, 45, 47, 63, 80}
    assert set((ULAW_TO_ALAW[ALAW_TO_ULAW] ^ CODES).tolist()) == {0, 1}


def test_conversion_keeps_loudness_and_sign() -> None:
    loud = decode_ulaw(CODES).astype(int)
    converted = decode_alaw(ULAW_TO_ALAW).astype(int)
    assert (np.abs(loud - converted) <= np.maximum(np.abs(loud) / 16, 16)).all()
    assert (np.sign(converted)[loud != 0] == np.sign(loud)[loud != 0]).all()


def test_shapes_are_kept() -> None:
    block = CODES.reshape(16, 16)
    assert decode_ulaw(block).shape == (16, 16)
    assert encode_alaw(decode_alaw(block)).dtype == np.uint8
    assert encode_ulaw(np.empty(0, np.int16)).shape == (0,)
