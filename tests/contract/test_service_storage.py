"""Recordings that belong in a bucket of their application; over a real database and a server that speaks S3."""

import httpx
import pytest

from onrecord.calls.commands import RecordStart
from onrecord.calls.lists import PageRequest, RecordingFilter
from onrecord.calls.records import RecordingParams, RecordingState
from onrecord.core.errors import CallerError, DestinationError, OnrecordError
from onrecord.core.units import NS_PER_S
from onrecord.service.destinations import Opened
from onrecord.service.vault import Vault, VaultError
from s3_server import SECRET

PAGE = PageRequest(1, 20)


async def recorded(bench, name=None):
    leg_id, token = await bench.answered()
    params = RecordingParams("mp3", "single", custom_file_name=name)
    result = await bench.calls.record_start(token, RecordStart(params))
    await bench.far_ends(leg_id)
    return leg_id, result.recording_id


def last(bench, leg_id):
    return bench.receiver.events(leg_id)[-1]


async def test_credentials_are_kept_sealed_and_go_with_their_application(bench, s3, tmp_path):
    application = bench.application.id
    with pytest.raises(CallerError, match="10005"):
        await bench.destinations.get(application)
    with pytest.raises(CallerError, match="10005"):
        await bench.destinations.put("no", "s3-generic", s3.configuration())
    await bench.destinations.put(application, "s3-generic", s3.configuration())
    kept = Opened(application, "s3-generic", s3.configuration())
    assert await bench.destinations.get(application) == kept
    for file in tmp_path.glob("onrecord.db*"):
        assert SECRET.encode() not in file.read_bytes()
    key = tmp_path / "keys" / "storage.key"
    assert key.stat().st_mode & 0o777 == 0o600
    await bench.destinations.delete(application)
    with pytest.raises(CallerError, match="10005"):
        await bench.destinations.delete(application)
    await bench.destinations.put(application, "s3-generic", s3.configuration())
    await bench.applications.delete(application)
    assert await bench.database.read(lambda unit: unit.storage(application)) is None


async def test_a_recording_goes_to_the_bucket(bench, s3):
    await bench.destinations.put(bench.application.id, "s3-generic", s3.configuration())
    leg_id, recording_id = await recorded(bench)
    await bench.finish_all()
    (key,) = s3.files
    saved = await bench.recordings.get(recording_id)
    assert (saved.file_key, saved.location) == (key, f"{s3.url}/recordings/{key}")
    assert list((bench.folder / "recordings").rglob("*.mp3")) == []
    kind, payload = last(bench, leg_id)
    assert kind == "call.recording.saved"
    for url in (payload["recording_urls"]["mp3"], await bench.recordings.link(saved)):
        assert httpx.get(url).content == s3.files[key]
    s3.status = 500
    with pytest.raises(DestinationError):
        await bench.recordings.delete(recording_id)
    assert await bench.recordings.get(recording_id) == saved
    s3.status = None
    await bench.recordings.delete(recording_id)
    assert s3.files == {}


@pytest.mark.parametrize("name", ["Büro 3", "日本語", "100% a+b&c=d#e~{f}[g]", "📼" * 40])
async def test_a_bucket_takes_any_name_and_gives_the_file_by_its_links(bench, s3, name):
    await bench.destinations.put(bench.application.id, "s3-generic", s3.configuration())
    _, recording_id = await recorded(bench, name)
    await bench.finish_all()
    saved = await bench.recordings.get(recording_id)
    assert saved.file_key.split("/")[2].rpartition("-")[0] == name
    assert list(s3.files) == [saved.file_key]
    assert httpx.get(await bench.recordings.link(saved)).content == s3.files[saved.file_key]
    assert saved.location.isascii()
    await bench.recordings.delete(recording_id)
    assert s3.files == {}


