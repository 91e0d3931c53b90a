"""What is known about agents as tables and texts: pure functions of what the servers said."""

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from types import MappingProxyType
from typing import Any

from rich.table import Table
from rich.text import Text

from horos.readiness import why_not_ready
from horos.residency_words import age, residency_cell, residency_line, slot_words
from horos.usage_words import share_of_budget, usage_rows
from horos_api.conditions import Reason

DEFAULT = "the default of the namespace or the installation"
_NOT_ITS_OWN = (Reason.BUDGET_EXHAUSTED, Reason.MODEL_CONFIG_MISSING)
_TITLES = (
    *("NAME", "STATE", "RESIDENCY", "IDLE", "WAITING"),
    *("TURNS", "TOKENS", "COST", "BUDGET", "REASON"),
)
_AT_REST = ("paused", "terminated")
_TEXT = 60
STATE_STYLES = {"running": "cyan", "error": "bold red", "paused": "yellow", "terminated": "dim"}


def agents_table(
    agents: Sequence[dict[str, Any]],
    manifests: Sequence[dict[str, Any]] = (),
    now: float = 0.0,
) -> Table:
    """List agents, one per line: what each is doing, and why it is not.

    Those that somebody has to help come first, then those that work, that wait for a slot, that are idle, and
    those without a process. Why one cannot answer, what it may use, and which ones the gateway does not know
    yet, is told by the Agents themselves. `now` in seconds.
    """
    table = Table(box=None, pad_edge=False, header_style="")
    for title in _TITLES:
        table.add_column(title, no_wrap=title != "REASON", justify="left")
    date = datetime.fromtimestamp(now, UTC).date().isoformat()
    known = {each["metadata"]["name"]: each for each in manifests}
    why = {each["metadata"]["name"]: why_not_ready(each) for each in manifests}
    for agent in sorted(agents, key=_urgency):
        usage, waiting_for = agent["usage"], why.pop(agent["name"], "")
        table.add_row(
            Text(agent["name"]),
            Text(agent["state"], style=STATE_STYLES.get(agent["state"], "")),
            residency_cell(agent),
            age(agent["idleSince"], now) or "-",
            str(agent["waiting"]),
            str(usage["turns"]),
            str(usage["promptTokens"] + usage["completionTokens"]),
            usage["cost"],
            share_of_budget(known.get(agent["name"]), usage, date),
            Text(_why(agent, _told_by_kubernetes(agent, waiting_for), now)),
        )
    for name, reason in sorted(why.items()):
        table.add_row(Text(name), *["-"] * (len(_TITLES) - 2), Text(reason or "-"))
    return table


def _urgency(agent: dict[str, Any]) -> tuple[int, int, str]:
    """What comes first in the list."""
    queue = agent["queue"]
    if agent["state"] == "error" or agent.get("approvals"):
        rank = 0
    elif agent["state"] in _AT_REST:
        rank = 5 + _AT_REST.index(agent["state"])
    elif agent["residency"] == "queued":
        rank = 2
    else:
        rank = {"running": 1}.get(agent["state"], 3 if agent["residency"] == "resident" else 4)
    return rank, queue["position"] if queue else 0, agent["name"]


def _told_by_kubernetes(agent: dict[str, Any], why: str) -> str:
    """What the bus does not know: why there is no pod; of a resident its budget, or its ModelConfig."""
    if why.startswith(Reason.QUEUED) and agent["queue"]:
        return ""
    return why if not agent["resident"] or why.startswith(_NOT_ITS_OWN) else ""


def dead_letters_table(letters: Sequence[dict[str, Any]]) -> Table:
    """List what was given up, one message per line."""
    table = Table(box=None, pad_edge=False, header_style="")
    for title in ("MESSAGE", "FROM", "THREAD", "ATTEMPTS", "TEXT", "REASON"):
        table.add_column(title, no_wrap=title not in {"TEXT", "REASON"}, justify="left")
    for letter in letters:
        line = " ".join(letter["text"].split())
        table.add_row(
            Text(letter["messageId"]),
            Text(letter["sender"] or "a person"),
            Text(letter["thread"]),
            str(letter["attempts"]),
            Text(line if len(line) <= _TEXT else line[: _TEXT - 1] + "…"),
            Text(letter["reason"]),
        )
    return table


