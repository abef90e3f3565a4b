"""The legs that are up on this node: what is known of them beside their durable rows.

Everything here belongs to the event loop of the control process. Each leg has one lock, its *turn*:
SIP events, commands and timers of a leg are carried out one after another in the order in which they
came (an ``asyncio.Lock`` is fair). Who needs the turns of two legs takes them in the order of their ids.
"""

import asyncio
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

from onrecord.calls.commands import Bridge, CommandResult
from onrecord.calls.media import PromptSource
from onrecord.calls.records import Application, Leg, Recording, RecordingParams
from onrecord.core.ids import CallControlId, LegId, RecordingId
from onrecord.metrics import LEGS_LIVE
from onrecord.sdp.negotiation import Answer, Media, RtpAddress
from onrecord.service.background import Handle


@dataclass(frozen=True, slots=True)
class PlannedRecording:
    """A recording that begins with the leg's audio."""

    id: RecordingId
    params: RecordingParams


@dataclass(frozen=True, slots=True)
class PlannedBridge:
    """What happens when a dialled leg is answered."""

    other: CallControlId
    """The leg that it is joined with."""
    transfer: bool = False
    """The other leg is transferred: the dialled one has no purpose without it."""
    park_other: bool = False
    prevent_double_bridge: bool = False
    early_media: bool = False
    queued: bool = False
    """The other leg's bridge command waits for the answer."""
    mute_dtmf: str = "none"
    ringtone: str | None = None
    """Country of the tone that the other leg hears while the dialled one rings."""
    record: RecordingParams | None = None
    """The other leg is to be recorded from the bridge on."""

    @property
    def is_all(self) -> bool:
        """The dialled leg is hung up when it cannot be joined."""
        return self.transfer or (self.prevent_double_bridge and not self.queued)

    def command(self, dialled: CallControlId) -> tuple[CallControlId, Bridge]:
        """The bridge command that the answer leads to, and the leg that it is for.

        ``mute_dtmf`` is seen from the leg of the command that made the plan: the other one, but for a dial.
        """
        bridge = Bridge(
            dialled if self.transfer or self.queued else self.other,
            record=self.record,
            park_after_unbridge=self.park_other,
            prevent_double_bridge=self.prevent_double_bridge,
            mute_dtmf=self.mute_dtmf,
        )
        return (self.other if self.transfer or self.queued else dialled), bridge


@dataclass(slots=True, eq=False)
class Playback:
    """Audio that a command has asked for."""

    id: str
    source: PromptSource
    loops: int | None
    """None: without end."""
    waiting: set[LegId]
    """Legs that it is for and on which it has not ended."""
    prepared: asyncio.Event = field(default_factory=asyncio.Event)
    """What was asked for after it may be handed to the media side."""
    handed: bool = False
    """The media side has it."""
    started: bool = False
    overlay: bool = False
    """It lies over what else is heard, in a queue of its own."""
    then: Callable[[], None] = lambda: None
    """Called when it is over and the leg is not."""
    outcome: str = "completed"
    """The worst of its legs, as the media side names them."""


@dataclass(frozen=True, slots=True)
class LengthLeft:
    """How much a recording may still take up; what it pauses does not count."""

    left_ns: int
    since_ns: int
    """Monotonic time from which it was taken up: the start or the last resume."""

    def after(self, at_ns: int) -> "LengthLeft":
        """What is left when the recording has run until ``at_ns``."""
        return LengthLeft(max(self.left_ns - (at_ns - self.since_ns), 0), at_ns)


