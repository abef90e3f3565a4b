"""One recording's spool to its finished file. It reads the spool, writes one file and knows no more.

The spool is only read: it can be mastered again, and gives the same bytes, in one go or step by step.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.g711 import SAMPLE_RATE
from onrecord.audio.level import Meter
from onrecord.calls.records import Trimmed
from onrecord.mastering.mastered import Mastered, MasteringError
from onrecord.mastering.rough import Rough, Trimmer
from onrecord.mastering.sinks import Mp3Sink, Sink, TooLongError, WavSink, WholeFile
from onrecord.spool.header import SpoolHeader
from onrecord.spool.reader import Begin, Fact, Packets, Record, SpoolTail
from onrecord.timeline import Timeline
from onrecord.timeline.fold import INBOUND, NS_PER_SAMPLE, OUTBOUND, TRACKS, Block

TRIM_SILENCE = "trim-silence"


def master(spool: Path, target: Path, trimmer: Trimmer | None = None) -> Mastered:
    """Fold the spool at ``spool`` to the file at ``target``, which appears whole or not at all.

    Without a ``stop`` fact the file ends with the last packet. A recording of two tracks is
    as long as it ran, whoever was silent; where nothing was received there is silence. The mix
    of a ``single`` recording is the sum of both tracks, limited to 16 bits. If the recording is to be
    trimmed and there is a ``trimmer``, it has its way.

    Raises:
        MasteringError: the spool has no readable header, or is too long for its format.
        OSError: the spool cannot be read, or the target's folder cannot be written.
    """
    return Master(spool, target, trimmer).finish()


class Mastering:
    """:func:`master` with a trimmer of its own."""

    def __init__(self, trimmer: Trimmer | None = None) -> None:
        self._trimmer = trimmer

    def master(self, spool: Path, target: Path) -> Mastered:
        """See :func:`master`."""
        return master(spool, target, self._trimmer)


class Master:
    """Masters a spool that may still grow. The state is in memory: after a crash another begins anew."""

    def __init__(self, spool: Path, target: Path, trimmer: Trimmer | None = None) -> None:
        """Open the spool; nothing is written before the first :meth:`advance`.

        Raises:
            OSError: the spool cannot be read.
        """
        self._target = target
        self._trimmer = trimmer
        self._tail = SpoolTail(spool)
        self._take: _Take | None = None

    def advance(self) -> None:
        """Take in what the spool has by now, as far as it is settled: up to about 35 s ago.

        After an error the master is closed, as by :meth:`close`.

        Raises:
            MasteringError: as :func:`master`.
            OSError: as :func:`master`.
        """
        self._advance(ended=False)

    def finish(self) -> Mastered:
        """Take in the rest of a spool that has ended, and give the file its name.

        Raises:
            MasteringError: as :func:`master`.
            OSError: as :func:`master`.
        """
        take = self._advance(ended=True)
        try:
            if take is None:
                raise MasteringError("the spool has no readable header")
            return take.finish(torn=bool(self._tail.torn))
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the spool, and remove what was written of a file that is not finished."""
        self._tail.close()
        if self._take is not None:
            self._take.discard()

    def _advance(self, *, ended: bool) -> "_Take | None":
        try:
            for record in self._tail.records(ended=ended):
                if self._take is None:
                    self._take = _Take(_header(record), self._target, self._trimmer)
                self._take.add(record)
            if self._take is not None and not ended:
                self._take.settle()
        except BaseException:
            self.close()
            raise
        return self._take


