"""The process of an agent: subscribe, claim, take turns, wait, retire. One script call per step."""

from collections.abc import Iterator

from tests.protocol.approvals import answer, elicit, withdraw
from tests.protocol.guards import Guard
from tests.protocol.prelude import awaited, inputs_of, name, told_in
from tests.protocol.scenario import Action, Model, Step
from tests.protocol.state import PERSON, Bus, Record, Runtime, World
from tests.protocol.turn_scripts import (
    Answer,
    Call,
    Effect,
    append,
    charge,
    claim,
    commit,
    fail,
    look,
    read,
    retire,
)
from tests.protocol.usage import Used, asked

CALLS = frozenset({"claim", "next", "act", "fail", "retire", "force", "result", "elicit", "withdraw"})
"""Where the next thing is a script whose reply can be lost."""


def steps(model: Model, world: World, at: int) -> Iterator[Step]:
    """Everything that the process may do next, and the faults of its script calls."""
    me = world.runtimes[at]
    who = f"{name(me.agent)}#{me.token}"
    if me.at == "idle":
        yield from waiting(model, world, at, who)
    elif me.at == "asking":
        yield from listening(model, world, at, who)
    elif me.at == "broken":
        woken = changed(world, at, me._replace(at="next", signal=False))
        yield Step("fast" if stirs(world, me) else "slow", f"{who} tries its turn again", woken)
    elif me.at == "exit":
        yield Step("fast", f"{who} is gone", ended(model, world, at))
    elif me.at == "act" and any(message.mid in model.scenario.poison for message in me.inputs):
        yield Step("fast", f"{who} is killed by poison", ended(model, world, at))
    else:
        bus, after, said = call(model, world, me)
        done = changed(world._replace(bus=bus), at, after)
        if me.at == "tool":
            done = done._replace(tools=(*done.tools, running(me)))
        if me.at == "ask":
            done = asked(done, me.paid)
        yield Step("fast", f"{who} {said}", done)
        if me.at in CALLS and bus is not world.bus and model.left(world, "lost"):
            lost = changed(world._replace(bus=bus), at, me)
            yield Step("fault", f"{who} {said}, reply lost, will call again", model.spend(lost, "lost"))
    if me.turn and not me.cancelled and holds(world, me) and world.bus.agents[me.agent].cancel == me.turn:
        yield Step("fast", f"{who} hears of the cancel", changed(world, at, me._replace(cancelled=True)))
    if me.line == "cut":
        wakes = model.rules.keep(Guard.CONFIRMATION_WAKES)
        back = me._replace(line="open", signal=me.signal or wakes)
        yield Step("fast", f"{who} has subscribed again", changed(world, at, back))


def holds(world: World, me: Runtime) -> bool:
    """Whether this process is the agent's."""
    return world.bus.agents[me.agent].holder == me.token


def stirs(world: World, me: Runtime) -> bool:
    """Whether a process that waits in error looks before its time is up: it reads how things are first."""
    agent = world.bus.agents[me.agent]
    over = agent.turn != me.turn or agent.holder != me.token or agent.state in {"paused", "terminated"}
    return me.signal or over or agent.evict or agent.version != me.version


def waiting(model: Model, world: World, at: int, who: str) -> Iterator[Step]:
    """Idle: any return of the wait means a look; a long time without one means to leave."""
    me = world.runtimes[at]
    if me.signal:
        yield Step("fast", f"{who} wakes", changed(world, at, me._replace(at="next", signal=False)))
        return
    yield Step("slow", f"{who} has been idle for long", changed(world, at, me._replace(at="retire")))
    if me.line == "half":
        polled = me._replace(line="open", at="next")
        yield Step("slow", f"{who} looks after 30 s", changed(world, at, polled))


def listening(model: Model, world: World, at: int, who: str) -> Iterator[Step]:
    """The running call has asked a person: any wake means a look; a cancel or its own time end the wait."""
    me = world.runtimes[at]
    if me.cancelled:
        yield Step("fast", f"{who} stops the call", changed(world, at, me._replace(at="withdraw")))
        return
    if me.signal:
        yield Step("fast", f"{who} wakes", changed(world, at, me._replace(at="hear", signal=False)))
        return
    yield Step("slow", f"{who}'s call waits no longer", changed(world, at, me._replace(at="withdraw")))
    if me.line == "half":
        yield Step(
            "slow", f"{who} looks after a while", changed(world, at, me._replace(line="open", at="hear"))
        )


