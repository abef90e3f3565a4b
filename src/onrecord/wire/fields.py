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

from onrecord.core.errors import CallerError
from onrecord.wire import errors

INT32_MAX = 2**31 - 1

Check = Callable[[str, str], CallerError | None]
"""Given the path of a text and the text: what is wrong with it, or None."""


@dataclass(frozen=True, slots=True)
class Form:
    """What a text must look like: ``check`` refuses, ``schema`` tells it in JSON Schema."""

    check: Check
    schema: Mapping[str, object]


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
    form: Form | None = None

    def parse(self, path: str, value: object) -> str:
        """The text itself."""
        if not isinstance(value, str):
            raise errors.wrong_type(path, "string")
        low, high = self.low or 0, self.high
        if len(value) < low or (high is not None and len(value) > high):
            raise errors.bad_length(path, low, high)
        fault = self.form.check(path, value) if self.form else None
        if fault is not None:
            raise fault
        return value

    def constraints(self) -> dict[str, object]:
        """``minLength``, ``maxLength`` and what the form says; a required text must not be blank."""
        schema: dict[str, object] = {"type": "string"}
        if self.required:
            schema |= {"minLength": 1, "pattern": NOT_BLANK}
        schema |= _present({"minLength": self.low, "maxLength": self.high})
        return schema | dict(self.form.schema if self.form else {})


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
    refuse: Callable[[str, int, int], CallerError] = errors.out_of_range
    """Makes the fault of a number that is out of range."""

    def parse(self, path: str, value: object) -> int:
        """The number as int."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if not isinstance(value, int) or isinstance(value, bool):
            raise errors.wrong_type(path, "integer")
        low = -INT32_MAX - 1 if self.low is None else self.low
        high = INT32_MAX if self.high is None else self.high
        if not low <= value <= high:
            raise self.refuse(path, low, high)
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


@dataclass(frozen=True, slots=True, kw_only=True)
class OneOrMore(Field):
    """One value, or an array of at least one; the item's name is not used."""

    item: Field
    high: int

    def parse(self, path: str, value: object) -> tuple[Any, ...]:
        """The items, checked."""
        if not isinstance(value, list):
            return (self.item.parse(path, value),)
        if not 1 <= len(value) <= self.high:
            raise errors.wrong_count(path, 1, self.high)
        return tuple(self.item.parse(f"{path}/{at}", item) for at, item in enumerate(value))

    def constraints(self) -> dict[str, object]:
        """Either form."""
        item = self.item.constraints()
        several = {"type": "array", "items": item, "minItems": 1, "maxItems": self.high}
        return {"anyOf": [item, several]}


@dataclass(frozen=True, slots=True, kw_only=True)
class MapOf(Field):
    """An object whose names the caller chooses within a form; the item's name is not used."""

    key: Form
    item: Field
    high: int

    def parse(self, path: str, value: object) -> dict[str, Any]:
        """The members, checked."""
        if not isinstance(value, dict):
            raise errors.wrong_type(path, "object")
        if len(value) > self.high:
            raise errors.wrong_count(path, 0, self.high)
        for name in value:
            if fault := self.key.check(path, name):
                raise fault
        return {name: self.item.parse(f"{path}/{name}", item) for name, item in value.items()}

    def constraints(self) -> dict[str, object]:
        """``additionalProperties`` with the form of their names."""
        return {
            "type": "object",
            "propertyNames": dict(self.key.schema),
            "additionalProperties": self.item.constraints(),
            "maxProperties": self.high,
        }


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


