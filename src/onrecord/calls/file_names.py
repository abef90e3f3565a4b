"""Keys of finished files: safe on any file system, and in any bucket, whatever name was asked for."""

import unicodedata

from onrecord.calls.records import Recording
from onrecord.core.units import NS_PER_S, iso_millis

MOST_BASE_BYTES = 200
"""With suffix and extension a name stays under the 255 bytes that file systems allow."""

FALLBACK = "recording"
_FORBIDDEN = frozenset('/\\:*?"<>|')
_RESERVED = frozenset(
    {"con", "prn", "aux", "nul", "conin$", "conout$"}
    | {f"{port}{digit}" for port in ("com", "lpt") for digit in "0123456789¹²³"}
)


def file_key(recording: Recording) -> str:
    """``{YYYY-MM-DD}/{recording_id}/{name}-{unix seconds}.{format}``, the same whenever it is asked for.

    The name is the wanted one, made safe, or else the call_leg_id. The folder makes the key unique.
    """
    name = safe_name(recording.params.custom_file_name or recording.leg_id)
    day = iso_millis(recording.created_ns)[:10]
    seconds = recording.created_ns // NS_PER_S
    return f"{day}/{recording.id}/{name}-{seconds}.{recording.params.format}"


def safe_name(base: str) -> str:
    """``base`` with what no file name may hold replaced by ``_``; never empty, at most 200 bytes.

    Letters of every script stay. Replaced are path separators, control and invisible characters,
    halves of surrogate pairs, and what Windows forbids. The name neither begins nor ends with a
    dot or a blank.
    """
    text = unicodedata.normalize("NFC", base)
    text = "".join("_" if _is_forbidden(char) else char for char in text)
    text = _cut(text.strip(" ."), MOST_BASE_BYTES).rstrip(" .")
    if not text.strip("_"):
        return FALLBACK
    return f"{text}_" if text.split(".")[0].strip().casefold() in _RESERVED else text


def _is_forbidden(char: str) -> bool:
    # Cc control, Cf format, Cs surrogate, Co private, Cn unassigned, Zl and Zp line ends.
    category = unicodedata.category(char)
    return char in _FORBIDDEN or category[0] == "C" or category in {"Zl", "Zp"}


def _cut(text: str, most_bytes: int) -> str:
    return text.encode()[:most_bytes].decode(errors="ignore")


def check_key(key: str) -> None:
    """Accept a relative path that cannot leave its folder.

    Raises:
        ValueError: an empty, absolute, overlong or dotted part, a backslash, or a control character.
    """
    if len(key) > 1024 or "\\" in key or any(_is_control(char) for char in key):
        raise ValueError(f"not a file key: {key[:80]!r}")
    for part in key.split("/"):
        if part.strip(" .") == "" or len(part.encode()) > 255 or part.endswith(".part"):
            raise ValueError(f"not a file key: {key[:80]!r}")


def _is_control(char: str) -> bool:
    return unicodedata.category(char) in {"Cc", "Cs"}
