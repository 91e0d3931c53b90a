"""What goes wrong, what a person asks for in between, and what only time brings."""

from collections.abc import Callable, Iterator, Mapping
from typing import Final

from tests.protocol import scripts
from tests.protocol.guards import Guard, Rules
from tests.protocol.prelude import name
from tests.protocol.runtime import buried, noticed, ring
from tests.protocol.scenario import Model, Step
from tests.protocol.state import Bus, Client, Due, Operator, World
from tests.protocol.surroundings import pods
from tests.protocol.usage import asked

CONTROLS: Final[Mapping[str, Callable[[Rules, Bus, int], Bus]]] = {
    "pause": scripts.pause,
    "evict": scripts.evict,
    "wake": scripts.wake,
    "configure": scripts.configure,
    "terminate": scripts.terminate,
}


def fault_steps(model: Model, world: World) -> Iterator[Step]:
    """All faults of the scenario that are left, and what follows from them by itself."""
    yield from process_faults(model, world)
    yield from control(model, world)
    yield from clock(model, world)
    yield from calendar(model, world)
    yield from lives(model, world)
    yield from disk(model, world)
    yield from operator_faults(model, world)


def operator_faults(model: Model, world: World) -> Iterator[Step]:
    """An operator restarts; it does not hear what rang; the quota has less room than it knows of."""
    everyone = frozenset(range(len(world.bus.agents)))
    if model.left(world, "opcrash"):
        todo = everyone if model.rules.keep(Guard.LISTS_AT_START) else frozenset()
        for i in range(len(world.operators)):
            fresh = Operator(todo=todo, popped=everyone if model.scenario.status else frozenset())
            operators = (*world.operators[:i], fresh, *world.operators[i + 1 :])
            text = "operator restarts and lists everything"
            yield Step("fault", text, model.spend(world._replace(operators=operators), "opcrash"))
    if model.left(world, "deaf"):
        deaf = world._replace(bus=world.bus._replace(doorbell=frozenset()))
        if model.rules.keep(Guard.LISTS_AFTER_LOSS):
            deaf = noticed(deaf, everyone)
        yield Step("fault", "operator does not hear what rings", model.spend(deaf, "deaf"))
    if world.foreign:
        yield Step("slow", "a foreign pod is gone", world._replace(foreign=False))
    elif model.left(world, "foreign") and pods(world) < model.scenario.pool:
        taken = model.spend(world._replace(foreign=True), "foreign")
        yield Step("fault", "a foreign pod takes a slot", taken)


def process_faults(model: Model, world: World) -> Iterator[Step]:
    """A process is killed, its node is lost, its connection breaks, it is told to stop."""
    for at, one in enumerate(world.runtimes):
        who = f"{name(one.agent)}#{one.token}"
        others = (world.runtimes[:at], world.runtimes[at + 1 :])
        if model.left(world, "crash"):
            gone = world._replace(runtimes=others[0] + others[1])
            if one.listed:
                gone = buried(model, noticed(gone, frozenset({one.agent})), one)
            yield Step("fault", f"{who} is killed", model.spend(gone, "crash"))
        if model.left(world, "zombie") and one.listed:
            ghost = world._replace(runtimes=(*others[0], one._replace(listed=False), *others[1]))
            ghost = noticed(ghost, frozenset({one.agent}))
            yield Step("fault", f"{who}'s node is lost, it goes on", model.spend(ghost, "zombie"))
        if one.line == "open" and model.left(world, "drop"):
            cut = world._replace(runtimes=(*others[0], one._replace(line="cut", signal=True), *others[1]))
            yield Step("fault", f"{who}'s wake connection breaks", model.spend(cut, "drop"))
        if one.line == "open" and model.left(world, "half"):
            half = world._replace(runtimes=(*others[0], one._replace(line="half"), *others[1]))
            yield Step("fault", f"{who}'s wake connection is half-open", model.spend(half, "half"))
        if one.at == "ask" and model.left(world, "torn"):
            again = one._replace(at="act", paid=-1, tried=one.tried + 1)
            torn = asked(world._replace(runtimes=(*others[0], again, *others[1])), one.paid)
            yield Step("fault", f"{who}'s model call breaks off", model.spend(torn, "torn"))
        if one.at in {"act", "idle", "broken", "asking"} and model.left(world, "drain"):
            told = world._replace(runtimes=(*others[0], one._replace(at="force"), *others[1]))
            yield Step("fault", f"{who} gets SIGTERM", model.spend(told, "drain"))


def control(model: Model, world: World) -> Iterator[Step]:
    """Pause and resume, evict, wake, terminate, cancel, and a model that refuses."""
    a, bus, rules = model.scenario.victim, world.bus, model.rules
    for fault, script in CONTROLS.items():
        if model.left(world, fault):
            after = script(rules, bus, a)
            if after is not bus:
                text = f"{name(a)}: {fault}"
                yield Step("fault", text, model.spend(ring(world._replace(bus=after)), fault))
    if bus.agents[a].state == "paused" and model.scenario.heals:
        resumed = scripts.resume(rules, bus, a)
        yield Step("slow", f"{name(a)}: resume", ring(world._replace(bus=resumed)))
    if model.left(world, "broken") and not world.broken:
        yield Step("fault", "the model refuses", model.spend(world._replace(broken=True), "broken"))
    if world.broken and model.scenario.heals:
        yield Step("slow", "the model works again", world._replace(broken=False))
    yield from cancelling(model, world)


