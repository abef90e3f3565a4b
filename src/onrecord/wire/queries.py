"""Query parameters of lists: pages, filters and sorting (contract sections 3, 7.2 and 8.5).

All functions take the decoded parameters and raise :class:`CallerError` (400) that names the
parameter. Other parameters than the known ones are ignored, except filters: a filter that is passed
over would show what the caller did not ask for.
"""

from collections.abc import Mapping

from onrecord.calls.lists import PageRequest, RecordingFilter
from onrecord.core.units import parse_iso
from onrecord.wire import errors

MAX_PAGE_SIZE = 250
MAX_PAGE_NUMBER = 1_000_000_000
APPLICATION_SORTS = ("created_at", "connection_name", "active")
EQUALITY_FILTERS = {
    "call_control_id": "call_control_id",
    "call_leg_id": "call_leg_id",
    "call_session_id": "call_session_id",
    "conference_id": "conference_id",
    "conference_region": "conference_id",
    "connection_id": "connection_id",
    "from": "from_",
    "to": "to",
    "sip_call_id": "sip_call_id",
}
"""Filter to member of RecordingFilter. No recording comes from a conference, so that a filter on the
region finds nothing, as one on the id does."""
TIME_FILTERS = {"created_at": "created", "start_time": "started", "end_time": "ended"}

_INT64_MAX = 2**63 - 1
_NAME_CONTAINS = "filter[application_name][contains]"


def parse_page(query: Mapping[str, str]) -> PageRequest:
    """``page[number]`` and ``page[size]``, or the bare ``page_number`` and ``page_size``.

    0 counts as absent: it is what clients send whose language has no other word for it.
    """
    return PageRequest(
        number=whole(query, "page[number]", "page_number", 1, MAX_PAGE_NUMBER),
        size=whole(query, "page[size]", "page_size", 20, MAX_PAGE_SIZE),
    )


def parse_recording_filter(query: Mapping[str, str]) -> RecordingFilter:
    """``filter[…]`` of GET /v2/recordings."""
    wanted: dict[str, str] = {}
    bounds: dict[str, int] = {}
    for parameter, value in query.items():
        if not parameter.startswith("filter"):
            continue
        name, _, bound = parameter.removeprefix("filter[").removesuffix("]").partition("][")
        if parameter == f"filter[{name}]" and name in EQUALITY_FILTERS:
            wanted[EQUALITY_FILTERS[name]] = value
        elif name in TIME_FILTERS and bound in ("gte", "lte"):
            bounds[f"{TIME_FILTERS[name]}_{bound}_ns"] = parse_moment(parameter, value)
        else:
            raise errors.invalid_filter(parameter, "There is no such filter for recordings.")
    return RecordingFilter(**wanted, **bounds)  # type: ignore[arg-type]  # names differ by type


def parse_application_list(query: Mapping[str, str]) -> tuple[str | None, str]:
    """What the name must contain (None: anything), and the sort order."""
    for parameter in query:
        if parameter.startswith("filter") and parameter != _NAME_CONTAINS:
            raise errors.invalid_filter(parameter, "There is no such filter for applications.")
    contains = query.get(_NAME_CONTAINS)
    if contains is not None and len(contains) < 3:
        raise errors.invalid_filter(_NAME_CONTAINS, "At least three characters are needed.")
    sort = query.get("sort", "created_at")
    if sort.removeprefix("-") not in APPLICATION_SORTS:
        detail = f"The value must be one of: {', '.join(sorted(APPLICATION_SORTS))}."
        raise errors.malformed_request(detail, "sort")
    return contains, sort


def whole(query: Mapping[str, str], name: str, bare: str, default: int, high: int) -> int:
    """The number 1 to ``high`` that ``name``, or else ``bare``, gives; ``default`` for 0."""
    given = name if name in query else bare
    text = query.get(given)
    if text is None:
        return default
    small = text.isascii() and text.isdecimal() and len(text) <= 18
    if not small or int(text) > high:
        raise errors.malformed_request(f"The value must be a whole number, 1 to {high}.", given)
    return int(text) or default


def parse_moment(parameter: str, text: str) -> int:
    """UTC nanoseconds of an ISO 8601 time; a ``+`` that was sent unencoded arrives as a blank."""
    try:
        moment_ns = parse_iso(text.replace(" ", "+") if "T" in text else text)
    except (ValueError, OverflowError) as error:
        raise errors.invalid_filter(parameter, "The value must be an ISO 8601 time.") from error
    return min(max(moment_ns, -_INT64_MAX), _INT64_MAX)
