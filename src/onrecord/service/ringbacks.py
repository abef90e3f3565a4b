"""The tone that a waiting party hears while somebody else's phone rings for it."""

from dataclasses import dataclass

import structlog

from onrecord.calls.media import PromptFailed, Ringback
from onrecord.calls.records import LegState
from onrecord.core.errors import OnrecordError
from onrecord.core.ids import LegId, new_uuid
from onrecord.service.edges import Edges
from onrecord.service.registry import LiveLeg

_log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class _Tone:
    listener: LegId
    playback: str


class Ringbacks:
    """One tone for each leg that rings; told by no webhook."""

    def __init__(self, edges: Edges) -> None:
        self._edges = edges
        self._tones: dict[LegId, _Tone] = {}
        """By the leg that rings."""

    def begin(self, ringing: LiveLeg, listener: LiveLeg, country: str) -> None:
        """Play the tone of ``country`` to ``listener`` until :meth:`end`; a second call changes nothing."""
        if ringing.leg.id in self._tones:
            return
        tone = _Tone(listener.leg.id, new_uuid())
        self._tones[ringing.leg.id] = tone
        self._edges.background.spawn(self._play(ringing, listener, tone, country), "ringback")

    async def end(self, ringing: LegId) -> None:
        """The leg is answered, or over, or is heard itself."""
        tone = self._tones.pop(ringing, None)
        if tone is None:
            return
        try:
            await self._edges.media.stop_playback(tone.listener, tone.playback)
        except (OnrecordError, OSError) as error:
            _log.warning("ringback_not_stopped", leg=tone.listener, reason=str(error))

    async def _play(self, ringing: LiveLeg, listener: LiveLeg, tone: _Tone, country: str) -> None:
        if listener.media is None:
            return
        prompts = self._edges.prompts
        try:
            content = await prompts.load(Ringback(country))
            clip = await prompts.clip(content, listener.media.send_codec)
        except PromptFailed as error:
            _log.warning("ringback_failed", leg=tone.listener, reason=str(error))
            return
        try:
            async with self._edges.registry.turns([tone.listener]):
                up = self._edges.registry.by_id(tone.listener) is listener
                rings = self._tones.get(ringing.leg.id) is tone
                if up and rings and ringing.leg.state is LegState.RINGING:
                    await self._edges.media.play(tone.listener, tone.playback, clip, None)
        except (OnrecordError, OSError) as error:
            _log.warning("ringback_failed", leg=tone.listener, reason=str(error))
        finally:
            prompts.discard(clip)
