"""Breadth-first through every state of a model, with the shortest way to the first violation."""

import time
from collections.abc import Iterator
from dataclasses import dataclass

from tests.protocol.faults import deadlines, fault_steps
from tests.protocol.groups import first_members, group_faults, projecting
from tests.protocol.invariants import settled, stuck, violation, wrong_step
from tests.protocol.orders import collect
from tests.protocol.runtime import steps as runtime_steps
from tests.protocol.scenario import Model, Step
from tests.protocol.state import Agent, Bus, Client, Operator, World
from tests.protocol.surroundings import client_steps, operator_steps, status_of

LIMIT = 400_000


@dataclass(frozen=True)
class Result:
    """What was seen. `violation` is None when everything held; `trace` leads to it, step by step."""

    states: int
    edges: int
    depth: int
    seconds: float
    violation: str | None = None
    trace: tuple[str, ...] = ()

    def __str__(self) -> str:
        size = f"{self.states:,} states, {self.edges:,} steps, depth {self.depth}, {self.seconds:.1f} s"
        if self.violation is None:
            return size
        way = "".join(f"\n  {number:2} {text}" for number, text in enumerate(self.trace, 1))
        return f"{self.violation} ({size}){way}"


def first(model: Model) -> World:
    """All agents are there and asleep, nothing has been sent."""
    children, tasks = model.scenario.children, model.scenario.tasks
    agents = (Agent(uid=a not in children, task=a in tasks) for a in range(model.scenario.agents))
    bus = first_members(model, Bus(agents=tuple(agents)))
    operators = (Operator(),) * model.scenario.operators
    shown = tuple(status_of(bus, a) for a in range(len(bus.agents))) if model.scenario.status else ()
    world = World(bus, (), operators, Client(), tuple(model.scenario.faults.values()), shown=shown)
    return world._replace(asked_for=frozenset(model.scenario.members), groups=bus.group.uid)


def successors(model: Model, world: World) -> Iterator[Step]:
    """Every step out of a state. Deadlines that come by themselves wait until nothing else moves."""
    moving = False
    for step in hasty(model, world):
        moving = moving or step.pace == "fast"
        yield step
    if not moving and model.scenario.deadlines:
        yield from deadlines(model, world)


def hasty(model: Model, world: World) -> Iterator[Step]:
    """Every step but those."""
    for at in range(len(world.runtimes)):
        yield from runtime_steps(model, world, at)
    yield from operator_steps(model, world)
    yield from client_steps(model, world)
    yield from collect(model, world)
    yield from fault_steps(model, world)
    yield from projecting(model, world)
    yield from group_faults(model, world)


def canonical(model: Model, world: World) -> World:
    """Without what this scenario cannot tell apart."""
    bus = world.bus
    if bus.dirty and not model.scenario.status:
        bus = bus._replace(dirty=frozenset())
    if bus.later:
        timed = model.scenario.deadlines or model.left(world, "deadline")
        kept = frozenset(
            entry
            for entry in bus.later
            if entry.message or (timed and matters(bus.agents[entry.agent], entry.mid))
        )
        if len(kept) < len(bus.later):
            bus = bus._replace(later=kept)
    return world if bus is world.bus else world._replace(bus=bus)


def matters(agent: Agent, mid: str) -> bool:
    """Whether a deadline can still do anything."""
    timed = {debt.mid for debt in agent.owed} | {wait.mid for wait in agent.waits}
    return mid in timed or any(approval.mid == mid for approval in agent.approvals)


class Exploration:
    """One run: the states found so far and how each was reached."""

    def __init__(self, model: Model, limit: int = LIMIT) -> None:
        self.model = model
        self.limit = limit
        start = first(model)
        self.index = {start: 0}
        self.states = [start]
        self.parents: list[tuple[int, str]] = [(-1, "")]
        self.depths = [0]
        self.before: list[list[int]] = [[]]
        """For each state those that reach it without a fault."""
        self.good: list[int] = []
        self.edges = 0
        self.started = time.process_time()

    def run(self) -> Result:
        """See everything, or stop at the first violation."""
        at = 0
        while at < len(self.states):
            wrong = self.visit(at)
            if wrong:
                return self.result(wrong, at)
            at += 1
            if at > self.limit:
                return self.result(f"more than {self.limit:,} states: make the scenario smaller", 0)
        lost = self.hopeless()
        if lost is not None:
            return self.result("no way without faults leads to the end of all requests", lost)
        return self.result(None, 0)

    def visit(self, at: int) -> str | None:
        """Check one state and find what follows from it."""
        model, world = self.model, self.states[at]
        wrong = violation(model, world)
        if wrong:
            return wrong
        moving = fast = False
        for pace, text, reached in successors(model, world):
            after = canonical(model, reached)
            fast = fast or pace == "fast"
            moving = moving or (pace != "fault" and after != world)
            self.edges += 1
            self.add(at, after, text, pace == "fault")
            wrong = None if "rollback" in model.faults else wrong_step(model, world, after)
            if wrong:
                return f"{wrong}: {text}"
        if not fast:
            wrong = stuck(world)
        if settled(model, world):
            self.good.append(at)
        elif not moving:
            wrong = wrong or "nothing can happen any more and not all is answered"
        return wrong

    def add(self, at: int, after: World, text: str, fault: bool) -> None:
        """Remember a state, and how it was reached if it is new."""
        known = self.index.get(after)
        if known is None:
            known = self.index[after] = len(self.states)
            self.states.append(after)
            self.parents.append((at, text))
            self.depths.append(self.depths[at] + 1)
            self.before.append([])
        if not fault and known != at:
            self.before[known].append(at)

    def hopeless(self) -> int | None:
        """The first state from which, without further faults, no way leads to a good end."""
        reached = bytearray(len(self.states))
        waiting = list(self.good)
        for at in waiting:
            reached[at] = 1
        while waiting:
            for earlier in self.before[waiting.pop()]:
                if not reached[earlier]:
                    reached[earlier] = 1
                    waiting.append(earlier)
        at = reached.find(0)
        return None if at < 0 else at

    def result(self, wrong: str | None, at: int) -> Result:
        """What this run found, with the way to the state in question."""
        trace: list[str] = []
        while at > 0:
            at, text = self.parents[at]
            trace.append(text)
        seconds = time.process_time() - self.started
        return Result(len(self.states), self.edges, max(self.depths), seconds, wrong, tuple(reversed(trace)))


def explore(model: Model, limit: int = LIMIT) -> Result:
    """See every state of a model."""
    return Exploration(model, limit).run()
