"""Legs and recordings as values, and what may happen to them as tables. Pure: no I/O, no clock."""
