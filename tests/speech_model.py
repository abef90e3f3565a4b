"""The Whisper model of the tests: that of the demo."""

import pytest

from onrecord.demo.model import NoModelError, fetch_model


def tiny_english():
    """The folder that holds the folder ``tiny.en``; skips the test where it cannot be had."""
    try:
        return fetch_model()
    except NoModelError as error:
        pytest.skip(str(error))
