"""OpenAPI entries of the commands that play something into a call, and of the webhooks around them."""

from typing import Any

from onrecord.wire import sound_bodies
from onrecord.wire.sounds import PLAYBACK_STATUSES

Schema = dict[str, Any]

COMMANDS: Schema = {
    "playback_start": (
        "StartCallPlayback",
        "Play a file",
        sound_bodies.PLAYBACK_START,
        (
            "Plays a WAV or MP3 file into the call: that of `audio_url`, `media_name` or "
            "`playback_content`. Files are played one after another. While one plays, its hearer "
            "does not hear the leg that it is bridged with. A file that cannot be had or played is "
            "told by `call.playback.ended`."
        ),
        ["call.playback.started", "call.playback.ended"],
        {"audio_url": "https://example.com/welcome.mp3"},
    ),
    "playback_stop": (
        "StopCallPlayback",
        "Stop playing",
        sound_bodies.PLAYBACK_STOP,
        "Stops the file or text that this call's commands play, or all of them.",
        ["call.playback.ended", "call.speak.ended"],
        {},
    ),
    "speak": (
        "SpeakCall",
        "Speak a text",
        sound_bodies.SPEAK,
        (
            "Speaks a text into the call with the server's speech engine, in its turn among what is "
            "played. Refused where no engine is installed."
        ),
        ["call.speak.started", "call.speak.ended"],
        {"payload": "Your call is important to us.", "voice": "female", "language": "en-US"},
    ),
    "send_dtmf": (
        "SendDTMF",
        "Send digits",
        sound_bodies.SEND_DTMF,
        "Presses keys for the party of the call to hear (RFC 4733).",
        [],
        {"digits": "1www2WABCDw9"},
    ),
}
"""As the commands of :mod:`onrecord.api.openapi`."""


RULES: dict[str, Schema] = {
    "StartCallPlayback": {"oneOf": [{"required": [name]} for name in sound_bodies.SOURCES]}
}
"""What the bodies of operations must be beside their members."""


def text(description: str, example: str) -> Schema:
    """A string."""
    return {"type": "string", "description": description, "examples": [example]}


def _nullable(description: str, example: str) -> Schema:
    return {"type": ["string", "null"], "description": description, "examples": [example]}


_MEDIA: Schema = {
    "media_url": _nullable("The `audio_url` of the command.", "https://example.com/welcome.mp3"),
    "media_name": _nullable("The `media_name` of the command.", "welcome.wav"),
    "overlay": {"type": "boolean", "description": "Always false.", "examples": [False]},
}
_DETAIL = _nullable("What the matter was.", "the server answered 500")

PAYLOADS: dict[str, tuple[Schema, str]] = {
    "call.playback.started": (_MEDIA, "A file began to be heard."),
    "call.playback.ended": (
        {
            **_MEDIA,
            "status": {
                "type": "string",
                "description": "How it ended.",
                "enum": list(PLAYBACK_STATUSES),
            },
            "status_detail": _DETAIL,
        },
        "A file has been played, was stopped, or could not be played.",
    ),
    "call.speak.started": ({}, "A text began to be heard."),
    "call.speak.ended": (
        {
            "status": _nullable(
                "`completed`, also when it was stopped; `call_hangup`; null when it could not be spoken.",
                "completed",
            ),
            "status_detail": _DETAIL,
        },
        "A text has been spoken, was stopped, or could not be spoken.",
    ),
    "call.dtmf.received": (
        {
            "digit": text("The key.", "5"),
            "from": text("Who calls.", "+18005550101"),
            "to": text("Who is called.", "+18005550100"),
        },
        "The party of the call has pressed a key.",
    ),
}
"""What each event has beside the members of every event, and what it says."""
