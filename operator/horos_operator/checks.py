"""Why an agent is as it is: for each condition an ordered list of pure checks, the first that speaks wins."""

from collections.abc import Callable, Collection, Sequence
from typing import Final, TypeAlias

from horos_api.agent_state import AgentState
from horos_api.conditions import ConditionType, Reason
from horos_operator import pod_troubles
from horos_operator.model_checks import (
    budget_exhausted,
    day_budget,
    fallback_unusable,
    model_config_missing,
    model_unpriced,
    no_model,
)
from horos_operator.pod_history import next_try
from horos_operator.server_checks import tool_server_unusable
from horos_operator.situation import Situation
from horos_operator.verdict import Verdict, no, yes

Check: TypeAlias = Callable[[Situation], Verdict | None]


def verdicts(case: Situation) -> dict[ConditionType, Verdict]:
    """Answer every condition; BudgetExhausted is one only where the spec sets a day's budget."""
    answers = {kind: _first(checks, case) for kind, checks in _CHECKS.items()}
    budget = day_budget(case)
    return answers if budget is None else {**answers, ConditionType.BUDGET_EXHAUSTED: budget}


def _first(checks: Sequence[Check], case: Situation) -> Verdict:
    return next(verdict for check in checks if (verdict := check(case)) is not None)


def _deleting(case: Situation) -> Verdict | None:
    if not case.agent.deleting:
        return None
    problem = case.seen.bus.problem
    waits = f"; its keys must go first, and the bus does not answer: {problem}" if problem else ""
    return no(Reason.DELETING, f"the Agent is being deleted{waits}")


def _invalid_spec(case: Situation) -> Verdict | None:
    return no(Reason.INVALID_SPEC, case.agent.problem) if case.agent.spec is None else None


def _bus_unavailable(case: Situation) -> Verdict | None:
    problem = case.seen.bus.problem
    return no(Reason.BUS_UNAVAILABLE, f"{problem}; trying again") if problem else None


def _shared_credentials(case: Situation) -> Verdict | None:
    if not case.seen.bus.shared:
        return None
    message = "Redis lets the operator make no users, so agents of all namespaces use the same credentials"
    return yes(Reason.SHARED_CREDENTIALS, message)


def _relatives(case: Situation) -> Verdict | None:
    """Whom it descends from keeps it from having a pod."""
    trouble = case.seen.family.trouble
    return no(*trouble) if trouble else None


def _valid(case: Situation) -> Verdict:
    return yes(Reason.VALID, "the spec can be carried out")


def _suspended(case: Situation) -> Verdict | None:
    if not case.suspended:
        return None
    if case.holder is not None:
        return no(Reason.SUSPENDING, "it finishes its turn, then gives up its pod")
    return no(Reason.SUSPENDED, "operatingMode is Suspended: no pod, messages are kept")


def _terminated(case: Situation) -> Verdict | None:
    if not case.terminated:
        return None
    if (view := case.seen.life) is not None and view.reason == Reason.TASK_DONE:
        return no(Reason.TASK_DONE, "it has done its task: takes no messages, and is deleted before long")
    pod = f"; pod {case.holder.name} is leaving" if case.holder else ""
    return no(
        Reason.TERMINATED, f"it is over: takes no messages, and what it said stays until it is deleted{pod}"
    )


def _suspending_has_a_pod(case: Situation) -> Verdict | None:
    if case.suspended and case.holder is not None:
        return yes(Reason.SUSPENDING, f"pod {case.holder.name} finishes its turn")
    return None


def _pod_refused(case: Situation) -> Verdict | None:
    if not case.seen.refused or case.holder or case.starting:
        return None
    return no(Reason.POD_REFUSED, case.seen.refused)


def _unschedulable(case: Situation) -> Verdict | None:
    pod = case.starting
    return no(Reason.UNSCHEDULABLE, pod.unschedulable) if pod and pod.unschedulable else None


def _has_a_pod(case: Situation) -> Verdict | None:
    if case.holder is not None:
        return yes(Reason.RESIDENT, f"pod {case.holder.name} holds it")
    if case.starting is not None:
        return yes(Reason.STARTING, f"pod {case.starting.name} is starting")
    return None


def _in_error(case: Situation) -> Verdict | None:
    view = case.seen.bus.view
    if view is None or view.state is not AgentState.ERROR:
        return None
    known = {reason.value for reason in Reason}
    reason = Reason(view.reason) if view.reason in known else Reason.TURN_FAILED
    return no(reason, view.message or view.reason or "the last turn failed")


