"""Writes ``docs/reference`` from the code: routes, settings, metrics, errors, events, states.

Run it after a change: ``python docs/generate.py``. A test fails while the pages are out of date.
"""  # noqa: INP001 - a script beside the pages that it makes, not a package

import inspect
import json
from collections.abc import Callable, Iterable, Mapping
from enum import StrEnum
from pathlib import Path
from typing import Any, TypeVar

from prometheus_client.metrics import MetricWrapperBase

from onrecord import metrics
from onrecord.api import openapi
from onrecord.calls import records, states
from onrecord.calls.media import FromUrl
from onrecord.core.errors import CallerError
from onrecord.core.ids import (
    ApplicationId,
    CallControlId,
    EventId,
    LegId,
    NodeId,
    RecordingId,
    SessionId,
    TranscriptionId,
)
from onrecord.core.settings import ENVIRONMENT_PREFIX, Settings
from onrecord.rtp.stats import LegStats
from onrecord.sip import dialogs, transactions
from onrecord.wire import errors, events, sounds

State = TypeVar("State", bound=StrEnum)
Input = TypeVar("Input", bound=StrEnum)

FILE = FromUrl("https://example.com/welcome.mp3")
"""What the samples of playback events play."""

MOST_VALUES = 12
"""More values than these are counted, not listed."""

FOLDER = Path(__file__).parent / "reference"
MARK = "<!-- Made by docs/generate.py from the code; do not edit. -->\n\n"


def table(head: Iterable[str], rows: Iterable[Iterable[object]]) -> str:
    """A Markdown table."""
    head = list(head)
    lines = [head, ["---"] * len(head), *rows]
    cells = [[str(cell).replace("|", "\\|").replace("\n", " ") for cell in line] for line in lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in cells)


def rest_to_markdown(text: str | None) -> str:
    """A docstring's code marks and roles as Markdown's."""
    return " ".join((text or "").replace("``", "`").split())


def settings_page() -> str:
    """Every field of ``Settings``."""
    rows = [
        (
            f"`{name}`",
            f"`{ENVIRONMENT_PREFIX}{name.upper()}`",
            f"`{_default(field.default)}`",
            rest_to_markdown(field.description),
        )
        for name, field in Settings.model_fields.items()
    ]
    return (
        "# Settings\n\n"
        "Each setting can stand in `onrecord.toml` in the folder that the server is started in (or in the\n"
        "file that `ONRECORD_CONFIG` names), in the environment, and some on the command line of\n"
        "`onrecord serve`. The command line wins over the environment, the environment over the file. A\n"
        "name that is not known is refused at the start.\n\n"
        + table(["setting", "environment", "default", "meaning"], rows)
        + "\nIn the environment, a list is JSON: `ONRECORD_WEBHOOK_RETRY_SECS='[2, 8, 30]'`.\n"
    )


def _default(value: object) -> str:
    if value is None:
        return "none"
    if isinstance(value, tuple):
        return json.dumps(list(value))
    return json.dumps(value) if isinstance(value, bool | str | int) else str(value)


def exported_metrics() -> Mapping[str, MetricWrapperBase]:
    """The collectors that ``onrecord.metrics`` defines, by the name that is scraped."""
    found = [value for value in vars(metrics).values() if isinstance(value, MetricWrapperBase)]
    return {_scraped_name(metric): metric for metric in found}


def _scraped_name(metric: MetricWrapperBase) -> str:
    family = next(iter(metric.collect()))
    return family.name + ("_total" if family.type == "counter" else "")


def metrics_page() -> str:
    """Every metric that the server exports."""
    rows = []
    for name, metric in sorted(exported_metrics().items()):
        family = next(iter(metric.collect()))
        labels = ", ".join(f"`{label}`" for label in metric._labelnames)  # noqa: SLF001
        rows.append((f"`{name}`", family.type, labels, rest_to_markdown(family.documentation)))
    return "# Metrics\n\n`GET /metrics` gives these in the text format of Prometheus.\n\n" + table(
        ["metric", "type", "labels", "meaning"], rows
    )


EXAMPLES: Mapping[str, Any] = {
    "field": "format",
    "allowed": ("wav", "mp3"),
    "low": 0,
    "high": 14400,
    "low_field": "transcription_min_speaker_count",
    "high_field": "transcription_max_speaker_count",
    "expected": "integer",
    "what": "recording",
    "pointer": "/call_control_id",
    "method": "PUT",
    "path": "/v2/recordings",
    "name": "gather",
    "given": "text/plain",
    "reason": "Expecting value",
    "detail": "(what is in the way)",
    "parameter": "page[size]",
    "limit_bytes": 1_000_000,
    "most_ms": 60000,
    "size_bytes": 960_044,
}
"""What the errors' functions are called with, by the name of the argument."""

