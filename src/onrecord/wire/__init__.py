"""Telnyx's JSON shapes, both ways: request bodies to commands, values to resources, events and errors.

Pure: text and values in, values and text out. What a command means is not known here.
"""
