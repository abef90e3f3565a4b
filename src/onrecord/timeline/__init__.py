"""Spool facts in, sample positions out: a pure fold that decides what the live path only stored."""

from onrecord.timeline.deviations import Cause, Deviations, Reanchor
from onrecord.timeline.fold import Timeline

__all__ = ["Cause", "Deviations", "Reanchor", "Timeline"]
