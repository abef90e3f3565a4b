"""What listening for silence costs: spools that grow in real time, followed as the listener follows them.

python -m bench.listening 50 100
"""

import sys
import tempfile
import time
from pathlib import Path

import numpy as np

import onrecord.demo
from onrecord.app.listener import POLL_SECS, Following
from onrecord.audio.g711 import encode_ulaw
from onrecord.core.ids import CallControlId, LegId, NodeId, RecordingId
from onrecord.phone.clips import read_clip
from onrecord.rtp.header import build_packet
from onrecord.spool.format import INBOUND, OUTBOUND, encode_fact, encode_packets
from onrecord.spool.header import SpoolHeader
from onrecord.spool.writer import SpoolWriter, create_spool

SECS = 20
FOLD_PACKETS = 5
FOLDS = SECS * 10


def records() -> list[list[bytes]]:
    """Of each track, one PACKETS record for each 100 ms: two people who take turns."""
    clips = Path(onrecord.demo.__file__).parent / "clips"
    turns = [read_clip(clips / f"{name}.wav") for name in ("ann-1", "bob-1", "ann-2", "bob-2")]
    tracks = []
    for who in (0, 1):
        parts = [turn if i % 2 == who else np.zeros_like(turn) for i, turn in enumerate(turns)]
        payload = encode_ulaw(np.resize(np.concatenate(parts), SECS * 8000)).reshape(-1, 160)
        tracks.append([row.tobytes() for row in payload])
    start = time.monotonic_ns()
    return [
        [_record(who, fold, tracks[who], start) for fold in range(FOLDS)]
        for who in (INBOUND, OUTBOUND)
    ]


def _record(who: int, fold: int, payload: list[bytes], start: int) -> bytes:
    numbers = range(fold * FOLD_PACKETS, (fold + 1) * FOLD_PACKETS)
    packets = [build_packet(0, n, 160 * n, who, False, payload[n]) for n in numbers]
    data = np.frombuffer(b"".join(packets), np.uint8).reshape(FOLD_PACKETS, 172)
    arrival = np.array([start + 20_000_000 * n for n in numbers], np.int64)
    return encode_packets(who, arrival, np.full(FOLD_PACKETS, 172, np.uint16), data)


def measure(recordings: int) -> None:
    following = Following()
    with tempfile.TemporaryDirectory() as folder:
        writers = {f"r{number}": _spool(Path(folder), f"r{number}") for number in range(recordings)}
        inbound, outbound = records()
        now = time.monotonic_ns()
        for name, writer in writers.items():
            writer.append(encode_fact("start", now, {}))
            following.listen(name, Path(folder) / name, 30, "both")
        list(following.turn())
        spent, late = _listened(following, list(writers.values()), inbound, outbound)
        for writer in writers.values():
            writer.close()
    share = 100 * spent / SECS
    print(f"{recordings} dual recordings: {share:.1f} % of one core, late by at most {late:.1f} s")


def _spool(folder: Path, name: str) -> SpoolWriter:
    ids = (RecordingId(name), LegId(name), CallControlId(name), NodeId("n1"))
    begun = time.monotonic_ns()
    header = SpoolHeader(*ids, "wav", "dual", "both", "inbound", begun, begun, "bench")
    create_spool(folder / name, header)
    return SpoolWriter(folder / name)


def _listened(
    following: Following, writers: list[SpoolWriter], inbound: list[bytes], outbound: list[bytes]
) -> tuple[float, float]:
    """CPU seconds of the listening, and the longest backlog, while the spools grow."""
    spent, late, began = 0.0, 0.0, time.monotonic()
    for fold in range(FOLDS):
        for writer in writers:
            writer.append(inbound[fold] + outbound[fold])
        end = began + (fold + 1) * 2 * POLL_SECS
        while (now := time.monotonic()) < end:
            cpu = time.process_time()
            list(following.turn())
            spent += time.process_time() - cpu
            late = max(late, following.backlog_secs)
            if not following.more:
                time.sleep(max(0, min(end, now + POLL_SECS) - time.monotonic()))
    return spent, late


if __name__ == "__main__":
    for count in sys.argv[1:] or ["50", "100"]:
        measure(int(count))
