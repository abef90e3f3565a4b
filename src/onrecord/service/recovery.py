"""What the start of the control process makes of an earlier run that did not end by itself.

Runs before any port is open, so that no leg of this node can be live.
"""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, replace

import structlog

from onrecord.calls.hangup import Ending, OurReason, outcome
from onrecord.calls.records import (
    Event,
    Leg,
    LegState,
    Recording,
    RecordingState,
    StopReason,
)
from onrecord.calls.states import LegInput, RecordingInput, leg_after, recording_after
from onrecord.core.clock import Clock
from onrecord.core.ids import NodeId, RecordingId
from onrecord.service.announcements import Announcements
from onrecord.service.delivery import Delivery
from onrecord.service.ports import Store, Unit
from onrecord.service.recording import save_stopped
from onrecord.service.spools import Spools

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Recovered:
    """What was found and put right."""

    legs: int
    recordings: int
    orphans: int


class Recovery:
    """``salvage`` moves what media processes had received, and not yet written, into the spools."""

    def __init__(
        self,
        *,
        node: NodeId,
        store: Store,
        spools: Spools,
        salvage: Callable[[], object],
        announcements: Announcements,
        delivery: Delivery,
        clock: Clock,
    ) -> None:
        self._node = node
        self._store = store
        self._spools = spools
        self._salvage = salvage
        self._announcements = announcements
        self._delivery = delivery
        self._clock = clock

    async def run(self) -> Recovered:
        """Salvage, end, stop, tidy; repeating it changes nothing more."""
        await asyncio.to_thread(self._salvage)
        events, legs, recordings = await self._store.write(self._end_all)
        self._spools.remove_parts()
        orphans = await self._tidy()
        self._delivery.submit(events)
        found = Recovered(legs, recordings, orphans)
        if found != Recovered(0, 0, 0):
            _log.warning("recovered", legs=legs, recordings=recordings, orphans=orphans)
        return found

    def _end_all(self, unit: Unit) -> tuple[list[Event], int, int]:
        legs = [self._ended(leg) for leg in unit.legs_unended(self._node)]
        running = [
            self._stopped(recording)
            for recording in unit.recordings_unfinished(self._node)
            if recording.state in {RecordingState.RECORDING, RecordingState.PAUSED}
        ]
        save_stopped(unit, running)
        events = []
        for leg in legs:
            unit.save_leg(leg)
            application = unit.application(leg.application_id)
            if application is not None:
                events.append(self._announcements.hangup(leg, application, None))
                unit.add_event(events[-1])
        return events, len(legs), len(running)

    def _ended(self, leg: Leg) -> Leg:
        answered = leg.state is not LegState.RINGING
        why = outcome(leg.direction, answered=answered, ending=Ending(OurReason.NODE_LOST))
        return replace(
            leg,
            state=leg_after(leg.state, LegInput.END) or leg.state,
            ended_ns=self._clock.utc_ns(),
            hangup_cause=why.cause,
            hangup_source=why.source,
            sip_hangup_cause=why.sip_cause,
        )

    def _stopped(self, recording: Recording) -> Recording:
        """When it really ended is in its spool."""
        return replace(
            recording,
            state=recording_after(recording.state, RecordingInput.STOP) or recording.state,
            stop_reason=StopReason.NODE_LOST,
            updated_ns=self._clock.utc_ns(),
        )

    async def _tidy(self) -> int:
        """Remove spools of saved recordings; set aside those of none. Returns how many were set aside."""
        ids = list(self._spools.recordings())
        states = await self._store.read(lambda unit: [_state(unit, i) for i in ids])
        orphans = 0
        for recording_id, state in zip(ids, states, strict=True):
            if state is None:
                orphans += 1
                path = self._spools.set_aside(recording_id)
                _log.warning("orphan_spool", recording=recording_id, path=str(path))
            elif state is RecordingState.SAVED:
                self._spools.remove(recording_id)
        return orphans


def _state(unit: Unit, recording_id: RecordingId) -> RecordingState | None:
    recording = unit.recording(recording_id)
    return None if recording is None else recording.state
