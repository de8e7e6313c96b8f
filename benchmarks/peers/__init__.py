"""Put other memory systems through the same conversations: ``python -m benchmarks.peers --help``.

Each peer runs in its own environment and its own process and speaks JSON lines (``adapters``). Nothing in
``adapters`` imports anything of this project but its own two modules, because the peers' environments lack the rest.
"""
