"""The media plane as the control process uses it: ports, commands, and a media process kept alive.

The plane holds what each leg and recording should be. When the media process dies, another gets
all of it with the same sockets, which the kernel keeps filling meanwhile; what the dead one had
received but not written is salvaged first.
"""

import asyncio
import contextlib
import itertools
import socket
import time
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass, field
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
from onrecord.media.child import MediaChild
from onrecord.media.messages import decode_stats, encode_beep, encode_clip, encode_media, joined
from onrecord.media.ports import PortPair, PortPairs
from onrecord.media.salvage import salvage_arena
from onrecord.media.sockets import allow_descriptors, stamp_arrivals
from onrecord.metrics import RTP_DROPPED, RTP_RECEIVED
from onrecord.rtp.stats import LegStats
from onrecord.sdp.negotiation import Media, RtpAddress
from onrecord.spool.header import SpoolHeader

log = structlog.get_logger()

REQUEST_SECONDS = 2.0
START_SECONDS = 10.0
SILENT_SECONDS = 10.0
"""A media process that reports nothing for so long hangs and is replaced."""
RESTART_SECONDS = (0.0, 0.0, 0.25, 0.5, 1.0, 2.0)
"""Waits before the next media process while one after another dies young."""

_YOUNG_SECONDS = 10.0


class MediaError(OnrecordError):
    """The media process refused a command or did not answer in time."""


@dataclass(slots=True)
class _Leg:
    """What a leg should be."""

    pair: PortPair
    may_transcode: bool = False
    media: Media | None = None
    silence_when_idle: bool = False
    rollover: list[int] | None = None
    """How far the SRTP that it receives has come, as last reported."""
    before: LegStats = field(default_factory=LegStats)
    """Figures of media processes that are gone."""
    latest: LegStats = field(default_factory=LegStats)
    """As the present one last reported."""

    @property
    def figures(self) -> LegStats:
        return joined(self.before, self.latest)


@dataclass(slots=True)
class _Capture:
    """What a recording should be."""

    header: SpoolHeader
    path: Path
    began: bool = False
    """Its start has been answered: a new media process goes on with it instead of starting it."""
    paused: bool = False
    beep: Beep | None = None
    """Sent when it begins, and not again by a new media process."""


