"""Links that give one thing to anybody for a while: HMAC-SHA256 (RFC 2104) over expiry and path. Pure."""

import base64
import hashlib
import hmac
from dataclasses import dataclass, field
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
    """It is good, but what it gave is gone."""


class LinkError(OnrecordError):
    """A link gives nothing; ``reason`` says why."""

    def __init__(self, reason: LinkFault) -> None:
        super().__init__(f"the link is {reason.value}")
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Links:
    """Satisfies ``service.ports.Links``."""

    base_url: str
    """Where the API is reached by those who get links."""
    secret: bytes = field(repr=False)
    valid_secs: int

    def link(self, path: str, now_ns: int) -> str:
        """A URL that gives what is at ``path`` to anybody for ``valid_secs`` from ``now_ns`` (UTC)."""
        return link(self.base_url, self.secret, path, now_ns // NS_PER_S + self.valid_secs)

    def holds(self, path: str, expires: str, signature: str, now_ns: int) -> bool:
        """Whether these are the parts of a link that was made here and is not over; raises nothing."""
        try:
            verify(self.secret, path, expires, signature, now_ns)
        except LinkError:
            return False
        return True


def sign(secret: bytes, path: str, expires: int) -> str:
    """The signature of a link to ``path`` that ends at ``expires`` (Unix seconds); base64url."""
    digest = hmac.digest(secret, b"%d\n%b" % (expires, path.encode()), hashlib.sha256)
    return base64.urlsafe_b64encode(digest).rstrip(b"=").decode("ascii")


def link(base_url: str, secret: bytes, path: str, expires: int) -> str:
    """``{base_url}/{path}?expires=...&signature=...``."""
    query = urlencode({"expires": expires, "signature": sign(secret, path, expires)})
    return f"{base_url.rstrip('/')}/{quote(path)}?{query}"


def verify(secret: bytes, path: str, expires: str, signature: str, now_ns: int) -> None:
    """Accept what ``link`` made while it is valid.

    Raises:
        LinkError: the link was changed or is over; nothing else, whatever the arguments hold.
    """
    if not (expires.isascii() and expires.isdecimal() and len(expires) <= 12):
        raise LinkError(LinkFault.WRONG)
    try:
        wanted = sign(secret, path, int(expires)).encode()
    except UnicodeEncodeError as error:
        raise LinkError(LinkFault.WRONG) from error
    if not hmac.compare_digest(wanted, signature.encode(errors="replace")):
        raise LinkError(LinkFault.WRONG)
    if now_ns >= int(expires) * NS_PER_S:
        raise LinkError(LinkFault.EXPIRED)
