"""Long recordings in a real worker process: mastered while they run, whatever becomes of the process."""

import asyncio
import os
from pathlib import Path

from onrecord.mastering import master
from worker_process import Running, WorkerProcess

MINUTES = 30
UNSETTLED_SECS = 60
WAV_SECOND_BYTES = 8000 * 4
PATIENCE_SECS = 60


async def kept_up_with(running: Running) -> None:
    """Until the worker has all of it that is settled; the spool grows meanwhile, as calls do."""
    async with asyncio.timeout(PATIENCE_SECS):
        while not running.grown.exists():
            running.hear(1)
            await asyncio.sleep(0.5)


async def stopped_file(running: Running, folder: Path) -> tuple[bytes, bytes]:
    """The file that the worker makes, and that of one go."""
    kept = folder / "kept.spool"
    os.link(running.spool, kept)
    await running.stop()
    async with asyncio.timeout(PATIENCE_SECS):
        made = await running.file()
    return made, master(kept, folder / "one-go").path.read_bytes()


async def test_a_long_recording_is_mastered_while_it_runs(tmp_path: Path) -> None:
    async with WorkerProcess(tmp_path / "data", keep_up_after_secs=0.5) as worker:
        running = await worker.begin(1, "wav")
        running.hear(60 * MINUTES)
        await kept_up_with(running)
        settled = (60 * MINUTES - UNSETTLED_SECS) * WAV_SECOND_BYTES
        async with asyncio.timeout(PATIENCE_SECS):
            while running.grown.stat().st_size < settled:
                await asyncio.sleep(0.05)
        made, expected = await stopped_file(running, tmp_path)
        assert made == expected
        assert not list(worker.folder.spool.iterdir())
        assert worker.peak_bytes() < 200_000_000


async def test_a_worker_that_dies_meanwhile_leaves_a_whole_file(tmp_path: Path) -> None:
    async with WorkerProcess(tmp_path / "data", keep_up_after_secs=0.5) as worker:
        running = await worker.begin(1, "mp3")
        running.hear(60 * MINUTES)
        await kept_up_with(running)
        worker.kill()
        assert running.grown.exists()
        worker.start()
        running.hear(5)
        made, expected = await stopped_file(running, tmp_path)
        assert made == expected
        assert not list(worker.folder.spool.iterdir())
