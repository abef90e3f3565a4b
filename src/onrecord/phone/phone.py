"""The phone itself: one SIP user, one call at a time."""

import asyncio
import base64
import secrets
from collections.abc import Callable, Sequence
from typing import ClassVar, Self

import numpy as np
from numpy.typing import NDArray

from onrecord.core.clock import Clock, SystemClock
from onrecord.core.errors import OnrecordError, PeerError
from onrecord.core.ids import LegId, new_uuid
from onrecord.phone.packets import Faults
from onrecord.phone.stream import Stream
from onrecord.sdp.crypto import KEY_BYTES, SUITES
from onrecord.sdp.negotiation import (
    AUDIO_CODECS,
    MediaDirection,
    NoCommonCodec,
    RtpAddress,
    accept,
    answer,
    offer,
)
from onrecord.signalling.edge import Signalling
from onrecord.sip.backend import (
    Answered,
    DialRequest,
    Ended,
    Headers,
    IncomingCall,
    OfferAnswered,
    OfferReceived,
    Ringing,
    SipEvent,
)

_BUSY = 486


def _key() -> str:
    return base64.b64encode(secrets.token_bytes(KEY_BYTES)).decode()


class CallFailed(PeerError):  # noqa: N818 -- past tense, like the events
    """A call was not answered."""

    def __init__(self, ended: Ended) -> None:
        super().__init__(f"the call ended with status {ended.status} ({ended.reason})")
        self.ended = ended


