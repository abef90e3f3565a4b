"""Spools to finished files: the timeline's samples, mixed or side by side, as WAV or MP3."""

from onrecord.mastering.keeping import Masters
from onrecord.mastering.master import Master, master
from onrecord.mastering.mastered import Mastered, MasteringError
from onrecord.mastering.report import Report, TrackReport

__all__ = [
    "Master",
    "Mastered",
    "MasteringError",
    "Masters",
    "Report",
    "TrackReport",
    "master",
]
