"""What is tried with each example in both worlds: the script, what is said, what comes of it."""

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

PROJECT = Path(__file__).resolve().parents[2]
_IDS: Final = re.compile(r"[0-9a-z-]*[0-9a-f]{32}|[a-z]+(-[a-z]+)*/\d{10,}-\d+/[\d.]+|\d{10,}-\d+")
_WHEREABOUTS: Final = ("wake", "resident", "hibernated")
"""Where its process is: whether a message or the process is there first is not the agent's business."""


@dataclass(frozen=True)
class Say:
    """Something that a person says, and what is answered: lines of standard output."""

    to: str
    text: str
    answers: tuple[str, ...]


@dataclass(frozen=True)
class Story:
    """One example: what is said to it, and how many turns each agent has taken in the end."""

    name: str
    says: tuple[Say, ...]
    turns: Mapping[str, int]
    servers: tuple[str, ...] = ()
    """Agents with tool servers, which a turn waits for only so long."""

    @property
    def file(self) -> Path:
        return PROJECT / "examples" / f"{self.name}.yaml"

    @property
    def script(self) -> dict[str, Any]:
        loaded: dict[str, Any] = yaml.safe_load((Path(__file__).parent / f"{self.name}.yaml").read_text())
        return loaded

    @property
    def agents(self) -> list[str]:
        """The agents of the file; others are born."""
        documents = yaml.safe_load_all(self.file.read_text())
        return [each["metadata"]["name"] for each in documents if each["kind"] == "Agent"]

    def is_over(self, events: Iterable[Mapping[str, Any]]) -> bool:
        """Whether each agent has taken its turns; `events` say whose they are."""
        finished = Counter(each["agent"] for each in events if each["type"] == "RUN_FINISHED")
        return all(finished[agent] >= turns for agent, turns in self.turns.items())


REVIEW = "REVIEW: the shell runs whatever the name says."
STORIES = (
    Story(
        "hello",
        (Say("hello", "Who are you?", ("I am hello, and I am here to help.",)),),
        {"hello": 1},
    ),
    Story(
        "tool-user",
        (Say("clerk", "How long is a shift from 21:40 to 06:15?", ("8 h 35 min",)),),
        {"clerk": 1},
        servers=("clerk",),
    ),
    Story(
        "research-team",
        (
            Say(
                "lead",
                "Should our town build a tram or more bus lanes?",
                (
                    "FINDING: a tram line costs ten times as much as bus lanes.",
                    "FINDING: a tram is taken by a third more people than a bus.",
                ),
            ),
        ),
        {"lead": 3, "costs": 1, "riders": 1},
    ),
    Story(
        "review-board",
        (
            Say("@board", "@security @readability Please review: run('tar xf ' + name)", (REVIEW, REVIEW)),
            Say("@board", "@chair May it be merged?", (REVIEW,)),
        ),
        {"security": 1, "readability": 1, "chair": 1},
    ),
    Story(
        "assistant",
        (
            Say(
                "assistant",
                "I am Ada. Remind me each day of what I have promised.",
                ("I will remind you each day, Ada.",),
            ),
        ),
        {"assistant": 2},
    ),
)


def told(events: Iterable[Mapping[str, Any]]) -> list[tuple[str, ...]]:
    """Say what events tell, without when, where and in how many pieces: the same in every world."""
    found: list[tuple[str, ...]] = []
    for event in events:
        kind = str(event["type"])
        if kind in ("TEXT_MESSAGE_CONTENT", "TOOL_CALL_ARGS"):
            if found and found[-1][0] == kind:
                found[-1] = (kind, found[-1][1] + event["delta"])
            else:
                found.append((kind, event["delta"]))
        elif kind != "CUSTOM":
            found.append((kind, _plain(_what(event))))
        elif event["name"] not in _WHEREABOUTS:
            found.append((kind, event["name"], _plain(_value(event))))
    return found


def connected(printed: str) -> bool:
    """Whether all tool servers are there, as `horos tools -o json` prints it."""
    return all(server["state"] == "Connected" for server in json.loads(printed)["items"] or ({"state": ""},))


def _what(event: Mapping[str, Any]) -> object:
    for field in ("toolCallName", "content", "snapshot", "threadId"):
        if field in event:
            return event[field]
    return ""


def _value(event: Mapping[str, Any]) -> object:
    value = event["value"]
    return value["text"] if event["name"] == "reply" and "text" in value else ""


def _plain(value: object) -> str:
    """Write a value without the ids in it."""
    text = value if isinstance(value, str) else json.dumps(value, sort_keys=True)
    return _IDS.sub("ID", text)
