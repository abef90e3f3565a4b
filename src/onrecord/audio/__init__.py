"""Samples and bytes: G.711, WAV, MP3, levels. PyAV and LAME are at home here; PyAV is loaded when used."""
