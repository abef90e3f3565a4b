"""Members that the bodies of several commands have (contract sections 5, 8 and 10)."""

from dataclasses import dataclass
from typing import Any

from onrecord.wire import errors
from onrecord.wire.fields import (
    BASE64,
    EVENT_TYPE,
    HEADER_NAME,
    NAME,
    URL,
    UUID,
    Choice,
    Field,
    Group,
    Integer,
    ListOf,
    MapOf,
    OneOrMore,
    Text,
)

MOST_RETRIES = 5
MOST_RETRY_MS = 60_000

CLIENT_STATE = Text(
    name="client_state",
    description=(
        "Base64 text of yours. It comes back, byte for byte, in every later webhook of the call."
    ),
    example="aGF2ZSBhIG5pY2UgZGF5ID1d",
    form=BASE64,
)
COMMAND_ID = Text(
    name="command_id",
    description=(
        "Makes the command safe to repeat: a second command with the same id on the same call "
        "does nothing and is answered like the first. A UUID is a good choice."
    ),
    example="891510ac-f3e4-11e8-af5b-de00688a4901",
)
_HEADER_VALUE = Text(
    name="value",
    description="Its value.",
    example="4711",
    required=True,
    high=1024,
    form=NAME,
)
CUSTOM_HEADERS = ListOf(
    name="custom_headers",
    description="SIP headers to add to the message that the command sends.",
    example=[{"name": "X-Ticket", "value": "4711"}],
    high=50,
    item=Group(
        name="header",
        description="One SIP header.",
        fields=(
            Text(
                name="name",
                description="Name of the header.",
                example="X-Ticket",
                required=True,
                low=1,
                high=128,
                form=HEADER_NAME,
            ),
            _HEADER_VALUE,
        ),
    ),
)
SIP_HEADERS = ListOf(
    name="sip_headers",
    description="Standard SIP headers to add to the INVITE.",
    example=[{"name": "User-to-User", "value": "4711"}],
    high=1,
    item=Group(
        name="header",
        description="One SIP header.",
        fields=(
            Choice(
                name="name",
                description="Name of the header.",
                example="User-to-User",
                required=True,
                values=("User-to-User",),
            ),
            _HEADER_VALUE,
        ),
    ),
)
CALL_CONTROL_ID = Text(
    name="call_control_id",
    description="The leg to connect with.",
    example="v3:MCG3gWxIBlKrZRR4S3Cy4RYnCnpkZmwnvLQhdaWF4wrGDEPDGXVJ0A",
    required=True,
    high=512,
    form=NAME,
)
CONNECTION_ID = Text(
    name="connection_id",
    description="Id of the call control application that the call belongs to.",
    example="1293384261075731499",
    required=True,
    high=64,
    form=NAME,
)
RECORDING_ID = Text(
    name="recording_id",
    description="The recording.",
    example="6a09cdc3-8948-47f0-aa62-74ac943d6c58",
    form=UUID,
)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Policies(MapOf):
    """The waits between the attempts at one type of event, which have a bound together."""

    def parse(self, path: str, value: object) -> dict[str, Any]:
        """The members, checked."""
        policies = MapOf.parse(self, path, value)
        if any(sum(policy["retries_ms"]) > MOST_RETRY_MS for policy in policies.values()):
            raise errors.waits_too_long(path, MOST_RETRY_MS)
        return policies


def _method_for(name: str) -> Field:
    return Choice(
        name=f"{name}_method",
        description=f"HTTP method for `{name}`.",
        example="POST",
        default="POST",
        values=("POST", "GET"),
    )


WEBHOOK_FIELDS: tuple[Field, ...] = (
    Text(
        name="webhook_url",
        description="Where this call's webhooks go from now on, instead of to its application's URL.",
        example="https://example.com/telnyx",
        form=URL,
    ),
    _method_for("webhook_url"),
    MapOf(
        name="webhook_urls",
        description=(
            "By type of event, where its webhooks go instead: a URL, or an array of one or two, "
            "the second of which is used when the first fails."
        ),
        example={"call.hangup": ["https://example.com/ended"]},
        key=EVENT_TYPE,
        high=50,
        item=OneOrMore(
            name="url",
            description="One or two URLs.",
            high=2,
            item=Text(name="url", description="A URL.", form=URL),
        ),
    ),
    _method_for("webhook_urls"),
    _Policies(
        name="webhook_retries_policies",
        description=(
            "By type of event, the waits before the retries of its webhooks instead of the "
            "server's; at most five, together at most 60000 ms."
        ),
        example={"call.hangup": {"retries_ms": [1000, 2000, 5000]}},
        key=EVENT_TYPE,
        high=50,
        item=Group(
            name="policy",
            description="How one type of event is tried again.",
            fields=(
                ListOf(
                    name="retries_ms",
                    description="Waits in milliseconds.",
                    required=True,
                    high=MOST_RETRIES,
                    item=Integer(name="wait", description="One wait.", low=0, high=MOST_RETRY_MS),
                ),
            ),
        ),
    ),
)
