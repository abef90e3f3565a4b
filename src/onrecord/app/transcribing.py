"""Transcriptions in a process of their own: a fault in an engine's library ends that process only."""

import asyncio
import contextlib
import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import structlog

from onrecord.calls.records import RecordingParams
from onrecord.core.errors import DestinationError
from onrecord.core.settings import Settings
from onrecord.metrics import TRANSCRIPTIONS

MODULE = "onrecord.app.transcriber"
LONGEST_SECS = 12 * 3600.0
"""After that a try counts as failed; the next goes on where it was."""

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Transcribed:
    """Satisfies ``service.ports.Transcribed``."""

    text: str
    language: str
    engine: str
    segments: Sequence[Mapping[str, object]]


class ApartTranscriber:
    """Satisfies ``service.ports.Transcriber``; one child process for each transcription.

    Between transcriptions there is no model in memory.
    """

    def __init__(self, settings: Settings) -> None:
        self._settings = settings.model_dump(mode="json", exclude={"api_key"})

    async def transcribe(self, path: Path, progress: Path, params: RecordingParams) -> Transcribed:
        """What is said in the file.

        Raises:
            DestinationError: the engine refused or failed, or its process died.
        """
        job = {
            "settings": self._settings,
            "path": str(path),
            "progress": str(progress),
            "params": asdict(params),
        }
        try:
            async with asyncio.timeout(LONGEST_SECS):
                code, told = await _run(json.dumps(job).encode() + b"\n")
        except TimeoutError as error:
            raise DestinationError("the transcription took too long") from error
        try:
            return _read(code, told)
        except DestinationError as error:
            outcome = "retried" if error.retry else "refused"
            TRANSCRIPTIONS.labels(params.transcription_engine, outcome).inc()
            raise


async def _run(job: bytes) -> tuple[int | None, bytes]:
    """Exit code and output of the child; it does not outlive us, nor being cancelled."""
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", MODULE, stdin=pipe, stdout=pipe
    )
    log.info("transcriber_started", child_pid=process.pid)
    try:
        told, _ = await process.communicate(job)
    finally:
        with contextlib.suppress(ProcessLookupError):
            process.kill()
        await process.wait()
    return process.returncode, told


def _read(code: int | None, told: bytes) -> Transcribed:
    try:
        outcome = json.loads(told)
    except ValueError:
        raise DestinationError(f"the transcription's process died (code {code})") from None
    if "error" in outcome:
        raise DestinationError(outcome["error"], retry=outcome["retry"])
    made = Transcribed(**outcome)
    TRANSCRIPTIONS.labels(made.engine, "done").inc()
    return made
