"""What a run left behind, and everything that can be wrong with it: reading it, and judging it (pure)."""

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.records import Ending
from horos_bus.sender import reply
from horos_runtime.records import OUTCOME_UNKNOWN
from tests.crash.mind import TAG, Program, body
from tests.crash.verdicts import Verdict

Record = Mapping[str, Any]


@dataclass(frozen=True)
class Said:
    """One message of a person, and how it may end. `ends`: text, error, or either."""

    mid: str
    person: str
    to: str
    tag: str
    program: Program = field(default_factory=dict)
    thread: str = "main"
    kind: Literal["request", "notice"] = "request"
    delay: int = 0
    ends: tuple[Literal["text", "error"], ...] = ("text",)
    rests_on: tuple[str, ...] = ()
    """Tags that its answer must show."""
    vanishes: bool = False
    """Its agent may end before it is read."""
    waits_for: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    """Tags of calls that people decide about, and how each may end: approved, denied, expired."""

    @property
    def body(self) -> str:
        """What is sent."""
        return body(self.tag, self.program)


@dataclass(frozen=True)
class Problem:
    """One thing that is wrong."""

    kind: Literal["lost", "repeated", "illegal"]
    text: str

    def __str__(self) -> str:
        return f"{self.kind}: {self.text}"


@dataclass
class Life:
    """One agent's traces: contexts by thread, dead letters, events; `tokens` in the order of their birth.

    `counted` is how many tokens its models have read, as its totals say.
    """

    name: str
    tokens: list[str]
    contexts: dict[str, list[Record]]
    dead: list[Record]
    told: list[Record]
    counted: int = 0

    def records(self) -> Iterator[Record]:
        """All records of all threads."""
        for records in self.contexts.values():
            yield from records

    def taken(self, thread: str = "") -> Iterator[Record]:
        """Messages that were taken in, of one thread or all: user records, and dead letters without one.

        The journal of a buried turn stays, so what it had told is in both places.
        """
        told = set()
        for where, records in self.contexts.items():
            for record in records:
                if "mid" in record:
                    told.add((record["mid"], record["run"]))
                    if thread in ("", where):
                        yield record
        for letter in self.dead:
            if (letter["mid"], letter["turn"]) not in told and thread in ("", letter["thread"]):
                yield letter


@dataclass
class History:
    """All that is judged. `lossy`: Redis has lost a part of the past; what remains must be consistent."""

    lives: list[Life] = field(default_factory=list)
    endings: dict[str, Ending | None] = field(default_factory=dict)
    marks: list[tuple[str, str, str]] = field(default_factory=list)
    sent: dict[str, str] = field(default_factory=dict)
    decided: list[Verdict] = field(default_factory=list)
    lossy: bool = False


async def life_of(bus: Bus, name: str, tokens: list[str]) -> Life:
    """Read one agent before it is deleted."""
    control = Control(bus)
    contexts = {
        thread: [json.loads(entry) for entry in (await control.stretch(name, thread)).records]
        for thread in await control.threads(name)
    }
    dead: list[Record] = [
        {
            "mid": letter.message.mid,
            "content": letter.message.body,
            "thread": letter.message.thread,
            "turn": letter.turn,
        }
        for letter in await control.dead_letters(name, 1000)
    ]
    entries = await bus.command("XRANGE", bus.keys.events(name), "-", "+")
    told = [json.loads(values[b"e"]) for _, values in entries]
    view = await control.view(name)
    return Life(name, tokens, contexts, dead, told, view.usage.prompt_tokens if view else 0)


async def endings_of(bus: Bus, said: Iterable[Said]) -> dict[str, Ending | None]:
    """Read how requests ended."""
    return {each.mid: await reply(bus, each.mid) for each in said if each.kind == "request"}


