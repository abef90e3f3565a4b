"""What the server says into a call: files and speech, one after another, and the digits that it sends.

A command is answered when it is written. Its audio is fetched, decoded and encoded beside the leg's
turn; the order of the commands is kept all the same. What becomes of it is told by webhooks.
"""

from collections.abc import Callable, Iterable

import structlog

from onrecord.calls.commands import CommandResult, PlaybackStart, PlaybackStop, SendDtmf
from onrecord.calls.media import (
    Clip,
    DigitHeard,
    FromContent,
    MediaEvent,
    PlaybackEnded,
    PlaybackStarted,
    PromptFailed,
    Spoken,
)
from onrecord.calls.records import Event, LegState
from onrecord.core.errors import OnrecordError
from onrecord.core.ids import LegId, new_uuid
from onrecord.sdp.codecs import L16_WIDE
from onrecord.sdp.negotiation import Codec
from onrecord.service.edges import Edges
from onrecord.service.registry import LiveLeg, Playback
from onrecord.wire import errors

STATUS = {
    "completed": "completed",
    "stopped": "cancelled",
    "closed": "call_hangup",
    "failed": "failed",
}
"""``status`` of call.playback.ended for what the media side says."""

_log = structlog.get_logger()


class Playing:
    """Commands are called by the holder of the leg's turn; events take it themselves."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._owners: dict[str, LegId] = {}
        """The leg whose command asked for a playback."""

    async def start(self, live: LiveLeg, command: PlaybackStart) -> CommandResult:
        """Queue a file or a text to be played.

        Raises:
            CallerError: the leg is not answered, has no audio or no leg that it is bridged with, the file
                is of no known type (90040), or no text can be spoken here.
        """
        self._check(live, command)
        targets = _targets(live, command.targets)
        name = "speak" if isinstance(command.source, Spoken) else "playback_start"
        leg = await self._edges.tell(live, name, command)
        if command.stop is not None:
            await self._stop(live, command.stop, overlay=command.overlay)
        self._queue(
            live,
            Playback(
                new_uuid(), command.source, command.loops, set(targets), overlay=command.overlay
            ),
        )
        return CommandResult(leg.call_control_id)

    def play_on_answer(self, live: LiveLeg, then: Callable[[], None]) -> bool:
        """Play what dial or transfer gave, and call ``then`` behind it; False: there is nothing to play."""
        source, live.audio_on_answer = live.audio_on_answer, None
        if source is None or live.leg.state is LegState.RINGING or live.media is None:
            return False
        self._queue(live, Playback(new_uuid(), source, 1, {live.leg.id}, then=then))
        return True

    def _queue(self, live: LiveLeg, playback: Playback) -> None:
        queue = _queued(live, overlay=playback.overlay)
        before = queue[-1] if queue else None
        live.playbacks.append(playback)
        self._owners[playback.id] = live.leg.id
        self._edges.background.spawn(self._prepare(live, playback, before), "playback")

    async def stop(self, live: LiveLeg, command: PlaybackStop) -> CommandResult:
        """Play no more of what commands for this leg asked for: the first of it, or all.

        Raises:
            CallerError: the leg is not answered.
        """
        _check_answered(live)
        leg = await self._edges.tell(live, "playback_stop", command)
        await self._stop(live, command.stop, overlay=command.overlay)
        return CommandResult(leg.call_control_id)

    async def press(self, live: LiveLeg, command: SendDtmf) -> CommandResult:
        """Send digits to the leg's party.

        Raises:
            CallerError: the leg is not answered, or its party takes no digits.
        """
        _check_answered(live)
        if live.media is None or live.media.telephone_event_payload_type is None:
            raise errors.no_digits()
        leg = await self._edges.tell(live, "send_dtmf", command)
        await self._edges.media.press(leg.id, command.digits, command.duration_ms)
        return CommandResult(leg.call_control_id)

    async def press_on_answer(self, live: LiveLeg) -> None:
        """Send the digits that dial gave; a party that takes none is a matter for the log."""
        digits, live.digits_on_answer = live.digits_on_answer, ""
        if not digits or live.leg.state is LegState.RINGING:
            return
        try:
            await self._edges.media.press(live.leg.id, digits, SendDtmf(digits).duration_ms)
        except (OnrecordError, OSError) as error:
            _log.warning("digits_not_sent", leg=live.leg.id, reason=str(error))

    async def told(self, event: MediaEvent) -> None:
        """Take what the media side tells."""
        if isinstance(event, DigitHeard):
            owner: LegId | None = event.leg
        else:
            owner = self._owners.get(event.playback)
        if owner is None:
            return
        async with self._edges.registry.turns([owner]):
            live = self._edges.registry.by_id(owner)
            if live is None:
                return
            match event:
                case DigitHeard():
                    await self._tell(self._edges.announcements.digit(live, event.digit))
                case PlaybackStarted():
                    await self._started(live, event)
                case PlaybackEnded():
                    await self._ended_on(live, event)

    def _check(self, live: LiveLeg, command: PlaybackStart) -> None:
        _check_answered(live)
        source = command.source
        if isinstance(source, Spoken) and not self._edges.prompts.speaks:
            raise errors.no_speech()
        if isinstance(source, FromContent) and not self._edges.prompts.plays(source.content):
            raise errors.audio_not_usable("playback_content")

    async def _stop(self, live: LiveLeg, which: str, *, overlay: bool) -> None:
        for playback in _queued(live, overlay=overlay)[: 1 if which == "current" else None]:
            if playback.handed:
                await self._silence(playback.waiting, playback.id)
            else:
                self._forget(live, playback)
                playback.then()

    async def _prepare(self, live: LiveLeg, playback: Playback, before: Playback | None) -> None:
        """Make the audio ready, wait for what was asked for before, and hand it to the media side."""
        clips: dict[Codec, Clip] = {}
        try:
            failed = await self._make_clips(playback, clips)
            if before is not None:
                await before.prepared.wait()
            async with self._edges.registry.turns([live.leg.id]):
                if playback in live.playbacks:
                    await self._hand_over(live, playback, clips, failed)
        finally:
            playback.prepared.set()
            for clip in clips.values():
                self._edges.prompts.discard(clip)

    async def _make_clips(
        self, playback: Playback, clips: dict[Codec, Clip]
    ) -> PromptFailed | None:
        try:
            content = await self._edges.prompts.load(playback.source)
            for codec in self._codecs(playback):
                clips[codec] = await self._edges.prompts.clip(content, codec)
        except PromptFailed as error:
            return error
        except Exception as error:  # noqa: BLE001 -- the unit of work: what waits for its end goes on
            _log.exception("playback_not_prepared")
            return PromptFailed(f"the audio cannot be made ready: {type(error).__name__}")
        return None

    def _codecs(self, playback: Playback) -> set[Codec]:
        if playback.overlay:
            return {L16_WIDE}
        legs = [self._edges.registry.by_id(target) for target in playback.waiting]
        return {leg.media.send_codec for leg in legs if leg is not None and leg.media is not None}

    async def _hand_over(
        self,
        live: LiveLeg,
        playback: Playback,
        clips: dict[Codec, Clip],
        failed: PromptFailed | None,
    ) -> None:
        if failed is not None:
            status = "file_not_found" if failed.missing else "failed"
            await self._ended(live, playback, status, str(failed))
            return
        playback.handed = True
        for target in list(playback.waiting):
            if not await self._play(playback, target, clips):
                playback.waiting.discard(target)
        if not playback.waiting:
            await self._ended(live, playback, "failed", "there is no leg to play it to any more")

    async def _play(self, playback: Playback, target: LegId, clips: dict[Codec, Clip]) -> bool:
        leg = self._edges.registry.by_id(target)
        if leg is None or leg.media is None:
            return False
        clip = clips.get(leg.media.send_codec) or next(iter(clips.values()), None)
        if clip is None:
            return False
        try:
            await self._edges.media.play(
                target, playback.id, clip, playback.loops, overlay=playback.overlay
            )
        except (OnrecordError, OSError) as error:
            _log.warning("playback_refused", leg=target, reason=str(error))
            return False
        return True

    async def _started(self, live: LiveLeg, event: PlaybackStarted) -> None:
        playback = _find(live, event.playback)
        if playback is None or playback.started:
            return
        playback.started = True
        _log.info("playback_started", leg=live.leg.id)
        await self._tell(self._edges.announcements.playback_started(live, playback))

    async def _ended_on(self, live: LiveLeg, event: PlaybackEnded) -> None:
        playback = _find(live, event.playback)
        if playback is None:
            return
        playback.waiting.discard(event.leg)
        if event.outcome != "completed":
            playback.outcome = event.outcome
        if not playback.waiting:
            detail = "the audio could not be sent any longer" if event.outcome == "failed" else None
            await self._ended(live, playback, STATUS[playback.outcome], detail)

    async def _ended(
        self, live: LiveLeg, playback: Playback, status: str, detail: str | None = None
    ) -> None:
        """A playback that nobody heard and that did not fail had been taken back: nothing is told of it."""
        self._forget(live, playback)
        _log.info("playback_ended", leg=live.leg.id, status=status, reason=detail)
        if playback.started or status in {"failed", "file_not_found"}:
            ended = self._edges.announcements.playback_ended(live, playback, status, detail)
            await self._tell(ended)
        playback.then()

    def _forget(self, live: LiveLeg, playback: Playback) -> None:
        live.playbacks.remove(playback)
        self._owners.pop(playback.id, None)

    async def _tell(self, event: Event) -> None:
        await self._edges.store.write(lambda unit: unit.add_event(event))
        self._edges.delivery.submit([event])

    def hung_up(self, live: LiveLeg) -> list[Event]:
        """What is to be told of a leg's playbacks at its end; they are played to no other leg either."""
        heard: list[Event] = []
        for playback in list(live.playbacks):
            self._forget(live, playback)
            others = playback.waiting - {live.leg.id} if playback.handed else set()
            self._edges.background.spawn(self._silence(others, playback.id), "stop_playback")
            if playback.started:
                heard.append(
                    self._edges.announcements.playback_ended(live, playback, STATUS["closed"], None)
                )
        return heard

    async def _silence(self, targets: Iterable[LegId], playback: str) -> None:
        for target in list(targets):
            try:
                await self._edges.media.stop_playback(target, playback)
            except (OnrecordError, OSError) as error:
                _log.warning("playback_not_stopped", leg=target, reason=str(error))


def _check_answered(live: LiveLeg) -> None:
    if live.leg.state is LegState.RINGING or live.media is None:
        raise errors.call_not_answered()


def _targets(live: LiveLeg, which: str) -> list[LegId]:
    targets = [live.leg.id] if which in {"self", "both"} else []
    if which in {"opposite", "both"}:
        if live.leg.bridged_to is None:
            raise errors.no_opposite_leg()
        targets.append(live.leg.bridged_to)
    return targets


def _queued(live: LiveLeg, *, overlay: bool) -> list[Playback]:
    """What is played to a leg in one of its two queues."""
    return [playback for playback in live.playbacks if playback.overlay is overlay]


def _find(live: LiveLeg, playback_id: str) -> Playback | None:
    return next((playback for playback in live.playbacks if playback.id == playback_id), None)
