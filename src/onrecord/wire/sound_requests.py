"""Bodies of playback_start, playback_stop, speak and send_dtmf to commands, as :mod:`onrecord.wire.requests`."""

import base64
from typing import Any

from onrecord.calls.commands import PlaybackStart, PlaybackStop, SendDtmf
from onrecord.calls.media import FromContent, FromFolder, FromUrl, PromptSource, Spoken
from onrecord.wire import errors
from onrecord.wire.bodies import sounds
from onrecord.wire.fields import Reading, read
from onrecord.wire.requests import carried, members_of


def parse_playback_start(body: object) -> PlaybackStart:
    """POST …/actions/playback_start."""
    reading = read(sounds.PLAYBACK_START, members_of(body))
    _check_sources(reading)
    reading.refuse_faults()
    values = reading.values
    return PlaybackStart(
        source=_source(values),
        loops=values["loop"],
        overlay=values["overlay"],
        stop=values["stop"],
        targets=values["target_legs"],
        **carried(values),
    )


def parse_playback_stop(body: object) -> PlaybackStop:
    """POST …/actions/playback_stop."""
    reading = read(sounds.PLAYBACK_STOP, members_of(body))
    reading.refuse_faults()
    values = reading.values
    return PlaybackStop(values["stop"], values["overlay"], **carried(values))


def parse_speak(body: object) -> PlaybackStart:
    """POST …/actions/speak: a text is played as a file is."""
    reading = read(sounds.SPEAK, members_of(body))
    values = reading.values
    ssml = values["payload_type"] == "ssml"
    if ssml and values["payload"] is not None and reading.sound("payload"):
        fault = sounds.ssml_fault(values["payload"])
        if fault is not None:
            reading.add_fault("payload", fault)
    reading.refuse_faults()
    return PlaybackStart(
        source=Spoken(values["payload"], values["voice"], values["language"], ssml),
        loops=values["loop"],
        stop=values["stop"],
        targets=values["target_legs"],
        **carried(values),
    )


def parse_send_dtmf(body: object) -> SendDtmf:
    """POST …/actions/send_dtmf."""
    reading = read(sounds.SEND_DTMF, members_of(body))
    reading.refuse_faults()
    values = reading.values
    return SendDtmf(values["digits"], values["duration_millis"], **carried(values))


def _check_sources(reading: Reading) -> None:
    if not reading.sound(*sounds.SOURCES):
        return
    given = [name for name in sounds.SOURCES if reading.values[name] is not None]
    if not given:
        reading.add_fault(sounds.SOURCES[0], errors.missing(sounds.SOURCES[0]))
    for name in given[1:]:
        detail = f"It cannot be used together with {given[0]}."
        reading.add_fault(name, errors.invalid_value(name, detail))


def _source(values: dict[str, Any]) -> PromptSource:
    if values["audio_url"] is not None:
        return FromUrl(values["audio_url"])
    if values["media_name"] is not None:
        return FromFolder(values["media_name"])
    return FromContent(base64.b64decode(values["playback_content"]))
