"""The whole document."""

from onrecord import __version__
from onrecord.api.openapi import (
    applications,
    calls,
    events,
    history,
    recordings,
    schemas,
    server,
)
from onrecord.api.openapi.shapes import Schema


def document() -> Schema:
    """The whole document, as JSON values."""
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "onrecord",
            "version": __version__,
            "summary": "Record phone calls through Telnyx's Call Control API on your own machine.",
            "description": (
                "Telnyx's official SDKs work against this server: set their base URL to "
                "`http://<host>:<port>/v2` and the API key, nothing else. Members of a body that "
                "are not listed are ignored, and null counts as absent unless said otherwise."
            ),
            "license": {"name": "Apache-2.0", "identifier": "Apache-2.0"},
        },
        "servers": [{"url": "/", "description": "This server."}],
        "security": [{"bearerAuth": []}],
        "tags": [
            {"name": "Calls", "description": "Dial, look up and control calls."},
            {"name": "Recordings", "description": "Finished recordings and their files."},
            {"name": "Applications", "description": "Where the webhooks of calls go."},
            {"name": "History", "description": "What happened to calls, and how it was told."},
            {"name": "Transcriptions", "description": "What was said in recordings."},
            {"name": "Numbers", "description": "Which application incoming calls go to."},
            {"name": "Server", "description": "Keys, health, metrics."},
        ],
        "paths": _paths(),
        "webhooks": {name: events.webhook(name) for name in events.EVENTS},
        "components": {
            "schemas": _schemas(),
            "securitySchemes": {"bearerAuth": {"type": "http", "scheme": "bearer"}},
        },
    }


def _paths() -> Schema:
    return (
        calls.paths() | recordings.paths() | applications.paths() | server.paths() | history.paths()
    )


def _schemas() -> Schema:
    return {
        "Errors": schemas.ERRORS,
        "CommandResult": schemas.COMMAND_RESULT,
        "Call": schemas.CALL,
        "PublicKey": schemas.PUBLIC_KEY,
        "PaginationMeta": schemas.META,
        **recordings.SCHEMAS,
        **applications.named_schemas(),
        **history.SCHEMAS,
        **calls.schemas(),
        **{f"Event.{name}": schema for name, schema in events.EVENTS.items()},
    }
