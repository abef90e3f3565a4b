"""A pytest plugin for the SDK's own test files: runs what they skip, and writes down what came of each test.

``SDK_SUITES_FACTS`` is the path of a JSON file with ``base_url``, ``sip_port``, ``key``, ``extra``
(a folder of packages), ``outcomes`` (where to write) and ``existing``: true puts ids of existing things in place of the made-up ones.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

FACTS = json.loads(Path(os.environ["SDK_SUITES_FACTS"]).read_text())
sys.path.append(FACTS["extra"])  # aiohttp, before the SDK is imported and looks for it

from existing import Existing, NotMade, adapted  # noqa: E402
from telnyx import APIStatusError  # noqa: E402
from telnyx._base_client import AsyncAPIClient, FinalRequestOptions, SyncAPIClient  # noqa: E402

MOCK_ONLY = "Mock server tests are disabled"
_outcomes: list[dict[str, str]] = []


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Take off the marks that skip a test because the SDK's authors had no server to run it against."""
    for item in items:
        item.own_markers[:] = [
            mark
            for mark in item.own_markers
            if mark.name != "skip" or mark.kwargs.get("reason") != MOCK_ONLY
        ]


@pytest.fixture(scope="session")
def existing() -> Existing | None:
    """The things that exist, if this run has any."""
    if not FACTS["existing"]:
        return None
    return Existing(FACTS["base_url"], FACTS["sip_port"], FACTS["key"])


@pytest.fixture(autouse=True)
def put_in_existing_things(
    existing: Existing | None, monkeypatch: pytest.MonkeyPatch
) -> Iterator[None]:
    """Every request of a test names existing things."""
    if existing is None:
        yield
        return

    def prepared(_: object, options: FinalRequestOptions) -> FinalRequestOptions:
        url, body = adapted(existing, options.method.upper(), options.url, options.json_data)
        return options.model_copy(update={"url": url, "json_data": body})

    async def prepared_later(client: object, options: FinalRequestOptions) -> FinalRequestOptions:
        return prepared(client, options)

    monkeypatch.setattr(SyncAPIClient, "_prepare_options", prepared)
    monkeypatch.setattr(AsyncAPIClient, "_prepare_options", prepared_later)
    yield
    existing.clean()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item, call: pytest.CallInfo[None]) -> Any:
    """Keep the outcome of each test, with the reason of a failure."""
    report = yield
    if report.when == "call" or report.outcome != "passed":
        why = "" if report.passed else _reason(call.excinfo.value if call.excinfo else None)
        _outcomes.append({"id": item.nodeid, "outcome": report.outcome, "why": why})
    return report


def pytest_sessionfinish() -> None:
    """Write the outcomes."""
    Path(FACTS["outcomes"]).write_text(json.dumps(_outcomes))


def _reason(error: BaseException | None) -> str:
    if isinstance(error, APIStatusError):
        return f"{error.status_code} {_codes(error.body)}".strip()
    if isinstance(error, NotMade):
        return str(error)
    return f"{type(error).__name__}: {str(error).splitlines()[0] if str(error) else ''}"[:200]


def _codes(body: object) -> str:
    errors = body.get("errors", []) if isinstance(body, dict) else []
    told = [f"{one['code']} {one.get('source', {}).get('pointer', '')}".strip() for one in errors]
    return ", ".join(told)
