"""What several scripts share, as in the Lua prelude: work, delivery, replies, opening and burying turns."""

from tests.protocol.groups import THREAD, answer_mentions, member, read_up_to, witness_reading
from tests.protocol.guards import Guard, Rules
from tests.protocol.state import NAMES, PERSON, Agent, Bus, Debt, Due, Fate, Message, Record, Wait

Next = tuple[str, str]
"""TURN and its id; EMPTY; LEAVE and why."""


# Work ------------------------------------------------------------


def wakeable(rules: Rules, agent: Agent) -> bool:
    """Whether there is something to do that needs a process."""
    if not agent.uid or agent.state in {"paused", "terminated"}:
        return False
    if agent.state == "error" and not rules.keep(Guard.ERROR_IS_WORK):
        return False
    return bool(agent.turn or agent.inbox or agent.wake)


def forget(rules: Rules, bus: Bus, a: int) -> Bus:
    """ZREM work."""
    if a not in bus.work or not rules.keep(Guard.WORK_IS_RECOMPUTED):
        return bus
    return bus.needs_not(a)


def want(rules: Rules, bus: Bus, a: int) -> Bus:
    """Recompute membership in `work`; ring for an agent without a process, wake the one that has it."""
    agent = bus.agents[a]
    if not wakeable(rules, agent):
        return forget(rules, room(rules, bus, a) if a in bus.work else bus, a)
    if agent.holder:
        return bus.needs(a)._replace(published=bus.published | {a})
    if a in bus.work:
        return bus
    return bus.needs(a)._replace(doorbell=bus.doorbell | {a})


def rest(rules: Rules, bus: Bus, a: int) -> Bus:
    """The same for a holder that is looking right now."""
    if wakeable(rules, bus.agents[a]):
        return bus.needs(a)
    return forget(rules, room(rules, bus, a) if a in bus.work else bus, a)


def room(rules: Rules, bus: Bus, a: int) -> Bus:
    """It needs no slot (any more), or could give up its own: ring if others wait for one."""
    if not bus.crowded or not rules.keep(Guard.IDLE_RINGS):
        return bus
    return bus._replace(doorbell=bus.doorbell | {a})


def mark(bus: Bus, a: int) -> Bus:
    """ZADD dirty: what the operator shows of this agent must be looked at again."""
    return bus._replace(dirty=bus.dirty | {a})


def counted(rules: Rules, bus: Bus, a: int) -> Bus:
    """The same, where what waits for a person has changed."""
    return mark(bus, a) if rules.keep(Guard.DIRTY_APPROVALS) else bus


# Messages ------------------------------------------------------------


def deliver(
    rules: Rules, bus: Bus, to: int, to_uid: int, message: Message, *, capped: bool
) -> tuple[Bus, str]:
    """XADD to an inbox. to_uid 0: any life. OK, FULL or NOAGENT; the last two change nothing."""
    agent = bus.agents[to]
    if not agent.uid or (to_uid and to_uid != agent.uid):
        return bus, "NOAGENT"
    if agent.state == "terminated" and rules.keep(Guard.TERMINATED_REFUSES):
        return bus, "NOAGENT"
    if capped and len(agent.inbox) >= rules.cap:
        return bus, "FULL"
    return want(rules, bus.change(to, inbox=(*agent.inbox, message)), to), "OK"


def fan_out(rules: Rules, bus: Bus, mentions: tuple[int, ...]) -> Bus:
    """Bring a mention of the newest post to whom it wakes."""
    at, group, post = len(bus.group.log), bus.group, bus.group.log[-1]
    everybody = tuple(one.agent for one in group.members) if rules.wake_all else ()
    uid = 0 if post.sender == PERSON else bus.agents[post.sender].uid
    for a in sorted({*mentions, *everybody} - {post.sender}):
        one = member(bus, a)
        if one is None:
            continue
        mid = f"@{NAMES[a]}:{post.mid}"
        message = Message(mid, post.sender, uid, THREAD, "mention", at=at, group=group.uid)
        bus, outcome = deliver(rules, bus, a, one.uid, message, capped=True)
        if outcome == "OK":
            bus = bus._replace(mentioned=bus.mentioned | {mid})
    return bus


def answer(rules: Rules, bus: Bus, a: int, debts: tuple[Debt, ...]) -> Bus:
    """Answer mentions of one group with a quiet post."""
    before = bus.group.log
    bus = answer_mentions(rules, bus, a, debts)
    if bus.group.log is before or rules.keep(Guard.ANSWERS_ARE_QUIET):
        return bus
    return fan_out(rules, bus, ())


def noted(bus: Bus, mid: str, how: str) -> Bus:
    """The checker's own note that a request was answered."""
    if any(known == mid for known, _ in bus.answers):
        return bus.alarm(f"{mid} was answered twice, the second time with {how}")
    return bus._replace(answers=bus.answers | {(mid, how)})


