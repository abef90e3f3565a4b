"""Transactions as tables (RFC 3261 §17, RFC 6026): retransmission, absorption, time-outs.

``TABLE`` says what each input does in each state; a pair that is not there is ignored. Only this
module writes a transaction's state. It refuses to know calls, dialogs or the meaning of a message.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from enum import Enum

from onrecord.core.units import NS_PER_MS
from onrecord.sip.alarms import Alarms
from onrecord.sip.message import Envelope, Message
from onrecord.sip.peers import Peer

T1_NS = 500 * NS_PER_MS
T2_NS = 4_000 * NS_PER_MS
T4_NS = 5_000 * NS_PER_MS
PATIENCE_NS = 64 * T1_NS
"""How long an answer, or an ACK, is waited for."""
MAGIC_COOKIE = "z9hG4bK"


class Kind(Enum):
    """The four machines."""

    CLIENT_INVITE = "client INVITE"
    CLIENT_OTHER = "client non-INVITE"
    SERVER_INVITE = "server INVITE"
    SERVER_OTHER = "server non-INVITE"


class State(Enum):
    """States of all four; ``ACCEPTED`` is from RFC 6026."""

    CALLING = "calling"
    TRYING = "trying"
    PROCEEDING = "proceeding"
    COMPLETED = "completed"
    CONFIRMED = "confirmed"
    ACCEPTED = "accepted"
    TERMINATED = "terminated"


class Timer(Enum):
    """Timers of RFC 3261 table 4 and RFC 6026 by letter; CANCELLED is §9.1's wait after a CANCEL."""

    A = "A"
    B = "B"
    CANCELLED = "cancelled"
    D = "D"
    E = "E"
    F = "F"
    G = "G"
    H = "H"
    I = "I"  # noqa: E741 - the RFC's name
    J = "J"
    K = "K"
    L = "L"
    M = "M"


class Signal(Enum):
    """Inputs that are not timers; ``SEND_*`` come from the transaction's user."""

    PROVISIONAL = "1xx"
    SUCCESS = "2xx"
    FAILURE = "300-699"
    REQUEST = "request again"
    ACK = "ACK"
    SEND_PROVISIONAL = "send 1xx"
    SEND_SUCCESS = "send 2xx"
    SEND_FAILURE = "send 300-699"
    UNREACHABLE = "transport error"


class Action(Enum):
    """What a row asks for, in order."""

    SEND = "send"
    """The new response."""
    RESEND = "resend"
    """The last request or response once more."""
    ACK = "ACK"
    """Acknowledge a failure (§17.1.1.3)."""
    DELIVER = "deliver"
    """The user must see the message."""
    FAIL = "inform of failure"
    """The user must know that no answer came."""


Input = Signal | Timer


@dataclass(frozen=True, slots=True)
class Row:
    """One cell of the table."""

    state: State
    """Afterwards."""
    actions: tuple[Action, ...] = ()
    start: tuple[Timer, ...] = ()


_CALLING, _TRYING, _PROCEEDING = State.CALLING, State.TRYING, State.PROCEEDING
_COMPLETED, _CONFIRMED = State.COMPLETED, State.CONFIRMED
_ACCEPTED, _TERMINATED = State.ACCEPTED, State.TERMINATED
_DELIVER, _SEND, _RESEND = (Action.DELIVER,), (Action.SEND,), (Action.RESEND,)
_FAILED = Row(_TERMINATED, (Action.FAIL,))
_OVER = Row(_TERMINATED)

_CLIENT_INVITE: Mapping[tuple[State, Input], Row] = {
    (_CALLING, Timer.A): Row(_CALLING, _RESEND, (Timer.A,)),
    (_CALLING, Timer.B): _FAILED,
    (_CALLING, Signal.UNREACHABLE): _FAILED,
    (_CALLING, Signal.PROVISIONAL): Row(_PROCEEDING, _DELIVER),
    (_CALLING, Signal.SUCCESS): Row(_ACCEPTED, _DELIVER, (Timer.M,)),
    (_CALLING, Signal.FAILURE): Row(_COMPLETED, (Action.ACK, Action.DELIVER), (Timer.D,)),
    (_PROCEEDING, Signal.PROVISIONAL): Row(_PROCEEDING, _DELIVER),
    (_PROCEEDING, Signal.SUCCESS): Row(_ACCEPTED, _DELIVER, (Timer.M,)),
    (_PROCEEDING, Signal.FAILURE): Row(_COMPLETED, (Action.ACK, Action.DELIVER), (Timer.D,)),
    (_PROCEEDING, Timer.CANCELLED): _FAILED,
    (_COMPLETED, Signal.FAILURE): Row(_COMPLETED, (Action.ACK,)),
    (_COMPLETED, Signal.UNREACHABLE): _OVER,
    (_COMPLETED, Timer.D): _OVER,
    (_ACCEPTED, Signal.SUCCESS): Row(_ACCEPTED, _DELIVER),
    (_ACCEPTED, Timer.M): _OVER,
}

