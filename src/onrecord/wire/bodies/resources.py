"""Bodies that make and change applications and numbers (contract section 8.5)."""

from dataclasses import replace

from onrecord.wire.bodies.members import CONNECTION_ID
from onrecord.wire.fields import (
    NAME,
    URL,
    URL_OR_EMPTY,
    Choice,
    Field,
    Flag,
    Group,
    Integer,
    ListOf,
    Text,
)

ANCHOR_SITES = (
    "Latency",
    "Chicago, IL",
    "Ashburn, VA",
    "San Jose, CA",
    "London, UK",
    "Chennai, IN",
    "Amsterdam, Netherlands",
    "Toronto, Canada",
    "Sydney, Australia",
)
_KEPT = "Kept and shown; without effect on this server."
_CHANNEL_LIMIT = Integer(name="channel_limit", description=_KEPT, example=10, nullable=True, low=0)

APPLICATION: tuple[Field, ...] = (
    Text(
        name="application_name",
        description="Name of the application, for people.",
        example="call-router",
        required=True,
        high=255,
        form=NAME,
    ),
    Text(
        name="webhook_event_url",
        description="Where the webhooks of the application's calls go.",
        example="https://example.com/telnyx",
        required=True,
        form=URL,
    ),
    Text(
        name="webhook_event_failover_url",
        description="Where a webhook goes when the first URL fails; empty or null for nowhere.",
        example="https://failover.example.com/telnyx",
        nullable=True,
        form=URL_OR_EMPTY,
    ),
    Integer(
        name="webhook_timeout_secs",
        description="Seconds that the receiver may take to answer; null means the server's default.",
        example=5,
        nullable=True,
        low=0,
        high=30,
    ),
    Flag(
        name="active",
        description="Off: calls are not given to the application.",
        example=True,
        default=True,
    ),
    Choice(
        name="anchorsite_override",
        description=_KEPT,
        example="Latency",
        default="Latency",
        values=ANCHOR_SITES,
    ),
    Choice(
        name="dtmf_type",
        description=_KEPT,
        example="RFC 2833",
        default="RFC 2833",
        values=("RFC 2833", "Inband", "SIP INFO"),
    ),
    Flag(name="first_command_timeout", description=_KEPT, example=False, default=False),
    Integer(name="first_command_timeout_secs", description=_KEPT, example=30, default=30, low=0),
    Choice(
        name="webhook_api_version",
        description="Shape of the webhooks; they have that of version 2 whatever is kept here.",
        example="2",
        default="2",
        values=("1", "2"),
    ),
    Flag(name="call_cost_in_webhooks", description=_KEPT, example=False, default=False),
    Flag(name="redact_dtmf_debug_logging", description=_KEPT, example=False, default=False),
    Group(
        name="inbound",
        description="Kept and shown: settings for incoming calls.",
        example={"channel_limit": 10},
        fields=(
            _CHANNEL_LIMIT,
            Flag(name="shaken_stir_enabled", description=_KEPT, example=False, default=False),
            Text(name="sip_subdomain", description=_KEPT, example="calls", nullable=True, high=255),
            Choice(
                name="sip_subdomain_receive_settings",
                description=_KEPT,
                example="from_anyone",
                default="from_anyone",
                values=("only_my_connections", "from_anyone"),
            ),
        ),
    ),
    Group(
        name="outbound",
        description="Kept and shown: settings for outgoing calls.",
        example={"channel_limit": 10},
        fields=(
            _CHANNEL_LIMIT,
            Text(
                name="outbound_voice_profile_id",
                description=_KEPT,
                example="1293384261075731499",
                nullable=True,
                high=255,
            ),
        ),
    ),
    ListOf(
        name="tags",
        description="Words of yours that are kept with the application.",
        example=["support"],
        high=100,
        item=Text(name="tag", description="One word.", high=255),
    ),
)

PHONE_NUMBER: tuple[Field, ...] = (
    replace(CONNECTION_ID, description="Id of the application that calls to the number go to."),
)
