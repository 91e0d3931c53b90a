"""A row of the table: what was measured, beside the budget that it is held against."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Row:
    """One figure. `budget` is the most that it may be, or with `at least` the least; None = none is set."""

    what: str
    figure: float
    unit: str = ""
    budget: float | None = None
    kind: Literal["at most", "at least"] = "at most"
    note: str = ""

    @property
    def held(self) -> bool:
        """Whether the budget is kept."""
        if self.budget is None:
            return True
        return self.figure <= self.budget if self.kind == "at most" else self.figure >= self.budget


def plain(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Rows as JSON, with what became of each budget."""
    return [asdict(row) | {"figure": round(row.figure, 3), "held": row.held} for row in rows]
