"""The scripts that the process of an agent calls. Each is one atomic step from a Redis to a Redis."""

from typing import NamedTuple

from tests.protocol.groups import Numbers, unread
from tests.protocol.guards import Guard, Rules
from tests.protocol.posting import post_from_turn
from tests.protocol.prelude import (
    acknowledge,
    answered,
    asked,
    awaited,
    bury,
    close_turn,
    counted,
    deliver,
    finish,
    forget,
    give_up,
    has_read,
    head_run,
    inputs_of,
    mark,
    open_turn,
    payable,
    reply,
    room,
    settle,
    take,
    told_in,
    want,
)
from tests.protocol.state import (
    NAMES,
    PERSON,
    Approval,
    Bus,
    Debt,
    Due,
    Fate,
    Message,
    Order,
    Record,
    Verdict,
)
from tests.protocol.usage import Used, counters, keep_reserved, spend


class Answer(NamedTuple):
    """What a script returns."""

    code: str
    detail: str = ""
    joined: tuple[Message, ...] = ()
    stored: tuple[Record, ...] = ()
    fence: int = 0
    day: int = 0
    verdict: Verdict = ""
    read: Numbers = ()


class Call(NamedTuple):
    """What every script of an open turn is called with. `at` is the absolute index, in claim the ticket."""

    agent: int
    token: int
    turn: str
    at: int = 0


Effect = tuple[str, int | str]
"""("ask", agent), ("post", agent), ("reply", mid) or ("approve", 0)."""

FENCED = Answer("FENCED")
LOST = Answer("LOST")


def fenced(rules: Rules, bus: Bus, a: int, token: int) -> bool:
    """Whether another life, or none, holds the agent."""
    return rules.keep(Guard.FENCE) and bus.agents[a].holder != token


def claim(rules: Rules, bus: Bus, call: Call, uid: int) -> tuple[Bus, Answer]:
    """Become the holder. `call.at` is the ticket: the epoch that the operator saw."""
    a, agent = call.agent, bus.agents[call.agent]
    if agent.uid != uid:
        if rules.keep(Guard.CLAIM_CHANGES_NO_UID) or not agent.uid:
            return bus, Answer("GONE")
        bus = bus.change(a, uid=uid, turn="", journal=(), inputs=(), inbox=(), owed=(), waits=())
    fence = call.token if rules.keep(Guard.TOKEN) else agent.epoch + 1
    if rules.keep(Guard.TOKEN):
        if agent.holder == fence:
            return bus, Answer("OK", "error" if agent.reason else "", fence=fence)
        late = rules.keep(Guard.CREATE_NAMES_EPOCH) and rules.keep(Guard.TICKET)
        if late and call.at != agent.epoch:
            return bus, Answer("STALE")
    bus = bus.change(a, epoch=agent.epoch + 1, holder=fence, delivered=frozenset())
    if rules.keep(Guard.EVICT_IS_CLEARED):
        bus = bus.change(a, evict=False)
    if rules.keep(Guard.WAKE_IS_CLEARED):
        bus = bus.change(a, wake=False)
    bus = bus.change(a, charged=0, questions=())
    if rules.keep(Guard.DEAD_HAVE_PAID):
        bus = keep_reserved(bus, a)
    if not rules.keep(Guard.WORK_IS_RECOMPUTED):
        bus = bus.needs_not(a)
    waits = agent.state == "error" and rules.keep(Guard.ERROR_COUNTS_NOT)
    if bus.agents[a].turn and not waits:
        bus = bus.change(a, attempt=bus.agents[a].attempt + 1)
        if bus.agents[a].attempt > rules.attempts:
            bus = give_up(rules, bus, a)
    return mark(bus, a), Answer("OK", "error" if agent.reason else "", fence=fence)


def look(rules: Rules, bus: Bus, call: Call) -> tuple[Bus, Answer]:
    """The script `next`: the open turn, else the one opened now."""
    if fenced(rules, bus, call.agent, call.token):
        return bus, FENCED
    bus, (code, detail) = open_turn(rules, bus, call.agent)
    return bus, Answer(code, detail)


