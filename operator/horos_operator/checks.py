"""Why an agent is as it is: for each condition an ordered list of pure checks, the first that speaks wins."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias

from horos_api.agent_state import AgentState
from horos_api.conditions import ConditionStatus, ConditionType, Reason
from horos_api.resources import ModelSpec, OperatingMode
from horos_operator import pod_troubles
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.observe import Observation
from horos_operator.pods import pod_name


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a condition with its reason, for programs, and its message, for a person."""

    status: ConditionStatus
    reason: Reason
    message: str


@dataclass(frozen=True, slots=True)
class Situation:
    """What the checks look at: the observation, and which pod plays which part in it.

    `holder` has claimed, `starting` is on its way there, `ended` is the last one that failed.
    """

    seen: Observation
    agent: AgentFacts
    model: ModelSpec | None
    holder: PodFacts | None
    starting: PodFacts | None
    ended: PodFacts | None

    @property
    def suspended(self) -> bool:
        """Whether the spec asks for no pod."""
        spec = self.agent.spec
        return spec is not None and spec.operating_mode is OperatingMode.SUSPENDED

    @property
    def terminated(self) -> bool:
        """Whether the agent is over, or shall be."""
        spec, view = self.agent.spec, self.seen.bus.view
        asked = spec is not None and spec.operating_mode is OperatingMode.TERMINATED
        return asked or (view is not None and view.state is AgentState.TERMINATED)


Check: TypeAlias = Callable[[Situation], Verdict | None]


def situation(seen: Observation, agent: AgentFacts, model: ModelSpec | None) -> Situation:
    """Find out which pod plays which part. `model` is the spec's with the defaults filled in."""
    mine = [pod for pod in seen.pods if pod.owner_uid == agent.uid]
    live = [pod for pod in mine if not pod.dead]
    view = seen.bus.view
    token, epoch = (view.holder, view.epoch) if view else ("", 0)
    holder = next((pod for pod in live if pod.uid == token), None)
    next_name = pod_name(agent.name, epoch + 1)
    starting = next((pod for pod in live if pod is not holder and pod.name == next_name), None)
    failed = [pod for pod in mine if pod.failed and pod.ended]
    ended = max(failed, key=lambda pod: pod.ended.at if pod.ended else 0.0, default=None)
    return Situation(seen, agent, model, holder, starting, ended)


def verdicts(case: Situation) -> dict[ConditionType, Verdict]:
    """Answer every condition."""
    return {kind: _first(checks, case) for kind, checks in _CHECKS.items()}


def _first(checks: Sequence[Check], case: Situation) -> Verdict:
    return next(verdict for check in checks if (verdict := check(case)) is not None)


def _yes(reason: Reason, message: str) -> Verdict:
    return Verdict(ConditionStatus.TRUE, reason, message)


def _no(reason: Reason, message: str) -> Verdict:
    return Verdict(ConditionStatus.FALSE, reason, message)


def _deleting(case: Situation) -> Verdict | None:
    if not case.agent.deleting:
        return None
    problem = case.seen.bus.problem
    waits = f"; its keys must go first, and the bus does not answer: {problem}" if problem else ""
    return _no(Reason.DELETING, f"the Agent is being deleted{waits}")


def _invalid_spec(case: Situation) -> Verdict | None:
    return _no(Reason.INVALID_SPEC, case.agent.problem) if case.agent.spec is None else None


def _bus_unavailable(case: Situation) -> Verdict | None:
    problem = case.seen.bus.problem
    return _no(Reason.BUS_UNAVAILABLE, f"{problem}; trying again") if problem else None


def _shared_credentials(case: Situation) -> Verdict | None:
    if not case.seen.bus.shared:
        return None
    message = "Redis lets the operator make no users, so agents of all namespaces use the same credentials"
    return _yes(Reason.SHARED_CREDENTIALS, message)


def _valid(case: Situation) -> Verdict:
    return _yes(Reason.VALID, "the spec can be carried out")


def _suspended(case: Situation) -> Verdict | None:
    if not case.suspended:
        return None
    if case.holder is not None:
        return _no(Reason.SUSPENDING, "it finishes its turn, then gives up its pod")
    return _no(Reason.SUSPENDED, "operatingMode is Suspended: no pod, messages are kept")


