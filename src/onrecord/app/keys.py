"""API keys from the command line, beside a server that may be running."""

from collections.abc import Awaitable, Callable
from typing import TypeVar

from onrecord.app.folder import DataFolder
from onrecord.app.parts import open_database
from onrecord.core.clock import SystemClock
from onrecord.core.settings import Settings
from onrecord.service.keys import Keys

T = TypeVar("T")


async def with_keys(settings: Settings, work: Callable[[Keys], Awaitable[T]]) -> T:
    """What ``work`` returns for the keys of the data folder; makes the folder if need be."""
    folder = DataFolder(settings.data)
    folder.prepare()
    store = open_database(folder)
    await store.start()
    try:
        return await work(Keys(store, SystemClock()))
    finally:
        await store.close()
