"""How much faster than real time finished files are made, and what MP3 costs beside ffmpeg alone.

``python -m bench.mastering`` writes a spool of two tracks and masters it as the worker does.
"""

import argparse
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bench import audio, processes
from onrecord.app.heap import keep_memory
from onrecord.core.ids import CallControlId, LegId, NodeId, RecordingId
from onrecord.mastering.master import master
from onrecord.spool.format import INBOUND, OUTBOUND, encode_fact, encode_packets
from onrecord.spool.header import SpoolHeader
from onrecord.spool.writer import SpoolWriter, create_spool

PERIOD_NS = 20_000_000
FOLD_PACKETS = 25
BEGUN_NS = 1_000_000_000_000
LAME_OPTIONS = ("-joint_stereo", "0", "-compression_level", "7")
"""As ``onrecord.audio.mp3`` has them, so that both do the same work."""
HEADER = SpoolHeader(
    recording_id=RecordingId("bench"),
    leg_id=LegId("bench"),
    call_control_id=CallControlId("bench"),
    node=NodeId("bench"),
    format="wav",
    channels="dual",
    track="both",
    channel_a="inbound",
    started_utc_ns=1_770_091_445_000_000_000,
    started_monotonic_ns=BEGUN_NS,
    boot_id="bench",
)


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took, seconds."""

    wall: float
    cpu: float


def write_spool(
    path: Path, header: SpoolHeader, minutes: int, tracks: Sequence[np.ndarray] = ()
) -> None:
    """Two tracks of PCMU without a loss, as the media process writes them.

    ``tracks`` has the frames of each, ``(n, 160)``, which are repeated as often as it takes; without
    them there is never silence.
    """
    sound = audio.continuous_sound().reshape(-1, audio.FRAME)
    tracks = tracks or (sound, np.roll(sound, -50, axis=0))
    codecs = {"0": ["PCMU", 8000]}
    create_spool(path, header)
    writer = SpoolWriter(path)
    writer.append(encode_fact("start", BEGUN_NS, {"inbound": codecs, "outbound": codecs}))
    total = minutes * 3000
    for first in range(0, total, FOLD_PACKETS):
        numbers = np.arange(first, first + FOLD_PACKETS, dtype=np.int64)
        arrival = BEGUN_NS + 5_000_000 + numbers * PERIOD_NS
        size = np.full(FOLD_PACKETS, 12 + audio.FRAME, np.uint16)
        for track in (INBOUND, OUTBOUND):
            rows = _packets(numbers, tracks[track][numbers % len(tracks[track])], track)
            writer.append(encode_packets(track, arrival, size, rows))
    writer.append(encode_fact("stop", BEGUN_NS + total * PERIOD_NS, {"reason": "command"}))
    writer.close()


def _packets(numbers: np.ndarray, payload: np.ndarray, ssrc: int) -> np.ndarray:
    rows = np.zeros((len(numbers), 12 + audio.FRAME), np.uint8)
    rows[:, 0] = 0x80
    rows[:, 2:4] = numbers.astype(">u2").view(np.uint8).reshape(-1, 2)
    rows[:, 4:8] = (numbers * audio.FRAME).astype(">u4").view(np.uint8).reshape(-1, 4)
    rows[:, 11] = ssrc + 1
    rows[:, 12:] = payload
    return rows


def cost_here(work: Callable[[], object]) -> Cost:
    """What ``work`` takes in this process."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Cost(time.perf_counter() - wall, time.process_time() - cpu)


def cost_of_file(spool: Path, target: Path) -> Cost:
    """What mastering takes where there is no such file yet."""
    target.unlink(missing_ok=True)
    return cost_here(lambda: master(spool, target))


def cost_of_program(arguments: list[str]) -> Cost:
    """What another program takes."""
    before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    subprocess.run(arguments, check=True, stdin=subprocess.DEVNULL)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Cost(time.perf_counter() - wall, cpu)


def show(name: str, minutes: int, cost: Cost, size: int) -> None:
    """One line of the table."""
    cells = (
        name,
        f"{60 * minutes / cost.wall:.0f}",
        f"{cost.cpu / minutes * 1000:.1f}",
        f"{size / minutes / 1000:.0f}",
    )
    print("| " + " | ".join(cells) + " |", flush=True)


def measure(folder: Path, minutes: int, repeats: int) -> None:
    """The table."""
    print("| file | times real time | CPU ms a minute | kB a minute |\n| --- | --- | --- | --- |")
    best: dict[str, Cost] = {}
    for form in ("wav", "mp3"):
        spool, target = folder / f"{form}.spool", folder / f"file.{form}"
        write_spool(spool, replace(HEADER, format=form), minutes)
        runs = [cost_of_file(spool, target) for _ in range(repeats)]
        best[form] = min(runs, key=lambda cost: cost.cpu)
        show(f"dual {form}", minutes, best[form], target.stat().st_size)
    ffmpeg = shutil.which("ffmpeg")
    if ffmpeg is None:
        print("\nffmpeg is not installed: no comparison.")
        return
    rate = (folder / "file.mp3").stat().st_size * 8 / (60 * minutes)
    other = folder / "other.mp3"
    arguments = [ffmpeg, "-v", "error", "-y", "-threads", "1", "-i", str(folder / "file.wav")]
    arguments += ["-codec:a", "libmp3lame", "-b:a", f"{round(rate / 8000) * 8}k"]
    arguments += [*LAME_OPTIONS, str(other)]
    cost = min((cost_of_program(arguments) for _ in range(repeats)), key=lambda c: c.cpu)
    show("ffmpeg, the same WAV to MP3", minutes, cost, other.stat().st_size)
    print(f"\nMP3, CPU beside ffmpeg's: {best['mp3'].cpu / cost.cpu:.2f}")


def main() -> None:
    """Everything that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, default=10, help="length of the recording")
    parser.add_argument("--repeats", type=int, default=3, help="the best of so many runs counts")
    given = parser.parse_args()
    keep_memory()  # as the worker process does
    print(f"{processes.processor()}, load average {processes.load_average()}\n")
    with tempfile.TemporaryDirectory(prefix="onrecord-mastering-") as folder:
        measure(Path(folder), given.minutes, given.repeats)


if __name__ == "__main__":
    main()
