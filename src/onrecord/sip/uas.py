"""The server half: requests that we get and the responses they deserve (RFC 3261 §8.2, §13.3)."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from onrecord.sip.backend import IncomingCall, OfferAnswered, OfferReceived
from onrecord.sip.core import (
    ACCEPT,
    ALLOW,
    EXTENSIONS,
    METHODS,
    CallAlarm,
    Core,
    Facts,
    count_rejected,
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
    OfferState,
    Unacked,
)
from onrecord.sip.headers import (
    SipSyntaxError,
    Via,
    parse_media_type,
    parse_name_addr,
    parse_via,
    split_list,
)
from onrecord.sip.message import (
    REASONS,
    SDP,
    VERSION,
    Envelope,
    Header,
    Message,
    session_description,
)
from onrecord.sip.peers import Peer
from onrecord.sip.transactions import (
    PATIENCE_NS,
    T1_NS,
    T2_NS,
    Signal,
    State,
    Transaction,
    merge_key,
    server_key,
)
from onrecord.sip.uac import custom_headers, route_set

_SCHEMES = ("sip", "sips", "tel")
_REPORTED = {"user-to-user": "User-to-User", "diversion": "Diversion"}
_RETRY_SOON: Header = ("Retry-After", "5")
_COPIED = {"from": "From", "to": "To", "call-id": "Call-ID", "cseq": "CSeq"}
"""What a response copies besides Via, under the names that it gives them."""
_VIA_PARAMETER = re.compile(r";\s*(?:rport|received)\s*(?:=[^;]*)?(?=;|$)", re.IGNORECASE)

Refusal = tuple[int, tuple[Header, ...]]


@dataclass(slots=True, eq=False)
class Got:
    """Our record of a server transaction."""

    request: Envelope
    tag: str
    """Our To tag, the same in all its responses."""
    transaction: Transaction
    call: Call | None = None


def return_path(via: Via, source: Peer) -> Peer:
    """Where a response goes: the same connection; over UDP the source address and, without
    ``rport``, the port of sent-by (RFC 3261 §18.2.2, RFC 3581 §4). ``maddr`` is not followed.
    """
    if source.transport != "UDP" or "rport" in via.parameters:
        return source
    return Peer("UDP", source.host, via.port or 5060)


def _stamped(values: Sequence[str], via: Via, source: Peer) -> list[Header]:
    """The Via lines of a response: copies, the topmost value with ``received`` and ``rport``."""
    top, *rest = split_list(values[0])
    if via.host != source.host or "rport" in via.parameters:
        top = _VIA_PARAMETER.sub("", top) + f";received={source.host}"
        top += f";rport={source.port}" if "rport" in via.parameters else ""
    return [("Via", ", ".join([top, *rest])), *(("Via", value) for value in values[1:])]


def _tagged(to: str, tag: str) -> str:
    try:
        has_tag = bool(parse_name_addr(to).tag)
    except SipSyntaxError:
        has_tag = "tag=" in to
    return to if has_tag else f"{to};tag={tag}"


def _legible_via(message: Message) -> Via:
    """The topmost Via of a broken request, without parameters where those are what is broken."""
    top = split_list(message.all("via")[0])[0]
    try:
        return parse_via(top)
    except SipSyntaxError:
        return parse_via(top.partition(";")[0])


def response_to(
    request: Message,
    via: Via,
    source: Peer,
    status: int,
    tag: str,
    *,
    headers: Sequence[Header] = (),
    body: str = "",
) -> Message:
    """A response with what §8.2.6.2 copies from the request, as far as it is there."""
    lines = _stamped(request.all("via"), via, source)
    for name, shown in _COPIED.items():
        value = request.get(name)
        if value is not None:
            tagged = name == "to" and status > 100
            lines.append((shown, _tagged(value, tag) if tagged else value))
    if status == 100:
        lines += [("Timestamp", value) for value in request.all("timestamp")]
    reason = REASONS.get(status, "Refused")
    return Message(status=status, reason=reason, headers=(*lines, *headers), body=body.encode())


def refusal_of(request: Envelope) -> Refusal | None:
    """Why a request cannot be served, by the order of RFC 3261 §8.2; None when it can.

    Raises:
        SipSyntaxError: a header that is needed is malformed (400).
    """
    message = request.message
    if message.version.upper() != VERSION:
        return 505, ()
    if request.method not in METHODS:
        return 405, (ALLOW,)
    if message.uri.partition(":")[0].lower() not in _SCHEMES:
        return 416, ()
    if request.method == "CANCEL":
        return None
    unknown = [each for each in message.values("require") if each.lower() not in EXTENSIONS]
    if unknown:
        return 420, (("Unsupported", ", ".join(unknown)),)
    return _invite_refusal(message) if request.method == "INVITE" else None


def _invite_refusal(invite: Message) -> Refusal | None:
    for route in invite.values("record-route"):
        parse_name_addr(route)
    try:
        session_description(invite)
    except SipSyntaxError:
        return 415, (ACCEPT, ("Accept-Encoding", "identity"))
    accepts = [parse_media_type(value)[0] for value in invite.values("accept")]
    if accepts and not {SDP, "application/*", "*/*"}.intersection(accepts):
        return 406, ()
    return None


class Server:
    """Reads requests; sends responses."""

    def __init__(self, core: Core, stable: Callable[[Call, int], None]) -> None:
        """``stable`` is called when a leg's negotiation may have become stable."""
        self._core = core
        self._stable = stable
        handlers = {
            "INVITE": (self._new_call, self._reinvite),
            "BYE": (self._no_dialog, self._bye),
            "OPTIONS": (self._options, self._options_inside),
            "INFO": (self._no_dialog, self._info),
        }
        self._outside: Mapping[str, Callable[[Got, int], None]] = {
            method: pair[0] for method, pair in handlers.items()
        }
        self._inside: Mapping[str, Callable[[Got, Call, int], None]] = {
            method: pair[1] for method, pair in handlers.items()
        }

    # Arrival

    def receive(self, request: Envelope, now_ns: int) -> None:
        """Take a request whose envelope could be read."""
        transactions = self._core.transactions
        method = "INVITE" if request.method == "ACK" else request.method
        known = transactions.find(server_key(request, method))
        if request.method == "ACK":
            if known is None or known.state is State.ACCEPTED:
                self._ack(request, now_ns)
            else:
                transactions.signal(known, Signal.ACK, now_ns)
        elif known is not None:
            transactions.signal(known, Signal.REQUEST, now_ns)
        elif len(transactions) >= self._core.config.max_transactions:
            self._refuse_statelessly(request, 503, (_RETRY_SOON,))
        else:
            self._begin(request, now_ns)

    def refuse_malformed(self, message: Message, source: Peer) -> None:
        """Answer a broken request with 400, if its Via says where to; an ACK never."""
        count_rejected("malformed")
        if message.method == "ACK":
            return
        try:
            via = _legible_via(message)
            response = response_to(message, via, source, 400, self._core.token())
        except (SipSyntaxError, IndexError):
            return
        self._core.transmit(response.encode(), return_path(via, source))

    def _refuse_statelessly(
        self, request: Envelope, status: int, headers: Sequence[Header]
    ) -> None:
        count_rejected(str(status))
        tag = self._core.token()
        via, source = request.via, request.peer
        response = response_to(request.message, via, source, status, tag, headers=headers)
        self._core.transmit(response.encode(), return_path(via, source))

    def _begin(self, request: Envelope, now_ns: int) -> None:
        merged = self._core.transactions.is_merged(merge_key(request))
        reply_to = return_path(request.via, request.peer)
        transaction = self._core.transactions.open_server(request, reply_to)
        got = Got(request, self._core.token(), transaction)
        transaction.owner = got
        try:
            refusal = refusal_of(request)
        except SipSyntaxError:
            refusal = 400, ()
        if refusal is None and merged and request.method != "CANCEL":
            refusal = 482, ()
        if refusal is not None:
            self._refuse(got, now_ns, *refusal)
        else:
            self._dispatch(got, now_ns)

    def _dispatch(self, got: Got, now_ns: int) -> None:
        request = got.request
        if request.method == "CANCEL":
            self._cancel(got, now_ns)
        elif not request.to.tag:
            self._outside[request.method](got, now_ns)
        elif (call := self._call_of(request)) is None or call.dialog is None:
            self._no_dialog(got, now_ns)
        elif request.cseq <= call.dialog.remote_cseq:
            self._refuse(got, now_ns, 500)
        else:
            call.dialog.remote_cseq = request.cseq
            self._inside[request.method](got, call, now_ns)

    def _call_of(self, request: Envelope) -> Call | None:
        name = DialogId(request.call_id, request.to.tag, request.from_.tag)
        return self._core.calls.dialog(name)

    # Responses

    def _respond(
        self,
        got: Got,
        now_ns: int,
        status: int,
        headers: Sequence[Header] = (),
        body: str = "",
    ) -> None:
        request = got.request
        response = response_to(
            request.message,
            request.via,
            request.peer,
            status,
            got.tag,
            headers=headers,
            body=body,
        )
        self._core.transactions.respond(got.transaction, response, now_ns)

    def _refuse(
        self,
        got: Got,
        now_ns: int,
        status: int,
        headers: Sequence[Header] = (),
    ) -> None:
        count_rejected(str(status))
        self._respond(got, now_ns, status, headers)

    def _no_dialog(self, got: Got, now_ns: int) -> None:
        self._refuse(got, now_ns, 481)

    # Outside a dialog

    def _new_call(self, got: Got, now_ns: int) -> None:
        core, request = self._core, got.request
        if len(core.calls) >= core.config.max_calls:
            self._refuse(got, now_ns, 503, (_RETRY_SOON,))
            return
        self._respond(got, now_ns, 100)
        call = Call(
            core.config.new_leg(),
            CallState.INCOMING,
            got.transaction,
            dialog=_early_dialog(got),
            offer=OfferState.THEIRS,
            received=request,
        )
        got.call = call
        core.calls.add(call)
        core.emit(_incoming(call, request))

    def _options(self, got: Got, now_ns: int) -> None:
        headers = (ALLOW, ACCEPT, ("Supported", ", ".join(sorted(EXTENSIONS))))
        self._respond(got, now_ns, 200, headers)

    def _cancel(self, got: Got, now_ns: int) -> None:
        """§9.2: only an INVITE without a final response is changed."""
        invite = self._core.transactions.find(server_key(got.request, "INVITE"))
        if invite is None or not isinstance(invite.owner, Got):
            self._no_dialog(got, now_ns)
            return
        target = invite.owner
        got.tag = target.tag
        self._respond(got, now_ns, 200)
        if target.call is None or invite.state is not State.PROCEEDING:
            return
        if target.call.invite is invite:
            facts = Facts(now_ns, by_remote=True)
            self._core.advance(target.call, CallInput.CANCEL, facts)
        else:
            self._end_reinvite(target.call, 487, now_ns)

    # Inside a dialog

    def _options_inside(self, got: Got, call: Call, now_ns: int) -> None:
        del call
        self._options(got, now_ns)

    def _info(self, got: Got, call: Call, now_ns: int) -> None:
        del call
        self._respond(got, now_ns, 200)

    def _bye(self, got: Got, call: Call, now_ns: int) -> None:
        self._respond(got, now_ns, 200)
        self._core.advance(call, CallInput.BYE, Facts(now_ns, by_remote=True))

    def _reinvite(self, got: Got, call: Call, now_ns: int) -> None:
        """§14.2. Two at a time are refused: 500 before our response, 491 before the ACK."""
        if call.offer is OfferState.THEIRS:
            self._refuse(got, now_ns, 500, (_RETRY_SOON,))
        elif call.state is not CallState.CONFIRMED or not call.negotiate(OfferInput.INVITE_IN):
            self._refuse(got, now_ns, 491)
        else:
            self._respond(got, now_ns, 100)
            got.call, call.reinvite, call.received = call, got.transaction, got.request
            self._core.emit(OfferReceived(call.leg, sdp_or_none(got.request.message)))

    def _ack(self, request: Envelope, now_ns: int) -> None:
        """The ACK of a 2xx; any other is a stray and gets no response."""
        call = self._call_of(request)
        if call is None or call.unacked is None or call.unacked.cseq != request.cseq:
            if call is None:
                count_rejected("stray ACK")
            return
        sdp = sdp_or_none(request.message) if call.unacked.offered else None
        facts = Facts(now_ns, by_remote=True, sdp=sdp)
        if call.unacked.offered and sdp is None:
            self._core.advance(call, CallInput.NO_ACK, replace(facts, by_remote=False))
            return
        self._settle(call)
        if not self._core.advance(call, CallInput.ACK, facts) and sdp is not None:
            self._core.emit(OfferAnswered(call.leg, sdp))
        self._stable(call, now_ns)

    def _settle(self, call: Call) -> None:
        call.unacked = None
        call.negotiate(OfferInput.ACK_IN)
        for alarm in (CallAlarm.RESEND_OK, CallAlarm.NO_ACK):
            self._core.alarms.clear((call, alarm))

    # Effects and verbs

    def send_ringing(self, call: Call, facts: Facts) -> None:
        """180, with the dialog's identity."""
        self._answer_invite(call, call.invite, 180, facts)

    def send_refusal(self, call: Call, facts: Facts) -> None:
        """The final response of ``facts.status``."""
        self._answer_invite(call, call.invite, facts.status or 480, facts)

    def send_cancelled(self, call: Call, facts: Facts) -> None:
        """487 to the INVITE."""
        self._answer_invite(call, call.invite, 487, facts)

    def send_ok(self, call: Call, facts: Facts) -> None:
        """200 to the INVITE, sent until its ACK comes."""
        self._answer_invite(call, call.invite, 200, facts)

    def accept_offer(self, call: Call, sdp: str, now_ns: int) -> None:
        """200 to their re-INVITE; its Contact is the new target (§12.2.2)."""
        reinvite, call.reinvite = call.reinvite, None
        if reinvite is None or call.dialog is None or call.received is None:
            return
        call.dialog.target = call.received.contact or call.dialog.target
        self._answer_invite(call, reinvite, 200, Facts(now_ns, body=sdp))

    def refuse_offer(self, call: Call, status: int, now_ns: int) -> None:
        """Refuse their re-INVITE."""
        self._end_reinvite(call, status, now_ns)
        self._stable(call, now_ns)

    def close(self, call: Call, now_ns: int) -> None:
        """The leg is over: a re-INVITE of theirs that waits gets its response (§15.1.2)."""
        self._end_reinvite(call, 487, now_ns)

    def _end_reinvite(self, call: Call, status: int, now_ns: int) -> None:
        reinvite, call.reinvite = call.reinvite, None
        if reinvite is not None:
            self._answer_invite(call, reinvite, status, Facts(now_ns))

    def _answer_invite(
        self, call: Call, invite: Transaction | None, status: int, facts: Facts
    ) -> None:
        if invite is None or not isinstance(invite.owner, Got) or call.dialog is None:
            return
        got = invite.owner
        headers: list[Header] = []
        if status < 300:
            routes = got.request.message.all("record-route")
            headers += [("Record-Route", route) for route in routes]
            headers += [self._core.contact(got.request.peer.transport), ALLOW]
        headers += [*custom_headers(facts.headers), *sdp_headers(facts.body)]
        self._respond(got, facts.now_ns, status, headers, facts.body or "")
        if status >= 300:
            call.negotiate(OfferInput.FAILURE_OUT)
        elif status >= 200:
            self._await_ack(call, invite, got, facts.now_ns)

    def _await_ack(self, call: Call, invite: Transaction, got: Got, now_ns: int) -> None:
        offered = sdp_or_none(got.request.message) is None
        call.negotiate(OfferInput.SUCCESS_OUT)
        call.unacked = Unacked(got.request.cseq, invite.last, invite.peer, T1_NS, offered)
        self._core.alarms.set((call, CallAlarm.RESEND_OK), now_ns + T1_NS)
        self._core.alarms.set((call, CallAlarm.NO_ACK), now_ns + PATIENCE_NS)

    # Alarms

    def resend_ok(self, call: Call, now_ns: int) -> None:
        """The 2xx again, at doubling intervals up to T2 (§13.3.1.4)."""
        waiting = call.unacked
        if waiting is None:
            return
        self._core.transmit(waiting.data, waiting.peer)
        waiting.interval_ns = min(2 * waiting.interval_ns, T2_NS)
        self._core.alarms.set((call, CallAlarm.RESEND_OK), now_ns + waiting.interval_ns)

    def no_ack(self, call: Call, now_ns: int) -> None:
        """64*T1 without an ACK: the session is ended with a BYE."""
        self._core.advance(call, CallInput.NO_ACK, Facts(now_ns))


def _early_dialog(got: Got) -> Dialog:
    """The dialog of an INVITE, early until it is answered (§12.1.1)."""
    request, message = got.request, got.request.message
    return Dialog(
        DialogId(request.call_id, got.tag, request.from_.tag),
        _tagged(message.get("to") or "", got.tag),
        message.get("from") or "",
        request.contact or request.from_.uri,
        tuple(route_set(message)),
        0,
        request.cseq,
        request.peer,
    )


def _incoming(call: Call, request: Envelope) -> IncomingCall:
    message = request.message
    shown = tuple(
        (_REPORTED.get(name, written), value)
        for (name, value), written in zip(message.headers, message.written, strict=True)
        if name.startswith("x-") or name in _REPORTED
    )
    return IncomingCall(
        call.leg,
        request.call_id,
        message.uri,
        request.from_.uri,
        request.from_.name,
        request.to.uri,
        shown,
        sdp_or_none(message),
        str(request.peer),
    )
