"""Routes of finished files behind signed links: whole or in part, with or without an API key."""

import asyncio
import hashlib
import os
import re
import string
from collections.abc import AsyncIterator
from dataclasses import dataclass
from email.utils import formatdate
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO
from urllib.parse import quote

from fastapi import APIRouter, Request, Response
from starlette.responses import StreamingResponse
from starlette.types import Receive, Scope, Send

from onrecord.api.answers import error_answer
from onrecord.api.services import Files
from onrecord.wire import errors

MEDIA_TYPES = {".wav": "audio/wav", ".mp3": "audio/mpeg"}
CHUNK_BYTES = 256 * 1024

_RANGE = re.compile(r"bytes=\s*(\d{0,18})\s*-\s*(\d{0,18})\s*", re.ASCII | re.IGNORECASE)

_PLAIN = frozenset(string.ascii_letters + string.digits + " !#$&'()+,-.;=@[]^_`{}~")
"""What a quoted file name may hold that every client takes literally: not ``%``, quotes or backslashes."""


def file_routes(files: Files) -> APIRouter:
    """GET and HEAD /files/{key}."""
    router = APIRouter()

    @router.api_route("/files/{key:path}", methods=["GET", "HEAD"], response_model=None)
    async def fetch(key: str, request: Request) -> Response:
        query = request.query_params
        path = await files.path_for(key, query.get("expires", ""), query.get("signature", ""))
        opened = await asyncio.to_thread(_open, path)
        return _answer(opened, request)

    return router


@dataclass(frozen=True, slots=True)
class _Opened:
    """A file that is open for reading, and what a client may know of it."""

    file: BinaryIO
    name: str
    size_bytes: int
    etag: str
    modified: str


def _open(path: Path) -> _Opened:
    """Opening comes before anything is answered, so that a file deleted meanwhile is still whole."""
    try:
        file = path.open("rb")
    except (FileNotFoundError, IsADirectoryError) as error:
        raise errors.not_found("file") from error
    facts = os.fstat(file.fileno())
    mark = f"{facts.st_ino}-{facts.st_size}-{facts.st_mtime_ns}"
    etag = f'"{hashlib.sha256(mark.encode()).hexdigest()[:32]}"'
    return _Opened(file, path.name, facts.st_size, etag, formatdate(facts.st_mtime, usegmt=True))


def _answer(opened: _Opened, request: Request) -> Response:
    headers = {
        "Accept-Ranges": "bytes",
        "Content-Disposition": _disposition(opened.name),
        "ETag": opened.etag,
        "Last-Modified": opened.modified,
        "Cache-Control": "private, no-transform",
    }
    wanted = _wanted(opened, request)
    if wanted is None:
        opened.file.close()
        headers = {"Content-Range": f"bytes */{opened.size_bytes}"}
        return error_answer(errors.range_not_satisfiable(opened.size_bytes), headers)
    status, start, length = wanted
    if status == 206:
        headers["Content-Range"] = f"bytes {start}-{start + length - 1}/{opened.size_bytes}"
    headers["Content-Length"] = str(length)
    media_type = MEDIA_TYPES.get(PurePosixPath(opened.name).suffix, "application/octet-stream")
    body_bytes = 0 if request.method == "HEAD" else length
    return _FileStream(
        opened.file,
        (start, body_bytes),
        status_code=status,
        headers=headers,
        media_type=media_type,
    )


def _wanted(opened: _Opened, request: Request) -> tuple[int, int, int] | None:
    """Status, first byte and length; None: the range cannot be satisfied (RFC 9110 §14).

    A range that is not understood, several ranges, and one whose If-Range is for another version of
    the file are ignored, as §14.2 and §13.1.5 allow or demand.
    """
    size = opened.size_bytes
    match = _RANGE.fullmatch(request.headers.get("range", ""))
    condition = request.headers.get("if-range")
    if match is None or condition not in (None, opened.etag, opened.modified):
        return 200, 0, size
    first, last = match.groups()
    if not first and not last:
        return 200, 0, size
    if not first:
        start, end = max(size - int(last), 0), size
    else:
        start, end = int(first), min(int(last) + 1, size) if last else size
    if first and last and int(first) > int(last):
        return 200, 0, size
    return None if start >= end else (206, start, end - start)


def _disposition(name: str) -> str:
    """RFC 6266: the name as it is, and for clients that do not read RFC 8187 one in ASCII before it."""
    encoded = quote(name, safe="")
    plain = "".join(char if char in _PLAIN else "_" for char in name)
    extended = "" if plain == name else f"; filename*=UTF-8''{encoded}"
    return f'attachment; filename="{plain}"{extended}'


class _FileStream(StreamingResponse):
    """Sends a part of an open file and closes it, however the sending ends."""

    def __init__(self, file: BinaryIO, span: tuple[int, int], **given: Any) -> None:
        self._file = file
        super().__init__(_chunks(file, *span), **given)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await super().__call__(scope, receive, send)
        finally:
            self._file.close()


async def _chunks(file: BinaryIO, start: int, length: int) -> AsyncIterator[bytes]:
    while length > 0:
        chunk = await asyncio.to_thread(_read_at, file, start, min(CHUNK_BYTES, length))
        if not chunk:
            return
        start += len(chunk)
        length -= len(chunk)
        yield chunk


def _read_at(file: BinaryIO, start: int, size: int) -> bytes:
    return os.pread(file.fileno(), size, start)
