"""The one seam to Redis: every message, turn and event of every agent passes through these modules."""
