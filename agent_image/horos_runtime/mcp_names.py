"""How a tool of a server is called in an agent: `<server>__<tool>`, in the characters that models take."""

import hashlib
import re
from typing import Final

LENGTH: Final = 64
_HASH: Final = 8
_FOREIGN: Final = re.compile(r"[^a-zA-Z0-9_-]")


def offered_name(server: str, tool: str) -> str:
    """Build the name that the model sees; a long one is cut and ends in a hash of the whole."""
    whole = f"{server}__{tool}"
    name = _FOREIGN.sub("_", whole)
    if len(name) <= LENGTH:
        return name
    digest = hashlib.sha256(whole.encode(errors="replace")).hexdigest()[:_HASH]
    return f"{name[: LENGTH - _HASH - 1]}_{digest}"
