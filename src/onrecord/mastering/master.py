"""One recording's spool to its finished file. It reads the spool, writes one file and knows no more.

The spool is only read: it can be mastered again, and gives the same bytes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.g711 import SAMPLE_RATE
from onrecord.audio.level import Level, Meter
from onrecord.core.errors import OnrecordError
from onrecord.mastering.sinks import Mp3Sink, Sink, TooLongError, WavSink, WholeFile
from onrecord.spool.header import SpoolHeader
from onrecord.spool.reader import Begin, Fact, Packets, SpoolRecords, read_records
from onrecord.timeline import Deviations, Timeline
from onrecord.timeline.fold import INBOUND, NS_PER_SAMPLE, OUTBOUND, TRACKS, Block


class MasteringError(OnrecordError):
    """The spool cannot become a file; trying again would give the same."""


@dataclass(frozen=True, slots=True)
class Mastered:
    """A finished file and what is known of it."""

    path: Path
    format: str
    """``wav`` or ``mp3``."""
    channels: int
    """1 or 2; of two the first is left."""
    sample_rate: int
    samples: int
    """Of each channel."""
    duration_ms: int
    size_bytes: int
    levels: tuple[Level, ...]
    """Of each channel."""
    started_utc_ns: int
    ended_utc_ns: int
    tracks: dict[str, Deviations]
    """What was not as it should be, of each track in the file: ``inbound``, ``outbound``."""
    torn: bool
    """The spool holds bytes that are no whole record: a crash cut a write off."""


def master(spool: Path, target: Path) -> Mastered:
    """Fold the spool at ``spool`` to the file at ``target``, which appears whole or not at all.

    Without a ``stop`` fact the file ends with the last packet. A recording of two tracks is
    as long as it ran, whoever was silent; where nothing was received there is silence. The mix
    of a ``single`` recording is the sum of both tracks, limited to 16 bits.

    Raises:
        MasteringError: the spool has no readable header, or is too long for its format.
        OSError: the spool cannot be read, or the target's folder cannot be written.
    """
    records = read_records(spool)
    header = _header(records)
    numbers = _tracks_of(header)
    timeline = Timeline(header.started_monotonic_ns, numbers)
    channels = 2 if len(numbers) == 2 and header.channels == "dual" else 1
    meters = tuple(Meter() for _ in range(channels))
    with WholeFile(target) as whole:
        sink = _sink(header, whole, channels)
        try:
            samples = _pour(_blocks(records, timeline), sink, meters)
        except TooLongError as error:
            raise MasteringError(str(error)) from error
        sink.finish()
    started = header.started_utc_ns + timeline.start_ns - header.started_monotonic_ns
    return Mastered(
        path=target,
        format=header.format,
        channels=channels,
        sample_rate=SAMPLE_RATE,
        samples=samples,
        duration_ms=samples * 1000 // SAMPLE_RATE,
        size_bytes=target.stat().st_size,
        levels=tuple(meter.level() for meter in meters),
        started_utc_ns=started,
        ended_utc_ns=started + samples * NS_PER_SAMPLE,
        tracks={TRACKS[number]: timeline.deviations(number) for number in numbers},
        torn=bool(records.torn),
    )


def _header(records: SpoolRecords) -> SpoolHeader:
    first = next(records, None)
    if not isinstance(first, Begin):
        raise MasteringError("the spool has no readable header")
    return first.header


def _tracks_of(header: SpoolHeader) -> tuple[int, ...]:
    """The tracks that are wanted, that of channel A first."""
    if header.track in TRACKS:
        return (TRACKS.index(header.track),)
    return (OUTBOUND, INBOUND) if header.channel_a == "outbound" else (INBOUND, OUTBOUND)


def _sink(header: SpoolHeader, whole: WholeFile, channels: int) -> Sink:
    if header.format == "mp3":
        return Mp3Sink(whole.file, channels, SAMPLE_RATE)
    return WavSink(whole.file, channels, SAMPLE_RATE)


def _pour(blocks: Iterator[Block], sink: Sink, meters: Sequence[Meter]) -> int:
    """Write all blocks, as many channels as there are meters; returns the samples of each."""
    samples = 0
    for block in blocks:
        shaped = block if len(block) == len(meters) else _mixed(block)
        for meter, row in zip(meters, shaped, strict=True):
            meter.add(row)
        samples += shaped.shape[1]
        sink.write(shaped)
    return samples


def _blocks(records: SpoolRecords, timeline: Timeline) -> Iterator[Block]:
    for record in records:
        match record:
            case Packets():
                yield from timeline.packets(
                    record.track, record.arrival_ns, record.size, record.data
                )
            case Fact():
                yield from timeline.fact(record.kind, record.at_ns, record.data)
            case Begin():
                pass  # a second header says nothing new
            case _:
                assert_never(record)
    yield from timeline.finish()


def _mixed(block: Block) -> NDArray[np.int16]:
    """The sum of both tracks, limited to 16 bits. Shape ``(1, n)``."""
    total: NDArray[np.int32] = block.sum(axis=0, dtype=np.int32, keepdims=True)
    return total.clip(-32768, 32767).astype(np.int16)