def _why(agent: dict[str, Any], told: str, now: float) -> str:
    """Why an agent does not go on: what people have to decide comes first, since they can."""
    queue = agent["queue"]
    place = slot_words(queue, now) if queue else ""
    count = agent.get("approvals", 0)
    waits = f"waits for {_count(count, 'decision')}: see `horos approvals {agent['name']}`" if count else ""
    return "; ".join(part for part in (waits, reason_of(agent) or told, place) if part) or "-"


def reason_of(agent: dict[str, Any]) -> str:
    """Join a reason with its message, as far as there are any."""
    return ": ".join(part for part in (agent.get("reason"), agent.get("message")) if part)


def description(
    live: dict[str, Any] | None,
    manifest: dict[str, Any] | None,
    events: Sequence[str],
    more: Mapping[str, Sequence[tuple[str, str]]] = MappingProxyType({}),
    now: float = 0.0,
) -> Text:
    """Describe one agent: what is asked for, what holds, what it does now, what happened last.

    `live` is None when the gateway does not know the agent, `manifest` when there is no cluster to ask;
    `more` are further sections with their rows, left out when they have none; `now` in seconds.
    """
    text = Text()
    if manifest is not None:
        section(text, "", _asked_for(manifest))
        section(text, "Conditions", condition_rows(manifest))
    if live is None:
        text.append("Now:", style="bold")
        text.append(" takes no messages yet")
        return text
    section(text, "Now", _now(live, now))
    for title, rows in more.items():
        if rows:
            section(text, title, rows)
    section(text, "Last events", [("", line) for line in events])
    text.rstrip()
    return text


def section(text: Text, title: str, rows: Sequence[tuple[str, str]]) -> None:
    """Add rows of names and values under a title, or without one."""
    indent = "  " if title else ""
    if title:
        text.append(f"{title}:\n" if rows else f"{title}: none\n", style="bold")
    width = max((len(key) for key, _ in rows), default=0) + 2
    for key, value in rows:
        text.append(indent + f"{key}:".ljust(width) if key else indent)
        text.append(value.replace("\n", "\n" + " " * (len(indent) + width)) + "\n")


def _asked_for(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    spec, meta = manifest.get("spec", {}), manifest["metadata"]
    model = spec.get("model") or {}
    rows = [
        ("Name", meta["name"]),
        ("Namespace", meta["namespace"]),
        ("Created", meta.get("creationTimestamp", "")),
        ("Mode", spec.get("operatingMode", "Running")),
        ("Model", "; then ".join(_model(each) for each in (model, *model.get("fallbacks", ())))),
        ("Tools", ", ".join((spec.get("tools") or {}).get("builtin", []))),
        ("Pod", (manifest.get("status") or {}).get("podName", "")),
        ("Instructions", spec.get("instructions", "")),
    ]
    if meta.get("deletionTimestamp"):
        rows.insert(3, ("Deleted", f"{meta['deletionTimestamp']} (its pod and keys are being removed)"))
    return [(key, value or "-") for key, value in rows]


def _model(said: dict[str, Any]) -> str:
    config = said.get("configName")
    where = " at ".join(part for part in (said.get("name"), said.get("baseUrl")) if part)
    return ", ".join(part for part in (where, f"ModelConfig {config}" if config else "") if part) or DEFAULT


def condition_rows(manifest: dict[str, Any]) -> list[tuple[str, str]]:
    """Describe the conditions of an object, one row each."""
    conditions = (manifest.get("status") or {}).get("conditions") or []
    return [
        (
            one["type"],
            f"{one['status']}  {one['reason']}"
            + (f": {one['message']}" if one.get("message") else "")
            + f" (since {one.get('lastTransitionTime', 'unknown')})",
        )
        for one in conditions
    ]


def _now(live: dict[str, Any], now: float) -> list[tuple[str, str]]:
    turn = f"{live['turn']} in thread {live['thread']}" if live["turn"] else "none"
    turn += ", being cancelled" if live["cancelling"] else ""
    rows = [
        ("State", live["state"]),
        ("Reason", reason_of(live)),
        ("Residency", residency_line(live, now)),
        ("Turn", turn),
        ("Waiting", _count(live["waiting"], "message")),
        ("Owed", _count(live["owed"], "answer") if live["owed"] else ""),
        (
            "Given up",
            f"{_count(live['deadLetters'], 'message')}: see `horos dead`" if live["deadLetters"] else "",
        ),
        ("Threads", ", ".join(live.get("threads", [])) or "none"),
        *usage_rows(live),
    ]
    return [row for row in rows if row[1]]


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
