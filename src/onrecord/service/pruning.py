"""Forgets what is old: ended calls, their commands, their events and the attempts to deliver these.

Recordings and transcriptions are not touched: whoever asked for them deletes them.
"""

import asyncio

import structlog

from onrecord.core.clock import Clock
from onrecord.core.units import NS_PER_S
from onrecord.service.ports import Store

BATCH_ROWS = 200
"""Of each table in one transaction, so that no command waits long for the writer."""

PAUSE_SECS = 0.05
_SECS_PER_DAY = 86_400

_log = structlog.get_logger()


class Pruning:
    """Keeps ``keep_days`` days."""

    def __init__(self, store: Store, clock: Clock, keep_days: float) -> None:
        self._store = store
        self._clock = clock
        self._keep_ns = int(keep_days * _SECS_PER_DAY * NS_PER_S)

    async def prune(self) -> int:
        """Delete all that is older, in small transactions; returns how many rows there were."""
        before_ns = self._clock.utc_ns() - self._keep_ns
        total = 0
        while pruned := await self._store.write(lambda unit: unit.prune(before_ns, BATCH_ROWS)):
            total += pruned
            await asyncio.sleep(PAUSE_SECS)
        if total:
            _log.info("history_pruned", rows=total)
        return total
