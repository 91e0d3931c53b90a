"""What agents ask of the operator: how it is asked, settled and carried out; and the end of a Task."""

from collections.abc import Iterator

from tests.protocol import scripts
from tests.protocol.guards import Guard, Rules
from tests.protocol.prelude import deliver, name, noted
from tests.protocol.runtime import ring
from tests.protocol.scenario import Model, Step
from tests.protocol.state import Bus, Due, Fate, Message, Operator, Order, World


def settle_order(rules: Rules, bus: Bus, asked_for: Order, outcome: str) -> tuple[Bus, str]:
    """Answer an order once: `done` gives the child its task, `refused` ends the wait with an error."""
    if asked_for not in bus.orders and rules.keep(Guard.ORDER_ONCE):
        return bus, "NOOP"
    mid, a = asked_for.mid, asked_for.agent
    agent, gone = bus.agents[a], bus._replace(orders=bus.orders - {asked_for})
    wait = next((wait for wait in agent.waits if wait.mid == mid and not wait.arrived), None)
    if agent.uid != asked_for.uid or wait is None:
        return bus if rules.keep(Guard.ORDER_STAYS) else gone, "GONE"
    if outcome == "refused":
        return tell(gone, asked_for, rules), "OK"
    task = Message(mid, a, agent.uid, wait.thread, "request")
    bus, reached = deliver(rules, gone, asked_for.child, 1, task, capped=False)
    if reached != "OK":
        return tell(bus, asked_for, rules) if rules.keep(Guard.NO_CHILD_IS_TOLD) else bus, "OK"
    if not rules.keep(Guard.TASK_IS_WAITED_FOR):
        return tell(bus, asked_for, rules), "OK"
    return bus._replace(later=bus.later | {Due(a, agent.uid, mid)}), "OK"


def tell(bus: Bus, asked_for: Order, rules: Rules) -> Bus:
    """End the wait with a message of the operator."""
    a, mid = asked_for.agent, asked_for.mid
    wait = next(wait for wait in bus.agents[a].waits if wait.mid == mid)
    message = Message(f"re:{mid}", asked_for.child, 1, wait.thread, "reply", mid)
    waits = tuple(sorted((*(w for w in bus.agents[a].waits if w != wait), wait._replace(arrived=True))))
    bus, _ = deliver(rules, bus.change(a, waits=waits), a, asked_for.uid, message, capped=False)
    return noted(bus, mid, "error")


# The operator ------------------------------------------------------------


def order_steps(model: Model, world: World, i: int, who: str) -> Iterator[Step]:
    """Read an order; make its Agent; make its keys; answer, or take back what was made. One step each."""
    op = world.operators[i]
    if op.order is None:
        for found in sorted(world.bus.orders):
            yield taken(world, i, op._replace(order=found, stage="agent"), f"{who} reads order {found.mid}")
        return
    asked_for = op.order
    child, mid = name(asked_for.child), asked_for.mid
    ours = (asked_for.child, mid, asked_for.uid)
    match op.stage:
        case "agent":
            yield from birth(model, world, i, who)
        case "keys":
            bus = world.bus
            if ours in world.born:
                bus = scripts.create(model.rules, bus, asked_for.child, 1)
            after = world._replace(bus=bus)
            yield taken(after, i, op._replace(stage="done"), f"{who} makes the keys of {child}")
        case "done" | "refused":
            bus, outcome = settle_order(model.rules, world.bus, asked_for, op.stage)
            on = op._replace(order=None, stage="")
            if outcome == "GONE":
                on = op._replace(stage="take back")
            said = f"{who} settles {mid}, {op.stage}: {outcome}"
            yield taken(world._replace(bus=bus), i, on, said)
            if bus is not world.bus and model.left(world, "lost"):
                lost = ring(model.spend(world._replace(bus=bus), "lost"))
                yield Step("fault", f"{said}, reply lost, will call again", lost)
        case "take back":
            after = world
            if ours in world.born:
                after = unborn(model, world, asked_for.child)
            yield taken(after, i, op._replace(stage="forget"), f"{who} takes back {child}")
        case _:
            bus = world.bus._replace(orders=world.bus.orders - {asked_for})
            on = op._replace(order=None, stage="")
            yield taken(world._replace(bus=bus), i, on, f"{who} forgets {mid}")


def birth(model: Model, world: World, i: int, who: str) -> Iterator[Step]:
    """Create the Agent. Its name may be taken: by itself, which is done, or by another."""
    op = world.operators[i]
    asked_for = op.order
    assert asked_for is not None
    child = name(asked_for.child)
    there = next((born for born in world.born if born[0] == asked_for.child), None)
    if there is None:
        born = world._replace(born=world.born | {(asked_for.child, asked_for.mid, asked_for.uid)})
        yield taken(born, i, op._replace(stage="keys"), f"{who} creates Agent {child}")
    elif there[1] == asked_for.mid and model.rules.keep(Guard.OWN_CHILD_IS_KNOWN):
        yield taken(world, i, op._replace(stage="keys"), f"{who} finds Agent {child} made for this order")
    else:
        yield taken(world, i, op._replace(stage="refused"), f"{who} finds the name {child} taken")


def unborn(model: Model, world: World, child: int) -> World:
    """The Agent is deleted, and its keys."""
    born = frozenset(one for one in world.born if one[0] != child)
    runtimes = tuple(one._replace(listed=one.listed and one.agent != child) for one in world.runtimes)
    return world._replace(born=born, runtimes=runtimes, bus=scripts.delete(model.rules, world.bus, child, 1))


def collect(model: Model, world: World) -> Iterator[Step]:
    """Kubernetes deletes the children of an Agent that is gone."""
    for child, mid, owner in sorted(world.born):
        parent = next(a for a in range(len(world.bus.agents)) if mid.startswith(f"{name(a)}/"))
        if world.bus.agents[parent].uid != owner:
            after = ring(unborn(model, world, child))
            yield Step("fast", f"{name(child)} goes with its parent", after)


def taken(world: World, i: int, op: Operator, text: str) -> Step:
    """A step of one operator."""
    operators = (*world.operators[:i], op, *world.operators[i + 1 :])
    return Step("fast", text, ring(world._replace(operators=operators)))


# What must hold ------------------------------------------------------------


def unfinished(world: World) -> bool:
    """Whether an order is still open, a child was born for nobody, or a Task that is done goes on."""
    if world.bus.orders or any(op.order for op in world.operators):
        return True
    for child, mid, _ in world.born:
        agent = world.bus.agents[child]
        if agent.uid and agent.state != "terminated" and mid not in {fate.mid for fate in agent.fates}:
            return True
    return any(agent.task and agent.answered and agent.state != "terminated" for agent in world.bus.agents)


ENDS_ANSWERS = frozenset({"deadline", "cancel", "delete", "terminate"})
"""Faults after which a child may have done its task and its parent hears an error."""


def wrong_children(model: Model, world: World) -> str | None:
    """What is wrong with what children have done and their parents have heard, if anything."""
    if ENDS_ANSWERS & set(model.faults) or model.scenario.deadlines:
        return None
    heard = dict(world.bus.answers)
    for child, mid, _ in sorted(world.born):
        done = any(fate == Fate(mid, "done") for fate in world.bus.agents[child].fates)
        if done and heard.get(mid) == "error":
            return f"{name(child)} has done {mid} and its parent has heard an error"
    return None
