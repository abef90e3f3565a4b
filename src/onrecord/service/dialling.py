"""An application places a call."""

import uuid
from collections.abc import Callable
from dataclasses import replace

import structlog

from onrecord.calls.addresses import is_e164, through_proxy, user_of
from onrecord.calls.commands import CommandResult, Dial, Transfer
from onrecord.calls.hangup import OurReason
from onrecord.calls.records import Application, Direction, Leg, LegState
from onrecord.core.errors import CapacityError
from onrecord.core.ids import LegId, SessionId, new_call_control_id, new_uuid
from onrecord.core.logs import mask
from onrecord.metrics import CALLS
from onrecord.sdp.codecs import G711
from onrecord.service.edges import Edges, leg_told
from onrecord.service.ending import Endings
from onrecord.service.negotiating import (
    best_first,
    new_sdp_session_id,
    new_srtp_keys,
    our_offer,
)
from onrecord.service.ports import Unit
from onrecord.service.recording import planned_recording
from onrecord.service.registry import LiveLeg, PlannedBridge
from onrecord.sip.backend import DialRequest
from onrecord.wire import errors

SCOPE = "dial"
"""Command ids of dials are one set for the whole server."""

_DIALS = uuid.UUID("5f0c1f4e-6a55-4d3e-9d0a-3f9f8e7f2b61")
"""Name space (RFC 9562 §5.5) in which a dial's command_id gives the id of its leg."""

_log = structlog.get_logger()

Also = Callable[[Unit, Leg], None]
"""What is written together with a new leg."""


