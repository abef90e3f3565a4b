"""Files that this server keeps because their bucket did not take them, moved there later. Runs in the worker.

As in finishing, each line may be the last before a crash: the file here is deleted only after the commit that
says that it is in the bucket.
"""

from dataclasses import replace

import structlog

from onrecord.calls.records import Event, Recording
from onrecord.core.clock import Clock
from onrecord.core.ids import RecordingId
from onrecord.metrics import FILE_MOVES
from onrecord.service.announcements import Announcements
from onrecord.service.delivery import Delivery
from onrecord.service.destinations import Destinations
from onrecord.service.finishing import told_about
from onrecord.service.ports import Bucket, Storage, Store, Unit

_log = structlog.get_logger()


class Moving:
    """Moves the files of recordings that are on this machine."""

    def __init__(
        self,
        *,
        store: Store,
        storage: Storage,
        destinations: Destinations,
        delivery: Delivery,
        announcements: Announcements,
        clock: Clock,
    ) -> None:
        self._store = store
        self._storage = storage
        self._destinations = destinations
        self._delivery = delivery
        self._announcements = announcements
        self._clock = clock

    async def move(self, recording_id: RecordingId) -> None:
        """Move the file into its application's bucket, and tell where it is now.

        One that is moved, deleted or to stay here by now needs nothing.

        Raises:
            OnrecordError: the bucket does not take it, or cannot be opened; try again later.
        """
        recording = await self._store.read(lambda unit: unit.recording(recording_id))
        if recording is None or recording.file_key is None:
            return
        if recording.is_misplaced:
            bucket = await self._destinations.bucket(recording.application_id)
            if bucket is None or not await self._move(recording, recording.file_key, bucket):
                return
        elif recording.location is None:
            return
        await self._storage.delete(recording.file_key)

    async def _move(self, recording: Recording, key: str, bucket: Bucket) -> bool:
        """False when the recording was deleted meanwhile, whose file is then gone everywhere."""
        await bucket.put(key, self._storage.path(key))
        moved = replace(
            recording,
            location=bucket.location(key),
            failure=None,
            updated_ns=self._clock.utc_ns(),
        )
        url = await self._destinations.link(moved) or ""
        there, event = await self._store.write(lambda unit: self._save(unit, moved, url))
        if not there:
            await bucket.delete(key)
            return False
        FILE_MOVES.labels("moved").inc()
        _log.info("file_moved", recording=recording.id)
        if event is not None:
            self._delivery.submit([event])
        return True

    def _save(self, unit: Unit, moved: Recording, url: str) -> tuple[bool, Event | None]:
        now = unit.recording(moved.id)
        if now is None or not now.is_misplaced:
            # A copy that another move made needless stays: both addresses may be of one bucket.
            return now is not None, None
        unit.save_recording(moved)
        about = told_about(unit, moved)
        if about is None:
            return True, None
        event = self._announcements.saved(moved, *about, url)
        unit.add_event(event)
        return True, event
