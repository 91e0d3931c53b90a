"""What acts on the bus besides the processes of agents: operators and a person's client."""

from collections.abc import Iterator

from tests.protocol import scripts
from tests.protocol.approvals import decide
from tests.protocol.guards import Guard
from tests.protocol.orders import order_steps
from tests.protocol.posting import post_from_outside
from tests.protocol.prelude import name, wakeable
from tests.protocol.runtime import noticed, ring
from tests.protocol.scenario import Model, Step
from tests.protocol.state import PERSON, Bus, Message, Operator, Runtime, World


def live(world: World, a: int) -> frozenset[int]:
    """Tokens of an agent's pods as the API server lists them."""
    return frozenset(one.token for one in world.runtimes if one.listed and one.agent == a)


def pods(world: World) -> int:
    """How many pods count against the pool."""
    return sum(one.listed for one in world.runtimes)


# Operators ------------------------------------------------------------


def operator_steps(model: Model, world: World) -> Iterator[Step]:
    """Everything that operators may do next."""
    if world.bus.doorbell:
        heard = noticed(world, world.bus.doorbell)._replace(bus=world.bus._replace(doorbell=frozenset()))
        yield Step("fast", "operator hears the doorbell", heard)
    for i, op in enumerate(world.operators):
        who = f"operator {i + 1}" if len(world.operators) > 1 else "operator"
        if op.reap:
            yield reap(model, world, i, who)
        elif op.create:
            yield create(model, world, i, who)
        elif op.evict is not None:
            yield ask_to_leave(model, world, i, who)
        elif op.untold is not None:
            told = with_operator(world, i, op._replace(untold=None))
            text = f"{who} tells that {name(op.untold)} waits"
            yield Step("fast", text, told._replace(bus=world.bus._replace(crowded=True)))
        elif op.expires:
            bus = scripts.expire(model.rules, world.bus, op.expires)
            expired = with_operator(world._replace(bus=bus), i, op._replace(expires=None))
            yield Step("fast", f"{who} lets {op.expires.mid} expire", ring(expired))
        else:
            for a in sorted(op.todo):
                yield from reconcile(model, world, (i, a), who)
        yield from order_steps(model, world, i, who)
        if model.scenario.status:
            yield from show(world, i, who)


def with_operator(world: World, i: int, op: Operator) -> World:
    """The world with one operator changed."""
    return world._replace(operators=(*world.operators[:i], op, *world.operators[i + 1 :]))


def reconcile(model: Model, world: World, which: tuple[int, int], who: str) -> Iterator[Step]:
    """One pass over one agent: reap what is dead, then start what has work, if there is room."""
    (i, a), rules = which, model.rules
    op, agent = world.operators[i], world.bus.agents[a]
    tokens = live(world, a)
    if model.scenario.stale:
        if op.cache is None or op.cache[0] != a:
            remembered = op._replace(cache=(a, tokens))
            yield Step("fast", f"{who} looks at the pods of {name(a)}", with_operator(world, i, remembered))
            return
        tokens = op.cache[1]
    again = op._replace(cache=None)
    if agent.holder and agent.holder not in tokens and rules.keep(Guard.REAP):
        if agent.holder in live(world, a) and rules.keep(Guard.REAP_LOOKS_AGAIN):
            yield Step("fast", f"{who} finds {name(a)}'s pod alive after all", with_operator(world, i, again))
            return
        dead = again._replace(reap=(a, agent.holder))
        yield Step("fast", f"{who} finds {name(a)}'s process dead", with_operator(world, i, dead))
        return
    needed = a in world.bus.work
    if not rules.keep(Guard.WORK_IS_RECOMPUTED):
        needed = wakeable(rules, agent)
    without = again._replace(todo=op.todo - {a})
    if tokens or not needed:
        yield Step("fast", f"{who} finds nothing to do for {name(a)}", with_operator(world, i, without))
    elif pods(world) + len(earlier(model, world, a)) < model.scenario.pool:
        chosen = without._replace(create=(a, agent.epoch, agent.uid))
        others = [other for other in world.bus.work if other != a and not live(world, other)]
        told = world._replace(bus=world.bus._replace(crowded=bool(others) and world.bus.crowded))
        yield Step("fast", f"{who} decides to start {name(a)}", with_operator(told, i, chosen))
    else:
        yield from no_room(model, world, (i, a), who)


