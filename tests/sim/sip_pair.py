"""Two user agents joined by a seeded, lossy, delaying link, in virtual time."""

import heapq
import itertools
import random
from collections.abc import Callable

from onrecord.core.ids import LegId
from onrecord.core.units import NS_PER_MS, NS_PER_S
from onrecord.sip.agent import Peer, Transmit, UaConfig, UserAgent
from onrecord.sip.backend import SipEvent

SDP = "v=0\r\no=- 1 1 IN IP4 10.0.0.{n}\r\ns=-\r\nc=IN IP4 10.0.0.{n}\r\nt=0 0\r\nm=audio 4000 RTP/AVP 0\r\n"


class Pair:
    """Agents ``a`` and ``b``; ``events`` keeps what each reported; ``on_event`` may react."""

    def __init__(self, seed, *, loss=0.0, duplication=0.0, delay_ms=(5, 5), transport="UDP"):
        self.random = random.Random(seed)
        self.loss, self.duplication, self.delay_ms = loss, duplication, delay_ms
        self.transport = transport
        self.now_ns = 1000 * NS_PER_S
        self.queue: list[tuple[int, int, Callable[[], None]]] = []
        self.order = itertools.count()
        self.sent: list[tuple[str, bytes]] = []
        self.events: dict[str, list[SipEvent]] = {"a": [], "b": []}
        self.on_event: Callable[[str, SipEvent], None] = lambda _side, _event: None
        self.peers = {
            "a": Peer(transport, "10.0.0.1", 5060),
            "b": Peer(transport, "10.0.0.2", 5060),
        }
        self.agents = {side: self._agent(side) for side in "ab"}

    def _agent(self, side):
        peer, legs = self.peers[side], itertools.count(1)
        config = UaConfig(peer.host, peer.port, lambda: LegId(f"{side}-in-{next(legs)}"))
        return UserAgent(config, lambda: f"{self.random.getrandbits(64):016x}")

    def at(self, seconds, work):
        """Do ``work`` after a while."""
        due = self.now_ns + int(seconds * NS_PER_S)
        heapq.heappush(self.queue, (due, next(self.order), work))

    def do(self, side, verb, *arguments):
        """Call a verb now."""
        result = getattr(self.agents[side], verb)(*arguments, self.now_ns)
        self.drain(side)
        return result

    def drain(self, side):
        """Carry what an agent has put out."""
        for output in self.agents[side].outputs():
            if isinstance(output, Transmit):
                self.carry(side, output)
            else:
                self.events[side].append(output)
                self.on_event(side, output)

    def carry(self, side, sending):
        self.sent.append((side, sending.data))
        other = "b" if side == "a" else "a"
        assert sending.peer.host == self.peers[other].host, sending
        if self.random.random() < self.loss:
            return
        copies = 2 if self.random.random() < self.duplication else 1
        for _ in range(copies):
            delay_ms = self.random.uniform(*self.delay_ms)
            self.at(delay_ms * NS_PER_MS / NS_PER_S, lambda: self._arrive(other, side, sending))

    def _arrive(self, side, sender, sending):
        self.agents[side].receive(sending.data, self.peers[sender], self.now_ns)
        self.drain(side)

    def run(self, seconds=None):
        """Until that much later, or until nothing is left to happen."""
        end_ns = None if seconds is None else self.now_ns + int(seconds * NS_PER_S)
        while (due_ns := self._next_ns()) is not None and (end_ns is None or due_ns <= end_ns):
            self.now_ns = max(self.now_ns, due_ns)
            while self.queue and self.queue[0][0] <= self.now_ns:
                heapq.heappop(self.queue)[2]()
            for side, agent in self.agents.items():
                agent.wake(self.now_ns)
                self.drain(side)
        self.now_ns = self.now_ns if end_ns is None else end_ns

    def _next_ns(self):
        deadlines = [agent.next_deadline() for agent in self.agents.values()]
        if self.queue:
            deadlines.append(self.queue[0][0])
        return min((each for each in deadlines if each is not None), default=None)

    def of(self, side, kind):
        """Events of one type."""
        return [event for event in self.events[side] if isinstance(event, kind)]

    def assert_clean(self):
        """Nothing is left behind."""
        for side, agent in self.agents.items():
            assert agent.calls == 0, side
            assert agent.transactions == 0, side
            assert agent.next_deadline() is None, side