def reply(rules: Rules, bus: Bus, a: int, debt: Debt, how: str) -> Bus:
    """Answer a request: a key for a person, an inbox entry for an agent. Accepted once, else dropped.

    Of a mention: a post of its own.
    """
    if debt.group:
        return answer(rules, noted(bus, debt.mid, how), a, (debt,))
    if debt.sender == PERSON:
        if debt.mid in bus.replies:
            return bus
        return noted(bus._replace(replies=bus.replies | {debt.mid}), debt.mid, how)
    asker = bus.agents[debt.sender]
    wait = next((wait for wait in asker.waits if wait.mid == debt.mid), None)
    if wait is None or (wait.arrived and rules.keep(Guard.ASKED_ONCE)):
        return bus
    message = Message(f"re:{debt.mid}", a, bus.agents[a].uid, debt.thread, "reply", debt.mid)
    capped = not rules.keep(Guard.REPLY_BEYOND_CAP)
    bus, outcome = deliver(rules, bus, debt.sender, debt.sender_uid, message, capped=capped)
    if outcome != "OK":
        return bus
    waits = tuple(other for other in asker.waits if other.mid != debt.mid)
    if rules.keep(Guard.WAIT_KEPT_UNTIL_COMMIT):
        waits = tuple(sorted((*waits, wait._replace(arrived=True))))
    return noted(bus.change(debt.sender, waits=waits), debt.mid, how)


def debt_of(message: Message) -> Debt:
    """What a request or a mention makes its receiver owe."""
    return Debt(message.mid, message.sender, message.sender_uid, message.thread, group=message.group)


def is_owed(rules: Rules, message: Message) -> bool:
    """Whether whoever takes this message owes an answer."""
    return message.kind == "request" or (message.kind == "mention" and rules.keep(Guard.MENTION_OWED))


def bounce(rules: Rules, bus: Bus, a: int) -> Bus:
    """End everything that waits for this agent: requests in the inbox and all that is owed get an error."""
    agent = bus.agents[a]
    taken = agent.inputs if rules.keep(Guard.BOUNCED_ONCE) else ()
    unread = [message for message in agent.inbox if message.mid not in taken]
    debts = [debt_of(message) for message in unread if is_owed(rules, message)]
    if rules.keep(Guard.DELETE_BOUNCES_OWED):
        debts += agent.owed
    for debt in debts:
        if (debt.sender, debt.sender_uid) != (a, agent.uid):
            bus = reply(rules, bus, a, debt, "error")
    ends = tuple(Fate(message.mid, "bounced") for message in agent.inbox)
    return bus.change(a, fates=agent.fates + ends)


# Turns ------------------------------------------------------------


def head_run(rules: Rules, messages: tuple[Message, ...], thread: str | None) -> tuple[Message, ...]:
    """The messages of one thread that lie at the head without a break. None: the thread of the first one."""
    run: list[Message] = []
    for message in messages:
        thread = thread or message.thread
        if message.thread != thread and rules.keep(Guard.THREAD_RUN):
            break
        run.append(message)
    return tuple(run)


def take(rules: Rules, bus: Bus, a: int, run: tuple[Message, ...]) -> Bus:
    """Make messages inputs of the open turn. Requests and mentions among them are owed from here on."""
    agent = bus.agents[a]
    debts = tuple(
        debt_of(message)._replace(before=open_to(agent, message.sender))
        for message in run
        if is_owed(rules, message)
    )
    deadlines = frozenset(Due(a, agent.uid, debt.mid) for debt in debts)
    inputs = agent.inputs + tuple(message.mid for message in run)
    for message in run:
        if message.thread != agent.thread:
            bus = bus.alarm(f"{message.mid} was taken into another thread")
    bus = bus.change(a, inputs=inputs, owed=tuple(sorted(agent.owed + debts)))
    return bus._replace(later=bus.later | deadlines)


def open_turn(rules: Rules, bus: Bus, a: int) -> tuple[Bus, Next]:
    """What `next` and `commit` return: the open turn, else one opened now, else nothing."""
    agent = bus.agents[a]
    if agent.state in {"paused", "terminated"}:
        return rest(rules, bus, a), ("LEAVE", agent.state)
    stuck = agent.state == "error" and rules.keep(Guard.EVICT_IN_ERROR)
    if agent.evict and (not agent.turn or stuck):
        return rest(rules, bus, a), ("LEAVE", "evict")
    if not agent.turn:
        run = head_run(rules, agent.inbox, None)
        if not run:
            return rest(rules, bus, a), ("EMPTY", "")
        bus = bus.change(a, turn=run[0].mid, thread=run[0].thread, attempt=1, alone=False, state="running")
        bus = mark(take(rules, bus, a, run), a)
    elif agent.state != "running":
        bus = mark(bus.change(a, state="running", reason=False), a)
    return rest(rules, bus, a), ("TURN", bus.agents[a].turn)