def charge(rules: Rules, bus: Bus, call: Call, before: Used) -> tuple[Bus, Answer]:
    """Reserve one unit, unless those of the day are used up. OK with the day that it was taken from.

    `call.at` is the number of this charge in the life of the process, `before` what tries before it used.
    """
    a = call.agent
    if fenced(rules, bus, a, call.token):
        return bus, FENCED
    if bus.agents[a].turn != call.turn:
        return bus, LOST
    repeated = call.at <= bus.agents[a].charged and rules.keep(Guard.CHARGE_ONCE)
    if before.units and not repeated and rules.keep(Guard.TRIES_COUNT):
        bus = spend(rules, bus, a, before)
    today = counters(rules, bus, a, before.day)
    bus = bus.change(a, charged=call.at)
    used = today.used - today.reserved
    if used >= rules.budget:
        return bus, Answer("EXHAUSTED")
    if rules.keep(Guard.CHARGED_FIRST) and not repeated:
        today = today._replace(used=used + 1, reserved=1)
    return bus.change(a, usage=today), Answer("OK", day=today.day)


def append(
    rules: Rules, bus: Bus, call: Call, records: tuple[Record, ...], effect: Effect | None, *, used: Used
) -> tuple[Bus, Answer]:
    """Write a step ahead, carry out its effect with the result that the outcome chose, let messages join."""
    a, agent = call.agent, bus.agents[call.agent]
    if fenced(rules, bus, a, call.token):
        return bus, FENCED
    if rules.keep(Guard.INDEX):
        length = agent.length(agent.thread)
        if agent.turn != call.turn or length < call.at:
            return bus, LOST
        if length > call.at:
            stored = agent.journal[call.at - length :]
            if stored[0].author != call.token:
                bus = bus.alarm(
                    f"two authors in turn {call.turn}: another one's record was taken for the own"
                )
            joined = untold(bus, a) if rules.keep(Guard.JOINED_ON_DUP) else ()
            return bus, Answer("DUP", agent.cancel, joined, stored)
    bus = spend(rules, bus, a, used)
    if effect:
        mid = f"{NAMES[a]}/{call.turn}/{call.at}"
        bus, outcome = carry_out(rules, bus, a, effect, mid)
        records = (*records, Record("result", outcome, call.token))
    agent = bus.agents[a]
    bus = join(rules, journaled(rules, bus, a, records), a)
    return bus, Answer("OK", bus.agents[a].cancel, untold(bus, a), records)


def journaled(rules: Rules, bus: Bus, a: int, records: tuple[Record, ...]) -> Bus:
    """RPUSH to the context of the turn's thread."""
    agent = bus.agents[a]
    told = told_in(agent.journal)
    if rules.trims:
        written = dict(agent.written)
        written[agent.thread] = written.get(agent.thread, 0) + len(records)
        bus = bus.change(a, written=tuple(sorted(written.items())))
    for record in records:
        if record.kind == "user" and record.text in told:
            bus = bus.alarm(f"{record.text} was told twice")
        before = bus.agents[a].journal
        call = awaited(before)
        if record.kind == "result" and record.text in {"answered", "unanswered"}:
            call = f"{agent.turn}/{call}!ask"
        if record.kind == "result" and "/" in call:
            bus = bus._replace(outcomes=bus.outcomes | {(call, record.text)})
        bus = bus.change(a, journal=(*before, record))
    return bus


def carry_out(rules: Rules, bus: Bus, a: int, effect: Effect, mid: str) -> tuple[Bus, str]:
    """One effect of a step: a request to an agent, a post, an early reply, a call to be approved."""
    agent, (kind, target) = bus.agents[a], effect
    if kind == "post":
        return post_from_turn(rules, bus, a, mid, int(target))
    if kind == "create":
        return order(rules, bus, a, mid, int(target)), "OK"
    if kind == "reply":
        paid = tuple(debt for debt in agent.owed if debt.mid == target)
        for debt in paid:
            bus = answered(reply(rules, bus, a, debt, "early"), a)
        left = tuple(debt for debt in bus.agents[a].owed if debt not in paid)
        return bus.change(a, owed=left), "OK" if paid else "NOREQUEST"
    if kind == "approve":
        bus = bus._replace(put=bus.put | {(a, mid)})
        if rules.keep(Guard.APPROVALS_EXPIRE):
            bus = bus._replace(later=bus.later | {Due(a, agent.uid, mid)})
        approvals = (*agent.approvals, Approval(mid, agent.thread))
        bus = bus.change(a, approvals=approvals, asked=(*agent.asked, (mid, agent.thread)))
        return counted(rules, bus, a), "OK"
    to = int(target)
    if to == a:
        return bus, "NOAGENT"
    message = Message(mid, a, agent.uid, agent.thread, "request")
    bus, outcome = deliver(rules, bus, to, 0, message, capped=True)
    if outcome == "OK":
        agent = bus.agents[a]
        waits = tuple(sorted((*agent.waits, asked(mid, to, agent.thread))))
        bus = bus.change(a, waits=waits, asked=(*agent.asked, (mid, agent.thread)))
        if rules.keep(Guard.WAITS_EXPIRE):
            bus = bus._replace(later=bus.later | {Due(a, agent.uid, mid)})
    return bus, outcome


