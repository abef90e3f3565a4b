"""The media plane as the control process uses it: ports, requests to the media process, and events from it.

The plane holds what each leg and recording should be. When the media process dies, another gets
all of it with the same sockets, which the kernel keeps filling meanwhile; what the dead one had
received but not written is salvaged first.
"""

import asyncio
import itertools
import socket
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import structlog

from onrecord.calls.media import (
    Beep,
    Clip,
    DigitHeard,
    MediaEvent,
    PlaybackEnded,
    PlaybackStarted,
)
from onrecord.core.errors import OnrecordError
from onrecord.core.ids import LegId, RecordingId
from onrecord.core.settings import Settings
from onrecord.media.channel import Message
from onrecord.media.child import MediaChild
from onrecord.media.messages import decode_stats, encode_clip
from onrecord.media.ports import PortPairs
from onrecord.media.sockets import stamp_arrivals
from onrecord.media.supervisor import Supervisor
from onrecord.media.wanted import Wanted, WantedCapture, WantedLeg
from onrecord.metrics import RTP_DROPPED, RTP_RECEIVED
from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import Media, RtpAddress
from onrecord.spool.header import SpoolHeader

log = structlog.get_logger()

REQUEST_SECONDS = 2.0


class MediaError(OnrecordError):
    """The media process refused a command or did not answer in time."""


@dataclass(frozen=True, slots=True)
class _Request:
    message: Message
    sockets: Sequence[socket.socket]
    reply: asyncio.Future[Any]


