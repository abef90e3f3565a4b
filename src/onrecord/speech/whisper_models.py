"""Whisper models as local folders: which there are, which are on this machine, and fetching one.

The server only ever loads a folder. ``pull`` is the one function that goes to the internet, when an operator
asks for it; what arrives must have the revision and the hash that are written here.
"""

import hashlib
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from onrecord.core.errors import OnrecordError

DEFAULT_MODEL: Final = "small"
WEIGHTS: Final = "model.bin"
NEEDED: Final = (WEIGHTS, "config.json", "tokenizer.json")
"""Files without which a model does not load offline."""

_PATTERNS = ["*.json", "vocabulary.*", WEIGHTS]
_READ_BYTES = 1 << 20


@dataclass(frozen=True, slots=True)
class KnownModel:
    """A model that can be pulled: one exact set of bytes, all under the MIT licence."""

    repository: str
    """On huggingface.co."""
    revision: str
    """Commit of the repository."""
    sha256: str
    """Of the weights, hexadecimal."""
    size_mb: int


CATALOGUE: Final = {
    "tiny": KnownModel(
        "Systran/faster-whisper-tiny",
        "d90ca5fe260221311c53c58e660288d3deb8d356",
        "dcb76c6586fc06cbdac6dd21f14cfd129cc4cdd9dce19bf4ffa62e59cbe6e6d1",
        76,
    ),
    "tiny.en": KnownModel(
        "Systran/faster-whisper-tiny.en",
        "0d3d19a32d3338f10357c0889762bd8d64bbdeba",
        "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a",
        76,
    ),
    "base": KnownModel(
        "Systran/faster-whisper-base",
        "ebe41f70d5b6dfa9166e2c581c45c9c0cfc57b66",
        "d01c3014881c9c6f3133c182f3d2887eb6ca1c789a7538c5c007196857a0a6a9",
        145,
    ),
    "small": KnownModel(
        "Systran/faster-whisper-small",
        "536b0662742c02347bc0e980a01041f333bce120",
        "3e305921506d8872816023e4c273e75d2419fb89b24da97b4fe7bce14170d671",
        484,
    ),
    "medium": KnownModel(
        "Systran/faster-whisper-medium",
        "08e178d48790749d25932bbc082711ddcfdfbc4f",
        "9b45e1009dcc4ab601eff815b61d80e60ce3fd8c74c1a14f4a282258286b51ae",
        1528,
    ),
    "large-v3": KnownModel(
        "Systran/faster-whisper-large-v3",
        "edaa852ec7e145841d8ffdb056a99866b5f0a478",
        "69f74147e3334731bc3a76048724833325d2ec74642fb52620eda87352e3d4f1",
        3087,
    ),
    "large-v3-turbo": KnownModel(
        "deepdml/faster-whisper-large-v3-turbo-ct2",
        "4df90f75321148c3a29a9e2351b7ddf8f5b115a8",
        "e76620f83d5f5b69efd3d87e3dc180c1bd21df9fbebacfd4335e5e1efcc018da",
        1618,
    ),
}
"""By the name that ``transcription_model`` and ``models pull`` take."""


class ModelError(OnrecordError):
    """A model is not there, not whole or could not be fetched; the text says what to do."""


@dataclass(frozen=True, slots=True)
class LocalModel:
    """A folder that can be loaded."""

    name: str
    path: Path
    size_bytes: int
    known: bool
    """Its name is in the catalogue."""


Fetch = Callable[[KnownModel, Path], None]
"""Puts a model's files into an empty folder; raises ModelError."""


def find_model(model: str, folder: Path) -> Path:
    """The folder of a model that is on this machine.

    Args:
        model: A name within ``folder``, or the path of a folder anywhere.
        folder: Where pulled models are.

    Raises:
        ModelError: it is not there, or files are missing in it.
    """
    named = folder / model
    path = named if named.is_dir() else Path(model)
    if not path.is_dir():
        hint = (
            f"onrecord models pull {model}" if model in CATALOGUE else "name a folder that exists"
        )
        raise ModelError(f"there is no transcription model {model} in {folder}: {hint}")
    missing = [name for name in NEEDED if not (path / name).is_file()]
    if missing:
        raise ModelError(f"the transcription model in {path} lacks {', '.join(missing)}")
    return path


def list_models(folder: Path) -> list[LocalModel]:
    """The models in a folder that can be loaded, by name; none where there is no folder."""
    if not folder.is_dir():
        return []
    return [
        LocalModel(path.name, path, _size(path), path.name in CATALOGUE)
        for path in sorted(folder.iterdir())
        if path.is_dir() and all((path / name).is_file() for name in NEEDED)
    ]


def pull_model(name: str, folder: Path, fetch: Fetch | None = None) -> LocalModel:
    """Fetch a model of the catalogue into ``folder``; one that is there and whole is left as it is.

    Args:
        name: See :data:`CATALOGUE`.
        folder: Made where it is missing.
        fetch: What fetches; by default from huggingface.co, or the mirror in ``HF_ENDPOINT``.

    Raises:
        ModelError: unknown name, no connection, or bytes that are not the expected ones.
        OSError: the disk refused.
    """
    if name not in CATALOGUE:
        raise ModelError(f"{name} is not one of the known models: {', '.join(CATALOGUE)}")
    known, target = CATALOGUE[name], folder / name
    if not (target.is_dir() and _sha256(target / WEIGHTS) == known.sha256):
        part = folder / f"{name}.part"
        part.mkdir(parents=True, exist_ok=True)
        (fetch or _fetch)(known, part)
        if _sha256(part / WEIGHTS) != known.sha256:
            shutil.rmtree(part)
            raise ModelError(
                f"the weights of {name} that arrived are not the expected ones: removed"
            )
        shutil.rmtree(part / ".cache", ignore_errors=True)
        shutil.rmtree(target, ignore_errors=True)
        part.rename(target)
    return LocalModel(name, find_model(name, folder), _size(target), known=True)


def _fetch(known: KnownModel, folder: Path) -> None:
    import httpx
    from huggingface_hub import constants, snapshot_download

    revision = f"/api/models/{known.repository}/revision/{known.revision}"
    try:
        # Asked first, because the library tries long where there is no connection.
        httpx.get(constants.ENDPOINT + revision, timeout=10).raise_for_status()
        snapshot_download(
            known.repository, revision=known.revision, local_dir=folder, allow_patterns=_PATTERNS
        )
    except (httpx.HTTPError, OSError) as error:
        raise ModelError(
            f"{known.repository} could not be fetched: {_first_line(error)}: this needs a connection to"
            f" huggingface.co or a mirror in HF_ENDPOINT; without one copy the files of revision"
            f" {known.revision} into a folder and name that in transcription_model"
        ) from error


def _first_line(error: Exception) -> str:
    return (str(error) or type(error).__name__).splitlines()[0]


def _sha256(path: Path) -> str | None:
    if not path.is_file():
        return None
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(_READ_BYTES):
            digest.update(block)
    return digest.hexdigest()


def _size(folder: Path) -> int:
    return sum(file.stat().st_size for file in folder.rglob("*") if file.is_file())
