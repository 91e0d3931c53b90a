"""Records of a conversation in, what a person reads out: one line or paragraph each; pure."""

from collections.abc import Iterator
from typing import Any, Final

from horos.decision_words import short, short_arguments

_SUMMARY_RULE: Final = "───"


def history_lines(agent: str, records: dict[str, Any]) -> list[str]:
    """Write down what the gateway gave of a thread."""
    calls: dict[str, str] = {}
    lines: list[str] = []
    for index, record in enumerate(records["items"], records["start"]):
        lines += (f"#{index} {line}" for line in _lines(agent, record, calls))
    return lines


def _lines(agent: str, record: dict[str, Any], calls: dict[str, str]) -> Iterator[str]:
    content = str(record.get("content") or "")
    match record.get("role"):
        case "user":
            yield f"{_who(record)}: {content}"
        case "assistant":
            used = _usage(record)
            if thoughts := record.get("reasoning"):
                yield f"{agent} thought: {short(thoughts)}"
            if content or not record.get("tool_calls"):
                yield f"{agent}: {content}{used}"
                used = ""
            for call in record.get("tool_calls") or []:
                function = call["function"]
                calls[call["id"]] = function["name"]
                yield f"{agent} ⚙ {function['name']}({short_arguments(function['arguments'])}){used}"
                used = ""
        case "tool":
            yield f"⚙ {calls.get(record.get('tool_call_id', ''), 'a tool')} → {short(content) or 'done'}"
        case "compaction":
            yield from _compaction(record, content)
        case other:
            yield f"{other}: {short(content)}"


def _who(record: dict[str, Any]) -> str:
    sender = record.get("from") or "a person"
    kind = record.get("kind")
    if record.get("error"):
        return f"{sender} (could not answer {record.get('re')})"
    if kind == "decision":
        return f"{sender if record.get('from') else 'nobody'} (decision about {record.get('re')})"
    if kind in ("request", "reply"):
        about = record.get("mid") if kind == "request" else record.get("re")
        return f"{sender} ({kind} {about})"
    return str(sender)


def _usage(record: dict[str, Any]) -> str:
    usage = record.get("usage")
    return f"  [{usage['prompt']} tokens read, {usage['completion']} written]" if usage else ""


def _compaction(record: dict[str, Any], summary: str) -> Iterator[str]:
    told = []
    if record["through"]:
        told.append(f"what lies before #{record['through']} is told by this summary")
    if record["drop"] > record["through"]:
        told.append(f"rounds of tools before #{record['drop']} are left out")
    if record["trim"] > record["drop"]:
        told.append(f"long results before #{record['trim']} are cut")
    yield f"{_SUMMARY_RULE} the model sees from here on: {'; '.join(told) or 'as before'} {_SUMMARY_RULE}"
    if record["through"]:
        yield summary
