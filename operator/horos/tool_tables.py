"""Tool servers, and what people are asked, as tables and rows: pure functions of what the gateway said."""

from collections.abc import Sequence
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from horos.decision_words import decided_words, is_question, span, visible, what_is_asked
from horos.residency_words import age

_STYLES: Final = {"Connected": "cyan", "Failed": "bold red", "Connecting": "yellow"}
_NOT_REPORTED: Final = "the agent's process has not reported on it yet"
_STDERR_LINES: Final = 20


def servers_table(told: dict[str, Any], now: float, *, wide: bool = False) -> Table:
    """List tool servers, one per line; `wide` names the tools and cuts nothing. `now` in seconds."""
    table = _table("SERVER", "TOOLSERVER", "STATE", "SINCE", "TOOLS", "HIDDEN", "LAST ERROR")
    for server in told["items"]:
        tools = ", ".join(server["tools"]) or "-" if wide else str(len(server["tools"]))
        table.add_row(
            Text(server["name"]),
            Text(server["serverName"] or "-"),
            Text(server["state"], style=_STYLES.get(server["state"], "")),
            age(server["since"], now) or "-",
            Text(tools),
            str(server["hidden"]),
            Text(_error(server, now) or "-"),
        )
    for name in _not_reported(told):
        table.add_row(Text(name), "-", "-", "-", "-", "-", Text(_NOT_REPORTED))
    return table


def as_of(told: dict[str, Any], agent: str, now: float) -> str:
    """Say that what is told of servers was so when the agent had a process; '' when it has one now."""
    if told["resident"] or not told["at"]:
        return ""
    when = f"as of {told['at']} ({age(told['at'], now)} ago)"
    return f"{when}: {agent} has no process now, so nothing is connected"


def server_rows(told: dict[str, Any], now: float) -> list[tuple[str, str]]:
    """Describe tool servers, each with its last error and the end of its standard error."""
    rows = []
    for server in told["items"]:
        parts = [
            f"{server['state']} for {age(server['since'], now) or '?'}",
            f"{len(server['tools'])} tools",
        ]
        parts += [f"{server['hidden']} hidden"] if server["hidden"] else []
        parts += [f"ToolServer {server['serverName']}"] if server["serverName"] else []
        lines = [", ".join(parts)]
        lines += [f"last error: {_error(server, now)}"] if server["error"] else []
        tail = server["stderr"].rstrip().splitlines()[-_STDERR_LINES:]
        lines += ["standard error:", *(f"  {visible(line.expandtabs())}" for line in tail)] if tail else []
        rows.append((server["name"], "\n".join(lines)))
    return rows + [(name, _NOT_REPORTED) for name in _not_reported(told)]


def approvals_table(found: Sequence[dict[str, Any]], now: float, *, wide: bool = False) -> Table:
    """List what people are asked, one per line; `wide` cuts nothing. `now` in seconds."""
    table = _table("ID", "AGENT", "THREAD", "STATUS", "ASKED", "EXPIRES IN", "WHAT")
    for each in found:
        pending = each["status"] == "pending"
        table.add_row(
            Text(each["id"]),
            Text(each["agent"]),
            Text(each["thread"]),
            Text(_status(each), style="yellow" if pending else ""),
            f"{age(each['askedAt'], now)} ago",
            span(each["secondsLeft"]) if pending else "-",
            Text(what_is_asked(each, whole=wide)),
        )
    return table


def approval_rows(found: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    """Describe what an agent waits for."""
    return [(each["id"], f"{what_is_asked(each)}\n{_status(each)}{_left(each)}") for each in found]


def decision_line(decided: dict[str, Any]) -> str:
    """Say what a decision means."""
    by = decided_words(decided["status"], decided["who"], decided["reason"])
    approved = decided["status"] == "approved"
    if is_question(decided):
        return f"{decided['server']} {'has its answer' if approved else 'gets no answer'}: {by}"
    may = "may" if approved else "may not"
    return f"{decided['agent']} {may} call {what_is_asked(decided, whole=True)}: {by}"


def _status(each: dict[str, Any]) -> str:
    if each["status"] == "pending":
        return "pending"
    return decided_words(each["status"], each["who"], each["reason"])


def _left(each: dict[str, Any]) -> str:
    return f", denied by itself in {span(each['secondsLeft'])}" if each["status"] == "pending" else ""


def _error(server: dict[str, Any], now: float) -> str:
    when = f" ({age(server['errorAt'], now)} ago)" if server["errorAt"] else ""
    return f"{visible(' '.join(server['error'].split()))}{when}" if server["error"] else ""


def _not_reported(told: dict[str, Any]) -> list[str]:
    known = {server["name"] for server in told["items"]}
    return [name for name in told["configured"] if name not in known]


def _table(*titles: str) -> Table:
    table = Table(box=None, pad_edge=False, header_style="")
    for title in titles:
        table.add_column(title, no_wrap=title not in ("LAST ERROR", "WHAT", "TOOLS"), justify="left")
    return table
