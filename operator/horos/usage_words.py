"""What agents used and what they may use in a day, in words: pure functions of what the servers said."""

from collections.abc import Mapping
from datetime import datetime, timedelta
from decimal import Decimal
from typing import Any, Final

NOTHING: Final[Mapping[str, Any]] = {"tokens": 0, "cost": "0"}


def usage_rows(live: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Tell what an agent used in its life and today, and how much of its budget that is."""
    usage, budget = live["usage"], live.get("budget")
    turns = f"{usage['turns']:,} turn" + ("" if usage["turns"] == 1 else "s")
    tokens = f"tokens: {usage['promptTokens']:,} read, {usage['completionTokens']:,} written"
    cost = f"; cost: {usage['cost']}" if usage["cost"] != "0" else ""
    rows = [("Usage", f"{turns}; {tokens}{cost}")]
    if budget:
        rows.append(("Budget", _budget(budget, usage["today"])))
    elif usage["today"]:
        today = usage["today"]
        cost = f", cost: {today['cost']}" if today["cost"] != "0" else ""
        rows.append(("Last day", f"{today['tokens']:,} tokens{cost} on {today['date']} (UTC)"))
    return rows


def _budget(budget: Mapping[str, Any], last: Mapping[str, Any] | None) -> str:
    resets_at = datetime.fromisoformat(budget["resetsAt"])
    today = (resets_at - timedelta(days=1)).date().isoformat()
    used = last if last and last["date"] == today else NOTHING
    parts = []
    if budget["tokensPerDay"] is not None:
        parts.append(f"{used['tokens']:,} of {budget['tokensPerDay']:,} tokens")
    if budget["costPerDay"] is not None:
        parts.append(f"{used['cost']} of {budget['costPerDay']} in money")
    spent = "used up: " if budget["exhausted"] else ""
    return f"{spent}{' and '.join(parts)} today; begins anew at {budget['resetsAt']}"


def used_up_words(exhausted: str) -> str:
    """Say which budget of the day is used up, as the event `budget` names it."""
    what = "money" if exhausted.endswith("cost") else "tokens"
    whose = " of the whole family" if exhausted.startswith("tree ") else ""
    return f"the day's budget of {what}{whose} is used up"


def share_of_budget(manifest: Mapping[str, Any] | None, usage: Mapping[str, Any], date: str) -> str:
    """Say how much of the budget of day `date` (UTC) is used: `42%`, `used up`, or `-` without a budget."""
    budget = ((manifest or {}).get("spec") or {}).get("budget") or {}
    used = usage["today"] if usage["today"] and usage["today"]["date"] == date else NOTHING
    limits = ((used["tokens"], budget.get("tokensPerDay")), (used["cost"], budget.get("costPerDay")))
    shares = [_share(Decimal(part), Decimal(most)) for part, most in limits if most is not None]
    if not shares:
        return "-"
    return "used up" if max(shares) >= 100 else f"{max(shares)}%"


def _share(part: Decimal, most: Decimal) -> int:
    """Whole percents, rounded down: only what is used up is a hundred of them."""
    return int(part * 100 / most) if most else 100
