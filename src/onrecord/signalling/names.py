"""Host names to addresses, off the event loop (RFC 3263 §4.2: address records, no NAPTR or SRV)."""

import asyncio
import ipaddress
import socket
from collections.abc import Callable

from onrecord.core.clock import Clock
from onrecord.core.units import NS_PER_S

_KEEP_NS = 60 * NS_PER_S
_MAX_KEPT = 1_000
_MAX_WAITING = 1_000
_TIMEOUT_SECS = 5.0

Resolved = Callable[[str | None], None]
"""Called with an address, or with None when the name has none."""


class Names:
    """Looks names up once, however many wait for them, and remembers the address for a minute."""

    def __init__(self, clock: Clock, family: socket.AddressFamily) -> None:
        self._clock = clock
        self._family = family
        self._kept: dict[str, tuple[str, int]] = {}
        self._waiting: dict[str, list[Resolved]] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    def lookup(self, host: str, then: Resolved) -> None:
        """Call ``then`` with the address of ``host``: at once where it is known, else later."""
        address = host if _is_address(host) else self._remembered(host)
        if address is not None:
            then(address)
        elif sum(map(len, self._waiting.values())) >= _MAX_WAITING:
            then(None)
        elif host in self._waiting:
            self._waiting[host].append(then)
        else:
            self._waiting[host] = [then]
            task = asyncio.get_running_loop().create_task(self._resolve(host))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)

    async def close(self) -> None:
        """Give up what is under way; those who wait are not called."""
        self._waiting.clear()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    def _remembered(self, host: str) -> str | None:
        address, until_ns = self._kept.get(host, (None, 0))
        return address if self._clock.monotonic_ns() < until_ns else None

    async def _resolve(self, host: str) -> None:
        address = await self._ask(host)
        if address is not None:
            if len(self._kept) >= _MAX_KEPT:
                self._kept.clear()
            self._kept[host] = address, self._clock.monotonic_ns() + _KEEP_NS
        for then in self._waiting.pop(host, []):
            then(address)

    async def _ask(self, host: str) -> str | None:
        loop = asyncio.get_running_loop()
        asked = loop.getaddrinfo(host, None, family=self._family, type=socket.SOCK_DGRAM)
        try:
            async with asyncio.timeout(_TIMEOUT_SECS):
                found = await asked
        except (OSError, UnicodeError):  # TimeoutError is an OSError
            return None
        return str(found[0][4][0]) if found else None


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True
