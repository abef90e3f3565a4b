"""JSON Schema in short: what the schemas are written with, and the values that examples show."""

from typing import Any

Schema = dict[str, Any]

LEG_ID = "4e9b7f3c-6f0e-4a52-9d6d-0a7b3c1f2e11"
SESSION_ID = "b3ad1d9e-7c36-4c0e-8f5e-2f3a9c7d6e22"
RECORDING_ID = "6a09cdc3-8948-47f0-aa62-74ac943d6c58"
EVENT_ID = "0ccc7b54-4df3-4bca-a65a-3da1ecc777f0"
CALL_CONTROL_ID = "v3:MCG3gWxIBlKrZRR4S3Cy4RYnCnpkZmwnvLQhdaWF4wrGDEPDGXVJ0A"
CONNECTION_ID = "1293384261075731499"
TIME = "2026-02-03T04:05:06.007Z"


def text(description: str, example: object = None, **more: object) -> Schema:
    """A string."""
    return {"type": "string", "description": description} | _example(example) | more


def nullable(description: str, example: object = None) -> Schema:
    """A string or null."""
    return {"type": ["string", "null"], "description": description} | _example(example)


def number(description: str, example: int) -> Schema:
    """A whole number."""
    return {"type": "integer", "description": description, "examples": [example]}


def flag(description: str, example: bool) -> Schema:
    """A boolean."""
    return {"type": "boolean", "description": description, "examples": [example]}


def choice(description: str, *values: str) -> Schema:
    """One of a few strings."""
    return {"type": "string", "description": description, "enum": list(values)}


def moment(description: str) -> Schema:
    """A time."""
    return text(description, TIME, format="date-time")


def obj(
    properties: Schema,
    *,
    required: list[str] | None = None,
    description: str = "",
    optional: Schema | None = None,
) -> Schema:
    """An object; without ``required`` all its members but the ``optional`` ones are always there."""
    schema: Schema = {"type": "object", "required": required or list(properties)}
    if required == []:
        del schema["required"]
    if description:
        schema["description"] = description
    return schema | {"properties": properties | (optional or {})}


def array(items: Schema, description: str) -> Schema:
    """An array."""
    return {"type": "array", "description": description, "items": items}


def _example(value: object) -> Schema:
    return {} if value is None else {"examples": [value]}


def ref(name: str) -> Schema:
    """A reference to a named schema."""
    return {"$ref": f"#/components/schemas/{name}"}
