"""What is known about agents as tables and texts: pure functions of what the servers said."""

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any

from rich.table import Table
from rich.text import Text

from horos.readiness import why_not_ready
from horos.usage_words import share_of_budget, usage_rows
from horos_api.conditions import Reason

DEFAULT = "the default of the namespace or the installation"
_NOT_ITS_OWN = (Reason.BUDGET_EXHAUSTED, Reason.MODEL_CONFIG_MISSING)
_TEXT = 60
_STATE_STYLES = {"running": "cyan", "error": "bold red", "paused": "yellow", "terminated": "dim"}


def agents_table(
    agents: Sequence[dict[str, Any]], manifests: Sequence[dict[str, Any]] = (), date: str = ""
) -> Table:
    """List agents, one per line: what each is doing, and why it is not.

    Why one has no pod, what it may use, and which ones the gateway does not know yet, is told by the Agents
    themselves. `date` is today's in UTC.
    """
    table = Table(box=None, pad_edge=False, header_style="")
    for title in ("NAME", "STATE", "RESIDENT", "WAITING", "TURNS", "TOKENS", "COST", "BUDGET", "REASON"):
        table.add_column(title, no_wrap=title != "REASON", justify="left")
    known = {each["metadata"]["name"]: each for each in manifests}
    why = {each["metadata"]["name"]: why_not_ready(each) for each in manifests}
    for agent in agents:
        usage, waiting_for = agent["usage"], why.pop(agent["name"], "")
        table.add_row(
            Text(agent["name"]),
            Text(agent["state"], style=_STATE_STYLES.get(agent["state"], "")),
            "yes" if agent["resident"] else "no",
            str(agent["waiting"]),
            str(usage["turns"]),
            str(usage["promptTokens"] + usage["completionTokens"]),
            usage["cost"],
            share_of_budget(known.get(agent["name"]), usage, date),
            Text(_why(agent, _told_by_kubernetes(agent, waiting_for))),
        )
    for name, reason in sorted(why.items()):
        table.add_row(Text(name), "-", "no", "-", "-", "-", "-", "-", Text(reason or "-"))
    return table


def _told_by_kubernetes(agent: dict[str, Any], why: str) -> str:
    """What a resident agent does not say of itself: its budget is used up, or its ModelConfig is missing."""
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


def _why(agent: dict[str, Any], told: str) -> str:
    """Why an agent does not go on: what people have to decide comes first, since they can."""
    count = agent.get("approvals", 0)
    waits = f"waits for {_count(count, 'decision')}: see `horos approvals {agent['name']}`" if count else ""
    return "; ".join(part for part in (waits, reason_of(agent) or told) if part) or "-"


def reason_of(agent: dict[str, Any]) -> str:
    """Join a reason with its message, as far as there are any."""
    return ": ".join(part for part in (agent.get("reason"), agent.get("message")) if part)


def description(
    live: dict[str, Any] | None,
    manifest: dict[str, Any] | None,
    events: Sequence[str],
    more: Mapping[str, Sequence[tuple[str, str]]] = MappingProxyType({}),
) -> Text:
    """Describe one agent: what is asked for, what holds, what it does now, what happened last.

    `live` is None when the gateway does not know the agent, `manifest` when there is no cluster to ask;
    `more` are further sections with their rows, left out when they have none.
    """
    text = Text()
    if manifest is not None:
        _section(text, "", _asked_for(manifest))
        _section(text, "Conditions", _conditions(manifest))
    if live is None:
        text.append("Now:", style="bold")
        text.append(" takes no messages yet")
        return text
    _section(text, "Now", _now(live))
    for title, rows in more.items():
        if rows:
            _section(text, title, rows)
    _section(text, "Last events", [("", line) for line in events])
    text.rstrip()
    return text


def _section(text: Text, title: str, rows: Sequence[tuple[str, str]]) -> None:
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


def _conditions(manifest: dict[str, Any]) -> list[tuple[str, str]]:
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


def _now(live: dict[str, Any]) -> list[tuple[str, str]]:
    turn = f"{live['turn']} in thread {live['thread']}" if live["turn"] else "none"
    turn += ", being cancelled" if live["cancelling"] else ""
    rows = [
        ("State", live["state"]),
        ("Reason", reason_of(live)),
        ("Resident", "yes" if live["resident"] else "no"),
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
