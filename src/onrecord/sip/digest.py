"""Answers to digest challenges (RFC 3261 §22, RFC 2617, RFC 8760)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from onrecord.sip.headers import SipSyntaxError, parse_challenge, quote, split_list, unquote
from onrecord.sip.message import Header, Message

_HASHES = {"sha-256": hashlib.sha256, "md5": hashlib.md5}
"""Algorithms by lower-case name, the preferred one first."""
_CHALLENGES = {
    401: ("www-authenticate", "Authorization"),
    407: ("proxy-authenticate", "Proxy-Authorization"),
}
CREDENTIAL_HEADERS = ("authorization", "proxy-authorization")


@dataclass(frozen=True, slots=True)
class Login:
    """A user and password for any realm."""

    username: str
    password: str


@dataclass(frozen=True, slots=True)
class _Challenge:
    realm: str
    nonce: str
    algorithm: str
    """Lower case."""
    named_algorithm: str
    """As the challenge wrote it; empty without one."""
    opaque: str | None
    has_qop: bool
    stale: bool


def _read(text: str) -> _Challenge | None:
    """A challenge that can be answered, else None."""
    try:
        scheme, values = parse_challenge(text)
    except SipSyntaxError:
        return None
    named = values.get("algorithm", "")
    algorithm = named.lower() or "md5"
    offered = [each.strip().lower() for each in values.get("qop", "").split(",") if each.strip()]
    if scheme != "digest" or algorithm not in _HASHES or "nonce" not in values:
        return None
    if offered and "auth" not in offered:
        return None
    stale = values.get("stale", "").lower() == "true"
    return _Challenge(
        values.get("realm", ""),
        values["nonce"],
        algorithm,
        named,
        values.get("opaque"),
        bool(offered),
        stale,
    )


def _best(challenges: Sequence[_Challenge]) -> _Challenge | None:
    order = list(_HASHES)
    return min(challenges, key=lambda each: order.index(each.algorithm), default=None)


def authorize(
    request: Message, response: Message, login: Login, cnonce: str
) -> tuple[Header, ...] | None:
    """Credentials that answer a 401 or 407; None when there is nothing (more) to try.

    ``request`` is the one that was refused: credentials in it were wrong unless the challenge says
    ``stale``. Never raises.
    """
    if response.status not in _CHALLENGES:
        return None
    source, target = _CHALLENGES[response.status]
    readable = [each for text in response.all(source) if (each := _read(text)) is not None]
    challenge = _best(readable)
    if challenge is None:
        return None
    earlier = request.get(target.lower())
    if earlier is not None and not _is_news(earlier, challenge):
        return None
    return ((target, _credentials(request, challenge, login, cnonce)),)


def _is_news(earlier: str, challenge: _Challenge) -> bool:
    """Whether refused credentials are worth another try: the nonce was too old, or another realm's."""
    used = dict(part.partition("=")[::2] for part in split_list(earlier.partition(" ")[2]))
    same_nonce = unquote(used.get("nonce", "")) == challenge.nonce
    same_realm = unquote(used.get("realm", "")) == challenge.realm
    return not same_nonce and (challenge.stale or not same_realm)


def _credentials(request: Message, challenge: _Challenge, login: Login, cnonce: str) -> str:
    def hashed(*parts: str) -> str:
        return _HASHES[challenge.algorithm](
            ":".join(parts).encode("utf-8", "surrogateescape")
        ).hexdigest()

    secret = hashed(login.username, challenge.realm, login.password)
    action = hashed(request.method, request.uri)
    fields = [
        f"username={quote(login.username)}",
        f"realm={quote(challenge.realm)}",
        f"nonce={quote(challenge.nonce)}",
        f"uri={quote(request.uri)}",
    ]
    if challenge.has_qop:
        count = "00000001"
        result = hashed(secret, challenge.nonce, count, cnonce, "auth", action)
        fields += [
            f"response={quote(result)}",
            f"cnonce={quote(cnonce)}",
            f"nc={count}",
            "qop=auth",
        ]
    else:
        fields.append(f"response={quote(hashed(secret, challenge.nonce, action))}")
    if challenge.named_algorithm:
        fields.append(f"algorithm={challenge.named_algorithm}")
    if challenge.opaque is not None:
        fields.append(f"opaque={quote(challenge.opaque)}")
    return "Digest " + ", ".join(fields)