async def test_a_file_whose_credentials_are_gone_stays_and_shows_its_address(bench, s3):
    await bench.destinations.put(bench.application.id, "s3-generic", s3.configuration())
    _, recording_id = await recorded(bench)
    await bench.finish_all()
    await bench.destinations.delete(bench.application.id)
    saved = await bench.recordings.get(recording_id)
    assert await bench.recordings.link(saved) == saved.location
    await bench.recordings.delete(recording_id)
    assert len(s3.files) == 1


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials_are_told_and_the_file_is_kept_here(bench, s3, status):
    await bench.destinations.put(bench.application.id, "s3-generic", s3.configuration())
    s3.status = status
    leg_id, recording_id = await recorded(bench)
    await bench.finish_all()
    kind, payload = last(bench, leg_id)
    assert kind == "call.recording.error"
    assert payload["reason"] == "Failed to authorize with storage using custom credentials"
    kept = await bench.recordings.get(recording_id)
    assert (kept.state, kept.location) == (RecordingState.SAVED, None)
    assert (bench.folder / "recordings" / kept.file_key).exists()
    assert (await bench.recordings.list(RecordingFilter(), PAGE)).total == 1


async def test_a_bucket_that_fails_is_tried_again_before_this_server_keeps_the_file(bench, s3):
    await bench.destinations.put(bench.application.id, "s3-generic", s3.configuration())
    s3.status = 503
    leg_id, recording_id = await recorded(bench)
    with pytest.raises(DestinationError):
        await bench.finish_all()
    assert (await bench.recording(recording_id)).state is RecordingState.STOPPED
    assert "call.recording.error" not in bench.receiver.types(leg_id)
    bench.clock.shift_ns += 40 * NS_PER_S
    await bench.finish_all()
    kind, payload = last(bench, leg_id)
    assert (kind, payload["reason"]) == ("call.recording.error", "Internal server error")
    assert (await bench.recordings.get(recording_id)).location is None


async def test_a_bucket_that_comes_back_gets_the_file(bench, s3):
    await bench.destinations.put(bench.application.id, "s3-generic", s3.configuration())
    s3.status = 503
    leg_id, _ = await recorded(bench)
    with pytest.raises(DestinationError):
        await bench.finish_all()
    s3.status = None
    await bench.finish_all()
    assert (last(bench, leg_id)[0], len(s3.files)) == ("call.recording.saved", 1)


async def test_credentials_that_cannot_be_read_are_told_by_the_first_recording(bench, s3):
    unreadable = {"bucket": "b", "credentials": "x"}
    await bench.destinations.put(bench.application.id, "gcs", unreadable)
    leg_id, recording_id = await recorded(bench)
    await bench.finish_all()
    kind, payload = last(bench, leg_id)
    assert (kind, payload["reason"]) == ("call.recording.error", "Invalid credentials json")
    await bench.destinations.put(bench.application.id, "s3-generic", s3.configuration())
    await bench.move_all()
    assert (await bench.recordings.get(recording_id)).file_key in s3.files


async def kept_here(bench, s3):
    """A recording whose file is here because its bucket answered 403; and the call's leg."""
    await bench.destinations.put(bench.application.id, "s3-generic", s3.configuration())
    s3.status = 403
    leg_id, recording_id = await recorded(bench)
    await bench.finish_all()
    assert (await bench.recording(recording_id)).is_misplaced
    return leg_id, recording_id


async def test_a_kept_file_is_moved_once_the_bucket_takes_it(bench, s3):
    leg_id, recording_id = await kept_here(bench, s3)
    assert [(job[0], job[2]) for job in bench.jobs.all("move")] == [(recording_id, 60.0)]
    with pytest.raises(OnrecordError):
        await bench.move_all()
    assert (await bench.recording(recording_id)).is_misplaced
    s3.status = None
    await bench.move_all()
    moved = await bench.recordings.get(recording_id)
    assert (moved.failure, moved.location) == (None, f"{s3.url}/recordings/{moved.file_key}")
    assert list((bench.folder / "recordings").rglob("*.mp3")) == []
    kind, payload = last(bench, leg_id)
    assert kind == "call.recording.saved"
    for url in (payload["recording_urls"]["mp3"], await bench.recordings.link(moved)):
        assert httpx.get(url).content == s3.files[moved.file_key]
    told = len(bench.receiver.events(leg_id))
    await bench.move_all()
    assert len(bench.receiver.events(leg_id)) == told, "a repeat tells nothing"


