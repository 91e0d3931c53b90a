"""A row of the table: what was measured, beside the budget that it is held against."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal


@dataclass(frozen=True)
class Row:
    """One figure. `budget` is the most that it may be, or with `at_least` the least; None = none is set."""

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
    """Rows as JSON."""
    return [asdict(row) for row in rows]


def from_plain(rows: Sequence[dict[str, Any]]) -> list[Row]:
    """Rows from JSON."""
    return [Row(**row) for row in rows]


def table(rows: Sequence[Row]) -> str:
    """Markdown: figure, budget, and the one divided by the other; a budget that is missed is bold."""
    lines = ["| what | measured | budget | ÷ budget |", "| --- | ---: | ---: | ---: |"]
    for row in rows:
        figure, budget, ratio = f"{_number(row.figure)} {row.unit}".strip(), "", ""
        if row.budget is not None:
            sign = "≤" if row.kind == "at most" else "≥"
            budget = f"{sign} {_number(row.budget)} {row.unit}".strip()
            ratio = f"{row.figure / row.budget:.2f}" if row.budget else ""
        if not row.held:
            figure, ratio = f"**{figure}**", f"**missed** {ratio}".strip()
        note = f" ({row.note})" if row.note else ""
        lines.append(f"| {row.what}{note} | {figure} | {budget} | {ratio} |")
    return "\n".join(lines)


def _number(value: float) -> str:
    return f"{value:,.0f}" if value == int(value) or abs(value) >= 100 else f"{value:,.2f}"