def running(me: Runtime) -> str:
    """What names the call that this process runs: an approved one by its approval."""
    call = awaited(me.journal) or "+".join(approved(me))
    return call if "/" in call else f"{me.turn}/{call}"


def approved(me: Runtime) -> tuple[str, ...]:
    """The calls that people have allowed with what this turn has taken."""
    return tuple(one.re for one in me.inputs if one.verdict == "approve")


def changed(world: World, at: int, me: Runtime) -> World:
    """The world with this process changed, and everybody woken whom the script has published to."""
    others = (*world.runtimes[:at], me, *world.runtimes[at + 1 :])
    return ring(world._replace(runtimes=others))


def ring(world: World) -> World:
    """Hand the published wakes to open connections."""
    published = world.bus.published
    if not published:
        return world
    heard = tuple(
        one._replace(signal=True) if one.agent in published and one.line == "open" else one
        for one in world.runtimes
    )
    return world._replace(runtimes=heard, bus=world.bus._replace(published=frozenset()))


def ended(model: Model, world: World, at: int) -> World:
    """The process is gone, and whoever watches pods hears of it."""
    me = world.runtimes[at]
    world = world._replace(runtimes=world.runtimes[:at] + world.runtimes[at + 1 :])
    if not me.listed:
        return world
    world = buried(model, world, me)
    if not model.rules.keep(Guard.EXIT_IS_NOTICED):
        return world
    return noticed(world, frozenset({me.agent}))


def buried(model: Model, world: World, me: Runtime) -> World:
    """The pod's object remains, if the scenario looks at that."""
    if not model.scenario.graves:
        return world
    return world._replace(graves=world.graves | {(me.agent, me.ticket + 1)})


def noticed(world: World, agents: frozenset[int]) -> World:
    """Every operator is going to look at these agents, and at those that wait, not at what it remembers."""
    operators = tuple(
        op._replace(todo=op.todo | agents | op.queue, queue=frozenset(), cache=None) for op in world.operators
    )
    return world._replace(operators=operators)


# Script calls ------------------------------------------------------------


def call(model: Model, world: World, me: Runtime) -> tuple[Bus, Runtime, str]:
    """Do the next thing: the Redis after it, the process after it, and words for the trace."""
    rules, bus = model.rules, world.bus
    ticket = Call(me.agent, me.token, me.turn)
    gone = me._replace(at="exit")
    match me.at:
        case "subscribe":
            after, said = me._replace(at="idle" if me.turn == "-" else "claim", line="open"), "subscribes"
        case "claim":
            bus, answer = claim(rules, bus, ticket._replace(at=me.ticket), me.uid)
            line = me.line if rules.keep(Guard.SUBSCRIBE_FIRST) else "none"
            on = me._replace(at="next", token=answer.fence, line=line, known_reason=answer.detail == "error")
            after, said = on if answer.code == "OK" else gone, f"claim: {answer.code}"
        case "next" if not rules.keep(Guard.READ_INSIDE):
            bus, after, said = read_outside(bus, me)
        case "next" | "open":
            bus, answer = look(rules, bus, ticket)
            after, said = follow(bus, me, answer, model), f"next: {answer.code} {answer.detail}"
        case "fail":
            bus, answer = fail(rules, bus, ticket)
            on = me._replace(at="broken" if me.known_reason else "force", signal=False)
            after, said = on if answer.code == "OK" else gone, f"fail: {answer.code}"
        case "retire" | "force":
            bus, answer = retire(rules, bus, ticket, force=me.at == "force")
            after = me._replace(at="next") if answer.code == "BUSY" else gone
            said = f"retire: {answer.code}"
        case "tool":
            asks = me.journal and me.journal[-1].text == "elicit"
            after, said = me._replace(at="elicit" if asks else "result"), "runs the tool"
        case "elicit" | "hear" | "withdraw":
            bus, after, said = conversing(model, world, me)
        case "ask":
            after, said = me._replace(at="act"), "asks the model"
        case _ if (number := unread_mention(me)) is not None:
            bus, after, said = reading(model, world, me, number)
        case _:
            bus, after, said = act(model, world, me)
    return bus, after, said


def unread_mention(me: Runtime) -> int | None:
    """Which of the inputs is a mention that no record tells of, and of which nothing was read yet."""
    known = told_in(me.journal) | set(dict(me.found))
    unread = (at for at, one in enumerate(me.inputs) if one.kind == "mention" and one.mid not in known)
    return None if me.at != "act" or awaited(me.journal) else next(unread, None)


