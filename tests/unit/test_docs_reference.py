"""The reference pages say what the code says, and links between pages lead somewhere."""

import importlib.util
import re
from pathlib import Path
from types import ModuleType

import pytest

from onrecord.core.settings import Settings

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"
MARKDOWN = sorted([*DOCS.rglob("*.md"), *ROOT.glob("*.md")])


@pytest.fixture(scope="module")
def generate() -> ModuleType:
    spec = importlib.util.spec_from_file_location("docs_generate", DOCS / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_generated_pages_are_up_to_date(generate: ModuleType) -> None:
    stale = [
        name
        for name, make in generate.PAGES.items()
        if not (DOCS / "reference" / name).exists()
        or (DOCS / "reference" / name).read_text() != generate.MARK + make()
    ]
    assert stale == [], "run: python docs/generate.py"


def test_reference_holds_no_page_that_nothing_makes(generate: ModuleType) -> None:
    assert {path.name for path in (DOCS / "reference").iterdir()} == set(generate.PAGES)


@pytest.mark.parametrize("name", sorted(Settings.model_fields))
def test_every_setting_is_documented(name: str) -> None:
    assert Settings.model_fields[name].description
    assert f"| `{name}` |" in (DOCS / "reference" / "settings.md").read_text()


def test_every_metric_is_documented(generate: ModuleType) -> None:
    page = (DOCS / "reference" / "metrics.md").read_text()
    names = set(generate.exported_metrics())
    assert names
    assert all(name.startswith("onrecord_") and f"| `{name}` |" in page for name in names)


def test_every_error_of_the_catalogue_is_documented(generate: ModuleType) -> None:
    page = (DOCS / "reference" / "errors.md").read_text()
    assert [code for code in generate.errors.TITLES if f"\n| {code} |" not in page] == []


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    text = re.sub(r"```.*?```", "", page.read_text(), flags=re.DOTALL)
    broken = []
    for target in re.findall(r"\]\(([^)\s]+)\)", text):
        if re.match(r"[a-z]+:", target):
            continue
        path, _, anchor = target.partition("#")
        file = page.parent / path if path else page
        if not file.exists() or (anchor and anchor not in anchors(file)):
            broken.append(target)
    assert broken == []


@pytest.mark.parametrize("page", MARKDOWN, ids=lambda page: str(page.relative_to(ROOT)))
def test_examples_are_python(page: Path) -> None:
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(), flags=re.DOTALL)
    for number, block in enumerate(blocks):
        compile(block, f"{page.name}, example {number}", "exec")


def test_performance_page_has_a_place_for_figures() -> None:
    text = (DOCS / "performance.md").read_text()
    assert text.count("<!-- figures:begin -->") == text.count("<!-- figures:end -->") == 1


def anchors(page: Path) -> set[str]:
    text = page.read_text()
    headings = re.findall(r"^#+ (.+)$", text, flags=re.MULTILINE)
    made = {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}
    return made | set(re.findall(r'<a id="([^"]+)">', text))


def test_readme_is_short_enough_to_be_read() -> None:
    words = len((ROOT / "README.md").read_text().split())
    assert 150 <= words <= 700
