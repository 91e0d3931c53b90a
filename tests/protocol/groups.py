"""Groups: posts in one order, mentions that are owed, and the place up to which each member has read.

There is one group, whose thread is `team`. A post is named by its number in the log, from 1 on.
"""

from collections.abc import Iterator

from tests.protocol.guards import Guard, Rules
from tests.protocol.scenario import Model, Step
from tests.protocol.state import NAMES, PERSON, Bus, Debt, Group, Member, Message, Post, World

THREAD = "team"

Numbers = tuple[int, ...]


def member(bus: Bus, a: int) -> Member | None:
    """The entry of an agent in `g:<G>:members`."""
    return next((one for one in bus.group.members if one.agent == a), None)


def has_read(bus: Bus, a: int) -> int | None:
    """Up to where a member has read, or need not; None: it is none, or another life of one."""
    one = member(bus, a)
    return max(one.joined, bus.agents[a].cursor) if one and one.uid == bus.agents[a].uid else None


# What scripts share ------------------------------------------------------------


def write(bus: Bus, post: Post) -> Bus:
    """XADD to the log; whoever had read all before has read its own post, too."""
    group = bus.group
    if post.sender != PERSON and has_read(bus, post.sender) == len(group.log):
        bus = bus.change(post.sender, cursor=len(group.log) + 1)
    bus = bus._replace(posted=(*bus.posted, post.mid))
    return bus._replace(group=group._replace(log=(*group.log, post)))


def read_up_to(rules: Rules, bus: Bus, a: int, message: Message) -> Bus:
    """The part of acknowledge for mentions: the place moves to what one points to, and over own posts."""
    if message.group != bus.group.uid or not rules.keep(Guard.PLACE_MOVES):
        return bus
    if not member(bus, a) and rules.keep(Guard.LEFT_HAS_NO_PLACE):
        return bus
    place = message.at
    while place < len(bus.group.log) and bus.group.log[place].sender == a:
        place += 1
    return bus.change(a, cursor=place)


def answer_mentions(rules: Rules, bus: Bus, a: int, debts: tuple[Debt, ...]) -> Bus:
    """One quiet post for mentions of one group; a group that is gone hears nothing."""
    if not debts:
        return bus
    life = debts[0].group
    if life != bus.group.uid:
        if rules.keep(Guard.ANSWER_OF_ITS_GROUP) or not bus.group.uid:
            return bus
        bus = bus.alarm(f"{debts[0].mid} was answered in another group of the name")
    for debt in debts:
        if "!answer" in debt.mid:
            bus = bus.alarm(f"{debt.mid} answers an answer")
    return write(bus, Post(a, f"{debts[0].mid}!answer"))


# Scripts ------------------------------------------------------------


def unread(
    rules: Rules, bus: Bus, a: int, message: Message, before: tuple[Message, ...]
) -> tuple[Bus, Numbers]:
    """What a member reads when it is mentioned, without its own posts. Changes nothing."""
    group = bus.group
    if group.uid != message.group:
        return bus, ()
    one = member(bus, a)
    places = [bus.agents[a].cursor]
    if rules.keep(Guard.READ_FROM_THE_LAST):
        places += [other.at for other in before if other.group == message.group]
    if one and rules.keep(Guard.READ_BEHIND_JOIN):
        places.append(one.joined)
    start, end = max(places), message.at if rules.keep(Guard.READ_UP_TO_POINTER) else len(group.log)
    if one is None or message.at <= start:
        start = message.at - 1
    if not rules.keep(Guard.PLACE_MOVES_WITH_COMMIT):
        bus = read_up_to(rules, bus, a, message)
    return bus, tuple(at for at in range(start + 1, end + 1) if group.log[at - 1].sender != a)


