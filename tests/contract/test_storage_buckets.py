"""Buckets over a server that speaks S3 and checks every signature."""

from urllib.parse import quote

import httpx
import pytest

from onrecord.core.errors import AccessError, CredentialsError, DestinationError, UnsupportedError
from onrecord.storage.buckets import Buckets

KEY = "2026-02-03/6a09cdc3/Grüße (1)-1770091506.wav"


@pytest.fixture
def source(tmp_path):
    made = tmp_path / "one.wav.part"
    made.write_bytes(b"RIFF of audio")
    return made


def bucket(s3, **changed):
    return Buckets(600).open("s3-generic", s3.configuration(**changed))


async def test_a_file_is_stored_linked_to_and_deleted(s3, source):
    place = bucket(s3)
    await place.put(KEY, source)
    await place.put(KEY, source)
    assert s3.files == {KEY: b"RIFF of audio"}
    assert s3.kinds[KEY] == "audio/wav"
    assert source.exists()
    assert place.location(KEY) == f"{s3.url}/recordings/{quote(KEY)}"
    got = httpx.get(place.link(KEY))
    assert (got.status_code, got.content) == (200, b"RIFF of audio")
    assert httpx.get(place.link(KEY).replace("one", "two") + "0").status_code == 403
    assert httpx.get(f"{s3.url}/recordings/x").status_code == 403
    await place.delete(KEY)
    await place.delete(KEY)
    assert s3.files == {}


async def test_a_large_file_goes_in_parts(s3, source):
    content = bytes(range(256)) * (80 * 1024)
    source.write_bytes(content)
    await bucket(s3).put(KEY, source)
    assert s3.files[KEY] == content


@pytest.mark.parametrize("status", [401, 403])
async def test_refused_credentials(s3, source, status):
    s3.status = status
    with pytest.raises(AccessError):
        await bucket(s3).put(KEY, source)
    assert len(s3.requests) == 1


async def test_a_wrong_secret_is_refused_and_is_in_no_message(s3, source):
    with pytest.raises(AccessError) as raised:
        await bucket(s3, aws_secret_access_key="wrong-secret").put(KEY, source)
    assert "wrong-secret" not in str(raised.value)


async def test_a_bucket_that_fails_may_be_tried_again(s3, source):
    s3.status = 503
    with pytest.raises(DestinationError) as raised:
        await bucket(s3).put(KEY, source)
    assert raised.value.retry is True
    assert len(s3.requests) > 1
    s3.close()
    with pytest.raises(DestinationError) as raised:
        await bucket(s3).put(KEY, source)
    assert raised.value.retry is True


async def test_a_bucket_that_is_not_there_is_not_tried_again(s3, source):
    with pytest.raises(DestinationError) as raised:
        await bucket(s3, bucket="other").put(KEY, source)
    assert raised.value.retry is False


def test_addresses_of_the_other_backends():
    buckets = Buckets(600)
    s3 = buckets.open(
        "s3",
        {"bucket": "b", "region": "r", "aws_access_key_id": "i", "aws_secret_access_key": "s"},
    )
    assert s3.location("a/k.wav") == s3.link("a/k.wav") == "s3://b/a/k.wav"
    azure = buckets.open("azure", {"bucket": "b", "account_name": "acc", "account_key": "a2V5"})
    assert azure.link("k.wav") == "https://acc.blob.core.windows.net/b/k.wav"
    for bad in ("", "no json", '{"type": "service_account"}'):
        with pytest.raises(CredentialsError):
            buckets.open("gcs", {"bucket": "b", "credentials": bad})
    with pytest.raises(UnsupportedError):
        buckets.open("ftp", {"bucket": "b"})
