"""The part `tools`: MCP servers to call, and what calls them."""
