"""The worker on a real database: what it runs, how often, and when it gives up."""

import asyncio
import contextlib
import os
import sys
import time
from collections import Counter
from datetime import timedelta

import pytest
from prometheus_client import REGISTRY

from onrecord.calls.records import RecordingState
from onrecord.core.errors import CapacityError, DestinationError
from onrecord.database import Database
from onrecord.jobs import JobClient, Moving, Transcribing, Worker, prepare
from onrecord.jobs.engine import POLL_SECS
from onrecord.jobs.worker import LOOK_SECS, MOVE_CONCURRENCY
from stored_records import a_recording, jobs_of


class Bench:
    """A database, a worker, and what its jobs did."""

    def __init__(self, folder):
        self.folder = folder
        self.url = f"sqlite:///{folder}/onrecord.db"
        self.jobs = JobClient(self.url)
        self.database = Database(self.url, jobs=self.jobs)
        self.finished: list[str] = []
        self.delivered: list[tuple[str, int]] = []
        self.given_up: list[tuple[str, str]] = []
        self.at_once = self.most_at_once = 0

    def worker(self, **how):
        async def finish(recording_id):
            self.finished.append(recording_id)
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
            await asyncio.sleep(0.02)
            self.at_once -= 1
            if recording_id.startswith("recording-bad"):
                raise OSError("no room")

        async def deliver(event_id, number):
            self.delivered.append((event_id, number))
            if event_id == "event-bad" and len(self.delivered) == 1:
                raise OSError("no database")

        async def give_up(recording_id, reason):
            self.given_up.append((recording_id, reason))
            if len(self.given_up) == 1:
                raise OSError("no database")

        async def waiting(within_secs):
            return await self.database.read(lambda unit: unit.jobs_waiting("n1", within_secs))

        how = {"retry_secs": (0.05, 0.05)} | how
        locks = self.folder / "locks"
        return Worker(
            self.url, "n1", finish, deliver, give_up=give_up, waiting=waiting, locks=locks, **how
        )

    def stopped(self, *names, delay_secs=0.0):
        def work(unit):
            for name in names:
                recording = a_recording(name, state=RecordingState.STOPPED)
                unit.add_recording(recording)
                unit.enqueue_finish(recording.id, delay_secs)

        return self.database.write(work)


@pytest.fixture
async def bench(tmp_path):
    made = Bench(tmp_path)
    await made.database.start()
    await asyncio.to_thread(prepare, made.url)
    yield made
    await made.database.close()
    made.jobs.close()


@contextlib.asynccontextmanager
async def running(worker):
    task = asyncio.create_task(worker.run())
    try:
        yield task
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


async def until(condition, secs=10.0):
    deadline = time.monotonic() + secs
    while not condition():
        assert time.monotonic() < deadline, "it did not happen in time"
        await asyncio.sleep(0.01)


async def test_jobs_run_once_two_at_a_time_and_leave_nothing(bench):
    numbers = range(20)
    await bench.stopped(*numbers)
    await bench.database.write(lambda unit: unit.enqueue_delivery("event-1", 2, 0.0))
    async with running(bench.worker()):
        await until(lambda: len(bench.finished) == 20 and bench.delivered)
        # Queued again it is not run again.
        await bench.database.write(lambda unit: unit.enqueue_finish("recording-3"))
        started = time.monotonic()
        await bench.stopped("late")
        await until(lambda: "recording-late" in bench.finished)
        assert time.monotonic() - started < POLL_SECS + 0.5
        await until_all_ended(bench)
        assert await bench.jobs.prune(timedelta(0)) == 22
    assert sorted(bench.finished) == sorted(f"recording-{n}" for n in [*numbers, "late"])
    assert bench.delivered == [("event-1", 2)]
    assert bench.most_at_once == 2
    assert bench.given_up == []
    assert await bench.database.read(jobs_of) == []