def order(rules: Rules, bus: Bus, a: int, mid: str, child: int) -> Bus:
    """The effect of append: an entry of `orders`, and a wait without a deadline."""
    agent = bus.agents[a]
    bus = bus._replace(orders=bus.orders | {Order(mid, a, agent.uid, child)})
    bus = bus.change(a, asked=(*agent.asked, (mid, agent.thread)))
    if not rules.keep(Guard.ORDER_WAITS):
        return bus
    waits = tuple(sorted((*agent.waits, asked(mid, child, agent.thread))))
    return bus.change(a, waits=waits)


def join(rules: Rules, bus: Bus, a: int) -> Bus:
    """Take what people have written meanwhile: the head run behind the inputs, in the turn's thread."""
    agent = bus.agents[a]
    if (agent.alone and rules.keep(Guard.ALONE_STAYS_ALONE)) or agent.state != "running":
        return bus
    waiting = tuple(message for message in agent.inbox if message.mid not in agent.inputs)
    run: list[Message] = []
    for message in head_run(rules, waiting, agent.thread):
        if message.sender != PERSON:
            break
        run.append(message)
    return take(rules, bus, a, tuple(run)) if run else bus


def untold(bus: Bus, a: int) -> tuple[Message, ...]:
    """The inputs that have no user record in the journal yet."""
    agent = bus.agents[a]
    told = told_in(agent.journal)
    return tuple(message for message in inputs_of(agent) if message.mid not in told)


def commit(
    rules: Rules, bus: Bus, call: Call, records: tuple[Record, ...], used: Used, *, failed: bool = False
) -> tuple[Bus, Answer]:
    """Close the turn: records, acknowledgements and answers in one step; then what `next` returns.

    With an error the turn's own requests are answered in any case, others unless held back.
    """
    a, agent = call.agent, bus.agents[call.agent]
    if fenced(rules, bus, a, call.token):
        return bus, FENCED
    if agent.turn != call.turn and rules.keep(Guard.INDEX):
        if agent.last != call.turn:
            return bus, LOST
        bus, (code, detail) = open_turn(rules, bus, a)
        return bus, Answer(code, detail)
    if agent.length(agent.thread) != call.at and rules.keep(Guard.INDEX):
        return bus, LOST
    thread = agent.thread
    told = told_in(agent.journal + records)
    inputs = agent.inputs if rules.keep(Guard.JOINED_ACKNOWLEDGED) else agent.inputs[:1]
    ends = {mid: Fate(mid, "done" if mid in told else "unheard") for mid in inputs}
    bus = spend(rules, bus, a, used)
    bus = has_read(rules, journaled(rules, bus, a, records), a, inputs, told=True)
    bus = trim(rules, acknowledge(bus, a, ends), a)
    paid = payable(rules, bus.agents[a], thread, agent.inputs if failed else ())
    if not failed:
        bus = witness(bus, a, paid)
    bus = settle(rules, bus, a, paid, (thread, "error" if failed else "answer"))
    bus = close_turn(rules, bus.change(a, last=call.turn), a)
    if rules.keep(Guard.TASK_ENDS):
        bus = finish(rules, bus, a)
    bus, (code, detail) = open_turn(rules, bus, a)
    return bus, Answer(code, detail)


