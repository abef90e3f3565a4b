"""The user agent on real sockets: feed one input, drain every output, re-arm one timer.

Satisfies ``service.ports.Signalling``. Everything runs on one event loop; verbs return at once and
may be called from within ``on_event``.
"""

import asyncio
import secrets
import socket
from collections.abc import Callable, Sequence

import structlog

from onrecord.core.clock import Clock
from onrecord.core.errors import CapacityError
from onrecord.core.ids import LegId, new_uuid
from onrecord.core.units import NS_PER_S
from onrecord.signalling.datagrams import Datagrams, bound_udp
from onrecord.signalling.names import Names
from onrecord.signalling.streams import StreamLimits, Streams
from onrecord.sip.agent import Peer, Transmit, UaConfig, UserAgent
from onrecord.sip.backend import DialRequest, SipEvent

_FREE_PORT_TRIES = 50
_LISTEN_BACKLOG = 1_024


class Signalling:
    """SIP calls over one UDP socket, one TCP listener and the connections of both ways."""

    def __init__(
        self,
        *,
        bind: str,
        port: int,
        advertised: str,
        max_calls: int,
        on_event: Callable[[SipEvent], None],
        clock: Clock,
        user_agent: str = "onrecord",
        limits: StreamLimits | None = None,
    ) -> None:
        """``port`` 0 takes a number that is free for both UDP and TCP; ``advertised`` is told to peers.

        ``on_event`` is called on the event loop, one event at a time, in order; what it raises is
        logged and stops neither this call nor others.
        """
        self._bind = bind
        self._port = port
        self._advertised = advertised
        self._max_calls = max_calls
        self._on_event = on_event
        self._clock = clock
        self._user_agent = user_agent
        self._family = socket.AF_INET6 if ":" in bind else socket.AF_INET
        self._datagrams = Datagrams(self._receive)
        self._streams = Streams(self._receive, self._unreachable, clock, limits)
        self._names = Names(clock, self._family)
        self._log = structlog.get_logger()
        self._agent: UserAgent | None = None
        self._draining = False
        self._timer: asyncio.TimerHandle | None = None

    @property
    def port(self) -> int:
        """The port of SIP over UDP and TCP; known once started."""
        return self._port

    async def start(self) -> None:
        """Open the ports.

        Raises:
            OSError: the port is taken.
            CapacityError: port 0 was asked for and no number is free for both transports.
        """
        udp, tcp = self._bound()
        self._port = udp.getsockname()[1]
        config = UaConfig(
            host=self._advertised,
            port=self._port,
            new_leg=lambda: LegId(new_uuid()),
            user_agent=self._user_agent,
            max_calls=self._max_calls,
        )
        self._agent = UserAgent(config, lambda: secrets.token_hex(12))
        await self._datagrams.start(udp)
        await self._streams.start(tcp)
        self._log.info("sip_listening", bind=self._bind, port=self._port)

    async def close(self) -> None:
        """Close the ports. Calls that are up are not ended: hang them up first."""
        self._agent = None
        if self._timer is not None:
            self._timer.cancel()
        await self._datagrams.close()
        await self._streams.close()
        await self._names.close()

    def dial(self, leg: LegId, request: DialRequest) -> str:
        """Send an INVITE; returns its SIP Call-ID.

        A host name is resolved off the loop; one without an address ends the leg as ``failed``.

        Raises:
            CapacityError: too many dialogs.
            ValueError: the target is not a SIP URI that can be reached.
        """
        agent = self._running()
        try:
            return agent.dial(leg, request, self._clock.monotonic_ns())
        finally:
            self._settle()

    def ring(self, leg: LegId) -> None:
        """Send 180."""
        self._running().ring(leg, self._clock.monotonic_ns())
        self._settle()

    def answer(self, leg: LegId, sdp: str, headers: Sequence[tuple[str, str]] = ()) -> None:
        """Send 200 with our answer, or with our offer where the INVITE had none."""
        self._running().answer(leg, sdp, headers, self._clock.monotonic_ns())
        self._settle()

    def reject(self, leg: LegId, status: int) -> None:
        """Refuse an incoming call."""
        self._running().reject(leg, status, self._clock.monotonic_ns())
        self._settle()

    def hangup(self, leg: LegId, headers: Sequence[tuple[str, str]] = ()) -> None:
        """CANCEL or BYE, whichever the dialog's state asks for."""
        self._running().hangup(leg, headers, self._clock.monotonic_ns())
        self._settle()

    def accept_offer(self, leg: LegId, sdp: str) -> None:
        """Answer a re-INVITE's offer (or make ours in the 200 when it brought none)."""
        self._running().accept_offer(leg, sdp, self._clock.monotonic_ns())
        self._settle()

    def refuse_offer(self, leg: LegId, status: int) -> None:
        """Refuse a re-INVITE's offer; the session stays as it was."""
        self._running().refuse_offer(leg, status, self._clock.monotonic_ns())
        self._settle()

    def reoffer(self, leg: LegId, sdp: str) -> None:
        """Send a re-INVITE with our offer, for example to hold."""
        self._running().reoffer(leg, sdp, self._clock.monotonic_ns())
        self._settle()

    def _running(self) -> UserAgent:
        if self._agent is None:
            raise CapacityError("signalling is not running")
        return self._agent

    def _receive(self, data: bytes, peer: Peer) -> None:
        if self._agent is not None:
            self._agent.receive(data, peer, self._clock.monotonic_ns())
            self._settle()

    def _wake(self) -> None:
        self._timer = None
        if self._agent is not None:
            self._agent.wake(self._clock.monotonic_ns())
            self._settle()

    def _unreachable(self, peer: Peer) -> None:
        if self._agent is not None:
            self._log.info("sip_unreachable", peer=str(peer), transport=peer.transport)
            self._agent.transport_failed(peer, self._clock.monotonic_ns())
            self._settle()

    def _settle(self) -> None:
        """Drain the outputs and re-arm the timer; a call from within the drain leaves both to it."""
        if self._draining:
            return
        self._draining = True
        try:
            while self._agent is not None and (outputs := self._agent.outputs()):
                for output in outputs:
                    self._put_out(output)
        finally:
            self._draining = False
        self._arm()

    def _put_out(self, output: Transmit | SipEvent) -> None:
        if isinstance(output, Transmit):
            self._transmit(output)
            return
        try:
            self._on_event(output)
        except Exception:  # noqa: BLE001 -- one call's fault must not stop the calls of others
            self._log.exception("sip_event_failed", sip_event=type(output).__name__, leg=output.leg)

    def _transmit(self, message: Transmit) -> None:
        peer = message.peer

        def send(address: str | None) -> None:
            if address is not None and peer.transport == "TCP":
                self._streams.send(message.data, address, peer)
            elif address is None or not self._datagrams.send(message.data, address, peer.port):
                # in a later turn of the loop: what the agent sends then may fail as well
                asyncio.get_running_loop().call_soon(self._unreachable, peer)

        self._names.lookup(peer.host, send)

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        due_ns = self._agent.next_deadline() if self._agent is not None else None
        if due_ns is not None:
            wait = max(due_ns - self._clock.monotonic_ns(), 0) / NS_PER_S
            self._timer = asyncio.get_running_loop().call_later(wait, self._wake)

    def _bound(self) -> tuple[socket.socket, socket.socket]:
        for _ in range(_FREE_PORT_TRIES):
            udp = bound_udp(self._bind, self._port, self._family)
            try:
                return udp, self._listening(udp.getsockname()[1])
            except OSError:
                udp.close()
                if self._port:
                    raise
        raise CapacityError("no port is free for SIP over both UDP and TCP")

    def _listening(self, port: int) -> socket.socket:
        opened = socket.socket(self._family, socket.SOCK_STREAM)
        try:
            opened.setblocking(False)
            opened.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            opened.bind((self._bind, port))
            opened.listen(_LISTEN_BACKLOG)
        except OSError:
            opened.close()
            raise
        return opened