SPECIAL_EXAMPLES: Mapping[str, Mapping[str, Any]] = {
    "bad_length": {"field": "custom_file_name", "low": 1, "high": 40},
    "invalid_url": {"field": "webhook_event_url"},
    "method_not_allowed": {"allowed": ("GET", "POST")},
    "audio_not_usable": {"field": "playback_content"},
    "invalid_duration": {"low": 100, "high": 500},
    "invalid_language": {"allowed": ("de-DE", "en-US")},
    "invalid_payload": {"detail": "The length must be 1 to 3000 characters."},
    "invalid_payload_type": {"allowed": ("text", "ssml")},
    "invalid_service_level": {"allowed": ("basic", "premium")},
    "invalid_stop": {"allowed": ("current", "all")},
    "not_e164": {"field": "to"},
    "out_of_range": {"field": "max_length"},
    "wrong_count": {"field": "ids", "low": 1, "high": 1000},
    "wrong_type": {"field": "max_length"},
}
"""Arguments of one function that differ from ``EXAMPLES``."""


def error_functions() -> Mapping[str, Callable[..., CallerError]]:
    """The functions of ``wire.errors`` that make one error each, in the order of the module."""
    return {
        name: function
        for name, function in vars(errors).items()
        if inspect.isfunction(function)
        and not name.startswith("_")
        and function.__module__ == errors.__name__
        and inspect.signature(function).return_annotation is CallerError
        and name != "combine"
    }


def errors_page() -> str:
    """Every error that a caller can get."""
    rows = []
    for function in error_functions().values():
        parameters = inspect.signature(function).parameters.values()
        required = [p.name for p in parameters if p.default is p.empty]
        special = SPECIAL_EXAMPLES.get(function.__name__, {})
        error = function(**{name: special.get(name, EXAMPLES[name]) for name in required})
        fault = error.faults[0]
        where = fault.pointer or fault.parameter or ""
        when = rest_to_markdown((function.__doc__ or "").split("\n\n")[0])
        rows.append((fault.code, error.status, fault.title, when, fault.detail, where))
    rows.sort(key=lambda row: (row[0], row[1]))
    anchors = "".join(f'<a id="{code}"></a>' for code in dict.fromkeys(row[0] for row in rows))
    return (
        "# Errors\n\n"
        f'{anchors}An error answer is `{{"errors": [...]}}`; each entry has `code`, `title`, `detail`, `meta.url` and,\n'
        "where one member or parameter is to blame, `source`. A body with several faults gets an entry for\n"
        "each. The texts are examples: names, bounds and lists in them depend on the request.\n\n"
        + table(["code", "status", "title", "when", "detail, for example", "source"], rows)
    )


NOW_NS = 1_770_091_445_000_000_000
EVENT = EventId("0b1c7a52-7f9c-4f5e-9c27-8a1d4f5f7d10")
LEG = records.Leg(
    id=LegId("5f2a3f66-9c0e-4b3f-8a56-0f6d7d1c2b3a"),
    session_id=SessionId("d6b0e7f4-1b5a-4f5c-a2d6-3c9b8e7f6a5d"),
    call_control_id=CallControlId("v3:bjEAAAAAAAAAAAAAAAAAAI3kq0Jm1yN5vX2wT8sR4pLcKfHdGbZaQw"),
    application_id=ApplicationId("1494404757140276705"),
    node=NodeId("n1"),
    direction=records.Direction.INCOMING,
    state=records.LegState.RINGING,
    from_="+12025550131",
    to="+12025550133",
    from_sip_uri="sip:+12025550131@192.0.2.10",
    to_sip_uri="sip:+12025550133@192.0.2.20",
    caller_name="Ada",
    sip_call_id="a84b4c76e66710@192.0.2.10",
    first_of_session=True,
    created_ns=NOW_NS,
    client_state="aGVsbG8=",
    custom_headers=(records.Header("X-Case", "4711"),),
    offered_codecs=("PCMU", "PCMA"),
    codec="PCMU",
    answered_ns=NOW_NS + 2_000_000_000,
    ended_ns=NOW_NS + 62_000_000_000,
    hangup_cause=records.HangupCause.NORMAL_CLEARING,
    hangup_source=records.HangupSource.CALLER,
    sip_hangup_cause="200",
)
RECORDING = records.Recording(
    id=RecordingId("2c8b9d1e-6a4f-4e0b-9f3d-7b5a1c2d3e4f"),
    leg_id=LEG.id,
    session_id=LEG.session_id,
    call_control_id=LEG.call_control_id,
    application_id=LEG.application_id,
    node=LEG.node,
    state=records.RecordingState.SAVED,
    params=records.RecordingParams(format="wav", channels="dual"),
    initiated_by="StartCallRecordingAPI",
    from_=LEG.from_,
    to=LEG.to,
    sip_call_id=LEG.sip_call_id,
    started_ns=NOW_NS + 2_500_000_000,
    created_ns=NOW_NS + 2_500_000_000,
    updated_ns=NOW_NS + 62_400_000_000,
    client_state="aGVsbG8=",
    ended_ns=NOW_NS + 62_000_000_000,
    duration_ms=59_500,
)
TRANSCRIPTION = records.Transcription(
    id=TranscriptionId("2b6c4f5e-9a1d-5c38-8f0e-4f6a7d1b3c90"),
    recording_id=RECORDING.id,
    state=records.TranscriptionState.COMPLETED,
    engine="B",
    language="en-US",
    created_ns=NOW_NS + 62_400_000_000,
    updated_ns=NOW_NS + 66_000_000_000,
    text="Hi, Bob. It's Ann.",
)
STATS = LegStats(packets_received=2975, packets_lost=0, packets_sent=60, jitter_max_ms=1.4)


