"""The end of a leg, whoever brings it about: one place, so that there is one ``call.hangup`` per leg.

What we end ourselves is over at once: the SIP side finishes its BYE or CANCEL alone, and what it reports
of that later finds no leg.
"""

from collections.abc import Callable, Sequence
from dataclasses import replace

import structlog

from onrecord.calls.hangup import REJECT_STATUS, Ending, OurReason, outcome
from onrecord.calls.records import Direction, Event, Leg, LegState, StopReason
from onrecord.calls.states import LegInput, leg_after
from onrecord.core.errors import OnrecordError
from onrecord.core.ids import LegId
from onrecord.rtp.stats import LegStats
from onrecord.service.edges import Command, Edges, leg_told
from onrecord.service.playing import Playing
from onrecord.service.ports import Unit
from onrecord.service.recording import TOLD_SECS, Recorder, save_stopped
from onrecord.service.registry import LiveLeg
from onrecord.service.ringbacks import Ringbacks

FIRST_WAIT_SECS = 1.0
MOST_WAIT_SECS = 32.0
"""How long to wait before the end of a leg is written again."""

_log = structlog.get_logger()


class Endings:
    """Ends legs; every method but ``in_turn`` is called by the holder of the leg's turn."""

    def __init__(
        self, edges: Edges, recorder: Recorder, playing: Playing, ringbacks: Ringbacks
    ) -> None:
        self._edges = edges
        self._recorder = recorder
        self._playing = playing
        self._ringbacks = ringbacks

    async def end(
        self,
        live: LiveLeg,
        ending: Ending,
        *,
        headers: Sequence[tuple[str, str]] = (),
        command: Command | None = None,
        also: Callable[[Unit], None] = lambda _: None,
    ) -> None:
        """Tell the SIP side, close recordings and media, and write all of it in one transaction.

        Even if that transaction fails, the leg is no longer live, and the transaction is tried again
        until it succeeds; should the process stop before, recovery ends the row at the next start.
        """
        was = live.leg if command is None else leg_told(live.leg, command)
        live.cancel_timers()
        if ending.ours is not None:
            self._tell(was, ending.ours, headers)
        live.leg = self._ended(was, ending)
        stopped = await self._recorder.halt(live, list(live.recordings), StopReason.HANGUP)
        await self._ringbacks.end(was.id)
        stats = await self._close_media(was)
        events = self._playing.hung_up(live)
        events.append(self._edges.announcements.hangup(live.leg, live.application, stats))

        def work(unit: Unit) -> None:
            also(unit)
            unit.save_leg(live.leg)
            save_stopped(unit, stopped, TOLD_SECS)
            for event in events:
                unit.add_event(event)

        try:
            await self._edges.store.write(work)
        except BaseException:
            self._write_again(work, events, FIRST_WAIT_SECS)
            raise
        finally:
            self._recorder.leave(live, stopped)
            self._edges.registry.forget(was.id)
            if was.bridged_to is not None:
                self.end_partner(was.id, was.bridged_to)
            for target_id in live.transferring_to:
                self._edges.background.spawn(self._give_up(target_id), "give_up_transfer")
        self._edges.delivery.submit(events)
        self._recorder.hand_over(stopped)
        _log.info(
            "leg_ended", leg=was.id, cause=live.leg.hangup_cause, sip=live.leg.sip_hangup_cause
        )

    def _write_again(
        self, work: Callable[[Unit], None], events: Sequence[Event], secs: float
    ) -> None:
        """A database that is busy or full for a while must not cost a call its end."""

        async def again() -> None:
            try:
                await self._edges.store.write(work)
            except Exception:  # noqa: BLE001 -- the unit of work is one try; the next is armed
                _log.exception("end_not_written", leg=events[-1].leg_id)
                self._write_again(work, events, min(2 * secs, MOST_WAIT_SECS))
            else:
                self._edges.delivery.submit(events)
                _log.info("end_written_late", leg=events[-1].leg_id)

        self._edges.background.after(secs, again, "end_again")

    def end_partner(self, leg_id: LegId, partner_id: LegId) -> None:
        """Hang up or park the leg that was bridged with ``leg_id``, unless it is with another."""
        self._edges.background.spawn(self._left(leg_id, partner_id), "hangup_partner")

    async def in_turn(self, leg_id: LegId, ending: Ending) -> None:
        """End the leg when its turn comes, if it is still up."""
        async with self._edges.registry.turns([leg_id]):
            live = self._edges.registry.by_id(leg_id)
            if live is not None:
                await self.end(live, ending)

    async def _left(self, leg_id: LegId, partner_id: LegId) -> None:
        async with self._edges.registry.turns([partner_id]):
            live = self._edges.registry.by_id(partner_id)
            if live is None or live.leg.bridged_to != leg_id:
                return
            if live.parks:
                await self._park(live)
            else:
                await self.end(live, Ending(OurReason.PARTNER))

    async def _park(self, live: LiveLeg) -> None:
        """The leg stays up by itself; its recordings go on."""
        live.parks = False
        state = leg_after(live.leg.state, LegInput.UNBRIDGE) or live.leg.state
        leg = replace(live.leg, state=state, bridged_to=None)
        await self._edges.media.unbridge(leg.id)
        await self._edges.store.write(lambda unit: unit.save_leg(leg))
        live.leg = leg
        _log.info("leg_parked", leg=leg.id)

    async def _give_up(self, target_id: LegId) -> None:
        """The leg that was to be transferred is over: its target need not ring any longer."""
        async with self._edges.registry.turns([target_id]):
            live = self._edges.registry.by_id(target_id)
            if live is not None and live.bridge_on_answer is not None:
                await self.end(live, Ending(OurReason.PARTNER))

    def arm(self, live: LiveLeg, name: str, secs: float, reason: OurReason) -> None:
        """End the leg in ``secs`` seconds unless the timer ``name`` is cancelled."""

        async def expire() -> None:
            async with self._edges.registry.turns([live.leg.id]):
                if name in live.timers:
                    await self.end(live, Ending(reason))

        live.timers[name] = self._edges.background.after(secs, expire, name)

    def _tell(self, leg: Leg, reason: OurReason, headers: Sequence[tuple[str, str]]) -> None:
        if leg.direction is Direction.INCOMING and leg.state is LegState.RINGING:
            self._edges.signalling.reject(leg.id, REJECT_STATUS.get(reason, 480))
        else:
            self._edges.signalling.hangup(leg.id, headers)

    def _ended(self, leg: Leg, ending: Ending) -> Leg:
        answered = leg.state is not LegState.RINGING
        why = outcome(leg.direction, answered=answered, ending=ending)
        return replace(
            leg,
            state=leg_after(leg.state, LegInput.END) or leg.state,
            ended_ns=self._edges.clock.utc_ns(),
            hangup_cause=why.cause,
            hangup_source=why.source,
            sip_hangup_cause=why.sip_cause,
        )

    async def _close_media(self, leg: Leg) -> LegStats | None:
        """Free the ports; the figures of a leg that had been answered."""
        try:
            stats = await self._edges.media.close_leg(leg.id)
        except (OnrecordError, OSError) as error:
            _log.warning("media_not_closed", leg=leg.id, error=str(error))
            return None
        return stats if leg.answered_ns is not None else None
