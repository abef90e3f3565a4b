"""The webhook events of what is played into a call and heard on it; texts as in :mod:`onrecord.wire.events`."""

from onrecord.calls.media import FromFolder, FromUrl, PromptSource
from onrecord.calls.records import Leg
from onrecord.core.ids import EventId
from onrecord.wire.events import event_data, leg_ids

PLAYBACK_STATUSES = ("completed", "cancelled", "call_hangup", "file_not_found", "failed")
SPEAK_STATUSES = ("completed", "call_hangup")

_SPEAK_STATUS = {
    "completed": "completed",
    "cancelled": "completed",
    "call_hangup": "call_hangup",
}
"""There is no word for a text that was stopped; one that could not be spoken has no status."""


def playback_started(
    leg: Leg, source: PromptSource, event_id: EventId, occurred_ns: int, *, overlay: bool = False
) -> str:
    """``call.playback.started``: the first of a file is sent."""
    payload = {**leg_ids(leg), **_media(source, overlay=overlay)}
    return event_data("call.playback.started", event_id, occurred_ns, payload)


def playback_ended(
    leg: Leg,
    source: PromptSource,
    ended: tuple[str, str | None],
    event_id: EventId,
    occurred_ns: int,
    *,
    overlay: bool = False,
) -> str:
    """``call.playback.ended``: a file was played, stopped, or could not be.

    ``ended`` is one of PLAYBACK_STATUSES and, for a failure, what the matter was.
    """
    status, detail = ended
    media = _media(source, overlay=overlay)
    payload = {**leg_ids(leg), **media, "status": status, "status_detail": detail}
    return event_data("call.playback.ended", event_id, occurred_ns, payload)


def speak_started(leg: Leg, event_id: EventId, occurred_ns: int) -> str:
    """``call.speak.started``: the first of a text is sent."""
    return event_data("call.speak.started", event_id, occurred_ns, leg_ids(leg))


def speak_ended(
    leg: Leg, status: str, detail: str | None, event_id: EventId, occurred_ns: int
) -> str:
    """``call.speak.ended``; ``status`` as for playbacks, shown as one of SPEAK_STATUSES or null."""
    payload = {**leg_ids(leg), "status": _SPEAK_STATUS.get(status), "status_detail": detail}
    return event_data("call.speak.ended", event_id, occurred_ns, payload)


def dtmf_received(leg: Leg, digit: str, event_id: EventId, occurred_ns: int) -> str:
    """``call.dtmf.received``: the party has pressed a key."""
    payload = {**leg_ids(leg), "digit": digit, "from": leg.from_, "to": leg.to}
    return event_data("call.dtmf.received", event_id, occurred_ns, payload)


def _media(source: PromptSource, *, overlay: bool) -> dict[str, object]:
    return {
        "media_url": source.url if isinstance(source, FromUrl) else None,
        "media_name": source.name if isinstance(source, FromFolder) else None,
        "overlay": overlay,
    }
