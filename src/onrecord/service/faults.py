"""What is wrong with a finished recording: counted, and told to who must act."""

from typing import Final

import structlog

from onrecord.calls.records import Fidelity, Recording
from onrecord.core.units import NS_PER_S
from onrecord.metrics import RECORDING_FAULTS

POOR_MOS: Final = 3.1
"""Below it nearly all users are dissatisfied (ITU-T G.107, annex B: a rating of 60)."""
LEAST_NS: Final = NS_PER_S
"""In a recording that ran for less, nobody need have sent anything yet."""

_ADVICE: Final = {
    "no_media": "nothing came: can RTP reach rtp_ports at external_address?",
    "one_way_inbound": (
        "nothing came from the party: can RTP reach rtp_ports at external_address? "
        "If others can, it is the party's network or phone"
    ),
    "poor": "much is missing: the network between the party and this server loses packets",
    "torn": "a crash cut the recording off: what was logged before it says why",
}
"""For the operator. What has none here may be as the application wants it."""

_log = structlog.get_logger()


def faults(recording: Recording) -> tuple[str, ...]:
    """What is wrong, in words for a metric; nothing of a recording that is not saved.

    ``one_way_outbound`` is normal where the party has nobody to hear, ``silent`` where nobody spoke.
    """
    told = recording.fidelity
    if told is None or recording.ended_ns is None:
        return ()
    found = ["torn"] if told.torn else []
    if recording.ended_ns - recording.started_ns >= LEAST_NS:
        found += _lacks(told)
    return tuple(found)


def _lacks(told: Fidelity) -> list[str]:
    if told.mos is None and "inbound" in told.without_audio:
        return ["no_media"]
    found = [f"one_way_{track}" for track in told.without_audio]
    if told.mos is not None:
        found += ["silent"] if told.silent else []
        found += ["poor"] if told.mos < POOR_MOS else []
    return found


def count_faults(recording: Recording) -> None:
    """Count each, and log a warning for those that the operator should look at."""
    for fault in faults(recording):
        RECORDING_FAULTS.labels(fault).inc()
        if fault in _ADVICE:
            _log.warning(
                "recording_fault",
                recording=recording.id,
                call_control_id=recording.call_control_id,
                fault=fault,
                advice=_ADVICE[fault],
            )
