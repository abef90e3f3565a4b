"""Calls and dialogs as tables (RFC 3261 §9, §12 to §15, RFC 3264 §4).

``CALLS`` says what each input does to a leg in each state, ``OFFERS`` who owes whom an answer about
its media. A pair that is not there is ignored (``CALLS``) or refused as its caller documents
(``OFFERS``). Messages are not built here.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum

from onrecord.core.ids import LegId
from onrecord.sip.backend import DialRequest
from onrecord.sip.headers import SipSyntaxError, parse_name_addr, parse_sip_uri
from onrecord.sip.message import Envelope, Header
from onrecord.sip.peers import Peer
from onrecord.sip.transactions import Transaction


class CallState(Enum):
    """Where a leg is."""

    DIALLING = "dialling"
    """Our INVITE is out, nothing came back."""
    PROCEEDING = "proceeding"
    """It got a provisional response."""
    CANCEL_OWED = "CANCEL owed"
    """Hung up before that; the CANCEL waits for it (§9.1)."""
    CANCELLING = "cancelling"
    OFFERED = "offered"
    """A 2xx brought the offer that our INVITE lacked; its ACK waits for our answer."""
    INCOMING = "incoming"
    """Their INVITE has no final response."""
    ANSWERED = "answered"
    """It got our 2xx, whose ACK has not come."""
    BYE_OWED = "BYE owed"
    """Hung up before that; the BYE waits for it (§15)."""
    CONFIRMED = "confirmed"
    ENDED = "ended"


class CallInput(Enum):
    """What happens to a leg: responses, requests, verbs, silence."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    SUCCESS_OFFER = "2xx with the offer"
    FAILURE = "300-699"
    CHALLENGED = "401 or 407 that can be answered"
    NO_REPLY = "no reply"
    UNREACHABLE = "transport error"
    ACK = "ACK"
    NO_ACK = "no ACK, or one without the answer it owed"
    CANCEL = "CANCEL"
    BYE = "BYE"
    LOST = "dialog unknown to the peer"
    RING = "ring verb"
    ANSWER = "answer verb"
    REJECT = "reject verb"
    HANGUP = "hangup verb"
    ACCEPT = "accept_offer verb"
    REFUSE = "refuse_offer verb"


class Effect(Enum):
    """What a row asks for, in order."""

    REPORT_RINGING = "Ringing"
    REPORT_OFFER = "OfferReceived"
    REPORT_ANSWERED = "Answered"
    REPORT_BYE = "Ended, bye"
    REPORT_CANCEL = "Ended, cancel"
    REPORT_REJECTED = "Ended, rejected"
    REPORT_TIMEOUT = "Ended, timeout"
    REPORT_FAILED = "Ended, failed"
    SEND_RINGING = "send 180"
    SEND_OK = "send 200"
    SEND_REFUSAL = "send 300-699"
    SEND_CANCELLED = "send 487"
    SEND_ACK = "send ACK"
    SEND_CANCEL = "send CANCEL"
    SEND_BYE = "send BYE"
    RETRY = "send INVITE with credentials"


@dataclass(frozen=True, slots=True)
class CallRow:
    """One cell of ``CALLS``."""

    state: CallState
    """Afterwards."""
    effects: tuple[Effect, ...] = ()


_S, _I, _E = CallState, CallInput, Effect
_GONE = CallRow(_S.ENDED)
_ACK_AND_BYE = CallRow(_S.ENDED, (_E.SEND_ACK, _E.SEND_BYE))
_ANSWERED = CallRow(_S.CONFIRMED, (_E.SEND_ACK, _E.REPORT_ANSWERED))
_OFFERED = CallRow(_S.OFFERED, (_E.REPORT_OFFER,))
_REJECTED = CallRow(_S.ENDED, (_E.REPORT_REJECTED,))
_TIMED_OUT = CallRow(_S.ENDED, (_E.REPORT_TIMEOUT,))
_ENDED_BY_BYE = CallRow(_S.ENDED, (_E.REPORT_BYE,))
_FAILED = CallRow(_S.ENDED, (_E.SEND_BYE, _E.REPORT_FAILED))
_BYE = CallRow(_S.ENDED, (_E.SEND_BYE,))