@dataclass(slots=True, eq=False)
class LiveLeg:
    """One leg that has not ended. Changed only by the holder of its turn."""

    leg: Leg
    """The row as it was last written."""
    application: Application
    address: RtpAddress
    """Where we receive its audio."""
    sdp_session_id: int
    keys: tuple[str, ...] = field(default=(), repr=False)
    """What may protect the audio that we send: one key for each SRTP suite."""
    secure: bool = False
    """Our offers ask for SRTP."""
    offer: str | None = None
    """That of the INVITE."""
    preferred_codecs: tuple[str, ...] = ()
    answer: Answer | None = None
    """Our answer to the INVITE's offer; None for a late offer and for a leg that we dialled."""
    media: Media | None = None
    """What was agreed; None until audio is connected."""
    sent_sdp: str | None = None
    """Our last description in this dialog."""
    sdp_version: int = 0
    first_offered: str | None = None
    """Name of the codec that our last offer put first."""
    declined_codecs: set[str] = field(default_factory=set)
    """Names of codecs that the far side passed over although our offer put them first."""
    early_sdp: str | None = None
    """The answer that a provisional response brought (RFC 3261 §13.2.1)."""
    silence_when_idle: bool = False
    planned: PlannedRecording | None = None
    bridge_on_answer: PlannedBridge | None = None
    parks: bool = False
    """It stays up when the leg that it is bridged with leaves it."""
    transferring_to: set[LegId] = field(default_factory=set)
    """Legs that ring because this one is being transferred."""
    time_limit_secs: float | None = None
    digits_on_answer: str = ""
    audio_on_answer: PromptSource | None = None
    playbacks: list[Playback] = field(default_factory=list)
    """What commands for this leg asked for and has not ended, in the order of the commands."""
    recordings: dict[RecordingId, Recording] = field(default_factory=dict)
    """Those that are being captured."""
    lengths: dict[RecordingId, LengthLeft] = field(default_factory=dict)
    """What is left of those that have a ``max_length``."""
    timers: dict[str, Handle] = field(default_factory=dict)
    """By name, or by the recording that they end."""
    results: dict[str, CommandResult] = field(default_factory=dict)
    """What the commands with a command_id answered."""

    def cancel_timer(self, name: str) -> None:
        """Forget the timer; one that has fired or never was is no matter."""
        handle = self.timers.pop(name, None)
        if handle is not None:
            handle.cancel()

    def cancel_timers(self) -> None:
        """Forget all timers."""
        for name in list(self.timers):
            self.cancel_timer(name)


class Registry:
    """Finds live legs by id and by token, and hands out their turns."""

    def __init__(self) -> None:
        self._turns: dict[LegId, asyncio.Lock] = {}
        self._by_id: dict[LegId, LiveLeg] = {}
        self._by_token: dict[CallControlId, LiveLeg] = {}

    def __len__(self) -> int:
        return len(self._turns)

    def expect(self, leg_id: LegId) -> None:
        """Make the leg known, so that what comes for it waits until it has been set up."""
        self._turns.setdefault(leg_id, asyncio.Lock())

    def knows(self, leg_id: LegId) -> bool:
        """True from ``expect`` to ``forget``."""
        return leg_id in self._turns

    def add(self, live: LiveLeg) -> None:
        """The leg is up and its row is written."""
        self.expect(live.leg.id)
        self._by_id[live.leg.id] = live
        self._by_token[live.leg.call_control_id] = live
        LEGS_LIVE.set(len(self._by_id))

    def forget(self, leg_id: LegId) -> None:
        """The leg is over, or came to nothing."""
        self._turns.pop(leg_id, None)
        live = self._by_id.pop(leg_id, None)
        if live is not None:
            self._by_token.pop(live.leg.call_control_id, None)
        LEGS_LIVE.set(len(self._by_id))

    def by_id(self, leg_id: LegId) -> LiveLeg | None:
        """The leg, if it is up."""
        return self._by_id.get(leg_id)

    def by_token(self, call_control_id: str) -> LiveLeg | None:
        """The leg, if it is up."""
        return self._by_token.get(CallControlId(call_control_id))

    def all(self) -> list[LiveLeg]:
        """Every live leg."""
        return list(self._by_id.values())

    @asynccontextmanager
    async def turns(self, leg_ids: Iterable[LegId]) -> AsyncIterator[None]:
        """Wait for the turns of all ``leg_ids`` and hold them; one that is not known needs none."""
        async with AsyncExitStack() as held:
            for leg_id in sorted(set(leg_ids)):
                lock = self._turns.get(leg_id)
                if lock is not None:
                    await held.enter_async_context(lock)
            yield
