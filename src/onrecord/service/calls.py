"""Calls as the API and the SIP side see them: each command and each event in its leg's turn."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeAlias

import structlog

from onrecord.calls.commands import (
    Answer,
    Bridge,
    ClientStateUpdate,
    CommandResult,
    Dial,
    Hangup,
    PlaybackStart,
    PlaybackStop,
    RecordPause,
    RecordResume,
    RecordStart,
    RecordStop,
    Reject,
    SendDtmf,
    Transfer,
)
from onrecord.calls.hangup import Ending, OurReason
from onrecord.calls.media import MediaEvent, Spoken
from onrecord.calls.records import Direction, Leg, LegState
from onrecord.core.errors import CallerError
from onrecord.core.ids import CallControlId, RecordingId
from onrecord.core.units import NS_PER_S
from onrecord.metrics import COMMAND_SECONDS
from onrecord.service.answering import Answering
from onrecord.service.bridging import Bridging
from onrecord.service.dialling import Dialling
from onrecord.service.edges import Command, Edges, Repeated
from onrecord.service.ending import Endings
from onrecord.service.incoming import UNAVAILABLE, Incoming
from onrecord.service.negotiating import Negotiations
from onrecord.service.pausing import Pausing
from onrecord.service.playing import Playing
from onrecord.service.ports import Unit
from onrecord.service.recording import Recorder
from onrecord.service.registry import LiveLeg, PlannedBridge
from onrecord.service.ringbacks import Ringbacks
from onrecord.sip.backend import (
    Answered,
    Ended,
    IncomingCall,
    OfferAnswered,
    OfferReceived,
    Ringing,
    SipEvent,
)
from onrecord.wire import errors

READABLE_NS = 600 * NS_PER_S
"""How long the status of a call can be read after its end (contract section 8.2)."""

CLOSE_SECS = 10.0
"""How long closing waits for what is under way."""

_log = structlog.get_logger()

Act: TypeAlias = Callable[[LiveLeg], Awaitable[CommandResult]]


class Calls:
    """All live legs of this node. Lives on one event loop; nothing here blocks it."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._registry = edges.registry
        self._recorder = Recorder(edges)
        self._pausing = Pausing(edges, self._recorder)
        self._playing = Playing(edges)
        self._ringbacks = Ringbacks(edges)
        self._endings = Endings(edges, self._recorder, self._playing, self._ringbacks)
        self._negotiations = Negotiations(edges)
        self._incoming = Incoming(edges, self._endings)
        self._answering = Answering(edges, self._negotiations, self._recorder, self._endings)
        self._dialling = Dialling(edges, self._endings)
        self._bridging = Bridging(
            edges, self._negotiations, self._recorder, self._endings, self._ringbacks
        )
        self._closing = False

    # Commands. Each raises CallerError when the call's state does not allow it; then nothing has changed
    # and its command_id is not used up. A command_id that the call has seen answers as it did then.

    async def dial(self, command: Dial) -> Leg:
        """Place a call; returns its leg as it stands.

        Raises:
            CallerError: 422 for what the command names wrongly, 503 when there is no room.
        """
        if self._closing:
            raise errors.unavailable("The server is stopping.")
        with COMMAND_SECONDS.labels("dial").time():
            return await self._edges.background.unbroken(self._dialling.dial(command))

    async def answer(self, call_control_id: str, command: Answer) -> CommandResult:
        """Answer a ringing incoming call."""
        return await self._carry_out(
            "answer", call_control_id, command, lambda live: self._answering.answer(live, command)
        )

    async def reject(self, call_control_id: str, command: Reject) -> CommandResult:
        """Refuse a ringing incoming call: 486 for USER_BUSY, 603 for CALL_REJECTED."""

        async def act(live: LiveLeg) -> CommandResult:
            if live.leg.direction is Direction.OUTGOING:
                raise errors.unprocessable("The reject command is only for incoming calls.")
            if live.leg.state is not LegState.RINGING:
                raise errors.call_already_answered()
            busy = command.cause == "USER_BUSY"
            reason = OurReason.REJECT_BUSY if busy else OurReason.REJECT_CALL
            return await self._end(live, "reject", reason, command)

        return await self._carry_out("reject", call_control_id, command, act)

    async def hangup(self, call_control_id: str, command: Hangup) -> CommandResult:
        """End the call: BYE, or CANCEL, or for a ringing incoming call 603 as reject does."""
        headers = [(header.name, header.value) for header in command.custom_headers]
        return await self._carry_out(
            "hangup",
            call_control_id,
            command,
            lambda live: self._end(live, "hangup", OurReason.COMMAND, command, headers),
        )

    async def record_start(self, call_control_id: str, command: RecordStart) -> CommandResult:
        """Start one more recording; when this returns it survives any crash."""
        return await self._carry_out(
            "record_start",
            call_control_id,
            command,
            lambda live: self._recorder.start(live, command),
        )

    async def record_stop(self, call_control_id: str, command: RecordStop) -> CommandResult:
        """Stop one recording, or all of the call."""
        return await self._carry_out(
            "record_stop", call_control_id, command, lambda live: self._recorder.stop(live, command)
        )

    async def record_pause(self, call_control_id: str, command: RecordPause) -> CommandResult:
        """Pause one recording, or all of the call that run."""
        return await self._carry_out(
            "record_pause",
            call_control_id,
            command,
            lambda live: self._pausing.pause(live, command),
        )

    async def record_resume(self, call_control_id: str, command: RecordResume) -> CommandResult:
        """Go on with one recording, or with all of the call that pause."""
        return await self._carry_out(
            "record_resume",
            call_control_id,
            command,
            lambda live: self._pausing.resume(live, command),
        )

    async def playback_start(self, call_control_id: str, command: PlaybackStart) -> CommandResult:
        """Queue a file or a text to be played; webhooks tell what becomes of it."""
        name = "speak" if isinstance(command.source, Spoken) else "playback_start"
        return await self._carry_out(
            name, call_control_id, command, lambda live: self._playing.start(live, command)
        )

    async def playback_stop(self, call_control_id: str, command: PlaybackStop) -> CommandResult:
        """Stop what is played, or all that is queued."""
        return await self._carry_out(
            "playback_stop",
            call_control_id,
            command,
            lambda live: self._playing.stop(live, command),
        )

    async def send_dtmf(self, call_control_id: str, command: SendDtmf) -> CommandResult:
        """Send digits to the party."""
        return await self._carry_out(
            "send_dtmf", call_control_id, command, lambda live: self._playing.press(live, command)
        )

    async def client_state_update(
        self, call_control_id: str, command: ClientStateUpdate
    ) -> CommandResult:
        """Give the call another client_state, for the webhooks from now on."""

        async def act(live: LiveLeg) -> CommandResult:
            leg = await self._edges.tell(live, "client_state_update", command)
            return CommandResult(leg.call_control_id)

        return await self._carry_out("client_state_update", call_control_id, command, act)

    async def bridge(self, call_control_id: str, command: Bridge) -> CommandResult:
        """Join two answered calls."""

        async def act(live: LiveLeg) -> CommandResult:
            other = self._registry.by_token(command.other)
            if other is None:
                raise errors.invalid_call_control_id("/call_control_id")
            return await self._bridging.bridge(live, other, command)

        return await self._carry_out("bridge", call_control_id, command, act, command.other)

    async def transfer(self, call_control_id: str, command: Transfer) -> CommandResult:
        """Dial a second leg, and join it with this one when it is answered."""
        if self._closing:
            raise errors.unavailable("The server is stopping.")
        return await self._carry_out(
            "transfer",
            call_control_id,
            command,
            lambda live: self._dialling.transfer(live, command),
        )

    async def status(self, call_control_id: str) -> Leg:
        """The call, until ten minutes after its end.

        Raises:
            CallerError: 404 (10005) for a call that is unknown or over for longer.
        """
        live = self._registry.by_token(call_control_id)
        if live is not None:
            return live.leg
        leg = await self._edges.store.read(lambda unit: unit.leg(call_control_id))
        oldest_ns = self._edges.clock.utc_ns() - READABLE_NS
        if leg is None or (leg.ended_ns is not None and leg.ended_ns < oldest_ns):
            raise errors.not_found("call", "/call_control_id")
        return leg

    def planned_recording(self, leg: Leg) -> RecordingId | None:
        """The recording that will begin, or has begun, with the audio of a leg just dialled."""
        live = self._registry.by_id(leg.id)
        if live is None:
            return None
        return live.planned.id if live.planned else next(iter(live.recordings), None)

    # The SIP side

    def on_sip_event(self, event: SipEvent) -> None:
        """Take an event; it is handled in the leg's turn. Events of legs that are over are dropped."""
        if isinstance(event, IncomingCall):
            full = len(self._registry) >= self._edges.settings.max_legs
            self._registry.expect(event.leg)
            if self._closing or full:
                self._incoming.refuse(event, UNAVAILABLE)
                return
        elif not self._registry.knows(event.leg):
            return
        self._edges.background.spawn(self._in_turn(event), type(event).__name__)

    def on_media_event(self, event: MediaEvent) -> None:
        """Take what the media side tells of its own accord; it is handled in the leg's turn."""
        if not self._closing:
            self._edges.background.spawn(self._playing.told(event), type(event).__name__)

    async def close(self) -> None:
        """Take no more calls, end all that are up and wait until that is written."""
        self._closing = True
        shutdown = Ending(OurReason.SHUTDOWN)
        legs = self._registry.all()
        await asyncio.gather(
            *(self._endings.in_turn(live.leg.id, shutdown) for live in legs),
            return_exceptions=True,
        )
        await self._edges.background.drain(CLOSE_SECS)

    async def _in_turn(self, event: SipEvent) -> None:
        async with self._registry.turns([event.leg]):
            if isinstance(event, IncomingCall):
                await self._incoming.receive(event)
                return
            live = self._registry.by_id(event.leg)
            if live is None:
                return
            try:
                await self._handle(live, event)
            except Exception:  # noqa: BLE001 -- the unit of work is one leg: it is ended, others go on
                _log.exception("event_failed", leg=event.leg, sip_event=type(event).__name__)
                if self._registry.by_id(event.leg) is live:
                    await self._endings.end(live, Ending(OurReason.FAULT))

    async def _handle(
        self, live: LiveLeg, event: Ringing | Answered | OfferReceived | OfferAnswered | Ended
    ) -> None:
        match event:
            case Ringing():
                live.early_sdp = event.sdp or live.early_sdp
                self._ring_back(live, event)
                if event.sdp is not None:
                    await self._early_media(live, event.sdp)
            case Answered():
                await self._ringbacks.end(live.leg.id)
                await self._answering.far_side(live, event)
                await self._playing.press_on_answer(live)
                if not self._playing.play_on_answer(live, lambda: self._bridge_on_answer(live)):
                    self._bridge_on_answer(live)
            case OfferReceived():
                await self._negotiations.offered(live, event)
            case OfferAnswered():
                await self._negotiations.answered(live, event)
            case Ended():
                ending = Ending(None, event.status, event.by_remote, event.reason)
                await self._endings.end(live, ending)

    def _ring_back(self, live: LiveLeg, event: Ringing) -> None:
        """The waiting party hears a tone, unless the phone that rings is heard itself."""
        plan = live.bridge_on_answer
        if plan is None or plan.ringtone is None:
            return
        heard = plan.early_media and (event.sdp is not None or live.media is not None)
        other = self._registry.by_token(plan.other)
        if other is not None and not heard:
            self._ringbacks.begin(live, other, plan.ringtone)

    async def _early_media(self, live: LiveLeg, sdp: str) -> None:
        plan = live.bridge_on_answer
        if plan is None or not plan.early_media or live.leg.state is not LegState.RINGING:
            return
        await self._answering.early(live, sdp)
        self._edges.background.spawn(self._hear_early(live, plan), "early_media")

    async def _hear_early(self, live: LiveLeg, plan: PlannedBridge) -> None:
        other = self._registry.by_token(plan.other)
        if other is not None:
            async with self._registry.turns([live.leg.id, other.leg.id]):
                if all(self._registry.by_id(one.leg.id) is one for one in (live, other)):
                    await self._bridging.early(other, live)

    def _bridge_on_answer(self, live: LiveLeg) -> None:
        plan, live.bridge_on_answer = live.bridge_on_answer, None
        if plan is not None and live.leg.state is LegState.ANSWERED:
            self._edges.background.spawn(self._bridge_quietly(live, plan), "bridge_on_answer")

    async def _bridge_quietly(self, live: LiveLeg, plan: PlannedBridge) -> None:
        """Nobody waits for this bridge: that it cannot be is a matter for the log."""
        try:
            await self.bridge(*plan.command(live.leg.call_control_id))
        except CallerError as error:
            _log.warning("bridge_on_answer_refused", leg=live.leg.id, reason=str(error))
            if plan.is_all:
                await self._endings.in_turn(live.leg.id, Ending(OurReason.PARTNER))

    # How a command is carried out

    async def _carry_out(
        self,
        name: str,
        token: str,
        command: Command,
        act: Act,
        other: CallControlId | None = None,
    ) -> CommandResult:
        """Do ``act`` in the turn of the leg (and of ``other``), to its end even if the caller goes."""
        with COMMAND_SECONDS.labels(name).time():
            return await self._edges.background.unbroken(
                self._command_in_turn(token, command, act, other)
            )

    async def _command_in_turn(
        self, token: str, command: Command, act: Act, other: CallControlId | None
    ) -> CommandResult:
        found = [self._registry.by_token(t) for t in (token, other) if t is not None]
        async with self._registry.turns(live.leg.id for live in found if live is not None):
            live = self._registry.by_token(token)
            if live is None:
                return await self._to_ended(token, command)
            if command.command_id and command.command_id in live.results:
                return live.results[command.command_id]
            try:
                result = await act(live)
            except Repeated:
                result = CommandResult(live.leg.call_control_id)
            if command.command_id:
                live.results[command.command_id] = result
            return result

    async def _to_ended(self, token: str, command: Command) -> CommandResult:
        """A repeat of a command that an ended call saw is fine; all else is refused."""

        def work(unit: Unit) -> None:
            leg = unit.leg(token)
            if leg is None:
                raise errors.invalid_call_control_id()
            if not command.command_id or not unit.has_command(token, command.command_id):
                raise errors.call_ended()

        await self._edges.store.read(work)
        return CommandResult(CallControlId(token))

    async def _end(
        self,
        live: LiveLeg,
        name: str,
        reason: OurReason,
        command: Command,
        headers: list[tuple[str, str]] | None = None,
    ) -> CommandResult:
        leg = live.leg
        await self._endings.end(
            live,
            Ending(reason),
            headers=headers or (),
            command=command,
            also=lambda unit: self._edges.note(unit, name, leg, command.command_id),
        )
        return CommandResult(leg.call_control_id)