def problems(history: History, said: Iterable[Said]) -> list[Problem]:
    """Judge a run."""
    said = list(said)
    return [
        *_messages(history, said),
        *_answers(history, said),
        *_effects(history, said),
        *_contexts(history),
        *_usage(history),
        *(() if history.lossy else (*_order(history, said), *_tools(history), *_approvals(history, said))),
    ]


def _messages(history: History, said: list[Said]) -> Iterator[Problem]:
    """Each message is in one context once, or a dead letter once."""
    places: Counter[tuple[str, str]] = Counter()
    for life in history.lives:
        places.update((life.name, record["mid"]) for record in life.taken())
    for (name, mid), count in places.items():
        if count > 1:
            yield Problem("repeated", f"{mid} was taken in {count} times by {name}")
    for each in said:
        accepted = history.sent.get(each.mid) in ("OK", "DUP")
        excused = each.vanishes or (history.lossy and each.kind == "notice")
        if accepted and not excused and not places[each.to, each.mid]:
            yield Problem("lost", f"{each.mid} was accepted by {each.to} and is nowhere")


def _answers(history: History, said: list[Said]) -> Iterator[Problem]:
    """Each request ends once, as it should, with what it rests on and with nobody else's words."""
    told = Counter(
        event["value"]["re"]
        for life in history.lives
        for event in life.told
        if event["type"] == "CUSTOM" and event["name"] == "reply"
    )
    threads = _threads(said)
    for each in said:
        if each.kind != "request" or history.sent.get(each.mid) not in ("OK", "DUP"):
            continue
        if told[each.mid] > 1:
            yield Problem("repeated", f"watchers were told of {told[each.mid]} answers to {each.mid}")
        ending = history.endings.get(each.mid)
        if ending is None:
            yield Problem("lost", f"{each.mid} to {each.to} has no answer")
            continue
        how = "error" if ending.error else "text"
        if how not in each.ends:
            yield Problem("illegal", f"{each.mid} ended with {how} {ending.error or ending.text!r}")
        tags = set(TAG.findall(ending.text))
        if how == "text" and (missing := {each.tag, *each.rests_on} - tags):
            yield Problem("illegal", f"the answer to {each.mid} lacks {sorted(missing)}: {ending.text}")
        foreign = {tag for tag in tags if threads.get(tag, each.thread) != each.thread}
        if foreign:
            yield Problem("illegal", f"the answer to {each.mid} tells of another thread: {sorted(foreign)}")


def _threads(said: list[Said]) -> dict[str, str]:
    """Give the thread of each tag."""
    found: dict[str, str] = {}

    def walk(program: Program, thread: str) -> None:
        for calls in program.get("rounds", []):
            for call in calls:
                if call[0] in ("ask", "send", "create"):
                    found[call[2]] = thread
                    walk(call[3], thread)
                else:
                    found[call[1]] = thread

    for each in said:
        found[each.tag] = each.thread
        walk(each.program, each.thread)
    return found


def _calls(records: list[Record]) -> Iterator[tuple[str, dict[str, str], str]]:
    """Give each call with its arguments and result."""
    for index, record in enumerate(records):
        results: dict[str, str] = {}
        for later in records[index + 1 :]:
            if later["role"] == "assistant":
                break
            if later["role"] == "tool":
                results.setdefault(later["tool_call_id"], later["content"])
        for call in record.get("tool_calls", []):
            arguments = json.loads(call["function"]["arguments"])
            yield call["function"]["name"], arguments, results.get(call["id"], "error: none")


