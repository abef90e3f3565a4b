"""What a member of a request body may be, said once: it checks the member and describes it in OpenAPI.

A body is a sequence of fields. :func:`read` checks a JSON object against it and keeps every fault;
:func:`object_schema` gives its JSON Schema (draft 2020-12, as OpenAPI 3.1 uses it). Members without
a field are ignored, and null counts as absent unless the field is nullable.
"""

import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from onrecord.calls.addresses import is_e164
from onrecord.core.errors import CallerError
from onrecord.wire import errors

INT32_MAX = 2**31 - 1

Check = Callable[[str, str], CallerError | None]
"""Given the path of a text and the text: what is wrong with it, or None."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Field(ABC):
    """One member; subclasses know its JSON type."""

    name: str
    description: str
    example: object = None
    required: bool = False
    nullable: bool = False
    """True where an explicit null differs from absence."""
    default: Any = None
    """What an absent member counts as."""

    @abstractmethod
    def parse(self, path: str, value: object) -> Any:
        """The checked value; ``path`` names it in faults.

        Raises:
            CallerError: it is not what the field takes.
        """

    @abstractmethod
    def constraints(self) -> dict[str, object]:
        """JSON Schema of the value without description, default and example."""

    def schema(self) -> dict[str, object]:
        """JSON Schema of the member."""
        schema = self.constraints()
        if self.nullable:
            schema["type"] = [schema["type"], "null"]
        schema["description"] = self.description
        if self.default is not None:
            schema["default"] = self.default
        if self.example is not None:
            schema["examples"] = [self.example]
        return schema


@dataclass(frozen=True, slots=True, kw_only=True)
class Text(Field):
    """A string, with bounds on its length in characters."""

    low: int | None = None
    high: int | None = None
    pattern: str | None = None
    """For the document; ``check`` is what refuses."""
    check: Check | None = None

    def parse(self, path: str, value: object) -> str:
        """The text itself."""
        if not isinstance(value, str):
            raise errors.wrong_type(path, "string")
        low, high = self.low or 0, self.high
        if len(value) < low or (high is not None and len(value) > high):
            raise errors.bad_length(path, low, high or len(value))
        fault = self.check(path, value) if self.check else None
        if fault is not None:
            raise fault
        return value

    def constraints(self) -> dict[str, object]:
        """``minLength``, ``maxLength`` and ``pattern`` where there are any."""
        schema: dict[str, object] = {"type": "string"}
        return schema | _present(
            {"minLength": self.low, "maxLength": self.high, "pattern": self.pattern}
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class SingleTarget(Text):
    """A string, or an array that holds exactly one."""

    def parse(self, path: str, value: object) -> str:
        """The text itself."""
        if not isinstance(value, list):
            return Text.parse(self, path, value)
        if len(value) != 1:
            raise errors.invalid_value(path, "Exactly one target can be dialled at a time.")
        return Text.parse(self, path, value[0])

    def constraints(self) -> dict[str, object]:
        """Either form."""
        text = Text.constraints(self)
        return {"anyOf": [text, {"type": "array", "items": text, "minItems": 1, "maxItems": 1}]}


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice(Field):
    """One of a few strings."""

    values: tuple[str, ...]

    def parse(self, path: str, value: object) -> str:
        """The text itself."""
        if not isinstance(value, str):
            raise errors.wrong_type(path, "string")
        if value not in self.values:
            raise errors.not_allowed(path, self.values)
        return value

    def constraints(self) -> dict[str, object]:
        """``enum``."""
        return {"type": "string", "enum": list(self.values)}


@dataclass(frozen=True, slots=True, kw_only=True)
class Integer(Field):
    """A whole number that fits 32 bits; a JSON number without a fraction, such as 10.0, is one."""

    low: int | None = None
    high: int | None = None

    def parse(self, path: str, value: object) -> int:
        """The number as int."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise errors.wrong_type(path, "integer")
        low = -INT32_MAX - 1 if self.low is None else self.low
        high = INT32_MAX if self.high is None else self.high
        if not low <= value <= high:
            raise errors.out_of_range(path, low, high)
        return value

    def constraints(self) -> dict[str, object]:
        """``minimum``, ``maximum`` and the format ``int32``."""
        schema: dict[str, object] = {"type": "integer", "format": "int32"}
        return schema | _present({"minimum": self.low, "maximum": self.high})


