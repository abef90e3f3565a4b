"""A worker is killed at random moments: every job that was acknowledged runs to its end at least once."""

import asyncio
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from onrecord.jobs.suspects import MOST_DEATHS

ROUNDS = 5


def test_every_acknowledged_job_runs(tmp_path):
    dice = random.Random(11)
    asked: set[str] = set()
    for turn in range(ROUNDS):
        with _Child(tmp_path, f"{turn}") as child:
            asked |= child.acknowledged(dice.uniform(0.1, 0.4))
    assert len(asked) > ROUNDS * 5
    with _Child(tmp_path, "none"):
        _wait_until(lambda: asked <= _done(tmp_path))


def test_a_recording_that_kills_its_worker_is_given_up_and_others_are_not(tmp_path):
    with _Child(tmp_path, "poison") as child:
        child.process.wait(20)
    assert not _done(tmp_path)
    # As if it had killed all but two of the allowed workers.
    (tmp_path / "locks" / "finish.poison.deaths").write_text(str(MOST_DEATHS - 2))
    with _Child(tmp_path, "none") as child:
        child.process.wait(20)
    with _Child(tmp_path, "none"):
        _wait_until(lambda: _done(tmp_path) >= {"poison given up", "innocent"})
    assert "poison" not in _done(tmp_path)


class _Child:
    """This file as a program, killed at the end."""

    def __init__(self, folder, what):
        self.process = subprocess.Popen(
            [sys.executable, __file__, str(folder), what], stdout=subprocess.PIPE
        )

    def __enter__(self):
        return self

    def __exit__(self, *_error):
        self.process.kill()
        self.process.wait()
        self.process.stdout.close()

    def acknowledged(self, secs):
        first = self.process.stdout.readline()
        time.sleep(secs)
        self.process.kill()
        lines = (first + self.process.stdout.read()).split(b"\n")[:-1]
        return {line.decode() for line in lines}


def _done(folder):
    place = folder / "done"
    return set(place.read_text().split("\n")[:-1]) if place.exists() else set()


def _wait_until(condition):
    deadline = time.monotonic() + 30
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        time.sleep(0.05)


async def _work(folder: Path, what: str) -> None:
    sys.path.insert(0, str(Path(__file__).parents[1]))
    from onrecord.core.logs import configure_logs
    from onrecord.database import Database
    from onrecord.jobs import JobClient, Worker, prepare

    configure_logs("error", "json", "worker")
    url = f"sqlite:///{folder}/onrecord.db"
    database = Database(url, jobs=JobClient(url))
    await database.start()
    prepare(url)
    done = os.open(folder / "done", os.O_WRONLY | os.O_CREAT | os.O_APPEND)

    async def finish(recording_id):
        await asyncio.sleep(0.03)
        if recording_id == "poison":
            os.kill(os.getpid(), signal.SIGKILL)
        if recording_id == "innocent":
            # Long enough to be under way whenever the other kills.
            await asyncio.sleep(0.2)
        os.write(done, f"{recording_id}\n".encode())

    async def deliver(event_id, number):
        os.write(done, f"{event_id} {number}\n".encode())

    async def give_up(recording_id, _reason):
        os.write(done, f"{recording_id} given up\n".encode())

    async def waiting(within_secs):
        return await database.read(lambda unit: unit.jobs_waiting("n1", within_secs))

    locks = folder / "locks"
    worker = Worker(url, "n1", finish, deliver, give_up=give_up, waiting=waiting, locks=locks)
    await asyncio.gather(worker.run(), _ask(database, what))


async def _ask(database, what: str) -> None:
    if what == "poison":
        await _stopped(database, "poison", "innocent")
    elif what != "none":
        for number in range(100_000):
            await _stopped(database, f"{what}-{number}")
            await database.write(
                lambda unit, n=number: unit.enqueue_delivery(f"e-{what}-{n}", 2, 0)
            )
            os.write(1, f"{what}-{number}\ne-{what}-{number} 2\n".encode())
            await asyncio.sleep(0.02)


async def _stopped(database, *names: str) -> None:
    from onrecord.calls.records import RecordingState
    from stored_records import a_recording

    def work(unit):
        for name in names:
            unit.add_recording(a_recording(name, id=name, state=RecordingState.STOPPED))
            unit.enqueue_finish(name)

    await database.write(work)


if __name__ == "__main__":
    asyncio.run(_work(Path(sys.argv[1]), sys.argv[2]))
