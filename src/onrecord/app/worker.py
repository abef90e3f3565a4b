"""The worker process: finishes recordings and retries webhooks. Started by the control process.

Its standard input brings the settings as one line of JSON, then the ids of recordings to finish, one in
a line, and stays open while the control process lives.
"""

import asyncio
import gc
import json
import signal
import sys

import numpy as np
import uvloop
from numpy.typing import NDArray

from onrecord.app.figures import report
from onrecord.app.heap import keep_memory
from onrecord.app.parent import end_with_parent
from onrecord.app.parts import Parts, database_url, open_parts
from onrecord.app.transcribing import ApartTranscriber
from onrecord.core.ids import RecordingId
from onrecord.core.logs import configure_logs
from onrecord.core.settings import Settings
from onrecord.jobs.moving import Moving as MovingJobs
from onrecord.jobs.transcribing import Transcribing as TranscribingJobs
from onrecord.jobs.worker import Worker
from onrecord.mastering import Masters
from onrecord.service.finishing import Finishing
from onrecord.service.moving import Moving
from onrecord.service.pruning import Pruning
from onrecord.service.recording import TOLD_SECS
from onrecord.service.transcribing import Transcribing, TranscriptionFiles

PRUNE_SECS = 60.0
ROUND_SECS = 2.0
SWEEP_SECS = 5.0


def main() -> None:
    """Run until the control process goes away."""
    end_with_parent()
    keep_memory()
    # A terminal's Ctrl-C and a service's stop reach us too; the control process tells us when to end.
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    # Unbuffered: the lines behind it are for the event loop.
    with open(sys.stdin.fileno(), "rb", buffering=0, closefd=False) as told:
        first = json.loads(told.readline())
    settings, public_url = Settings(**first["settings"]), first["public_url"]
    configure_logs(settings.log_level, settings.log_format, "worker")
    uvloop.run(_run(settings, public_url))


async def _run(settings: Settings, public_url: str) -> None:
    async with open_parts(settings, public_url) as parts:
        masters = Masters(
            parts.folder.spool, _speech_bounds, after_secs=settings.keep_up_after_secs
        )
        worker = _worker(parts, masters)
        tasks = [
            asyncio.create_task(worker.run()),
            asyncio.create_task(_keep_up(masters)),
            asyncio.create_task(_sweep(parts)),
            asyncio.create_task(_prune(parts)),
            asyncio.create_task(report()),
        ]
        tasks.append(asyncio.create_task(_told(worker)))
        gc.freeze()  # what there is now stays
        done, pending = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in pending:
            task.cancel()
        await asyncio.gather(*pending, return_exceptions=True)
        await asyncio.to_thread(masters.close)
        for task in done:
            if not task.cancelled():
                task.result()


def _worker(parts: Parts, masters: Masters) -> Worker:
    files = TranscriptionFiles(parts.folder.transcriptions)
    finishing = Finishing(
        store=parts.store,
        storage=parts.storage,
        destinations=parts.destinations,
        mastering=masters,
        spools=parts.spools,
        delivery=parts.delivery,
        announcements=parts.announcements,
        clock=parts.clock,
        transcriptions=files,
    )
    transcribing = Transcribing(
        store=parts.store,
        transcriber=ApartTranscriber(parts.settings),
        files=files,
        delivery=parts.delivery,
        announcements=parts.announcements,
        clock=parts.clock,
    )
    moving = Moving(
        store=parts.store,
        storage=parts.storage,
        destinations=parts.destinations,
        delivery=parts.delivery,
        announcements=parts.announcements,
        clock=parts.clock,
    )
    node = parts.settings.node

    async def waiting(within_secs: float) -> bool:
        return await parts.store.read(lambda unit: unit.jobs_waiting(node, within_secs))

    return Worker(
        database_url(parts.folder.database),
        node,
        finishing.finish,
        parts.delivery.attempt,
        give_up=finishing.give_up,
        waiting=waiting,
        locks=parts.folder.locks,
        moving=MovingJobs(moving.move),
        transcribing=TranscribingJobs(transcribing.transcribe, transcribing.give_up),
        told_secs=TOLD_SECS,
    )


def _speech_bounds(samples: NDArray[np.int16], rate: int) -> tuple[int, int] | None:
    """The trimmer; most workers never need what it brings along."""
    from onrecord.speech.trim import trim_bounds

    return trim_bounds(samples, rate)


async def _keep_up(masters: Masters) -> None:
    while True:
        await asyncio.to_thread(masters.round)
        await asyncio.sleep(ROUND_SECS)


async def _sweep(parts: Parts) -> None:
    while True:
        await parts.delivery.sweep()
        await asyncio.sleep(SWEEP_SECS)


async def _prune(parts: Parts) -> None:
    pruning = Pruning(parts.store, parts.clock, parts.settings.keep_history_days)
    while True:
        await pruning.prune()
        await asyncio.sleep(PRUNE_SECS)


async def _told(worker: Worker) -> None:
    """Hand on what the control process says, until it is gone."""
    loop = asyncio.get_running_loop()
    reader = asyncio.StreamReader()
    await loop.connect_read_pipe(lambda: asyncio.StreamReaderProtocol(reader), sys.stdin)
    async for line in reader:
        worker.finish_soon(RecordingId(line.decode().strip()))


if __name__ == "__main__":
    main()
