"""The client half: requests that we send and what their responses do (RFC 3261 §8.1, §9.1, §13.2)."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from enum import Enum

from onrecord.core.errors import CapacityError
from onrecord.core.ids import LegId
from onrecord.core.units import NS_PER_MS
from onrecord.sip.backend import Answered, DialRequest, OfferAnswered, OfferReceived, Ringing
from onrecord.sip.core import (
    ALLOW,
    CallAlarm,
    Core,
    Facts,
    sdp_headers,
    sdp_or_none,
)
from onrecord.sip.dialogs import (
    Call,
    CallInput,
    CallState,
    Dialog,
    DialogId,
    OfferInput,
    peer_of,
)
from onrecord.sip.digest import CREDENTIAL_HEADERS, Login, authorize
from onrecord.sip.headers import WORD, SipSyntaxError, parse_name_addr, quote
from onrecord.sip.message import Envelope, Header, Message
from onrecord.sip.peers import Peer, Transmit
from onrecord.sip.transactions import Transaction

_MAX_TRIES = 3
_OWN_HEADERS = frozenset(
    {
        *("call-id", "contact", "content-length", "content-type", "cseq", "from", "max-forwards"),
        *("record-route", "route", "to", "via", "authorization", "proxy-authorization"),
        *("allow", "require", "supported", "user-agent"),
    }
)
_HEADER_NAME = re.compile(WORD, re.ASCII)
_DIALOG_LOST = (408, 481)


class Errand(Enum):
    """Why a request was sent."""

    DIAL = "dial"
    REOFFER = "re-INVITE"
    BYE = "BYE"
    CANCEL = "CANCEL"


@dataclass(slots=True, eq=False)
class Sent:
    """Our record of a client transaction."""

    errand: Errand
    branch: str
    call: Call
    dialog: Dialog | None = None
    tries: int = 1
    acks: dict[str, Transmit] = field(default_factory=dict)
    """ACKs of an INVITE's 2xx by To tag: sent again for each repeated 2xx (§13.2.2.4)."""


def custom_headers(headers: Sequence[Header]) -> tuple[Header, ...]:
    """The caller's headers without those that are ours to write, and without malformed names."""
    return tuple(
        (name, value)
        for name, value in headers
        if name.lower() not in _OWN_HEADERS and _HEADER_NAME.fullmatch(name)
    )


def _renewed(request: Message, cseq: int, via: Header, credentials: Sequence[Header]) -> Message:
    """A request once more, with another branch, CSeq and credentials (§8.1.3.5, §22.2)."""
    replaced = {"via", "cseq", *(name.lower() for name, _ in credentials)}
    kept = [pair for pair in request.headers if pair[0].lower() not in replaced]
    headers = (via, *kept, ("CSeq", f"{cseq} {request.method}"), *credentials)
    return replace(request, headers=headers)