NOT_BLANK = r"\S"
_BASE64 = r"(?:[A-Za-z0-9+/]{4})*(?:[A-Za-z0-9+/]{2}==|[A-Za-z0-9+/]{3}=)?"
_NUMBER = r"\+[1-9][0-9]{1,14}"
_HOST = r"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._-]+)"
_SIP_URI = r"[sS][iI][pP]:(?:[!#-;=?A-~]+@)?" + _HOST + r"(?::[0-9]{1,5})?(?:[;?][!#-;=?-~]*)?"
_URL = r"[hH][tT][tT][pP][sS]?://[^\s/?#\x00-\x1f\x7f]+[^\s\x00-\x1f\x7f]*"
_UUID = r"[0-9a-fA-F]{8}(?:-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}"
_PRINTABLE = r"[^\x00-\x1f\x7f]*"
_HEADER_NAME = r"[A-Za-z0-9!%*_+`'~.-]+"
_ROUTE = r"[^\s@/\x00-\x1f\x7f]+"
_DISPLAY_NAME = r"[\w ~!.+-]*"
_URL_CHARACTERS = 2000


def _form(pattern: str, refuse: Callable[[str], CallerError], **schema: object) -> Form:
    """A form that is one regular expression over the whole text."""
    compiled = re.compile(pattern)

    def check(path: str, value: str) -> CallerError | None:
        return None if compiled.fullmatch(value) else refuse(path)

    return Form(check, {"pattern": f"^(?:{pattern})$"} | schema)


def _must(detail: str) -> Callable[[str], CallerError]:
    return lambda path: errors.invalid_value(path, detail)


BASE64 = _form(_BASE64, errors.client_state_not_base64, contentEncoding="base64")
"""Padded base64 of the standard alphabet, without line breaks."""

ADDRESS = _form(f"{_NUMBER}|{_SIP_URI}", errors.not_e164)
"""A number in +E.164 form, or a ``sip:`` URI."""

DIGITS = _form(r"[0-9A-D*#wW]*[0-9A-D*#][0-9A-D*#wW]*", errors.invalid_digits)
"""Digits and pauses to send, at least one digit."""

SENT_ON_ANSWER = r"[0-9A-D*#wW]{1,64}"
"""Digits behind the comma of an address to dial."""

DIAL_ADDRESS = _form(f"(?:{_NUMBER}|{_SIP_URI})(?:,{SENT_ON_ANSWER})?", errors.not_e164)
"""An address to dial, and digits to send when it is answered."""

UUID = _form(_UUID, _must("It must be a UUID."), format="uuid")
"""A UUID in its usual text form."""

PRINTABLE = _form(_PRINTABLE, _must("It must not hold control characters."))
"""Text that cannot break a header or a log line."""

NAME = _form(
    r"[^\x00-\x1f\x7f]*[^\s\x00-\x1f\x7f][^\x00-\x1f\x7f]*",
    _must("It must not hold control characters."),
)
"""Printable text that is not blank."""

HEADER_NAME = _form(_HEADER_NAME, _must("It must be a SIP header name."))
"""A token of RFC 3261 §25.1."""

DISPLAY_NAME = _form(_DISPLAY_NAME, _must("It may hold letters, digits, blanks and -_~!.+ only."))
"""The characters that Telnyx allows in a caller's name."""

ROUTE = _form(_ROUTE, _must("It must be a +E.164 number or the user of a SIP URI."))
"""What the calls to a number or a SIP user are found by."""

EVENT_TYPE = _form(r"[a-z0-9_]+(?:\.[a-z0-9_]+)+", errors.not_event_types, maxLength=64)
"""A type of webhook event, such as ``call.hangup``."""

_URL_SHAPE = _form(_URL, errors.invalid_url, maxLength=_URL_CHARACTERS)


def _check_url(path: str, value: str) -> CallerError | None:
    return (
        errors.invalid_url(path) if len(value) > _URL_CHARACTERS else _URL_SHAPE.check(path, value)
    )


URL = Form(_check_url, _URL_SHAPE.schema)
"""An http or https URL."""

URL_OR_EMPTY = Form(
    lambda path, value: _check_url(path, value) if value else None,
    {"anyOf": [dict(_URL_SHAPE.schema), {"maxLength": 0}]},
)
"""An http or https URL, or an empty text for none."""
