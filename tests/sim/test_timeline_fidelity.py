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
TWO_AT_ONCE = "two senders with one SSRC, from 100 s on"
OVERLAPS = {
    "new SSRC three times": 9,
    "sequence and timestamp begin anew, same SSRC, twice": 6,
    TWO_AT_ONCE: 3,
    "timestamp jumps by 10 s and back": 6,
    "timestamp jumps by 50 ms and back": 6,
}
"""Packets of an old and a new source that may lie over one another."""


@pytest.mark.parametrize("name", TABLE.CASES)
def test_each_impairment_stays_within_its_bounds(name: str) -> None:
    scale = 0.04 if "4 h" in name or "Opus" in name else 0.1
    row = TABLE.CASES[name](name, scale)
    assert row.missing <= OVERLAPS.get(name, 0)
    assert row.worst_ms <= 20 if "off each other" in name else row.worst_ms <= 14
    assert row.p99_ms <= row.worst_ms
    assert row.deviations.late == 0
    assert not row.found.false_ms > 1
    assert 0 <= row.lost - row.lost_by_report <= 6  # nobody knows what was lost before the first
    if name == "a leg that never sends":
        assert (row.sent, row.mos, row.deviations.packets) == (0, None, 0)
        return
    assert 1.0 <= row.mos <= 4.41
    if not row.lost:
        assert row.mos > 4.2
        assert row.deviations.concealed_ms == 0
    lossy_decoder = row.lost and row.rate > 8000
    if "fast" not in name and name not in OVERLAPS and not lossy_decoder:
        assert row.found.lost_samples == 0


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


def test_four_hours_of_a_clock_that_is_far_off() -> None:
    name = "clock 300 ppm fast, 4 h"
    row = TABLE.CASES[name](name, 1.0)
    assert (row.sent, row.missing) == (720_000, 0)
    assert row.lost == row.deviations.lost
    assert row.worst_ms < 14
    assert row.p99_ms < 10


def test_the_page_has_a_row_for_each() -> None:
    page = (DOCS / "fidelity.md").read_text()
    table = page.split(TABLE.BEGIN)[1].split(TABLE.END)[0]
    head, _, *rows = (
        [cell.strip() for cell in line.split("|")[1:-1]] for line in table.splitlines()
    )
    assert tuple(head) == TABLE.HEAD
    assert [row[0] for row in rows] == list(TABLE.CASES)
