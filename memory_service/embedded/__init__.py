"""Postgres and the broker from wheels, and the supervisor behind `make run`."""
