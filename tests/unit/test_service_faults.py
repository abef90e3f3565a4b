"""What is wrong with finished recordings: which faults are counted, and which of them somebody is told of."""

from dataclasses import replace

import pytest
from structlog.testing import capture_logs

from api.fake_services import NOW_NS, make_recording
from onrecord.calls.records import Fidelity
from onrecord.metrics import RECORDING_FAULTS
from onrecord.service.faults import count_faults, faults

GOOD = Fidelity(4.41, 0.0, 0, 0, 0, (), silent=False, torn=False)


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        ({}, ()),
        ({"without_audio": ("inbound",)}, ("one_way_inbound",)),
        ({"without_audio": ("outbound",)}, ("one_way_outbound",)),
        ({"mos": None, "without_audio": ("inbound", "outbound"), "silent": True}, ("no_media",)),
        ({"mos": None, "without_audio": ("inbound",), "silent": True}, ("no_media",)),
        ({"mos": None, "without_audio": ("outbound",), "silent": True}, ("one_way_outbound",)),
        ({"silent": True}, ("silent",)),
        ({"mos": 3.0, "torn": True}, ("torn", "poor")),
    ],
)
def test_faults(changes: dict[str, object], found: tuple[str, ...]) -> None:
    assert faults(make_recording(fidelity=replace(GOOD, **changes))) == found


def test_in_a_moment_nobody_need_have_sent() -> None:
    nothing = replace(GOOD, mos=None, without_audio=("inbound", "outbound"), silent=True)
    moment = make_recording(fidelity=nothing, ended_ns=NOW_NS + 900_000_000)
    assert faults(moment) == ()
    assert faults(make_recording()) == ()


def test_who_must_act_is_warned_and_the_rest_only_counted() -> None:
    def counted(fault: str) -> float:
        return RECORDING_FAULTS.labels(fault)._value.get()

    names = ("one_way_inbound", "one_way_outbound")
    before = [counted(name) for name in names]
    with capture_logs() as logs:
        for track in ("inbound", "outbound"):
            count_faults(make_recording(fidelity=replace(GOOD, without_audio=(track,))))
    assert [counted(name) for name in names] == [count + 1 for count in before]
    [told] = logs
    assert (told["log_level"], told["fault"]) == ("warning", "one_way_inbound")
    assert "external_address" in told["advice"]