_CLIENT_OTHER: Mapping[tuple[State, Input], Row] = {
    (_TRYING, Timer.E): Row(_TRYING, _RESEND, (Timer.E,)),
    (_TRYING, Timer.F): _FAILED,
    (_TRYING, Signal.UNREACHABLE): _FAILED,
    (_TRYING, Signal.PROVISIONAL): Row(_PROCEEDING, _DELIVER),
    (_TRYING, Signal.SUCCESS): Row(_COMPLETED, _DELIVER, (Timer.K,)),
    (_TRYING, Signal.FAILURE): Row(_COMPLETED, _DELIVER, (Timer.K,)),
    (_PROCEEDING, Timer.E): Row(_PROCEEDING, _RESEND, (Timer.E,)),
    (_PROCEEDING, Timer.F): _FAILED,
    (_PROCEEDING, Signal.UNREACHABLE): _FAILED,
    (_PROCEEDING, Signal.PROVISIONAL): Row(_PROCEEDING, _DELIVER),
    (_PROCEEDING, Signal.SUCCESS): Row(_COMPLETED, _DELIVER, (Timer.K,)),
    (_PROCEEDING, Signal.FAILURE): Row(_COMPLETED, _DELIVER, (Timer.K,)),
    (_COMPLETED, Timer.K): _OVER,
}

_SERVER_INVITE: Mapping[tuple[State, Input], Row] = {
    (_PROCEEDING, Signal.REQUEST): Row(_PROCEEDING, _RESEND),
    (_PROCEEDING, Signal.SEND_PROVISIONAL): Row(_PROCEEDING, _SEND),
    (_PROCEEDING, Signal.SEND_SUCCESS): Row(_ACCEPTED, _SEND, (Timer.L,)),
    (_PROCEEDING, Signal.SEND_FAILURE): Row(_COMPLETED, _SEND, (Timer.G, Timer.H)),
    (_COMPLETED, Signal.REQUEST): Row(_COMPLETED, _RESEND),
    (_COMPLETED, Signal.ACK): Row(_CONFIRMED, (), (Timer.I,)),
    (_COMPLETED, Timer.G): Row(_COMPLETED, _RESEND, (Timer.G,)),
    (_COMPLETED, Timer.H): _OVER,
    (_CONFIRMED, Timer.I): _OVER,
    # RFC 6026 absorbs a repeated INVITE here. It shows that the 2xx was lost: sent again at once.
    (_ACCEPTED, Signal.REQUEST): Row(_ACCEPTED, _RESEND),
    (_ACCEPTED, Signal.SEND_SUCCESS): Row(_ACCEPTED, _SEND),
    (_ACCEPTED, Signal.ACK): Row(_ACCEPTED, _DELIVER),
    (_ACCEPTED, Timer.L): _OVER,
}

_SERVER_OTHER: Mapping[tuple[State, Input], Row] = {
    (_TRYING, Signal.SEND_PROVISIONAL): Row(_PROCEEDING, _SEND),
    (_TRYING, Signal.SEND_SUCCESS): Row(_COMPLETED, _SEND, (Timer.J,)),
    (_TRYING, Signal.SEND_FAILURE): Row(_COMPLETED, _SEND, (Timer.J,)),
    (_PROCEEDING, Signal.REQUEST): Row(_PROCEEDING, _RESEND),
    (_PROCEEDING, Signal.SEND_PROVISIONAL): Row(_PROCEEDING, _SEND),
    (_PROCEEDING, Signal.SEND_SUCCESS): Row(_COMPLETED, _SEND, (Timer.J,)),
    (_PROCEEDING, Signal.SEND_FAILURE): Row(_COMPLETED, _SEND, (Timer.J,)),
    (_COMPLETED, Signal.REQUEST): Row(_COMPLETED, _RESEND),
    (_COMPLETED, Timer.J): _OVER,
}