def _effects(history: History, said: list[Said]) -> Iterator[Problem]:
    """Each effect on the bus happens once, and each request of an agent gets one reply."""
    arrived = Counter(_arrivals(history))
    ending = {each.to for each in said if each.vanishes}
    done: Counter[str] = Counter()
    for life in history.lives:
        for thread, records in life.contexts.items():
            asks = 0
            for name, arguments, result in _calls(records):
                if name in ("ask", "send", "create_agent") and not result.startswith("error"):
                    tag = _opening_tag(arguments.get("text") or arguments["task"])
                    done[tag] += 1
                    asks += name != "send"
                    if not arrived[tag] and arguments.get("to") not in ending:
                        yield Problem("lost", f"{life.name}'s {name} <{tag}> reached nobody")
            replies = _replies(life, thread)
            if replies != asks:
                kind: Literal["lost", "repeated"] = "lost" if replies < asks else "repeated"
                yield Problem(kind, f"{life.name} asked {asks} times in {thread} and got {replies} replies")
    own = {each.tag for each in said}
    for tag, count in arrived.items():
        if count > 1 and (tag in done or tag in own):
            yield Problem("repeated", f"<{tag}> arrived {count} times")
    for tag, count in done.items():
        if count > 1:
            yield Problem("repeated", f"<{tag}> was sent {count} times")


def _opening_tag(text: str) -> str:
    found = TAG.match(text)
    return found.group(1) if found else ""


def _arrivals(history: History) -> Iterator[str]:
    """Give the tag that each message opens with which was taken in, replies left out."""
    for life in history.lives:
        for record in life.taken():
            if not str(record["mid"]).endswith("!reply"):
                yield _opening_tag(record["content"])


def _replies(life: Life, thread: str) -> int:
    """Count the replies that came in a thread, those that could not be read included."""
    return sum(str(record["mid"]).endswith("!reply") for record in life.taken(thread))


def _usage(history: History) -> Iterator[Problem]:
    """What the model read for any step is counted, whoever wrote it and whether its turn was buried."""
    for life in history.lives:
        read = sum(record.get("usage", {}).get("prompt", 0) for record in life.records())
        if life.counted < read:
            yield Problem("lost", f"{life.name}'s steps used {read} tokens and {life.counted} were counted")


def _contexts(history: History) -> Iterator[Problem]:
    """Each call has one result before the next step, and the authors of a thread follow each other."""
    for life in history.lives:
        for thread, records in life.contexts.items():
            where, missing = f"{life.name}/{thread}", list[str]()
            latest, run = -1, ""
            buried = {letter["turn"] for letter in life.dead}
            for record in records:
                if record["run"] != run and run in buried:
                    missing = []  # the journal of a buried turn stays as it was
                run = record["run"]
                if record["role"] == "tool":
                    if record["tool_call_id"] not in missing:
                        yield Problem("illegal", f"{where}: a result without a call: {record}")
                    else:
                        missing.remove(record["tool_call_id"])
                elif record["role"] == "assistant":
                    if missing:
                        yield Problem("illegal", f"{where}: calls without a result: {missing}")
                    missing = [call["id"] for call in record.get("tool_calls", [])]
                if by := record.get("by"):
                    author = life.tokens.index(by) if by in life.tokens else -2
                    if author < latest:
                        yield Problem("illegal", f"{where}: {by} wrote after {life.tokens[latest]}")
                    latest = max(author, latest)
            if missing and run not in buried:
                yield Problem("illegal", f"{where}: calls without a result at the end: {missing}")


def _order(history: History, said: list[Said]) -> Iterator[Problem]:
    """What one person sends to one thread comes in that order."""
    wanted: dict[tuple[str, str, str], list[str]] = {}
    for each in said:
        if not each.delay:
            wanted.setdefault((each.person, each.to, each.thread), []).append(each.mid)
    for (person, to, thread), mids in wanted.items():
        for life in history.lives:
            if life.name == to:
                came = [
                    record["mid"] for record in life.contexts.get(thread, []) if record.get("mid") in mids
                ]
                if came != sorted(came, key=mids.index):
                    yield Problem("illegal", f"{person}'s messages to {to}/{thread} came as {came}")