class TestPhone:
    """A SIP user agent with an ear and a voice, on a port of its own.

    Use it as ``async with TestPhone("ann") as ann: await ann.call(uri)``. Times are monotonic ns.
    Methods that wait raise TimeoutError after ``patience_secs``.
    """

    __test__: ClassVar[bool] = False  # pytest must not collect it

    def __init__(
        self,
        user: str,
        *,
        bind: str = "127.0.0.1",
        codecs: Sequence[str] = AUDIO_CODECS,
        transport: str = "UDP",
        faults: Faults | None = None,
        silence: bool = True,
        srtp: bool = False,
        patience_secs: float = 10.0,
        clock: Clock | None = None,
    ) -> None:
        """``codecs`` in order of liking; ``silence`` off sends no packets while nothing is said.

        ``srtp``: offers ask for SRTP, and offers of it are taken.
        """
        self.user = user
        self.ended: Ended | None = None
        """How the last call ended; None while none has."""
        self._bind = bind
        self._codecs = tuple(codecs)
        self._transport = transport
        self._faults = faults or Faults()
        self._silence = silence
        self._keys = tuple(_key() for _ in SUITES) if srtp else ()
        self._patience = patience_secs
        self._clock = clock or SystemClock()
        self._leg: LegId | None = None
        self._incoming: IncomingCall | None = None
        self._stream: Stream | None = None
        self._local = RtpAddress(bind, 0, 0)
        self._session_id = secrets.randbits(32)
        self._version = 0
        self._description: str | None = None
        self._offered = MediaDirection.SENDRECV
        self._changed = asyncio.Event()
        self._rung = self._answered = False
        self._signalling = Signalling(
            bind=bind,
            port=0,
            advertised=bind,
            max_calls=16,
            on_event=self._on_event,
            clock=self._clock,
            user_agent="onrecord test phone",
        )

    async def start(self) -> None:
        """Open the SIP port."""
        await self._signalling.start()

    async def close(self) -> None:
        """Hang up if need be and close the ports."""
        if self._leg is not None:
            self._signalling.hangup(self._leg)
        if self._stream is not None:
            self._stream.close()
        await self._signalling.close()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.close()

    @property
    def uri(self) -> str:
        """What to dial for this phone."""
        host = f"[{self._bind}]" if ":" in self._bind else self._bind
        extra = "" if self._transport == "UDP" else f";transport={self._transport.lower()}"
        return f"sip:{self.user}@{host}:{self._signalling.port}{extra}"

    @property
    def stream(self) -> Stream:
        """The audio of the call that is or was.

        Raises:
            OnrecordError: there was none yet.
        """
        if self._stream is None:
            raise OnrecordError("the phone has had no call")
        return self._stream

    @property
    def in_call(self) -> bool:
        """True while a call is up."""
        return self._leg is not None and self._answered

    async def call(self, uri: str, *, headers: Headers = (), name: str = "") -> None:
        """Dial ``uri`` and wait for the answer.

        Raises:
            CallFailed: it was refused, or not answered.
        """
        await self.dial(uri, headers=headers, name=name)
        await self.wait_answered()

    async def dial(self, uri: str, *, headers: Headers = (), name: str = "") -> None:
        """Dial ``uri`` and do not wait."""
        await self._begin()
        leg = LegId(new_uuid())
        request = DialRequest(
            target=uri,
            from_uri=self.uri,
            from_name=name,
            sdp=self._offer(MediaDirection.SENDRECV),
            transport=self._transport,
            headers=headers,
        )
        self._leg = leg
        try:
            self._signalling.dial(leg, request)
        except (OnrecordError, ValueError):
            self._leg = None
            raise

    async def wait_answered(self) -> None:
        """Wait until the dialled phone answers.

        Raises:
            CallFailed: it refused, or the call ended before.
        """
        await self._until(lambda: self._answered or self._leg is None)
        if self.ended is not None:
            raise CallFailed(self.ended)

    async def wait_incoming(self) -> IncomingCall:
        """Wait for a call; the phone rings."""
        await self._until(lambda: self._incoming is not None)
        assert self._incoming is not None  # noqa: S101 -- narrows for the type checker
        return self._incoming

    async def wait_ringing(self) -> None:
        """Wait until the dialled phone rings."""
        await self._until(lambda: self._rung)

    async def answer(self) -> None:
        """Take the call that rings and wait until it is up.

        Raises:
            NoCommonCodec: its offer has nothing for us; it is refused with 488.
        """
        call = await self.wait_incoming()
        await self._begin()
        try:
            sdp = self._answer(call.offer)
        except PeerError:
            self._signalling.reject(call.leg, NoCommonCodec.sip_status)
            raise
        self._incoming = None
        self._signalling.answer(call.leg, sdp)
        await self._until(lambda: self._answered or self._leg is None)

    async def reject(self, status: int = _BUSY) -> None:
        """Refuse the call that rings."""
        call = await self.wait_incoming()
        self._incoming = None
        self._signalling.reject(call.leg, status)

    async def hangup(self) -> None:
        """End the call, or give up dialling; returns when it is over."""
        if self._leg is not None:
            self._signalling.hangup(self._leg)
        await self.wait_ended()

    async def wait_ended(self) -> Ended:
        """Wait for the end of the call."""
        await self._until(lambda: self._leg is None and self.ended is not None)
        assert self.ended is not None  # noqa: S101 -- narrows for the type checker
        return self.ended

    async def hold(self, direction: MediaDirection = MediaDirection.SENDONLY) -> None:
        """Offer another direction (a re-INVITE) and wait for the answer; SENDRECV resumes."""
        assert self._leg is not None  # noqa: S101 -- a caller's mistake
        before = self.stream.media
        self._signalling.reoffer(self._leg, self._offer(direction))
        await self._until(lambda: self.stream.media is not before or self._leg is None)

    async def change_codecs(self, codecs: Sequence[str]) -> None:
        """Offer other codecs, best first (a re-INVITE), and wait for the answer."""
        assert self._leg is not None  # noqa: S101 -- a caller's mistake
        self._codecs = tuple(codecs)
        before = self.stream.media
        self._signalling.reoffer(self._leg, self._offer(self._offered, reorder=True))
        await self._until(lambda: self.stream.media is not before or self._leg is None)

    async def play(self, samples: NDArray[np.int16]) -> None:
        """Say ``samples`` (int16 at 8 kHz); returns when the last of them is sent."""
        await self.stream.say(samples)

    async def press(self, digits: str, duration_ms: int = 160) -> None:
        """Press keys: 0-9, A-D, ``*`` and ``#``; ``w`` and ``W`` pause. Returns when they are sent."""
        await self.stream.press(digits, duration_ms)

    def digits(self) -> str:
        """The keys that the other side has pressed."""
        return "".join(digit for digit, _ in self.stream.digits())

    def heard(self) -> NDArray[np.int16]:
        """What was heard from the first packet on, int16 at 8 kHz; gaps are zero."""
        return self.stream.heard()

    async def _begin(self) -> None:
        if self._stream is not None:
            self._stream.close()
        self._stream = Stream(self._clock, self._faults, silence=self._silence)
        self._local = await self._stream.open(self._bind)
        self._description = None
        self.ended = None
        self._rung = self._answered = False

    async def _until(self, true: Callable[[], bool]) -> None:
        async with asyncio.timeout(self._patience):
            while not true():
                self._changed.clear()
                await self._changed.wait()

    def _offer(self, direction: MediaDirection, *, reorder: bool = False) -> str:
        self._version += 1
        self._offered = direction
        self._description = offer(
            self._local,
            self._session_id,
            self._version,
            direction,
            previous=self._description,
            codecs=self._codecs,
            reorder=reorder,
            keys=self._keys,
        )
        return self._description

    def _answer(self, offered: str | None) -> str:
        if offered is None:
            return self._offer(MediaDirection.SENDRECV)
        self._version += 1
        key = self._keys[0] if self._keys else None
        made = answer(offered, self._local, self._session_id, self._version, self._codecs, key=key)
        self._description = made.sdp
        self.stream.connect(made.media)
        return made.sdp

    def _on_event(self, event: SipEvent) -> None:
        if isinstance(event, IncomingCall):
            self._on_incoming(event)
        elif event.leg == self._leg:
            self._on_call_event(event)
        self._changed.set()

    def _on_incoming(self, event: IncomingCall) -> None:
        if self._leg is not None:
            self._signalling.reject(event.leg, _BUSY)
            return
        self._leg, self._incoming, self.ended = event.leg, event, None
        self._signalling.ring(event.leg)

    def _on_call_event(self, event: SipEvent) -> None:
        if isinstance(event, Ringing):
            self._rung = True
        elif isinstance(event, Answered):
            self._answered = True
        elif isinstance(event, OfferReceived):
            self._on_offer(event)
        elif isinstance(event, Ended):
            self._leg = self._incoming = None
            self.ended = event
            if self._stream is not None:
                self._stream.close()
        if isinstance(event, (Ringing, Answered, OfferAnswered)) and event.sdp is not None:
            self.stream.connect(accept(event.sdp, self._offered, sent=self._description))

    def _on_offer(self, event: OfferReceived) -> None:
        try:
            self._signalling.accept_offer(event.leg, self._answer(event.sdp))
        except PeerError:
            self._signalling.refuse_offer(event.leg, NoCommonCodec.sip_status)
