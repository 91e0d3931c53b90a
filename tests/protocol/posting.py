"""Posts that wake members: what people post, and what a turn does."""

from tests.protocol.groups import write
from tests.protocol.guards import Guard, Rules
from tests.protocol.prelude import fan_out
from tests.protocol.state import PERSON, Bus, Post


def post_from_outside(
    rules: Rules, bus: Bus, mid: str, mentions: tuple[int, ...], uid: int
) -> tuple[Bus, str]:
    """The script `post`: a person's, once for each mid. uid 0: any group of the name."""
    group = bus.group
    if not group.uid or uid not in {0, group.uid}:
        return bus, "NOGROUP"
    if mid in group.seen and rules.keep(Guard.POSTED_ONCE):
        return bus, "DUP"
    bus = write(bus._replace(group=group._replace(seen=group.seen | {mid})), Post(PERSON, mid))
    return fan_out(rules, bus, mentions), "OK"


def post_from_turn(rules: Rules, bus: Bus, a: int, mid: str, target: int) -> tuple[Bus, str]:
    """The effect `post` of append: a member's, which mentions one other."""
    if not bus.group.uid:
        return bus, "NOGROUP"
    return fan_out(rules, write(bus, Post(a, mid)), (target,)), "OK"
