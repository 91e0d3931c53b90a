"""The decision of one pass: what was observed in, what to change out. Pure: no clock, no requests."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from horos_api.agent_state import AgentState
from horos_api.resources import AgentSpec, OperatingMode
from horos_bus.agent_view import AgentView
from horos_operator.actions import (
    Action,
    CreatePod,
    DeletePod,
    Reap,
    Steer,
)
from horos_operator.agent_factory import AgentFactory
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.lost_pods import seconds_to_loss, why_lost
from horos_operator.needs import Cause, cause_of
from horos_operator.observation import Observation
from horos_operator.pod_history import delay_after, failures_until, keep_until, last_ended
from horos_operator.pod_troubles import is_waiting_in_vain
from horos_operator.pods import MODEL_KEYS, Asked, Incarnation, asked, changed_parts, pod_name
from horos_operator.registration import deletion, farewell, registration, seconds_to_deletion

CLAIM_LOOK_SECONDS: Final = 0.5
"""No watch event tells of the claim, so look again soon after a container runs that somebody waits to see."""
GIVES_UP: Final = "what it waits for does not come, and others wait for its slot"
EXIT_SECONDS: Final = 10.0
"""How long a pod that has retired may take to exit while its agent has work."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Changes in the order to make them, and in how many seconds to look again without any event."""

    actions: tuple[Action, ...] = ()
    again: float | None = None


@dataclass(frozen=True, slots=True)
class _Life:
    """The part of the bus' view that decides about pods, as it is once the first actions are done."""

    epoch: int = 0
    holder: str = ""
    state: AgentState = AgentState.IDLE
    evict: bool = False
    since: float = 0.0


@dataclass(frozen=True, slots=True)
class _Case:
    """One agent that shall exist, with everything the steps below look at.

    `cause` is why it needs a pod, None when it needs none; `slot`: it may be given one; `give_up`: the one
    that is starting gives its slot to somebody else.
    """

    agent: AgentFacts
    wanted: Asked
    life: _Life
    pods: tuple[PodFacts, ...]
    now: float
    cause: Cause | None
    slot: bool
    give_up: bool

    @property
    def spec(self) -> AgentSpec:
        return self.wanted.spec

    @property
    def running(self) -> bool:
        return self.spec.operating_mode is OperatingMode.RUNNING and not self.over

    @property
    def over(self) -> bool:
        mode = self.spec.operating_mode
        return mode is OperatingMode.TERMINATED or self.life.state is AgentState.TERMINATED

    @property
    def candidate_name(self) -> str:
        return pod_name(self.agent.name, self.life.epoch + 1)


def plan(seen: Observation, wanted: Asked | None, factory: AgentFactory) -> Plan:
    """Decide what one agent needs now. Once it is done and seen, the next plan has no actions.

    `wanted` is what its spec asks for, filled in; None: it cannot be read.
    """
    lost = {pod.uid: why for pod in seen.pods if (why := why_lost(pod, seen.now))}
    there = tuple(pod for pod in seen.pods if pod.uid not in lost)
    decided = _decide(replace(seen, pods=there), wanted, factory)
    written_off = (DeletePod(pod, lost[pod.uid], force=True) for pod in seen.pods if pod.uid in lost)
    looks = (decided.again, seconds_to_loss(there, seen.now))
    return Plan(
        (*written_off, *decided.actions), min((each for each in looks if each is not None), default=None)
    )


def _decide(seen: Observation, wanted: Asked | None, factory: AgentFactory) -> Plan:
    agent = seen.agent
    if agent is None:
        return Plan()
    if agent.deleting:
        return Plan(farewell(seen, agent))
    if wanted is None or seen.bus.problem:
        # Whatever runs keeps running: an unreadable edit or a silent Redis is no reason to end it.
        return Plan()
    life = _life(seen.life) if seen.life else _Life()
    mine = tuple(pod for pod in seen.pods if pod.owner_uid == agent.uid)
    cause = cause_of(wanted, seen.life)
    case = _Case(agent, wanted, life, mine, seen.now, cause, seen.slot, seen.give_up)
    left = seconds_to_deletion(seen.life, wanted.spec, seen.now)
    if left == 0.0:
        return Plan((deletion(wanted.spec),))
    pods = _pods(case, factory)
    again = min((each for each in (pods.again, left) if each is not None), default=None)
    return Plan((*registration(seen, agent, wanted, factory), *_mode(case), *pods.actions), again)


def _life(view: AgentView) -> _Life:
    return _Life(view.epoch, view.holder, view.state, view.evict, view.since)


def _mode(case: _Case) -> Iterable[Action]:
    mode, state = case.spec.operating_mode, case.life.state
    if state is AgentState.TERMINATED:
        return
    if mode is OperatingMode.TERMINATED:
        yield Steer("terminate", "operatingMode is Terminated")
    if mode is OperatingMode.SUSPENDED and state is not AgentState.PAUSED:
        yield Steer("pause", "operatingMode is Suspended")
    if mode is OperatingMode.RUNNING and state is AgentState.PAUSED:
        yield Steer("resume", "operatingMode is Running")


