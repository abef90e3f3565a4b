"""How much faster than real time finished files are made, and what MP3 costs beside ffmpeg alone.

``python -m bench.mastering`` writes a spool of two tracks and masters it as the worker does.
"""

import argparse
import resource
import shutil
import subprocess
import tempfile
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from tests.bench_spool import HEADER, write_spool

from bench import audio, processes
from onrecord.app.heap import keep_memory
from onrecord.mastering.master import master

LAME_OPTIONS = ("-joint_stereo", "0", "-compression_level", "7")
"""As ``onrecord.audio.mp3`` has them, so that both do the same work."""


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run took, seconds."""

    wall: float
    cpu: float


def continuous_tracks() -> tuple[np.ndarray, np.ndarray]:
    """Frames of two tracks in which there is never silence."""
    sound = audio.continuous_sound().reshape(-1, audio.FRAME)
    return sound, np.roll(sound, -50, axis=0)


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
    tracks = continuous_tracks()
    for form in ("wav", "mp3"):
        spool, target = folder / f"{form}.spool", folder / f"file.{form}"
        write_spool(spool, replace(HEADER, format=form), minutes, tracks)
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
