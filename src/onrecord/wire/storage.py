"""Custom storage credentials: their bodies and their resource, which hides secrets (contract section 8.6)."""

from collections.abc import Mapping
from typing import Any

from onrecord.wire import errors
from onrecord.wire.fields import NAME, URL, Choice, Field, Group, Text, object_schema, read

BACKENDS = ("s3", "s3-generic", "gcs", "azure")

MASK = "****************"
SECRETS = frozenset({"aws_secret_access_key", "account_key", "credentials"})
"""Members that are never shown."""

_BACKEND = Choice(
    name="backend", description="Where the files go.", example="s3", required=True, values=BACKENDS
)


def _text(name: str, description: str, example: str, high: int = 2048) -> Text:
    return Text(
        name=name, description=description, example=example, required=True, high=high, form=NAME
    )


_BUCKET = _text("bucket", "Name of the bucket.", "recordings", 255)
_S3: tuple[Field, ...] = (
    _BUCKET,
    _text("region", "Region of the bucket.", "us-east-1", 255),
    _text("aws_access_key_id", "Id of the access key.", "AKIAIOSFODNN7EXAMPLE"),
    _text("aws_secret_access_key", "The access key; it is never shown again.", "secret"),
)
_ENDPOINT = Text(
    name="endpoint",
    description="URL of the S3 service, without the bucket.",
    example="https://minio.example.com",
    required=True,
    form=URL,
)
_CREDENTIALS = Text(
    name="credentials",
    description="JSON key of a service account, as text; it is never shown again.",
    example='{"type": "service_account"}',
    required=True,
    high=16384,
)
CONFIGURATIONS: Mapping[str, tuple[Field, ...]] = {
    "s3": _S3,
    "s3-generic": (*_S3, _ENDPOINT),
    "gcs": (_BUCKET, _CREDENTIALS),
    "azure": (
        _BUCKET,
        _text("account_name", "Name of the storage account.", "account", 255),
        _text("account_key", "Its key; it is never shown again.", "secret"),
    ),
}


def parse_storage(body: object) -> tuple[str, dict[str, str]]:
    """The backend and its configuration, of POST and PUT alike.

    Raises:
        CallerError: 422 with every fault, 400 when the body is no object.
    """
    if not isinstance(body, dict):
        raise errors.not_an_object()
    backend = read((_BACKEND,), body)
    backend.refuse_faults()
    name: str = backend.values["backend"]
    group = Group(
        name="configuration",
        description="Of the backend.",
        required=True,
        fields=CONFIGURATIONS[name],
    )
    found = read((group,), body)
    found.refuse_faults()
    return name, found.values["configuration"]


def storage_resource(
    application_id: str, backend: str, configuration: Mapping[str, str]
) -> dict[str, object]:
    """The whole answer; ``connection_id`` and ``record_type`` stand beside ``data``."""
    shown = {name: MASK if name in SECRETS else value for name, value in configuration.items()}
    return {
        "connection_id": application_id,
        "data": {"backend": backend, "configuration": {"backend": backend, **shown}},
        "record_type": "custom_storage_credentials",
    }


def request_schema() -> dict[str, Any]:
    """JSON Schema of the body: one form of ``configuration`` for each backend."""
    forms = [
        {"properties": {"backend": {"const": backend}, "configuration": object_schema(fields)}}
        for backend, fields in CONFIGURATIONS.items()
    ]
    configuration = {
        "type": "object",
        "description": "What the backend needs.",
        "examples": [{field.name: field.example for field in CONFIGURATIONS["s3-generic"]}],
    }
    return {
        "type": "object",
        "title": "Custom storage credentials",
        "required": ["backend", "configuration"],
        "properties": {"backend": _BACKEND.schema(), "configuration": configuration},
        "oneOf": forms,
    }