async def until_all_ended(bench):
    while True:
        jobs = await bench.database.read(jobs_of)
        if all(status == "SUCCESS" for _, _, status, _ in jobs):
            return
        await asyncio.sleep(0.02)


async def test_a_job_that_raises_is_tried_again_and_a_delayed_one_waits(bench):
    await bench.stopped("bad")
    await bench.database.write(lambda unit: unit.enqueue_delivery("event-bad", 3, 0.0))
    await bench.database.write(lambda unit: unit.enqueue_delivery("event-late", 2, 1.5))
    asked = time.monotonic()
    async with running(bench.worker()):
        await until(lambda: ("event-late", 2) in bench.delivered)
        assert 1.4 < time.monotonic() - asked < 6
        await until(lambda: len(bench.given_up) == 2 and len(bench.delivered) == 3)
    assert bench.finished == ["recording-bad"] * 3
    # The first time it could not be told.
    assert bench.given_up == [("recording-bad", "OSError: no room")] * 2
    assert sorted(bench.delivered) == [("event-bad", 3)] * 2 + [("event-late", 2)]


async def test_a_recording_that_is_told_is_finished_at_once_and_its_job_dropped(bench):
    await bench.stopped("told", "bad", "waits", delay_secs=3)
    worker = bench.worker(told_secs=3)
    async with running(worker):
        told = time.monotonic()
        for name in ("told", "bad", "told"):
            worker.finish_soon(f"recording-{name}")
        await until(lambda: len(bench.finished) == 3)
        assert time.monotonic() - told < 1
        await until_equal(bench, waiting, {"finish.recording-bad", "finish.recording-waits"})
        # What failed and what was not told of is left to the jobs.
        await until(lambda: bench.given_up and "recording-waits" in bench.finished)
    assert time.monotonic() - told > 2
    assert Counter(bench.finished) == {
        "recording-told": 2, "recording-bad": 1 + 3, "recording-waits": 1
    }  # fmt: skip
    assert bench.most_at_once <= 2


async def test_two_of_one_recording_never_run_at_a_time(bench):
    worker = bench.worker()
    for _ in range(3):
        worker.finish_soon("recording-1")
    await until(lambda: len(bench.finished) == 3 and not worker._running)
    assert bench.most_at_once == 1
    assert not worker._turns


def waiting(unit):
    return {job for job, _, status, _ in jobs_of(unit) if status == "DELAYED"}


async def test_a_job_cut_short_by_a_stop_runs_again(bench):
    began = asyncio.Event()

    async def never_ends(recording_id):
        began.set()
        await asyncio.Event().wait()

    worker = bench.worker()
    worker._finish = never_ends
    await bench.stopped("1")
    async with running(worker):
        await asyncio.wait_for(began.wait(), 10)
    assert bench.finished == []
    async with running(bench.worker()):
        await until(lambda: bench.finished == ["recording-1"])
        await until(lambda: not list((bench.folder / "locks").glob("*.deaths")))


async def test_a_node_has_one_worker(bench):
    async with running(bench.worker()):
        await asyncio.sleep(0.1)
        with pytest.raises(CapacityError, match="n1 has a worker"):
            await bench.worker().run()


async def test_the_engine_is_up_while_there_are_jobs_whoever_queued_them(bench):
    worker = bench.worker(linger_secs=0.1)
    async with running(worker):
        worker.finish_soon("recording-told")
        await until(lambda: bench.finished == ["recording-told"])
        assert not worker._engine.up
        for name in ("1", "2"):
            command = [sys.executable, __file__, bench.url, f"event-{name}"]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
            process = await asyncio.create_subprocess_exec(*command, env=environment)
            assert await process.wait() == 0
            await until(lambda name=name: (f"event-{name}", 2) in bench.delivered)
            assert worker._engine.up
            await until(lambda: not worker._engine.up)
        # A job whose time has not come does not wake it.
        await bench.stopped("waits", delay_secs=3600)
        await asyncio.sleep(2 * LOOK_SECS)
        assert not worker._engine.up
    assert bench.delivered == [("event-1", 2), ("event-2", 2)]
    assert bench.finished == ["recording-told"]