def trim(rules: Rules, bus: Bus, a: int) -> Bus:
    """Drop what the thread had before this turn; the records that stay keep their indexes."""
    if not rules.trims:
        return bus
    agent = bus.agents[a]
    first, lengths = dict(agent.first), dict(agent.lengths)
    dropped = lengths.pop(agent.thread, 0)
    if rules.keep(Guard.TRIM_KEEPS_INDEX):
        first[agent.thread] = first.get(agent.thread, 0) + dropped
    return bus.change(a, first=tuple(sorted(first.items())), lengths=tuple(sorted(lengths.items())))


def witness(bus: Bus, a: int, paid: tuple[Debt, ...]) -> Bus:
    """The checker's own eye on answers: request, replies and decisions that they waited for were heard."""
    agent = bus.agents[a]
    ends = {fate.mid: fate.end for fate in agent.fates}
    for debt in paid:
        if ends.get(debt.mid) != "done":
            bus = bus.alarm(f"{debt.mid} was answered before it was heard")
        asked_there = [mid for mid, where in agent.asked if where == debt.thread]
        unheard = [mid for mid in asked_there if not {f"re:{mid}", f"{mid}!decision"} & ends.keys()]
        missing = [mid for mid in unheard if mid not in debt.before]
        if missing:
            bus = bus.alarm(f"answered with a part: {', '.join(missing)} had not been heard")
    return bus


def read(
    rules: Rules, bus: Bus, call: Call, message: Message, before: tuple[Message, ...]
) -> tuple[Bus, Answer]:
    """The script `unread`: what the agent has not read of the group, up to what mentions it."""
    if fenced(rules, bus, call.agent, call.token):
        return bus, FENCED
    bus, numbers = unread(rules, bus, call.agent, message, before)
    return bus, Answer("OK", read=numbers)


def fail(rules: Rules, bus: Bus, call: Call) -> tuple[Bus, Answer]:
    """The turn cannot go on until somebody changes something outside: state error, the turn stays."""
    a, agent = call.agent, bus.agents[call.agent]
    if fenced(rules, bus, a, call.token):
        return bus, FENCED
    if agent.turn != call.turn:
        return bus, LOST
    if not rules.keep(Guard.FAIL_KEEPS_TURN):
        gone = {mid: Fate(mid, "dead") for mid in agent.inputs}
        closed = close_turn(rules, acknowledge(bus, a, gone), a)
        return closed.change(a, state="error", reason=True), Answer("OK")
    state = "paused" if agent.state == "paused" else "error"
    return room(rules, mark(bus.change(a, state=state, reason=True), a), a), Answer("OK")


def retire(rules: Rules, bus: Bus, call: Call, *, force: bool) -> tuple[Bus, Answer]:
    """Leave by oneself. With force the open turn goes to the next incarnation and the try is not counted."""
    a, agent = call.agent, bus.agents[call.agent]
    if agent.uid and not agent.holder:
        return bus, Answer("OK")
    if fenced(rules, bus, a, call.token):
        return bus, FENCED
    in_error = agent.state == "error" and agent.evict and rules.keep(Guard.EVICT_IN_ERROR)
    looks = rules.keep(Guard.RETIRE_LOOKS)
    busy = (agent.turn and not in_error) or (agent.inbox and not agent.evict and looks)
    if busy and agent.state != "paused" and not force:
        return bus, Answer("BUSY")
    uncounted = agent.turn and agent.state != "error"
    attempt = max(agent.attempt - 1, 0) if uncounted else agent.attempt
    evict = agent.evict and not rules.keep(Guard.EVICT_IS_CLEARED)
    evictions = agent.evictions + 1 if agent.evict and not force else agent.evictions
    bus = bus.change(a, holder=0, attempt=attempt, evict=evict, evictions=evictions)
    if rules.keep(Guard.QUESTION_RETIRED):
        bus = bus.change(a, questions=())
    bus = forget(rules, mark(bus, a), a)
    return want(rules, bus, a) if looks else bus, Answer("OK")


def give_up_turn(rules: Rules, bus: Bus, call: Call) -> tuple[Bus, Answer]:
    """The script `bury`: the process itself declares its turn impossible."""
    if fenced(rules, bus, call.agent, call.token):
        return bus, FENCED
    if bus.agents[call.agent].turn != call.turn:
        return bus, Answer("OK") if bus.agents[call.agent].last == call.turn else LOST
    return bury(rules, bus, call.agent), Answer("OK")
