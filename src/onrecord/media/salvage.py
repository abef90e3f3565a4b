"""Salvage: what a media process had received but not yet folded when it died goes to the spools.

A datagram may be in its spool already when the process died in the middle of a fold. It is then
there twice, equal in track, arrival and sequence; the timeline takes such copies out.
"""

import fcntl
import os
import shutil
import time
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import structlog
from numpy.typing import NDArray

from onrecord.media.arena import FILE_NAME, ArenaError, ArenaView, Rows
from onrecord.media.capture import MAX_STREAMS, Kept, blocks, read_headers, read_journal
from onrecord.spool.format import encode_packets
from onrecord.spool.writer import SpoolWriter

log = structlog.get_logger()


EXIT_SECONDS = 3.0
"""So long a media process may take to end after its control process went away."""

_POLL_SECONDS = 0.02


def salvage(arena_dir: Path, spool_dir: Path, *, wait_seconds: float = EXIT_SECONDS) -> int:
    """Empty every arena under ``arena_dir`` into its spools; returns how many rows were written.

    An arena is removed once its rows are in the spools, so a repeat after a crash is harmless.
    Spools are looked for where they were and then, by name, in ``spool_dir``; rows of a spool
    that is gone are left out. A media process that is ending is waited for; the arena of one that
    lives on is not touched.

    Raises:
        OSError: an arena cannot be read or a spool not be written; that arena is kept.
    """
    if not arena_dir.is_dir():
        return 0
    folders = sorted(arena_dir.iterdir())
    return sum(salvage_arena(folder, spool_dir, wait_seconds=wait_seconds) for folder in folders)


def salvage_arena(folder: Path, spool_dir: Path, *, wait_seconds: float = 0.0) -> int:
    """Empty one arena as :func:`salvage` does; returns how many rows were written.

    Raises:
        OSError: it cannot be read or a spool not be written; it is kept.
    """
    lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        if _is_free(lock, wait_seconds):
            return _empty(folder, spool_dir)
    finally:
        os.close(lock)
    log.warning("arena_in_use", arena=folder.name)
    return 0


def _is_free(lock: int, wait_seconds: float) -> bool:
    """Whether the process that held the lock is gone, or goes in time."""
    deadline = time.monotonic() + wait_seconds
    while True:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            if time.monotonic() >= deadline:
                return False
            time.sleep(_POLL_SECONDS)
        else:
            return True


def _empty(folder: Path, spool_dir: Path) -> int:
    try:
        written = _move(folder, spool_dir)
    except (ArenaError, FileNotFoundError) as error:
        # It died before the first packet: the arena was not made yet.
        log.warning("arena_without_content", arena=folder.name, error=str(error))
        written = 0
    shutil.rmtree(folder)
    log.info("arena_salvaged", arena=folder.name, rows=written)
    return written


def _move(folder: Path, spool_dir: Path) -> int:
    streams = read_journal(folder)
    view = ArenaView((folder / FILE_NAME).read_bytes())
    rows = view.rows()
    rows = rows.only(np.argsort(rows.stream, kind="stable"))
    rows = rows.only(read_headers(view, rows).valid & _belongs(rows, streams))
    written = 0
    for block in blocks(view, rows):
        for path, track in streams[block.stream].spools:
            record = encode_packets(track, block.arrival_ns, block.size, block.data)
            written += len(block.size) if _append(Path(path), spool_dir, record) else 0
    return written


def _belongs(rows: Rows, streams: Mapping[int, Kept]) -> NDArray[np.bool_]:
    """Which rows some spool keeps."""
    since = np.full(MAX_STREAMS, np.iinfo(np.int64).max)
    for stream, kept in streams.items():
        if kept.spools:
            since[stream] = kept.since_ns
    return rows.arrival_ns > since[rows.stream]


def _append(path: Path, spool_dir: Path, record: bytes) -> bool:
    found = next((p for p in (path, spool_dir / path.name) if p.is_file()), None)
    if found is None:
        return False
    writer = SpoolWriter(found)
    try:
        writer.append(record)
    finally:
        writer.close()
    return True
