"""Long spools of two tracks of PCMU without a loss, as the media process writes them: for tests and benchmarks."""

from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from onrecord.core.ids import CallControlId, LegId, NodeId, RecordingId
from onrecord.spool.format import encode_begin, encode_fact, encode_packets
from onrecord.spool.header import SpoolHeader

BEGUN_NS = 1_000_000_000_000
PERIOD_NS = 20_000_000
RECORD_PACKETS = 25
HEADER = SpoolHeader(
    recording_id=RecordingId("rec"),
    leg_id=LegId("leg"),
    call_control_id=CallControlId("v3:x"),
    node=NodeId("n1"),
    format="wav",
    channels="dual",
    track="both",
    channel_a="inbound",
    started_utc_ns=1_770_000_000_000_000_000,
    started_monotonic_ns=BEGUN_NS,
    boot_id="boot",
)
_NOISE = np.random.default_rng(5).integers(0, 256, (997, 160), dtype=np.uint8)
NOISE = (_NOISE, np.roll(_NOISE, -50, axis=0))
"""Frames of each track, ``(n, 160)``, which are repeated as often as it takes."""


def sound_records(first: int, end: int, tracks: Sequence[np.ndarray] = NOISE) -> Iterator[bytes]:
    """PACKETS records of both tracks with the packets ``first`` to ``end`` (exclusive) of each."""
    for begin in range(first, end, RECORD_PACKETS):
        numbers = np.arange(begin, min(begin + RECORD_PACKETS, end), dtype=np.int64)
        arrival = BEGUN_NS + 5_000_000 + numbers * PERIOD_NS
        size = np.full(len(numbers), 172, np.uint16)
        for track, frames in enumerate(tracks):
            rows = _rows(numbers, frames[numbers % len(frames)], track)
            yield encode_packets(track, arrival, size, rows)


def _rows(numbers: np.ndarray, payload: np.ndarray, track: int) -> np.ndarray:
    rows = np.zeros((len(numbers), 172), np.uint8)
    rows[:, 0] = 0x80
    rows[:, 2:4] = numbers.astype(">u2").view(np.uint8).reshape(-1, 2)
    rows[:, 4:8] = (numbers * 160).astype(">u4").view(np.uint8).reshape(-1, 4)
    rows[:, 11] = track + 1
    rows[:, 12:] = payload
    return rows


def write_spool(
    path: Path, header: SpoolHeader, minutes: int, tracks: Sequence[np.ndarray] = NOISE
) -> None:
    """A whole spool, from start to stop."""
    codecs = {"0": ["PCMU", 8000]}
    with path.open("wb") as file:
        file.write(encode_begin(header))
        file.write(encode_fact("start", BEGUN_NS, {"inbound": codecs, "outbound": codecs}))
        file.writelines(sound_records(0, 3000 * minutes, tracks))
        end = BEGUN_NS + 3000 * minutes * PERIOD_NS
        file.write(encode_fact("stop", end, {"reason": "command"}))
