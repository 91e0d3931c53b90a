"""The pool of a namespace as texts and tables: pure functions of what the servers said."""

from collections.abc import Sequence
from typing import Any, Final

from rich.console import RenderableType
from rich.table import Table
from rich.text import Text

from horos.decision_words import span
from horos.residency_words import WAITS_FOR, age
from horos.tables import STATE_STYLES, condition_rows, section

SHOWN: Final = 50
"""How many lines of a list are shown; the whole of it is in `-o json`."""


def pool_parts(
    told: dict[str, Any], manifest: dict[str, Any] | None, now: float, *, known: bool = False
) -> list[RenderableType]:
    """Describe the pool: its limit and its numbers, who waits, who is resident; `now` in seconds.

    `manifest` is the AgentPool, None when there is none (`known`) or when it cannot be read.
    """
    text = Text()
    section(text, "", [*_limit(told, manifest, known=known), *_numbers(told)])
    if manifest is not None:
        section(text, "Conditions", condition_rows(manifest))
    text.rstrip()
    parts: list[RenderableType] = [text]
    if told["queue"]:
        parts += [Text("\nQueue, the next one first:", style="bold"), _queue(told["queue"], now)]
        parts += _rest(told["queue"])
    if told["residents"]:
        parts += [Text("\nResident, the idle longest first:", style="bold")]
        parts += [_residents(told["residents"], now), *_rest(told["residents"])]
    return parts


def _limit(told: dict[str, Any], manifest: dict[str, Any] | None, *, known: bool) -> list[tuple[str, str]]:
    if manifest is None and not known:
        return [("Limit", _pods(told["maxRunning"]))]
    spec = manifest["spec"] if manifest is not None else {}
    limit = _pods(spec.get("maxRunning"))
    if told["maxRunning"] != spec.get("maxRunning") and _has_agents(told):
        limit += "; the operator has not taken it in yet"
    if manifest is None:
        return [("Limit", limit)]
    rows = [("Limit", limit), ("Evicts", _evicts(spec)), ("Idle time", _idle_time(spec))]
    if quota := (manifest.get("status") or {}).get("quota"):
        rows.append(("Quota", f"{quota['used']} of {quota['hard']} pods in ResourceQuota {quota['name']}"))
    return rows


def _evicts(spec: dict[str, Any]) -> str:
    if spec.get("evict") == "Never":
        return "nobody (Never): everybody keeps a pod for its idle time"
    return "who is idle longest, when somebody waits (IdleLongest)"


def _idle_time(spec: dict[str, Any]) -> str:
    seconds = spec.get("idleSeconds", 300)
    return (
        f"hibernates after {span(seconds)} without a turn"
        if seconds
        else "hibernates only when somebody needs the slot"
    )


def _has_agents(told: dict[str, Any]) -> bool:
    """Whether there is anybody whom a limit concerns; without, the operator tells none."""
    return any(told[name] for name in ("resident", "starting", "queued", "hibernated"))


def _numbers(told: dict[str, Any]) -> list[tuple[str, str]]:
    return [
        ("Resident", str(told["resident"])),
        *([("Starting", str(told["starting"]))] if told["starting"] else []),
        ("Queued", str(told["queued"])),
        ("Hibernated", str(told["hibernated"])),
    ]


def _queue(queue: Sequence[dict[str, Any]], now: float) -> Table:
    table = _table("PLACE", "NAME", "STATE", "WAITING", "WHY")
    for each in queue[:SHOWN]:
        waiting = age(each["since"], now) or "-"
        table.add_row(
            str(each["position"]),
            Text(each["name"]),
            _state(each),
            waiting,
            Text(WAITS_FOR.get(each["why"], each["why"])),
        )
    return table


def _residents(residents: Sequence[dict[str, Any]], now: float) -> Table:
    table = _table("NAME", "STATE", "IDLE", "RESIDENT", "LEAVES")
    for each in residents[:SHOWN]:
        idle, since = age(each["idleSince"], now) or "-", age(each["since"], now) or "-"
        table.add_row(Text(each["name"]), _state(each), idle, since, "asked to" if each["leaving"] else "-")
    return table


def _rest(listed: Sequence[dict[str, Any]]) -> list[RenderableType]:
    more = len(listed) - SHOWN
    return [Text(f"and {more:,} more: `horos pool -o json` lists all")] if more > 0 else []


def _state(each: dict[str, Any]) -> Text:
    return Text(each["state"], style=STATE_STYLES.get(each["state"], ""))


def _pods(number: int | None) -> str:
    if number is None:
        return "none"
    return f"{number:,} pod" if number == 1 else f"{number:,} pods"


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    for title in titles:
        table.add_column(title, no_wrap=title != "WHY", justify="left")
    return table