def sample_events() -> list[str]:
    """The ``data`` of one event of each type."""
    link = f"http://127.0.0.1:8080/files/2026-02-03/{RECORDING.id}/{LEG.id}-1770091447.wav?..."
    return [
        events.call_initiated(LEG, EVENT, NOW_NS),
        events.call_answered(LEG, EVENT, NOW_NS + 2_000_000_000),
        events.call_bridged(LEG, EVENT, NOW_NS + 3_000_000_000),
        events.call_hangup(LEG, STATS, EVENT, NOW_NS + 62_000_000_000),
        events.recording_saved(RECORDING, LEG, link, EVENT, NOW_NS + 62_400_000_000),
        events.recording_error(
            RECORDING, events.REASON_INTERNAL, EVENT, NOW_NS + 62_400_000_000, LEG
        ),
        events.transcription_saved(TRANSCRIPTION, RECORDING, LEG, EVENT, NOW_NS + 66_000_000_000),
        sounds.playback_started(LEG, FILE, EVENT, NOW_NS + 5_000_000_000),
        sounds.playback_ended(LEG, FILE, ("completed", None), EVENT, NOW_NS + 9_000_000_000),
        sounds.speak_started(LEG, EVENT, NOW_NS + 10_000_000_000),
        sounds.speak_ended(LEG, "completed", None, EVENT, NOW_NS + 12_000_000_000),
        sounds.dtmf_received(LEG, "5", EVENT, NOW_NS + 13_000_000_000),
    ]


def events_page() -> str:
    """Every webhook event, with a sample."""
    page = (
        "# Webhook events\n\n"
        'Each is sent as `{"data": ..., "meta": {"attempt": 1, "delivered_to": url}}` with the headers\n'
        "`Telnyx-Timestamp` and `Telnyx-Signature-Ed25519`. The samples show `data`.\n"
    )
    for text in sample_events():
        data = json.loads(text)
        page += f"\n## {data['event_type']}\n\n```json\n{json.dumps(data, indent=2)}\n```\n"
    reasons = ", ".join(f"`{reason}`" for reason in events.RECORDING_ERROR_REASONS)
    return page + (
        "\n## Values\n\n"
        f"- `hangup_cause`: {_values(records.HangupCause)}\n"
        f"- `hangup_source`: {_values(records.HangupSource)}\n"
        f"- `reason` of `call.recording.error`: {reasons}\n"
        f"- `status` of `call.playback.ended`: {_listed(sounds.PLAYBACK_STATUSES)}\n"
        f"- `status` of `call.speak.ended`: {_listed(sounds.SPEAK_STATUSES)}, or null\n"
    )


def _listed(values: Iterable[str]) -> str:
    return ", ".join(f"`{value}`" for value in values)


def _values(enum: type[StrEnum]) -> str:
    return ", ".join(f"`{member.value}`" for member in enum)


def states_page() -> str:
    """The state tables of legs and recordings."""
    return (
        "# States\n\n"
        "What is not in a table may not happen: the command is refused and nothing changes.\n\n"
        + _machine("Leg", states.LEG_MOVES)
        + "\n"
        + _machine("Recording", states.RECORDING_MOVES)
    )


def _machine(name: str, moves: Mapping[tuple[State, Input], State]) -> str:
    rows = [(f"`{state}`", f"`{what}`", f"`{after}`") for (state, what), after in moves.items()]
    arrows = "".join(f"    {state} --> {after}: {what}\n" for (state, what), after in moves.items())
    first = next(iter(moves))[0]
    return (
        f"## {name}\n\n"
        + table(["state", "input", "next state"], rows)
        + f"\n```mermaid\nstateDiagram-v2\n    [*] --> {first}\n{arrows}```\n"
    )


