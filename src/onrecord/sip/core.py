"""What the client and the server half of a user agent share: tables, alarms, the outbox."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum

from onrecord import metrics
from onrecord.core.ids import LegId
from onrecord.sip.alarms import Alarms
from onrecord.sip.backend import Ended, SipEvent
from onrecord.sip.dialogs import CALLS, Call, CallInput, CallState, CallTable, Dialog, Effect
from onrecord.sip.headers import SipSyntaxError
from onrecord.sip.message import SDP, Header, Message, session_description
from onrecord.sip.peers import Peer, Transmit
from onrecord.sip.transactions import MAGIC_COOKIE, Transaction, Transactions


@dataclass(frozen=True, slots=True)
class UaConfig:
    """What a user agent is told once."""

    host: str
    """Address that others reach us at: in Via and Contact; IPv6 without brackets."""
    port: int
    new_leg: Callable[[], LegId]
    """Names the leg of an incoming call."""
    user_agent: str = "onrecord"
    max_calls: int = 1000
    """Above it INVITEs are refused with 503 and ``dial`` raises CapacityError."""
    max_transactions: int = 20_000
    """Above it every new request is refused with 503."""


@dataclass(frozen=True, slots=True)
class Method:
    """Where a method is understood."""

    outside: bool
    """Without a dialog; else it is answered with 481."""
    inside: bool
    """Within a dialog."""


METHODS: Mapping[str, Method] = {
    "INVITE": Method(outside=True, inside=True),
    "ACK": Method(outside=False, inside=True),
    "CANCEL": Method(outside=True, inside=True),
    "BYE": Method(outside=False, inside=True),
    "OPTIONS": Method(outside=True, inside=True),
    "INFO": Method(outside=False, inside=True),
}
"""Every method that is understood. What is not here is refused with 405."""

ALLOW: Header = ("Allow", ", ".join(METHODS))
ACCEPT: Header = ("Accept", SDP)
EXTENSIONS: frozenset[str] = frozenset()
"""Option tags that a peer may require of us (RFC 3261 §8.2.2.3)."""


class CallAlarm(Enum):
    """Deadlines of a leg."""

    RESEND_OK = "send the 2xx again"
    NO_ACK = "no ACK came"
    GLARE = "offer again after a 491"


@dataclass(frozen=True, slots=True)
class Facts:
    """What came with an input to a leg, for the effects of its row."""

    now_ns: int
    by_remote: bool = False
    status: int | None = None
    """Of the response that came, or that is to be sent."""
    sdp: str | None = None
    """The peer's."""
    body: str | None = None
    """Our SDP, to be sent."""
    headers: tuple[Header, ...] = ()
    """To be sent."""
    transaction: Transaction | None = None
    """The client transaction that a response came in."""
    dialog: Dialog | None = None
    """The dialog that a 2xx made."""


_ENDINGS = {
    Effect.REPORT_BYE: ("bye", 200),
    Effect.REPORT_CANCEL: ("cancel", 487),
    Effect.REPORT_REJECTED: ("rejected", None),
    Effect.REPORT_TIMEOUT: ("timeout", None),
    Effect.REPORT_FAILED: ("failed", None),
}


class Core:
    """The mutable state of one user agent. Calls change state only here, by ``CALLS``."""

    def __init__(self, config: UaConfig, token: Callable[[], str]) -> None:
        self.config = config
        self.token = token
        self.alarms: Alarms[tuple[object, Enum]] = Alarms()
        self.transactions = Transactions(self.alarms, self.transmit)
        self.calls = CallTable()
        self.outbox: list[Transmit | SipEvent] = []
        self.effects: Mapping[Effect, Callable[[Call, Facts], None]] = {}
        self.closers: Sequence[Callable[[Call, int], None]] = ()
        """Called with each leg that ends: its unfinished transactions are finished."""

    def transmit(self, data: bytes, peer: Peer) -> None:
        """Send bytes as they are."""
        self.outbox.append(Transmit(data, peer))

    def emit(self, event: SipEvent) -> None:
        """Tell the user."""
        self.outbox.append(event)

    def advance(self, call: Call, what: CallInput, facts: Facts) -> bool:
        """Do the row for ``what``; False when there is none."""
        row = CALLS.get((call.state, what))
        if row is None:
            return False
        call.state = row.state
        if row.state is CallState.ENDED:
            self._close(call, facts.now_ns)
        for effect in row.effects:
            if effect in _ENDINGS:
                self._report_end(call, effect, facts)
            else:
                self.effects[effect](call, facts)
        return True

    def _close(self, call: Call, now_ns: int) -> None:
        self.calls.remove(call)
        for close in self.closers:
            close(call, now_ns)
        for alarm in CallAlarm:
            self.alarms.clear((call, alarm))

    def _report_end(self, call: Call, effect: Effect, facts: Facts) -> None:
        reason, status = _ENDINGS[effect]
        self.emit(Ended(call.leg, status or facts.status, facts.by_remote, reason))

    def branch(self) -> str:
        """A fresh branch (RFC 3261 §8.1.1.7)."""
        return MAGIC_COOKIE + self.token()

    def via(self, branch: str, transport: str) -> Header:
        """Our Via, asking for the response where the request came from (RFC 3581)."""
        return ("Via", f"SIP/2.0/{transport} {self._sent_by()};branch={branch};rport")

    def contact(self, transport: str) -> Header:
        """Where requests of a dialog reach us."""
        suffix = "" if transport == "UDP" else f";transport={transport.lower()}"
        return ("Contact", f"<sip:{self._sent_by()}{suffix}>")

    def _sent_by(self) -> str:
        return str(Peer("", self.config.host, self.config.port))


def count_rejected(reason: str) -> None:
    """Refused or dropped messages are counted, not logged: scanners send thousands."""
    metrics.SIP_REJECTED.labels(reason=reason).inc()


def sdp_or_none(message: Message) -> str | None:
    """The SDP of a body; None without one or when the body is something else."""
    try:
        return session_description(message)
    except SipSyntaxError:
        return None


def sdp_headers(sdp: str | None) -> tuple[Header, ...]:
    """What describes an SDP body."""
    return (("Content-Type", SDP),) if sdp else ()
