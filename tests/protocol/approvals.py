"""The scripts by which a person decides: calls that wait for approval, and what running calls ask."""

from tests.protocol.guards import Guard, Rules
from tests.protocol.prelude import counted, deliver
from tests.protocol.state import Bus, Due, Message, Question, Verdict
from tests.protocol.turn_scripts import FENCED, LOST, Answer, Call, fenced


def decide(rules: Rules, bus: Bus, a: int, mid: str, verdict: Verdict) -> tuple[Bus, str]:
    """Decide once. DECIDED; ALREADY: somebody was first; NONE: nobody waits for it (any more); NOAGENT."""
    agent = bus.agents[a]
    if not agent.uid:
        return bus, "NOAGENT"
    approval = next((approval for approval in agent.approvals if approval.mid == mid), None)
    if approval is None:
        return answered(rules, bus, a, mid, verdict)
    if approval.verdict and rules.keep(Guard.DECIDED_ONCE):
        return bus, "ALREADY"
    return settle_approval(rules, bus, a, mid, verdict), "DECIDED"


def deny(rules: Rules, bus: Bus, a: int, mid: str) -> Bus:
    """The part of `expire` for approvals: nobody has decided in time."""
    pending = any(approval.mid == mid and not approval.verdict for approval in bus.agents[a].approvals)
    if not pending and rules.keep(Guard.EXPIRE_NEEDS_PENDING):
        return bus
    return settle_approval(rules, bus, a, mid, "deny")


def settle_approval(rules: Rules, bus: Bus, a: int, mid: str, verdict: Verdict) -> Bus:
    """Store the verdict, take the deadline away, and tell the agent by a message of its own."""
    agent = bus.agents[a]
    others = tuple(approval for approval in agent.approvals if approval.mid != mid)
    decided = [one._replace(verdict=verdict) for one in agent.approvals if one.mid == mid]
    kept = rules.keep(Guard.APPROVAL_KEPT)
    bus = bus.change(a, approvals=tuple(sorted((*others, *decided))) if kept else others)
    bus = counted(rules, bus._replace(later=bus.later - {Due(a, agent.uid, mid)}), a)
    bus = noted(bus, mid, verdict)
    own = rules.keep(Guard.DECISION_OWN_TURN)
    sender, sender_uid = (a, agent.uid) if own else (-1, 0)
    message = Message(f"{mid}!decision", sender, sender_uid, decided[0].thread, "decision", mid, verdict)
    return deliver(rules, bus, a, 0, message, capped=not rules.keep(Guard.DECISION_BEYOND_CAP))[0]


def noted(bus: Bus, mid: str, verdict: Verdict) -> Bus:
    """The checker's own note of what was decided."""
    if any(known == mid for known, _ in bus.verdicts):
        return bus.alarm(f"{mid} was decided twice")
    return bus._replace(verdicts=bus.verdicts | {(mid, verdict)})


# What running calls ask ------------------------------------------------------------


def answered(rules: Rules, bus: Bus, a: int, mid: str, verdict: Verdict) -> tuple[Bus, str]:
    """The part of `decide` for what a running call asks: stored for the process, which is woken."""
    questions = bus.agents[a].questions
    question = next((question for question in questions if question.mid == mid), None)
    if question is None or question.over:
        return bus, "NONE"
    if question.verdict and rules.keep(Guard.DECIDED_ONCE):
        return bus, "ALREADY"
    left = tuple(other for other in questions if other.mid != mid)
    bus = counted(rules, bus.change(a, questions=(*left, question._replace(verdict=verdict))), a)
    bus = noted(bus, mid, verdict)
    if rules.keep(Guard.ANSWER_WAKES):
        bus = bus._replace(published=bus.published | {a})
    return bus, "DECIDED"


def elicit(rules: Rules, bus: Bus, call: Call, mid: str) -> tuple[Bus, Answer]:
    """A running call asks a person."""
    a, agent = call.agent, bus.agents[call.agent]
    if fenced(rules, bus, a, call.token):
        return bus, FENCED
    if agent.turn != call.turn and rules.keep(Guard.QUESTION_NEEDS_TURN):
        return bus, LOST
    if any(question.mid == mid for question in agent.questions):
        return bus, Answer("OK")
    bus = bus.change(a, questions=(*agent.questions, Question(mid, call.turn, call.token)))
    return counted(rules, bus._replace(put=bus.put | {(a, mid)}), a), Answer("OK")


def answer(rules: Rules, bus: Bus, call: Call, mid: str) -> tuple[Bus, Answer]:
    """What the person has said so far. NONE: nobody is asked any more (Redis has lost it)."""
    if fenced(rules, bus, call.agent, call.token):
        return bus, FENCED
    questions = bus.agents[call.agent].questions
    question = next((question for question in questions if question.mid == mid), None)
    return bus, Answer("OK", verdict=question.verdict) if question else Answer("NONE")


def withdraw(rules: Rules, bus: Bus, call: Call, mid: str) -> tuple[Bus, Answer]:
    """Nobody needs to answer any more. Says what was answered up to this moment, also when it is repeated."""
    bus, told = answer(rules, bus, call, mid)
    if told.code != "OK":
        return bus, told
    questions = bus.agents[call.agent].questions
    if rules.keep(Guard.WITHDRAW_KEEPS):
        after = tuple(one._replace(over=one.over or one.mid == mid) for one in questions)
    else:
        after = tuple(one for one in questions if one.mid != mid)
    if not rules.keep(Guard.WITHDRAW_TELLS):
        told = Answer("OK")
    return counted(rules, bus.change(call.agent, questions=after), call.agent), told