async def test_new_credentials_move_what_the_old_ones_left_here(bench, s3):
    leg_id, recording_id = await kept_here(bench, s3)
    s3.status = None
    await bench.destinations.put(bench.application.id, "s3-generic", s3.configuration())
    (first, again) = bench.jobs.all("move")
    assert (again[0], again[2]) == (recording_id, 0.0)
    assert again[1] != first[1], "a row of tries of its own"
    await bench.move_all()
    assert last(bench, leg_id)[0] == "call.recording.saved"
    await bench.destinations.put(bench.application.id, "s3-generic", s3.configuration())
    assert len(bench.jobs.all("move")) == 2


async def test_a_crash_between_the_commit_and_the_deletion_is_made_good(bench, s3):
    _, recording_id = await kept_here(bench, s3)
    kept = bench.folder / "recordings" / (await bench.recording(recording_id)).file_key
    content = kept.read_bytes()
    s3.status = None
    await bench.move_all()
    kept.write_bytes(content)
    await bench.move_all()
    assert not kept.exists()


async def test_what_is_deleted_or_is_to_stay_here_by_now_is_not_moved(bench, s3):
    _, recording_id = await kept_here(bench, s3)
    s3.status = None
    await bench.destinations.delete(bench.application.id)
    await bench.move_all()
    kept = await bench.recordings.get(recording_id)
    assert (bench.folder / "recordings" / kept.file_key).exists()
    await bench.destinations.put(bench.application.id, "s3-generic", s3.configuration())
    await bench.recordings.delete(recording_id)
    await bench.move_all()
    assert s3.files == {}


async def test_a_file_that_is_moved_while_it_is_deleted_is_in_no_bucket(bench, s3):
    _, recording_id = await kept_here(bench, s3)
    s3.status = None
    delete = bench.storage.delete

    async def moved_before(key):
        bench.storage.delete = delete
        await bench.move_all()
        await delete(key)

    bench.storage.delete = moved_before
    await bench.recordings.delete(recording_id)
    assert s3.files == {}
    assert await bench.recording(recording_id) is None


async def test_of_two_moves_at_once_one_tells_and_neither_takes_the_file_away(bench, s3):
    leg_id, recording_id = await kept_here(bench, s3)
    s3.status = None
    buckets = bench.destinations.bucket
    slow = await buckets(bench.application.id)

    async def put_slowly(key, source):
        await type(slow).put(slow, key, source)
        other_name = s3.configuration(endpoint=s3.url.replace("127.0.0.1", "localhost"))
        await bench.destinations.put(bench.application.id, "s3-generic", other_name)
        await bench.moving.move(recording_id)

    async def first_the_slow_one(_):
        bench.destinations.bucket = buckets
        return slow

    slow.put = put_slowly
    bench.destinations.bucket = first_the_slow_one
    await bench.moving.move(recording_id)
    await bench.settle()
    moved = await bench.recordings.get(recording_id)
    assert list(s3.files) == [moved.file_key]
    assert moved.location.startswith("http://localhost")
    assert bench.receiver.types(leg_id).count("call.recording.saved") == 1
    assert not (bench.folder / "recordings" / moved.file_key).exists()


def test_the_vault_opens_only_what_it_sealed_for_the_same_owner(tmp_path):
    vault = Vault(tmp_path / "keys" / "storage.key")
    sealed = vault.seal(b"secret", "one")
    assert b"secret" not in sealed
    assert Vault(tmp_path / "keys" / "storage.key").open(sealed, "one") == b"secret"
    with pytest.raises(VaultError, match="not the key"):
        vault.open(sealed, "two")
    with pytest.raises(VaultError, match="not the key"):
        Vault(tmp_path / "other.key").open(sealed, "one")
    (tmp_path / "short.key").write_bytes(b"short")
    with pytest.raises(VaultError, match="must hold 32 bytes"):
        Vault(tmp_path / "short.key").seal(b"", "one")
