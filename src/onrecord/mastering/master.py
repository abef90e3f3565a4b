"""One recording's spool to its finished file. It reads the spool, writes one file and knows no more.

The spool is only read: it can be mastered again, and gives the same bytes, in one go or step by step.
"""

from collections.abc import Iterable
from pathlib import Path
from typing import assert_never

import numpy as np
from numpy.typing import NDArray

from onrecord.audio.envelope import Outline
from onrecord.audio.g711 import SAMPLE_RATE
from onrecord.audio.level import Meter
from onrecord.calls.records import Trimmed
from onrecord.core.units import NS_PER_MS
from onrecord.mastering.mastered import Mastered, MasteringError
from onrecord.mastering.report import make_report
from onrecord.mastering.rough import Rough, Trimmer
from onrecord.mastering.sinks import Mp3Sink, Sink, TooLongError, WavSink, WholeFile
from onrecord.spool.header import SpoolHeader
from onrecord.spool.reader import Begin, Datagrams, Fact, SpoolTail
from onrecord.timeline import Timeline
from onrecord.timeline.fold import INBOUND, OUTBOUND, TRACKS, Block

TRIM_SILENCE = "trim-silence"
KEPT_AS_SILENCE = "silence"
RATES = (8000, 16000, 48000)
"""Sample rates of files."""


def master(spool: Path, target: Path, trimmer: Trimmer | None = None) -> Mastered:
    """Fold the spool at ``spool`` to the file at ``target``, which appears whole or not at all.

    Who stores it makes it durable: until then there is the spool.
    Without a ``stop`` fact the file ends with the last packet. A recording of two tracks is
    as long as it ran, whoever was silent; where nothing was received there is silence. The mix
    of a ``single`` recording is the sum of both tracks, limited to 16 bits. The sample rate is that of the
    best codec that was heard, unless the header names one. If the recording is to be
    trimmed and there is a ``trimmer``, it has its way.

    Raises:
        MasteringError: the spool has no readable header or asks for what is no rate of files, or is too
            long for its format.
        OSError: the spool cannot be read, or the target's folder cannot be written.
    """
    return Master(spool, target, trimmer).finish()


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
        self._rate = SAMPLE_RATE
        self._take: _Take | None = None

    def advance(self, pieces: int | None = None) -> bool:
        """Take in what the spool has by now, as far as it is settled: up to about 35 s ago.

        After an error the master is closed, as by :meth:`close`.

        Args:
            pieces: No more than so many mebibytes of it.

        Returns:
            Whether something was taken in and more is there.

        Raises:
            MasteringError: as :func:`master`.
            OSError: as :func:`master`.
        """
        behind = self._tail.behind_bytes
        self._advance(ended=False, pieces=pieces)
        return 0 < self._tail.behind_bytes != behind

    def finish(self) -> Mastered:
        """Take in the rest of a spool that has ended, and give the file its name.

        Raises:
            MasteringError: as :func:`master`.
            OSError: as :func:`master`.
        """
        self._advance(ended=True)
        try:
            if self._take is None:
                raise MasteringError("the spool has no readable header")
            return self._take.finish(torn=bool(self._tail.torn))
        finally:
            self.close()

    def close(self) -> None:
        """Let go of the spool, and remove what was written of a file that is not finished."""
        self._tail.close()
        if self._take is not None:
            self._take.discard()

    def _advance(self, *, ended: bool, pieces: int | None = None) -> None:
        try:
            while not self._taken_in(ended=ended, pieces=pieces):
                self._begin_anew()
            if self._take is not None and not ended:
                self._take.settle()
        except BaseException:
            self.close()
            raise

    def _taken_in(self, *, ended: bool, pieces: int | None) -> bool:
        """Take in what there is; False if a codec turns up that is better than the file's rate."""
        for record in self._tail.batches(ended=ended, pieces=pieces):
            if self._take is None:
                header = _header(record)
                rate = header.sample_rate or self._rate
                self._take = _Take(header, self._target, rate, self._trimmer)
            self._take.add(record)
            if self._take.outgrown:
                return False
        if self._take is not None and ended:
            self._take.end()
        return self._take is None or not self._take.outgrown

    def _begin_anew(self) -> None:
        """Once, or twice at most: a call's best codec is mostly its first one."""
        if self._take is not None:
            self._rate = self._take.best_rate
            self._take.discard()
            self._take = None
        self._tail.rewind()


