"""State in SQL: tables, migrations, and the transactions that the use cases run."""

from onrecord.database.dialect import DatabaseError
from onrecord.database.store import Database
from onrecord.database.unit import JobQueue, SqlUnit

__all__ = ["Database", "DatabaseError", "JobQueue", "SqlUnit"]