def _pods(case: _Case, factory: AgentFactory) -> Plan:
    holder = next((pod for pod in case.pods if pod.uid == case.life.holder and not pod.dead), None)
    candidate = next(
        (pod for pod in case.pods if pod.name == case.candidate_name and pod is not holder), None
    )
    reap: tuple[Action, ...] = ()
    if case.life.holder and holder is None:
        reap = (Reap(case.life.holder, pod_name(case.agent.name, case.life.epoch)),)
    fenced = tuple(
        DeletePod(pod, "another incarnation took its place" if holder else "its life is over")
        for pod in case.pods
        if pod not in (holder, candidate)
        and not pod.dead
        and not pod.deleting
        # One that runs while nobody holds the agent has just retired: it ends by itself, unless it hangs.
        and (holder is not None or not (pod.running or pod.ended) or _hangs(case))
    )
    step = _replace(case, holder, candidate) if holder else _start(case, candidate, factory)
    tidy = _tidy(case, candidate if case.cause and not holder else None)
    again = min((each for each in (step.again, tidy.again) if each is not None), default=None)
    return Plan((*reap, *fenced, *step.actions, *tidy.actions), again)


def _replace(case: _Case, holder: PodFacts, candidate: PodFacts | None) -> Plan:
    """A pod holds the agent: it may have to leave, after its turn unless the agent is over."""
    actions: list[Action] = []
    if case.over and not holder.deleting:
        actions.append(DeletePod(holder, "the agent is terminated"))
    if candidate is not None and not candidate.dead and not candidate.deleting:
        actions.append(DeletePod(candidate, "the agent has a pod already"))
    changed = _changed(case, holder)
    if case.running and changed and not case.life.evict and not holder.deleting:
        actions.append(Steer("evict", f"changed: {', '.join(changed)}"))
    return Plan(tuple(actions))


def _hangs(case: _Case) -> bool:
    """Whether the agent has had work for so long that a pod of its last life should have gone."""
    return case.cause is Cause.WORK and 0 < case.life.since < case.now - EXIT_SECONDS


def _start(case: _Case, candidate: PodFacts | None, factory: AgentFactory) -> Plan:
    """No pod holds the agent: it gets one if it needs it and has a slot."""
    if candidate is not None and not candidate.dead:
        return _keep_waiting(case, candidate)
    if not case.cause:
        return Plan()
    if any(not pod.dead for pod in case.pods):
        # One that exits counts: it takes a slot until it has ended, which its event tells.
        return Plan((), EXIT_SECONDS)
    if not case.slot or (candidate is not None and candidate.deleting):
        return Plan()
    return _make(case, case.cause, candidate, factory)


def _make(case: _Case, cause: Cause, candidate: PodFacts | None, factory: AgentFactory) -> Plan:
    """Make a pod, unless the last one failed too lately."""
    last = last_ended(case.pods)
    failures = failures_until(last, case.life.epoch) if last else 0
    same = last is not None and last.asked == asked(case.wanted) and not _lacking(case, last)
    if last is not None and last.ended is not None and failures and same:
        wait = last.ended.at + delay_after(failures) - case.now
        if wait > 0:
            return Plan((), wait)
    body = factory.pod(case.agent, case.wanted, Incarnation(case.life.epoch, failures))
    create = CreatePod(body, _why(cause) if not failures else f"try again after {failures} failures")
    if candidate is None:
        return Plan((create,))
    return Plan((DeletePod(candidate, "its successor needs the name"), create))


def _why(cause: Cause) -> str:
    return {
        Cause.WORK: "it has work",
        Cause.BIRTH: "it was never awake",
        Cause.RESIDENCE: "it stays resident",
    }[cause]


def _changed(case: _Case, pod: PodFacts) -> tuple[str, ...]:
    """Name what makes a pod another one than today's. Keys that nobody knows are no reason to replace it."""
    unknown = {MODEL_KEYS} if any(each.missing for each in case.wanted.models.all) else set()
    parts = changed_parts(pod.asked, asked(case.wanted))
    lacking = (f"tools.servers (needs {name})" for name in sorted(_lacking(case, pod)))
    return (*(part for part in parts if part not in unknown), *lacking)


def _lacking(case: _Case, pod: PodFacts) -> frozenset[str]:
    """The Secrets that the agent's servers need and the pod does not mount; one too many is no harm."""
    return case.wanted.secrets - pod.secrets


def _keep_waiting(case: _Case, candidate: PodFacts) -> Plan:
    """A pod is on its way to its claim. It holds nothing yet, so it can be replaced without harm."""
    if candidate.deleting:
        return Plan()
    if not case.running:
        return Plan((DeletePod(candidate, f"operatingMode is {case.spec.operating_mode}"),))
    changed = _changed(case, candidate)
    if changed:
        return Plan((DeletePod(candidate, f"changed before it started: {', '.join(changed)}"),))
    if case.give_up and is_waiting_in_vain(candidate):
        return Plan((DeletePod(candidate, GIVES_UP),))
    # Of an agent that was well before nobody doubts that it will claim: the bus' mark is soon enough.
    doubtful = case.life.epoch == 0 or candidate.failures > 0
    return Plan((), CLAIM_LOOK_SECONDS if candidate.running and doubtful else None)


def _tidy(case: _Case, spare: PodFacts | None) -> Plan:
    """Remove ended pods: at once when they retired, after ten minutes when they failed; keep one at most."""
    ended = [pod for pod in case.pods if pod.dead and not pod.deleting and pod is not spare]
    last = last_ended(case.pods)
    actions: list[Action] = []
    again: float | None = None
    for pod in ended:
        if pod is not last:
            actions.append(DeletePod(pod, "a later one ended too"))
        elif (pod.failed or failures_until(pod, case.life.epoch)) and (
            left := keep_until(pod) - case.now
        ) > 0:
            again = left
        else:
            actions.append(DeletePod(pod, "it has ended"))
    return Plan(tuple(actions), again)
