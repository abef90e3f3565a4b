"""A report's picture: the gaps of each track are in its channel, in the colours of their causes."""

import io
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from api.fake_services import make_recording
from onrecord.api.pictures import CAUSES, report_picture
from onrecord.audio.picture import LEFT, RIGHT
from onrecord.calls.records import Trimmed
from onrecord.mastering.report import Report
from onrecord.phone.clips import tone
from onrecord.timeline.gaps import Gap, GapCause
from reported import gappy, kept, report_on, track

LANES = (slice(112, 302), slice(318, 508))
"""Rows of the first and the second channel."""


def picture_of(report: Report) -> NDArray[np.int64]:
    recording = make_recording(fidelity=report.fidelity)
    made = Image.open(io.BytesIO(report_picture(recording, kept(report))))
    return np.asarray(made.convert("RGB")).astype(np.int64)


def seconds_of(pixels: NDArray[np.int64], lane: slice, colour: str, length: float) -> list[float]:
    """The first and the last second that have the colour in the lane."""
    wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    there = (np.abs(pixels[lane] - wanted).sum(axis=2) < 30).sum(axis=0) >= 3
    columns = np.flatnonzero(there[LEFT:])
    if not len(columns):
        return []
    return [round(float(c) / (RIGHT - LEFT) * length, 1) for c in (columns[0], columns[-1])]


def test_every_cause_has_a_colour_of_its_own() -> None:
    assert set(CAUSES) == {cause.value for cause in GapCause}
    assert len({colour for colour, _ in CAUSES.values()}) == len(CAUSES)


def test_gaps_are_in_their_channel_at_their_time_in_their_colour() -> None:
    pixels = picture_of(gappy())
    found = {
        cause: [seconds_of(pixels, lane, CAUSES[cause][0], 10.0) for lane in LANES]
        for cause in ("loss", "hold", "no_media", "dtx")
    }
    assert found["loss"] == [[2.0, 2.0], []]
    assert found["hold"] == [[5.0, 6.0], []]
    assert found["no_media"] == [[], [0.0, 10.0]]
    assert found["dtx"] == [[], []]


def test_pauses_and_what_was_trimmed_lie_on_the_calls_own_time() -> None:
    """Said from 3 to 4 s, paused from 4 to 6 s, said until 7 s; a second of silence was cut at the end."""
    trimmed = Trimmed(3000, 1000, speech=True)
    voice = tone(440, 2.0)
    lost = track(Gap(3500.0, 100.0, GapCause.LOSS, 5))
    report = report_on([voice], {"inbound": lost}, seconds=8.0, pauses=((4, 6),), trimmed=trimmed)
    pixels = picture_of(report)
    teal = seconds_of(pixels, LANES[0], "#0f8b8d", 8.0)
    assert teal == [3.0, 7.0]
    middle = pixels[LANES[0], LEFT + (RIGHT - LEFT) * 5 // 8]
    assert not (np.abs(middle - [0x0F, 0x8B, 0x8D]).sum(axis=1) < 30).any()
    assert seconds_of(pixels, LANES[0], CAUSES["loss"][0], 8.0) == [3.5, 3.6]


def test_a_recording_of_nothing_has_a_picture() -> None:
    nothing = report_on([np.zeros(0, np.int16)], {"inbound": track()}, seconds=0.0)
    assert picture_of(nothing).shape == (358, 1440, 3)
    bare = replace(make_recording(), fidelity=None)
    assert report_picture(bare, kept(nothing))[:4] == b"\x89PNG"
