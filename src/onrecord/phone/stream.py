"""The audio of one call: a pair of UDP ports, frames sent at their pace, everything heard kept."""

import asyncio
import secrets
import socket
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.payloads import PayloadEncoder, Resampler, make_encoder, sample_rate
from onrecord.core.clock import Clock
from onrecord.core.errors import CapacityError, OnrecordError
from onrecord.core.units import NS_PER_MS, NS_PER_S
from onrecord.media.player import Key, keys
from onrecord.media.srtp import Protection
from onrecord.phone.hearing import place
from onrecord.phone.packets import Faults, Packetiser
from onrecord.rtp.telephone_event import EventListener
from onrecord.sdp.codecs import TELEPHONE_EVENT
from onrecord.sdp.negotiation import Codec, Media, MediaDirection, RtpAddress

_PAIR_TRIES = 100
_SENDS = frozenset({MediaDirection.SENDRECV, MediaDirection.SENDONLY})
_SAMPLE_RATE = 8000


@dataclass(slots=True)
class _Clip:
    samples: NDArray[np.int16]
    said: asyncio.Future[None]
    at: int = 0


class Stream(asyncio.DatagramProtocol):
    """Sends and hears RTP. ``open`` it, ``connect`` it as often as is negotiated, ``close`` it."""

    def __init__(self, clock: Clock, faults: Faults, *, silence: bool) -> None:
        """``silence``: send packets while there is nothing to say; off: send none (DTX)."""
        self.datagrams: list[bytes] = []
        """Everything that arrived, in order; SRTP is opened."""
        self.arrival_ns: list[int] = []
        """When, monotonic."""
        self.sent_ns: list[int] = []
        """When each frame was sent or, in silence without packets, would have been; monotonic."""
        self.media: Media | None = None
        self.frame_ms = 20
        """How long each packet is; may be changed at any time."""
        self.codec: tuple[int, Codec] | None = None
        """Payload type and codec to send instead of those that were agreed."""
        self.unopened = 0
        """Datagrams that should have been SRTP of the other side and were not."""
        self._protection: Protection | None = None
        self._clock = clock
        self._silence = silence
        self._pace = 1 + faults.clock_ppm * 1e-6
        self._packetiser = Packetiser(
            faults, secrets.randbits(32), secrets.randbits(16), secrets.randbits(32)
        )
        self._codecs: dict[int, Codec] = {}
        self._voices: dict[tuple[Codec, int], tuple[Resampler, PayloadEncoder]] = {}
        self._clips: deque[_Clip] = deque()
        self._keys: deque[tuple[Key, asyncio.Future[None]]] = deque()
        self._due_ns = 0
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.DatagramTransport | None = None
        self._rtcp: socket.socket | None = None

    async def open(self, bind: str) -> RtpAddress:
        """Take an even port and the odd one above it on the address ``bind``.

        Raises:
            CapacityError: none is free.
        """
        rtp, self._rtcp = _pair(bind)
        loop = asyncio.get_running_loop()
        self._transport, _ = await loop.create_datagram_endpoint(lambda: self, sock=rtp)
        port = rtp.getsockname()[1]
        return RtpAddress(bind, port, port + 1)

    def connect(self, media: Media) -> None:
        """Exchange audio as agreed; a later agreement replaces it, the frames keep their pace."""
        self.media = media
        if media.srtp is None:
            self._protection = None
        elif self._protection is None:
            self._protection = Protection(media.srtp)
        else:
            self._protection.renew(media.srtp)
        self._codecs |= media.payload_types
        if self._timer is None:
            self._due_ns = self._clock.monotonic_ns()
            self._tick()

    def close(self) -> None:
        """Stop; what was heard stays. Clips that were not said in full are cancelled."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.close()
        if self._rtcp is not None:
            self._rtcp.close()
        for clip in self._clips:
            clip.said.cancel()
        for _, pressed in self._keys:
            pressed.cancel()
        self._clips.clear()
        self._keys.clear()

    def say(self, samples: NDArray[np.int16]) -> asyncio.Future[None]:
        """Send ``samples`` after what is queued; done when the last of them is sent."""
        said = asyncio.get_running_loop().create_future()
        self._clips.append(_Clip(samples, said))
        return said

    def press(self, digits: str, duration_ms: int) -> asyncio.Future[None]:
        """Send digits as telephone-events, instead of what else there is to say; done with the last.

        Raises:
            OnrecordError: the other side takes none.
        """
        if self.media is None or self.media.telephone_event_payload_type is None:
            raise OnrecordError("the other side takes no digits")
        pressed = asyncio.get_running_loop().create_future()
        self._keys.extend((key, pressed) for key in keys(digits, duration_ms))
        return pressed

    def digits(self) -> list[tuple[str, int]]:
        """The digits that were heard, each with the monotonic ns at which it began."""
        listener, heard = EventListener(), []
        for datagram, arrival_ns in zip(self.datagrams, self.arrival_ns, strict=True):
            codec = self._codecs.get(datagram[1] & 0x7F)
            if codec is None or not codec.is_event:
                continue
            timestamp = int.from_bytes(datagram[4:8], "big")
            digit = listener.read(int.from_bytes(datagram[8:12], "big"), timestamp, datagram[12:])
            if digit is not None:
                heard.append((digit, arrival_ns))
        return heard

    def heard(self) -> NDArray[np.int16]:
        """The audio from the first packet on, int16 at 8 kHz; see ``hearing.place``."""
        return place(self.datagrams, self.arrival_ns, self._codecs)

    def datagram_received(self, data: bytes, addr: Sequence[object]) -> None:  # noqa: ARG002 -- asyncio's signature
        """Called by the event loop."""
        clear = data if self._protection is None else self._protection.unprotect(data)
        if clear is None:
            self.unopened += 1
            return
        self.arrival_ns.append(self._clock.monotonic_ns())
        self.datagrams.append(clear)

    def _tick(self) -> None:
        now_ns = self._clock.monotonic_ns()
        while self._due_ns <= now_ns:
            self._send_frame(now_ns)
            self._due_ns += round(self.frame_ms * NS_PER_MS / self._pace)
        wait = (self._due_ns - self._clock.monotonic_ns()) / NS_PER_S
        self._timer = asyncio.get_running_loop().call_later(max(wait, 0), self._tick)

    def _send_frame(self, now_ns: int) -> None:
        media = self.media
        if media is None or self._transport is None or media.direction not in _SENDS:
            self._packetiser.frame(0, None)
            return
        self.sent_ns.append(now_ns)
        for datagram in self._next_key(media) or self._next_frame(media):
            ready = datagram if self._protection is None else self._protection.protect(datagram)
            if ready is not None:
                self._transport.sendto(ready, (media.remote.host, media.remote.port))

    def _next_frame(self, media: Media) -> list[bytes]:
        number, codec = self.codec or (media.send_payload_type, media.send_codec)
        samples = self._next_samples()
        payload = None if samples is None else self._encoded(codec, samples)
        step = codec.clock_rate * self.frame_ms // 1000
        return self._packetiser.frame(number, payload or None, step)

    def _next_key(self, media: Media) -> list[bytes]:
        """A packet of the digit that is being sent; nothing between digits."""
        number = media.telephone_event_payload_type
        if not self._keys or number is None:
            return []
        key, pressed = self._keys[0]
        codec = media.payload_types.get(number, TELEPHONE_EVENT)
        payload, first = key.payload(codec.clock_rate // 1000), key.at == 0
        key.at += 1
        if key.at >= key.length:
            self._keys.popleft()
            if not pressed.done() and not any(other is pressed for _, other in self._keys):
                pressed.set_result(None)
        if payload is None:
            return []
        step = media.send_codec.clock_rate // 50
        return self._packetiser.event(number, payload, step, first=first)

    def _encoded(self, codec: Codec, samples: NDArray[np.int16]) -> bytes:
        rate, voice = sample_rate(codec.name, codec.clock_rate), (codec, self.frame_ms)
        if voice not in self._voices:
            encoder = make_encoder(codec.name, self.frame_ms)
            self._voices[voice] = Resampler(_SAMPLE_RATE, rate), encoder
        resampler, encoder = self._voices[voice]
        wide = resampler.resample(samples)
        # What a resampler keeps back at first is made up for with silence before it.
        missing = rate * self.frame_ms // 1000 - len(wide)
        return encoder.encode(np.pad(wide, (max(missing, 0), 0)))

    def _next_samples(self) -> NDArray[np.int16] | None:
        """The next frame, filled up with zeros; None when nothing is to be sent."""
        frame = np.zeros(self.frame_ms * _SAMPLE_RATE // 1000, np.int16)
        filled = 0
        while self._clips and filled < len(frame):
            clip = self._clips[0]
            piece = clip.samples[clip.at : clip.at + len(frame) - filled]
            frame[filled : filled + len(piece)] = piece
            filled += len(piece)
            clip.at += len(piece)
            if clip.at == len(clip.samples):
                self._clips.popleft()
                if not clip.said.done():
                    clip.said.set_result(None)
        return frame if filled or self._silence else None


def _pair(bind: str) -> tuple[socket.socket, socket.socket]:
    """Two bound UDP sockets: an even port, and the odd one above it (RFC 3550 §11)."""
    family = socket.AF_INET6 if ":" in bind else socket.AF_INET
    for _ in range(_PAIR_TRIES):
        port = 20_000 + 2 * secrets.randbelow(6_000)  # below Linux's range of ephemeral ports
        pair = socket.socket(family, socket.SOCK_DGRAM), socket.socket(family, socket.SOCK_DGRAM)
        try:
            for number, opened in enumerate(pair):
                opened.setblocking(False)
                opened.bind((bind, port + number))
        except OSError:
            for opened in pair:
                opened.close()
        else:
            return pair
    raise CapacityError("no pair of ports is free for RTP")
