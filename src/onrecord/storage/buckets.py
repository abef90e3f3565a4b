"""Files in buckets of others: S3 and what speaks like it, Google Cloud Storage, Azure Blob Storage.

The only home of obstore, which is imported when the first bucket is opened.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol, TypeAlias
from urllib.parse import quote

from onrecord.core.errors import AccessError, CredentialsError, DestinationError, UnsupportedError

if TYPE_CHECKING:
    from obstore.store import AzureStore, GCSStore, S3Store

    BucketStore: TypeAlias = S3Store | GCSStore | AzureStore

_MEDIA_TYPES = {".wav": "audio/wav", ".mp3": "audio/mpeg"}
_CHUNK_BYTES = 8 * 1024 * 1024
_QUICK_RETRIES = 2
_QUICK_RETRY_SECS = 10
"""Of one request; a bucket that is down for longer is a matter for the job that stores."""
_CLIENT = {"timeout": "30s", "connect_timeout": "5s"}

Configuration: TypeAlias = Mapping[str, str]


class Bucket(Protocol):
    """One bucket with credentials."""

    async def put(self, key: str, source: Path) -> None:
        """Store the file at ``source`` under ``key``; it stays where it is.

        Raises:
            AccessError: the bucket refuses the credentials.
            DestinationError: it could not be stored.
        """
        ...

    async def delete(self, key: str) -> None:
        """What is not there is deleted already; raises as ``put``."""
        ...

    def location(self, key: str) -> str:
        """The file's address, which gives it to nobody."""
        ...

    def link(self, key: str) -> str:
        """A URL of the file: one that anybody can fetch for a while where the backend has that."""
        ...


class Buckets:
    """Opens buckets; ``valid_secs`` is how long a pre-signed link is valid."""

    def __init__(self, valid_secs: int) -> None:
        self._valid = timedelta(seconds=valid_secs)

    def open(self, backend: str, configuration: Configuration) -> Bucket:
        """A bucket as the members of contract section 8.6 describe it. Nothing is sent yet.

        Raises:
            UnsupportedError: the backend is not known here.
            CredentialsError: the credentials cannot be read.
        """
        if backend not in _OPENERS:
            raise UnsupportedError(f"the storage backend {backend} is not supported")
        try:
            store = _OPENERS[backend](configuration)
        except Exception as error:  # the library raises what it likes on a key that is none
            raise CredentialsError(f"the credentials for {backend} cannot be read") from error
        return _Bucket(store, _locations(backend, configuration), self._signing(backend))

    def _signing(self, backend: str) -> timedelta | None:
        return self._valid if backend == "s3-generic" else None


class _Bucket:
    """``signed`` is how long links are valid that anybody can use; None: links are locations."""

    def __init__(self, store: "BucketStore", location: str, signed: timedelta | None) -> None:
        self._store = store
        self._location = location
        self._signed = signed

    async def put(self, key: str, source: Path) -> None:
        """As :meth:`Bucket.put`."""
        import obstore

        kind = _MEDIA_TYPES.get(source.suffix) or _MEDIA_TYPES.get(Path(key).suffix, "")
        attributes: Any = {"Content-Type": kind or "application/octet-stream"}
        await _translated(
            lambda: obstore.put_async(
                self._store, key, source, attributes=attributes, chunk_size=_CHUNK_BYTES
            )
        )

    async def delete(self, key: str) -> None:
        """As :meth:`Bucket.delete`."""
        import obstore
        from obstore.exceptions import NotFoundError

        async def delete() -> None:
            try:
                await obstore.delete_async(self._store, key)
            except (FileNotFoundError, NotFoundError):
                return

        await _translated(delete)

    def location(self, key: str) -> str:
        """As :meth:`Bucket.location`."""
        web = self._location.startswith(("http://", "https://"))
        return f"{self._location}/{quote(key) if web else key}"

    def link(self, key: str) -> str:
        """As :meth:`Bucket.link`."""
        if self._signed is None:
            return self.location(key)
        import obstore

        return obstore.sign(self._store, "GET", key, self._signed)


async def _translated(work: Callable[[], Awaitable[object]]) -> None:
    """Run ``work``; what the library raises becomes an error of ours, without the request in it."""
    from obstore.exceptions import (
        BaseError,
        NotFoundError,
        PermissionDeniedError,
        UnauthenticatedError,
    )

    try:
        await work()
    except (PermissionDeniedError, UnauthenticatedError, PermissionError) as error:
        raise AccessError("the bucket refuses the credentials") from error
    except (NotFoundError, FileNotFoundError) as error:
        raise DestinationError("there is no such bucket", retry=False) from error
    except (BaseError, OSError) as error:
        raise DestinationError("the bucket failed or did not answer") from error


def _s3(configuration: Configuration) -> "S3Store":
    from obstore.store import S3Store

    return S3Store(
        configuration["bucket"],
        region=configuration["region"],
        access_key_id=configuration["aws_access_key_id"],
        secret_access_key=configuration["aws_secret_access_key"],
        client_options=_client(),
        retry_config=_retries(),
    )


def _s3_generic(configuration: Configuration) -> "S3Store":
    from obstore.store import S3Store

    return S3Store(
        configuration["bucket"],
        region=configuration["region"],
        endpoint=configuration["endpoint"].rstrip("/"),
        access_key_id=configuration["aws_access_key_id"],
        secret_access_key=configuration["aws_secret_access_key"],
        virtual_hosted_style_request=False,
        client_options=_client(plain=configuration["endpoint"].lower().startswith("http://")),
        retry_config=_retries(),
    )


def _gcs(configuration: Configuration) -> "GCSStore":
    from obstore.store import GCSStore

    json.loads(configuration["credentials"])
    return GCSStore(
        configuration["bucket"],
        service_account_key=configuration["credentials"],
        client_options=_client(),
        retry_config=_retries(),
    )


def _azure(configuration: Configuration) -> "AzureStore":
    from obstore.store import AzureStore

    return AzureStore(
        configuration["bucket"],
        account_name=configuration["account_name"],
        account_key=configuration["account_key"],
        client_options=_client(),
        retry_config=_retries(),
    )


_OPENERS: Mapping[str, Callable[[Configuration], "BucketStore"]] = {
    "s3": _s3,
    "s3-generic": _s3_generic,
    "gcs": _gcs,
    "azure": _azure,
}


def _client(*, plain: bool = False) -> Any:
    return _CLIENT | ({"allow_http": True} if plain else {})


def _retries() -> Any:
    return {
        "max_retries": _QUICK_RETRIES,
        "retry_timeout": timedelta(seconds=_QUICK_RETRY_SECS),
    }


def _locations(backend: str, configuration: Configuration) -> str:
    bucket = configuration["bucket"]
    if backend == "azure":
        account = quote(configuration["account_name"])
        return f"https://{account}.blob.core.windows.net/{bucket}"
    if backend == "s3-generic":
        return f"{configuration['endpoint'].rstrip('/')}/{bucket}"
    return f"{'gs' if backend == 'gcs' else backend}://{bucket}"
