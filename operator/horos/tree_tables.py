"""Families as trees: pure functions of what the gateway said."""

from collections.abc import Sequence
from typing import Any

from rich.text import Text
from rich.tree import Tree

from horos.residency_words import age, residency_cell
from horos.tables import STATE_STYLES


def family(items: Sequence[dict[str, Any]], agent: str) -> list[dict[str, Any]]:
    """Choose an agent and its descendants, in the order of `items`; none when there is no such agent."""
    by_name = {each["name"]: each for each in items}
    chosen, waiting = set[str](), [agent] if agent in by_name else []
    while waiting:
        name = waiting.pop()
        chosen.add(name)
        waiting += [child for child in by_name[name]["children"] if child not in chosen]
    return [each for each in items if each["name"] in chosen]


def trees(items: Sequence[dict[str, Any]], now: float) -> list[Tree]:
    """Draw one tree for each agent whose parent is not among them; `now` in seconds."""
    drawn: dict[str, Tree] = {}
    tops: list[Tree] = []
    for each in items:
        above = drawn.get(each["parent"])
        label = _label(each, now, orphan=above is None and bool(each["parent"]))
        if above is None:
            tops.append(branch := Tree(label, guide_style="dim"))
        else:
            branch = above.add(label)
        drawn[each["name"]] = branch
    return tops


def _label(each: dict[str, Any], now: float, *, orphan: bool) -> Text:
    state, usage = each["state"], each["usage"]
    label = Text(each["name"], style="bold")
    label.append(f"  {state}", style=STATE_STYLES.get(state, ""))
    if ended := age(each["endedAt"], now):
        label.append(f" {ended} ago", style="dim")
    else:
        label.append(f"  {residency_cell(each)}", style="")
    label.append(f"  {usage['promptTokens'] + usage['completionTokens']:,} tokens", style="")
    if each["owed"]:
        label.append(f"  owes {each['owed']}")
    if orphan:
        label.append(f"  child of {each['parent']}", style="dim")
    return label
