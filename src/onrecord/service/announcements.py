"""The events of legs and recordings as rows of the outbox: body, destination, and when the sweep may look.

A leg's own URLs go before its application's. ``due_ns`` leaves the process that wrote an event
the time to make the first attempts itself; only if it died is the event still due after that.
"""

from collections.abc import Callable

from onrecord.calls.media import Spoken
from onrecord.calls.records import Application, Event, Leg, Recording, Transcription
from onrecord.core.clock import Clock
from onrecord.core.ids import EventId, RecordingId, new_uuid
from onrecord.core.units import NS_PER_MS, NS_PER_S
from onrecord.rtp.stats import LegStats
from onrecord.service.registry import LiveLeg, Playback
from onrecord.wire import events, sounds

GRACE_NS = 15 * NS_PER_S
"""How long the writer of an event keeps it from the sweep, beside two time-outs of its receiver."""

WriteBody = Callable[[EventId, int], str]


class Announcements:
    """Makes events; ``timeout_ms`` is the receiver's time where the application sets none."""

    def __init__(self, clock: Clock, timeout_ms: int) -> None:
        self._clock = clock
        self._timeout_ms = timeout_ms

    def initiated(self, leg: Leg, application: Application) -> Event:
        """A leg rings or was dialled."""
        return self._event(
            "call.initiated", leg, application, lambda i, ns: events.call_initiated(leg, i, ns)
        )

    def answered(self, leg: Leg, application: Application) -> Event:
        """A leg is up."""
        return self._event(
            "call.answered", leg, application, lambda i, ns: events.call_answered(leg, i, ns)
        )

    def bridged(self, leg: Leg, application: Application) -> Event:
        """A leg was joined with another."""
        return self._event(
            "call.bridged", leg, application, lambda i, ns: events.call_bridged(leg, i, ns)
        )

    def hangup(self, leg: Leg, application: Application, stats: LegStats | None) -> Event:
        """A leg is over."""
        return self._event(
            "call.hangup", leg, application, lambda i, ns: events.call_hangup(leg, stats, i, ns)
        )

    def saved(self, recording: Recording, leg: Leg, application: Application, url: str) -> Event:
        """A recording's file is stored."""
        return self._event(
            "call.recording.saved",
            leg,
            application,
            lambda i, ns: events.recording_saved(recording, leg, url, i, ns),
            recording.id,
        )

    def failed(
        self,
        recording: Recording,
        leg: Leg,
        application: Application,
        reason: str = events.REASON_INTERNAL,
    ) -> Event:
        """A recording could not be finished, or not be stored where it belongs."""
        return self._event(
            "call.recording.error",
            leg,
            application,
            lambda i, ns: events.recording_error(recording, reason, i, ns, leg),
            recording.id,
        )

    def transcribed(
        self,
        transcription: Transcription,
        recording: Recording,
        leg: Leg,
        application: Application,
    ) -> Event:
        """What is said in a recording is known."""
        return self._event(
            "call.recording.transcription.saved",
            leg,
            application,
            lambda i, ns: events.transcription_saved(transcription, recording, leg, i, ns),
            recording.id,
        )

    def digit(self, live: LiveLeg, digit: str) -> Event:
        """The party of a leg has pressed a key."""
        leg = live.leg
        return self._event(
            "call.dtmf.received",
            leg,
            live.application,
            lambda i, ns: sounds.dtmf_received(leg, digit, i, ns),
        )

    def playback_started(self, live: LiveLeg, playback: Playback) -> Event:
        """The party hears the first of a file or a text."""
        leg, source, overlay = live.leg, playback.source, playback.overlay
        if isinstance(source, Spoken):
            return self._event(
                "call.speak.started",
                leg,
                live.application,
                lambda i, ns: sounds.speak_started(leg, i, ns),
            )
        return self._event(
            "call.playback.started",
            leg,
            live.application,
            lambda i, ns: sounds.playback_started(leg, source, i, ns, overlay=overlay),
        )

    def playback_ended(
        self, live: LiveLeg, playback: Playback, status: str, detail: str | None
    ) -> Event:
        """A file or a text is over, or could not be played; ``status`` as of call.playback.ended."""
        leg, source, overlay = live.leg, playback.source, playback.overlay
        if isinstance(source, Spoken):
            return self._event(
                "call.speak.ended",
                leg,
                live.application,
                lambda i, ns: sounds.speak_ended(leg, status, detail, i, ns),
            )
        return self._event(
            "call.playback.ended",
            leg,
            live.application,
            lambda i, ns: sounds.playback_ended(
                leg, source, (status, detail), i, ns, overlay=overlay
            ),
        )

    def _event(
        self,
        kind: str,
        leg: Leg,
        application: Application,
        write: WriteBody,
        recording_id: RecordingId | None = None,
    ) -> Event:
        event_id, now = EventId(new_uuid()), self._clock.utc_ns()
        url, failover_url, method = _destination(kind, leg, application)
        timeout_ms = application.webhook_timeout_ms or self._timeout_ms
        return Event(
            id=event_id,
            type=kind,
            body=write(event_id, now),
            occurred_ns=now,
            application_id=leg.application_id,
            leg_id=leg.id,
            session_id=leg.session_id,
            recording_id=recording_id,
            url=url,
            failover_url=failover_url,
            method=method,
            retry_ms=leg.webhook.retry_ms.get(kind),
            timeout_ms=timeout_ms,
            due_ns=now + GRACE_NS + 2 * timeout_ms * NS_PER_MS,
        )


def _destination(kind: str, leg: Leg, application: Application) -> tuple[str, str | None, str]:
    """URL, failover URL and method: of the type, else of the call, else of the application."""
    webhook = leg.webhook
    mapped = webhook.urls.get(kind)
    if mapped:
        return mapped[0], mapped[1] if len(mapped) > 1 else None, webhook.urls_method
    if webhook.url is not None:
        return webhook.url, webhook.failover_url, webhook.method
    return application.webhook_url, application.webhook_failover_url, "POST"
