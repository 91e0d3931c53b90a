"""What people who decide were told: said by their process, kept by the world, judged with the history."""

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class Verdict:
    """One answer to a decision: DECIDED or ALREADY, and how and by whom it is decided now."""

    id: str
    kind: Literal["call", "elicitation"]
    by: str
    verdict: str
    outcome: str
    status: str
    who: str
