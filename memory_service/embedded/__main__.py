"""`python -m memory_service.embedded` is `memory-service run`."""

import sys

from memory_service.embedded.supervisor import run

if __name__ == "__main__":
    sys.exit(run())
