"""What a local transcription costs: CPU beside the length of the recording, and memory.

``python -m bench.transcription --minutes 1 60 240`` makes dual recordings of two people who talk, with the model of the
tests: a spool as the media process writes it, mastered as the worker does, transcribed in the worker's child process.
"""

import argparse
import asyncio
import contextlib
import os
import resource
import tempfile
import threading
import time
import wave
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from tests.bench_spool import HEADER, write_spool

from bench import audio, processes
from onrecord.app.transcribing import ApartTranscriber, Transcribed
from onrecord.audio.g711 import encode_ulaw
from onrecord.audio.resampling import resampled
from onrecord.calls.records import RecordingParams
from onrecord.core.settings import Settings
from onrecord.demo.model import NAME, fetch_model
from onrecord.mastering.master import master

SPOKEN = Path("/usr/share/pocketsphinx/test/data")
"""Sentences read by people; ``scripts/test-packages`` installs them."""
SPEECH_SHARE = 0.4
"""So much of the time each of the two speaks."""
MOST_MINUTES = 10
"""What is longer repeats itself."""
LOOK_SECS = 0.2
PARAMS = RecordingParams("wav", "dual", transcription=True, transcription_engine="B")


@dataclass(frozen=True, slots=True)
class Cost:
    """Of one transcription."""

    wall: float
    cpu: float
    child_kb: int
    """The most that its process had in memory."""
    words: int


def sentences() -> list[NDArray[np.int16]]:
    """What people said, at 8 kHz."""
    files = sorted(SPOKEN.glob("librivox/*.wav")) + sorted(SPOKEN.glob("cards/*.wav"))
    if not files:
        raise SystemExit(f"there is no speech in {SPOKEN}: scripts/test-packages installs it")
    return [_narrow(path) for path in files]


def _narrow(path: Path) -> NDArray[np.int16]:
    with wave.open(str(path)) as file:
        rate = file.getframerate()
        wide = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return resampled(wide, rate, audio.RATE)


def dialogue(minutes: int) -> list[NDArray[np.uint8]]:
    """Two who take turns of one to four sentences, with pauses. Each: mu-law frames, ``(n, 160)``."""
    random = np.random.default_rng(2)
    said = sentences()
    frames = min(minutes, MOST_MINUTES) * 3000
    sides = np.zeros((2, frames * audio.FRAME), np.int16)
    at, who = 0, 0
    while at < sides.shape[1]:
        for _ in range(random.integers(1, 5)):
            sentence = said[random.integers(len(said))]
            sides[who, at : at + len(sentence)] = sentence[: sides.shape[1] - at]
            pause = len(sentence) * (1 - 2 * SPEECH_SHARE) / (2 * SPEECH_SHARE)
            at += len(sentence) + round(random.uniform(0.4, 1.6) * pause)
        who = 1 - who
    return [encode_ulaw(side).reshape(-1, audio.FRAME) for side in sides]


def recording(folder: Path, minutes: int) -> Path:
    """A finished dual WAV file of such a call."""
    spool, finished = folder / "call.spool", folder / "call.wav"
    write_spool(spool, HEADER, minutes, dialogue(minutes))
    master(spool, finished)
    spool.unlink()
    return finished


def measure(folder: Path, minutes: int) -> Cost:
    """Transcribe one recording of so many minutes."""
    models = {"models_folder": fetch_model(), "transcription_model": NAME}
    settings = Settings(data=folder, log_level="warning", **models)
    finished, progress = recording(folder, minutes), folder / "progress"
    with _watched() as most:
        before, wall = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
        made = asyncio.run(ApartTranscriber(settings).transcribe(finished, progress, PARAMS))
        wall = time.monotonic() - wall
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    progress.unlink()
    return Cost(wall, cpu, max(most.values()), len(_words(made)))


def _words(made: Transcribed) -> list[str]:
    return made.text.split()


@contextlib.contextmanager
def _watched() -> Iterator[dict[int, int]]:
    """By child process, the most that it had in memory so far, kB."""
    most: dict[int, int] = {}
    over = threading.Event()

    def look() -> None:
        while not over.wait(LOOK_SECS):
            for pid in processes.descendants(os.getpid()):
                with contextlib.suppress(OSError, StopIteration):
                    most[pid] = processes.most_memory(pid)

    watcher = threading.Thread(target=look)
    watcher.start()
    try:
        yield most
    finally:
        over.set()
        watcher.join()


def main() -> None:
    """Everything that the command line asks for."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--minutes", type=int, nargs="+", default=[1, 10], help="lengths")
    given = parser.parse_args()
    print(f"{processes.processor()}, load average {processes.load_average()}, model {NAME}\n")
    print("| minutes | words | CPU s | CPU s / s of recording | wall s | peak memory |")
    print("| --- | --- | --- | --- | --- | --- |", flush=True)
    for minutes in given.minutes:
        with tempfile.TemporaryDirectory(prefix="onrecord-transcription-") as folder:
            cost = measure(Path(folder), minutes)
        share = cost.cpu / (60 * minutes)
        memory = f"{cost.child_kb / 1000:.0f} MB"
        cells = (minutes, cost.words, f"{cost.cpu:.0f}", f"{share:.3f}", f"{cost.wall:.0f}", memory)
        print("| " + " | ".join(map(str, cells)) + " |", flush=True)


if __name__ == "__main__":
    main()