CALLS: Mapping[tuple[CallState, CallInput], CallRow] = {
    (_S.DIALLING, _I.PROVISIONAL): CallRow(_S.PROCEEDING, (_E.REPORT_RINGING,)),
    (_S.DIALLING, _I.SUCCESS): _ANSWERED,
    (_S.DIALLING, _I.SUCCESS_OFFER): _OFFERED,
    (_S.DIALLING, _I.FAILURE): _REJECTED,
    (_S.DIALLING, _I.CHALLENGED): CallRow(_S.DIALLING, (_E.RETRY,)),
    (_S.DIALLING, _I.NO_REPLY): _TIMED_OUT,
    (_S.DIALLING, _I.UNREACHABLE): CallRow(_S.ENDED, (_E.REPORT_FAILED,)),
    (_S.DIALLING, _I.HANGUP): CallRow(_S.CANCEL_OWED, (_E.REPORT_CANCEL,)),
    (_S.PROCEEDING, _I.PROVISIONAL): CallRow(_S.PROCEEDING, (_E.REPORT_RINGING,)),
    (_S.PROCEEDING, _I.SUCCESS): _ANSWERED,
    (_S.PROCEEDING, _I.SUCCESS_OFFER): _OFFERED,
    (_S.PROCEEDING, _I.FAILURE): _REJECTED,
    (_S.PROCEEDING, _I.CHALLENGED): CallRow(_S.DIALLING, (_E.RETRY,)),
    (_S.PROCEEDING, _I.HANGUP): CallRow(_S.CANCELLING, (_E.SEND_CANCEL, _E.REPORT_CANCEL)),
    (_S.CANCEL_OWED, _I.PROVISIONAL): CallRow(_S.CANCELLING, (_E.SEND_CANCEL,)),
    (_S.CANCEL_OWED, _I.SUCCESS): _ACK_AND_BYE,
    (_S.CANCEL_OWED, _I.SUCCESS_OFFER): _ACK_AND_BYE,
    (_S.CANCEL_OWED, _I.FAILURE): _GONE,
    (_S.CANCEL_OWED, _I.CHALLENGED): _GONE,
    (_S.CANCEL_OWED, _I.NO_REPLY): _GONE,
    (_S.CANCEL_OWED, _I.UNREACHABLE): _GONE,
    (_S.CANCELLING, _I.SUCCESS): _ACK_AND_BYE,
    (_S.CANCELLING, _I.SUCCESS_OFFER): _ACK_AND_BYE,
    (_S.CANCELLING, _I.FAILURE): _GONE,
    (_S.CANCELLING, _I.CHALLENGED): _GONE,
    (_S.CANCELLING, _I.NO_REPLY): _GONE,
    (_S.OFFERED, _I.ACCEPT): CallRow(_S.CONFIRMED, (_E.SEND_ACK, _E.REPORT_ANSWERED)),
    (_S.OFFERED, _I.REFUSE): CallRow(_S.ENDED, (_E.SEND_ACK, _E.SEND_BYE, _E.REPORT_FAILED)),
    (_S.OFFERED, _I.HANGUP): CallRow(_S.ENDED, (_E.SEND_ACK, _E.SEND_BYE, _E.REPORT_BYE)),
    (_S.OFFERED, _I.BYE): _ENDED_BY_BYE,
    (_S.INCOMING, _I.RING): CallRow(_S.INCOMING, (_E.SEND_RINGING,)),
    (_S.INCOMING, _I.ANSWER): CallRow(_S.ANSWERED, (_E.SEND_OK,)),
    (_S.INCOMING, _I.REJECT): CallRow(_S.ENDED, (_E.SEND_REFUSAL, _E.REPORT_REJECTED)),
    (_S.INCOMING, _I.HANGUP): CallRow(_S.ENDED, (_E.SEND_REFUSAL, _E.REPORT_REJECTED)),
    (_S.INCOMING, _I.CANCEL): CallRow(_S.ENDED, (_E.SEND_CANCELLED, _E.REPORT_CANCEL)),
    (_S.INCOMING, _I.BYE): CallRow(_S.ENDED, (_E.SEND_CANCELLED, _E.REPORT_BYE)),
    (_S.ANSWERED, _I.ACK): CallRow(_S.CONFIRMED, (_E.REPORT_ANSWERED,)),
    (_S.ANSWERED, _I.BYE): _ENDED_BY_BYE,
    (_S.ANSWERED, _I.HANGUP): CallRow(_S.BYE_OWED, (_E.REPORT_BYE,)),
    (_S.ANSWERED, _I.NO_ACK): _FAILED,
    (_S.BYE_OWED, _I.ACK): _BYE,
    (_S.BYE_OWED, _I.NO_ACK): _BYE,
    (_S.BYE_OWED, _I.BYE): _GONE,
    (_S.CONFIRMED, _I.BYE): _ENDED_BY_BYE,
    (_S.CONFIRMED, _I.HANGUP): CallRow(_S.ENDED, (_E.SEND_BYE, _E.REPORT_BYE)),
    (_S.CONFIRMED, _I.NO_ACK): _FAILED,
    (_S.CONFIRMED, _I.LOST): _FAILED,
}


class OfferState(Enum):
    """Who owes whom in a leg's media negotiation."""

    STABLE = "stable"
    THEIRS = "their INVITE awaits our response"
    ACK_OWED = "our 2xx awaits its ACK"
    OURS = "our INVITE awaits their response"


class OfferInput(Enum):
    """What moves a negotiation."""

    INVITE_IN = "INVITE received"
    SUCCESS_OUT = "2xx sent"
    FAILURE_OUT = "300-699 sent"
    ACK_IN = "ACK received"
    INVITE_OUT = "INVITE sent"
    RESPONSE_IN = "final response received"


