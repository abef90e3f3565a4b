"""The tables: columns hold text, whole numbers, bytes and truth values, so that no type needs converting.

Times are UTC nanoseconds. Lists and mappings are JSON text. What is asked for again and again has an
index; most of them are partial, so that a row pays only for the state that it is in.
"""

from sqlalchemy import (
    BigInteger,
    Boolean,
    Column,
    ColumnElement,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    Table,
    Text,
    literal_column,
    text,
)

metadata = MetaData()

api_key = Table(
    "api_key",
    metadata,
    Column("id", Text, primary_key=True),
    Column("digest", LargeBinary, nullable=False, unique=True),
    Column("hint", Text, nullable=False),
    Column("name", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("revoked_ns", BigInteger),
)

application = Table(
    "application",
    metadata,
    Column("id", Text, primary_key=True),
    Column("name", Text, nullable=False),
    Column("name_folded", Text, nullable=False),
    Column("webhook_url", Text, nullable=False),
    Column("webhook_failover_url", Text),
    Column("webhook_timeout_ms", Integer),
    Column("active", Boolean, nullable=False),
    Column("document", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    Index("application_created", "created_ns", "id"),
)

phone_number = Table(
    "phone_number",
    metadata,
    Column("address", Text, primary_key=True),
    Column(
        "application_id",
        Text,
        ForeignKey("application.id", ondelete="CASCADE", name="phone_number_application"),
        nullable=False,
        index=True,
    ),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
)

LEG_UNENDED = "state <> 'ended'"

leg = Table(
    "leg",
    metadata,
    Column("id", Text, primary_key=True),
    Column("session_id", Text, nullable=False),
    Column("call_control_id", Text, nullable=False, unique=True),
    Column("application_id", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("direction", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("from_", Text, nullable=False),
    Column("to", Text, nullable=False),
    Column("from_sip_uri", Text, nullable=False),
    Column("to_sip_uri", Text, nullable=False),
    Column("caller_name", Text, nullable=False),
    Column("sip_call_id", Text, nullable=False),
    Column("first_of_session", Boolean, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("client_state", Text),
    Column("custom_headers", Text, nullable=False),
    Column("sip_headers", Text, nullable=False),
    Column("offered_codecs", Text, nullable=False),
    Column("codec", Text),
    Column("webhook_url", Text),
    Column("webhook_failover_url", Text),
    Column("webhook_method", Text, nullable=False),
    Column("webhook_rules", Text),
    Column("bridged_to", Text),
    Column("answered_ns", BigInteger),
    Column("ended_ns", BigInteger),
    Column("hangup_cause", Text),
    Column("hangup_source", Text),
    Column("sip_hangup_cause", Text),
    Index(
        "leg_unended", "node", sqlite_where=text(LEG_UNENDED), postgresql_where=text(LEG_UNENDED)
    ),
    Index("leg_ended", "ended_ns"),
)

COMMAND_NAMED = "command_id IS NOT NULL"

command = Table(
    "command",
    metadata,
    Column("id", Text, primary_key=True),
    Column("scope", Text, nullable=False),
    Column("command_id", Text),
    Column("name", Text, nullable=False),
    Column("leg_id", Text, nullable=False),
    Column("session_id", Text, nullable=False),
    Column("application_id", Text, nullable=False),
    Column("created_ns", BigInteger, nullable=False, index=True),
    Index(
        "command_once",
        "scope",
        "command_id",
        unique=True,
        sqlite_where=text(COMMAND_NAMED),
        postgresql_where=text(COMMAND_NAMED),
    ),
    Index("command_by_leg", "leg_id", "created_ns"),
    Index("command_by_session", "session_id", "created_ns"),
)

RECORDING_SAVED = "state = 'saved'"
RECORDING_UNFINISHED = "state IN ('recording', 'paused', 'stopped')"


def _saved_index(name: str, *columns: str) -> Index:
    where = text(RECORDING_SAVED)
    return Index(name, *columns, sqlite_where=where, postgresql_where=where)


recording = Table(
    "recording",
    metadata,
    Column("id", Text, primary_key=True),
    Column("leg_id", Text, nullable=False, index=True),
    Column("session_id", Text, nullable=False),
    Column("call_control_id", Text, nullable=False),
    Column("application_id", Text, nullable=False),
    Column("node", Text, nullable=False),
    Column("state", Text, nullable=False),
    Column("params", Text, nullable=False),
    Column("initiated_by", Text, nullable=False),
    Column("from_", Text, nullable=False),
    Column("to", Text, nullable=False),
    Column("sip_call_id", Text, nullable=False),
    Column("started_ns", BigInteger, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    Column("client_state", Text),
    Column("ended_ns", BigInteger),
    Column("stop_reason", Text),
    Column("duration_ms", BigInteger),
    Column("size_bytes", BigInteger),
    Column("file_key", Text),
    Column("location", Text),
    Column("trimmed", Text),
    Column("fidelity", Text),
    Column("failure", Text),
    Index(
        "recording_unfinished",
        "node",
        sqlite_where=text(RECORDING_UNFINISHED),
        postgresql_where=text(RECORDING_UNFINISHED),
    ),
    _saved_index("recording_newest", "created_ns", "id"),
    _saved_index("recording_by_leg", "leg_id", "created_ns"),
    _saved_index("recording_by_session", "session_id", "created_ns"),
    _saved_index("recording_by_call", "call_control_id", "created_ns"),
    _saved_index("recording_by_application", "application_id", "created_ns"),
    _saved_index("recording_by_sip_call", "sip_call_id", "created_ns"),
    _saved_index("recording_by_from", "from_", "created_ns"),
    _saved_index("recording_by_to", "to", "created_ns"),
    _saved_index("recording_by_start", "started_ns"),
    _saved_index("recording_by_end", "ended_ns"),
)

fidelity_report = Table(
    "fidelity_report",
    metadata,
    Column(
        "recording_id",
        Text,
        ForeignKey("recording.id", ondelete="CASCADE", name="fidelity_report_recording"),
        primary_key=True,
    ),
    Column("document", Text, nullable=False),
    Column("outline", LargeBinary, nullable=False),
)

EVENT_DUE = "due_ns IS NOT NULL"

event = Table(
    "event",
    metadata,
    Column("id", Text, primary_key=True),
    Column("type", Text, nullable=False),
    Column("body", Text, nullable=False),
    Column("occurred_ns", BigInteger, nullable=False, index=True),
    Column("application_id", Text, nullable=False),
    Column("leg_id", Text),
    Column("session_id", Text),
    Column("recording_id", Text),
    Column("url", Text, nullable=False),
    Column("failover_url", Text),
    Column("method", Text, nullable=False),
    Column("timeout_ms", Integer, nullable=False),
    Column("state", Text, nullable=False),
    Column("attempts", Integer, nullable=False),
    Column("retry_ms", Text),
    Column("due_ns", BigInteger),
    Index("event_by_leg", "leg_id", "occurred_ns"),
    Index("event_by_session", "session_id", "occurred_ns"),
    Index("event_due", "due_ns", sqlite_where=text(EVENT_DUE), postgresql_where=text(EVENT_DUE)),
)

attempt = Table(
    "attempt",
    metadata,
    Column(
        "event_id",
        Text,
        ForeignKey("event.id", ondelete="CASCADE", name="attempt_event"),
        primary_key=True,
    ),
    Column("number", Integer, primary_key=True),
    Column("url", Text, nullable=False),
    Column("started_ns", BigInteger, nullable=False),
    Column("finished_ns", BigInteger, nullable=False),
    Column("status", Integer),
    Column("error", Text),
    Column("request_headers", Text, nullable=False),
    Column("response_headers", Text, nullable=False),
    Column("response_body", Text, nullable=False),
)

transcription = Table(
    "transcription",
    metadata,
    Column("id", Text, primary_key=True),
    Column(
        "recording_id",
        Text,
        ForeignKey("recording.id", ondelete="CASCADE", name="transcription_recording"),
        nullable=False,
    ),
    Column("state", Text, nullable=False),
    Column("engine", Text, nullable=False),
    Column("language", Text, nullable=False),
    Column("text", Text, nullable=False),
    Column("segments", Text, nullable=False),
    Column("duration_ms", BigInteger),
    Column("failure", Text),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
    Index("transcription_newest", "created_ns", "id"),
    Index("transcription_by_recording", "recording_id", "created_ns"),
)

storage_credentials = Table(
    "storage_credentials",
    metadata,
    Column(
        "application_id",
        Text,
        ForeignKey("application.id", ondelete="CASCADE", name="storage_credentials_application"),
        primary_key=True,
    ),
    Column("backend", Text, nullable=False),
    Column("sealed", LargeBinary, nullable=False),
    Column("created_ns", BigInteger, nullable=False),
    Column("updated_ns", BigInteger, nullable=False),
)

secret = Table(
    "secret",
    metadata,
    Column("name", Text, primary_key=True),
    Column("value", LargeBinary, nullable=False),
)

compatibility = Table(
    "compatibility",
    metadata,
    Column("number", Integer, primary_key=True, autoincrement=False),
)
"""One row: the smallest compatibility number of a program that may use this database."""

unended: ColumnElement[bool] = literal_column(LEG_UNENDED)
saved: ColumnElement[bool] = literal_column(RECORDING_SAVED)
unfinished: ColumnElement[bool] = literal_column(RECORDING_UNFINISHED)
"""Conditions as literals: a planner proves a partial index usable only from literals."""

FIXED = frozenset(
    table.c[name]
    for table, names in {
        leg: """
            session_id call_control_id application_id node direction from_ to from_sip_uri to_sip_uri
            sip_call_id first_of_session created_ns
        """,
        recording: """
            leg_id session_id call_control_id application_id node initiated_by from_ to sip_call_id
            created_ns
        """,
        event: """
            type body occurred_ns application_id leg_id session_id recording_id url failover_url method
            timeout_ms retry_ms
        """,
    }.items()
    for name in names.split()
)
"""What a row has from its beginning. No update writes it: what is written costs its indexes, changed or not."""
