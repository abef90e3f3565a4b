"""Where the files of an application's recordings go: this server's storage, or a bucket of the application's."""

import asyncio
import json
from collections.abc import Mapping
from dataclasses import dataclass

import structlog

from onrecord.calls.records import Application, Recording, StorageCredentials
from onrecord.core.clock import Clock
from onrecord.core.errors import OnrecordError
from onrecord.core.ids import ApplicationId
from onrecord.service.ports import Bucket, Buckets, Storage, Store, Unit
from onrecord.service.vault import Vault
from onrecord.wire import errors

MOST_MOVED = 1000
"""How many files that a bucket did not take are moved as soon as its credentials are replaced."""

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Opened:
    """Credentials as they were given. Not to be logged or shown."""

    application_id: ApplicationId
    backend: str
    configuration: Mapping[str, str]


class Destinations:
    """Keeps the credentials sealed, and opens the buckets that they are for."""

    def __init__(
        self, *, store: Store, storage: Storage, buckets: Buckets, vault: Vault, clock: Clock
    ) -> None:
        self._store = store
        self._storage = storage
        self._buckets = buckets
        self._vault = vault
        self._clock = clock

    async def put(
        self, application_id: str, backend: str, configuration: Mapping[str, str]
    ) -> Opened:
        """Keep credentials, instead of those that there are; files go to their bucket from now on.

        As at Telnyx, credentials that cannot be read are taken: the first recording tells.

        Raises:
            CallerError: 404, there is no such application.
        """
        try:
            self._buckets.open(backend, configuration)
        except OnrecordError as error:
            _log.warning("bucket_not_opened", application=application_id, error=str(error))
        text = json.dumps(dict(configuration)).encode()
        sealed = await asyncio.to_thread(self._vault.seal, text, application_id)
        now = self._clock.utc_ns()

        def work(unit: Unit) -> None:
            owner = _owner(unit, application_id)
            was = unit.storage(owner.id)
            created_ns = was.created_ns if was else now
            unit.put_storage(StorageCredentials(owner.id, backend, sealed, created_ns, now))
            for recording in unit.recordings_misplaced(owner.id, MOST_MOVED):
                unit.enqueue_move(recording, now, 0.0)

        await self._store.write(work)
        _log.info("storage_credentials_kept", application=application_id, backend=backend)
        return Opened(ApplicationId(application_id), backend, configuration)

    async def get(self, application_id: str) -> Opened:
        """The credentials of an application.

        Raises:
            CallerError: 404, there is no such application, or it has none.
        """

        def work(unit: Unit) -> StorageCredentials | None:
            return unit.storage(_owner(unit, application_id).id)

        kept = await self._store.read(work)
        if kept is None:
            raise errors.not_found("custom storage credentials", "/connection_id")
        return await self._opened(kept)

    async def delete(self, application_id: str) -> None:
        """Forget the credentials; files go to this server from now on.

        Raises:
            CallerError: 404, as for :meth:`get`.
        """

        def work(unit: Unit) -> None:
            owner = _owner(unit, application_id)
            if unit.storage(owner.id) is None:
                raise errors.not_found("custom storage credentials", "/connection_id")
            unit.remove_storage(owner.id)

        await self._store.write(work)
        _log.info("storage_credentials_deleted", application=application_id)

    async def bucket(self, application_id: str) -> Bucket | None:
        """The bucket that the application's files go to; None: they stay with this server.

        Raises:
            CredentialsError, UnsupportedError: there is one, but it cannot be opened.
            VaultError: the credentials cannot be decrypted.
        """
        kept = await self._store.read(lambda unit: unit.storage(application_id))
        if kept is None:
            return None
        opened = await self._opened(kept)
        return self._buckets.open(opened.backend, opened.configuration)

    async def link(self, recording: Recording) -> str | None:
        """A URL of the file: for everybody where its storage has that, else its address there."""
        if recording.file_key is None:
            return None
        if recording.location is None:
            return self._storage.link(recording.file_key, self._clock.utc_ns())
        bucket = await self._bucket_of(recording)
        return recording.location if bucket is None else bucket.link(recording.file_key)

    async def delete_file(self, recording: Recording) -> None:
        """Delete the file; one in a bucket whose credentials are gone stays there.

        Raises:
            DestinationError: the storage kept it.
        """
        if recording.file_key is None:
            return
        if recording.location is None:
            await self._storage.delete(recording.file_key)
            return
        bucket = await self._bucket_of(recording)
        if bucket is None:
            _log.warning("file_left_in_bucket", recording=recording.id)
        else:
            await bucket.delete(recording.file_key)

    async def _bucket_of(self, recording: Recording) -> Bucket | None:
        """The bucket that holds the file, if the present credentials are still for it."""
        try:
            bucket = await self.bucket(recording.application_id)
        except OnrecordError as error:
            _log.warning("bucket_not_opened", recording=recording.id, error=str(error))
            return None
        key = recording.file_key or ""
        same = bucket is not None and bucket.location(key) == recording.location
        return bucket if same else None

    async def _opened(self, kept: StorageCredentials) -> Opened:
        plain = await asyncio.to_thread(self._vault.open, kept.sealed, kept.application_id)
        return Opened(kept.application_id, kept.backend, json.loads(plain))


def _owner(unit: Unit, application_id: str) -> Application:
    owner = unit.application(application_id)
    if owner is None:
        raise errors.not_found("connection", "/connection_id")
    return owner
