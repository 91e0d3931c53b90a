"""Who descends from whom: what a pass over an agent has to know of its parents and its children. Pure."""

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final, TypeAlias

from horos_api.agent_state import AgentState
from horos_api.budget_fields import MOST_DEPTH, BudgetSpec
from horos_api.conditions import Reason
from horos_api.names import API_VERSION
from horos_api.resources import OperatingMode
from horos_operator.facts import AgentFacts
from horos_operator.queue import Key

Trouble: TypeAlias = tuple[Reason, str]
Find: TypeAlias = Callable[[str], AgentFacts | None]
"""Finds an Agent of the namespace by its name."""

_USUAL: Final = BudgetSpec()


@dataclass(frozen=True, slots=True)
class Family:
    """Where an agent stands among its relatives.

    `parent` is None when it has none, or none that it could belong to. `root` is the name of the oldest
    ancestor, '' without a parent and as long as the line to it is broken. `trouble` is why it gets no pod, a
    reason and a message; `children` counts those that have not ended.
    """

    parent: AgentFacts | None = None
    root: str = ""
    trouble: Trouble | None = None
    children: int = 0


@dataclass(frozen=True, slots=True)
class Line:
    """The ancestors of an agent, its parent first, as far as they could be found, and why no further."""

    ancestors: tuple[AgentFacts, ...] = ()
    trouble: Trouble | None = None

    @property
    def root(self) -> str:
        """Name of the oldest ancestor; '' when there is none, or the line is broken."""
        return self.ancestors[-1].name if self.ancestors and not self.trouble else ""


def parent_name(agent: AgentFacts) -> str:
    """Read whose child it is; '' of one without a parent, and of one whose spec cannot be read."""
    return agent.spec.parent_name if agent.spec is not None else ""


def budget_of(agent: AgentFacts) -> BudgetSpec:
    """Read what it may use; of one whose spec cannot be read, what is usual."""
    return agent.spec.budget if agent.spec is not None else _USUAL


def lives(agent: AgentFacts) -> bool:
    """Whether it has neither ended nor shall end. The status may tell of an end some seconds late."""
    terminated = agent.spec is not None and agent.spec.operating_mode is OperatingMode.TERMINATED
    return not (agent.deleting or terminated or agent.status.get("state") == AgentState.TERMINATED)


def line_of(agent: AgentFacts, find: Find) -> Line:
    """Follow the names of parents up to the oldest ancestor, or to one that allows nobody so far below it."""
    line, child = {agent.name: agent}, agent
    while name := parent_name(child):
        parent = find(name)
        trouble = _broken(child, parent, name) or _circle(line, name) or _too_long(line)
        if trouble is not None or parent is None:
            return Line(tuple(line.values())[1:], trouble)
        line[name] = child = parent
    return Line(tuple(line.values())[1:])


def _broken(child: AgentFacts, parent: AgentFacts | None, name: str) -> Trouble | None:
    whose = f"spec.parentName of {child.name}"
    if parent is None:
        return Reason.PARENT_MISSING, f"{whose}: there is no Agent {name}"
    if child.owner_uid and child.owner_uid != parent.uid:
        return Reason.PARENT_MISSING, f"{whose}: the Agent {name} that it was a child of is gone"
    if parent.deleting:
        return Reason.PARENT_MISSING, f"{whose}: the Agent {name} is being deleted, and its children with it"
    return None


def _circle(line: Mapping[str, AgentFacts], name: str) -> Trouble | None:
    if name not in line:
        return None
    names = list(line)
    circle = [*names[names.index(name) :], name]
    return Reason.PARENT_CYCLE, f"spec.parentName: its parents run in a circle: {' → '.join(circle)}"


def _too_long(line: Mapping[str, AgentFacts]) -> Trouble | None:
    """Nobody allows so many generations: what stands further up changes nothing, and is not looked at."""
    if len(line) <= MOST_DEPTH + 1:
        return None
    return _too_deep(Line(tuple(line.values())[1:]))


def too_deep(line: Line) -> AgentFacts | None:
    """Find the nearest ancestor that allows no generation as far below it as the end of the line is."""
    deeper = (
        ancestor
        for distance, ancestor in enumerate(line.ancestors, 1)
        if distance > budget_of(ancestor).depth
    )
    return next(deeper, None)