def routes_page() -> str:
    """Every route, and the members of every request's body."""
    document = openapi.document()
    schemas = document["components"]["schemas"]
    rows, bodies = [], ""
    for path, operations in document["paths"].items():
        for method, operation in operations.items():
            if method == "parameters":
                continue
            name = f"`{method.upper()} {path}`"
            rows.append((name, operation["summary"], ", ".join(operation["responses"])))
            body = operation.get("requestBody")
            if body:
                schema = next(iter(body["content"].values()))["schema"]
                members = schemas[schema["$ref"].rpartition("/")[2]]
                bodies += f"\n## {operation['summary']}\n\n{name}\n\n{_members(members)}"
    return (
        "# API routes\n\n"
        "A running server gives the same as OpenAPI 3.1 at `/openapi.json` and as a page at `/docs`. Routes below\n"
        "`/v2` need `Authorization: Bearer KEY`; links to files carry their permission with them. Members of a\n"
        "body that are not listed are ignored.\n\n"
        + table(["route", "what", "answers"], rows)
        + bodies
    )


def _members(schema: Mapping[str, Any]) -> str:
    required = set(schema.get("required", ()))
    rows = [
        (
            f"`{name}`" + (" (required)" if name in required else ""),
            _kind(member),
            f"`{json.dumps(member['default'])}`" if "default" in member else "",
            rest_to_markdown(member.get("description")),
        )
        for name, member in schema.get("properties", {}).items()
    ]
    return table(["member", "type", "default", "meaning"], rows) if rows else "No members.\n"


def _kind(member: Mapping[str, Any]) -> str:
    """Type, values and bounds of a member, in short."""
    if "enum" in member and len(member["enum"]) <= MOST_VALUES:
        return ", ".join(f"`{value}`" for value in member["enum"])
    kind = member.get("type", "object")
    text = " or ".join(kind) if isinstance(kind, list) else str(kind)
    low = member.get("minimum", member.get("minLength", member.get("minItems")))
    high = member.get("maximum", member.get("maxLength", member.get("maxItems")))
    unit = {"string": " characters", "array": " items"}.get(text, "")
    if low is None and high is None:
        return text + (f", one of {len(member['enum'])}" if "enum" in member else "")
    if high is None:
        return f"{text}, at least {low}{unit}"
    return f"{text}, {f'{low} to' if low is not None else 'at most'} {high}{unit}"


def sip_page() -> str:
    """The four transaction machines."""
    page = (
        "# SIP tables\n\n"
        "Transactions are those of RFC 3261 §17 with RFC 6026. An input that a state has no row for is ignored. Timers that only\n"
        "repeat messages are not started over TCP.\n"
    )
    for kind, rows in transactions.TABLE.items():
        start = transactions.START[kind]
        cells = [("(begins)", "", *_after(start))]
        cells += [(state.value, _input(what), *_after(row)) for (state, what), row in rows.items()]
        head = ["state", "input", "next state", "actions", "timers started"]
        page += f"\n## {kind.value}\n\n" + table(head, cells)
    return page + _calls() + _offers()


def _calls() -> str:
    rows = [
        (
            state.value,
            what.value,
            row.state.value,
            ", ".join(effect.value for effect in row.effects),
        )
        for (state, what), row in dialogs.CALLS.items()
    ]
    return "\n## Calls\n\nThe legs of the user agent (RFC 3261 §9, §12 to §15).\n\n" + table(
        ["state", "input", "next state", "effects"], rows
    )


def _offers() -> str:
    rows = [
        (state.value, what.value, after.value) for (state, what), after in dialogs.OFFERS.items()
    ]
    return "\n## Offers and answers\n\nRFC 3264 §4, RFC 3261 §14.\n\n" + table(
        ["state", "input", "next state"], rows
    )


def _input(what: transactions.Input) -> str:
    return f"timer {what.value}" if isinstance(what, transactions.Timer) else what.value


def _after(row: transactions.Row) -> tuple[str, str, str]:
    actions = ", ".join(action.value for action in row.actions)
    return row.state.value, actions, ", ".join(timer.value for timer in row.start)


PAGES: Mapping[str, Callable[[], str]] = {
    "routes.md": routes_page,
    "settings.md": settings_page,
    "metrics.md": metrics_page,
    "errors.md": errors_page,
    "events.md": events_page,
    "states.md": states_page,
    "sip.md": sip_page,
}
"""The pages of docs/reference and what makes each."""


def main() -> None:
    """Write every page."""
    FOLDER.mkdir(exist_ok=True)
    for name, make in PAGES.items():
        (FOLDER / name).write_text(MARK + make())


if __name__ == "__main__":
    main()
