"""The scripts that people, the gateway and the operator call. Each is one atomic step."""

from tests.protocol.approvals import deny
from tests.protocol.guards import Guard, Rules
from tests.protocol.prelude import (
    answered,
    bounce,
    close_turn,
    debt_of,
    deliver,
    forget,
    mark,
    name,
    reply,
    room,
    want,
)
from tests.protocol.state import Agent, Bus, Due, Fate, Message


def create(rules: Rules, bus: Bus, a: int, uid: int) -> Bus:
    """Give an agent its keys, if nobody has the name."""
    agent = bus.agents[a]
    if agent.uid:
        return want(rules, bus, a) if agent.uid == uid else bus
    fresh = Agent(uid=uid, fates=agent.fates, asked=agent.asked, evictions=agent.evictions, task=agent.task)
    agents = (*bus.agents[:a], fresh, *bus.agents[a + 1 :])
    return mark(bus._replace(agents=agents), a)


def delete(rules: Rules, bus: Bus, a: int, uid: int) -> Bus:
    """End an agent's life: whoever waits for it gets an error, then every key goes."""
    if bus.agents[a].uid != uid:
        return bus
    bus = bounce(rules, bus, a)
    agent = bus.agents[a]
    gone = Agent(fates=agent.fates, asked=(), evictions=agent.evictions, task=agent.task)
    agents = (*bus.agents[:a], gone, *bus.agents[a + 1 :])
    bus = (room(rules, bus, a) if a in bus.work else bus).needs_not(a)
    return bus._replace(agents=agents, dirty=bus.dirty - {a}, published=bus.published | {a})


def send(rules: Rules, bus: Bus, to: int, message: Message, how: tuple[int, bool]) -> tuple[Bus, str]:
    """Accept a message from outside once per mid. how: (uid expected or 0, whether it is delayed)."""
    agent, (to_uid, delayed) = bus.agents[to], how
    if message.mid in agent.seen or message.mid in bus.replies:
        return bus, "DUP"
    if not rules.keep(Guard.SEEN_AFTER_OK) and agent.uid:
        bus = bus.change(to, seen=agent.seen | {message.mid})
    if delayed:
        if not agent.uid or agent.state == "terminated" or to_uid not in {0, agent.uid}:
            return bus, "NOAGENT"
        bus = bus._replace(later=bus.later | {Due(to, agent.uid, message.mid, message)})
        outcome = "OK"
    else:
        bus, outcome = deliver(rules, bus, to, to_uid, message, capped=True)
    if outcome == "OK" and (not delayed or rules.keep(Guard.DELAYED_IS_SEEN)):
        bus = bus.change(to, seen=bus.agents[to].seen | {message.mid})
    return bus, outcome


def due(rules: Rules, bus: Bus, entry: Due) -> Bus:
    """Deliver one message whose time has come; it stays in `later` while the inbox is full."""
    if entry.message is None or entry not in bus.later:
        return bus
    bus, outcome = deliver(rules, bus, entry.agent, entry.uid, entry.message, capped=True)
    if outcome == "FULL" and rules.keep(Guard.DUE_STAYS_WHEN_FULL):
        return bus
    bus = bus._replace(later=bus.later - {entry})
    if outcome == "NOAGENT":
        fates = (*bus.agents[entry.agent].fates, Fate(entry.mid, "bounced"))
        bus = bus.change(entry.agent, fates=fates)
        if bus.agents[entry.agent].finished:
            bus = bus.alarm(f"{entry.mid} was accepted and its Task has ended")
        if entry.message.kind == "request" and rules.keep(Guard.DUE_BOUNCES):
            bus = reply(rules, bus, entry.agent, debt_of(entry.message), "error")
    return bus


def expire(rules: Rules, bus: Bus, entry: Due) -> Bus:
    """A deadline has come: end what is still owed, or what was asked and has no reply, with an error.

    What waits for a person's approval and has none is denied.
    """
    bus = bus._replace(later=bus.later - {entry})
    a, agent = entry.agent, bus.agents[entry.agent]
    if agent.uid != entry.uid:
        return bus
    debt = next((debt for debt in agent.owed if debt.mid == entry.mid), None)
    if debt:
        bus = answered(reply(rules, bus, a, debt, "error"), a)
        return bus.change(a, owed=tuple(other for other in bus.agents[a].owed if other != debt))
    if any(approval.mid == entry.mid for approval in agent.approvals):
        return deny(rules, bus, a, entry.mid)
    return unanswered(rules, bus, a, entry.mid)