class _Take:
    """One pass over a spool: from its records to the file."""

    def __init__(
        self, header: SpoolHeader, target: Path, rate: int, trimmer: Trimmer | None
    ) -> None:
        if rate not in RATES:
            raise MasteringError(f"{rate} Hz is no sample rate of recordings")
        self._header = header
        self._target = target
        self._rate = rate
        self._numbers = _tracks_of(header)
        self._timeline = Timeline(
            header.started_monotonic_ns,
            self._numbers,
            sample_rate=rate,
            keep_pauses=header.pause_mode == KEPT_AS_SILENCE,
        )
        channels = 2 if len(self._numbers) == 2 and header.channels == "dual" else 1
        self._meters = tuple(Meter() for _ in range(channels))
        self._outlines = tuple(Outline(rate) for _ in range(channels))
        self._samples = 0
        self.outgrown = False
        """The file's rate is not fixed, and below that of the audio."""
        self._whole = WholeFile(target)
        self._sink = _sink(header, self._whole, channels, rate)
        trims = trimmer is not None and header.trim == TRIM_SILENCE
        self._rough = Rough(target.parent, channels, rate, trimmer) if trimmer and trims else None

    @property
    def best_rate(self) -> int:
        """What the audio so far is worth."""
        return self._timeline.best_rate

    def add(self, record: Begin | Fact | Datagrams) -> None:
        """Take in what the spool has next."""
        match record:
            case Datagrams():
                self._pour(self._timeline.datagrams(*record))
            case Fact():
                self._pour(self._timeline.fact(record.kind, record.at_ns, record.data))
            case Begin():
                pass  # a second header says nothing new
            case _:
                assert_never(record)

    def settle(self) -> None:
        """Put what was written on the disk."""
        self._whole.settle()

    def end(self) -> None:
        """Take in that no record comes any more."""
        self._pour(self._timeline.finish())
        self._compare()

    def finish(self, *, torn: bool) -> Mastered:
        """Write what is left and give the file its name."""
        trimmed = self._trim()
        self._sink.finish()
        self._whole.keep()
        header, timeline = self._header, self._timeline
        started = header.started_utc_ns + timeline.start_ns - header.started_monotonic_ns
        tracks = {TRACKS[number]: timeline.deviations(number) for number in self._numbers}
        levels = tuple(meter.level() for meter in self._meters)
        return Mastered(
            path=self._target,
            format=header.format,
            channels=len(self._meters),
            sample_rate=self._rate,
            samples=self._samples,
            duration_ms=self._samples * 1000 // self._rate,
            size_bytes=self._target.stat().st_size,
            levels=levels,
            started_utc_ns=started,
            ended_utc_ns=started + timeline.ran_ns,
            tracks=tracks,
            torn=torn,
            trimmed=trimmed,
            pauses=timeline.pauses,
            report=make_report(
                tracks,
                levels,
                ran_ms=timeline.ran_ns // NS_PER_MS,
                sample_rate=self._rate,
                pauses=timeline.pauses,
                pauses_kept=header.pause_mode == KEPT_AS_SILENCE,
                trimmed=trimmed,
                torn=torn,
                outline=[outline.envelope() for outline in self._outlines],
            ),
        )

    def discard(self) -> None:
        """Remove the file unless it is finished."""
        if self._rough is not None:
            self._rough.close()
        self._whole.discard()

    def _pour(self, blocks: Iterable[Block]) -> None:
        """Write all blocks, as many channels as there are meters."""
        block = None
        for block in blocks:
            shaped = block if len(block) == len(self._meters) else _mixed(block)
            if self._rough is None:
                self._write(shaped)
            else:
                self._rough.write(shaped)
        if block is not None:
            self._compare()

    def _compare(self) -> None:
        self.outgrown = not self._header.sample_rate and self.best_rate > self._rate

    def _write(self, block: Block) -> None:
        for meter, outline, row in zip(self._meters, self._outlines, block, strict=True):
            _measure(meter, outline, row)
        self._samples += block.shape[1]
        try:
            self._sink.write(block)
        except TooLongError as error:
            raise MasteringError(str(error)) from error

    def _trim(self) -> Trimmed | None:
        """Write what is kept of the rough samples; what was cut off."""
        if self._rough is None:
            return None
        blocks, trimmed = self._rough.trimmed()
        for block in blocks:
            self._write(block)
        return trimmed


def _measure(meter: Meter, outline: Outline, samples: NDArray[np.int16]) -> None:
    """Let both take in the next samples; a channel that is silent costs next to nothing."""
    if samples.any():
        wide = samples.astype(np.float32)
        meter.add(samples, wide)
        outline.add(samples, wide)
    else:
        meter.add_silence(len(samples))
        outline.add_silence(len(samples))


def _header(record: Begin | Fact | Datagrams) -> SpoolHeader:
    if not isinstance(record, Begin):
        raise MasteringError("the spool has no readable header")
    return record.header


def _tracks_of(header: SpoolHeader) -> tuple[int, ...]:
    """The tracks that are wanted, that of channel A first."""
    if header.track in TRACKS:
        return (TRACKS.index(header.track),)
    return (OUTBOUND, INBOUND) if header.channel_a == "outbound" else (INBOUND, OUTBOUND)


def _sink(header: SpoolHeader, whole: WholeFile, channels: int, rate: int) -> Sink:
    if header.format == "mp3":
        return Mp3Sink(whole.file, channels, rate)
    return WavSink(whole.file, channels, rate)


def _mixed(block: Block) -> NDArray[np.int16]:
    """The sum of both tracks, limited to 16 bits. Shape ``(1, n)``."""
    total: NDArray[np.int32] = block.sum(axis=0, dtype=np.int32, keepdims=True)
    return total.clip(-32768, 32767).astype(np.int16)
