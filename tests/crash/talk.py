"""The group of the story: what people post there, and everything that can be wrong with it (that is pure).

`team` has the members hal and ivy; cid joins when it is created again. hal posts, too, at once and delayed.
"""

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from horos_bus.group_records import GroupPost
from tests.crash.history import Life, Problem
from tests.crash.mind import TAG

TEAM = "team"
THREAD = f"group.{TEAM}"
LATE = "cid"
"""Who joins when all others have answered."""
_NUMBER = re.compile(r"^(\d+)\. ", re.MULTILINE)
_PROGRAM = (
    '{"for": "hal", "rounds": [[["charge", "k6"]], [["post", "@ivy", "w3", 0], ["post", "", "w4", 1]], '
    '[["look_up", "k7"]]]}'
)


@dataclass(frozen=True)
class Posted:
    """One post of a person."""

    mid: str
    body: str
    mentions: tuple[str, ...] = ()

    def message(self) -> dict[str, Any]:
        """What the client reads."""
        return {"post": {"group": TEAM, "mid": self.mid, "body": self.body}}


POSTS = (
    Posted("g1", "<g1>"),
    Posted("g2", f"@hal <g2> {_PROGRAM}", ("hal",)),
    Posted("g3", "<g3>"),
    Posted("g4", "@hal and @ivy <g4>", ("hal", "ivy")),
    Posted("g5", "<g5>"),
)
LATE_POST = Posted("g6", f"@{LATE} <g6>", (LATE,))
TAGS = ("g1", "g2", "g3", "g4", "g5", "g6", "w3", "w4")
"""What must be in the log once each: what people posted, and what hal did."""


@dataclass
class Talk:
    """What the run left of the group. `joined`: the number of the last post before each member's join."""

    log: Sequence[GroupPost] = ()
    joined: dict[str, int] = field(default_factory=dict)


def wrong_talk(talk: Talk, lives: Sequence[Life]) -> list[Problem]:
    """Judge it: posts once and in one order, mentions answered once, each member reads each post once."""
    latest = {life.name: life for life in lives}
    return [*_log(talk), *_answers(talk), *(p for life in latest.values() for p in _reading(talk, life))]


def _log(talk: Talk) -> Iterator[Problem]:
    numbers = [post.number for post in talk.log]
    if numbers != list(range(1, len(numbers) + 1)):
        yield Problem("illegal", f"the posts are numbered {numbers}")
    written = Counter(TAG.findall(post.body)[0] for post in talk.log if not post.answers)
    for tag in TAGS:
        if written[tag] != 1:
            yield Problem("repeated" if written[tag] else "lost", f"<{tag}> was posted {written[tag]} times")


def _answers(talk: Talk) -> Iterator[Problem]:
    ended = Counter(mid for post in talk.log for mid in post.answers)
    tags = {post.mid: TAG.findall(post.body)[0] for post in talk.log if not post.answers}
    for post in talk.log:
        for member in post.mentions:
            mid = f"{post.mid}@{member}"
            if ended[mid] != 1:
                yield Problem("repeated" if ended[mid] else "lost", f"{mid} was answered {ended[mid]} times")
        for mid in post.answers:
            if post.error or tags[mid.rpartition("@")[0]] not in TAG.findall(post.body):
                yield Problem("illegal", f"{mid} was answered with {post.body}")


def _reading(talk: Talk, life: Life) -> Iterator[Problem]:
    """Each post behind the join and not one's own, once, in order, up to the last mention."""
    if life.name not in talk.joined:
        return
    told = [record for record in life.contexts.get(THREAD, []) if record.get("group") == TEAM]
    read = [int(number) for record in told for number in _NUMBER.findall(record["content"])]
    last = max((post.number for post in talk.log if life.name in post.mentions), default=0)
    due = [
        post.number
        for post in talk.log
        if talk.joined[life.name] < post.number <= last and post.sender != life.name
    ]
    if read != due:
        missed = set(due) - set(read)
        yield Problem("lost" if missed else "repeated", f"{life.name} read {read} of the group, not {due}")
