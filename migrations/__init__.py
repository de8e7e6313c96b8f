"""Alembic migrations: dated names, lock timeouts, yesterday's code runs on today's schema."""
