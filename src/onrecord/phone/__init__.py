"""A softphone of our own, for the demo, the tests and the benchmarks: real SIP, real RTP, G.711."""

from onrecord.phone.clips import read_clip, tone
from onrecord.phone.packets import Faults
from onrecord.phone.phone import CallFailed, TestPhone

__all__ = ["CallFailed", "Faults", "TestPhone", "read_clip", "tone"]