def _terminated(case: Situation) -> Verdict | None:
    if not case.terminated:
        return None
    pod = f"; pod {case.holder.name} is leaving" if case.holder else ""
    return _no(
        Reason.TERMINATED, f"it is over: takes no messages, and what it said stays until it is deleted{pod}"
    )


def _suspending_has_a_pod(case: Situation) -> Verdict | None:
    if case.suspended and case.holder is not None:
        return _yes(Reason.SUSPENDING, f"pod {case.holder.name} finishes its turn")
    return None


def _pod_refused(case: Situation) -> Verdict | None:
    if not case.seen.refused or case.holder or case.starting:
        return None
    return _no(Reason.POD_REFUSED, case.seen.refused)


def _unschedulable(case: Situation) -> Verdict | None:
    pod = case.starting
    return _no(Reason.UNSCHEDULABLE, pod.unschedulable) if pod and pod.unschedulable else None


def _has_a_pod(case: Situation) -> Verdict | None:
    if case.holder is not None:
        return _yes(Reason.RESIDENT, f"pod {case.holder.name} holds it")
    if case.starting is not None:
        return _yes(Reason.STARTING, f"pod {case.starting.name} is starting")
    return None


def _in_error(case: Situation) -> Verdict | None:
    view = case.seen.bus.view
    if view is None or view.state is not AgentState.ERROR:
        return None
    known = {reason.value for reason in Reason}
    reason = Reason(view.reason) if view.reason in known else Reason.TURN_FAILED
    return _no(reason, view.message or view.reason or "the last turn failed")


def _resident(case: Situation) -> Verdict | None:
    pod, view = case.holder, case.seen.bus.view
    if pod is None or pod.deleting:
        return None
    if view is not None and view.evict:
        return _yes(Reason.REPLACING, f"pod {pod.name} finishes its turn, then a new one follows")
    return _yes(Reason.RESIDENT, f"pod {pod.name} has claimed the inbox")


def _no_model(case: Situation) -> Verdict | None:
    if case.model is None:
        return None
    missing = [
        field for field, value in (("name", case.model.name), ("baseUrl", case.model.base_url)) if not value
    ]
    if not missing:
        return None
    fields = " and ".join(f"spec.model.{field}" for field in missing)
    message = f"no model to ask: set {fields}, or a default for all agents in the chart's values model.*"
    return _no(Reason.MODEL_MISCONFIGURED, message)


def _pod_trouble(case: Situation) -> Verdict | None:
    if case.starting is None:
        return None
    trouble = pod_troubles.waiting_trouble(case.starting, case.agent.spec)
    return _no(*trouble) if trouble else None


def _crashed(case: Situation) -> Verdict | None:
    if case.ended is not None and case.holder is None:
        return _no(Reason.CONTAINER_CRASHED, pod_troubles.last_words(case.ended))
    if case.starting is None or not case.starting.failures:
        return None
    # The failed pod had to give up its name to this one: what it said is in the status only.
    for condition in case.agent.status.get("conditions") or ():
        if (
            condition.get("type") == ConditionType.READY
            and condition.get("reason") == Reason.CONTAINER_CRASHED
        ):
            return _no(Reason.CONTAINER_CRASHED, condition.get("message", ""))
    return None


def _starting(case: Situation) -> Verdict:
    if case.starting is not None:
        return _no(Reason.STARTING, f"pod {case.starting.name} has not claimed the inbox yet")
    return _no(Reason.STARTING, "its pod is being made")


_CHECKS: Final[dict[ConditionType, tuple[Check, ...]]] = {
    ConditionType.ACCEPTED: (_deleting, _invalid_spec, _bus_unavailable, _shared_credentials, _valid),
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
        _crashed,
        _starting,
    ),
    ConditionType.READY: (
        _deleting,
        _bus_unavailable,
        _terminated,
        _suspended,
        _in_error,
        _no_model,
        _resident,
        _invalid_spec,
        _pod_refused,
        _unschedulable,
        _pod_trouble,
        _crashed,
        _starting,
    ),
}
