"""Paths of applications and of the numbers that lead to them."""

from typing import Any

from onrecord.api.openapi import operations as ops
from onrecord.api.openapi import schemas, shapes
from onrecord.api.openapi.shapes import Schema
from onrecord.wire import errors, queries
from onrecord.wire.bodies import resources
from onrecord.wire.fields import ROUTE, object_schema
from onrecord.wire.resources import APPLICATION_DEFAULTS, INBOUND_DEFAULTS, OUTBOUND_DEFAULTS


def named_schemas() -> Schema:
    """The resources and bodies, by name."""
    return {
        "Application": _application(),
        "ApplicationRequest": object_schema(resources.APPLICATION, "Application"),
        "PhoneNumber": schemas.PHONE_NUMBER,
        "PhoneNumberRequest": object_schema(resources.PHONE_NUMBER, "Phone number"),
    }


def paths() -> Schema:
    """The paths, as JSON values."""
    return _application_paths() | _number_paths()


def _application() -> Schema:
    """The request's members, all present, with what the server adds."""
    asked = object_schema(resources.APPLICATION)
    members: Schema = dict(asked["properties"])  # type: ignore[call-overload]  # a JSON object
    for name in ("inbound", "outbound"):
        members[name] = dict(members[name]) | {"description": "Kept settings."}
    own: Schema = {
        "record_type": shapes.choice("Always so.", "call_control_application"),
        "id": shapes.text("The application; `connection_id` elsewhere.", shapes.CONNECTION_ID),
    }
    times = {
        "created_at": shapes.moment("When it was made."),
        "updated_at": shapes.moment("When it last changed."),
    }
    example = {
        "record_type": "call_control_application",
        "id": shapes.CONNECTION_ID,
        "application_name": "call-router",
        "active": True,
        "webhook_event_url": "https://example.com/telnyx",
        "webhook_event_failover_url": None,
        "webhook_timeout_secs": None,
        **APPLICATION_DEFAULTS,
        "inbound": dict(INBOUND_DEFAULTS),
        "outbound": dict(OUTBOUND_DEFAULTS),
        "created_at": shapes.TIME,
        "updated_at": shapes.TIME,
    }
    return shapes.obj(own | members | times) | {"examples": [example]}


def _application_paths() -> Schema:
    application = ops.path_parameter("application_id", "The application.", shapes.CONNECTION_ID)
    example = {
        "application_name": "call-router",
        "webhook_event_url": "https://example.com/telnyx",
    }
    body = ops.body("ApplicationRequest", example)
    refusals = {
        "missing_required_parameter": errors.missing("application_name"),
        "invalid_url": errors.invalid_url("webhook_event_url"),
    }
    sorts = [f"{sign}{name}" for name in queries.APPLICATION_SORTS for sign in ("", "-")]
    parameters = [
        *ops.page_parameters(),
        ops.query(
            "filter[application_name][contains]",
            "Only applications whose name holds this, in any case.",
            {"type": "string", "minLength": 3},
        ),
        ops.query("sort", "Order.", {"type": "string", "enum": sorts, "default": "created_at"}),
    ]

    def operation(name: str, summary: str, answer: Schema, **more: Any) -> Schema:
        return ops.operation(
            f"{name}CallControlApplication", "Applications", summary, answer, **more
        )

    return {
        "/v2/call_control_applications": {
            "get": operation(
                "List",
                "List applications",
                ops.listing("Application", "Applications."),
                parameters=parameters,
            ),
            "post": operation(
                "Create",
                "Make an application",
                ops.data("Application", "The new application.", "201"),
                body=body,
                refusals=refusals,
            ),
        },
        "/v2/call_control_applications/{application_id}": {
            "parameters": [application],
            "get": operation(
                "Retrieve", "Look up an application", ops.data("Application", "The application.")
            ),
            "patch": operation(
                "Update",
                "Change an application",
                ops.data("Application", "The application as it is now."),
                description="What is absent stays as it is; null takes a nullable value back.",
                body=body,
                refusals=refusals,
            ),
            "delete": operation(
                "Delete", "Delete an application", ops.data("Application", "What was deleted.")
            ),
        },
    }


def _number_paths() -> Schema:
    address = ops.path_parameter("address", "A +E.164 number or a SIP user.", "+18005550100")
    address["schema"] |= {"maxLength": 128} | dict(ROUTE.schema)
    return {
        "/v2/phone_numbers": {
            "get": ops.operation(
                "ListPhoneNumbers",
                "Numbers",
                "List numbers",
                ops.listing("PhoneNumber", "Numbers that have an application."),
                parameters=ops.page_parameters(),
            )
        },
        "/v2/phone_numbers/{address}": {
            "parameters": [address],
            "patch": ops.operation(
                "UpdatePhoneNumber",
                "Numbers",
                "Send a number's calls to an application",
                ops.data("PhoneNumber", "The number as it is now."),
                description=(
                    "Makes the entry if need be. Calls to a number without one go to the default "
                    "application."
                ),
                body=ops.body("PhoneNumberRequest", {"connection_id": shapes.CONNECTION_ID}),
                refusals={"invalid_connection_id": errors.unknown_connection()},
            ),
        },
    }
