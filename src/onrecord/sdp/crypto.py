"""Keys for SRTP in session descriptions: the ``crypto`` attribute (SDES, RFC 4568)."""

import base64
import binascii
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field

SUITES = ("AES_CM_128_HMAC_SHA1_80", "AES_CM_128_HMAC_SHA1_32")
"""Those that we speak, best first (RFC 4568 §6.2)."""

KEY_BYTES = 30
"""Master key of 16 bytes and master salt of 14 (RFC 4568 §6.1)."""

_LINE = re.compile(
    r"(\d{1,9})[ ]+([A-Za-z0-9_]+)[ ]+inline:([A-Za-z0-9+/]{40})"
    r"(?:\|(?:2\^)?\d{1,18})?((?:[ ]+\S+)*)[ ]*",
    re.ASCII,
)
_WINDOW = re.compile(r"WSH=\d{1,5}", re.ASCII)
"""The one session parameter that changes nothing for a receiver (RFC 4568 §6.3.7)."""


@dataclass(frozen=True, slots=True)
class Crypto:
    """One suite with the key of whoever wrote it: it protects what that side sends."""

    tag: int
    suite: str
    key: str = field(repr=False)
    """Base64 of KEY_BYTES."""

    def __str__(self) -> str:
        return f"{self.tag} {self.suite} inline:{self.key}"


@dataclass(frozen=True, slots=True)
class Srtp:
    """What protects the audio of one leg, both ways."""

    suite: str
    send_key: str = field(repr=False)
    """Base64 of KEY_BYTES."""
    receive_key: str = field(repr=False)


def our_lines(keys: Sequence[str]) -> tuple[Crypto, ...]:
    """One line for each suite that we speak; ``keys`` holds a key for each, as a key is used once."""
    return tuple(
        Crypto(tag, suite, key)
        for tag, (suite, key) in enumerate(zip(SUITES, keys, strict=True), 1)
    )


def read_lines(values: Iterable[str]) -> tuple[Crypto, ...]:
    """The lines that we can serve, in order.

    Left out are other suites, several keys, a master key identifier (its field would be in each packet)
    and session parameters, which change the packets and may not be ignored (RFC 4568 §6.3).
    """
    found = (_read(value) for value in values)
    return tuple(line for line in found if line is not None)


def _read(value: str) -> Crypto | None:
    match = _LINE.fullmatch(value.strip())
    if match is None:
        return None
    tag, suite, key, parameters = match.groups()
    if suite.upper() not in SUITES or not all(map(_WINDOW.fullmatch, parameters.split())):
        return None
    try:
        whole = len(base64.b64decode(key, validate=True)) == KEY_BYTES
    except binascii.Error:
        return None
    return Crypto(int(tag), suite.upper(), key) if whole else None