def _resident(case: Situation) -> Verdict | None:
    pod, view = case.holder, case.seen.bus.view
    if pod is None or pod.deleting:
        return None
    if view is not None and view.evict and case.outdated:
        return yes(Reason.REPLACING, f"pod {pod.name} finishes its turn, then a new one follows")
    return yes(Reason.RESIDENT, f"pod {pod.name} has claimed the inbox")


def _pod_trouble(case: Situation) -> Verdict | None:
    if case.starting is None:
        return None
    spec, models = case.agent.spec, case.models
    refs = pod_troubles.secret_refs(spec, models) if spec and models else ()
    trouble = pod_troubles.waiting_trouble(case.starting, refs)
    return no(*trouble) if trouble else None


def _crashed(case: Situation) -> Verdict | None:
    if case.ended is not None and case.holder is None:
        view = case.seen.bus.view
        again = next_try(case.ended, view.epoch if view else 0)
        return no(Reason.CONTAINER_CRASHED, pod_troubles.last_words(case.ended) + again)
    if case.starting is None or not case.starting.failures:
        return None
    # The failed pod had to give up its name to this one: what it said is in the status only.
    return _told_before(case, {Reason.CONTAINER_CRASHED})


def _gave_up(case: Situation) -> Verdict | None:
    """Its pod had to make room: what kept it from starting may do so still."""
    trouble, gone = case.seen.gave_up, case.starting is None or case.starting.deleting
    if trouble is None or case.holder or not gone or trouble[0] not in _TROUBLES:
        return None
    return no(Reason(trouble[0]), trouble[1])


def _told_before(case: Situation, reasons: Collection[Reason]) -> Verdict | None:
    for condition in case.agent.status.get("conditions") or ():
        if condition.get("type") == ConditionType.READY and condition.get("reason") in reasons:
            return no(Reason(condition["reason"]), condition.get("message", ""))
    return None


def _hibernated(case: Situation) -> Verdict | None:
    if case.cause is not None or case.holder or case.starting or not case.was_claimed:
        return None
    return yes(Reason.HIBERNATED, "it has nothing to do and no pod; a message brings one")


def _queued(case: Situation) -> Verdict | None:
    if case.cause is None or case.seen.slot or case.holder or case.starting:
        return None
    return no(Reason.QUEUED, case.seen.queued)


def _ready_but_queued(case: Situation) -> Verdict | None:
    """Nobody has to help an agent that was well and waits for its turn; of a new one that is not known."""
    waiting = _queued(case)
    return yes(waiting.reason, waiting.message) if waiting and case.was_claimed else waiting


def _starting_again(case: Situation) -> Verdict | None:
    if not case.was_claimed:
        return None
    if case.holder is not None:
        return yes(
            Reason.RESIDENT, f"pod {case.holder.name} is leaving; another one follows when it is needed"
        )
    message = f"pod {case.starting.name} is starting" if case.starting else "its pod is being made"
    return yes(Reason.STARTING, message)


def _starting(case: Situation) -> Verdict:
    if case.starting is not None:
        return no(Reason.STARTING, f"pod {case.starting.name} has not claimed the inbox yet")
    return no(Reason.STARTING, "its pod is being made")


_TROUBLES: Final = frozenset(
    {
        Reason.SECRET_MISSING,
        Reason.CONFIG_MAP_MISSING,
        Reason.IMAGE_PULL_FAILED,
        Reason.CONTAINER_STUCK,
        Reason.UNSCHEDULABLE,
    }
)
"""What a pod may wait for in vain."""


_CHECKS: Final[dict[ConditionType, tuple[Check, ...]]] = {
    ConditionType.ACCEPTED: (
        _deleting,
        _invalid_spec,
        _bus_unavailable,
        _relatives,
        fallback_unusable,
        tool_server_unusable,
        model_unpriced,
        _shared_credentials,
        _valid,
    ),
    ConditionType.SCHEDULED: (
        _deleting,
        _terminated,
        _suspending_has_a_pod,
        _suspended,
        _pod_refused,
        _unschedulable,
        _has_a_pod,
        _invalid_spec,
        _bus_unavailable,
        _relatives,
        _hibernated,
        _crashed,
        _queued,
        _starting,
    ),
    ConditionType.READY: (
        _deleting,
        _bus_unavailable,
        _terminated,
        _suspended,
        model_config_missing,
        _in_error,
        no_model,
        budget_exhausted,
        _resident,
        _invalid_spec,
        _relatives,
        _pod_refused,
        _unschedulable,
        _pod_trouble,
        _gave_up,
        _crashed,
        _hibernated,
        _ready_but_queued,
        _starting_again,
        _starting,
    ),
}