def unanswered(rules: Rules, bus: Bus, a: int, mid: str) -> Bus:
    """What the agent has asked and has no reply to: it gets an error for one."""
    agent = bus.agents[a]
    wait = next((wait for wait in agent.waits if wait.mid == mid), None)
    if wait is None or (wait.arrived and rules.keep(Guard.EXPIRE_NEEDS_DEBT)):
        return bus
    if rules.keep(Guard.EXPIRE_NEEDS_DEBT):
        waits = tuple(sorted((*(w for w in agent.waits if w != wait), wait._replace(arrived=True))))
        bus = bus.change(a, waits=waits)
    error = Message(f"re:{wait.mid}", a, agent.uid, wait.thread, "reply", wait.mid)
    bus, outcome = deliver(rules, bus, a, agent.uid, error, capped=False)
    if outcome != "OK":
        return bus
    if any(mid == wait.mid for mid, _ in bus.answers):
        return bus.alarm(f"{wait.mid} got its answer and the error of its deadline")
    return bus._replace(answers=bus.answers | {(wait.mid, "error")})


def reap(rules: Rules, bus: Bus, a: int, token: int) -> Bus:
    """The process with this token is gone or written off."""
    holder = bus.agents[a].holder
    if not holder or (holder != token and rules.keep(Guard.REAP_COMPARES)):
        return bus
    evict = bus.agents[a].evict and not rules.keep(Guard.EVICT_IS_CLEARED)
    bus = bus.change(a, holder=0, evict=evict)
    if rules.keep(Guard.QUESTION_REAPED):
        bus = bus.change(a, questions=())
    if rules.keep(Guard.DIRTY):
        bus = mark(bus, a)
    return want(rules, forget(rules, bus, a), a)


def pause(rules: Rules, bus: Bus, a: int) -> Bus:
    """Suspended: finish the open turn, then leave."""
    agent = bus.agents[a]
    final = agent.state == "terminated" and rules.keep(Guard.TERMINATED_IS_FINAL)
    if not agent.uid or agent.state == "paused" or final:
        return bus
    return told(rules, mark(bus.change(a, state="paused"), a), a)


def resume(rules: Rules, bus: Bus, a: int) -> Bus:
    """Running again. Ends `paused` and nothing else."""
    agent = bus.agents[a]
    if not agent.uid or agent.state != "paused":
        return bus
    return told(rules, mark(bus.change(a, state="running" if agent.turn else "idle"), a), a)


def evict(rules: Rules, bus: Bus, a: int) -> Bus:
    """Ask a holder to leave between turns. A level: it stays until somebody leaves, is reaped or claims."""
    agent = bus.agents[a]
    if not agent.uid or agent.evict or (not agent.holder and rules.keep(Guard.EVICT_IS_CLEARED)):
        return bus
    bus = bus.change(a, evict=True, evictions=agent.evictions - 1)
    return told(rules, bus, a) if rules.keep(Guard.EVICT_WAKES) else want(rules, bus, a)


def configure(rules: Rules, bus: Bus, a: int) -> Bus:
    """Store another config. It is no work: whoever claims next reads it."""
    agent = bus.agents[a]
    if not agent.uid:
        return bus
    heard = frozenset({a}) if rules.keep(Guard.CONFIG_WAKES) else frozenset()
    bus = mark(bus.change(a, version=agent.version + 1), a)
    return bus._replace(published=bus.published | heard)


def wake(rules: Rules, bus: Bus, a: int) -> Bus:
    """Ask for a process though there is nothing to read. Who has one, and may keep it, needs no other."""
    agent = bus.agents[a]
    if not agent.uid or agent.state == "terminated":
        return bus
    leaves = agent.evict and rules.keep(Guard.WAKE_WHILE_LEAVING)
    if agent.holder and not leaves and rules.keep(Guard.WAKE_WHEN_ASLEEP):
        return bus.alarm(f"{name(a)} was asked to come, and leaves all the same") if agent.evict else bus
    return told(rules, bus.change(a, wake=True), a)


def cancel(rules: Rules, bus: Bus, a: int, turn: str) -> Bus:
    """Stop the turn that is named, and no other."""
    agent = bus.agents[a]
    if not agent.turn or (agent.turn != turn and rules.keep(Guard.CANCEL_NAMES_TURN)):
        return bus
    if agent.turn != turn:
        bus = bus.alarm(f"cancel was meant for {turn} and hit {agent.turn}")
    return told(rules, bus.change(a, cancel=agent.turn), a)


def terminate(rules: Rules, bus: Bus, a: int) -> Bus:
    """The end, but for the context: everything that waits is bounced, the open turn is closed."""
    agent = bus.agents[a]
    if not agent.uid or agent.state == "terminated":
        return bus
    bus = bounce(rules, bus, a)
    if rules.keep(Guard.TERMINATE_CLOSES_TURN):
        bus = close_turn(rules, bus, a)
        bus = bus.change(a, inbox=())
    if rules.keep(Guard.APPROVALS_END):
        bus = bus.change(a, approvals=())
    return told(rules, mark(bus.change(a, state="terminated", owed=(), waits=(), wake=False), a), a)


def told(rules: Rules, bus: Bus, a: int) -> Bus:
    """PUBLISH c, then want."""
    return want(rules, bus._replace(published=bus.published | {a}), a)