def _tools(history: History) -> Iterator[Problem]:
    """A tool that must not be repeated is started once at most; a result tells of one that ran."""
    runs = Counter((tool, tag) for tool, tag, _ in history.marks)
    for (tool, tag), count in runs.items():
        if tool != "look_up" and count > 1:
            yield Problem("repeated", f"{tool} {tag} was started {count} times")
    for life in history.lives:
        for records in life.contexts.values():
            for name, arguments, result in _calls(records):
                tag = arguments.get("tag", "")
                if result.startswith(f"{name} did {tag}") and not runs[name, tag]:
                    yield Problem("lost", f"{name} {tag} has a result and never ran")


@dataclass
class _Wait:
    """One call that waited for a person, as watchers heard of it; `results`: of the approved call."""

    id: str
    tag: str
    statuses: list[str] = field(default_factory=list)
    who: str = ""
    results: list[str] = field(default_factory=list)


def _waits(life: Life) -> list[_Wait]:
    """Read what an agent's calls waited for."""
    found: dict[str, _Wait] = {}
    for event in life.told:
        if event["type"] == "CUSTOM" and event["name"] == "approval":
            value = event["value"]
            if value["status"] == "pending":
                tag = TAG.findall(value["arguments"])[0]
                found[value["id"]] = _Wait(value["id"], tag)
            elif value["id"] in found:  # else the oldest events are gone
                found[value["id"]].statuses.append(value["status"])
                found[value["id"]].who = value["who"]
    for records in life.contexts.values():
        for record in records:
            if record["role"] == "tool" and record["tool_call_id"] in found:
                found[record["tool_call_id"]].results.append(record["content"])
    return list(found.values())


def _approvals(history: History, said: list[Said]) -> Iterator[Problem]:
    """Each call that waits is asked about once, decided once, and runs once if approved, else never."""
    waits = [wait for life in history.lives for wait in _waits(life)]
    buried = {letter["mid"] for life in history.lives for letter in life.dead}
    by_tag = {wait.tag: wait for wait in waits}
    for tag, count in Counter(wait.tag for wait in waits).items():
        if count > 1:
            yield Problem("repeated", f"people were asked {count} times about <{tag}>")
    for wait in waits:
        if f"{wait.id}!decision" not in buried:
            yield from _decision(history, wait)
    for each in said:
        for tag, statuses in each.waits_for.items():
            status = by_tag[tag].statuses[-1] if tag in by_tag and by_tag[tag].statuses else "never decided"
            if status not in statuses:
                yield Problem("illegal", f"<{tag}> was {status}, not {' or '.join(statuses)}")
            ending = history.endings.get(each.mid)
            if ending and not ending.error and f"{status}:{tag}" not in TAG.findall(ending.text):
                yield Problem(
                    "illegal", f"the answer to {each.mid} does not say <{status}:{tag}>: {ending.text}"
                )


def _decision(history: History, wait: _Wait) -> Iterator[Problem]:
    """What was decided, by whom it says, and what came of it."""
    name = f"<{wait.tag}> ({wait.id})"
    if len(wait.statuses) != 1:
        yield Problem("repeated" if wait.statuses else "lost", f"{name} was decided as {wait.statuses}")
        return
    status = wait.statuses[0]
    for verdict in (each for each in history.decided if each.id == wait.id):
        if (verdict.status, verdict.who) != (status, wait.who):
            yield Problem(
                "illegal", f"{verdict.by} was told that {name} is {verdict.status} by {verdict.who}"
            )
        if verdict.outcome == "DECIDED" and verdict.by != wait.who:
            yield Problem("illegal", f"{verdict.by} was told DECIDED and {wait.who} has decided {name}")
    runs = sum(f"<{wait.tag}>" == tag for _, tag, _ in history.marks)
    unknown = any(result.startswith(OUTCOME_UNKNOWN) for result in wait.results)
    if status != "approved":
        if runs or wait.results:
            yield Problem("illegal", f"{name} was {status} and ran {runs} times")
    elif len(wait.results) != 1:
        yield Problem("lost", f"{name} was approved and has the results {wait.results}")
    elif not runs and not unknown:
        yield Problem("lost", f"{name} was approved and never ran")
