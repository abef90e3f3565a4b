"""The lives of a leg and of a recording: ``(state, input) -> state``, complete and nothing else.

A pair that is absent from a table may not happen; whoever asks for it gets None and decides what to
tell whom. The tables know nothing of webhooks, media or SIP.
"""

from collections.abc import Mapping
from enum import StrEnum
from types import MappingProxyType

from onrecord.calls.records import LegState, RecordingState


class LegInput(StrEnum):
    """What can happen to a leg."""

    ANSWER = "answer"
    BRIDGE = "bridge"
    UNBRIDGE = "unbridge"
    END = "end"


class RecordingInput(StrEnum):
    """What can happen to a recording."""

    PAUSE = "pause"
    RESUME = "resume"
    STOP = "stop"
    SAVE = "save"
    FAIL = "fail"


LEG_MOVES: Mapping[tuple[LegState, LegInput], LegState] = MappingProxyType(
    {
        (LegState.RINGING, LegInput.ANSWER): LegState.ANSWERED,
        (LegState.RINGING, LegInput.END): LegState.ENDED,
        (LegState.ANSWERED, LegInput.BRIDGE): LegState.BRIDGED,
        (LegState.ANSWERED, LegInput.END): LegState.ENDED,
        (LegState.BRIDGED, LegInput.UNBRIDGE): LegState.ANSWERED,
        (LegState.BRIDGED, LegInput.END): LegState.ENDED,
    }
)
"""Every move of a leg."""

RECORDING_MOVES: Mapping[tuple[RecordingState, RecordingInput], RecordingState] = MappingProxyType(
    {
        (RecordingState.RECORDING, RecordingInput.PAUSE): RecordingState.PAUSED,
        (RecordingState.RECORDING, RecordingInput.STOP): RecordingState.STOPPED,
        (RecordingState.PAUSED, RecordingInput.RESUME): RecordingState.RECORDING,
        (RecordingState.PAUSED, RecordingInput.STOP): RecordingState.STOPPED,
        (RecordingState.STOPPED, RecordingInput.SAVE): RecordingState.SAVED,
        (RecordingState.STOPPED, RecordingInput.FAIL): RecordingState.FAILED,
    }
)
"""Every move of a recording."""


def leg_after(state: LegState, what: LegInput) -> LegState | None:
    """The state that follows, or None where the move may not happen; never raises."""
    return LEG_MOVES.get((state, what))


def recording_after(state: RecordingState, what: RecordingInput) -> RecordingState | None:
    """The state that follows, or None where the move may not happen; never raises."""
    return RECORDING_MOVES.get((state, what))