OFFERS: Mapping[tuple[OfferState, OfferInput], OfferState] = {
    (OfferState.STABLE, OfferInput.INVITE_IN): OfferState.THEIRS,
    (OfferState.THEIRS, OfferInput.SUCCESS_OUT): OfferState.ACK_OWED,
    (OfferState.THEIRS, OfferInput.FAILURE_OUT): OfferState.STABLE,
    (OfferState.ACK_OWED, OfferInput.ACK_IN): OfferState.STABLE,
    (OfferState.STABLE, OfferInput.INVITE_OUT): OfferState.OURS,
    (OfferState.OURS, OfferInput.RESPONSE_IN): OfferState.STABLE,
}


@dataclass(frozen=True, slots=True)
class DialogId:
    """What names a dialog on our side (RFC 3261 §12)."""

    call_id: str
    local_tag: str
    remote_tag: str


@dataclass(slots=True, eq=False)
class Dialog:
    """A peer-to-peer relation: enough to build the next request."""

    id: DialogId
    local: str
    """Value of our From, or To in responses."""
    remote: str
    target: str
    """The peer's Contact."""
    routes: tuple[str, ...]
    """The route set, first hop first."""
    cseq: int
    """Of our last request."""
    remote_cseq: int
    """Of the peer's last request; -1 before the first."""
    source: Peer
    """Where the peer's first message came from, or ours went to."""
    credentials: tuple[Header, ...] = ()
    """Of the INVITE that made it; its ACK repeats them (§22.1)."""

    def next_hop(self) -> Peer:
        """Where the next request goes: the first route, else the target (loose routing, §12.2.1.1).

        A hop that we cannot reach (another scheme or transport) leaves the source. Never raises.
        """
        try:
            uri = parse_name_addr(self.routes[0]).uri if self.routes else self.target
            hop = peer_of(uri, self.source.transport)
        except SipSyntaxError:
            return self.source
        near = hop.transport == self.source.transport and hop.host == self.source.host
        return Peer(hop.transport, hop.host, hop.port, self.source.flow) if near else hop


def peer_of(uri: str, transport: str) -> Peer:
    """Where a SIP URI leads; ``transport`` unless it names one itself.

    Raises:
        SipSyntaxError: not a ``sip:`` URI over UDP or TCP.
    """
    parsed = parse_sip_uri(uri)
    wanted = parsed.parameters.get("transport", transport).upper()
    if parsed.scheme != "sip" or wanted not in ("UDP", "TCP"):
        raise SipSyntaxError("only sip: over UDP or TCP")
    return Peer(wanted, parsed.host, parsed.port or 5060)


@dataclass(slots=True)
class Unacked:
    """A 2xx of ours that is sent until its ACK comes (RFC 3261 §13.3.1.4)."""

    cseq: int
    data: bytes
    peer: Peer
    interval_ns: int
    offered: bool
    """It carries our offer: the ACK must bring the answer."""


@dataclass(slots=True, eq=False)
class Call:
    """One leg."""

    leg: LegId
    state: CallState
    invite: Transaction | None
    """The INVITE that began it, ours or theirs."""
    dialog: Dialog | None = None
    """None while dialling: responses may yet make several."""
    offer: OfferState = OfferState.STABLE
    received: Envelope | None = None
    """Their last INVITE."""
    request: DialRequest | None = None
    """What was dialled."""
    reinvite: Transaction | None = None
    """Their re-INVITE that awaits our response."""
    reoffer: Transaction | None = None
    """Our last re-INVITE."""
    wanted_offer: str | None = None
    """Our next offer, held until the negotiation is stable."""
    backing_off: bool = False
    """After a 491 (RFC 3261 §14.1)."""
    unacked: Unacked | None = None
    rings: bool = False
    """A Ringing was reported."""
    ringing_sdp: str | None = None
    """The last SDP of a provisional response."""

    @property
    def incoming(self) -> bool:
        """Whether the peer called."""
        return self.request is None

    def negotiate(self, what: OfferInput) -> bool:
        """Move the negotiation; False, and nothing changed, when the input does not fit."""
        after = OFFERS.get((self.offer, what))
        self.offer = after or self.offer
        return after is not None


class CallTable:
    """All legs that are not over, by leg and by dialog."""

    def __init__(self) -> None:
        self._legs: dict[LegId, Call] = {}
        self._dialogs: dict[DialogId, Call] = {}

    def __len__(self) -> int:
        return len(self._legs)

    def add(self, call: Call) -> None:
        """Enter a leg, with its dialog if it has one."""
        self._legs[call.leg] = call
        if call.dialog is not None:
            self._dialogs[call.dialog.id] = call

    def remove(self, call: Call) -> None:
        """Forget a leg and its dialog."""
        self._legs.pop(call.leg, None)
        if call.dialog is not None:
            self._dialogs.pop(call.dialog.id, None)

    def leg(self, leg: LegId) -> Call | None:
        """The leg, unless it is over."""
        return self._legs.get(leg)

    def dialog(self, dialog: DialogId) -> Call | None:
        """The leg that has this dialog."""
        return self._dialogs.get(dialog)
