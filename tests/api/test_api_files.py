"""Finished files behind signed links: whole, in part, and not at all."""

from email.utils import formatdate
from pathlib import Path

import httpx
import pytest

from api.api_server import running_api

WAV = bytes(range(256)) * 4096
MP3 = b"ID3" + b"\x00" * 997
GOOD = {"expires": "1", "signature": "good"}


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    folder = tmp_path_factory.mktemp("files")
    (folder / "2026-02-03" / "r1").mkdir(parents=True)
    (folder / "2026-02-03" / "r1" / "name-1770091506.wav").write_bytes(WAV)
    (folder / "a.mp3").write_bytes(MP3)
    (folder / "empty.wav").write_bytes(b"")
    (folder / "zoë 1.mp3").write_bytes(MP3)
    with running_api(folder) as server:
        yield server


@pytest.fixture(scope="module")
def http(server):
    with httpx.Client(base_url=server.base) as http:
        yield http


def get(http, key="2026-02-03/r1/name-1770091506.wav", **headers):
    names = {name.replace("_", "-"): value for name, value in headers.items()}
    return http.get(f"/files/{key}", params=GOOD, headers=names)


def test_a_whole_file(http, server):
    response = get(http)
    assert response.status_code == 200
    assert response.content == WAV
    assert response.headers["content-type"] == "audio/wav"
    assert response.headers["content-length"] == str(len(WAV))
    assert response.headers["accept-ranges"] == "bytes"
    assert response.headers["content-disposition"] == 'attachment; filename="name-1770091506.wav"'
    path = server.fakes.files.folder / "2026-02-03/r1/name-1770091506.wav"
    modified = formatdate(path.stat().st_mtime, usegmt=True)
    assert response.headers["last-modified"] == modified
    assert response.headers["etag"].startswith('"')


def test_types_and_names(http):
    assert get(http, "a.mp3").headers["content-type"] == "audio/mpeg"
    response = get(http, "zo%C3%AB%201.mp3")
    assert response.content == MP3
    disposition = response.headers["content-disposition"]
    names = "filename=\"zo_ 1.mp3\"; filename*=UTF-8''zo%C3%AB%201.mp3"
    assert disposition == f"attachment; {names}"


def test_head_tells_the_same_without_the_file(http):
    whole = get(http)
    response = http.head("/files/2026-02-03/r1/name-1770091506.wav", params=GOOD)
    assert response.status_code == 200
    assert response.content == b""
    for name in ("content-length", "content-type", "etag", "last-modified", "content-disposition"):
        assert response.headers[name] == whole.headers[name]


def test_an_authorization_header_does_no_harm(http):
    for value in ("Bearer KEY_test", "Bearer wrong", "Basic eDp5"):
        assert get(http, Authorization=value).content == WAV


SIZE = len(WAV)


@pytest.mark.parametrize(
    ("asked", "start", "end"),
    [
        ("bytes=0-0", 0, 1),
        ("bytes=0-99", 0, 100),
        ("bytes=100-", 100, SIZE),
        ("bytes=-1", SIZE - 1, SIZE),
        (f"bytes=-{SIZE * 2}", 0, SIZE),
        (f"bytes=500-{SIZE * 9}", 500, SIZE),
        (f"bytes={SIZE - 1}-", SIZE - 1, SIZE),
        ("Bytes=300000-800000", 300_000, 800_001),
    ],
)
def test_parts(http, asked, start, end):
    response = get(http, Range=asked)
    assert response.status_code == 206
    assert response.content == WAV[start:end]
    assert response.headers["content-range"] == f"bytes {start}-{end - 1}/{SIZE}"
    assert response.headers["content-length"] == str(end - start)
    assert response.headers["content-type"] == "audio/wav"


@pytest.mark.parametrize("asked", [f"bytes={SIZE}-", f"bytes={SIZE + 5}-{SIZE + 9}", "bytes=-0"])
def test_parts_that_the_file_does_not_have(http, asked):
    response = get(http, Range=asked)
    assert response.status_code == 416
    assert response.headers["content-range"] == f"bytes */{SIZE}"
    assert response.json()["errors"][0]["code"] == "10033"


@pytest.mark.parametrize(
    "asked",
    ["bytes=", "bytes=-", "bytes=5-2", "items=0-1", "bytes=a-b", "bytes=0-1,4-5", "x", "bytes=٣-"],
)
def test_ranges_that_are_not_understood_are_ignored(http, asked):
    response = get(http, Range=asked.encode())
    assert response.status_code == 200
    assert response.content == WAV


def test_if_range(http):
    whole = get(http)
    for mark in (whole.headers["etag"], whole.headers["last-modified"]):
        assert get(http, Range="bytes=0-9", If_Range=mark).status_code == 206
    for other in ('"other"', f"W/{whole.headers['etag']}", "Thu, 01 Jan 1970 00:00:00 GMT"):
        response = get(http, Range="bytes=0-9", If_Range=other)
        assert response.status_code == 200
        assert response.content == WAV


def test_an_empty_file(http):
    response = get(http, "empty.wav")
    assert (response.status_code, response.content) == (200, b"")
    assert get(http, "empty.wav", Range="bytes=0-").status_code == 416


@pytest.mark.parametrize("query", [{}, {"expires": "1"}, {"expires": "1", "signature": "bad"}])
def test_a_link_that_is_not_signed(http, query):
    response = http.get("/files/a.mp3", params=query)
    assert response.status_code == 403
    assert response.json()["errors"][0]["code"] == "10010"


@pytest.mark.parametrize("key", ["gone.mp3", "2026-02-03", "2026-02-03/r1"])
def test_what_is_no_file_is_404(http, key):
    response = get(http, key)
    assert response.status_code == 404
    assert response.json()["errors"][0]["code"] == "10005"


def test_a_file_that_is_deleted_while_it_is_sent_is_still_whole(http, server):
    path = server.fakes.files.folder / "big.wav"
    path.write_bytes(WAV * 16)
    with http.stream("GET", "/files/big.wav", params=GOOD) as response:
        chunks = response.iter_bytes(65536)
        received = len(next(chunks))
        path.unlink()
        received += sum(map(len, chunks))
    assert received == len(WAV) * 16


def test_a_client_that_leaves_does_not_keep_the_file_open(http, server):
    path = server.fakes.files.folder / "left.wav"
    path.write_bytes(WAV * 32)
    with http.stream("GET", "/files/left.wav", params=GOOD) as response:
        next(response.iter_bytes(1024))
    for _ in range(200):
        if not any(_leads_to(link, path) for link in Path("/proc/self/fd").iterdir()):
            return
        http.get("/health/live")
    pytest.fail("the file stayed open")


def _leads_to(link, path):
    try:
        return link.readlink() == path
    except FileNotFoundError:
        return False
