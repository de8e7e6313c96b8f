"""Benchmarks: retrieval quality through HTTP, and timings beside a plain floor on the same machine."""
