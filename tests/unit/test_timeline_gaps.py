"""The cause of a gap around a hold: what is the hold's, and what is not."""

import pytest

from onrecord.timeline.gaps import AFTER_HOLD, GapCause, GapLog, Moments, covered

HOLD = (8000, 16_000)


@pytest.mark.parametrize(
    ("begin", "end", "expected"),
    [
        (8000, 16_000, 8000),
        (7000, 20_000, 12_000),  # audio takes half a second to come back
        (7000, 90_000, 8000 + AFTER_HOLD),
        (16_001, 16_500, 0),  # it was back before
        (1000, 2000, 0),
    ],
)
def test_a_hold_covers_what_begins_in_it_and_comes_back_late(begin, end, expected):
    assert covered([HOLD], begin, end, AFTER_HOLD) == expected


def test_a_hold_that_goes_on_covers_everything_behind_its_begin():
    assert covered([(8000, None)], 7000, 90_000, 0) == 82_000


@pytest.mark.parametrize(("reach", "cause"), [(7900, GapCause.HOLD), (20_000, GapCause.NO_MEDIA)])
def test_the_end_of_a_file_is_the_holds_only_without_audio_since_its_begin(reach, cause):
    moments = Moments()
    moments.holds.append(HOLD)
    log = GapLog(moments)
    log.finish(reach, 20_400)
    (gap,) = log.listed()
    assert gap.cause is cause