def put(rules: Rules, bus: Bus, uid: int, members: frozenset[tuple[int, int]]) -> Bus:
    """Project who belongs to the group: who is new reads from now on, who is missing has left."""
    group = bus.group if bus.group.uid else Group(uid)
    last, known = len(group.log), {(one.agent, one.uid): one for one in group.members}
    kept = known if rules.keep(Guard.JOINED_ONCE) else {}
    entries = tuple(kept.get((a, life), Member(a, life, last)) for a, life in sorted(members))
    bus = bus._replace(group=group._replace(members=entries))
    for a, life in members - known.keys():
        bus = bus.change(a, since=last, upto=last) if bus.agents[a].uid == life else bus
    for a in {a for a, _ in known} - {a for a, _ in members}:
        bus = bus.change(a, since=-1, upto=0)
        if rules.keep(Guard.LEAVING_FORGETS):
            bus = bus.change(a, cursor=0)
    return bus


def delete_group(rules: Rules, bus: Bus) -> Bus:
    """All keys go, and the places of the members."""
    for one in bus.group.members:
        bus = bus.change(one.agent, since=-1, upto=0)
        if rules.keep(Guard.GROUP_ENDS_PLACES):
            bus = bus.change(one.agent, cursor=0)
    return bus._replace(group=Group())


# The checker's own eye ------------------------------------------------------------


def witness_reading(bus: Bus, a: int, message: Message, told: Numbers | None) -> Bus:
    """A member reads each post behind its join once, in order, up to the mention. None: it was buried."""
    agent = bus.agents[a]
    if message.group != bus.group.uid or agent.since < 0 or message.at <= agent.since:
        return bus  # it has left meanwhile, or the group is gone
    due = range(max(agent.since, agent.upto) + 1, message.at + 1)
    expected = tuple(at for at in due if bus.group.log[at - 1].sender != a)
    if told is not None and told != expected:
        bus = bus.alarm(f"{NAMES[a]} read {told} and had {expected} to read")
    return bus.change(a, upto=max(agent.upto, message.at))


def wrong_group(world: World) -> str | None:
    """What is wrong with the group, if anything."""
    for a, agent in enumerate(world.bus.agents):
        if agent.cursor and not member(world.bus, a):
            return f"{NAMES[a]} has a place in a group that it has left"
    return None


def mentions_ended(world: World) -> bool:
    """Whether every mention has ended: with a post, an error, or its group."""
    ended = {mid for mid, _ in world.bus.answers}
    return world.bus.mentioned <= ended


# What happens to the group ------------------------------------------------------------


def wanted(world: World) -> frozenset[tuple[int, int]]:
    """Who shall belong to it: those asked for that are alive."""
    return frozenset((a, world.bus.agents[a].uid) for a in world.asked_for if world.bus.agents[a].uid)


def projecting(model: Model, world: World) -> Iterator[Step]:
    """The operator projects the Group when it differs from what the bus has, and its deletion."""
    if not model.scenario.members:
        return
    group = world.bus.group
    now = frozenset((one.agent, one.uid) for one in group.members)
    if not group.uid or now != wanted(world):
        after = put(model.rules, world.bus, world.groups + 1, wanted(world))
        born = world.groups + (not group.uid)
        yield Step("fast", "the group is projected", world._replace(bus=after, groups=born))


def group_faults(model: Model, world: World) -> Iterator[Step]:
    """Somebody is asked to join, or to leave; the group is deleted, later there is another of its name."""
    victim = model.scenario.victim
    if model.left(world, "join") and victim not in world.asked_for:
        more = world._replace(asked_for=world.asked_for | {victim})
        yield Step("fault", f"{NAMES[victim]} shall join", model.spend(more, "join"))
    if model.left(world, "leave") and victim in world.asked_for:
        fewer = world._replace(asked_for=world.asked_for - {victim})
        yield Step("fault", f"{NAMES[victim]} shall leave", model.spend(fewer, "leave"))
    if model.left(world, "ungroup") and world.bus.group.uid:
        gone = world._replace(bus=delete_group(model.rules, world.bus))
        yield Step("fault", "the group is deleted", model.spend(gone, "ungroup"))


def first_members(model: Model, bus: Bus) -> Bus:
    """At the beginning everybody asked for has joined."""
    if not model.scenario.members:
        return bus
    members = frozenset((a, 1) for a in model.scenario.members)
    return put(Rules(), bus, 1, members)
