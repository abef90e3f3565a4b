"""The local folder: files are there whole or not at all, and nothing outside is reached."""

import asyncio
import os
from pathlib import Path

import pytest

from onrecord.core.errors import DestinationError
from onrecord.core.units import NS_PER_S
from onrecord.storage import LinkError, LinkFault, Links, LocalStorage, local

KEY = "2026-01-02/id/name-1.wav"
NOW = 1_700_000_000 * NS_PER_S
LINKS = Links("http://host", b"s" * 32, 600)


@pytest.fixture
def storage(tmp_path):
    return LocalStorage(tmp_path / "recordings", LINKS)


def a_file(folder: Path, text="audio", name="source"):
    path = folder / name
    path.write_text(text)
    return path


def files_in(folder: Path):
    return sorted(str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file())


async def test_a_file_is_moved_to_its_key_and_given_by_its_link(storage, tmp_path):
    source = a_file(tmp_path)
    await storage.put(KEY, source)
    assert not source.exists()
    assert files_in(tmp_path / "recordings") == [KEY]
    link = storage.link(KEY, NOW)
    assert link.startswith(f"http://host/files/{KEY}?expires=1700000600&signature=")
    expires, signature = (part.split("=", 1)[1] for part in link.split("?")[1].split("&"))
    path = storage.path_for(KEY, expires, signature, NOW)
    assert path.read_text() == "audio"
    assert storage.open_link(KEY, expires, signature, NOW) == path
    assert reason(storage, KEY, expires, signature, NOW + 600 * NS_PER_S) is LinkFault.EXPIRED
    assert reason(storage, KEY, expires, "no", NOW) is LinkFault.WRONG
    await storage.delete(KEY)
    assert reason(storage, KEY, expires, signature, NOW) is LinkFault.MISSING
    assert storage.open_link(KEY, expires, signature, NOW) == path
    assert storage.open_link(KEY, expires, "no", NOW) is None


def reason(storage, *arguments):
    with pytest.raises(LinkError) as caught:
        storage.path_for(*arguments)
    return caught.value.reason


async def test_a_repeat_is_harmless(storage, tmp_path):
    source = a_file(tmp_path, "first")
    await storage.put(KEY, source)
    # A crash after the move: the same call again, and again with a file made anew.
    await storage.put(KEY, source)
    await storage.put(KEY, a_file(tmp_path, "second"))
    stored = tmp_path / "recordings" / KEY
    assert stored.read_text() == "second"
    # What is later written to the source's path is not the stored file.
    a_file(tmp_path, "third")
    assert stored.read_text() == "second"


async def test_names_are_made_durable_that_may_not_be(storage, tmp_path, monkeypatch):
    synced = []

    def sync(path):
        synced.append(str(path.relative_to(tmp_path)))
        sync_really(path)

    sync_really = local._sync
    monkeypatch.setattr(local, "_sync", sync)

    async def put(key):
        synced.clear()
        await storage.put(key, a_file(tmp_path))
        return sorted(set(synced) - {"source"})

    first, date = ["recordings/1/a", "recordings/1"], "recordings"
    assert await put("1/a/x") == sorted([*first, date, "."])
    assert await put("1/a/y") == sorted(first)
    assert await put("1/b/x") == sorted(["recordings/1/b", "recordings/1"])
    assert await put("2/b/x") == sorted(["recordings/2/b", "recordings/2", date])
    # Who deletes may be another process.
    others = LocalStorage(tmp_path / "recordings", LINKS)
    for key in ("1/a/x", "1/a/y", "1/b/x"):
        await others.delete(key)
    assert await put("1/a/x") == sorted([*first, date])


async def test_another_file_system_is_copied_to(storage, tmp_path):
    shared = Path("/dev/shm")
    if not shared.is_dir() or shared.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is one file system only")
    source = a_file(shared, "far", f"onrecord-test-{os.getpid()}")
    await storage.put(KEY, source)
    assert not source.exists()
    assert files_in(tmp_path / "recordings") == [KEY]
    assert (tmp_path / "recordings" / KEY).read_text() == "far"


async def test_a_delete_takes_empty_folders_and_no_others(storage, tmp_path):
    other = "2026-01-02/other/name-2.wav"
    await storage.put(KEY, a_file(tmp_path))
    await storage.put(other, a_file(tmp_path))
    await storage.delete(KEY)
    await storage.delete(KEY)
    root = tmp_path / "recordings"
    assert files_in(root) == [other]
    assert not (root / "2026-01-02" / "id").exists()
    await storage.delete(other)
    assert list(root.iterdir()) == []


async def test_a_delete_beside_a_put_disturbs_nothing(storage, tmp_path):
    async def puts():
        for n in range(60):
            await storage.put(f"day/a/{n}.wav", a_file(tmp_path, name=f"s{n}"))
            await storage.delete(f"day/a/{n}.wav")

    async def deletes():
        for n in range(60):
            await storage.delete(f"day/a/x{n}.wav")

    await asyncio.gather(puts(), deletes(), deletes())


@pytest.mark.parametrize("key", ["../x", "/etc/passwd", "a/../../x", "a\0b", ""])
async def test_keys_outside_the_folder_are_refused(storage, tmp_path, key):
    source = a_file(tmp_path)
    with pytest.raises(ValueError, match="not a file key"):
        await storage.put(key, source)
    with pytest.raises(ValueError, match="not a file key"):
        await storage.delete(key)
    assert source.read_text() == "audio"
    from onrecord.storage.links import sign

    signature = sign(LINKS.secret, f"files/{key}", 1_700_000_600)
    assert reason(storage, key, "1700000600", signature, NOW) is LinkFault.WRONG


async def test_a_folder_that_cannot_take_it_says_so_and_leaves_the_source(tmp_path):
    blocked = a_file(tmp_path, "a file", "recordings")
    storage = LocalStorage(blocked, LINKS)
    source = a_file(tmp_path)
    with pytest.raises(DestinationError, match="cannot take a file") as caught:
        await storage.put(KEY, source)
    assert caught.value.retry
    assert source.read_text() == "audio"
    storage = LocalStorage(tmp_path / "other", LINKS)
    with pytest.raises(DestinationError):
        await storage.put(KEY, tmp_path / "not there")
