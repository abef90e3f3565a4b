"""Whatever a caller sends, parsing gives a command or a CallerError, and never anything else."""

import json

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from onrecord.calls.lists import RecordingFilter
from onrecord.core.errors import CallerError
from onrecord.wire import requests
from onrecord.wire.bodies import calls, recordings, resources
from onrecord.wire.body import parse_json
from onrecord.wire.errors import error_body
from onrecord.wire.fields import Choice, Field
from onrecord.wire.queries import (
    EQUALITY_FILTERS,
    TIME_FILTERS,
    parse_application_list,
    parse_page,
    parse_recording_filter,
)

PARSERS = {
    "record_start": (requests.parse_record_start, recordings.RECORD_START),
    "record_stop": (requests.parse_record_stop, recordings.RECORD_STOP),
    "answer": (requests.parse_answer, calls.ANSWER),
    "reject": (requests.parse_reject, calls.REJECT),
    "hangup": (requests.parse_hangup, calls.HANGUP),
    "bridge": (requests.parse_bridge, calls.BRIDGE),
    "transfer": (requests.parse_transfer, calls.TRANSFER),
    "dial": (requests.parse_dial, calls.DIAL),
    "application": (requests.parse_application, resources.APPLICATION),
    "recording_ids": (requests.parse_recording_ids, recordings.RECORDING_IDS),
}
JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=50),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner, max_size=3)
    ),
    max_leaves=6,
)
BOUNDED = settings(
    max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck)
)


def member(known: Field) -> st.SearchStrategy:
    right = [st.just(known.example)] if known.example is not None else []
    if isinstance(known, Choice):
        right.append(st.sampled_from(known.values))
    return st.one_of(*right, JSON)


def likely(fields) -> st.SearchStrategy:
    return st.fixed_dictionaries({}, optional={known.name: member(known) for known in fields})


def outcome(parse, given_value):
    """What ``parse`` gives, or the CallerError that it raises; anything else fails the test."""
    try:
        return parse(given_value)
    except CallerError as error:
        return error


@pytest.mark.parametrize("name", PARSERS)
@BOUNDED
@given(data=st.data())
def test_parsers_raise_only_caller_errors(name, data):
    parse, fields = PARSERS[name]
    result = outcome(parse, data.draw(likely(fields) | JSON))
    assert result is not None
    if isinstance(result, CallerError):
        assert result.status in (400, 422)
        assert result.faults
        assert json.dumps(error_body(result))
        names = [known.name for known in fields]
        order = [names.index(f.pointer.split("/")[1]) for f in result.faults if f.pointer]
        assert order == sorted(order)


@BOUNDED
@given(raw=st.binary(max_size=200) | JSON.map(lambda value: json.dumps(value).encode()))
def test_bytes_raise_only_caller_errors(raw):
    result = outcome(parse_json, raw)
    if isinstance(result, CallerError):
        assert result.status == 400
    else:
        json.dumps(result, ensure_ascii=False).encode()


FILTERS = [f"filter[{name}]" for name in EQUALITY_FILTERS] + [
    f"filter[{name}][{bound}]" for name in TIME_FILTERS for bound in ("gte", "lte", "x")
]
NAMES = st.sampled_from(["page[number]", "page_size", "sort", *FILTERS]) | st.text(max_size=20)
TIMES = st.datetimes().map(lambda moment: moment.isoformat() + "Z")


@BOUNDED
@given(query=st.dictionaries(NAMES, st.text(max_size=30) | TIMES | st.integers().map(str)))
def test_queries_raise_only_caller_errors(query):
    for parse in (parse_page, parse_recording_filter, parse_application_list):
        result = outcome(parse, query)
        if isinstance(result, CallerError):
            assert result.status == 400
            assert result.faults[0].parameter in query
        elif isinstance(result, RecordingFilter):
            for value in (result.created_gte_ns, result.ended_lte_ns):
                assert value is None or -(2**63) < value < 2**63
