"""`python -m memory_mcp`: the same as the console script `memory-mcp`."""

import sys

from memory_mcp.cli import main

sys.exit(main())
