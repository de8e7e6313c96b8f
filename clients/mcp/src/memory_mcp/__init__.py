"""An MCP server that gives an agent the memory service: five tools, over stdio or HTTP."""

__version__ = "0.1.0"
