"""A ringing leg is answered: by the application (incoming) or by the far side (outgoing)."""

from collections.abc import Callable
from dataclasses import replace

import structlog

from onrecord.calls.commands import Answer, CommandResult
from onrecord.calls.hangup import Ending, OurReason
from onrecord.calls.records import Direction, Leg, LegState, Recording
from onrecord.calls.states import LegInput, leg_after
from onrecord.core.errors import PeerError
from onrecord.sdp.negotiation import accept, answer
from onrecord.service.edges import Edges, leg_told
from onrecord.service.ending import Endings
from onrecord.service.negotiating import Negotiations, best_first, our_offer
from onrecord.service.ports import Unit
from onrecord.service.recording import BY_CALL, Recorder, planned_recording
from onrecord.service.registry import LiveLeg
from onrecord.sip.backend import Answered
from onrecord.wire import errors

_log = structlog.get_logger()


class Answering:
    """Every method is called by the holder of the leg's turn."""

    def __init__(
        self, edges: Edges, negotiations: Negotiations, recorder: Recorder, endings: Endings
    ) -> None:
        self._edges = edges
        self._negotiations = negotiations
        self._recorder = recorder
        self._endings = endings

    async def answer(self, live: LiveLeg, command: Answer) -> CommandResult:
        """Answer an incoming leg; the 200 leaves when the answered leg is durable.

        Raises:
            CallerError: the leg is outgoing, or answered already.
        """
        if live.leg.direction is Direction.OUTGOING:
            raise errors.cannot_answer_outgoing()
        if live.leg.state is not LegState.RINGING:
            raise errors.call_already_answered()
        live.silence_when_idle = command.send_silence_when_idle
        live.planned = planned_recording(command.record)
        self._prefer(live, command.preferred_codecs)
        result = CommandResult(live.leg.call_control_id, live.planned.id if live.planned else None)
        if live.answer is not None:
            await self._negotiations.connect(live, live.answer.media)
        leg = leg_told(live.leg, command)
        await self._up(
            live,
            leg,
            lambda unit: self._edges.note(unit, "answer", leg, command.command_id),
            lambda: self._send_200(live, command),
        )
        return result

    def _prefer(self, live: LiveLeg, codecs: tuple[str, ...]) -> None:
        """Answer with another codec of the offer than the caller likes best."""
        live.preferred_codecs = codecs
        if codecs and live.offer is not None:
            live.answer = answer(
                live.offer,
                live.address,
                live.sdp_session_id,
                1,
                self._edges.settings.codec_names,
                key=live.keys[0],
                preferred=codecs,
            )

    async def far_side(self, live: LiveLeg, event: Answered) -> None:
        """A dialled leg's 2xx; or the ACK of an incoming one, with the answer to a late offer."""
        if live.answer is not None:
            return
        text = event.sdp or live.early_sdp
        try:
            media = accept(text or "", sent=live.sent_sdp)
        except PeerError as error:
            _log.warning("answer_unusable", leg=live.leg.id, reason=str(error))
            await self._endings.end(live, Ending(OurReason.MEDIA))
            return
        await self._negotiations.connect(live, media)
        if live.leg.state is LegState.RINGING:
            await self._up(live, live.leg, lambda _: None, lambda: None)
        elif live.planned is not None:
            await self._record_late(live)

    async def early(self, live: LiveLeg, sdp: str) -> None:
        """Audio of a dialled leg before its answer (RFC 3261 §13.2.1); an unusable one is none."""
        try:
            media = accept(sdp, sent=live.sent_sdp)
        except PeerError as error:
            _log.warning("early_media_unusable", leg=live.leg.id, reason=str(error))
            return
        await self._negotiations.connect(live, media)

    def _send_200(self, live: LiveLeg, command: Answer) -> None:
        if live.answer is not None:
            live.sdp_version, live.sent_sdp = 1, live.answer.sdp
        codecs = best_first(self._edges.settings.codec_names, live.preferred_codecs)
        sdp = live.answer.sdp if live.answer is not None else our_offer(live, codecs)
        headers = [(header.name, header.value) for header in command.custom_headers]
        self._edges.signalling.answer(live.leg.id, sdp, headers)

    async def _up(
        self,
        live: LiveLeg,
        leg: Leg,
        also: Callable[[Unit], None],
        committed: Callable[[], None],
    ) -> None:
        """Write the answered leg, its event and the recording that begins with it."""
        state = leg_after(leg.state, LegInput.ANSWER) or leg.state
        leg = replace(leg, state=state, answered_ns=self._edges.clock.utc_ns())
        event = self._edges.announcements.answered(leg, live.application)
        begun = await self._begin_planned(live)

        def work(unit: Unit) -> None:
            also(unit)
            unit.save_leg(leg)
            unit.add_event(event)
            if begun is not None:
                unit.add_recording(begun)

        await self._recorder.make_durable(begun, work)
        live.leg = leg
        self._settle(live, begun)
        committed()
        self._edges.delivery.submit([event])
        _log.info("leg_answered", leg=leg.id, codec=leg.codec)

    def _settle(self, live: LiveLeg, begun: Recording | None) -> None:
        live.cancel_timer("ring_timeout")
        live.cancel_timer("dial_timeout")
        if begun is not None:
            self._recorder.enter(live, begun)
            live.planned = None
        if live.time_limit_secs is not None:
            self._endings.arm(live, "time_limit", live.time_limit_secs, OurReason.TIME_LIMIT)

    async def _begin_planned(self, live: LiveLeg) -> Recording | None:
        """With a late offer audio comes with the ACK only, and the recording with it."""
        if live.planned is None or live.media is None:
            return None
        return await self._recorder.begin(live, live.planned, BY_CALL)

    async def _record_late(self, live: LiveLeg) -> None:
        begun = await self._begin_planned(live)
        if begun is not None:
            await self._recorder.make_durable(begun, lambda unit: unit.add_recording(begun))
            self._recorder.enter(live, begun)
            live.planned = None
