"""What the demo shows of its files, and what it checks about them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.padding import Padding

from onrecord.audio.level import level_of
from onrecord.audio.reading import read_audio
from onrecord.core.errors import OnrecordError
from onrecord.core.units import NS_PER_S, parse_iso
from onrecord.demo.checks import Finding, find, length_matches, speaks_on
from onrecord.demo.waveform import Track, image, terminal
from onrecord.demo.webhooks import Inbox

PICTURE = "demo.png"

_COLOURS = ("#0f8b8d", "#d9622b")
_SIDES = ("channel A, left", "channel B, right")
_MOST_COLUMNS = 100
_HEARD_AT_LEAST = 0.8


@dataclass(frozen=True, slots=True)
class Saved:
    """One downloaded file."""

    format: str
    path: Path
    samples: NDArray[np.int16]
    """Shape ``(n, channels)``."""
    sample_rate: int
    recorded_secs: float
    """From start to end, as the webhook says."""
    fidelity: str = ""
    """What the webhook says of losses and gaps, for people."""

    @classmethod
    def read(cls, form: str, path: Path, payload: Mapping[str, Any]) -> Self:
        """Decode the file.

        Raises:
            OnrecordError: it is not the audio that its name says, or the webhook lacks its times.
        """
        try:
            samples, rate = read_audio(path)
            ended = parse_iso(str(payload["recording_ended_at"]))
            began = parse_iso(str(payload["recording_started_at"]))
        except (KeyError, ValueError) as error:
            raise OnrecordError(f"{path.name}: {error}") from error
        told = _fidelity(payload.get("fidelity"))
        return cls(form, path, samples, rate, (ended - began) / NS_PER_S, told)

    @property
    def seconds(self) -> float:
        """How long the file plays."""
        return len(self.samples) / self.sample_rate


@dataclass(frozen=True, slots=True)
class Heard:
    """One speaker, and what that speaker's phone heard."""

    name: str
    clips: Sequence[NDArray[np.int16]]
    heard: NDArray[np.int16]


def show_files(
    console: Console, output: Path, saved: Sequence[Saved], speakers: Sequence[Heard]
) -> None:
    """Print each file with its levels; draw the two-channel one, on the console and as a PNG."""
    console.print("\n[bold]Files[/]")
    for file in saved:
        _show_file(console, file)
    tracks = _tracks(saved, speakers)
    if tracks:
        stereo = saved[0]
        columns = min(console.width - 12, _MOST_COLUMNS)
        console.print()
        console.print(Padding(terminal(tracks, stereo.sample_rate, columns), (0, 2)))
        subtitle = f"{stereo.path.name}, {stereo.seconds:.1f} s, {stereo.sample_rate} Hz, 16 bit"
        picture = image(tracks, stereo.sample_rate, "Ann calls Bob, recorded", subtitle)
        picture.save(output / PICTURE)
        console.print(f"  Picture: {output / PICTURE}", highlight=False)


def findings_of(
    inbox: Inbox, saved: Sequence[Saved], speakers: Sequence[Heard]
) -> Sequence[Finding]:
    """Every check of the demo."""
    genuine = [webhook for webhook in inbox.webhooks if webhook.verified]
    found = [
        Finding(
            f"{len(genuine)} of {len(inbox.webhooks)} webhooks carry a good signature",
            len(genuine) == len(inbox.webhooks) > 0 and not inbox.unreadable,
        )
    ]
    found += [length_matches(s.path.name, s.seconds, s.recorded_secs) for s in saved]
    tracks = _tracks(saved, speakers)
    found.append(Finding("the WAV file has two channels", bool(tracks)))
    for track, speaker in zip(tracks, speakers, strict=False):
        rate = saved[0].sample_rate
        found += speaks_on(speaker.name, track.channel, speaker.clips, track.samples, rate)
    for one, other in (speakers, reversed(speakers)):
        found.append(_hears(f"{one.name}'s phone heard {other.name}", other.clips, one.heard))
    everything = [clip for speaker in speakers for clip in speaker.clips]
    for file in saved:
        if file.samples.shape[1] == 1:
            what = f"everything is in {file.path.name}"
            found.append(_hears(what, everything, file.samples[:, 0]))
    return found


def _hears(what: str, clips: Sequence[NDArray[np.int16]], heard: NDArray[np.int16]) -> Finding:
    likeness = min(find(clip, heard).likeness for clip in clips)
    return Finding(f"{what} (likeness {likeness:.2f})", likeness >= _HEARD_AT_LEAST)


def _show_file(console: Console, file: Saved) -> None:
    console.print(f"  {file.path}", highlight=False)
    count = file.samples.shape[1]
    console.print(
        f"    {file.seconds:.2f} s, {file.sample_rate} Hz, "
        f"{'two channels' if count == 2 else 'one channel'}, {file.path.stat().st_size} bytes",
        highlight=False,
    )
    for number in range(count):
        side = _SIDES[number] if count == 2 else "mix"
        console.print(f"    {side}: {level_of(file.samples[:, number])}", highlight=False)
    if file.fidelity:
        console.print(f"    {file.fidelity}", highlight=False)


def _fidelity(told: object) -> str:
    """The report of a recording in a line."""
    match told:
        case {"mos": mos, "loss_percent": loss, "gaps": gaps, "gaps_millis": millis}:
            where = f"{gaps} gap{'s' * (gaps != 1)} ({millis} ms)" if gaps else "no gaps"
            return f"report: {loss:g} % of packets lost, {where}, estimated MOS {mos}"
    return ""


def _tracks(saved: Sequence[Saved], speakers: Sequence[Heard]) -> Sequence[Track]:
    """The channels of the first file under their speakers' names; none when it has not two."""
    if not saved or saved[0].samples.shape[1] != 2:
        return ()
    channels = saved[0].samples.T
    return [
        Track(speaker.name, side, channel, colour)
        for speaker, side, channel, colour in zip(speakers, _SIDES, channels, _COLOURS, strict=True)
    ]