@dataclass(frozen=True, slots=True)
class _Request:
    message: dict[str, Any]
    sockets: Sequence[Any]
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
        self._legs: dict[LegId, _Leg] = {}
        self._bridges: dict[LegId, LegId] = {}
        self._deaf: set[LegId] = set()
        """Legs to which no digits are passed on."""
        self._recordings: dict[RecordingId, _Capture] = {}
        self._requests: dict[int, _Request] = {}
        self._ids = itertools.count(1)
        self._child: MediaChild | None = None
        self._up = asyncio.Event()
        """The present media process ticks."""
        self._dead = asyncio.Event()
        self._ready = False
        """It has all legs and recordings, and may be sent requests."""
        self._heard_at = 0.0
        self._counts: dict[str, int] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._stamping: socket.socket | None = None

    @property
    def pid(self) -> int | None:
        """Of the media process."""
        return self._child.pid if self._child else None

    @property
    def is_ready(self) -> bool:
        """A media process runs and has all legs."""
        return self._ready

    async def start(self) -> None:
        """Start the media process.

        Raises:
            MediaError: it did not come up.
            OSError: there is no room for it.
        """
        allow_descriptors()
        # While any socket wants stamps the kernel stamps all that comes, so that datagrams that
        # wait for a media process tell when they came although their sockets did not ask then.
        self._stamping = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        stamp_arrivals(self._stamping, wanted=True)
        await self._spawn()
        try:
            await asyncio.wait_for(self._up.wait(), START_SECONDS)
        except TimeoutError:
            await self.close()
            raise MediaError("the media process did not start") from None
        self._restore()
        self._tasks = [asyncio.create_task(work()) for work in (self._supervise, self._watch)]

    async def close(self) -> None:
        """End the media process, which writes what it holds, and free all ports."""
        self._ready = False
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._child is not None:
            await self._child.wait()
            await asyncio.to_thread(salvage_arena, self._child.folder, self._spools)
            self._child = None
        for leg in self._legs.values():
            self._ports.free(leg.pair)
        self._legs.clear()
        if self._stamping is not None:
            self._stamping.close()

    async def open_leg(self, leg: LegId, *, may_transcode: bool = False) -> RtpAddress:
        """Take an even RTP port and its odd RTCP port; returns what our SDP must say.

        ``may_transcode``: a codec beside G.711 is offered, so that transcoding is got ready.

        Raises:
            CapacityError: the port range has run out.
            MediaError: the media process does not answer.
        """
        known = self._legs.get(leg)
        if known is None:
            known = self._legs[leg] = _Leg(self._ports.take(), may_transcode)
        sockets = known.pair.rtp, known.pair.rtcp
        try:
            await self._request("open", sockets, leg=leg, may_transcode=known.may_transcode)
        except MediaError:
            self._ports.free(self._legs.pop(leg).pair)
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
        await self._request("connect", **self._connection(leg, held))

    async def close_leg(self, leg: LegId) -> LegStats:
        """Free the ports; figures of what was sent and received. All zero for a leg not open.

        Raises:
            MediaError: the media process does not answer; the ports are free all the same.
        """
        held = self._legs.pop(leg, None)
        if held is None:
            return LegStats()
        self._forget_bridge(leg)
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
        for leg in (first, second):
            self._forget_bridge(leg)
        self._bridges[first], self._bridges[second] = second, first
        self._deaf |= set(deaf_to_digits)
        await self._request("bridge", first=first, second=second, deaf=list(deaf_to_digits))

    async def unbridge(self, leg: LegId) -> None:
        """Relay no more to and from a leg.

        Raises:
            MediaError: the leg is not open, or the media process does not answer.
        """
        self._leg(leg)
        self._forget_bridge(leg)
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
        capture = _Capture(header, path, beep=beep)
        self._recordings[header.recording_id] = capture
        try:
            at_ns = int(await self._request("start", **self._capture(capture)))
        except MediaError:
            self._recordings.pop(header.recording_id, None)
            raise
        capture.began = True
        return at_ns

    async def stop_recording(self, recording_id: RecordingId) -> int:
        """End the capture; all facts are in the spool when this returns. Returns monotonic ns.

        Raises:
            MediaError: it is not captured, its spool cannot be written, or no answer came.
        """
        if recording_id not in self._recordings:
            raise MediaError(f"recording {recording_id} is not being captured")
        try:
            return int(await self._request("stop", recording=recording_id, reason="command"))
        finally:
            self._recordings.pop(recording_id, None)

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
        capture = self._recordings.get(recording_id)
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

    @property
    def _spools(self) -> Path:
        return self._settings.data.absolute() / "spool"

    def _leg(self, leg: LegId) -> _Leg:
        try:
            return self._legs[leg]
        except KeyError:
            raise MediaError(f"leg {leg} is not open") from None

    def _forget_bridge(self, leg: LegId) -> None:
        other = self._bridges.pop(leg, None)
        if other is not None:
            self._bridges.pop(other, None)
            self._deaf -= {leg, other}

    @staticmethod
    def _connection(leg: LegId, held: _Leg) -> dict[str, Any]:
        media = None if held.media is None else encode_media(held.media)
        return {"leg": leg, "media": media, "silence_when_idle": held.silence_when_idle}

    @staticmethod
    def _capture(capture: _Capture) -> dict[str, Any]:
        return {
            "recording": capture.header.recording_id,
            "leg": capture.header.leg_id,
            "path": str(capture.path),
            "track": capture.header.track,
            "resumed": capture.began,
            "paused": capture.paused,
            "live": capture.header.timeout_secs > 0,
            "beep": None if capture.began else encode_beep(capture.beep),
        }

    async def _request(self, op: str, sockets: Sequence[Any] = (), **given: Any) -> Any:
        number = next(self._ids)
        message = {"id": number, "op": op, **given}
        reply: asyncio.Future[Any] = asyncio.get_running_loop().create_future()
        self._requests[number] = _Request(message, sockets, reply)
        if self._ready and self._child is not None:
            self._child.send(message, sockets)
        try:
            return await asyncio.wait_for(reply, REQUEST_SECONDS)
        except TimeoutError:
            raise MediaError(f"the media process did not answer {op}") from None
        finally:
            self._requests.pop(number, None)

    def _heard(self, message: dict[str, Any]) -> None:
        self._heard_at = time.monotonic()
        if "id" in message:
            self._replied(message)
        elif "legs" in message:
            self._reported(message["legs"])
        elif "rollovers" in message:
            for name, *come in message["rollovers"]:
                if name in self._legs:
                    self._legs[name].rollover = come
        elif "counts" in message:
            self._count({"received": message["counts"]["received"], **message["dropped"]})
        elif "digit" in message:
            self._on_event(DigitHeard(LegId(message["leg"]), message["digit"]))
        elif "playback" in message:
            self._played(LegId(message["leg"]), message["playback"], message.get("outcome"))
        else:
            self._up.set()

    def _played(self, leg: LegId, playback: str, outcome: str | None) -> None:
        if outcome is None:
            self._on_event(PlaybackStarted(leg, playback))
            return
        self._playbacks.discard((leg, playback))
        self._on_event(PlaybackEnded(leg, playback, outcome))

    def _reported(self, legs: dict[LegId, dict[str, Any]]) -> None:
        for name, figures in legs.items():
            if name in self._legs:
                self._legs[name].latest = decode_stats(figures)

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

    # Supervision.

    async def _spawn(self) -> None:
        self._up.clear()
        self._dead.clear()
        self._counts = {}
        self._heard_at = time.monotonic()
        self._child = await MediaChild.spawn(self._settings, self._heard, self._died)

    def _died(self, child: MediaChild) -> None:
        log.error("media_process_died", pid=child.pid)
        self._ready = False
        for leg in self._legs.values():
            # What waits for the next process keeps the time at which it came.
            stamp_arrivals(leg.pair.rtp, wanted=True)
        self._up.set()  # nobody waits for it any longer
        self._dead.set()

    async def _supervise(self) -> None:
        """Replace each media process that dies; ever later while they die young."""
        born, young = time.monotonic(), 0
        while True:
            await self._dead.wait()
            young = young + 1 if time.monotonic() - born < _YOUNG_SECONDS else 0
            await asyncio.sleep(RESTART_SECONDS[min(young, len(RESTART_SECONDS) - 1)])
            born = time.monotonic()
            try:
                await self._replace()
            except OSError as error:
                log.exception("media_process_not_started", error=str(error))
                self._dead.set()

    async def _replace(self) -> None:
        old, self._child = self._child, None
        for leg in self._legs.values():
            leg.before, leg.latest = leg.figures, LegStats()
        for name, playback in list(self._playbacks):
            # Where in its clip it was is known to the dead process alone.
            self._played(name, playback, "failed")
        if old is not None:
            old.kill()
            await old.wait()
        await asyncio.gather(self._spawn(), self._salvage(old))
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._up.wait(), START_SECONDS)
        if self._dead.is_set():
            return
        if self._up.is_set():
            self._restore()
        else:
            self._kill()

    def _kill(self) -> None:
        if self._child is not None:
            self._child.kill()

    async def _salvage(self, old: MediaChild | None) -> None:
        if old is None:
            return
        try:
            await asyncio.to_thread(salvage_arena, old.folder, self._spools)
        except OSError as error:
            # The arena is kept; the salvage at the next start of the server tries again.
            log.exception("salvage_failed", error=str(error))

    def _restore(self) -> None:
        """Tell a new media process all that is and send it the requests that wait."""
        child = self._child
        if child is None:
            return
        for leg, held in self._legs.items():
            opened = {"id": 0, "op": "open", "leg": leg, "may_transcode": held.may_transcode}
            child.send(opened, (held.pair.rtp, held.pair.rtcp))
            if held.media is not None:
                connection = self._connection(leg, held)
                child.send({"id": 0, "op": "connect", **connection, "rollover": held.rollover})
        for first, second in self._bridges.items():
            deaf = list({first, second} & self._deaf)
            child.send({"id": 0, "op": "bridge", "first": first, "second": second, "deaf": deaf})
        for capture in self._recordings.values():
            child.send({"id": 0, "op": "start", **self._capture(capture)})
        child.send({"id": 0, "op": "go"})
        for request in self._requests.values():
            child.send(request.message, request.sockets)
        self._ready = True
        log.info("media_process_ready", pid=child.pid, legs=len(self._legs))

    async def _watch(self) -> None:
        """Kill a media process that hangs; its death is then handled as any other."""
        while True:
            await asyncio.sleep(1)
            if self._ready and time.monotonic() - self._heard_at > SILENT_SECONDS:
                log.error("media_process_hangs")
                self._kill()
