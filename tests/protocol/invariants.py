"""What must hold: in every state, across every step, and where nothing happens any more."""

from horos_api.agent_state import TRANSITIONS, AgentState
from tests.protocol.decisions import wrong_decisions
from tests.protocol.groups import mentions_ended, wrong_group
from tests.protocol.guards import Rules
from tests.protocol.orders import unfinished, wrong_children
from tests.protocol.prelude import name, wakeable
from tests.protocol.scenario import Model
from tests.protocol.state import Agent, World
from tests.protocol.surroundings import status_of
from tests.protocol.usage import wrong_usage

CLAIMED = frozenset(
    {
        *{"next", "open", "act", "ask", "idle", "broken", "fail"},
        *{"tool", "elicit", "asking", "hear", "withdraw", "result"},
    }
)
"""What only a process does that believes it holds the agent."""

ALL_GUARDS = Rules()


def violation(model: Model, world: World) -> str | None:
    """What is wrong with this state, if anything."""
    bus = world.bus
    if bus.alarms:
        return min(bus.alarms)
    places = [*(entry.mid for entry in bus.later if entry.message), *bus.posted]
    for a, agent in enumerate(bus.agents):
        places += [message.mid for message in agent.inbox]
        places += [fate.mid for fate in agent.fates]
        wrong = wrong_with(model, agent, a)
        if wrong:
            return wrong
    wrong = misplaced(world, places) or wrong_group(world) or wrong_processes(model, world)
    wrong = wrong or wrong_usage(model, world)
    return wrong or wrong_decisions(model, world) or wrong_children(model, world)


def misplaced(world: World, places: list[str]) -> str | None:
    """I1: each accepted message is in exactly one place."""
    known = set(places)
    if len(known) < len(places):
        twice = next(mid for mid in places if places.count(mid) > 1)
        return f"I1: {twice} is in {places.count(twice)} places"
    for mid in world.client.accepted:
        if mid not in known:
            return f"I1: {mid} was accepted and is nowhere"
    return None


def wrong_processes(model: Model, world: World) -> str | None:
    """What is wrong with what processes have done, if anything."""
    if "rollback" not in model.faults and len(set(world.tools)) < len(world.tools):
        return f"a tool was started twice: {world.tools}"
    claimed = [one.agent for one in world.runtimes if one.listed and one.at in CLAIMED]
    if len(set(claimed)) < len(claimed):
        return "two live incarnations of one agent have claimed"
    return None


def wrong_with(model: Model, agent: Agent, a: int) -> str | None:
    """What is wrong with one agent, if anything."""
    pending = agent.approvals or agent.questions
    if agent.state == "terminated" and (agent.turn or agent.inbox or agent.owed or pending):
        return f"terminated {name(a)} has something left"
    for question in agent.questions:
        if question.turn != agent.turn or question.token != agent.holder:
            return f"{question.mid} is put to people and its call is over"
    if agent.epoch > model.scenario.lives:
        return f"{name(a)} used up {agent.epoch} processes"
    if agent.evictions > 0:
        return f"{name(a)} left more often than it was asked to"
    for thread, count in agent.written:
        if agent.length(thread) != count:
            return f"{name(a)}'s thread {thread} got {count} records and counts {agent.length(thread)}"
    return wrong_fates(model, agent)


def wrong_fates(model: Model, agent: Agent) -> str | None:
    """What is wrong with the way that messages ended, if anything."""
    last = ""
    for fate in agent.fates:
        if fate.end == "unheard":
            return f"{fate.mid} was acknowledged and nobody has heard it"
        if fate.end == "dead" and model.scenario.poison and fate.mid not in model.scenario.poison:
            return f"{fate.mid} was buried with a poison that is not it"
        if fate.end == "done" and fate.mid.startswith("m") and not is_delayed(model, fate.mid):
            if fate.mid < last:
                return f"I5: {fate.mid} was done after {last}"
            last = fate.mid
    return None