@dataclass(frozen=True, slots=True, kw_only=True)
class Flag(Field):
    """true or false."""

    def parse(self, path: str, value: object) -> bool:
        """The flag itself."""
        if not isinstance(value, bool):
            raise errors.wrong_type(path, "boolean")
        return value

    def constraints(self) -> dict[str, object]:
        """The type alone."""
        return {"type": "boolean"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Group(Field):
    """An object with fields of its own."""

    fields: tuple[Field, ...]

    def parse(self, path: str, value: object) -> dict[str, Any]:
        """The members that were given; unknown ones are left out, defaults are not filled in."""
        if not isinstance(value, dict):
            raise errors.wrong_type(path, "object")
        found = read(self.fields, value, within=path + "/")
        found.refuse_faults()
        return {name: found.values[name] for name in found.given}

    def constraints(self) -> dict[str, object]:
        """The schema of the object."""
        return object_schema(self.fields)


@dataclass(frozen=True, slots=True, kw_only=True)
class ListOf(Field):
    """An array whose items are one field each; the item's name is not used."""

    item: Field
    low: int = 0
    high: int

    def parse(self, path: str, value: object) -> tuple[Any, ...]:
        """The items, checked."""
        if not isinstance(value, list):
            raise errors.wrong_type(path, "array")
        if not self.low <= len(value) <= self.high:
            raise errors.wrong_count(path, self.low, self.high)
        return tuple(self.item.parse(f"{path}/{at}", item) for at, item in enumerate(value))

    def constraints(self) -> dict[str, object]:
        """``items`` with bounds on their number."""
        schema: dict[str, object] = {"type": "array", "items": self.item.schema()}
        return schema | _present({"minItems": self.low or None, "maxItems": self.high})


@dataclass(slots=True)
class Reading:
    """A body that was read: its values, with defaults for what is absent, and its faults."""

    fields: Sequence[Field]
    values: dict[str, Any] = field(default_factory=dict)
    given: list[str] = field(default_factory=list)
    """Members that the caller sent and that are sound, in the order of the fields."""
    faults: list[tuple[int, CallerError]] = field(default_factory=list)

    def add_fault(self, name: str, fault: CallerError) -> None:
        """Note a fault of member ``name`` that only shows beside other members."""
        order = [known.name for known in self.fields].index(name)
        self.faults.append((order, fault))

    def sound(self, *names: str) -> bool:
        """True when none of the members has a fault so far, so that they can be compared."""
        bad = {self.fields[order].name for order, _ in self.faults}
        return not bad.intersection(names)

    def refuse_faults(self) -> None:
        """Go on only with a faultless body.

        Raises:
            CallerError: all faults, in the order of the fields.
        """
        if self.faults:
            self.faults.sort(key=lambda entry: entry[0])
            raise errors.combine(fault for _, fault in self.faults)


def read(fields: Sequence[Field], body: Mapping[str, object], *, within: str = "") -> Reading:
    """Check every member of ``body`` that has a field; never raises.

    Args:
        fields: What the body may hold.
        body: A JSON object.
        within: Path of the object inside the request, empty or ending in ``/``.
    """
    reading = Reading(fields)
    for order, known in enumerate(fields):
        value = body.get(known.name)
        reading.values[known.name] = known.default
        try:
            if known.required and _is_blank(value):
                raise errors.missing(within + known.name)
            if value is not None:
                reading.values[known.name] = known.parse(within + known.name, value)
                reading.given.append(known.name)
            elif known.nullable and known.name in body:
                reading.values[known.name] = None
                reading.given.append(known.name)
        except CallerError as fault:
            reading.faults.append((order, fault))
    return reading


def _present(members: Mapping[str, object]) -> dict[str, object]:
    return {name: value for name, value in members.items() if value is not None}


def _is_blank(value: object) -> bool:
    return value is None or (isinstance(value, str) and not value.strip())


def object_schema(fields: Iterable[Field], title: str | None = None) -> dict[str, object]:
    """JSON Schema of an object with these members; others are allowed, since they are ignored."""
    known = tuple(fields)
    schema: dict[str, object] = {"type": "object"}
    if title is not None:
        schema["title"] = title
    required = [member.name for member in known if member.required]
    if required:
        schema["required"] = required
    schema["properties"] = {member.name: member.schema() for member in known}
    return schema


BASE64_PATTERN = r"^(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?$"
ADDRESS_PATTERN = r"^(\+[1-9][0-9]{1,14}|sip:\S+)$"
_BASE64 = re.compile(BASE64_PATTERN[1:-1])
_SIP_URI = re.compile(
    r"""sip:(?:[^\s<>"@]+@)?(?:\[[0-9a-f:.]+\]|[a-z0-9._-]+)(?::[0-9]{1,5})?(?:[;?][^\s<>"]*)?""",
    re.IGNORECASE,
)
_URL = re.compile(r"https?://[^\s/?#\x00-\x1f\x7f]+[^\s\x00-\x1f\x7f]*", re.IGNORECASE)
_UUID = re.compile(r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}")
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_TOKEN = re.compile(r"[A-Za-z0-9!%*_+`'~.-]+")


def is_base64(path: str, value: str) -> CallerError | None:
    """``client_state``: padded base64 of the standard alphabet, without line breaks."""
    return None if _BASE64.fullmatch(value) else errors.client_state_not_base64(path)


def is_address(path: str, value: str) -> CallerError | None:
    """A number in +E.164 form or a ``sip:`` URI."""
    plain = value.isascii() and value.isprintable()
    ok = plain and (is_e164(value) or _SIP_URI.fullmatch(value))
    return None if ok else errors.not_e164(path)


def is_url(path: str, value: str) -> CallerError | None:
    """An http or https URL."""
    return None if _URL.fullmatch(value) and len(value) <= 2000 else errors.invalid_url(path)


def is_uuid(path: str, value: str) -> CallerError | None:
    """A UUID in its usual text form."""
    return None if _UUID.fullmatch(value) else errors.invalid_value(path, "It must be a UUID.")


def is_printable(path: str, value: str) -> CallerError | None:
    """Text without control characters: nothing that could break a header or a log line."""
    bad = _CONTROL.search(value)
    return errors.invalid_value(path, "It must not hold control characters.") if bad else None


def is_header_name(path: str, value: str) -> CallerError | None:
    """A SIP header name: a token of RFC 3261 §25.1."""
    ok = _TOKEN.fullmatch(value)
    return None if ok else errors.invalid_value(path, "It must be a SIP header name.")


def is_display_name(path: str, value: str) -> CallerError | None:
    """The characters that Telnyx allows in a caller's name."""
    ok = all(char.isalnum() or char in " -_~!.+" for char in value)
    detail = "It may hold letters, digits, blanks and -_~!.+ only."
    return None if ok else errors.invalid_value(path, detail)
