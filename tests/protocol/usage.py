"""What model calls use: how it is counted, and what must hold of it.

One call uses one unit here, which is also what is reserved for it; one that breaks off uses it too.
"""

from typing import NamedTuple

from tests.protocol.guards import Guard, Rules
from tests.protocol.scenario import Model
from tests.protocol.state import NAMES, Bus, Usage, World

UNEXPLAINED = frozenset({"crash", "zombie", "midnight", "lag", "cancel"})
"""Faults after which an agent may be charged for more than it has asked on the day."""


class Used(NamedTuple):
    """What charge, append and commit are told of: the units, and the day by the calendar of the process."""

    units: int
    day: int


def counters(rules: Rules, bus: Bus, a: int, day: int) -> Usage:
    """The day's counters: a day that is over does not come back, and its reservation went with it."""
    known = bus.agents[a].usage
    begins = day > known.day if rules.keep(Guard.DAY_FORWARD) else day != known.day
    return Usage(day) if begins else known


def spend(rules: Rules, bus: Bus, a: int, used: Used) -> Bus:
    """Count what a step has used, in the place of what was reserved; nothing: that stays charged."""
    if not rules.budget:
        return bus
    if not used.units:
        return keep_reserved(bus, a)
    today = counters(rules, bus, a, used.day)
    back = today.reserved if rules.keep(Guard.RESERVED_IS_REPLACED) else 0
    return bus.change(a, usage=today._replace(used=today.used - back + used.units, reserved=0))


def keep_reserved(bus: Bus, a: int) -> Bus:
    """What is reserved becomes a charge like any other."""
    if not bus.agents[a].usage.reserved:
        return bus
    return bus.change(a, usage=bus.agents[a].usage._replace(reserved=0))


def asked(world: World, day: int) -> World:
    """The checker's own note that a model was asked, on the day that it was charged to."""
    known, calls = world.calls
    if day < known:
        return world
    return world._replace(calls=(day, calls + 1 if day == known else 1))


def wrong_usage(model: Model, world: World) -> str | None:
    """What is wrong with what was used and what was charged, if anything."""
    if not model.scenario.budget or "rollback" in model.faults:
        return None
    (day, calls), usage = world.calls, world.bus.agents[0].usage
    if calls > model.scenario.budget:
        return f"{NAMES[0]} has asked {calls} times on a day, of {model.scenario.budget}"
    in_the_air = any(one.paid >= 0 for one in world.runtimes)
    if usage.day == day and usage.used < calls and not in_the_air:
        return f"{NAMES[0]} has asked {calls} times and is charged for {usage.used}"
    if usage.used - usage.reserved > calls and not UNEXPLAINED & set(model.faults):
        return f"{NAMES[0]} has asked {calls} times and is charged for {usage.used - usage.reserved}"
    return None
