"""The parts that the control process and the worker both have, made from settings."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from onrecord.app.folder import DataFolder
from onrecord.core.clock import Clock, SystemClock
from onrecord.core.settings import Settings
from onrecord.database.store import Database
from onrecord.jobs.client import JobClient
from onrecord.service.account import Account
from onrecord.service.announcements import Announcements
from onrecord.service.background import Background
from onrecord.service.delivery import Delivery
from onrecord.service.destinations import Destinations
from onrecord.service.ports import Unit
from onrecord.service.spools import Spools
from onrecord.service.vault import Vault
from onrecord.storage.buckets import Buckets
from onrecord.storage.links import Links
from onrecord.storage.local import LocalStorage
from onrecord.webhooks import policy
from onrecord.webhooks.sender import HttpSender

LINK_SECRET = "file_link_key"  # noqa: S105 -- the secret's name, not the secret
DRAIN_SECS = 5.0


@dataclass(frozen=True, slots=True)
class Parts:
    """What both processes share in kind; each has its own."""

    settings: Settings
    folder: DataFolder
    clock: Clock
    store: Database
    account: Account
    links: Links
    storage: LocalStorage
    destinations: Destinations
    spools: Spools
    background: Background
    delivery: Delivery
    announcements: Announcements


@asynccontextmanager
async def open_parts(settings: Settings, public_url: str) -> AsyncIterator[Parts]:
    """Open the database and what leans on it; close all of it afterwards.

    Args:
        settings: The settings.
        public_url: Base of the links to files and pictures.
    """
    folder = DataFolder(settings.data)
    clock = SystemClock()
    store = open_database(folder)
    await store.start()
    account = Account(store)
    sender = HttpSender(await account.private_key(), clock)
    background = Background()
    links = Links(public_url, await store.write(_link_secret), settings.link_valid_secs)
    storage = LocalStorage(folder.recordings, links)
    try:
        yield Parts(
            settings=settings,
            folder=folder,
            clock=clock,
            store=store,
            account=account,
            links=links,
            storage=storage,
            destinations=Destinations(
                store=store,
                storage=storage,
                buckets=Buckets(settings.link_valid_secs),
                vault=Vault(folder.keys / "storage.key"),
                clock=clock,
            ),
            spools=Spools(folder.spool),
            background=background,
            delivery=Delivery(
                store=store,
                sender=sender,
                policy=policy,
                clock=clock,
                background=background,
                delays=settings.webhook_retry_secs,
            ),
            announcements=Announcements(clock, settings.webhook_timeout_ms),
        )
    finally:
        await background.drain(DRAIN_SECS)
        await sender.close()
        await store.close()


def open_database(folder: DataFolder) -> Database:
    """The database of a data folder, not yet started."""
    return Database(folder.database, jobs=JobClient(database_url(folder.database)))


def database_url(file: Path) -> str:
    """The URL that the job engine opens the same file with."""
    return f"sqlite:///{file.absolute()}"


def _link_secret(unit: Unit) -> bytes:
    kept = unit.secret(LINK_SECRET)
    if kept is None:
        kept = secrets.token_bytes(32)
        unit.put_secret(LINK_SECRET, kept)
    return kept
