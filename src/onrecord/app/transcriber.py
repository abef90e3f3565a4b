"""The process that makes one transcription. Started by the worker, which it does not outlive.

Its standard input brings one line of JSON: settings, path of the audio, path of the progress, and what was
asked for. Its standard output is the transcript as JSON, or ``{"error", "retry"}``.
"""

import json
import os
import signal
import sys
from pathlib import Path
from typing import Any

from onrecord.app.parent import end_with_parent
from onrecord.audio.reading import UnreadableAudioError
from onrecord.core.errors import DestinationError
from onrecord.core.logs import configure_logs
from onrecord.core.settings import Settings
from onrecord.speech import FileProgress, Transcriber, TranscriptionRequest

NICENESS = 10
"""Calls go first."""


def main() -> None:
    """Make it, say it, end."""
    end_with_parent()
    for name in (signal.SIGINT, signal.SIGTERM):
        signal.signal(name, signal.SIG_IGN)
    os.nice(NICENESS)
    job = json.loads(sys.stdin.readline())
    settings = Settings(**job["settings"])
    configure_logs(settings.log_level, settings.log_format, "transcriber")
    # What a library prints must not come between.
    with os.fdopen(os.dup(sys.stdout.fileno()), "w") as told:
        os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
        json.dump(_outcome(settings, job), told)


def _outcome(settings: Settings, job: dict[str, Any]) -> dict[str, Any]:
    params = job["params"]
    request = TranscriptionRequest(
        language=params["transcription_language"],
        profanity_filter=params["transcription_profanity_filter"],
        diarization=params["transcription_speaker_diarization"],
        min_speakers=params["transcription_min_speaker_count"],
        max_speakers=params["transcription_max_speaker_count"],
    )
    try:
        progress = FileProgress(Path(job["progress"]))
        transcript = Transcriber.from_settings(settings).transcribe(
            Path(job["path"]), params["transcription_engine"], request, progress
        )
    except DestinationError as error:
        return {"error": str(error), "retry": error.retry}
    except UnreadableAudioError as error:
        return {"error": str(error), "retry": False}
    return transcript.as_json()


if __name__ == "__main__":
    main()