TABLE: Mapping[Kind, Mapping[tuple[State, Input], Row]] = {
    Kind.CLIENT_INVITE: _CLIENT_INVITE,
    Kind.CLIENT_OTHER: _CLIENT_OTHER,
    Kind.SERVER_INVITE: _SERVER_INVITE,
    Kind.SERVER_OTHER: _SERVER_OTHER,
}

START: Mapping[Kind, Row] = {
    Kind.CLIENT_INVITE: Row(_CALLING, _RESEND, (Timer.A, Timer.B)),
    Kind.CLIENT_OTHER: Row(_TRYING, _RESEND, (Timer.E, Timer.F)),
    Kind.SERVER_INVITE: Row(_PROCEEDING),
    Kind.SERVER_OTHER: Row(_TRYING),
}
"""How each machine begins."""

_UNRELIABLE_ONLY = frozenset({Timer.A, Timer.E, Timer.G})
_INSTANT_IF_RELIABLE = frozenset({Timer.D, Timer.I, Timer.J, Timer.K})
_FIXED_NS = {Timer.I: T4_NS, Timer.K: T4_NS}
_CAPPED = frozenset({Timer.E, Timer.G})


@dataclass(slots=True, eq=False)
class Transaction:
    """One transaction. ``eq`` is identity."""

    kind: Kind
    key: Hashable
    request: Message
    peer: Peer
    """Where its messages go."""
    state: State
    last: bytes = b""
    """Last request (client) or response (server) that was sent."""
    interval_ns: int = 0
    """Of the running retransmission timer."""
    merge_key: Hashable | None = None
    ack: bytes = b""
    running: set[Timer] = field(default_factory=set)
    owner: object = None
    """The user's own record of it, not looked at here."""

    @property
    def reliable(self) -> bool:
        """Whether the transport delivers by itself: nothing is sent twice."""
        return self.peer.transport != "UDP"


def client_key(branch: str, method: str) -> Hashable:
    """RFC 3261 §17.1.3."""
    return (branch, method)


def server_key(request: Envelope, method: str) -> Hashable:
    """RFC 3261 §17.2.3; ``method`` is the one to match: INVITE for an ACK or CANCEL."""
    via = request.via
    if via.branch.startswith(MAGIC_COOKIE) and via.branch != MAGIC_COOKIE:
        return (via.branch, via.host.lower(), via.port, method)
    raw_via = request.message.all("via")[0]
    # RFC 2543 peers: an ACK's To has a tag that its INVITE's lacks, so the To tag is left out.
    uri = request.message.uri
    return (uri, request.from_.tag, request.call_id, request.cseq, raw_via, method)


def merge_key(request: Envelope) -> Hashable | None:
    """What two copies of one request share that came by two paths (RFC 3261 §8.2.2.2)."""
    if request.to.tag:
        return None
    return (request.call_id, request.from_.tag, request.cseq, request.method)


def failure_ack(request: Message, response: Message) -> Message:
    """ACK for a 300-699 response to ``request`` (RFC 3261 §17.1.1.3)."""
    cseq = (request.get("cseq") or "").partition(" ")[0]
    headers = [
        ("Via", request.all("via")[0]),
        ("Max-Forwards", "70"),
        ("From", request.get("from") or ""),
        ("To", response.get("to") or ""),
        ("Call-ID", request.get("call-id") or ""),
        ("CSeq", f"{cseq} ACK"),
    ]
    headers += [("Route", route) for route in request.all("route")]
    return Message("ACK", request.uri, headers=tuple(headers))


