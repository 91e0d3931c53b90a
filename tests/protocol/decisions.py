"""What must hold of what people decide: approved calls run once, denied ones never, answers are heard."""

from tests.protocol.scenario import Model
from tests.protocol.state import Agent, World

ENDS_PROCESSES = frozenset({"crash", "zombie", "drain", "delete"})
"""Faults after which nobody may know whether a call that was begun has had its effect."""


def wrong_decisions(model: Model, world: World) -> str | None:
    """What is wrong with what was decided and what came of it, if anything."""
    if "rollback" in model.faults or not world.bus.put:
        return None
    bus = world.bus
    verdicts = dict(bus.verdicts)
    put = {mid for _, mid in bus.put}
    for call in world.tools:
        if call in put and verdicts.get(call) != "approve":
            return f"{call} was run and nobody had approved it"
    for call, outcome in sorted(bus.outcomes):
        if outcome == "unanswered" and call in verdicts:
            return f"{call} was decided and its call has not heard it"
        if outcome == "unknown" and not (ENDS_PROCESSES & set(model.faults) or model.scenario.poison):
            return f"nobody died and it is unknown what {call} did"
    for agent in bus.agents:
        wrong = wrong_end(model, world, agent)
        if wrong:
            return wrong
    return None


def wrong_end(model: Model, world: World, agent: Agent) -> str | None:
    """What is wrong with the decisions that turns of this agent have acknowledged, if anything."""
    known = {fate.mid for fate in agent.fates} | {message.mid for message in agent.inbox}
    told = dict(world.bus.outcomes)
    for fate in agent.fates:
        call, _, what = fate.mid.partition("!")
        if what != "decision" or call.startswith("dead:"):
            continue
        if fate.end == "dead" and agent.uid and f"dead:{fate.mid}" not in known:
            return f"{call} was decided and buried, and nobody was told"
        if fate.end != "done" or dict(world.bus.verdicts)[call] != "approve" or "cancel" in model.faults:
            continue
        if call not in told:
            return f"{call} was approved and {name_of(call)} has not run it"
        if told[call] == "done" and call not in world.tools:
            return f"{call} has a result and was never run"
    return None


def name_of(call: str) -> str:
    """The agent whose call it is."""
    return call.partition("/")[0]
