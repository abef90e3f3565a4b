"""Applications, numbers, recordings, files, keys and the account; over a real database."""

import asyncio
import base64
from urllib.parse import parse_qs, urlsplit

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from onrecord.calls.commands import ApplicationFields, RecordStart
from onrecord.calls.lists import PageRequest, RecordingFilter
from onrecord.calls.records import RecordingParams
from onrecord.core.errors import CallerError, DestinationError
from onrecord.core.units import NS_PER_S
from onrecord.service.account import Account
from onrecord.service.files import Files
from onrecord.service.keys import Keys
from onrecord.service.numbers import Numbers
from reported import gappy, kept


async def refused(awaitable):
    with pytest.raises(CallerError) as raised:
        await awaitable
    return raised.value.status, raised.value.faults[0].code


async def saved_recording(bench):
    leg_id, token = await bench.answered()
    params = RecordingParams("mp3", "single")
    result = await bench.calls.record_start(token, RecordStart(params))
    await bench.far_ends(leg_id)
    await bench.finish_all()
    return result.recording_id


# Applications and numbers


async def test_the_life_of_an_application(bench):
    fields = ApplicationFields("one", "http://r/", document={"tags": ["a"], "x": 1})
    made = await bench.applications.create(fields)
    assert len(made.id) == 19
    assert await bench.applications.get(made.id) == made
    changed = await bench.applications.update(
        made.id, ApplicationFields("two", "http://s/", "http://t/", 5000, document={"x": 2})
    )
    assert (changed.name, changed.webhook_url, changed.webhook_timeout_ms) == (
        "two",
        "http://s/",
        5000,
    )
    assert changed.document == {"tags": ["a"], "x": 2}
    assert changed.created_ns == made.created_ns < changed.updated_ns
    page = await bench.applications.list(PageRequest(), "TWO", "-created_at")
    assert [app.name for app in page.items] == ["two"]
    assert (await bench.applications.delete(made.id)).name == "two"
    for gone in (
        bench.applications.get(made.id),
        bench.applications.delete(made.id),
        bench.applications.update(made.id, fields),
    ):
        assert await refused(gone) == (404, "10005")


async def test_numbers_are_routed_and_routed_anew(bench):
    numbers = Numbers(bench.database, bench.clock)
    first = await numbers.route("+15550001", bench.application.id)
    other = await bench.applications.create(ApplicationFields("other", "http://r/"))
    again = await numbers.route("sip:+15550001@anywhere", other.id)
    assert (again.address, again.application_id) == ("+15550001", other.id)
    assert again.created_ns == first.created_ns
    assert (await numbers.list(PageRequest())).total == 1
    assert await refused(numbers.route("+15550001", "123")) == (422, "10015")
    leg_id = await bench.incoming()
    assert (await bench.row(leg_id)).application_id == other.id
    await bench.applications.delete(other.id)
    leg_id = await bench.incoming()
    assert (await bench.row(leg_id)).application_id == bench.application.id


# Recordings and files


async def test_recordings_are_found_linked_and_deleted(bench):
    recordings = bench.recordings
    ids = [await saved_recording(bench) for _ in range(3)]
    found = await recordings.get(ids[0])
    assert found.file_key in await recordings.link(found)
    page = await recordings.list(RecordingFilter(), PageRequest(1, 2))
    assert [each.id for each in page.items] == [ids[2], ids[1]]
    assert (await recordings.delete(ids[0])).id == ids[0]
    assert not (bench.storage.folder / found.file_key).exists()
    assert await refused(recordings.get(ids[0])) == (404, "10005")
    assert await refused(recordings.delete(ids[0])) == (404, "10005")
    await recordings.delete_many([*ids, "nonsense", ids[1]])
    assert (await recordings.list(RecordingFilter(), PageRequest())).total == 0


async def test_an_unfinished_recording_is_not_to_be_seen(bench):
    recordings = bench.recordings
    _, token = await bench.answered()
    result = await bench.calls.record_start(token, RecordStart(RecordingParams("wav", "dual")))
    assert await refused(recordings.get(result.recording_id)) == (404, "10005")
    assert await refused(recordings.delete(result.recording_id)) == (404, "10005")
    assert await recordings.link(await bench.recording(result.recording_id)) is None


async def test_the_report_comes_with_the_recording_and_goes_with_it(bench):
    recordings = bench.recordings
    _, token = await bench.answered()
    running = await bench.calls.record_start(token, RecordStart(RecordingParams("wav", "dual")))
    with pytest.raises(CallerError, match="not finished") as refusal:
        await recordings.report(running.recording_id)
    assert refusal.value.status == 404
    assert await refused(recordings.report("nonsense")) == (404, "10005")

    recording_id = await saved_recording(bench)
    recording, report = await recordings.report(recording_id)
    assert (recording.id, report.recording_id) == (recording_id, recording_id)
    assert recording.fidelity == gappy().fidelity
    assert report == kept(gappy(), recording_id)
    await recordings.delete(recording_id)
    assert await refused(recordings.report(recording_id)) == (404, "10005")
    assert await bench.database.read(lambda unit: unit.report(recording_id)) is None


