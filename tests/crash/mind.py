"""What the scripted model says: a pure function of the conversation, which carries its own program.

A message is `<tag> {"rounds": [[call, ..], ..]}`; a call is ["ask" | "send" | "create", agent, tag, program]
(the last has it created, with the message as its task), ["post", "@agent" or "", tag, seconds of delay],
["reply", tag], [a tool of agent_process, tag].
Every tag is called once. The answer is every tag that was heard in the thread, so that it shows what it rests
on; of a decision also how the call was decided.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

TAG: Final = re.compile(r"<([\w:.!-]+)>")
VERDICTS: Final = {
    "Approved by ": "approved",
    "Denied by ": "denied",
    "Denied, since nobody decided in time": "expired",
}
"""How the runtime tells of decisions, in words that no message of the story has."""
REQUEST: Final = re.compile(r"[a-z0-9-]+/\d+-\d+/\d+\.\d+")
"""The mid of a request that an agent made."""
Program = dict[str, Any]
Call = list[Any]


def body(tag: str, program: Program | None = None) -> str:
    """Write a message."""
    return f"<{tag}> {json.dumps(program or {})}"


def program_of(text: str) -> Program:
    """Read the program of a message; whatever has none has an empty one."""
    at = text.find("{")
    if at < 0:
        return {}
    try:
        found, _ = json.JSONDecoder().raw_decode(text[at:])
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


@dataclass(frozen=True)
class Thought:
    """What to do now: `calls` of tools, or the text; `trouble` is what the messages want to go wrong."""

    calls: tuple[tuple[str, dict[str, str]], ...] = ()
    text: str = ""
    trouble: str = ""
    tag: str = ""


def think(messages: list[dict[str, Any]]) -> Thought:
    """Decide the next step."""
    users = list(_of_this_exchange(messages))
    me = _me(messages)
    programs = [_own(program_of(text), me) for text in users]
    tag = _first_tag(users[-1]) if users else ""
    for text, program in zip(users, programs, strict=True):
        for trouble in ("poison", "hang", "refuse"):
            if program.get(trouble):
                return Thought(trouble=trouble, tag=_first_tag(text), text=_answer(messages))
    made = "".join(_arguments(messages))
    for text, program in zip(users, programs, strict=True):
        for calls in program.get("rounds", []):
            new = [call for call in calls if f"<{_tag_of(call)}>" not in made]
            if new:
                return Thought(calls=tuple(_call(call, text) for call in new), tag=tag)
    return Thought(text=_answer(messages), tag=tag)


def _of_this_exchange(messages: list[dict[str, Any]]) -> Iterator[str]:
    """Give the users' messages since the last answer."""
    begin = 0
    for index, message in enumerate(messages):
        if message["role"] == "assistant" and not message.get("tool_calls"):
            begin = index + 1
    for message in messages[begin:]:
        if message["role"] == "user":
            yield message["content"]


def _arguments(messages: list[dict[str, Any]]) -> Iterator[str]:
    for message in messages:
        for call in message.get("tool_calls", []):
            yield call["function"]["arguments"]


def _first_tag(text: str) -> str:
    found = TAG.search(text)
    return found.group(1) if found else ""


def _tag_of(call: Call) -> str:
    return str(call[2] if call[0] in ("ask", "send", "create", "post") else call[1])


def _call(call: Call, text: str) -> tuple[str, dict[str, str]]:
    match call:
        case ["ask" | "send" as name, to, tag, program]:
            return name, {"to": to, "text": body(tag, program)}
        case ["post", whom, tag, delay]:
            return "broadcast", {"group": "team", "text": f"{whom} <{tag}>", "delaySeconds": delay}
        case ["create", name, tag, program]:
            wish = {"name": name, "instructions": f"You are {name}", "task": body(tag, program)}
            return "create_agent", wish
        case ["reply", tag]:
            request = REQUEST.search(text)
            return "reply", {"request": request.group() if request else "none", "text": f"<{tag}>"}
        case [name, tag]:
            return name, {"tag": f"<{tag}>"}
    raise ValueError(f"not a call: {call}")


def _heard(text: str) -> Iterator[str]:
    """Give the tags of a message, and of a decision how the call with that tag was decided."""
    tags = TAG.findall(text)
    yield from tags
    for words, verdict in VERDICTS.items():
        if words in text:
            yield from (f"{verdict}:{tag}" for tag in tags)


def _answer(messages: list[dict[str, Any]]) -> str:
    heard: set[str] = set()
    for message in messages:
        if message["role"] == "user":
            heard.update(_heard(message["content"]))
    return " ".join(f"<{tag}>" for tag in sorted(heard | {f"by:{_me(messages)}"}))


def _me(messages: list[dict[str, Any]]) -> str:
    said = next((message["content"] for message in messages if message["role"] == "system"), "").split()
    return str(said[-1]) if said else "nobody"


def _own(program: Program, me: str) -> Program:
    """Leave out a program `for` somebody else, which all members of a group read."""
    return program if program.get("for", me) == me else {}