class MediaPlane:
    """Ports and media process of one node; satisfies ``service.ports.MediaPlane``.

    Requests that are waiting when the media process dies are sent to its successor.
    """

    def __init__(
        self, settings: Settings, on_event: Callable[[MediaEvent], None] = lambda _: None
    ) -> None:
        """``on_event`` is told, on the event loop, what the media side has to tell of its own accord."""
        self._settings = settings
        self._on_event = on_event
        self._playbacks: set[tuple[LegId, str]] = set()
        """Those that have been asked for and not been told to have ended."""
        self._ports = PortPairs(settings.bind, settings.rtp_port_range)
        self._wanted = Wanted()
        self._requests: dict[int, _Request] = {}
        self._ids = itertools.count(1)
        self._counts: dict[str, int] = {}
        """As the present media process last reported."""
        self._supervisor = Supervisor(
            settings,
            heard=self._heard,
            died=self._stamp,
            replaces=self._forget_process,
            restore=self._restore,
        )

    @property
    def pid(self) -> int | None:
        """Of the media process."""
        return self._supervisor.pid

    @property
    def is_ready(self) -> bool:
        """A media process runs and has all legs."""
        return self._supervisor.is_ready

    async def start(self) -> None:
        """Start the media process.

        Raises:
            MediaError: it did not come up.
            OSError: there is no room for it.
        """
        try:
            await self._supervisor.start()
        except TimeoutError:
            await self.close()
            raise MediaError("the media process did not start") from None

    async def close(self) -> None:
        """End the media process, which writes what it holds, and free all ports."""
        await self._supervisor.close()
        for leg in self._wanted.legs.values():
            self._ports.free(leg.pair)
        self._wanted.legs.clear()

    async def open_leg(self, leg: LegId, *, may_transcode: bool = False) -> RtpAddress:
        """Take an even RTP port and its odd RTCP port; returns what our SDP must say.

        ``may_transcode``: a codec beside G.711 is offered, so that transcoding is got ready.

        Raises:
            CapacityError: the port range has run out.
            MediaError: the media process does not answer.
        """
        known = self._wanted.legs.get(leg)
        if known is None:
            known = self._wanted.legs[leg] = WantedLeg(leg, self._ports.take(), may_transcode)
        try:
            await self._request("open", known.sockets, **known.opening)
        except MediaError:
            self._ports.free(self._wanted.legs.pop(leg).pair)
            raise
        port = known.pair.port
        return RtpAddress(self._settings.advertised_address, port, port + 1)

    async def connect_leg(
        self, leg: LegId, media: Media, *, silence_when_idle: bool = False
    ) -> None:
        """Exchange audio as negotiated; a repeat with other media replaces it.

        Raises:
            MediaError: the leg is not open, or the media process does not answer.
        """
        held = self._leg(leg)
        held.media, held.silence_when_idle = media, silence_when_idle
        await self._request("connect", **held.connection)

    async def close_leg(self, leg: LegId) -> LegStats:
        """Free the ports; figures of what was sent and received. All zero for a leg not open.

        Raises:
            MediaError: the media process does not answer; the ports are free all the same.
        """
        held = self._wanted.legs.pop(leg, None)
        if held is None:
            return LegStats()
        self._wanted.unbridge(leg)
        try:
            held.latest = decode_stats(await self._request("close", leg=leg))
        finally:
            self._ports.free(held.pair)
        return held.figures

    async def bridge(
        self, first: LegId, second: LegId, *, deaf_to_digits: Collection[LegId] = ()
    ) -> None:
        """Relay audio between two legs until one is closed or ``unbridge``.

        ``deaf_to_digits``: those of them that the digits of the other are not passed on to.

        Raises:
            MediaError: a leg is not open, or the media process does not answer.
        """
        self._leg(first)
        self._leg(second)
        self._wanted.bridge(first, second, deaf_to_digits)
        await self._request("bridge", first=first, second=second, deaf=list(deaf_to_digits))

    async def unbridge(self, leg: LegId) -> None:
        """Relay no more to and from a leg.

        Raises:
            MediaError: the leg is not open, or the media process does not answer.
        """
        self._leg(leg)
        self._wanted.unbridge(leg)
        await self._request("unbridge", leg=leg)

    async def start_recording(
        self, header: SpoolHeader, path: Path, beep: Beep | None = None
    ) -> int:
        """Capture the leg into the spool at ``path`` (which holds its header). Returns monotonic ns.

        The ``beep`` is sent to the leg at once, before all else; a leg on hold gets none.

        Raises:
            MediaError: the leg is not open, the spool cannot be written, or no answer came.
        """
        self._leg(header.leg_id)
        capture = WantedCapture(header, path, beep=beep)
        self._wanted.captures[header.recording_id] = capture
        try:
            at_ns = int(await self._request("start", **capture.start))
        except MediaError:
            self._wanted.captures.pop(header.recording_id, None)
            raise
        capture.began = True
        return at_ns

    async def stop_recording(self, recording_id: RecordingId) -> int:
        """End the capture; all facts are in the spool when this returns. Returns monotonic ns.

        Raises:
            MediaError: it is not captured, its spool cannot be written, or no answer came.
        """
        if recording_id not in self._wanted.captures:
            raise MediaError(f"recording {recording_id} is not being captured")
        try:
            return int(await self._request("stop", recording=recording_id, reason="command"))
        finally:
            self._wanted.captures.pop(recording_id, None)

    async def pause_recording(self, recording_id: RecordingId) -> int:
        """Keep nothing from now on, until it is resumed or stopped. Returns monotonic ns.

        Raises:
            MediaError: it is not captured, its spool cannot be written, or no answer came.
        """
        return await self._keep(recording_id, "pause", paused=True)

    async def resume_recording(self, recording_id: RecordingId) -> int:
        """Keep what comes from now on again. Returns monotonic ns.

        Raises:
            MediaError: it is not captured, its spool cannot be written, or no answer came.
        """
        return await self._keep(recording_id, "resume", paused=False)

    async def _keep(self, recording_id: RecordingId, op: str, *, paused: bool) -> int:
        capture = self._wanted.captures.get(recording_id)
        if capture is None:
            raise MediaError(f"recording {recording_id} is not being captured")
        at_ns = int(await self._request(op, recording=recording_id))
        capture.paused = paused
        return at_ns

    async def play(
        self, leg: LegId, playback: str, clip: Clip, loops: int | None, *, overlay: bool = False
    ) -> None:
        """Queue a clip to be sent to a leg ``loops`` times, None without end; its end is an event.

        Its file may be removed when this returns. An ``overlay`` lies over all else that the leg is sent;
        its clip is in L16 at 16 kHz, whatever the codec of the leg.

        Raises:
            MediaError: the leg is not open, the file cannot be read, or no answer came.
        """
        self._leg(leg)
        self._playbacks.add((leg, playback))
        try:
            given = encode_clip(clip) | {"loops": loops, "overlay": overlay}
            await self._request("play", leg=leg, playback=playback, **given)
        except MediaError:
            self._playbacks.discard((leg, playback))
            raise

    async def stop_playback(self, leg: LegId, playback: str) -> None:
        """Send no more of a clip; one that is not there, or no more, is no matter.

        Raises:
            MediaError: no answer came.
        """
        await self._request("silence", leg=leg, playback=playback)

    async def press(self, leg: LegId, digits: str, duration_ms: int) -> None:
        """Send digits as telephone-events; ``w`` and ``W`` among them pause for 0.5 s and 1 s.

        Raises:
            MediaError: the leg is not open, its peer takes none, or no answer came.
        """
        self._leg(leg)
        await self._request("press", leg=leg, digits=digits, duration_ms=duration_ms)

    async def leg_stats(self, leg: LegId) -> LegStats:
        """The figures of an open leg now.

        Raises:
            MediaError: the leg is not open, or the media process does not answer.
        """
        held = self._leg(leg)
        held.latest = decode_stats(await self._request("stats", leg=leg))
        return held.figures

    def _leg(self, leg: LegId) -> WantedLeg:
        try:
            return self._wanted.legs[leg]
        except KeyError:
            raise MediaError(f"leg {leg} is not open") from None

    async def _request(self, op: str, sockets: Sequence[socket.socket] = (), **given: Any) -> Any:
        number = next(self._ids)
        message = {"id": number, "op": op, **given}
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._requests[number] = _Request(message, sockets, reply)
        self._supervisor.send(message, sockets)
        try:
            return await asyncio.wait_for(reply, REQUEST_SECONDS)
        except TimeoutError:
            raise MediaError(f"the media process did not answer {op}") from None
        finally:
            self._requests.pop(number, None)

    def _heard(self, message: Message) -> None:
        if "id" in message:
            self._replied(message)
        elif "legs" in message:
            self._reported(message["legs"])
        elif "rollovers" in message:
            for name, *come in message["rollovers"]:
                if name in self._wanted.legs:
                    self._wanted.legs[name].rollover = come
        elif "counts" in message:
            self._count({"received": message["counts"]["received"], **message["dropped"]})
        elif "digit" in message:
            self._on_event(DigitHeard(LegId(message["leg"]), message["digit"]))
        elif "playback" in message:
            self._played(LegId(message["leg"]), message["playback"], message.get("outcome"))

    def _played(self, leg: LegId, playback: str, outcome: str | None) -> None:
        if outcome is None:
            self._on_event(PlaybackStarted(leg, playback))
            return
        self._playbacks.discard((leg, playback))
        self._on_event(PlaybackEnded(leg, playback, outcome))

    def _reported(self, legs: dict[LegId, dict[str, Any]]) -> None:
        for name, figures in legs.items():
            if name in self._wanted.legs:
                self._wanted.legs[name].latest = decode_stats(figures)

    def _replied(self, message: dict[str, Any]) -> None:
        request = self._requests.get(message["id"])
        if request is None or request.reply.done():
            if "error" in message:
                log.error("media_state_refused", error=message["error"])
            return
        if "error" in message:
            request.reply.set_exception(MediaError(message["error"]))
        else:
            request.reply.set_result(message["result"])

    def _count(self, totals: dict[str, int]) -> None:
        for name, total in totals.items():
            grown = total - self._counts.get(name, 0)
            if grown > 0:
                (RTP_RECEIVED if name == "received" else RTP_DROPPED.labels(name)).inc(grown)
        self._counts = totals

    # What becomes of media processes.

    def _stamp(self) -> None:
        """What waits for the next one keeps the time at which it came."""
        for leg in self._wanted.legs.values():
            stamp_arrivals(leg.pair.rtp, wanted=True)

    def _forget_process(self) -> None:
        """Close the account of one that died."""
        self._counts = {}
        for leg in self._wanted.legs.values():
            leg.before, leg.latest = leg.figures, LegStats()
        for name, playback in list(self._playbacks):
            # Where in its clip it was is known to the dead process alone.
            self._played(name, playback, "failed")

    def _restore(self, child: MediaChild) -> None:
        """Tell a new one all that is and send it the requests that wait."""
        for op, given, sockets in self._wanted.requests():
            child.send({"id": 0, "op": op, **given}, sockets)
        for request in self._requests.values():
            child.send(request.message, request.sockets)
        log.info("media_process_ready", pid=child.pid, legs=len(self._wanted.legs))
