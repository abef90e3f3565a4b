"""What this server would work with: engines, models, folders, ports, room on the disk."""

import os
import shutil
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from onrecord.app.engines import NO_ENGINE, Engines
from onrecord.app.folder import DataFolder
from onrecord.core.settings import Settings
from onrecord.speech import list_models

LEAST_FREE_BYTES = 1_000_000_000
"""An hour of a two-channel WAV file is 115 MB, and its spool about as much."""


@dataclass(frozen=True, slots=True)
class Check:
    """One line of the report."""

    what: str
    found: str
    ok: bool = True
    """False: the server would not work, or something that was set is not there."""


def examine(settings: Settings) -> Iterator[Check]:
    """All checks. Nothing is changed; a running server is not disturbed."""
    running = _is_running(settings)
    yield Check("server", "running on this data folder" if running else "not running here")
    yield _folder(settings.data)
    yield _room(settings.data)
    if not running:
        yield _port("HTTP port", settings.bind, settings.http_port, socket.SOCK_STREAM)
        yield _port("SIP port", settings.bind, settings.sip_port, socket.SOCK_DGRAM)
    ports = len(settings.rtp_port_range)
    yield Check("RTP ports", f"{settings.rtp_ports}, enough for {ports} legs")
    yield _engines(settings)
    yield from _models(settings)


def models_folder(settings: Settings) -> Path:
    """Where pulled models are."""
    return settings.models_folder or settings.data / "models"


def _is_running(settings: Settings) -> bool:
    running = DataFolder(settings.data).running()
    return running is not None and Path(f"/proc/{running.pid}").exists()


def _folder(folder: Path) -> Check:
    nearest = next(
        path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()
    )
    ok = nearest.is_dir() and os.access(nearest, os.W_OK | os.X_OK)
    state = "writable" if ok else f"{nearest} is not writable"
    return Check("data folder", f"{folder.absolute()}: {state}", ok)


def _room(folder: Path) -> Check:
    nearest = next(
        path for path in (folder.absolute(), *folder.absolute().parents) if path.exists()
    )
    free = shutil.disk_usage(nearest).free
    return Check("disk", f"{free / 1e9:.1f} GB free", free >= LEAST_FREE_BYTES)


def _port(what: str, bind: str, port: int, kind: socket.SocketKind) -> Check:
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    with socket.socket(family, kind) as probe:
        if kind is socket.SOCK_STREAM:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind((bind, port))
        except OSError as error:
            return Check(what, f"{bind}:{port}: {error.strerror}", ok=False)
    return Check(what, f"{bind}:{port}: free")


def _engines(settings: Settings) -> Check:
    usable = Engines(settings).usable()
    return Check("transcription engines", ", ".join(usable) or NO_ENGINE)


def _models(settings: Settings) -> Iterator[Check]:
    folder = models_folder(settings)
    names = [model.name for model in list_models(folder)]
    yield Check("models", f"{folder}: {', '.join(names) or 'none'}")
    yield Check("transcription_model", settings.transcription_model)
