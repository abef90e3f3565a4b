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

SECS = 10
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
    inbound, outbound = records()
    now = time.monotonic_ns()
    following = Following()
    with tempfile.TemporaryDirectory() as folder:
        writers = []
        for number in range(recordings):
            name = f"r{number}"
            path = Path(folder) / name
            ids = (RecordingId(name), LegId(name), CallControlId(name), NodeId("n1"))
            header = SpoolHeader(*ids, "wav", "dual", "both", "inbound", now, now, "bench")
            create_spool(path, header)
            writers.append(SpoolWriter(path))
            writers[-1].append(encode_fact("start", now, {}))
            following.listen(name, path, 30, "both")
        list(following.turn(now))
        spent, began, longest = 0.0, time.monotonic(), 0.0
        for fold in range(FOLDS):
            for writer in writers:
                writer.append(inbound[fold] + outbound[fold])
            for _ in range(2):
                cpu = time.process_time()
                list(following.turn(time.monotonic_ns()))
                turn = time.process_time() - cpu
                spent, longest = spent + turn, max(longest, turn)
            time.sleep(max(0, began + (fold + 1) * 2 * POLL_SECS - time.monotonic()))
        share = 100 * spent / SECS
        print(
            f"{recordings} dual recordings: {share:.1f} % of one core, longest turn {1000 * longest:.0f} ms"
        )


if __name__ == "__main__":
    for count in sys.argv[1:] or ["50", "100"]:
        measure(int(count))