def cancelling(model: Model, world: World) -> Iterator[Step]:
    """A person sees a turn; a while later the cancel of that turn arrives."""
    a, client = model.scenario.victim, world.client
    turn = world.bus.agents[a].turn
    if turn and model.left(world, "cancel"):
        saw = world._replace(client=client._replace(cancel=turn))
        yield Step("fault", f"person wants {turn} cancelled", model.spend(saw, "cancel"))
    if client.cancel:
        bus = scripts.cancel(model.rules, world.bus, a, client.cancel)
        asked = world._replace(bus=bus, client=client._replace(cancel=""))
        yield Step("fast", f"{name(a)}: cancel {client.cancel}", ring(asked))


def clock(model: Model, world: World) -> Iterator[Step]:
    """What is due in `later`: delayed messages by themselves, deadlines at any moment as faults."""
    for entry in sorted(world.bus.later, key=lambda entry: entry[:3]):
        if entry.message:
            bus = scripts.due(model.rules, world.bus, entry)
            yield Step("slow", f"{entry.mid} is due", ring(world._replace(bus=bus)))
    if model.left(world, "deadline"):
        for _, text, expired in deadlines(model, world):
            yield Step("fault", text, model.spend(expired, "deadline"))


def calendar(model: Model, world: World) -> Iterator[Step]:
    """A day begins; the clock of a process lags behind it."""
    if model.left(world, "midnight"):
        later = world._replace(today=world.today + 1)
        yield Step("fault", "it is midnight", model.spend(later, "midnight"))
    if not model.left(world, "lag"):
        return
    for at, one in enumerate(world.runtimes):
        if world.today and not one.late:
            runtimes = (*world.runtimes[:at], one._replace(late=True), *world.runtimes[at + 1 :])
            text = f"the clock of {name(one.agent)}#{one.token} is a day behind"
            yield Step("fault", text, model.spend(world._replace(runtimes=runtimes), "lag"))


def deadlines(model: Model, world: World) -> Iterator[Step]:
    """Any of the deadlines comes."""
    if not model.rules.keep(Guard.DEADLINES):
        return
    for entry in sorted(entry for entry in world.bus.later if entry.message is None):
        agent = world.bus.agents[entry.agent]
        if any(approval.mid == entry.mid for approval in agent.approvals):
            yield from found(world, entry)
            continue
        expired = scripts.expire(model.rules, world.bus, entry)
        yield Step("slow", f"the deadline of {entry.mid} comes", ring(world._replace(bus=expired)))


def found(world: World, entry: Due) -> Iterator[Step]:
    """An operator finds the deadline of an approval; before it acts on that a person may decide."""
    for i, op in enumerate(world.operators):
        if op.expires is None:
            operators = (*world.operators[:i], op._replace(expires=entry), *world.operators[i + 1 :])
            yield Step("slow", f"the deadline of {entry.mid} is found", world._replace(operators=operators))


def lives(model: Model, world: World) -> Iterator[Step]:
    """Delete an agent while its process lives; create one of the same name."""
    for a, agent in enumerate(world.bus.agents):
        if agent.uid == 1 and a == model.scenario.victim and model.left(world, "delete"):
            runtimes = tuple(one._replace(listed=one.listed and one.agent != a) for one in world.runtimes)
            gone = world._replace(runtimes=runtimes, bus=scripts.delete(model.rules, world.bus, a, 1))
            gone = noticed(gone, frozenset())._replace(born=frozenset(b for b in gone.born if b[0] != a))
            text = f"{name(a)} is deleted, its process lives"
            yield Step("fault", text, model.spend(ring(gone), "delete"))
        if not agent.uid and a not in model.scenario.children:
            born = world._replace(bus=scripts.create(model.rules, world.bus, a, 2))
            yield Step("fast", f"{name(a)} is created again", ring(born))


def disk(model: Model, world: World) -> Iterator[Step]:
    """Redis reaches the disk; later it crashes and starts from there, and everybody connects anew."""
    left = model.left(world, "rollback")
    if left == 2:
        synced = world._replace(synced=world.bus)
        yield Step("fault", "Redis reaches the disk", model.spend(synced, "rollback"))
    if left != 1 or world.synced is None or world.synced == world.bus:
        return
    runtimes = tuple(
        one if one.line == "none" else one._replace(line="cut", signal=True) for one in world.runtimes
    )
    back: Bus = world.synced
    everyone = frozenset(range(len(back.agents)))
    operators = tuple(op._replace(todo=everyone) for op in world.operators)
    lost = world._replace(bus=back, runtimes=runtimes, operators=operators, client=Client(), synced=None)
    yield Step("fault", "Redis crashes and loses what came after", model.spend(lost, "rollback"))
