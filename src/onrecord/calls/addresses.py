"""Numbers and SIP URIs as applications see them. Text in, text out; nothing here raises."""

import re

_E164 = re.compile(r"\+[1-9]\d{1,14}")
_SIP = re.compile(
    r"\s*<?(?P<scheme>sips?|tel):(?:(?P<user>[^@;?>\s]+)@)?(?P<host>\[[^\]>\s]+\]|[^:;?>\s]+)",
    re.IGNORECASE,
)
"""The parts of a SIP URI that count here (RFC 3261 §19.1.1); a tel URI's number is its host."""


def is_e164(text: str) -> bool:
    """True for ``+`` and 2 to 15 digits of which the first is not zero."""
    return _E164.fullmatch(text) is not None


def user_of(uri: str) -> str | None:
    """User part of a SIP URI (the number of a tel URI), without password; None when it has none."""
    match = _SIP.match(uri)
    if match is None:
        return None
    if match["scheme"].lower() == "tel":
        return match["host"]
    return match["user"].partition(":")[0] if match["user"] else None


def shown_address(uri: str) -> str:
    """How an address of the SIP side is shown: the number where the user part is +E.164.

    Everything else is shown as ``sip:user@host``, without port, parameters and headers. Digits
    without a ``+`` are not taken for a number: what they mean depends on the dialling plan of the
    sender. Text that is not a SIP URI is shown as it is.
    """
    match = _SIP.match(uri)
    user = user_of(uri)
    if match is None or (user is not None and is_e164(user)):
        return user or uri
    scheme, host = match["scheme"].lower(), match["host"]
    return f"{scheme}:{user}@{host}" if match["user"] else f"{scheme}:{host}"


def routing_keys(*uris: str) -> tuple[str, ...]:
    """What a call to ``uris`` may be routed by, best first.

    For each URI its user part, then ``+`` and that where it is digits only.
    """
    keys: list[str] = []
    for uri in uris:
        user = user_of(uri)
        if user is not None:
            keys += [user, *([f"+{user}"] if is_e164(f"+{user}") else [])]
    return tuple(dict.fromkeys(keys))


def through_proxy(number: str, proxy: str) -> str:
    """Request-URI of a call to ``number`` through ``proxy``: the proxy's URI with the number as user."""
    scheme, _, rest = proxy.partition(":")
    host = rest.partition("@")[2] or rest
    return f"{scheme}:{number}@{host}"
