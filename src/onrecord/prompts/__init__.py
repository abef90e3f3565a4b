"""The audio that is played into calls: fetched, read or spoken, and made ready to be sent.

Nothing of this runs on the media loop, and what computes runs on a thread.
"""
