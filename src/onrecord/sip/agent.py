"""A SIP user agent without sockets, clocks or randomness (RFC 3261).

One input at a time goes in (a message, a verb, the time); then ``outputs`` is drained until empty
and ``next_deadline`` says when to call ``wake``. Names of hosts are resolved by the edge.
"""

from collections.abc import Callable, Sequence
from enum import Enum

from onrecord.core.ids import LegId
from onrecord.sip.backend import DialRequest, SipEvent
from onrecord.sip.core import CallAlarm, Core, Facts, UaConfig, count_rejected
from onrecord.sip.dialogs import Call, CallInput, CallState, Effect
from onrecord.sip.headers import SipSyntaxError
from onrecord.sip.message import Envelope, parse, read_envelope
from onrecord.sip.peers import Peer, Transmit
from onrecord.sip.transactions import Action, Signal, Timer, Transaction, client_key
from onrecord.sip.uac import Client
from onrecord.sip.uas import Server

__all__ = ["Peer", "Transmit", "UaConfig", "UserAgent"]

_HUNG_UP_UNANSWERED = 480
_KEEPALIVE = b"\r\n\0 "


class UserAgent:
    """Calls in and out over UDP and TCP. Never raises on what a peer sent."""

    def __init__(self, config: UaConfig, token: Callable[[], str]) -> None:
        """``token`` returns random hexadecimal text (16 digits or more) for tags and branches."""
        core = self._core = Core(config, token)
        client = self._client = Client(core)
        server = self._server = Server(core, client.offer_if_stable)
        core.effects = {
            Effect.REPORT_RINGING: client.report_ringing,
            Effect.REPORT_OFFER: client.report_offer,
            Effect.REPORT_ANSWERED: client.report_answered,
            Effect.SEND_RINGING: server.send_ringing,
            Effect.SEND_OK: server.send_ok,
            Effect.SEND_REFUSAL: server.send_refusal,
            Effect.SEND_CANCELLED: server.send_cancelled,
            Effect.SEND_ACK: client.send_ack,
            Effect.SEND_CANCEL: client.send_cancel,
            Effect.SEND_BYE: client.send_bye,
            Effect.RETRY: client.retry,
        }
        core.closers = (server.close, client.close)
        self._alarms: dict[CallAlarm, Callable[[Call, int], None]] = {
            CallAlarm.RESEND_OK: server.resend_ok,
            CallAlarm.NO_ACK: server.no_ack,
            CallAlarm.GLARE: client.glare_over,
        }

    @property
    def calls(self) -> int:
        """Legs that are held, those that wait for a last message included."""
        return len(self._core.calls)

    @property
    def transactions(self) -> int:
        """Transactions that are held."""
        return len(self._core.transactions)

    # Inputs

    def receive(self, data: bytes, peer: Peer, now_ns: int) -> None:
        """Take one datagram, or one message of a stream; never raises on its content."""
        if not data.strip(_KEEPALIVE):
            return
        try:
            message = parse(data)
        except SipSyntaxError:
            count_rejected("unparsable")
            return
        try:
            envelope = read_envelope(message, peer)
        except SipSyntaxError:
            if message.status:
                count_rejected("malformed")
            else:
                self._server.refuse_malformed(message, peer)
            return
        if message.status:
            self._receive_response(envelope, now_ns)
        else:
            self._server.receive(envelope, now_ns)

    def _receive_response(self, response: Envelope, now_ns: int) -> None:
        transactions = self._core.transactions
        transaction = transactions.find(client_key(response.via.branch, response.method))
        if transaction is None:
            count_rejected("stray response")
            return
        status = response.message.status
        signal = Signal.FAILURE
        if status < 300:
            signal = Signal.SUCCESS if status >= 200 else Signal.PROVISIONAL
        if Action.DELIVER in transactions.signal(transaction, signal, now_ns, response.message):
            self._client.receive(transaction, response, now_ns)

    def wake(self, now_ns: int) -> None:
        """Do what is due."""
        for owner, alarm in self._core.alarms.due(now_ns):
            self._ring_alarm(owner, alarm, now_ns)

    def _ring_alarm(self, owner: object, alarm: Enum, now_ns: int) -> None:
        if isinstance(owner, Transaction) and isinstance(alarm, Timer):
            self._signal_failure(owner, alarm, now_ns)
        elif isinstance(owner, Call) and isinstance(alarm, CallAlarm):
            self._alarms[alarm](owner, now_ns)

    def transport_failed(self, peer: Peer, now_ns: int) -> None:
        """Tell that ``peer`` cannot be reached: requests to it that nothing answered yet fail now."""
        for transaction in self._core.transactions.of_peer(peer):
            self._signal_failure(transaction, Signal.UNREACHABLE, now_ns)

    def _signal_failure(self, transaction: Transaction, what: Timer | Signal, now_ns: int) -> None:
        if Action.FAIL in self._core.transactions.signal(transaction, what, now_ns):
            unreachable = what is Signal.UNREACHABLE
            reason = CallInput.UNREACHABLE if unreachable else CallInput.NO_REPLY
            self._client.no_reply(transaction, reason, now_ns)

    def next_deadline(self) -> int | None:
        """Monotonic ns at which ``wake`` is due; None when nothing is waited for."""
        return self._core.alarms.next()

    def outputs(self) -> list[Transmit | SipEvent]:
        """What has come of the inputs since the last call, in order."""
        drained, self._core.outbox = self._core.outbox, []
        return drained

    # Verbs. One that does not fit the leg's state, or whose leg is over, is ignored.

    def dial(self, leg: LegId, request: DialRequest, now_ns: int) -> str:
        """Send an INVITE; returns its Call-ID.

        With an empty ``sdp`` the offer is left to the peer: it comes as OfferReceived, and
        ``accept_offer`` answers it.

        Raises:
            CapacityError: too many calls.
            ValueError: the target or the route is not a ``sip:`` URI over UDP or TCP.
        """
        return self._client.dial(leg, request, now_ns)

    def ring(self, leg: LegId, now_ns: int) -> None:
        """Send 180."""
        self._advance(leg, CallInput.RING, Facts(now_ns))

    def answer(self, leg: LegId, sdp: str, headers: Sequence[tuple[str, str]], now_ns: int) -> None:
        """Send 200 with ``sdp``: the answer, or the offer where the INVITE had none."""
        self._advance(leg, CallInput.ANSWER, Facts(now_ns, body=sdp, headers=tuple(headers)))

    def reject(self, leg: LegId, status: int, now_ns: int) -> None:
        """Refuse an incoming call with 300 to 699; its Ended follows at once."""
        self._advance(leg, CallInput.REJECT, Facts(now_ns, status=status))

    def hangup(self, leg: LegId, headers: Sequence[tuple[str, str]], now_ns: int) -> None:
        """CANCEL, BYE or 480, as the state asks for; the leg's Ended follows at once.

        What the peer still sends or owes after that is dealt with here.
        """
        facts = Facts(now_ns, status=_HUNG_UP_UNANSWERED, headers=tuple(headers))
        self._advance(leg, CallInput.HANGUP, facts)

    def accept_offer(self, leg: LegId, sdp: str, now_ns: int) -> None:
        """Answer the peer's offer, or make ours where a re-INVITE brought none."""
        call = self._core.calls.leg(leg)
        if call is not None and call.state is CallState.OFFERED:
            self._advance(leg, CallInput.ACCEPT, Facts(now_ns, body=sdp))
        elif call is not None:
            self._server.accept_offer(call, sdp, now_ns)

    def refuse_offer(self, leg: LegId, status: int, now_ns: int) -> None:
        """Refuse a re-INVITE: the session stays as it was. The offer of a 2xx: the call ends."""
        call = self._core.calls.leg(leg)
        if call is not None and call.state is CallState.OFFERED:
            self._advance(leg, CallInput.REFUSE, Facts(now_ns, status=status))
        elif call is not None:
            self._server.refuse_offer(call, status, now_ns)

    def reoffer(self, leg: LegId, sdp: str, now_ns: int) -> None:
        """Offer anew in a re-INVITE, as soon as no other is under way; 491 is tried again.

        The answer comes as OfferAnswered; a refusal leaves the session as it was.
        """
        call = self._core.calls.leg(leg)
        if call is not None:
            call.wanted_offer = sdp
            self._client.offer_if_stable(call, now_ns)

    def _advance(self, leg: LegId, what: CallInput, facts: Facts) -> None:
        call = self._core.calls.leg(leg)
        if call is not None:
            self._core.advance(call, what, facts)
