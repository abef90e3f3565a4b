"""hangup_cause, hangup_source and sip_hangup_cause (contract sections 9.1 and 15)."""

import itertools

import pytest

from onrecord.calls.hangup import Ending, OurReason, outcome
from onrecord.calls.records import Direction

IN, OUT = Direction.INCOMING, Direction.OUTGOING
FAR = {"by_remote": True}


@pytest.mark.parametrize(
    ("direction", "answered", "ending", "expected"),
    [
        (IN, True, Ending(status=200, reason="bye", **FAR), "normal_clearing caller 200"),
        (OUT, True, Ending(status=200, reason="bye", **FAR), "normal_clearing callee 200"),
        (IN, True, Ending(OurReason.COMMAND), "normal_clearing callee 200"),
        (OUT, True, Ending(OurReason.COMMAND), "normal_clearing caller 200"),
        (OUT, True, Ending(OurReason.PARTNER), "normal_clearing caller 200"),
        (OUT, True, Ending(OurReason.TIME_LIMIT), "time_limit unknown 200"),
        (IN, True, Ending(OurReason.NODE_LOST), "unspecified unknown unspecified"),
        (IN, True, Ending(reason="timeout"), "unspecified unknown unspecified"),
        (OUT, False, Ending(status=486, reason="rejected", **FAR), "user_busy callee 486"),
        (OUT, False, Ending(status=600, reason="rejected", **FAR), "user_busy callee 600"),
        (OUT, False, Ending(status=603, reason="rejected", **FAR), "call_rejected callee 603"),
        (OUT, False, Ending(status=403, reason="rejected", **FAR), "call_rejected callee 403"),
        (OUT, False, Ending(status=404, reason="rejected", **FAR), "not_found callee 404"),
        (OUT, False, Ending(status=480, reason="rejected", **FAR), "no_answer callee 480"),
        (OUT, False, Ending(status=408, reason="rejected", **FAR), "timeout callee 408"),
        (OUT, False, Ending(status=500, reason="rejected", **FAR), "unspecified callee 500"),
        (OUT, False, Ending(reason="timeout"), "timeout unknown unspecified"),
        (OUT, False, Ending(OurReason.DIAL_TIMEOUT), "timeout unknown 487"),
        (OUT, False, Ending(OurReason.COMMAND), "originator_cancel caller 487"),
        (OUT, False, Ending(OurReason.MEDIA), "unspecified unknown 488"),
        (IN, False, Ending(status=487, reason="cancel", **FAR), "originator_cancel caller 487"),
        (IN, False, Ending(OurReason.REJECT_BUSY), "user_busy callee 486"),
        (IN, False, Ending(OurReason.REJECT_CALL), "call_rejected callee 603"),
        (IN, False, Ending(OurReason.COMMAND), "call_rejected callee 603"),
        (IN, False, Ending(OurReason.RING_TIMEOUT), "timeout unknown 480"),
        (IN, False, Ending(OurReason.SHUTDOWN), "unspecified unknown 503"),
    ],
)
def test_what_an_ending_is_called(direction, answered, ending, expected):
    got = outcome(direction, answered=answered, ending=ending)
    assert f"{got.cause} {got.source} {got.sip_cause}" == expected


def test_every_ending_has_a_name():
    endings = [Ending(ours) for ours in OurReason] + [
        Ending(None, status, by_remote, reason)
        for status in (None, 200, 408, 487, 499, 606)
        for by_remote in (True, False)
        for reason in ("bye", "cancel", "rejected", "timeout", "failed")
    ]
    for direction, answered, ending in itertools.product(Direction, (True, False), endings):
        got = outcome(direction, answered=answered, ending=ending)
        assert got.sip_cause == "unspecified" or got.sip_cause.isdigit()