class Dialling:
    """Places calls."""

    def __init__(self, edges: Edges, endings: Endings) -> None:
        self._edges = edges
        self._endings = endings

    async def dial(self, command: Dial) -> Leg:
        """Send an INVITE; a command_id that dialled before gives the leg of then.

        Raises:
            CallerError: 422 for what the command names wrongly, 503 (10037) when legs or ports ran out.
        """
        leg_id = self._leg_id(command)
        known = self._edges.registry.knows(leg_id)
        if not known and len(self._edges.registry) >= self._edges.settings.max_legs:
            raise errors.unavailable("No more calls can be up at the same time.")
        self._edges.registry.expect(leg_id)
        async with self._edges.registry.turns([leg_id]):
            if not self._edges.registry.knows(
                leg_id
            ):  # the same dial, just before, came to nothing
                return await self.dial(command)
            try:
                return await self._once(leg_id, command)
            finally:
                if self._edges.registry.by_id(leg_id) is None:
                    self._edges.registry.forget(leg_id)

    async def transfer(self, live: LiveLeg, command: Transfer) -> CommandResult:
        """Dial a second leg in the session; its answer joins it with ``live``, whose turn is held.

        Raises:
            CallerError: ``live`` is not answered; else as :meth:`dial`.
        """
        if live.leg.state is LegState.RINGING or live.media is None:
            raise errors.call_not_answered()
        if len(self._edges.registry) >= self._edges.settings.max_legs:
            raise errors.unavailable("No more calls can be up at the same time.")
        first = leg_told(live.leg, replace(command, webhook=None))
        plan = PlannedBridge(
            other=first.call_control_id,
            transfer=True,
            park_other=command.park_after_unbridge,
            early_media=command.early_media,
            mute_dtmf=command.mute_dtmf,
            ringtone=command.ringtone,
        )

        def also(unit: Unit, _: Leg) -> None:
            self._edges.note(unit, "transfer", first, command.command_id)
            unit.save_leg(first)

        leg_id = LegId(new_uuid())
        self._edges.registry.expect(leg_id)
        # Nobody else can hold the new leg's turn and want another: its token is not known yet.
        async with self._edges.registry.turns([leg_id]):
            try:
                await self._place(leg_id, _dial_of(command, first), live.application, plan, also)
            finally:
                if self._edges.registry.by_id(leg_id) is None:
                    self._edges.registry.forget(leg_id)
        live.leg = first
        live.transferring_to.add(leg_id)
        return CommandResult(first.call_control_id)

    def _leg_id(self, command: Dial) -> LegId:
        """Derived from the command_id, so that a repeat finds the leg whatever came between."""
        if not command.command_id:
            return LegId(new_uuid())
        return LegId(str(uuid.uuid5(_DIALS, command.command_id)))

    async def _once(self, leg_id: LegId, command: Dial) -> Leg:
        live = self._edges.registry.by_id(leg_id)
        if live is not None:
            return live.leg
        application, earlier = await self._edges.store.read(
            lambda unit: (
                unit.application(command.application_id),
                unit.leg_by_id(leg_id) if command.command_id else None,
            )
        )
        if earlier is not None:
            return earlier
        if application is None or not application.active or not application.webhook_url:
            raise errors.unknown_connection()
        plan = None
        if command.link_to is not None and command.bridge_on_answer:
            prevent = command.prevent_double_bridge
            plan = PlannedBridge(
                command.link_to,
                prevent_double_bridge=prevent,
                mute_dtmf=command.mute_dtmf,
                ringtone=command.ringtone,
            )

        def also(unit: Unit, leg: Leg) -> None:
            self._edges.note(unit, "dial", leg, command.command_id, SCOPE)

        return await self._place(leg_id, command, application, plan, also)

    async def _place(
        self,
        leg_id: LegId,
        command: Dial,
        application: Application,
        plan: PlannedBridge | None,
        also: Also,
    ) -> Leg:
        linked = self._linked(command)
        target = self._target(command.to)
        try:
            transcodes = linked is not None and not G711.issuperset(self._codecs(command))
            address = await self._edges.media.open_leg(leg_id, may_transcode=transcodes)
        except CapacityError as error:
            raise errors.unavailable("No RTP port is free.") from error
        try:
            leg = self._new_leg(leg_id, command, target, linked)
            live = LiveLeg(leg, application, address, new_sdp_session_id(), new_srtp_keys())
            live.bridge_on_answer, live.parks = plan, command.park_after_unbridge
            live.secure = command.encrypted
            return await self._invite(live, command, also)
        except BaseException:
            await self._edges.media.close_leg(leg_id)
            raise

    async def _invite(self, live: LiveLeg, command: Dial, also: Also) -> Leg:
        edges, leg = self._edges, live.leg
        live.planned = planned_recording(command.record)
        live.time_limit_secs = command.time_limit_secs
        live.digits_on_answer, live.audio_on_answer = command.send_digits, command.audio
        live.preferred_codecs = command.preferred_codecs
        request = self._request(leg, command, our_offer(live, self._codecs(command)))
        try:
            call_id = edges.signalling.dial(leg.id, request)
        except CapacityError as error:
            raise errors.unavailable("The SIP side takes no more calls.") from error
        except ValueError as error:
            raise errors.invalid_value("to", f"The address cannot be called: {error}.") from error
        live.leg = leg = replace(leg, sip_call_id=call_id)
        await self._write(live, also)
        self._endings.arm(live, "dial_timeout", command.timeout_secs, OurReason.DIAL_TIMEOUT)
        CALLS.labels(leg.direction.value).inc()
        _log.info("call_dialled", leg=leg.id, from_=mask(leg.from_), to=mask(leg.to))
        return leg

    async def _write(self, live: LiveLeg, also: Also) -> None:
        """Leg, event and command; a leg that cannot be written is not called either."""
        edges, leg = self._edges, live.leg
        event = edges.announcements.initiated(leg, live.application)

        def work(unit: Unit) -> None:
            also(unit, leg)
            unit.add_leg(leg)
            unit.add_event(event)

        try:
            await edges.store.write(work)
        except BaseException:
            edges.signalling.hangup(leg.id)
            raise
        edges.registry.add(live)
        edges.delivery.submit([event])

    def _linked(self, command: Dial) -> Leg | None:
        if command.link_to is None:
            return None
        other = self._edges.registry.by_token(command.link_to)
        if other is None:
            raise errors.invalid_call_control_id("/link_to")
        return other.leg

    def _codecs(self, command: Dial) -> list[str]:
        """Ours; first the preferred ones, then the linked leg's, so that a bridge need not transcode."""
        names = self._edges.settings.codec_names
        other = self._edges.registry.by_token(command.link_to or "")
        used = other.leg.codec if other is not None else None
        return best_first(sorted(names, key=lambda name: name != used), command.preferred_codecs)

    def _target(self, to: str) -> str:
        """The Request-URI: a SIP URI as it is, a number through the outbound proxy.

        Raises:
            CallerError: 10016, ``to`` is neither; 10015, a number, but there is no proxy.
        """
        if user_of(to) is not None or to.lower().startswith(("sip:", "sips:")):
            return to
        if not is_e164(to):
            raise errors.not_e164("to")
        proxy = self._edges.settings.outbound_proxy
        if proxy is None:
            detail = "Numbers can be called only with the setting outbound_proxy; use a SIP URI."
            raise errors.invalid_value("to", detail)
        return through_proxy(to, proxy)

    def _request(self, leg: Leg, command: Dial, sdp: str) -> DialRequest:
        headers = (*command.custom_headers, *command.sip_headers)
        return DialRequest(
            target=leg.to_sip_uri,
            from_uri=leg.from_sip_uri,
            sdp=sdp,
            from_name=command.caller_name,
            transport=command.transport,
            headers=tuple((header.name, header.value) for header in headers),
            auth_username=command.auth_username,
            auth_password=command.auth_password,
        )

    def _new_leg(self, leg_id: LegId, command: Dial, target: str, linked: Leg | None) -> Leg:
        settings = self._edges.settings
        caller = command.from_
        if not caller.lower().startswith(("sip:", "sips:")):
            caller = f"sip:{caller}@{settings.advertised_address}"
        return Leg(
            id=leg_id,
            session_id=linked.session_id if linked else SessionId(new_uuid()),
            call_control_id=new_call_control_id(settings.node),
            application_id=command.application_id,
            node=settings.node,
            direction=Direction.OUTGOING,
            state=LegState.RINGING,
            from_=command.from_,
            to=command.to,
            from_sip_uri=caller,
            to_sip_uri=target,
            caller_name=command.caller_name,
            sip_call_id="",
            first_of_session=linked is None,
            created_ns=self._edges.clock.utc_ns(),
            client_state=command.client_state,
            custom_headers=command.custom_headers,
            sip_headers=command.sip_headers,
            webhook=command.webhook,
        )


def _dial_of(command: Transfer, first: Leg) -> Dial:
    """The dial that a transfer makes."""
    return Dial(
        application_id=first.application_id,
        to=command.to,
        from_=command.from_ or first.to,
        caller_name=command.caller_name,
        timeout_secs=command.timeout_secs,
        time_limit_secs=command.time_limit_secs,
        encrypted=command.encrypted,
        transport=command.transport,
        custom_headers=command.custom_headers,
        sip_headers=command.sip_headers,
        auth_username=command.auth_username,
        auth_password=command.auth_password,
        link_to=first.call_control_id,
        send_digits=command.send_digits,
        client_state=command.target_client_state,
        webhook=first.webhook.changed(command.webhook),
        record=command.record,
        audio=command.audio,
        preferred_codecs=command.preferred_codecs,
    )