async def test_a_picture_is_for_who_has_its_link_for_ten_minutes(bench):
    recordings = bench.recordings
    one, other = [await saved_recording(bench) for _ in range(2)]
    query = parse_qs(urlsplit(recordings.picture_link(one)).query)
    expires, signature = query["expires"][0], query["signature"][0]
    assert await recordings.pictured(one, expires, signature) == await recordings.report(one)
    for wrong in (
        (other, expires, signature),
        (one, str(int(expires) + 1), signature),
        (one, expires, signature[::-1]),
        (one, "", ""),
    ):
        assert await refused(recordings.pictured(*wrong)) == (403, "10010")
    await recordings.delete(one)
    assert await refused(recordings.pictured(one, expires, signature)) == (404, "10005")
    bench.clock.shift_ns += 601 * NS_PER_S
    assert await refused(recordings.pictured(one, expires, signature)) == (403, "10010")


async def test_a_file_that_stays_keeps_its_recording(bench, monkeypatch):
    recordings = bench.recordings
    recording_id = await saved_recording(bench)

    async def refuse(key):
        raise DestinationError("no")

    monkeypatch.setattr(bench.storage, "delete", refuse)
    with pytest.raises(DestinationError):
        await recordings.delete(recording_id)
    assert (await recordings.get(recording_id)).id == recording_id


async def test_files(tmp_path):
    class Links:
        def open_link(self, key, expires, signature, now_ns):
            return tmp_path / key if signature == "right" and int(expires) > now_ns else None

    class Clock:
        def utc_ns(self):
            return 5

    (tmp_path / "a.wav").write_bytes(b"x")
    files = Files(Links(), Clock())
    assert await files.path_for("a.wav", "6", "right") == tmp_path / "a.wav"
    for key, expires, signature, status in (
        ("a.wav", "4", "right", 403),
        ("a.wav", "6", "wrong", 403),
        ("b.wav", "6", "right", 404),
    ):
        with pytest.raises(CallerError) as raised:
            await files.path_for(key, expires, signature)
        assert raised.value.status == status


# Keys and account


async def test_the_life_of_a_key(bench):
    keys = Keys(bench.database, bench.clock)
    key, text = await keys.create("laptop")
    assert text.startswith("KEY")
    assert len(text) == 46
    assert text.startswith(key.hint)
    assert text.encode() not in (bench.folder / "onrecord.db").read_bytes()
    assert await keys.check(text)
    for wrong in ("", "KEY", text[:-1], text + "x", text.lower(), "\ud800", "é"):
        assert not await keys.check(wrong)
    assert [each.name for each in await keys.list()] == ["laptop"]
    await keys.revoke(key.id)
    assert not await keys.check(text)
    assert (await keys.revoke(key.id)).revoked_ns is not None
    assert await refused(keys.revoke("unknown")) == (404, "10005")


async def test_changes_by_another_process_take_effect_within_seconds(bench):
    keys, elsewhere = Keys(bench.database, bench.clock), Keys(bench.database, bench.clock)
    key, text = await elsewhere.create("a")
    assert await keys.check(text)
    await elsewhere.revoke(key.id)
    bench.clock.shift_ns += 2_100_000_000
    assert not await keys.check(text)
    _, text = await elsewhere.create("b")
    bench.clock.shift_ns += 300_000_000
    assert await keys.check(text)


async def test_checks_mostly_leave_the_database_alone(bench, monkeypatch):
    keys = Keys(bench.database, bench.clock)
    _, text = await keys.create("a")
    reads = 0
    read = bench.database.read

    async def counted(work):
        nonlocal reads
        reads += 1
        return await read(work)

    monkeypatch.setattr(bench.database, "read", counted)
    assert all(await asyncio.gather(*(keys.check(text) for _ in range(50))))
    assert not any(await asyncio.gather(*(keys.check(f"wrong{n}") for n in range(50))))
    assert reads <= 3


async def test_the_key_of_the_settings_is_valid_beside(bench):
    keys = Keys(bench.database, bench.clock, fixed="from-settings")
    assert await keys.check("from-settings")
    assert not await keys.check("from-setting")
    assert await keys.ensure_first() is None


async def test_the_first_key_is_made_once(bench):
    keys = Keys(bench.database, bench.clock)
    text = await keys.ensure_first()
    assert await keys.check(text)
    assert await keys.ensure_first() is None


async def test_the_account_keeps_its_key_pair(bench):
    first, second = Account(bench.database), Account(bench.database)
    public = await first.public_key()
    assert len(base64.b64encode(public)) == 44
    assert await second.public_key() == public
    signature = Ed25519PrivateKey.from_private_bytes(await second.private_key()).sign(b"text")
    Ed25519PrivateKey.from_private_bytes(await first.private_key()).public_key().verify(
        signature, b"text"
    )