def inputs_of(agent: Agent) -> tuple[Message, ...]:
    """The messages that the open turn has taken."""
    return tuple(message for message in agent.inbox if message.mid in agent.inputs)


def told_in(records: tuple[Record, ...]) -> set[str]:
    """The mids of messages that have their user record."""
    return {record.text for record in records if record.kind == "user"}


def awaited(journal: tuple[Record, ...]) -> str:
    """The call of the last step that is next to run: it has no result, those before it have theirs."""
    at = next((at for at in range(len(journal) - 1, -1, -1) if journal[at].kind == "step"), -1)
    if at < 0:
        return ""
    kind, *calls = journal[at].text.split()
    if kind in {"tool", "elicit"}:
        calls = [str(at)]
    results = sum(record.kind == "result" for record in journal[at:])
    return calls[results] if results < len(calls) else ""


def close_turn(rules: Rules, bus: Bus, a: int) -> Bus:
    """No turn is open any more; its records stay in the context of its thread."""
    agent = bus.agents[a]
    lengths = dict(agent.lengths)
    lengths[agent.thread] = lengths.get(agent.thread, 0) + len(agent.journal)
    state = "idle" if agent.state in {"running", "error"} else agent.state
    if rules.keep(Guard.QUESTION_OF_TURN):
        bus = bus.change(a, questions=())
    fields = {
        "turn": "",
        "thread": "",
        "inputs": (),
        "attempt": 0,
        "alone": False,
        "journal": (),
        "cancel": "",
    }
    return mark(bus.change(a, **fields, state=state, reason=False, lengths=tuple(sorted(lengths.items()))), a)


def acknowledge(bus: Bus, a: int, ends: dict[str, Fate]) -> Bus:
    """XACK and XDEL these inputs; replies among them leave `waits`, decisions `approvals`."""
    agent = bus.agents[a]
    gone = [message for message in agent.inbox if message.mid in ends]
    answered = {message.re for message in gone if message.kind == "reply"}
    waits = tuple(wait for wait in agent.waits if wait.mid not in answered)
    decided = {message.re for message in gone if message.kind == "decision"}
    approvals = tuple(approval for approval in agent.approvals if approval.mid not in decided)
    left = tuple(message for message in agent.inbox if message.mid not in ends)
    fates = agent.fates + tuple(ends[message.mid] for message in gone)
    return bus.change(a, inbox=left, waits=waits, approvals=approvals, fates=fates)


def has_read(rules: Rules, bus: Bus, a: int, mids: tuple[str, ...], *, told: bool) -> Bus:
    """The part of acknowledge for mentions. told: the turn was committed, not buried."""
    agent = bus.agents[a]
    shown = {record.text: record.read for record in agent.journal if record.kind == "user"}
    for message in agent.inbox:
        if message.kind == "mention" and message.mid in mids:
            bus = witness_reading(bus, a, message, shown.get(message.mid, ()) if told else None)
            bus = read_up_to(rules, bus, a, message)
    return bus


def open_to(agent: Agent, other: int) -> tuple[str, ...]:
    """Mids of one's own requests to somebody that are open."""
    return tuple(wait.mid for wait in agent.waits if wait.to == other)


def held_back(rules: Rules, agent: Agent, debt: Debt) -> bool:
    """Whether an open request or approval is a reason not to answer yet.

    A request to the creditor itself from before the debt is none: it has asked back and waits for this.
    """
    everywhere = not rules.keep(Guard.DEBT_OF_THREAD)
    pending = any(approval.thread == debt.thread or everywhere for approval in agent.approvals)
    if pending and rules.keep(Guard.APPROVAL_HOLDS):
        return True
    if not rules.keep(Guard.OWES_WHILE_OPEN):
        return False
    for wait in agent.waits:
        back = wait.to == debt.sender and not debt.group and rules.keep(Guard.ASKED_BACK)
        if back and (wait.mid in debt.before or not rules.keep(Guard.ASKED_BACK_BEFORE)):
            continue
        if wait.thread == debt.thread or everywhere:
            return True
    return False


def payable(rules: Rules, agent: Agent, thread: str, anyway: tuple[str, ...] = ()) -> tuple[Debt, ...]:
    """What a thread owes and nothing holds back; the mids in `anyway` in any case."""
    everywhere = not rules.keep(Guard.DEBT_OF_THREAD)
    return tuple(
        debt
        for debt in agent.owed
        if (debt.thread == thread or everywhere) and (debt.mid in anyway or not held_back(rules, agent, debt))
    )


