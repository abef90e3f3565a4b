"""Waveforms as pictures: each thing is where and what colour it should be."""

import io

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from onrecord.audio.envelope import envelope
from onrecord.audio.picture import (
    LEFT,
    RIGHT,
    WIDTH,
    Band,
    Lane,
    Mark,
    Picture,
    clock,
    draw,
    png,
    ticks,
)
from onrecord.phone.clips import tone

RATE = 8000
TEAL, ORANGE, RED, BLUE = "#0f8b8d", "#d9622b", "#d0213c", "#2b7bd6"


def near(pixels: NDArray[np.int64], colour: str) -> NDArray[np.bool_]:
    wanted = [int(colour[n : n + 2], 16) for n in (1, 3, 5)]
    return np.abs(pixels - wanted).sum(axis=2) < 40


def at(seconds: float, of: float) -> int:
    return round(LEFT + (RIGHT - LEFT) * seconds / of)


def pixels_of(picture: Picture) -> NDArray[np.int64]:
    return np.asarray(draw(picture)).astype(np.int64)


def two_lanes(**more: object) -> Picture:
    """Ten seconds; the first is loud from 2 to 4 s, the second from 6 to 8 s."""
    lanes = []
    for begin, colour in ((2, TEAL), (6, ORANGE)):
        samples = np.zeros(10 * RATE, np.int16)
        samples[begin * RATE : (begin + 2) * RATE] = tone(400, 2.0)
        lanes.append(Lane("Name", ["a", "b"], colour, envelope(samples, RATE), [(0.0, 10.0)]))
    return Picture("Title", "Subtitle", 10.0, lanes, **more)  # type: ignore[arg-type]


def test_each_voice_is_in_its_lane_and_at_its_time() -> None:
    pixels = pixels_of(two_lanes())
    half = pixels.shape[0] // 2
    teal, orange = near(pixels, TEAL), near(pixels, ORANGE)
    assert pixels.shape[1] == WIDTH
    assert not teal[half + 30 :].any()
    assert not orange[: half - 30].any()
    for found, loud, quiet in ((teal, (2, 4), (4, 10)), (orange, (6, 8), (0, 6))):
        heights = found.sum(axis=0)
        assert heights[at(loud[0], 10) + 3 : at(loud[1], 10) - 3].min() > 60
        assert heights[at(quiet[0], 10) + 3 : at(quiet[1], 10) - 3].max() < 4


def test_marks_have_their_colour_at_their_time_however_short() -> None:
    picture = two_lanes(legend=[(BLUE, "something")])
    marked = [Mark(5.0, 6.0, BLUE), Mark(8.0, 8.001, RED)]
    first = picture.lanes[0]
    lanes = [Lane(first.name, first.notes, TEAL, first.envelope, first.pieces, marked)]
    pixels = pixels_of(Picture("t", "s", 10.0, lanes, legend=picture.legend))
    blue, red = near(pixels, BLUE), near(pixels, RED)
    ribbon = np.flatnonzero(blue[:-45].any(axis=0))
    assert abs(ribbon[0] - at(5, 10)) <= 1
    assert abs(ribbon[-1] - at(6, 10)) <= 1
    assert blue[-45:].any(), "the legend has it too"
    [columns] = [np.flatnonzero(red.any(axis=0))]
    assert 2 <= len(columns) <= 4
    assert abs(columns[0] - at(8, 10)) <= 1
    # the whole height is tinted
    tint = near(pixels, "#d5e5f7")[:, at(5.5, 10)]
    assert tint.sum() > 100


def test_sound_that_was_cut_is_shown_where_it_was_said() -> None:
    """Six seconds of sound: of the call's ten, those from 3 to 7 were paused."""
    samples = np.concatenate([np.zeros(3 * RATE, np.int16), tone(400, 3.0)])
    lane = Lane("x", [], TEAL, envelope(samples, RATE), [(0.0, 3.0), (7.0, 10.0)])
    pixels = pixels_of(Picture("t", "s", 10.0, [lane], [Band(3.0, 7.0, "paused")]))
    heights = near(pixels, TEAL).sum(axis=0)
    assert heights[at(7, 10) + 3 : at(10, 10) - 3].min() > 60
    assert heights[LEFT : at(3, 10) - 3].max() < 4
    assert not heights[at(3, 10) + 3 : at(7, 10) - 3].any()
    hatched = near(pixels, "#f6f7f9")[150:250, at(5, 10) - 20 : at(5, 10) + 20]
    assert hatched.mean() > 0.5


def test_silence_is_a_line_and_nothing_is_a_picture_too() -> None:
    silent = Lane("x", [], TEAL, envelope(np.zeros(800, np.int16), RATE), [(0.0, 0.1)])
    panel = pixels_of(Picture("t", "s", 0.1, [silent]))[130:290, LEFT + 2 : RIGHT - 2]
    drawn = (panel.sum(axis=2) < 600).sum(axis=0)
    assert (drawn.min(), drawn.max()) in {(1, 1), (1, 2), (2, 2)}
    empty = Lane("x", [], TEAL, envelope(np.zeros(0, np.int16), RATE), [])
    for lanes in ([empty], []):
        made = Image.open(io.BytesIO(png(Picture("t", "s", 0.0, lanes))))
        assert (made.format, made.mode, made.width) == ("PNG", "RGB", WIDTH)


def test_times_are_told_as_people_do() -> None:
    assert [clock(t) for t in (0, 0.1, 1.5, 59.5, 60, 125, 3600, 3725)] == [
        "0 s",
        "0.1 s",
        "1.5 s",
        "59.5 s",
        "1:00",
        "2:05",
        "1:00:00",
        "1:02:05",
    ]
    for seconds in (0, 0.02, 0.3, 7, 61, 600, 14_400):
        assert 1 <= len(ticks(seconds)) <= 17
    assert len(ticks(0.3)) == 4
