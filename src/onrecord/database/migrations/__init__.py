"""Alembic migrations, run by ``database.schema``."""
