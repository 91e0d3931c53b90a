"""Logs of the runtime: one JSON object per line on standard error, with agent, turn and thread."""

import logging
import sys
import time

import orjson


class JsonFormatter(logging.Formatter):
    """Writes a record as one line of JSON; `extra={"about": {...}}` adds fields."""

    def __init__(self, agent: str) -> None:
        super().__init__()
        self._agent = agent

    def format(self, record: logging.LogRecord) -> str:
        """Build the line."""
        moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(record.created))
        line: dict[str, object] = {
            "time": f"{moment}.{int(record.msecs):03d}Z",
            "level": record.levelname.lower(),
            "agent": self._agent,
            "message": record.getMessage(),
        }
        line |= getattr(record, "about", {})
        if record.exc_info:
            line["traceback"] = self.formatException(record.exc_info)
        return orjson.dumps(line, default=str).decode()


def log_as_json(agent: str) -> None:
    """Send all logs from INFO on to standard error."""
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(JsonFormatter(agent))
    logging.basicConfig(level=logging.INFO, handlers=[handler], force=True)
    # The HTTP client tells of every request on INFO, the MCP SDK (`mcp`, `client`) of every session.
    for noisy in ("httpx2", "httpcore2", "mcp", "client"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