def reap(model: Model, world: World, i: int, who: str) -> Step:
    """Clear the holder that was found dead a moment ago."""
    op, bus = world.operators[i], world.bus
    a, token = op.reap or (0, 0)
    holder = bus.agents[a].holder
    after = scripts.reap(model.rules, bus, a, token)
    if after is not bus and holder in live(world, a):
        after = after.alarm(f"{name(a)}'s process was reaped and is alive")
    done = with_operator(world._replace(bus=after), i, op._replace(reap=None))
    return Step("fast", f"{who} reaps {name(a)}", ring(done))


def earlier(model: Model, world: World, a: int) -> tuple[int, ...]:
    """Who wants a pod, has none, and has waited for longer."""
    if a not in world.bus.work or not model.rules.keep(Guard.FIRST_COME):
        return ()
    before = world.bus.work[: world.bus.work.index(a)]
    return tuple(other for other in before if not live(world, other))


def no_room(model: Model, world: World, which: tuple[int, int], who: str) -> Iterator[Step]:
    """Tell that the agent waits; then look for somebody who can leave; then wait for the next event."""
    (i, a), rules = which, model.rules
    op = world.operators[i]
    tells_first = rules.keep(Guard.TOLD_FIRST)
    if not world.bus.crowded and tells_first:
        told = world._replace(bus=world.bus._replace(crowded=True))
        yield Step("fast", f"{who} tells that {name(a)} waits", told)
        return
    waiting = op._replace(todo=op.todo - {a}, cache=None)
    if rules.keep(Guard.PLACE_IS_KEPT):
        waiting = waiting._replace(queue=op.queue | {a})
    chosen: list[Step] = []
    if model.scenario.evicts and rules.keep(Guard.ROOM_IS_MADE):
        waits = with_operator(world, i, waiting)
        chosen = list(make_room(model, waits, which, who))
    yield from chosen
    if not chosen:
        if not tells_first:
            waiting = waiting._replace(untold=a)
        yield Step("fast", f"{who} finds no room for {name(a)}", with_operator(world, i, waiting))


def make_room(model: Model, world: World, which: tuple[int, int], who: str) -> Iterator[Step]:
    """Choose residents to leave that have nothing to do, or that cannot do it: those in error."""
    i, waiting = which
    for one in world.runtimes:
        agent = world.bus.agents[one.agent]
        idle = one.agent not in world.bus.work or agent.state == "error"
        idle = idle or not model.rules.keep(Guard.EVICT_THE_IDLE)
        if not agent.holder or agent.holder != one.token or agent.evict or not idle:
            continue
        if agent.state == "error" and world.bus.agents[waiting].state == "error":
            continue
        chosen = with_operator(world, i, world.operators[i]._replace(evict=one.agent, cache=None))
        yield Step("fast", f"{who} decides that {name(one.agent)} leaves", chosen)


def ask_to_leave(model: Model, world: World, i: int, who: str) -> Step:
    """Ask whoever had nothing to do a moment ago."""
    op = world.operators[i]
    a = op.evict or 0
    asked = world._replace(bus=scripts.evict(model.rules, world.bus, a))
    return Step(
        "fast", f"{who} asks {name(a)} to leave", ring(with_operator(asked, i, op._replace(evict=None)))
    )


def create(model: Model, world: World, i: int, who: str) -> Step:
    """Create the pod that was decided on. Its name is taken, the quota is full, or it is there."""
    op = world.operators[i]
    a, epoch, uid = op.create or (0, 0, 0)
    later = op._replace(create=None, todo=op.todo | {a})
    done = op._replace(create=None)
    named = model.rules.keep(Guard.CREATE_NAMES_EPOCH)
    looks = model.rules.keep(Guard.NAME_TAKEN_IS_LOOKED_AT)
    if not uid:
        return Step("fast", f"{who} finds {name(a)} deleted", with_operator(world, i, done))
    if (a, epoch + 1) in world.graves:
        cleared = world._replace(graves=world.graves - {(a, epoch + 1)}) if looks else world
        text = f"{who} finds the name of {name(a)}'s pod taken by one that has ended"
        return Step("fast", text, with_operator(cleared, i, later if looks else done))
    same = [one for one in world.runtimes if one.listed and one.agent == a and one.ticket == epoch]
    if named and same:
        return Step("fast", f"{who} finds {name(a)}'s pod created", with_operator(world, i, done))
    if pods(world) + world.foreign >= model.scenario.pool:
        refused = later if model.rules.keep(Guard.REFUSED_WAITS) else done
        return Step("fast", f"{who} is refused by the quota", with_operator(world, i, refused))
    pod = Runtime(a, uid, unused(world), epoch)
    runtimes = tuple(sorted((*world.runtimes, pod)))
    text = f"{who} creates {name(a)}#{pod.token}"
    return Step("fast", text, with_operator(world._replace(runtimes=runtimes), i, done))