class Transactions:
    """All transactions of a user agent, with their timers."""

    def __init__(
        self, alarms: Alarms[tuple[object, Enum]], send: Callable[[bytes, Peer], None]
    ) -> None:
        self._alarms = alarms
        self._send = send
        self._table: dict[Hashable, Transaction] = {}
        self._merged: dict[Hashable, Transaction] = {}

    def __len__(self) -> int:
        return len(self._table)

    def find(self, key: Hashable) -> Transaction | None:
        """The live transaction with this key."""
        return self._table.get(key)

    def is_merged(self, key: Hashable) -> bool:
        """Whether a request with this merge key is under way in another transaction."""
        return key is not None and key in self._merged

    def of_peer(self, peer: Peer) -> list[Transaction]:
        """Live client transactions that send to ``peer``."""
        clients = (Kind.CLIENT_INVITE, Kind.CLIENT_OTHER)
        found = self._table.values()
        return [each for each in found if each.kind in clients and each.peer == peer]

    def open_client(
        self, request: Message, branch: str, peer: Peer, now_ns: int, owner: object
    ) -> Transaction:
        """Send ``request`` and see to it."""
        invite = request.method == "INVITE"
        kind = Kind.CLIENT_INVITE if invite else Kind.CLIENT_OTHER
        key = client_key(branch, request.method)
        transaction = Transaction(kind, key, request, peer, START[kind].state, request.encode())
        transaction.owner = owner
        self._table[key] = transaction
        self._apply(transaction, START[kind], now_ns, None)
        return transaction

    def open_server(self, request: Envelope, reply_to: Peer) -> Transaction:
        """Begin a transaction for a new request."""
        kind = Kind.SERVER_INVITE if request.method == "INVITE" else Kind.SERVER_OTHER
        key = server_key(request, request.method)
        merged = merge_key(request)
        transaction = Transaction(kind, key, request.message, reply_to, START[kind].state)
        self._table[key] = transaction
        if merged is not None:
            transaction.merge_key = merged
            self._merged.setdefault(merged, transaction)
        return transaction

    def respond(self, transaction: Transaction, response: Message, now_ns: int) -> None:
        """Send a response to a server transaction's request, if its state still allows it."""
        signals = (Signal.SEND_PROVISIONAL, Signal.SEND_SUCCESS)
        signal = signals[response.status // 100 - 1] if response.status < 300 else None
        self.signal(transaction, signal or Signal.SEND_FAILURE, now_ns, response)

    def expect_end(self, transaction: Transaction, now_ns: int) -> None:
        """After a CANCEL: give the INVITE up if no final response comes (RFC 3261 §9.1)."""
        if transaction.state is State.PROCEEDING:
            self._start(transaction, Timer.CANCELLED, now_ns)

    def signal(
        self, transaction: Transaction, what: Input, now_ns: int, message: Message | None = None
    ) -> tuple[Action, ...]:
        """Feed one input; the row's actions are returned, of which DELIVER and FAIL are the caller's."""
        row = TABLE[transaction.kind].get((transaction.state, what))
        if row is None:
            return ()
        self._apply(transaction, row, now_ns, message)
        return row.actions

    def _apply(self, transaction: Transaction, row: Row, now_ns: int, new: Message | None) -> None:
        if transaction.state is not row.state:
            self._stop_timers(transaction, row.state)
        transaction.state = row.state
        for action in row.actions:
            self._act(transaction, action, new)
        for timer in row.start:
            self._start(transaction, timer, now_ns)
        if row.state is State.TERMINATED:
            self._forget(transaction)

    def _act(self, transaction: Transaction, action: Action, new: Message | None) -> None:
        if action is Action.SEND and new is not None:
            transaction.last = new.encode()
        if action is Action.ACK and new is not None and not transaction.ack:
            transaction.ack = failure_ack(transaction.request, new).encode()
        if action in (Action.SEND, Action.RESEND) and transaction.last:
            self._send(transaction.last, transaction.peer)
        if action is Action.ACK:
            self._send(transaction.ack, transaction.peer)

    def _start(self, transaction: Transaction, timer: Timer, now_ns: int) -> None:
        if transaction.reliable and timer in _UNRELIABLE_ONLY:
            return
        transaction.running.add(timer)
        self._alarms.set((transaction, timer), now_ns + self._duration_ns(transaction, timer))

    def _duration_ns(self, transaction: Transaction, timer: Timer) -> int:
        if timer in _UNRELIABLE_ONLY:
            doubled = 2 * transaction.interval_ns or T1_NS
            slow = timer is Timer.E and transaction.state is State.PROCEEDING
            capped = min(doubled, T2_NS) if timer in _CAPPED else doubled
            transaction.interval_ns = T2_NS if slow else capped
            return transaction.interval_ns
        if transaction.reliable and timer in _INSTANT_IF_RELIABLE:
            return 0
        return _FIXED_NS.get(timer, PATIENCE_NS)

    def _stop_timers(self, transaction: Transaction, state: State) -> None:
        """Timers go on into the next state only where it has a row for them."""
        rows = TABLE[transaction.kind]
        for timer in [each for each in transaction.running if (state, each) not in rows]:
            transaction.running.discard(timer)
            self._alarms.clear((transaction, timer))

    def _forget(self, transaction: Transaction) -> None:
        self._table.pop(transaction.key, None)
        if self._merged.get(transaction.merge_key) is transaction:
            del self._merged[transaction.merge_key]