def is_delayed(model: Model, mid: str) -> bool:
    """Whether this message was sent with a delay, which takes it out of the order."""
    return model.scenario.sends[int(mid[1:]) - 1].delayed


def wrong_step(model: Model, before: World, after: World) -> str | None:
    """What is wrong with the way from one state to the next, if anything."""
    for a, (old, new) in enumerate(zip(before.bus.agents, after.bus.agents, strict=True)):
        if old is new or old.uid != new.uid:
            continue
        if old.state != new.state and AgentState(new.state) not in TRANSITIONS[AgentState(old.state)]:
            return f"{name(a)} went from {old.state} to {new.state}"
        silent = model.scenario.status and a not in after.bus.dirty
        if silent and status_of(before.bus, a) != status_of(after.bus, a):
            return f"{name(a)}'s status changed and `dirty` does not say so"
    return None


def stuck(world: World) -> str | None:
    """Only timers are left: whose work waits for one that nobody promised?"""
    if any(one.line == "half" for one in world.runtimes):
        return None
    for a, agent in enumerate(world.bus.agents):
        if wakeable(ALL_GUARDS, agent) and not waits_for_repair(world, a) and not waits_for_person(world, a):
            return f"I2: {name(a)} has work and only a timer can help"
    for one in world.runtimes:
        agent = world.bus.agents[one.agent]
        if one.at in {"idle", "broken"} and one.token == agent.holder and one.version != agent.version:
            return f"{name(one.agent)} has a new config and only a timer makes it known"
    return None


def waits_for_repair(world: World, a: int) -> bool:
    """Whether this agent is in error and its process tries again at its own pace."""
    tries = any(one.agent == a and one.at == "broken" for one in world.runtimes)
    return world.bus.agents[a].state == "error" and tries


def waits_for_person(world: World, a: int) -> bool:
    """Whether a running call of this agent has asked something that nobody has answered yet."""
    asks = any(one.agent == a and one.at == "asking" for one in world.runtimes)
    return asks and any(
        not question.verdict and not question.over for question in world.bus.agents[a].questions
    )


def hopelessly_down(model: Model, world: World) -> bool:
    """Whether the victim cannot work and the scenario does not let it."""
    down = world.broken or world.bus.agents[model.scenario.victim].state == "paused"
    return down and not model.scenario.heals


def something_left(agent: Agent) -> bool:
    """Whether anything of this agent waits for somebody."""
    open_ones = agent.owed or agent.waits or agent.approvals or agent.questions
    return bool(agent.inbox or agent.turn or open_ones or agent.wake or agent.state == "paused")


def settled(model: Model, world: World) -> bool:
    """Whether all is answered and at rest."""
    hopeless = hopelessly_down(model, world)
    if world.client.position < len(model.scenario.sends):
        return False
    for a, agent in enumerate(world.bus.agents):
        if hopeless and a == model.scenario.victim:
            continue
        if something_left(agent) or (agent.holder and not hopeless):
            return False
    if hopeless:
        return all_answered(model, world) or world.broken
    if world.runtimes or world.bus.work or any(entry.message for entry in world.bus.later):
        return False
    ended = all_answered(model, world) and mentions_ended(world) and not unfinished(world)
    return ended and all_shown(model, world)


def all_answered(model: Model, world: World) -> bool:
    """Whether every accepted request has its reply or its error."""
    ended = {mid for mid, _ in world.bus.answers}
    for mid in world.client.accepted:
        if model.scenario.sends[int(mid[1:]) - 1].kind == "request" and mid not in ended:
            return False
    return True


def all_shown(model: Model, world: World) -> bool:
    """Whether the status in Kubernetes says what the bus says."""
    if not model.scenario.status:
        return True
    if world.bus.dirty or any(op.popped for op in world.operators):
        return False
    return all(status_of(world.bus, a) == text for a, text in enumerate(world.shown))
