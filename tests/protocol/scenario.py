"""One configuration: what people send, how agents behave, and which faults may happen how often."""

from collections.abc import Mapping
from typing import Final, Literal, NamedTuple

from tests.protocol.guards import Rules
from tests.protocol.state import Kind, Verdict, World

Action = tuple[Literal["ask", "reply", "tool", "approve", "elicit", "post", "create"], int]
"""One round of a turn: ask an agent, answer early what the turn opened with, run an outside tool, call a
tool that needs approval, run one that asks a person something, mention an agent in a post to the group, or
have a child created with a task."""

Pace = Literal["fast", "slow", "fault"]


class Send(NamedTuple):
    """A message that a person sends; `mid` is m1, m2 … by its place in the scenario."""

    to: int = 0
    kind: Kind | Literal["post"] = "request"
    thread: str = "main"
    delayed: bool = False
    mentions: tuple[int, ...] = ()
    """Of a post: whom it mentions; `to` means nothing then."""


class Scenario(NamedTuple):
    """A configuration, small enough that all of its states can be seen."""

    sends: tuple[Send, ...] = (Send(),)
    faults: Mapping[str, int] = {}
    plans: Mapping[tuple[int, bool], tuple[Action, ...]] = {}
    """By agent and whether a person asked: the rounds before the answer."""
    agents: int = 1
    operators: int = 1
    pool: int = 9
    cap: int = 99
    attempts: int = 99
    poison: frozenset[str] = frozenset()
    """Messages that end every process that sees them."""
    victim: int = 0
    """Whom pause, evict, delete, terminate, cancel, wake and a broken model hit."""
    status: bool = False
    """Whether the way from `dirty` to the status is followed."""
    graves: bool = False
    """Whether pods whose process has ended keep their names until an operator removes them."""
    stale: bool = False
    """Whether operators decide on what they remember of the pods."""
    evicts: bool = False
    """Whether the operator makes room for agents that wait."""
    deadlines: bool = False
    """Whether deadlines come by themselves (else only as faults)."""
    people: tuple[Verdict, ...] = ("approve",)
    """What each person decides of whatever is put to them."""
    heals: bool = True
    """Whether a broken model comes back, and a suspended agent is resumed."""
    budget: int = 0
    """How many model calls an agent may make in one day; 0 = nobody counts."""
    trims: bool = False
    """Whether each commit drops what its thread had before the turn."""
    children: frozenset[int] = frozenset()
    """Agents that are not there until an order makes them."""
    tasks: frozenset[int] = frozenset()
    """Agents of lifetime Task."""
    lives: int = 99
    """How many processes an agent may use up."""
    members: tuple[int, ...] = ()
    """Who belongs to the group at the beginning; nobody: there is no group."""
    wake_all: bool = False
    """Whether a post wakes all members, mentioned or not."""


class Step(NamedTuple):
    """One edge: fast (happens by itself), slow (waits for a timer or a person), or a fault."""

    pace: Pace
    text: str
    world: World


class Model(NamedTuple):
    """A scenario under rules."""

    scenario: Scenario
    rules: Rules
    faults: tuple[str, ...]

    @classmethod
    def of(cls, scenario: Scenario, rules: Rules) -> "Model":
        """The model of a scenario; the limits come from the scenario."""
        rules = rules._replace(
            cap=scenario.cap,
            attempts=scenario.attempts,
            budget=scenario.budget,
            trims=scenario.trims,
            wake_all=scenario.wake_all,
        )
        return cls(scenario, rules, tuple(scenario.faults))

    def left(self, world: World, fault: str) -> int:
        """How often a fault may still happen."""
        return world.faults[self.faults.index(fault)] if fault in self.faults else 0

    def spend(self, world: World, fault: str) -> World:
        """One less."""
        at = self.faults.index(fault)
        return world._replace(faults=(*world.faults[:at], world.faults[at] - 1, *world.faults[at + 1 :]))


FAULTS: Final = {
    "crash": "a process is killed",
    "lost": "a script was executed, its reply was lost, it is called again",
    "zombie": "a node is lost and its process goes on",
    "drop": "a Pub/Sub connection breaks",
    "half": "a Pub/Sub connection breaks on one side only",
    "opcrash": "an operator restarts",
    "deaf": "operators lose their connection to Redis, and what rings before it is there again",
    "delete": "an agent is deleted while its process lives, then created again",
    "rollback": "Redis reaches the disk, later it loses what came after (counts 2)",
    "pause": "an agent is suspended, later resumed",
    "evict": "an agent is asked to leave",
    "wake": "an agent is asked to come",
    "configure": "an agent's config is changed",
    "terminate": "an agent is terminated",
    "cancel": "a person cancels the turn that was open a while ago",
    "deadline": "the deadline of a request comes",
    "foreign": "a pod that is none of ours takes a slot of the quota, later it is gone",
    "broken": "the model refuses, later works again",
    "drain": "a process gets SIGTERM",
    "torn": "a model call breaks off and has used something",
    "midnight": "a day begins",
    "lag": "the clock of a process is a day behind",
    "join": "an agent is asked for as a member of the group",
    "leave": "a member of the group is asked for no longer",
    "ungroup": "the group is deleted, then there is another of its name",
}
