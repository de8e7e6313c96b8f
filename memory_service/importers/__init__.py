"""Files of other memory systems as items of POST /v1/memories/batch (docs/howto/export-and-import.md)."""
