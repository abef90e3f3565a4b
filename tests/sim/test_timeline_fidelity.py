"""The table of docs/fidelity.md, with calls that are shorter: each impairment stays within its bounds."""

import importlib.util
import sys
from pathlib import Path
from types import ModuleType

import pytest

DOCS = Path(__file__).parents[2] / "docs"


def load() -> ModuleType:
    spec = importlib.util.spec_from_file_location("fidelity_table", DOCS / "fidelity_table.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    path = list(sys.path)
    sys.modules[spec.name] = module
    spec.loader.exec_module(module)
    sys.path[:] = path
    return module


TABLE = load()
OVERLAPS = {
    "new SSRC three times": 9,
    "timestamp jumps by 10 s and back": 6,
    "everything at once": 0,
}
"""Packets of an old and a new source that may lie over one another."""


@pytest.mark.parametrize("name", TABLE.CASES)
def test_each_impairment_stays_within_its_bounds(name: str) -> None:
    row = TABLE.CASES[name](name, 0.1 if "clock" not in name else 0.04)
    assert row.missing <= OVERLAPS.get(name, 0)
    assert row.worst_ms <= (30 if "300 ppm" in name else 20)
    assert 0 <= row.lost - row.counted <= 6  # nobody knows what was lost before the first
    assert row.deviations.late == 0
    assert 1.0 <= row.mos <= 4.41
    if not row.lost:
        assert row.mos == 4.41
        assert row.deviations.concealed_ms == 0


def test_more_loss_is_a_worse_score() -> None:
    scores = [TABLE.CASES[f"loss of {p} %"]("", 0.1).mos for p in (5, 10, 30)]
    assert scores == sorted(scores, reverse=True)
    assert 3 < scores[0] < 4.3


@pytest.mark.parametrize("ppm", [100, 300])
@pytest.mark.parametrize("way", ["slow", "fast"])
def test_the_clock_is_measured(ppm: int, way: str) -> None:
    row = TABLE.CASES[f"clock {ppm} ppm {way}, 4 h"]("", 0.1)
    assert row.deviations.drift_ppm == pytest.approx(ppm if way == "slow" else -ppm, rel=0.05)
    assert {str(anchor.cause) for anchor in row.deviations.reanchors} == {"start", "skew"}


def test_the_page_has_a_row_for_each() -> None:
    page = (DOCS / "fidelity.md").read_text()
    table = page.split(TABLE.BEGIN)[1].split(TABLE.END)[0]
    names = [line.split("|")[1].strip() for line in table.splitlines()[2:]]
    assert names == list(TABLE.CASES)
