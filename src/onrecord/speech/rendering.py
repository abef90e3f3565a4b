"""A transcript for people: WebVTT (W3C, https://www.w3.org/TR/webvtt1/) and plain text. Pure."""

from onrecord.speech.engines import Segment, Transcript

_CHANNELS = ("A", "B")


def web_vtt(transcript: Transcript) -> str:
    """A WebVTT file; talkers are ``<v>`` voices where there is more than one channel or speaker."""
    voices = _has_voices(transcript)
    cues = (
        f"{_time(s.start_ms)} --> {_time(max(s.end_ms, s.start_ms + 1))}\n{_cue(s, voices)}\n"
        for s in transcript.segments
    )
    return "\n".join(["WEBVTT\n", *cues])


def plain_text(transcript: Transcript) -> str:
    """One line for each turn, with who speaks where that is known; ends with a line feed."""
    voices = _has_voices(transcript)
    lines: list[str] = []
    before: str | None = None
    for segment in transcript.segments:
        who = _voice(segment) if voices else ""
        text = _one_line(segment.text)
        if lines and who == before:
            lines[-1] += f" {text}"
        else:
            lines.append(f"{who}: {text}" if who else text)
        before = who
    return "".join(f"{line}\n" for line in lines)


def _has_voices(transcript: Transcript) -> bool:
    return any(s.channel or s.speaker is not None for s in transcript.segments)


def _voice(segment: Segment) -> str:
    channel = _CHANNELS[segment.channel] if segment.channel < len(_CHANNELS) else segment.channel
    return f"Channel {channel}" + (f", speaker {segment.speaker}" if segment.speaker else "")


def _cue(segment: Segment, voices: bool) -> str:
    text = _escaped(_one_line(segment.text))
    return f"<v {_voice(segment)}>{text}" if voices else text


def _escaped(text: str) -> str:
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _one_line(text: str) -> str:
    """A blank line would end the cue."""
    return " ".join(text.split())


def _time(ms: int) -> str:
    seconds, millis = divmod(ms, 1000)
    minutes, seconds = divmod(seconds, 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02}:{minutes:02}:{seconds:02}.{millis:03}"
