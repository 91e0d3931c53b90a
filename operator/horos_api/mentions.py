"""Whom a message to a group wakes, and whom a text mentions. Pure, and light: every agent loads it."""

import re
from collections import defaultdict
from collections.abc import Iterator
from enum import StrEnum
from typing import Final

from horos_api.names import AGENT_NAME_LENGTH

MEMBERS_AT_MOST: Final = 1000
"""How many agents a group may have: each message to all of them is so many entries of inboxes."""
_NAME: Final = rf"[a-zA-Z0-9](?:[-a-zA-Z0-9]{{0,{AGENT_NAME_LENGTH - 2}}}[a-zA-Z0-9])?"
_MENTION: Final = re.compile(rf"(?<![\w.@/+-])@({_NAME})(?![\w@/]|[-.]+\w)")
_TICKS: Final = re.compile("`+")


class Wake(StrEnum):
    """Which members a message to the group wakes; all of them can read it."""

    MENTIONED = "Mentioned"
    """Those that it mentions."""
    ALL = "All"
    """Everybody but whoever posted it."""


def mentions_in(text: str) -> tuple[str, ...]:
    """List the names that a text mentions as `@name`, in lower case, each once, in the order of the text.

    Not what is part of a longer word (an e-mail address, a package, a path), and not what Markdown shows as
    code.
    """
    prose = "".join(_prose(text))
    return tuple(dict.fromkeys(found.lower() for found in _MENTION.findall(prose)))[:MEMBERS_AT_MOST]


def _prose(text: str) -> Iterator[str]:
    """Yield what lies outside of code: between two equal runs of backticks, as Markdown has it."""
    runs = list(_TICKS.finditer(text))
    later: defaultdict[str, list[int]] = defaultdict(list)
    for number in reversed(range(len(runs))):
        later[runs[number].group()].append(number)
    begin = number = 0
    while number < len(runs):
        run = runs[number]
        same = later[run.group()]
        while same and same[-1] <= number:
            same.pop()
        if same:
            yield text[begin : run.start()] + "`"
            number = same[-1]
            begin = runs[number].end()
        number += 1
    yield text[begin:]