def unused(world: World) -> int:
    """The smallest token that nothing in this world remembers: tokens never repeat, states may."""
    buses = [world.bus, *([world.synced] if world.synced else [])]
    used = {one.token for one in world.runtimes}
    for op in world.operators:
        used.update(op.cache[1] if op.cache else ())
        used.update(op.reap[1:] if op.reap else ())
    for bus in buses:
        for agent in bus.agents:
            used.add(agent.holder)
            used.update(record.author for record in agent.journal)
            used.update(question.token for question in agent.questions)
    return next(token for token in range(1, 99) if token not in used)


def status_of(bus: Bus, a: int) -> str:
    """What the status says of an agent."""
    agent = bus.agents[a]
    pending = sum(not one.verdict for one in agent.approvals)
    pending += sum(not one.verdict and not one.over for one in agent.questions)
    return f"{agent.state}/{'resident' if agent.holder else 'hibernated'}/{pending}" if agent.uid else "gone"


def show(world: World, i: int, who: str) -> Iterator[Step]:
    """Drain `dirty`, then write the status: two steps, between which an operator can die."""
    op, dirty = world.operators[i], world.bus.dirty
    if dirty:
        taken = world._replace(bus=world.bus._replace(dirty=frozenset()))
        drained = with_operator(taken, i, op._replace(popped=op.popped | dirty))
        yield Step("fast", f"{who} drains dirty", drained)
    if op.popped:
        shown = tuple(
            status_of(world.bus, a) if a in op.popped else text for a, text in enumerate(world.shown)
        )
        written = with_operator(world._replace(shown=shown), i, op._replace(popped=frozenset()))
        yield Step("fast", f"{who} writes the status", written)


# The person's client ------------------------------------------------------------


def deciding(model: Model, world: World) -> Iterator[Step]:
    """Each person decides once of all that was ever put to them, at any time after that."""
    client = world.client
    for person, verdict in enumerate(model.scenario.people):
        for a, mid in sorted(world.bus.put):
            if (person, mid) in client.decided:
                continue
            bus, outcome = decide(model.rules, world.bus, a, mid, verdict)
            after = ring(world._replace(bus=bus))
            text = f"person {person + 1}: {verdict} {mid}: {outcome}"
            knows = client._replace(decided=client.decided | {(person, mid)})
            yield Step("slow", text, after._replace(client=knows))
            if outcome == "DECIDED" and model.left(world, "lost"):
                yield Step("fault", f"{text}, reply lost, will decide again", model.spend(after, "lost"))


def client_steps(model: Model, world: World) -> Iterator[Step]:
    """Send the next message until it is accepted or refused for good."""
    yield from deciding(model, world)
    client, sends = world.client, model.scenario.sends
    if client.position >= len(sends):
        return
    send = sends[client.position]
    mid = f"m{client.position + 1}"
    uid = client.uid_seen if model.rules.keep(Guard.RETRY_CARRIES_UID) else 0
    if send.kind == "post":
        life = world.bus.group.uid
        bus, outcome = post_from_outside(model.rules, world.bus, mid, send.mentions, uid)
    else:
        life = world.bus.agents[send.to].uid
        message = Message(mid, PERSON, 0, send.thread, send.kind)
        bus, outcome = scripts.send(model.rules, world.bus, send.to, message, (uid, send.delayed))
    after = ring(world._replace(bus=bus))
    if outcome == "FULL":
        yield Step("slow", f"person sends {mid}: FULL", after)
        return
    accepted = client.accepted if outcome in {"NOAGENT", "NOGROUP"} else (*client.accepted, mid)
    moved = client._replace(position=client.position + 1, uid_seen=0, accepted=accepted)
    yield Step("fast", f"person sends {mid}: {outcome}", after._replace(client=moved))
    if outcome == "OK" and model.left(world, "lost"):
        seen = client._replace(uid_seen=life)
        text = f"person sends {mid}: {outcome}, reply lost, will send again"
        yield Step("fault", text, model.spend(after._replace(client=seen), "lost"))
