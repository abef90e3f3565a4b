"""Header field values: from raw text to types (RFC 3261 §20, §25).

``sipmessage`` reads media types. The rest is read here: its grammar splits at commas and semicolons
inside quotes, and knows neither underscores in host names nor an IPv6 ``received``.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass

from sipmessage import MediaType

from onrecord.core.errors import PeerError

WORD = r"[A-Za-z0-9\-.!%*_+`'~]+"
_QUOTED = r'"(?:[^"\\]|\\.)*"'
_HOST = r"\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+"

_PIECES = {
    separator: re.compile(rf'{_QUOTED}|<[^>]*>|[^"<{separator}]+|{separator}', re.DOTALL)
    for separator in ",;"
}
_PARAMETER = re.compile(rf"({WORD})(?:\s*=\s*(\S.*))?", re.DOTALL)
_NAME = r"(?:[A-Za-z0-9\-.!%*_+`'~]|[^\x00-\x7f])+"
_NAME_ADDR = re.compile(
    rf"({_QUOTED}|(?:{_NAME}(?:\s+{_NAME})*)?)\s*<([^<>\s]+)>\s*(;.*)?", re.ASCII | re.DOTALL
)
_ADDR_SPEC = re.compile(r"([^<>\"\s;,?]+)\s*(;.*)?", re.ASCII | re.DOTALL)
_ABSOLUTE_URI = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:[^\s<>\"]+")
_SIP_URI = re.compile(
    rf"(sips?):(?:([^@\s<>\"]*)@)?({_HOST})(?::(\d{{1,5}}))?((?:;[^;?\s<>\"]+)*)(\?[^\s<>\"]*)?",
    re.ASCII | re.IGNORECASE,
)
_VIA = re.compile(
    rf"SIP\s*/\s*\d\.\d\s*/\s*({WORD})\s+({_HOST})\s*(?::\s*(\d{{1,5}}))?\s*(;.*)?",
    re.ASCII | re.IGNORECASE | re.DOTALL,
)
_CSEQ = re.compile(rf"([0-9]+)\s+({WORD})")
_CHALLENGE = re.compile(rf"({WORD})\s+(.+)", re.DOTALL)
_CSEQ_LIMIT = 2**31
_PORT_LIMIT = 65535


class SipSyntaxError(PeerError):
    """A message or header that breaks the grammar; its text may go into a reason phrase."""


@dataclass(frozen=True, slots=True)
class SipUri:
    """A ``sip:`` or ``sips:`` URI."""

    scheme: str
    """Lower case."""
    user: str
    """As written, escapes and password included; empty without one."""
    host: str
    """IPv6 without brackets."""
    port: int | None
    parameters: Mapping[str, str]
    """Names in lower case."""
    has_headers: bool
    """A ``?`` part, which a Request-URI must not have."""


@dataclass(frozen=True, slots=True)
class NameAddr:
    """A value of From, To, Contact, Route or Record-Route."""

    name: str
    """The display name, unquoted."""
    uri: str
    """As written."""
    parameters: Mapping[str, str]

    @property
    def tag(self) -> str:
        """The ``tag`` parameter, empty without one."""
        return self.parameters.get("tag", "")


@dataclass(frozen=True, slots=True)
class Via:
    """One hop of a Via list."""

    transport: str
    host: str
    """Of sent-by; IPv6 without brackets."""
    port: int | None
    parameters: Mapping[str, str]

    @property
    def branch(self) -> str:
        """The ``branch`` parameter, empty without one."""
        return self.parameters.get("branch", "")


def split_list(text: str, separator: str = ",") -> list[str]:
    """The parts between separators (``,`` or ``;``) outside quotes and angle brackets, stripped.

    Raises:
        SipSyntaxError: a quote or bracket is left open.
    """
    parts, end = [""], 0
    for piece in _PIECES[separator].finditer(text):
        if piece.start() != end:
            break
        end = piece.end()
        if piece[0] == separator:
            parts.append("")
        else:
            parts[-1] += piece[0]
    if end != len(text):
        raise SipSyntaxError("quote or bracket left open")
    return [part.strip() for part in parts]


def unquote(text: str) -> str:
    """Text without its double quotes and backslashes; what is not quoted stays as it is."""
    if len(text) < 2 or text[0] != '"':
        return text
    return re.sub(r"\\(.)", r"\1", text[1:-1], flags=re.DOTALL)


def quote(text: str) -> str:
    """A quoted string (RFC 3261 §25.1)."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'