def conversing(model: Model, world: World, me: Runtime) -> tuple[Bus, Runtime, str]:
    """The scripts of a call that asks a person."""
    mid, where = f"{running(me)}!ask", Call(me.agent, me.token, me.turn)
    script = {"elicit": elicit, "hear": answer, "withdraw": withdraw}[me.at]
    bus, told = script(model.rules, world.bus, where, mid)
    said = f"{me.at} {mid}: {told.code} {told.verdict}"
    if told.code == "NONE" and me.at == "hear" and not model.rules.keep(Guard.LOST_IS_OVER):
        return bus, me._replace(at="asking"), said
    if told.code == "NONE":
        return bus, me._replace(at="result"), said
    if told.code != "OK":
        return bus, me._replace(at="exit"), said
    heard = me.heard or told.verdict
    if me.at == "withdraw":
        return bus, me._replace(at="result", heard=heard), said
    return bus, me._replace(at="withdraw" if heard else "asking", heard=heard), said


def read_outside(bus: Bus, me: Runtime) -> tuple[Bus, Runtime, str]:
    """The traps H5 and H6: an XREADGROUP of the process itself in front of the fenced script."""
    agent = bus.agents[me.agent]
    if agent.turn:
        return bus, me._replace(at="open"), "has a turn open"
    unread = [message for message in agent.inbox if message.mid not in agent.delivered]
    if not unread:
        return bus, me._replace(at="idle"), "reads nothing"
    bus = bus.change(me.agent, delivered=agent.delivered | {unread[0].mid})
    return bus, me._replace(at="open"), f"reads {unread[0].mid}"


def follow(bus: Bus, me: Runtime, answer: Answer, model: Model) -> Runtime:
    """What the answer of next or commit makes the process do."""
    blank = me._replace(turn="", thread="", base=0, inputs=(), journal=(), cancelled=False, in_hand=False)
    blank = blank._replace(paid=-1, broke=False, tried=0, heard="", found=())
    if answer.code in {"FENCED", "LOST"}:
        return blank._replace(at="exit")
    if answer.code == "LEAVE":
        return blank._replace(at="retire")
    agent = bus.agents[me.agent]
    blank = blank._replace(version=agent.version)
    if answer.code == "EMPTY":
        late = not model.rules.keep(Guard.SUBSCRIBE_FIRST) and me.line == "none"
        return blank._replace(at="subscribe", turn="-") if late else blank._replace(at="idle")
    base = agent.length(agent.thread) - len(agent.journal)
    mine = blank._replace(at="act", turn=agent.turn, thread=agent.thread, base=base)
    mine = mine._replace(cancelled=agent.cancel == agent.turn)
    return mine._replace(inputs=inputs_of(agent), journal=agent.journal)


def plan(model: Model, me: Runtime) -> tuple[Action, ...]:
    """The rounds of this turn, which its first message decides."""
    first = me.inputs[0] if me.inputs else None
    if first is None or first.kind not in {"request", "mention"}:
        return ()
    return model.scenario.plans.get((me.agent, first.sender == PERSON), ())


def act(model: Model, world: World, me: Runtime) -> tuple[Bus, Runtime, str]:
    """The next step of the open turn, from its journal alone: a successor would do the same."""
    told = told_in(me.journal)
    if told and not model.rules.keep(Guard.JOINED_BY_RECORD):
        told = {me.inputs[0].mid}
    found = dict(me.found)
    users = tuple(
        Record("user", message.mid, me.token, found.get(message.mid, ()))
        for message in me.inputs
        if message.mid not in told
    )
    if awaited(me.journal):
        if me.at == "act" and me.in_hand and me.journal[-1].author == me.token and not me.cancelled:
            return world.bus, me._replace(at="tool"), "is about to run the tool"
        return written(model, world, me, (Record("result", outcome_of(me), me.token),), None)
    calls = approved(me) if begins(model, me) and not me.cancelled else ()
    if calls:
        return allowed(model, world, me, users, calls)
    if world.broken and me.agent == model.scenario.victim and not me.cancelled:
        return world.bus, me._replace(at="fail"), "is refused by the model"
    if model.scenario.budget and me.paid < 0 and not me.broke and not me.cancelled:
        return charging(model, world, me)
    return speaking(model, world, me, users)


def reading(model: Model, world: World, me: Runtime, number: int) -> tuple[Bus, Runtime, str]:
    """Read what one of the inputs, a mention, points to."""
    message, before = me.inputs[number], tuple(one for one in me.inputs[:number] if one.kind == "mention")
    where = Call(me.agent, me.token, me.turn)
    bus, answer = read(model.rules, world.bus, where, message, before)
    said = f"reads the group up to {message.at}: {answer.code} {answer.read}"
    if answer.code != "OK":
        return bus, me._replace(at="exit"), said
    return bus, me._replace(found=(*me.found, (message.mid, answer.read))), said


