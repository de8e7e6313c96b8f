"""Postgres: the engine, the tables, and one module of functions per table family."""
