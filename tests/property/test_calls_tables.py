"""The state machines, row by row and along random walks."""

from hypothesis import given
from hypothesis import strategies as st

from onrecord.calls.records import LegState, RecordingState
from onrecord.calls.states import (
    LEG_MOVES,
    RECORDING_MOVES,
    LegInput,
    RecordingInput,
    leg_after,
    recording_after,
)


@given(st.sampled_from(LegState), st.sampled_from(LegInput))
def test_a_leg_moves_as_its_table_says_and_no_other_way(state, what):
    assert leg_after(state, what) == LEG_MOVES.get((state, what))


@given(st.sampled_from(RecordingState), st.sampled_from(RecordingInput))
def test_a_recording_moves_as_its_table_says_and_no_other_way(state, what):
    assert recording_after(state, what) == RECORDING_MOVES.get((state, what))


@given(st.lists(st.sampled_from(LegInput)))
def test_a_leg_ends_at_most_once_and_stays_ended(inputs):
    state, ends, was_answered = LegState.RINGING, 0, False
    for what in inputs:
        after = leg_after(state, what)
        if after is None:
            continue
        assert state is not LegState.ENDED
        assert after is not LegState.BRIDGED or was_answered
        ends += after is LegState.ENDED
        was_answered |= after is LegState.ANSWERED
        state = after
    assert ends == (state is LegState.ENDED)


@given(st.lists(st.sampled_from(RecordingInput)))
def test_a_recording_stops_at_most_once_and_ends_saved_or_failed(inputs):
    state, stops = RecordingState.RECORDING, 0
    for what in inputs:
        after = recording_after(state, what)
        if after is None:
            continue
        stops += after is RecordingState.STOPPED
        if after in {RecordingState.SAVED, RecordingState.FAILED}:
            assert state is RecordingState.STOPPED
        state = after
    assert stops <= 1


def test_every_leg_state_that_is_not_the_end_can_end():
    for state in LegState:
        ended = leg_after(state, LegInput.END)
        assert ended is (None if state is LegState.ENDED else LegState.ENDED)


def test_nothing_leaves_a_final_state():
    finals = {LegState.ENDED, RecordingState.SAVED, RecordingState.FAILED}
    assert not [move for move in [*LEG_MOVES, *RECORDING_MOVES] if move[0] in finals]


def test_every_state_can_be_reached():
    assert {LegState.RINGING, *LEG_MOVES.values()} == set(LegState)
    assert {RecordingState.RECORDING, *RECORDING_MOVES.values()} == set(RecordingState)
