"""Run the tests that ship with Telnyx's Python SDK against a running server, and write down what came of it.

    .venv/bin/python tests/peers/sdk_suites/run.py          # prints the table
    .venv/bin/python tests/peers/sdk_suites/run.py --write  # and puts it into docs/compatibility.md

The SDK's source archive is fetched from PyPI with pip; nothing of it is kept. Its tests were made for a mock
server that knows every id, so they are run twice: as they are, and with ids of things that exist.
"""

import argparse
import json
import os
import re
import subprocess
import sys
import tarfile
import tempfile
from collections import Counter, defaultdict
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).parent
TESTS = HERE.parents[1]
sys.path.insert(0, str(TESTS))

from onrecord.demo.model import fetch_model  # noqa: E402 -- beside the next
from running import RunningServer, running  # noqa: E402 -- found through the line above

VERSION = "4.189.0"
KEY = "My API Key"  # the one in the SDK's conftest
PAGE = TESTS.parent / "docs" / "compatibility.md"
FILES = (
    "calls/test_actions.py",
    "recordings/test_actions.py",
    "test_call_control_applications.py",
    "test_call_events.py",
    "test_calls.py",
    "test_connections.py",
    "test_custom_storage_credentials.py",
    "test_recording_transcriptions.py",
    "test_recordings.py",
    "test_webhook_deliveries.py",
    "test_webhooks.py",
)
# What only this file of the SDK offers besides: `connections` is about other products but for one method.
ONLY = {"connections": {"list_active_calls"}}
INI = """
[pytest]
addopts = -p no:cacheprovider
asyncio_mode = auto
asyncio_default_fixture_loop_scope = session
"""
TEST_ID = re.compile(
    r"(?P<file>[\w/]+)\.py::Test(?P<is_async>Async)?\w+::"
    r"test_(?:method|raw_response|streaming_response|path_params)_(?P<method>\w+?)"
    r"(?:_overload_\d)?(?:_with_all_params)?(?:_overload_\d)?(?:\[|$)"
)


@dataclass
class Row:
    """What came of the tests of one method."""

    passed: int = 0
    failed: Counter[str] = field(default_factory=Counter)

    @property
    def tests(self) -> int:
        return self.passed + self.failed.total()

    @property
    def offered(self) -> bool:
        return not (self.failed and set(self.failed) == {"404 10005"})


def source(folder: Path) -> Path:
    """The SDK's source tree, and what its asynchronous tests need besides."""
    pip = [sys.executable, "-m", "pip", "-qqq", "--disable-pip-version-check"]
    archive = ["download", "--no-binary", ":all:", "--no-deps", f"telnyx=={VERSION}"]
    subprocess.run([*pip, *archive, "--dest", str(folder)], check=True)
    extra = ["install", "--target", str(folder / "extra"), "httpx-aiohttp", "aiohttp"]
    subprocess.run([*pip, *extra], check=True)
    with tarfile.open(folder / f"telnyx-{VERSION}.tar.gz") as packed:
        packed.extractall(folder, filter="data")
    return folder / f"telnyx-{VERSION}"


def outcomes(server: RunningServer, tree: Path, *, existing: bool) -> dict[str, Row]:
    """Rows by SDK method."""
    folder = tree.parent
    facts = {
        "base_url": server.base_url,
        "sip_port": server.sip_port,
        "key": KEY,
        "existing": existing,
        "extra": str(folder / "extra"),
        "outcomes": str(folder / "outcomes.json"),
    }
    (folder / "facts.json").write_text(json.dumps(facts))
    (folder / "pytest.ini").write_text(INI)
    environment = os.environ | {
        "TEST_API_BASE_URL": server.base_url,
        "SDK_SUITES_FACTS": str(folder / "facts.json"),
        "PYTHONPATH": os.pathsep.join(map(str, (tree, HERE, TESTS))),
    }
    command = [sys.executable, "-m", "pytest", "-c", str(folder / "pytest.ini"), "-p", "sdk_plugin"]
    files = [f"tests/api_resources/{name}" for name in FILES]
    subprocess.run(
        [*command, "-q", "--tb=no", "--no-summary", "--rootdir", str(tree), *files],
        cwd=tree,
        env=environment,
        check=False,
        stdout=subprocess.DEVNULL,
    )
    return rows(json.loads((folder / "outcomes.json").read_text()))


def rows(told: list[dict[str, str]]) -> dict[str, Row]:
    """Outcomes by SDK method, as ``calls.actions.answer``."""
    found: dict[str, Row] = defaultdict(Row)
    for one in told:
        match = TEST_ID.search(one["id"])
        assert match, one["id"]
        resource = (
            match["file"]
            .removeprefix("tests/api_resources/")
            .replace("test_", "")
            .replace("/", ".")
        )
        if match["method"] not in ONLY.get(resource, {match["method"]}):
            continue
        row = found[f"{resource}.{match['method']}"]
        if one["outcome"] == "passed":
            row.passed += 1
        else:
            row.failed[one["why"]] += 1
    return found


def table(bare: dict[str, Row], existing: dict[str, Row]) -> str:
    """The result in Markdown."""
    lines = [
        "| SDK method | tests | pass as they are | pass with ids that exist | why the others fail |",
        "|---|---|---|---|---|",
    ]
    offered = {name: row for name, row in existing.items() if _is_offered(row, bare[name])}
    for name, row in sorted(offered.items()):
        why = "; ".join(f"{reason} ({count})" for reason, count in row.failed.most_common())
        lines.append(f"| `{name}` | {row.tests} | {bare[name].passed} | {row.passed} | {why} |")
    total, before, after = (
        sum(part)
        for part in zip(
            *((row.tests, bare[name].passed, row.passed) for name, row in offered.items()),
            strict=True,
        )
    )
    lines.append(f"| all of these | {total} | {before} | {after} | |")
    made_up = sum((bare[name].failed for name in offered), Counter[str]())
    reasons = "; ".join(f"{reason} ({count})" for reason, count in made_up.most_common())
    absent = sorted(name.removeprefix("calls.actions.") for name in existing if name not in offered)
    first = f"As they are, the others fail with: {reasons}."
    return "\n".join(
        [
            *lines,
            "",
            first,
            "",
            f"Not offered (404, 10005): {', '.join(f'`{one}`' for one in absent)}.",
        ]
    )


def _is_offered(row: Row, bare: Row) -> bool:
    return row.offered or bare.offered


def write(text: str) -> None:
    """Put the table between the marks of the page."""
    page = PAGE.read_text()
    begin, end = "<!-- sdk tests: begin -->", "<!-- sdk tests: end -->"
    head, rest = page.split(begin)
    _, tail = rest.split(end)
    PAGE.write_text(f"{head}{begin}\n{text}\n{end}{tail}")


def main() -> None:
    """Run, print, and write if asked to."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--write", action="store_true", help="put the table into docs/compatibility.md"
    )
    arguments = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        tree = source(folder)
        engine = {"models_folder": str(fetch_model()), "transcription_model": "tiny.en"}
        with running(folder / "data", "46000-47999", api_key=KEY, **engine) as server:
            bare = outcomes(server, tree, existing=False)
            existing = outcomes(server, tree, existing=True)
    text = table(bare, existing)
    print(text)
    if arguments.write:
        write(text)


if __name__ == "__main__":
    main()