def _parameters(parts: list[str]) -> dict[str, str]:
    found: dict[str, str] = {}
    for part in parts:
        match = _PARAMETER.fullmatch(part)
        if match is None:
            raise SipSyntaxError("malformed parameter")
        found.setdefault(match[1].lower(), match[2] or "")
    return found


def _after_semicolon(text: str | None) -> dict[str, str]:
    return _parameters(split_list(text.strip(), ";")[1:]) if text else {}


def parse_name_addr(text: str) -> NameAddr:
    """One address with its parameters; any URI scheme.

    Raises:
        SipSyntaxError: not such a value.
    """
    text = text.strip()
    if match := _NAME_ADDR.fullmatch(text):
        name, uri, rest = unquote(match[1].strip()), match[2], match[3]
    elif match := _ADDR_SPEC.fullmatch(text):
        name, uri, rest = "", match[1], match[2]
    else:
        raise SipSyntaxError("malformed address")
    if not _ABSOLUTE_URI.fullmatch(uri):
        raise SipSyntaxError("malformed URI in an address")
    return NameAddr(name, uri, _after_semicolon(rest))


def parse_via(text: str) -> Via:
    """One Via value, of any version: that is for the whole message to judge (505).

    Raises:
        SipSyntaxError: not such a value.
    """
    match = _VIA.fullmatch(text.strip())
    if match is None:
        raise SipSyntaxError("malformed Via")
    return Via(match[1].upper(), match[2].strip("[]"), _port(match[3]), _after_semicolon(match[4]))


def parse_sip_uri(text: str) -> SipUri:
    """A SIP or SIPS URI.

    Raises:
        SipSyntaxError: not such a URI.
    """
    match = _SIP_URI.fullmatch(text)
    if match is None:
        raise SipSyntaxError("malformed SIP URI")
    pairs = (part.partition("=") for part in match[5].split(";")[1:])
    parameters = {name.lower(): value for name, _, value in pairs}
    host, port = match[3].strip("[]"), _port(match[4])
    return SipUri(match[1].lower(), match[2] or "", host, port, parameters, match[6] is not None)


def _port(text: str | None) -> int | None:
    if text is None:
        return None
    if not 0 < int(text) <= _PORT_LIMIT:
        raise SipSyntaxError("port out of range")
    return int(text)


def parse_cseq(text: str) -> tuple[int, str]:
    """Sequence number (below 2**31) and method.

    Raises:
        SipSyntaxError: not such a value.
    """
    match = _CSEQ.fullmatch(text.strip())
    if match is None or len(match[1].lstrip("0")) > 10 or int(match[1]) >= _CSEQ_LIMIT:
        raise SipSyntaxError("malformed CSeq")
    return int(match[1]), match[2]


def parse_challenge(text: str) -> tuple[str, dict[str, str]]:
    """Scheme (lower case) and unquoted parameters of a WWW- or Proxy-Authenticate value.

    Raises:
        SipSyntaxError: not such a value.
    """
    match = _CHALLENGE.fullmatch(text.strip())
    if match is None:
        raise SipSyntaxError("malformed challenge")
    parameters = _parameters(split_list(match[2]))
    return match[1].lower(), {name: unquote(value) for name, value in parameters.items()}


def parse_media_type(text: str) -> tuple[str, dict[str, str]]:
    """Media type (lower case) and unquoted parameters.

    Raises:
        SipSyntaxError: not such a value.
    """
    try:
        media = MediaType.parse(text)
    except ValueError as error:
        raise SipSyntaxError("malformed media type") from error
    parameters = {name.lower(): unquote(value or "") for name, value in media.parameters.items()}
    return media.mime_type.lower(), parameters


def is_absolute_uri(text: str) -> bool:
    """Whether ``text`` has a scheme and no blanks, quotes or angle brackets."""
    return _ABSOLUTE_URI.fullmatch(text) is not None
