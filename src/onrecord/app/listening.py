"""The listener process, seen from the control process: started when a recording needs it, ended when none does."""

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import structlog

from onrecord.app.children import Child
from onrecord.core.ids import RecordingId
from onrecord.core.settings import Settings
from onrecord.metrics import LISTENING_BACKLOG
from onrecord.service.background import Background

log = structlog.get_logger()

IDLE_SECS = 60.0


@dataclass(slots=True)
class _Wanted:
    told: dict[str, object]
    silent: Callable[[], None]

    @property
    def line(self) -> str:
        return json.dumps({"listen": self.told})


class Listening:
    """Satisfies ``service.ports.Listening``."""

    def __init__(self, settings: Settings, background: Background) -> None:
        self._settings = settings
        self._background = background
        self._wanted: dict[RecordingId, _Wanted] = {}
        self._child: Child | None = None
        self._idle: asyncio.TimerHandle | None = None

    def listen(
        self,
        recording_id: RecordingId,
        path: Path,
        *,
        timeout_secs: int,
        track: str,
        silent: Callable[[], None],
    ) -> None:
        """Call ``silent`` once when the recording at ``path`` has been silent for so long after speech."""
        told = {
            "recording_id": recording_id,
            "path": str(path.absolute()),
            "timeout_secs": timeout_secs,
            "track": track,
            "spoken": False,
        }
        self._wanted[recording_id] = _Wanted(told, silent)
        if self._idle is not None:
            self._idle.cancel()
            self._idle = None
        if self._child is None:
            self._child = Child(
                "listener",
                "onrecord.app.listener",
                self._settings,
                "",
                on_start=self._tell_all,
                on_line=self._heard,
            )
            self._background.spawn(self._child.start(), "start_listener")
        else:
            self._child.tell(self._wanted[recording_id].line)

    @property
    def running(self) -> bool:
        """Whether there is a process."""
        return self._child is not None

    def forget(self, recording_id: RecordingId) -> None:
        """Listen no more; unknown ids are no fault."""
        if self._wanted.pop(recording_id, None) is not None and self._child is not None:
            self._child.tell(json.dumps({"forget": recording_id}))
        self._rest()

    def _rest(self) -> None:
        """End the process after a while in which nothing is listened to."""
        if self._child is not None and not self._wanted and self._idle is None:
            self._idle = asyncio.get_running_loop().call_later(
                IDLE_SECS, lambda: self._background.spawn(self._end(), "end_listener")
            )

    async def close(self) -> None:
        """End the process, if it runs."""
        if self._idle is not None:
            self._idle.cancel()
        self._wanted.clear()
        await self._end()

    async def _end(self) -> None:
        child, self._idle = self._child, None
        if child is not None and not self._wanted:
            self._child = None
            LISTENING_BACKLOG.set(0)
            await child.close()

    def _tell_all(self, child: Child) -> None:
        for wanted in self._wanted.values():
            child.tell(wanted.line)

    def _heard(self, line: bytes) -> None:
        try:
            message = json.loads(line)
        except ValueError:
            return
        match message:
            case {"silent": str(recording_id)}:
                wanted = self._wanted.pop(RecordingId(recording_id), None)
                self._rest()
                if wanted is not None:
                    wanted.silent()
            case {"spoken": str(recording_id)}:
                if (wanted := self._wanted.get(RecordingId(recording_id))) is not None:
                    wanted.told["spoken"] = True
            case {"backlog": float(secs) | int(secs)}:
                LISTENING_BACKLOG.set(secs)
            case _:
                log.warning("listener_not_understood")
