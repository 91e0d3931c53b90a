"""Groups and what is said in them as tables and lines: pure functions of what the servers said."""

from collections.abc import Mapping, Sequence
from datetime import datetime, tzinfo
from typing import Any, Final

from rich.table import Table
from rich.text import Text

from horos.residency_words import age
from horos_api.conditions import Reason

_TITLES: Final = ("NAME", "WAKE", "MEMBERS", "MESSAGES", "LAST", "REASON")
_NAMED: Final = 10
"""How many names a sentence tells."""


def groups_table(
    groups: Sequence[dict[str, Any]], manifests: Sequence[dict[str, Any]] = (), now: float = 0.0
) -> Table:
    """List groups, one per line, and what is wrong with one. `now` in seconds.

    That, and which ones the gateway does not know yet, is told by the Groups themselves.
    """
    table = Table(box=None, pad_edge=False, header_style="")
    for title in _TITLES:
        table.add_column(title, no_wrap=title != "REASON", justify="left")
    why = {each["metadata"]["name"]: why_not_well(each) for each in manifests}
    for group in groups:
        table.add_row(
            Text(group["name"]),
            group["wake"],
            str(group["members"]),
            str(group["messages"]),
            age(group["lastAt"], now) or "-",
            Text(why.pop(group["name"], "") or "-"),
        )
    for name, reason in sorted(why.items()):
        table.add_row(Text(name), *["-"] * (len(_TITLES) - 2), Text(reason or "-"))
    return table


def why_not_well(manifest: Mapping[str, Any]) -> str:
    """Read from a Group's condition what is wrong with it; '' when nothing is."""
    conditions = (manifest.get("status") or {}).get("conditions") or ()
    ready = next((each for each in conditions if each["type"] == "Ready"), None)
    if ready is None:
        return "the operator has not looked at it yet; when this stays so, look at the operator's pod"
    if ready["status"] == "True" and ready.get("reason") == Reason.MEMBERS_PRESENT:
        return ""
    return ": ".join(part for part in (ready.get("reason"), ready.get("message")) if part)


def posted_words(group: str, posted: Mapping[str, Any]) -> list[str]:
    """Say what became of a message: whom it woke, and whom it did not reach."""
    if posted["duplicate"]:
        return [f"{group} has message {posted['id']} (again: it was taken before)"]
    woken = posted["woken"]
    whom = f"wakes {_names(woken)}" if woken else "wakes nobody"
    told = [f"{group} has message {posted['id']}; it {whom}"]
    if posted["full"]:
        told.append(f"not woken, since their inboxes are full: {_names(posted['full'])}")
    if posted["strangers"]:
        told.append(f"no members: {_names(posted['strangers'])}")
    if not (woken or posted["full"] or posted["strangers"]):
        told.append("mention a member as @name to have it answer")
    return told


def post_lines(post: Mapping[str, Any], zone: tzinfo | None = None) -> list[str]:
    """Tell one message of a group; what follows its first line is set in from it.

    `zone` is the person's time zone (None: the machine's).
    """
    moment = datetime.fromtimestamp(int(post["id"].partition("-")[0]) / 1000, tz=zone).astimezone(zone)
    who = post["sender"] or post["who"] or "somebody"
    verb = " cannot answer" if post["error"] else ""
    first, *rest = post["text"].splitlines() or [""]
    return [f"{moment.strftime('%H:%M:%S')}  {who}{verb}: {first}", *(f"          {line}" for line in rest)]


def _names(names: Sequence[str]) -> str:
    *others, last = [*names[:_NAMED], *([f"{len(names) - _NAMED} more"] if len(names) > _NAMED else [])]
    return f"{', '.join(others)} and {last}" if others else str(last)
