"""What people are asked and what was decided, in words: pure functions of what the gateway says."""

import json
import shlex
import unicodedata
from collections.abc import Mapping
from typing import Any, Final

from horos_api.elicitation import FormField, form_of

_LINE: Final = 72
"""The longest summary of a call's arguments, in characters."""
_VERDICTS: Final = {
    "approved": "approved",
    "denied": "denied",
    "expired": "denied",
    "withdrawn": "no longer asked for",
}


def visible(text: str) -> str:
    """Write characters that cannot be seen, or turn the text around, as their codes: nobody is fooled."""
    return "".join(
        f"\\u{ord(each):04x}" if unicodedata.category(each) in ("Cc", "Cf", "Zl", "Zp") else each
        for each in text
    )


def short(text: str) -> str:
    """Say a text in one short line."""
    line = " ".join(text.split())
    return line if len(line) <= _LINE else line[: _LINE - 1] + "…"


def short_arguments(raw: str) -> str:
    """Say the arguments of a call in one short line."""
    try:
        arguments = json.loads(raw or "{}")
    except ValueError:
        return short(raw)
    if not isinstance(arguments, dict):
        return short(raw)
    return short(", ".join(f"{name}={_value(value)}" for name, value in arguments.items()))


def _value(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def span(seconds: float) -> str:
    """Say a span of time as kubectl does: 45s, 12m, 5h, 3d."""
    for unit, size, most in (("s", 1, 120), ("m", 60, 7200), ("h", 3600, 172_800)):
        if seconds < most:
            return f"{int(seconds / size)}{unit}"
    return f"{int(seconds / 86_400)}d"


def what_is_asked(asked: Mapping[str, Any], *, whole: bool = False) -> str:
    """Say what would be called, or what a tool server asks; `whole` cuts nothing."""
    if is_question(asked):
        return (
            f"{asked['server']} asks: {visible(' '.join(asked['message'].split()))}{_form(asked['schema'])}"
        )
    raw = str(asked.get("arguments", ""))
    return f"{asked['tool']}({visible(raw if whole else short_arguments(raw))})"


def is_question(asked: Mapping[str, Any]) -> bool:
    """Say whether this is an elicitation, and no call."""
    return bool(asked.get("server"))


def how_to_decide(approval_id: str, schema: str = "") -> str:
    """Say which commands decide it."""
    name = shlex.quote(approval_id)
    given = "".join(
        f" --set {field.name}=…" for field in form_of(schema) if field.required and field.default is None
    )
    return f"`horos approve {name}{given}` or `horos deny {name}`"


def decided_words(status: str, who: str, reason: str) -> str:
    """Say how it was decided."""
    by = f" by {visible(who)}" if who else ""
    return f"{_VERDICTS.get(status, status)}{by}" + (
        f": {visible(' '.join(reason.split()))}" if reason else ""
    )


def _form(schema: str) -> str:
    fields = ", ".join(_field(each) for each in form_of(schema))
    return f" ({fields})" if fields else ""


def _field(field: FormField) -> str:
    default = "" if field.default is None else f", else {_value(field.default)}"
    must = " (required)" if field.required and field.default is None else ""
    return f"{visible(field.name)}{must}: {visible(field.wanted())}{default}"