def settle(rules: Rules, bus: Bus, a: int, paid: tuple[Debt, ...], words: tuple[str, str]) -> Bus:
    """Answer these debts, all mentions with one post. words: (the thread they come from, how)."""
    thread, how = words
    mentions = tuple(debt for debt in paid if debt.group)
    for debt in paid:
        if debt.thread != thread:
            bus = bus.alarm(f"{debt.mid} was answered with the words of another thread")
        bus = answered(noted(bus, debt.mid, how) if debt.group else reply(rules, bus, a, debt, how), a)
    for life in sorted({debt.group for debt in mentions}):
        bus = answer(rules, bus, a, tuple(debt for debt in mentions if debt.group == life))
    return bus.change(a, owed=tuple(debt for debt in bus.agents[a].owed if debt not in paid))


def answered(bus: Bus, a: int) -> Bus:
    """A request to this agent has ended; only a Task remembers that."""
    agent = bus.agents[a]
    return bus.change(a, answered=True) if agent.task and agent.uid else bus


def finish(rules: Rules, bus: Bus, a: int) -> Bus:
    """A Task ends by itself: it has answered, and nothing is open, unread or on its way."""
    agent = bus.agents[a]
    if not agent.task or agent.turn or agent.state == "terminated":
        return bus
    delayed = any(entry.message and (entry.agent, entry.uid) == (a, agent.uid) for entry in bus.later)
    reasons = {
        Guard.TASK_HAS_ANSWERED: not agent.answered,
        Guard.TASK_INBOX: bool(agent.inbox),
        Guard.TASK_OWES: bool(agent.owed or agent.waits),
        Guard.TASK_DELAYED: delayed,
    }
    if any(goes_on and rules.keep(guard) for guard, goes_on in reasons.items()):
        return bus
    if agent.approvals:
        return bus
    if not agent.answered:
        bus = bus.alarm(f"{name(a)} has ended and was not asked yet")
    if agent.waits:
        bus = bus.alarm(f"{name(a)} has ended and waits")
    bus = mark(bus.change(a, state="terminated", wake=False, evict=False, finished=True), a)
    return want(rules, bus._replace(published=bus.published | {a}), a)


# Poison ------------------------------------------------------------


def give_up(rules: Rules, bus: Bus, a: int) -> Bus:
    """The attempts of the open turn are used up: make it smaller if that is possible, else bury it."""
    agent = bus.agents[a]
    told = told_in(agent.journal)
    kept = tuple(mid for mid in agent.inputs if mid in told) or agent.inputs[:1]
    narrows = rules.keep(Guard.UNHEARD_GO_BACK) if agent.journal else rules.keep(Guard.POISON_NARROWS)
    if len(kept) == len(agent.inputs) or not narrows:
        return bury(rules, bus, a)
    owed = agent.owed
    if rules.keep(Guard.DEBT_AT_TAKE):
        back = set(agent.inputs) - set(kept)
        owed = tuple(debt for debt in owed if debt.mid not in back)
    return bus.change(a, inputs=kept, attempt=1, alone=True, owed=owed)


def bury(rules: Rules, bus: Bus, a: int) -> Bus:
    """Park the inputs of the open turn as dead letters, tell the requesters, close it, keep the journal."""
    agent = bus.agents[a]
    inputs, thread = inputs_of(agent), agent.thread
    bus = has_read(rules, bus, a, agent.inputs, told=False)
    bus = acknowledge(bus, a, {message.mid: Fate(message.mid, "dead") for message in inputs})
    for debt in agent.owed:
        if debt.mid in agent.inputs:
            bus = answered(reply(rules, bus, a, debt, "error"), a)
    owed = tuple(debt for debt in bus.agents[a].owed if debt.mid not in agent.inputs)
    bus = close_turn(rules, bus.change(a, owed=owed, last=agent.turn), a)
    chained = {"reply", "decision"} if rules.keep(Guard.BURIED_DECISION_TOLD) else {"reply"}
    lost = [message for message in inputs if message.kind in chained]
    if lost:
        for message in lost:
            notice = Message(f"dead:{message.mid}", a, agent.uid, thread, "notice")
            bus, _ = deliver(rules, bus, a, 0, notice, capped=False)
    elif rules.keep(Guard.BURY_ENDS_CHAIN):
        bus = settle(rules, bus, a, payable(rules, bus.agents[a], thread), (thread, "error"))
    if rules.keep(Guard.TASK_ENDS_BURIED):
        bus = finish(rules, bus, a)
    return want(rules, bus, a)


def name(a: int) -> str:
    """An agent's name as traces print it."""
    return "person" if a == PERSON else NAMES[a]


def asked(mid: str, to: int, thread: str) -> Wait:
    """An entry of `waits` for a request that was just accepted."""
    return Wait(mid, to, thread, arrived=False)
