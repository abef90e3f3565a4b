"""The first schema."""

import sqlalchemy as sa
from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:  # noqa: PLR0915 -- one statement for each table and index
    """Create every table."""
    op.create_table(
        "api_key",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("hint", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("revoked_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("digest"),
    )
    op.create_table(
        "application",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("name_folded", sa.Text(), nullable=False),
        sa.Column("webhook_url", sa.Text(), nullable=False),
        sa.Column("webhook_failover_url", sa.Text(), nullable=True),
        sa.Column("webhook_timeout_ms", sa.Integer(), nullable=True),
        sa.Column("active", sa.Boolean(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("application_created", "application", ["created_ns", "id"], unique=False)
    op.create_table(
        "command",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("scope", sa.Text(), nullable=False),
        sa.Column("command_id", sa.Text(), nullable=True),
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("leg_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index("command_by_leg", "command", ["leg_id", "created_ns"], unique=False)
    op.create_index("command_by_session", "command", ["session_id", "created_ns"], unique=False)
    op.create_index(
        "command_once",
        "command",
        ["scope", "command_id"],
        unique=True,
        sqlite_where=sa.text("command_id IS NOT NULL"),
        postgresql_where=sa.text("command_id IS NOT NULL"),
    )
    op.create_index(op.f("ix_command_created_ns"), "command", ["created_ns"], unique=False)
    op.create_table(
        "compatibility",
        sa.Column("number", sa.Integer(), autoincrement=False, nullable=False),
        sa.PrimaryKeyConstraint("number"),
    )
    op.create_table(
        "event",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("type", sa.Text(), nullable=False),
        sa.Column("body", sa.Text(), nullable=False),
        sa.Column("occurred_ns", sa.BigInteger(), nullable=False),
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("leg_id", sa.Text(), nullable=True),
        sa.Column("session_id", sa.Text(), nullable=True),
        sa.Column("recording_id", sa.Text(), nullable=True),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("failover_url", sa.Text(), nullable=True),
        sa.Column("method", sa.Text(), nullable=False),
        sa.Column("timeout_ms", sa.Integer(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("attempts", sa.Integer(), nullable=False),
        sa.Column("retry_ms", sa.Text(), nullable=True),
        sa.Column("due_ns", sa.BigInteger(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "event_due",
        "event",
        ["due_ns"],
        unique=False,
        sqlite_where=sa.text("due_ns IS NOT NULL"),
        postgresql_where=sa.text("due_ns IS NOT NULL"),
    )
    op.create_index("event_by_leg", "event", ["leg_id", "occurred_ns"], unique=False)
    op.create_index("event_by_session", "event", ["session_id", "occurred_ns"], unique=False)
    op.create_index(op.f("ix_event_occurred_ns"), "event", ["occurred_ns"], unique=False)
    op.create_table(
        "leg",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("call_control_id", sa.Text(), nullable=False),
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("direction", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("from_", sa.Text(), nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("from_sip_uri", sa.Text(), nullable=False),
        sa.Column("to_sip_uri", sa.Text(), nullable=False),
        sa.Column("caller_name", sa.Text(), nullable=False),
        sa.Column("sip_call_id", sa.Text(), nullable=False),
        sa.Column("first_of_session", sa.Boolean(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("client_state", sa.Text(), nullable=True),
        sa.Column("custom_headers", sa.Text(), nullable=False),
        sa.Column("sip_headers", sa.Text(), nullable=False),
        sa.Column("offered_codecs", sa.Text(), nullable=False),
        sa.Column("codec", sa.Text(), nullable=True),
        sa.Column("webhook_url", sa.Text(), nullable=True),
        sa.Column("webhook_failover_url", sa.Text(), nullable=True),
        sa.Column("webhook_method", sa.Text(), nullable=False),
        sa.Column("webhook_rules", sa.Text(), nullable=True),
        sa.Column("bridged_to", sa.Text(), nullable=True),
        sa.Column("answered_ns", sa.BigInteger(), nullable=True),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.Column("hangup_cause", sa.Text(), nullable=True),
        sa.Column("hangup_source", sa.Text(), nullable=True),
        sa.Column("sip_hangup_cause", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
        sa.UniqueConstraint("call_control_id"),
    )
    op.create_index("leg_ended", "leg", ["ended_ns"], unique=False)
    op.create_index(
        "leg_unended",
        "leg",
        ["node"],
        unique=False,
        sqlite_where=sa.text("state <> 'ended'"),
        postgresql_where=sa.text("state <> 'ended'"),
    )
    op.create_table(
        "recording",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("leg_id", sa.Text(), nullable=False),
        sa.Column("session_id", sa.Text(), nullable=False),
        sa.Column("call_control_id", sa.Text(), nullable=False),
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("node", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("params", sa.Text(), nullable=False),
        sa.Column("initiated_by", sa.Text(), nullable=False),
        sa.Column("from_", sa.Text(), nullable=False),
        sa.Column("to", sa.Text(), nullable=False),
        sa.Column("sip_call_id", sa.Text(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.Column("client_state", sa.Text(), nullable=True),
        sa.Column("ended_ns", sa.BigInteger(), nullable=True),
        sa.Column("stop_reason", sa.Text(), nullable=True),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("size_bytes", sa.BigInteger(), nullable=True),
        sa.Column("file_key", sa.Text(), nullable=True),
        sa.Column("location", sa.Text(), nullable=True),
        sa.Column("trimmed", sa.Text(), nullable=True),
        sa.Column("fidelity", sa.Text(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(op.f("ix_recording_leg_id"), "recording", ["leg_id"], unique=False)
    op.create_index(
        "recording_by_application",
        "recording",
        ["application_id", "created_ns"],
        unique=False,
        sqlite_where=sa.text("state = 'saved'"),
        postgresql_where=sa.text("state = 'saved'"),
    )
    op.create_index(
        "recording_by_call",
        "recording",
        ["call_control_id", "created_ns"],
        unique=False,
        sqlite_where=sa.text("state = 'saved'"),
        postgresql_where=sa.text("state = 'saved'"),
    )
    op.create_index(
        "recording_by_end",
        "recording",
        ["ended_ns"],
        unique=False,
        sqlite_where=sa.text("state = 'saved'"),
        postgresql_where=sa.text("state = 'saved'"),
    )
    op.create_index(
        "recording_by_from",
        "recording",
        ["from_", "created_ns"],
        unique=False,
        sqlite_where=sa.text("state = 'saved'"),
        postgresql_where=sa.text("state = 'saved'"),
    )
    op.create_index(
        "recording_by_leg",
        "recording",
        ["leg_id", "created_ns"],
        unique=False,
        sqlite_where=sa.text("state = 'saved'"),
        postgresql_where=sa.text("state = 'saved'"),
    )
    op.create_index(
        "recording_by_session",
        "recording",
        ["session_id", "created_ns"],
        unique=False,
        sqlite_where=sa.text("state = 'saved'"),
        postgresql_where=sa.text("state = 'saved'"),
    )
    op.create_index(
        "recording_by_sip_call",
        "recording",
        ["sip_call_id", "created_ns"],
        unique=False,
        sqlite_where=sa.text("state = 'saved'"),
        postgresql_where=sa.text("state = 'saved'"),
    )
    op.create_index(
        "recording_by_start",
        "recording",
        ["started_ns"],
        unique=False,
        sqlite_where=sa.text("state = 'saved'"),
        postgresql_where=sa.text("state = 'saved'"),
    )
    op.create_index(
        "recording_by_to",
        "recording",
        ["to", "created_ns"],
        unique=False,
        sqlite_where=sa.text("state = 'saved'"),
        postgresql_where=sa.text("state = 'saved'"),
    )
    op.create_index(
        "recording_newest",
        "recording",
        ["created_ns", "id"],
        unique=False,
        sqlite_where=sa.text("state = 'saved'"),
        postgresql_where=sa.text("state = 'saved'"),
    )
    op.create_index(
        "recording_unfinished",
        "recording",
        ["node"],
        unique=False,
        sqlite_where=sa.text("state IN ('recording', 'paused', 'stopped')"),
        postgresql_where=sa.text("state IN ('recording', 'paused', 'stopped')"),
    )
    op.create_table(
        "fidelity_report",
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("document", sa.Text(), nullable=False),
        sa.Column("outline", sa.LargeBinary(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recording.id"],
            name="fidelity_report_recording",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("recording_id"),
    )
    op.create_table(
        "storage_credentials",
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("backend", sa.Text(), nullable=False),
        sa.Column("sealed", sa.LargeBinary(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["application.id"],
            name="storage_credentials_application",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("application_id"),
    )
    op.create_table(
        "transcription",
        sa.Column("id", sa.Text(), nullable=False),
        sa.Column("recording_id", sa.Text(), nullable=False),
        sa.Column("state", sa.Text(), nullable=False),
        sa.Column("engine", sa.Text(), nullable=False),
        sa.Column("language", sa.Text(), nullable=False),
        sa.Column("text", sa.Text(), nullable=False),
        sa.Column("segments", sa.Text(), nullable=False),
        sa.Column("duration_ms", sa.BigInteger(), nullable=True),
        sa.Column("failure", sa.Text(), nullable=True),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["recording_id"],
            ["recording.id"],
            name="transcription_recording",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("id"),
    )
    op.create_index(
        "transcription_by_recording", "transcription", ["recording_id", "created_ns"], unique=False
    )
    op.create_index("transcription_newest", "transcription", ["created_ns", "id"], unique=False)
    op.create_table(
        "secret",
        sa.Column("name", sa.Text(), nullable=False),
        sa.Column("value", sa.LargeBinary(), nullable=False),
        sa.PrimaryKeyConstraint("name"),
    )
    op.create_table(
        "attempt",
        sa.Column("event_id", sa.Text(), nullable=False),
        sa.Column("number", sa.Integer(), nullable=False),
        sa.Column("url", sa.Text(), nullable=False),
        sa.Column("started_ns", sa.BigInteger(), nullable=False),
        sa.Column("finished_ns", sa.BigInteger(), nullable=False),
        sa.Column("status", sa.Integer(), nullable=True),
        sa.Column("error", sa.Text(), nullable=True),
        sa.Column("request_headers", sa.Text(), nullable=False),
        sa.Column("response_headers", sa.Text(), nullable=False),
        sa.Column("response_body", sa.Text(), nullable=False),
        sa.ForeignKeyConstraint(
            ["event_id"], ["event.id"], name="attempt_event", ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("event_id", "number"),
    )
    op.create_table(
        "phone_number",
        sa.Column("address", sa.Text(), nullable=False),
        sa.Column("application_id", sa.Text(), nullable=False),
        sa.Column("created_ns", sa.BigInteger(), nullable=False),
        sa.Column("updated_ns", sa.BigInteger(), nullable=False),
        sa.ForeignKeyConstraint(
            ["application_id"],
            ["application.id"],
            name="phone_number_application",
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("address"),
    )
    op.create_index(
        op.f("ix_phone_number_application_id"), "phone_number", ["application_id"], unique=False
    )

    op.execute("INSERT INTO compatibility (number) VALUES (1)")
