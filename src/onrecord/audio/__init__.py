"""Samples and bytes: G.711, WAV, MP3, levels. PyAV is at home here and is imported only when used."""