class Client:
    """Sends requests; reads responses."""

    def __init__(self, core: Core) -> None:
        self._core = core

    # Dialling

    def dial(self, leg: LegId, request: DialRequest, now_ns: int) -> str:
        """Send the first INVITE of a leg; returns its Call-ID.

        Raises:
            CapacityError: too many calls.
            ValueError: the target or the route cannot be reached.
        """
        core = self._core
        if len(core.calls) >= core.config.max_calls:
            raise CapacityError("too many calls")
        peer = _first_hop(request)
        call = Call(leg, CallState.DIALLING, None, request=request)
        call_id = f"{core.token()}@{core.config.host}"
        branch = core.branch()
        invite = self._first_invite(request, call_id, branch, peer)
        core.calls.add(call)
        sent = Sent(Errand.DIAL, branch, call)
        call.invite = core.transactions.open_client(invite, branch, peer, now_ns, sent)
        return call_id

    def _first_invite(self, request: DialRequest, call_id: str, branch: str, peer: Peer) -> Message:
        core = self._core
        name = f"{quote(request.from_name)} " if request.from_name else ""
        headers: list[Header] = [core.via(branch, peer.transport), ("Max-Forwards", "70")]
        if request.route:
            headers.append(("Route", f"<{_loose(request.route)}>"))
        headers += [
            ("From", f"{name}<{request.from_uri}>;tag={core.token()}"),
            ("To", f"<{request.target}>"),
            ("Call-ID", call_id),
            ("CSeq", "1 INVITE"),
            core.contact(peer.transport),
            ALLOW,
            ("User-Agent", core.config.user_agent),
            *custom_headers(request.headers),
            *sdp_headers(request.sdp),
        ]
        body = request.sdp.encode()
        return Message("INVITE", request.target, headers=tuple(headers), body=body)

    # Responses

    def receive(self, transaction: Transaction, response: Envelope, now_ns: int) -> None:
        """Take a response that its transaction passed up."""
        sent = transaction.owner
        if not isinstance(sent, Sent):
            return
        if sent.errand is Errand.DIAL:
            self._dial_response(transaction, sent, response, now_ns)
        elif sent.errand is Errand.REOFFER:
            self._reoffer_response(transaction, sent, response, now_ns)
        elif sent.errand is Errand.BYE and response.message.status >= 300:
            self._try_again(transaction, sent, response.message, now_ns)

    def no_reply(self, transaction: Transaction, what: CallInput, now_ns: int) -> None:
        """No final response came: ``what`` is NO_REPLY or UNREACHABLE."""
        sent = transaction.owner
        if not isinstance(sent, Sent):
            return
        facts = Facts(now_ns, by_remote=what is CallInput.NO_REPLY)
        if sent.errand is Errand.DIAL and sent.call.invite is transaction:
            self._core.advance(sent.call, what, facts)
        elif sent.errand is Errand.REOFFER:
            sent.call.negotiate(OfferInput.RESPONSE_IN)
            self._core.advance(sent.call, CallInput.LOST, facts)

    def _dial_response(
        self, transaction: Transaction, sent: Sent, response: Envelope, now_ns: int
    ) -> None:
        message, call = response.message, sent.call
        facts = Facts(
            now_ns,
            by_remote=True,
            status=message.status,
            sdp=sdp_or_none(message),
            transaction=transaction,
        )
        if message.status < 200:
            self._core.advance(call, CallInput.PROVISIONAL, facts)
        elif message.status < 300:
            self._dial_success(transaction, sent, response, facts)
        elif credentials := self._credentials(transaction, sent, message):
            challenged = replace(facts, headers=credentials)
            self._core.advance(call, CallInput.CHALLENGED, challenged)
        else:
            self._core.advance(call, CallInput.FAILURE, facts)

    def _dial_success(
        self, transaction: Transaction, sent: Sent, response: Envelope, facts: Facts
    ) -> None:
        call, tag = sent.call, response.to.tag
        if tag in sent.acks:
            again = sent.acks[tag]
            self._core.transmit(again.data, again.peer)
            return
        if call.dialog is not None and call.dialog.id.remote_tag == tag:
            return  # the ACK waits for our answer to its offer
        facts = replace(facts, dialog=_made_dialog(transaction, response))
        if call.state in (CallState.DIALLING, CallState.PROCEEDING):
            call.dialog = facts.dialog
            self._core.calls.add(call)
        late = call.request is not None and not call.request.sdp
        what = CallInput.SUCCESS_OFFER if late else CallInput.SUCCESS
        if not self._core.advance(call, what, facts):
            self.send_ack(call, facts)  # the 2xx of another branch of a fork (§13.2.2.4)
            self.send_bye(call, facts)

    def _credentials(
        self, transaction: Transaction, sent: Sent, response: Message
    ) -> tuple[Header, ...]:
        request = sent.call.request
        if request is None or not request.auth_username or sent.tries >= _MAX_TRIES:
            return ()
        login = Login(request.auth_username, request.auth_password or "")
        found = authorize(transaction.request, response, login, self._core.token())
        return found or ()

    def _try_again(
        self, transaction: Transaction, sent: Sent, response: Message, now_ns: int
    ) -> bool:
        credentials = self._credentials(transaction, sent, response)
        if credentials:
            again = self._repeat(transaction, sent, credentials, now_ns)
            sent.call.reoffer = again if sent.errand is Errand.REOFFER else sent.call.reoffer
        return bool(credentials)

    def _repeat(
        self, transaction: Transaction, sent: Sent, credentials: Sequence[Header], now_ns: int
    ) -> Transaction:
        """The request of a transaction once more, with credentials."""
        core, request, branch = self._core, transaction.request, self._core.branch()
        if sent.dialog is not None:
            sent.dialog.cseq += 1
        cseq = sent.dialog.cseq if sent.dialog is not None else _cseq(request) + 1
        via = core.via(branch, transaction.peer.transport)
        again = Sent(sent.errand, branch, sent.call, sent.dialog, sent.tries + 1)
        message = _renewed(request, cseq, via, credentials)
        return core.transactions.open_client(message, branch, transaction.peer, now_ns, again)

    # Effects

    def retry(self, call: Call, facts: Facts) -> None:
        """The first INVITE once more, with credentials."""
        refused = facts.transaction
        if refused is not None and isinstance(refused.owner, Sent):
            call.invite = self._repeat(refused, refused.owner, facts.headers, facts.now_ns)

    def report_ringing(self, call: Call, facts: Facts) -> None:
        """Once, and again for each early SDP that is new."""
        news = not call.rings or (facts.sdp is not None and facts.sdp != call.ringing_sdp)
        if facts.status is not None and facts.status > 100 and news:
            call.rings = True
            call.ringing_sdp = facts.sdp or call.ringing_sdp
            self._core.emit(Ringing(call.leg, facts.sdp))

    def report_offer(self, call: Call, facts: Facts) -> None:
        """The 2xx brought the offer."""
        self._core.emit(OfferReceived(call.leg, facts.sdp))

    def report_answered(self, call: Call, facts: Facts) -> None:
        """With the SDP of the 2xx, or of the ACK; a 2xx without one repeats the early answer."""
        self._core.emit(Answered(call.leg, facts.sdp or call.ringing_sdp))

    def send_ack(self, call: Call, facts: Facts) -> None:
        """ACK a 2xx (§13.2.2.4)."""
        transaction = facts.transaction or call.invite
        dialog = facts.dialog or call.dialog
        if transaction is None or dialog is None or not isinstance(transaction.owner, Sent):
            return
        hop, branch = dialog.next_hop(), self._core.branch()
        headers = (*dialog.credentials, *sdp_headers(facts.body))
        cseq = _cseq(transaction.request)
        body = facts.body or ""
        ack = self._build(dialog, ("ACK", cseq), branch, hop, headers=headers, body=body)
        sending = Transmit(ack.encode(), hop)
        transaction.owner.acks[dialog.id.remote_tag] = sending
        self._core.transmit(sending.data, sending.peer)

    def send_cancel(self, call: Call, facts: Facts) -> None:
        """CANCEL our INVITE (§9.1)."""
        invite = call.invite
        if invite is None or not isinstance(invite.owner, Sent):
            return
        request = invite.request
        copied = ("via", "max-forwards", "route", "from", "to", "call-id")
        headers = [pair for pair in request.headers if pair[0].lower() in copied]
        headers.append(("CSeq", f"{_cseq(request)} CANCEL"))
        message = Message("CANCEL", request.uri, headers=tuple(headers))
        branch = invite.owner.branch
        sent = Sent(Errand.CANCEL, branch, call)
        self._core.transactions.open_client(message, branch, invite.peer, facts.now_ns, sent)
        self._core.transactions.expect_end(invite, facts.now_ns)

    def send_bye(self, call: Call, facts: Facts) -> None:
        """BYE in the leg's dialog, or in the one that a 2xx made."""
        dialog = facts.dialog or call.dialog
        if dialog is not None:
            self._send_in_dialog(call, dialog, Errand.BYE, "BYE", facts)

    # Re-INVITE

    def offer_if_stable(self, call: Call, now_ns: int) -> None:
        """Send the offer that is held, once nothing else is under way (RFC 3261 §14.1)."""
        ready = call.state is CallState.CONFIRMED and not call.backing_off
        if not ready or call.dialog is None or call.wanted_offer is None:
            return
        if call.negotiate(OfferInput.INVITE_OUT):
            facts = Facts(now_ns, body=call.wanted_offer)
            call.wanted_offer = None
            call.reoffer = self._send_in_dialog(call, call.dialog, Errand.REOFFER, "INVITE", facts)

    def close(self, call: Call, now_ns: int) -> None:
        """The leg is over: a re-INVITE of ours that gets no final response is given up."""
        if call.reoffer is not None:
            self._core.transactions.expect_end(call.reoffer, now_ns)

    def glare_over(self, call: Call, now_ns: int) -> None:
        """The wait after a 491 is over."""
        call.backing_off = False
        self.offer_if_stable(call, now_ns)

    def _reoffer_response(
        self, transaction: Transaction, sent: Sent, response: Envelope, now_ns: int
    ) -> None:
        message, call = response.message, sent.call
        if message.status < 200 and call.state is CallState.ENDED:
            self._core.transactions.expect_end(transaction, now_ns)
        elif 200 <= message.status < 300:
            self._reoffer_success(transaction, sent, response, now_ns)
        elif message.status >= 300 and not self._try_again(transaction, sent, message, now_ns):
            call.negotiate(OfferInput.RESPONSE_IN)
            if message.status == 491:
                self._back_off(call, transaction.request, now_ns)
            elif message.status in _DIALOG_LOST:
                facts = Facts(now_ns, by_remote=True, status=message.status)
                self._core.advance(call, CallInput.LOST, facts)
            self.offer_if_stable(call, now_ns)

    def _reoffer_success(
        self, transaction: Transaction, sent: Sent, response: Envelope, now_ns: int
    ) -> None:
        call, dialog = sent.call, sent.dialog
        if dialog is None:
            return
        if acked := next(iter(sent.acks.values()), None):
            self._core.transmit(acked.data, acked.peer)
            return
        dialog.target = response.contact or dialog.target
        self.send_ack(call, Facts(now_ns, transaction=transaction, dialog=dialog))
        call.negotiate(OfferInput.RESPONSE_IN)
        sdp = sdp_or_none(response.message)
        if sdp is not None and call.state is CallState.CONFIRMED:
            self._core.emit(OfferAnswered(call.leg, sdp))
        self.offer_if_stable(call, now_ns)

    def _back_off(self, call: Call, request: Message, now_ns: int) -> None:
        """RFC 3261 §14.1: 2.1 to 4 s for the owner of the Call-ID, 0 to 2 s for the other side."""
        chance = int(self._core.token(), 16)
        wait_ms = 10 * (chance % 201) if call.incoming else 2100 + 10 * (chance % 191)
        call.wanted_offer = call.wanted_offer or request.body.decode()
        call.backing_off = True
        self._core.alarms.set((call, CallAlarm.GLARE), now_ns + wait_ms * NS_PER_MS)

    def _send_in_dialog(
        self, call: Call, dialog: Dialog, errand: Errand, method: str, facts: Facts
    ) -> Transaction:
        core = self._core
        dialog.cseq += 1
        hop, branch = dialog.next_hop(), core.branch()
        headers = list(custom_headers(facts.headers))
        if method == "INVITE":
            headers += [core.contact(hop.transport), ALLOW, *sdp_headers(facts.body)]
        body, named = facts.body or "", (method, dialog.cseq)
        message = self._build(dialog, named, branch, hop, headers=headers, body=body)
        sent = Sent(errand, branch, call, dialog)
        return core.transactions.open_client(message, branch, hop, facts.now_ns, sent)

    def _build(
        self,
        dialog: Dialog,
        named: tuple[str, int],
        branch: str,
        hop: Peer,
        *,
        headers: Sequence[Header],
        body: str,
    ) -> Message:
        """A request within a dialog (§12.2.1.1); ``named``: its method and CSeq number."""
        core, (method, cseq) = self._core, named
        lines = [core.via(branch, hop.transport), ("Max-Forwards", "70")]
        lines += [("Route", route) for route in dialog.routes]
        lines += [
            ("From", dialog.local),
            ("To", dialog.remote),
            ("Call-ID", dialog.id.call_id),
            ("CSeq", f"{cseq} {method}"),
            ("User-Agent", core.config.user_agent),
            *headers,
        ]
        return Message(method, dialog.target, headers=tuple(lines), body=body.encode())


