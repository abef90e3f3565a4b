"""An INVITE becomes a leg: route, ports, offer, and the ``call.initiated`` of its application."""

from collections.abc import Sequence

import structlog

from onrecord.calls.addresses import routing_keys, shown_address
from onrecord.calls.hangup import NOT_ACCEPTABLE, OurReason
from onrecord.calls.records import Application, Direction, Header, Leg, LegState
from onrecord.core.errors import CapacityError, PeerError
from onrecord.core.ids import SessionId, new_call_control_id, new_uuid
from onrecord.core.logs import mask
from onrecord.metrics import CALLS
from onrecord.sdp.codecs import G711
from onrecord.sdp.negotiation import Answer, RtpAddress, answer, offered_codecs
from onrecord.service.edges import Edges
from onrecord.service.ending import Endings
from onrecord.service.negotiating import new_sdp_session_id, new_srtp_keys
from onrecord.service.ports import Unit
from onrecord.service.registry import LiveLeg
from onrecord.sip.backend import IncomingCall

NOT_FOUND = 404
SERVER_ERROR = 500
UNAVAILABLE = 503

_SIP_HEADERS = frozenset({"user-to-user", "diversion"})

_log = structlog.get_logger()


class Incoming:
    """Takes calls in, or refuses them; called by the holder of the leg's turn."""

    def __init__(self, edges: Edges, endings: Endings) -> None:
        self._edges = edges
        self._endings = endings

    async def receive(self, call: IncomingCall) -> None:
        """Set up the leg and ring.

        Refused: 404 without an application, 503 without a port, 488 without a codec of ours. A call that
        is refused leaves no row and no event.
        """
        try:
            status = await self._admit(call)
        except Exception:  # noqa: BLE001 -- the unit of work is one call: its peer gets an answer
            _log.exception("incoming_failed", leg=call.leg)
            await self._edges.media.close_leg(call.leg)
            status = SERVER_ERROR
        if status is not None:
            _log.info("incoming_refused", leg=call.leg, status=status, source=call.source)
            self.refuse(call, status)

    def refuse(self, call: IncomingCall, status: int) -> None:
        """Reject a call that has no leg."""
        self._edges.signalling.reject(call.leg, status)
        self._edges.registry.forget(call.leg)

    async def _admit(self, call: IncomingCall) -> int | None:
        edges = self._edges
        application = await edges.store.read(lambda unit: self._route(unit, call))
        if application is None:
            return NOT_FOUND
        try:
            transcodes = _may_transcode(call.offer, edges.settings.codec_names)
            address = await edges.media.open_leg(call.leg, may_transcode=transcodes)
        except CapacityError:
            return UNAVAILABLE
        session_id, keys = new_sdp_session_id(), new_srtp_keys()
        try:
            codecs, made = self._negotiate(call, address, session_id, keys[0])
        except PeerError:
            await edges.media.close_leg(call.leg)
            return NOT_ACCEPTABLE
        leg = self._new_leg(call, application, codecs)
        live = LiveLeg(leg, application, address, session_id, keys, offer=call.offer, answer=made)
        await self._begin(live)
        return None

    async def _begin(self, live: LiveLeg) -> None:
        edges, leg = self._edges, live.leg
        event = edges.announcements.initiated(leg, live.application)

        def work(unit: Unit) -> None:
            unit.add_leg(leg)
            unit.add_event(event)

        await edges.store.write(work)
        edges.registry.add(live)
        edges.signalling.ring(leg.id)
        secs = edges.settings.ring_timeout_secs
        self._endings.arm(live, "ring_timeout", secs, OurReason.RING_TIMEOUT)
        edges.delivery.submit([event])
        CALLS.labels(leg.direction.value).inc()
        _log.info("call_incoming", leg=leg.id, from_=mask(leg.from_), to=mask(leg.to))

    def _negotiate(
        self, call: IncomingCall, address: RtpAddress, session_id: int, key: str
    ) -> tuple[Sequence[str], Answer | None]:
        """The offered codecs, and our answer; a late offer has neither."""
        if call.offer is None:
            return (), None
        names = self._edges.settings.codec_names
        made = answer(call.offer, address, session_id, 1, names, key=key)
        return offered_codecs(call.offer), made

    def _route(self, unit: Unit, call: IncomingCall) -> Application | None:
        """The active application that the called number or user is routed to, else the default one."""
        for key in routing_keys(call.request_uri, call.to_uri):
            number = unit.number(key)
            routed = unit.application(number.application_id) if number is not None else None
            if routed is not None:
                return _usable(routed)
        default = self._edges.settings.default_application
        return _usable(unit.application(default) if default else unit.oldest_application())

    def _new_leg(self, call: IncomingCall, application: Application, codecs: Sequence[str]) -> Leg:
        node = self._edges.settings.node
        headers = tuple(Header(name, value) for name, value in call.headers)
        return Leg(
            id=call.leg,
            session_id=SessionId(new_uuid()),
            call_control_id=new_call_control_id(node),
            application_id=application.id,
            node=node,
            direction=Direction.INCOMING,
            state=LegState.RINGING,
            from_=shown_address(call.from_uri),
            to=shown_address(call.to_uri),
            from_sip_uri=call.from_uri,
            to_sip_uri=call.to_uri,
            caller_name=call.from_name,
            sip_call_id=call.sip_call_id,
            first_of_session=True,
            created_ns=self._edges.clock.utc_ns(),
            custom_headers=tuple(h for h in headers if h.name.lower().startswith("x-")),
            sip_headers=tuple(h for h in headers if h.name.lower() in _SIP_HEADERS),
            offered_codecs=tuple(codecs),
        )


def _may_transcode(offer: str | None, ours: Sequence[str]) -> bool:
    """Whether the call is going to have a codec that takes time to get ready for."""
    try:
        offered = offered_codecs(offer) if offer is not None else ()
    except PeerError:
        return False
    return next((name not in G711 for name in offered if name in ours), False)


def _usable(application: Application | None) -> Application | None:
    if application is None or not application.active or not application.webhook_url:
        return None
    return application