def family_of(agent: AgentFacts, find: Find, children: Callable[[str], Iterable[AgentFacts]]) -> Family:
    """Find out where an agent stands; `children` finds those that name an Agent as their parent."""
    mine = sum(1 for each in _own(agent, children(agent.name)) if lives(each))
    if not parent_name(agent):
        return Family(children=mine)
    line = line_of(agent, find)
    parent = line.ancestors[0] if line.ancestors and not line.trouble else None
    trouble = line.trouble or _too_deep(line)
    # Of one that was born by an order the bus was asked, which knows sooner who has ended.
    if parent is not None and trouble is None and not agent.order:
        trouble = _too_many(agent, parent, _own(parent, children(parent.name)))
    return Family(parent, line.root, trouble, mine)


def _own(parent: AgentFacts, named: Iterable[AgentFacts]) -> Iterator[AgentFacts]:
    """Those that are children of this very Agent, and not of an earlier one of its name."""
    return (each for each in named if each.owner_uid in ("", parent.uid))


def _too_deep(line: Line) -> Trouble | None:
    ancestor = too_deep(line)
    if ancestor is None:
        return None
    allowed, distance = budget_of(ancestor).depth, line.ancestors.index(ancestor) + 1
    message = f"{ancestor.name} allows {allowed} generations below it (budget.depth); this one is {distance}"
    return Reason.TOO_DEEP, message


def _too_many(agent: AgentFacts, parent: AgentFacts, siblings: Iterable[AgentFacts]) -> Trouble | None:
    most = budget_of(parent).children
    older = [
        each for each in siblings if each.name != agent.name and lives(each) and _birth(each) < _birth(agent)
    ]
    if len(older) < most:
        return None
    message = f"{parent.name} may have {most} children at a time (budget.children); {len(older)} are older"
    return Reason.TOO_MANY_CHILDREN, message


def _birth(agent: AgentFacts) -> tuple[float, str]:
    return agent.created, agent.name


def owner_reference(owner: AgentFacts, *, controller: bool) -> dict[str, Any]:
    """Build the reference that has Kubernetes delete an object with the Agent that owns it."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Agent",
        "name": owner.name,
        "uid": owner.uid,
        "controller": controller,
        "blockOwnerDeletion": True,
    }


class ChildIndex:
    """Which Agents name which as their parent, kept beside a cache of Agents.

    Of each child it is noted whether an order has made it: then it waits for no sibling's place.
    """

    def __init__(self) -> None:
        self._children: defaultdict[Key, dict[str, bool]] = defaultdict(dict)
        self._stirred: set[Key] = set()

    def children(self, namespace: str, parent: str) -> frozenset[str]:
        """The names of the Agents that name it as their parent."""
        return frozenset(self._children.get((namespace, parent), ()))

    def change(self, before: AgentFacts | None, now: AgentFacts | None) -> None:
        """Take in that an Agent came, changed or went; relatives that this matters to are stirred."""
        seen = now or before
        if seen is None or _standing(before) == _standing(now):
            return
        stirred = self._descendants(seen.namespace, seen.name)
        for parent in {parent_name(each) for each in (before, now) if each is not None} - {""}:
            self._move(seen, parent, there=now is not None and parent_name(now) == parent)
            stirred.add(parent)
            if before is not None and lives(before):
                # Its place may be free. Whoever is born takes none from older ones.
                siblings = self._children.get((seen.namespace, parent), {})
                stirred |= {name for name, ordered in siblings.items() if not ordered}
        self._stirred |= {(seen.namespace, name) for name in stirred - {seen.name}}

    def _move(self, seen: AgentFacts, parent: str, *, there: bool) -> None:
        key = (seen.namespace, parent)
        if there:
            self._children[key][seen.name] = bool(seen.order)
            return
        self._children[key].pop(seen.name, None)
        if not self._children[key]:
            del self._children[key]

    def _descendants(self, namespace: str, name: str) -> set[str]:
        found: set[str] = set()
        waiting = [name]
        while waiting:
            new = self.children(namespace, waiting.pop()) - found
            found |= new
            waiting += new
        return found

    def stirred(self) -> set[Key]:
        """Pop the Agents that a relative's change means something new for."""
        stirred, self._stirred = self._stirred, set()
        return stirred


def _standing(agent: AgentFacts | None) -> tuple[object, ...] | None:
    """What relatives look at."""
    if agent is None:
        return None
    budget = budget_of(agent)
    return agent.uid, agent.deleting, lives(agent), parent_name(agent), budget.children, budget.depth