def _cseq(request: Message) -> int:
    return int((request.get("cseq") or "0").partition(" ")[0])


def _loose(route: str) -> str:
    return route if ";lr" in route.lower() else f"{route};lr"


def _first_hop(request: DialRequest) -> Peer:
    try:
        peer_of(request.target, request.transport)
        parse_name_addr(f"<{request.from_uri}>")
        return peer_of(request.route or request.target, request.transport)
    except SipSyntaxError as error:
        raise ValueError(f"cannot dial: {error}") from error


def _made_dialog(transaction: Transaction, response: Envelope) -> Dialog:
    """The dialog that a 2xx to our INVITE makes (§12.1.2)."""
    request, message = transaction.request, response.message
    return Dialog(
        DialogId(response.call_id, response.from_.tag, response.to.tag),
        request.get("from") or "",
        message.get("to") or "",
        response.contact or request.uri,
        tuple(reversed(route_set(message))),
        _cseq(request),
        -1,
        transaction.peer,
        tuple(pair for pair in request.headers if pair[0].lower() in CREDENTIAL_HEADERS),
    )


def route_set(message: Message) -> list[str]:
    """The Record-Route values in the order of the message; none when they are malformed."""
    try:
        routes = message.values("record-route")
        for route in routes:
            parse_name_addr(route)
    except SipSyntaxError:
        return []
    return routes