class _Take:
    """One pass over a spool: from its records to the file."""

    def __init__(self, header: SpoolHeader, target: Path, trimmer: Trimmer | None) -> None:
        self._header = header
        self._target = target
        self._numbers = _tracks_of(header)
        self._timeline = Timeline(header.started_monotonic_ns, self._numbers)
        channels = 2 if len(self._numbers) == 2 and header.channels == "dual" else 1
        self._meters = tuple(Meter() for _ in range(channels))
        self._samples = 0
        self._whole = WholeFile(target)
        self._sink = _sink(header, self._whole, channels)
        trims = trimmer is not None and header.trim == TRIM_SILENCE
        self._rough = Rough(target.parent, channels, trimmer) if trimmer and trims else None

    def add(self, record: Record) -> None:
        """Take in the next record."""
        match record:
            case Packets():
                self._pour(
                    self._timeline.packets(
                        record.track, record.arrival_ns, record.size, record.data
                    )
                )
            case Fact():
                self._pour(self._timeline.fact(record.kind, record.at_ns, record.data))
            case Begin():
                pass  # a second header says nothing new
            case _:
                assert_never(record)

    def settle(self) -> None:
        """Put what was written on the disk."""
        self._whole.settle()

    def finish(self, *, torn: bool) -> Mastered:
        """Write what is left and give the file its name."""
        self._pour(self._timeline.finish())
        recorded, trimmed = self._trim()
        self._sink.finish()
        self._whole.keep()
        header = self._header
        started = header.started_utc_ns + self._timeline.start_ns - header.started_monotonic_ns
        return Mastered(
            path=self._target,
            format=header.format,
            channels=len(self._meters),
            sample_rate=SAMPLE_RATE,
            samples=self._samples,
            duration_ms=self._samples * 1000 // SAMPLE_RATE,
            size_bytes=self._target.stat().st_size,
            levels=tuple(meter.level() for meter in self._meters),
            started_utc_ns=started,
            ended_utc_ns=started + recorded * NS_PER_SAMPLE,
            tracks={TRACKS[number]: self._timeline.deviations(number) for number in self._numbers},
            torn=torn,
            trimmed=trimmed,
        )

    def discard(self) -> None:
        """Remove the file unless it is finished."""
        if self._rough is not None:
            self._rough.close()
        self._whole.discard()

    def _pour(self, blocks: Iterable[Block]) -> None:
        """Write all blocks, as many channels as there are meters."""
        for block in blocks:
            shaped = block if len(block) == len(self._meters) else _mixed(block)
            if self._rough is None:
                self._write(shaped)
            else:
                self._rough.write(shaped)

    def _write(self, block: Block) -> None:
        for meter, row in zip(self._meters, block, strict=True):
            meter.add(row)
        self._samples += block.shape[1]
        try:
            self._sink.write(block)
        except TooLongError as error:
            raise MasteringError(str(error)) from error

    def _trim(self) -> tuple[int, Trimmed | None]:
        """Write what is kept of the rough samples; samples that were recorded, and what was cut."""
        if self._rough is None:
            return self._samples, None
        blocks, trimmed = self._rough.trimmed()
        for block in blocks:
            self._write(block)
        return self._rough.samples, trimmed


def _header(record: Record) -> SpoolHeader:
    if not isinstance(record, Begin):
        raise MasteringError("the spool has no readable header")
    return record.header


def _tracks_of(header: SpoolHeader) -> tuple[int, ...]:
    """The tracks that are wanted, that of channel A first."""
    if header.track in TRACKS:
        return (TRACKS.index(header.track),)
    return (OUTBOUND, INBOUND) if header.channel_a == "outbound" else (INBOUND, OUTBOUND)


def _sink(header: SpoolHeader, whole: WholeFile, channels: int) -> Sink:
    if header.format == "mp3":
        return Mp3Sink(whole.file, channels, SAMPLE_RATE)
    return WavSink(whole.file, channels, SAMPLE_RATE)


def _mixed(block: Block) -> NDArray[np.int16]:
    """The sum of both tracks, limited to 16 bits. Shape ``(1, n)``."""
    total: NDArray[np.int32] = block.sum(axis=0, dtype=np.int32, keepdims=True)
    return total.clip(-32768, 32767).astype(np.int16)
