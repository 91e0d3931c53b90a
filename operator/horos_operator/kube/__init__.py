"""The real cluster, through its API server."""