async def test_what_a_stop_of_the_engine_cuts_short_runs_after_its_next_start(bench):
    began = asyncio.Event()

    async def never_ends(recording_id):
        began.set()
        await asyncio.Event().wait()

    worker = bench.worker()
    finish, worker._finish = worker._finish, never_ends
    await bench.stopped("1")
    async with running(worker):
        await asyncio.wait_for(began.wait(), 10)
        await worker._engine.stop()
        worker._finish = finish
        await until(lambda: bench.finished == ["recording-1"])
        await until(lambda: not worker._running)


async def until_equal(bench, read, wanted):
    deadline = time.monotonic() + 10
    while await bench.database.read(read) != wanted:
        assert time.monotonic() < deadline
        await asyncio.sleep(0.05)


async def test_transcriptions_run_one_after_another_and_are_given_up(bench):
    tried, lost, at_once = Counter(), [], []

    async def transcribe(transcription_id):
        tried[transcription_id] += 1
        at_once.append(len(at_once) + 1)
        await asyncio.sleep(0.02)
        assert at_once.pop() == 1, "another ran beside this one"
        if transcription_id != "good":
            raise DestinationError(f"{transcription_id} engine", retry=transcription_id == "slow")

    async def give_up(transcription_id, reason):
        lost.append((transcription_id, reason))

    def work(unit):
        for name in ("slow", "wrong", "good"):
            unit.enqueue_transcription("n1", name)

    await bench.database.write(work)
    transcribing = Transcribing(transcribe, give_up, retry_secs=(0.05, 0.05))
    async with running(bench.worker(transcribing=transcribing)):
        await until(lambda: len(lost) == 2 and tried["good"], 20)
    assert tried == {"slow": 3, "wrong": 1, "good": 1}
    assert sorted(lost) == [("slow", "slow engine"), ("wrong", "wrong engine")]


async def test_a_file_is_tried_to_be_moved_a_bounded_number_of_times(bench):
    tried = Counter()

    async def move(recording_id):
        tried[recording_id] += 1
        if recording_id == "recording-bad" or tried[recording_id] == 1:
            raise DestinationError("the bucket failed or did not answer")

    def work(unit):
        for name in ("bad", "good"):
            unit.enqueue_move(a_recording(name), 5, 0.0)

    def given_up():
        labels = {"outcome": "given_up"}
        return REGISTRY.get_sample_value("onrecord_file_moves_total", labels) or 0

    before = given_up()
    await bench.database.write(work)
    async with running(bench.worker(moving=Moving(move, (0.05, 0.05)))):
        await until(lambda: tried == {"recording-bad": 3, "recording-good": 2}, 20)
        await until(lambda: given_up() == before + 1, 5)
    assert tried == {"recording-bad": 3, "recording-good": 2}


async def test_files_that_a_slow_bucket_takes_hold_up_no_recording(bench):
    begun = []

    async def move(recording_id):
        begun.append(recording_id)
        await asyncio.Event().wait()

    def work(unit):
        for number in range(20):
            unit.enqueue_move(a_recording(number), 5, 0.0)

    await bench.database.write(work)
    async with running(bench.worker(moving=Moving(move))):
        await until(lambda: len(begun) > 1)
        await bench.stopped("one")
        await until(lambda: bench.finished == ["recording-one"])
    assert len(begun) == MOVE_CONCURRENCY


async def queue_a_delivery(url, event_id):
    database = Database(url, jobs=JobClient(url))
    await database.start()
    await database.write(lambda unit: unit.enqueue_delivery(event_id, 2, 0.0))
    await database.close()


if __name__ == "__main__":
    asyncio.run(queue_a_delivery(*sys.argv[1:]))
