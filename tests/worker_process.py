"""A worker process without a control process: recordings that run, as the spools of a data folder."""

import asyncio
import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Self

from bench_spool import BEGUN_NS, HEADER, PERIOD_NS, sound_records
from onrecord.app.folder import DataFolder
from onrecord.app.parts import database_url, open_database
from onrecord.calls.records import Recording, RecordingParams, RecordingState
from onrecord.core.ids import RecordingId
from onrecord.core.settings import Settings
from onrecord.jobs.client import prepare
from onrecord.spool.format import encode_begin, encode_fact
from stored_records import a_leg, a_recording, an_application

TOLD_SECS = 15.0


class WorkerProcess:
    """Tells the worker what the control process would tell it."""

    def __init__(self, data: Path, **settings: object) -> None:
        self.folder = DataFolder(data)
        self.folder.prepare()
        self.store = open_database(self.folder)
        self.settings = Settings(data=data, **settings)
        self.process: subprocess.Popen[bytes] | None = None

    async def __aenter__(self) -> Self:
        await self.store.start()
        await asyncio.to_thread(prepare, database_url(self.folder.database))
        await self.store.write(lambda unit: unit.add_application(an_application()))
        self.start()
        return self

    async def __aexit__(self, *_error: object) -> None:
        self.kill()
        await self.store.close()

    def start(self) -> None:
        """Start it; it may have been killed before."""
        self.process = subprocess.Popen(
            [sys.executable, "-m", "onrecord.app.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
        )
        first = {
            "settings": self.settings.model_dump(mode="json"),
            "public_url": "http://127.0.0.1:1",
        }
        self._tell(json.dumps(first))

    def kill(self) -> None:
        """SIGKILL."""
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.kill()
        self.process.wait()
        self.process.stdin.close()

    async def begin(self, number: int, form: str) -> "Running":
        """A recording that runs."""
        made = a_recording(
            number,
            application_id=an_application().id,
            state=RecordingState.RECORDING,
            params=RecordingParams(format=form, channels="dual"),
        )

        def work(unit: object) -> None:
            unit.add_leg(a_leg(number, application_id=made.application_id))
            unit.add_recording(made)

        await self.store.write(work)
        return Running(self, made)

    def tell(self, recording_id: RecordingId) -> None:
        """Have it finish a recording now."""
        self._tell(recording_id)

    def _tell(self, line: str) -> None:
        assert self.process is not None
        assert self.process.stdin is not None
        self.process.stdin.write(line.encode() + b"\n")
        self.process.stdin.flush()

    def peak_bytes(self) -> int:
        """Its greatest resident set so far."""
        assert self.process is not None
        lines = Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


class Running:
    """One recording that runs; its packets go straight to its spool."""

    def __init__(self, worker: WorkerProcess, recording: Recording) -> None:
        self._worker = worker
        self._recording = recording
        self.id = recording.id
        self.spool = worker.folder.spool / f"{recording.id}.spool"
        self.grown = worker.folder.spool / f"{recording.id}.grown.part.part"
        self._seconds = 0
        codecs = {"0": ["PCMU", 8000]}
        header = replace(HEADER, recording_id=recording.id, format=recording.params.format)
        start = encode_fact("start", BEGUN_NS, {"inbound": codecs, "outbound": codecs})
        self.spool.write_bytes(encode_begin(header) + start)

    def hear(self, seconds: int) -> None:
        """So much more audio."""
        with self.spool.open("ab") as file:
            file.writelines(sound_records(50 * self._seconds, 50 * (self._seconds + seconds)))
        self._seconds += seconds

    async def stop(self) -> None:
        """As the control process stops it: facts, row and job, then a word to the worker."""
        with self.spool.open("ab") as file:
            end = BEGUN_NS + 50 * self._seconds * PERIOD_NS
            file.write(encode_fact("stop", end, {"reason": "command"}))
        stopped = replace(self._recording, state=RecordingState.STOPPED)

        def work(unit: object) -> None:
            unit.save_recording(stopped)
            unit.enqueue_finish(self.id, TOLD_SECS)

        await self._worker.store.write(work)
        self._worker.tell(self.id)

    async def saved(self) -> Recording:
        """The recording once its file is there."""
        while True:
            now = await self._worker.store.read(lambda unit: unit.recording(self.id))
            assert now is not None
            if now.state is RecordingState.SAVED:
                return now
            assert now.state is RecordingState.STOPPED
            await asyncio.sleep(0.01)

    async def file(self) -> bytes:
        """The finished file."""
        saved = await self.saved()
        assert saved.file_key is not None
        return (self._worker.folder.recordings / saved.file_key).read_bytes()