def speaking(model: Model, world: World, me: Runtime, users: tuple[Record, ...]) -> tuple[Bus, Runtime, str]:
    """What the model says next: a step of the plan, or the answer."""
    rounds = [record for record in me.journal if record.kind == "step" and "/" not in record.text]
    actions = () if me.cancelled or me.broke else plan(model, me)
    if len(rounds) < len(actions):
        kind, target = actions[len(rounds)]
        step = Record("step", kind, me.token)
        effect: Effect | None = None
        if kind in {"ask", "approve", "post", "create"}:
            effect = (kind, target)
        elif kind == "reply":
            effect = ("reply", me.inputs[0].mid)
        return written(model, world, me, (*users, step), effect)
    final = (*users, Record("step", "answer", me.token))
    index = me.base + len(me.journal)
    ticket = Call(me.agent, me.token, me.turn, index)
    bus, answer = commit(model.rules, world.bus, ticket, final, used(world, me), failed=me.cancelled)
    return bus, follow(bus, me, answer, model), f"commit {me.turn}: {answer.code} {answer.detail}"


def outcome_of(me: Runtime) -> str:
    """The result of the call that is awaited."""
    if me.at != "result":
        return "unknown" if not me.cancelled else "cancelled"
    if me.journal[-1].text != "elicit":
        return "done"
    return "answered" if me.heard else "unanswered"


def begins(model: Model, me: Runtime) -> bool:
    """Decisions are looked at where a turn begins, and nowhere else: none can join."""
    if model.rules.keep(Guard.CALL_WITH_RECORD):
        return not me.journal
    return all(record.author == me.token and record.kind == "user" for record in me.journal)


def allowed(
    model: Model, world: World, me: Runtime, users: tuple[Record, ...], calls: tuple[str, ...]
) -> tuple[Bus, Runtime, str]:
    """Begin with the calls that were approved: the messages and one step with all of them, written ahead."""
    step = Record("step", f"run {' '.join(calls)}", me.token)
    if not model.rules.keep(Guard.CALL_AHEAD):
        if me.at == "act":
            return world.bus, me._replace(at="tool"), "is about to run the tool"
        return written(model, world, me, (*users, step, Record("result", "done", me.token)), None)
    if users and not model.rules.keep(Guard.CALL_WITH_RECORD):
        return written(model, world, me, users, None)
    return written(model, world, me, (*users, step), None)


def charging(model: Model, world: World, me: Runtime) -> tuple[Bus, Runtime, str]:
    """Pay for the next model call, then ask; with nothing left the turn ends at once."""
    number = me.number + 1
    ticket = Call(me.agent, me.token, me.turn, number)
    bus, answer = charge(model.rules, world.bus, ticket, used(world, me))
    me = me._replace(tried=0, number=number)
    said = f"charge: {answer.code}"
    if answer.code in {"FENCED", "LOST"}:
        return bus, me._replace(at="exit"), said
    if answer.code == "EXHAUSTED":
        return bus, me._replace(broke=True), said
    return bus, me._replace(at="ask", paid=answer.day), said


def used(world: World, me: Runtime) -> Used:
    """What calls have used since the last step and charge, by this process's calendar."""
    return Used(me.tried + (me.paid >= 0), world.today - 1 if me.late else world.today)


def written(
    model: Model, world: World, me: Runtime, records: tuple[Record, ...], effect: Effect | None
) -> tuple[Bus, Runtime, str]:
    """Append, and take over what the answer says: stored records, joined messages, a cancel."""
    index = me.base + len(me.journal)
    where = Call(me.agent, me.token, me.turn, index)
    bus, answer = append(model.rules, world.bus, where, records, effect, used=used(world, me))
    if answer.code in {"FENCED", "LOST"}:
        return bus, me._replace(at="exit"), f"append {me.turn}/{index}: {answer.code}"
    known = {message.mid for message in me.inputs}
    joined = tuple(message for message in answer.joined if message.mid not in known)
    on = me._replace(
        at="act", paid=-1, tried=0, heard="", inputs=me.inputs + joined, journal=me.journal + answer.stored
    )
    on = on._replace(cancelled=answer.detail == me.turn, in_hand=bool(awaited(on.journal)))
    return bus, on, f"append {me.turn}/{index}: {answer.code} {effect or ''}"
