"""Words to segments: short enough for a caption, never of two talkers. Pure."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final

from onrecord.speech.engines import Segment, Transcript, Word

PAUSE_MS: Final = 800
"""A pause that ends a segment."""
LONGEST_MS: Final = 10_000
"""A segment that is longer is ended at the next word."""
SENTENCE_MS: Final = 2_500
"""A segment that is longer ends with the sentence."""

_ENDS = (".", "?", "!", "。", "？", "！", "।", "؟")  # noqa: RUF001 -- full stops of other scripts
_UNSPACED = {"zh", "cmn", "yue", "ja", "th", "lo", "my", "km", "bo"}


@dataclass(frozen=True, slots=True)
class Spoken:
    """One word as an engine gives it."""

    start_ms: int
    end_ms: int
    text: str
    """With the space before it, where its language has spaces."""
    confidence: float | None = None
    speaker: int | None = None


def segments_of(words: Iterable[Spoken], channel: int) -> list[Segment]:
    """The words of one channel, in order, as segments."""
    groups: list[list[Spoken]] = []
    for word in words:
        if not word.text.strip():
            continue
        if not groups or _ends(groups[-1], word):
            groups.append([])
        groups[-1].append(word)
    return [_segment(group, channel) for group in groups]


def joined(segments: Iterable[Segment], language: str, engine: str) -> Transcript:
    """The transcript of segments of all channels, put in order of time."""
    ordered = sorted(segments, key=lambda s: (s.start_ms, s.channel, s.end_ms))
    text = " ".join(segment.text for segment in ordered)
    return Transcript(text, language, engine, tuple(ordered))


def spaced(word: str, language: str) -> str:
    """The word with the space before it that its language wants."""
    return word if language.split("-", maxsplit=1)[0].lower() in _UNSPACED else f" {word}"


def _ends(group: Sequence[Spoken], word: Spoken) -> bool:
    last = group[-1]
    length_ms = last.end_ms - group[0].start_ms
    return (
        word.speaker != last.speaker
        or word.start_ms - last.end_ms >= PAUSE_MS
        or length_ms >= LONGEST_MS
        or (length_ms >= SENTENCE_MS and last.text.endswith(_ENDS))
    )


def _segment(group: Sequence[Spoken], channel: int) -> Segment:
    sure = [word.confidence for word in group if word.confidence is not None]
    return Segment(
        start_ms=group[0].start_ms,
        end_ms=max(word.end_ms for word in group),
        channel=channel,
        speaker=group[0].speaker,
        text="".join(word.text for word in group).strip(),
        confidence=round(sum(sure) / len(sure), 3) if sure else None,
        words=tuple(Word(w.start_ms, w.end_ms, w.text.strip(), w.confidence) for w in group),
    )
