"""Links that give one file to anybody for a while: HMAC-SHA256 (RFC 2104) over expiry and key. Pure."""

import base64
import hashlib
import hmac
from enum import StrEnum
from urllib.parse import quote, urlencode

from onrecord.core.errors import OnrecordError
from onrecord.core.units import NS_PER_S


class LinkFault(StrEnum):
    """Why a link gives nothing."""

    EXPIRED = "expired"
    WRONG = "wrong"
    """It was not made here, or was changed."""
    MISSING = "missing"
    """It is good, but its file is gone."""


class LinkError(OnrecordError):
    """A link gives no file; ``reason`` says why."""

    def __init__(self, reason: LinkFault) -> None:
        super().__init__(f"the link is {reason.value}")
        self.reason = reason


def sign(secret: bytes, key: str, expires: int) -> str:
    """The signature of a link to ``key`` that ends at ``expires`` (Unix seconds); base64url."""
    digest = hmac.digest(secret, b"%d\n%b" % (expires, key.encode()), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def link(base_url: str, secret: bytes, key: str, expires: int) -> str:
    """``{base_url}/files/{key}?expires=...&signature=...``."""
    query = urlencode({"expires": expires, "signature": sign(secret, key, expires)})
    return f"{base_url.rstrip('/')}/files/{quote(key)}?{query}"


def verify(secret: bytes, key: str, expires: str, signature: str, now_ns: int) -> None:
    """Accept what ``link`` made while it is valid.

    Raises:
        LinkError: the link was changed or is over; nothing else, whatever the arguments hold.
    """
    if not (expires.isascii() and expires.isdecimal() and len(expires) <= 12):
        raise LinkError(LinkFault.WRONG)
    try:
        wanted = sign(secret, key, int(expires)).encode()
    except UnicodeEncodeError as error:
        raise LinkError(LinkFault.WRONG) from error
    if not hmac.compare_digest(wanted, signature.encode(errors="replace")):
        raise LinkError(LinkFault.WRONG)
    if now_ns >= int(expires) * NS_PER_S:
        raise LinkError(LinkFault.EXPIRED)
