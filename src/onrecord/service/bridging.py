"""Two answered legs are joined, or one with another that still rings, as soon as that is answered."""

from dataclasses import replace

import structlog

from onrecord.calls.commands import Bridge, CommandResult
from onrecord.calls.records import LegState, Recording
from onrecord.core.ids import LegId
from onrecord.service.edges import Edges, leg_told
from onrecord.service.ending import Endings
from onrecord.service.negotiating import Negotiations
from onrecord.service.ports import Unit
from onrecord.service.recording import BY_CALL, Recorder, planned_recording
from onrecord.service.registry import LiveLeg, PlannedBridge
from onrecord.service.ringbacks import Ringbacks
from onrecord.wire import errors

_log = structlog.get_logger()


class Bridging:
    """Called by the holder of both legs' turns."""

    def __init__(
        self,
        edges: Edges,
        negotiations: Negotiations,
        recorder: Recorder,
        endings: Endings,
        ringbacks: Ringbacks,
    ) -> None:
        self._edges = edges
        self._ringbacks = ringbacks
        self._negotiations = negotiations
        self._recorder = recorder
        self._endings = endings

    async def bridge(self, live: LiveLeg, other: LiveLeg, command: Bridge) -> CommandResult:
        """Join the legs; a leg that was with another leaves it, and that one is hung up.

        Legs that are with each other already get no second ``call.bridged``. With a ``ringtone`` the
        other leg may still ring: they are joined when it is answered.

        Raises:
            CallerError: one is not answered, has no audio yet, both are the same, or the other one
                is with a third and may not be taken from it.
        """
        if live is other:
            raise errors.unprocessable("A call cannot be bridged with itself.", "/call_control_id")
        if command.ringtone is not None and _rings(other) and not _rings(live):
            return await self._wait(live, other, command)
        for each in (live, other):
            if _rings(each) or each.media is None:
                raise errors.call_not_answered()
        if live.leg.bridged_to == other.leg.id:
            return await self._nothing_new(live, command)
        if command.prevent_double_bridge and other.leg.bridged_to is not None:
            raise errors.already_bridged()
        return await self._join(live, other, command)

    async def early(self, live: LiveLeg, dialled: LiveLeg) -> None:
        """Let ``live`` hear what the leg that is dialled for it sends before its answer."""
        alone = live.leg.state is LegState.ANSWERED
        if alone and _rings(dialled) and dialled.media is not None:
            await self._ringbacks.end(dialled.leg.id)
            await self._edges.media.bridge(live.leg.id, dialled.leg.id)

    async def _wait(self, live: LiveLeg, other: LiveLeg, command: Bridge) -> CommandResult:
        """Join the legs when ``other`` is answered; ``live`` hears a ringback tone until then."""
        if other.bridge_on_answer is not None:
            raise errors.already_bridged()
        leg = await self._edges.tell(live, "bridge", command)
        other.bridge_on_answer = PlannedBridge(
            other=leg.call_control_id,
            queued=True,
            park_other=command.park_after_unbridge,
            prevent_double_bridge=command.prevent_double_bridge,
            early_media=True,
            mute_dtmf=command.mute_dtmf,
            ringtone=command.ringtone,
            record=command.record,
        )
        self._ringbacks.begin(other, live, command.ringtone or "")
        return CommandResult(leg.call_control_id)

    async def _join(self, live: LiveLeg, other: LiveLeg, command: Bridge) -> CommandResult:
        edges = self._edges
        legs = (live.leg, other.leg)
        left = [(leg.id, leg.bridged_to) for leg in legs if leg.bridged_to is not None]
        for leg_id, _ in left:
            await edges.media.unbridge(leg_id)
        first = replace(
            leg_told(live.leg, command), state=LegState.BRIDGED, bridged_to=other.leg.id
        )
        second = replace(other.leg, state=LegState.BRIDGED, bridged_to=live.leg.id)
        events = [
            edges.announcements.bridged(first, live.application),
            edges.announcements.bridged(second, other.application),
        ]
        deaf = _deaf(command.mute_dtmf, first.id, second.id)
        await edges.media.bridge(first.id, second.id, deaf_to_digits=deaf)

        def work(unit: Unit) -> None:
            edges.note(unit, "bridge", first, command.command_id)
            unit.save_leg(first)
            unit.save_leg(second)
            for event in events:
                unit.add_event(event)
            if begun is not None:
                unit.add_recording(begun)

        try:
            begun = await self._begin(live, command)
            await self._recorder.make_durable(begun, work)
        except BaseException:
            await edges.media.unbridge(first.id)
            raise
        stays = live.parks and live.leg.bridged_to is None
        live.parks = command.park_after_unbridge or stays
        other.parks = other.parks and other.leg.bridged_to is None
        live.leg, other.leg = first, second
        for one, two in ((live, other), (other, live)):
            one.transferring_to.discard(two.leg.id)
        if begun is not None:
            self._recorder.enter(live, begun)
        edges.delivery.submit(events)
        self._part(left)
        self._negotiations.align(live, other)
        _log.info("legs_bridged", leg=first.id, other=second.id)
        return CommandResult(first.call_control_id, begun.id if begun else None)

    def _part(self, left: list[tuple[LegId, LegId]]) -> None:
        for leg_id, partner_id in left:
            self._endings.end_partner(leg_id, partner_id)

    async def _begin(self, live: LiveLeg, command: Bridge) -> Recording | None:
        planned = planned_recording(command.record)
        return None if planned is None else await self._recorder.begin(live, planned, BY_CALL)

    async def _nothing_new(self, live: LiveLeg, command: Bridge) -> CommandResult:
        leg = await self._edges.tell(live, "bridge", command)
        live.parks = live.parks or command.park_after_unbridge
        return CommandResult(leg.call_control_id)


def _rings(live: LiveLeg) -> bool:
    return live.leg.state is LegState.RINGING


def _deaf(muted: str, first: LegId, second: LegId) -> list[LegId]:
    """The legs that get no digits; ``muted`` is seen from the first."""
    return {"self": [first], "opposite": [second], "both": [first, second]}.get(muted, [])
