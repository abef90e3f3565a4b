"""Spools to finished files: the timeline's samples, mixed or side by side, as WAV or MP3."""

from onrecord.mastering.master import Mastered, MasteringError, master

__all__ = ["Mastered", "MasteringError", "master"]
