"""The decision of one pass: what was observed in, what to change out. Pure: no clock, no requests."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Final

from horos_api.agent_state import AgentState
from horos_api.names import FINALIZER
from horos_api.resources import AgentSpec, OperatingMode
from horos_operator.actions import (
    Action,
    AddFinalizer,
    Configure,
    CreateKeys,
    CreatePod,
    DeleteKeys,
    DeletePod,
    PrepareNamespace,
    Reap,
    RemoveFinalizer,
    Steer,
)
from horos_operator.agent_factory import AgentFactory, config_digest
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.lost_pods import seconds_to_loss, why_lost
from horos_operator.observe import Observation
from horos_operator.pod_troubles import lacks_bus_secret
from horos_operator.pods import MODEL_KEYS, Asked, Incarnation, asked, changed_parts, pod_name

KEEP_FAILED_SECONDS: Final = 600.0
LONGEST_DELAY_SECONDS: Final = 300.0
HEALTHY_LIFE_SECONDS: Final = 600.0
"""A pod that lived this long before it failed starts the count of failures anew."""
SHORT_LIFE_SECONDS: Final = 5.0
"""A pod that ended well sooner than this is taken for a failure, or it could be made again without end."""
CLAIM_LOOK_SECONDS: Final = 0.5
"""No watch event tells of the claim, so look again soon after a container runs."""


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


@dataclass(frozen=True, slots=True)
class _Case:
    """One agent that shall exist, with everything the steps below look at."""

    agent: AgentFacts
    wanted: Asked
    life: _Life
    pods: tuple[PodFacts, ...]
    now: float

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


def plan(seen: Observation, factory: AgentFactory) -> Plan:
    """Decide what one agent needs now. Once it is done and seen, the next plan has no actions."""
    lost = {pod.uid: why for pod in seen.pods if (why := why_lost(pod, seen.now))}
    there = tuple(pod for pod in seen.pods if pod.uid not in lost)
    decided = _decide(replace(seen, pods=there), factory)
    written_off = (DeletePod(pod, lost[pod.uid], force=True) for pod in seen.pods if pod.uid in lost)
    looks = (decided.again, seconds_to_loss(there, seen.now))
    return Plan(
        (*written_off, *decided.actions), min((each for each in looks if each is not None), default=None)
    )


def _decide(seen: Observation, factory: AgentFactory) -> Plan:
    agent = seen.agent
    if agent is None:
        return Plan()
    if agent.deleting:
        return _farewell(seen, agent)
    if agent.spec is None or seen.bus.problem:
        # Whatever runs keeps running: an unreadable edit or a silent Redis is no reason to end it.
        return Plan()
    known = seen.bus.view if seen.bus.view and seen.bus.view.uid == agent.uid else None
    life = _Life(known.epoch, known.holder, known.state, known.evict) if known else _Life()
    mine = tuple(pod for pod in seen.pods if pod.owner_uid == agent.uid)
    wanted = factory.wanted(agent.spec, seen.configs, seen.servers)
    case = _Case(agent, wanted, life, mine, seen.now)
    pods = _pods(case, factory)
    return Plan((*_registration(seen, case, factory), *_mode(case), *pods.actions), pods.again)


def _farewell(seen: Observation, agent: AgentFacts) -> Plan:
    if FINALIZER not in agent.finalizers:
        return Plan()
    actions: list[Action] = [
        DeletePod(pod, "its Agent is deleted")
        for pod in seen.pods
        if pod.owner_uid == agent.uid and not pod.dead and not pod.deleting
    ]
    if seen.bus.problem:
        return Plan(tuple(actions))
    if seen.bus.view is not None and seen.bus.view.uid == agent.uid:
        actions.append(DeleteKeys(agent.uid, "its Agent is deleted"))
    return Plan((*actions, RemoveFinalizer()))


def _registration(seen: Observation, case: _Case, factory: AgentFactory) -> Iterable[Action]:
    """What must be there before a pod is: credentials, finalizer, keys, configuration."""
    agent, view = case.agent, seen.bus.view
    if not seen.bus.prepared:
        yield PrepareNamespace()
    elif any(lacks_bus_secret(pod) for pod in case.pods):
        yield PrepareNamespace(again=True, why="a pod finds no Secret for the bus")
    if FINALIZER not in agent.finalizers:
        yield AddFinalizer()
    fresh = view is None or view.uid != agent.uid
    if view is not None and fresh:
        yield DeleteKeys(view.uid, "an earlier Agent of this name is gone")
    if fresh:
        yield CreateKeys()
    config = factory.config(agent, case.wanted)
    if fresh or config_digest(config) != seen.bus.configured:
        yield Configure(config, case.spec.budget.request_seconds)


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
        DeletePod(pod, "another incarnation took its place")
        for pod in case.pods
        if pod not in (holder, candidate)
        and not pod.dead
        and not pod.deleting
        # One that runs while nobody holds the agent has just retired: it ends by itself.
        and (holder is not None or not pod.running)
    )
    step = _replace(case, holder, candidate) if holder else _start(case, candidate, factory)
    tidy = _tidy(case, candidate if case.running and not holder else None, claimed=holder is not None)
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


def _start(case: _Case, candidate: PodFacts | None, factory: AgentFactory) -> Plan:
    """No pod holds the agent: it gets one, unless it is suspended or the last one failed too lately."""
    if candidate is not None and not candidate.dead:
        return _keep_waiting(case, candidate)
    if not case.running or (candidate is not None and candidate.deleting):
        return Plan()
    last = _last_ended(case.pods)
    failures = _failures(last) if last else 0
    same = last is not None and last.asked == asked(case.wanted) and not _lacking(case, last)
    if last is not None and last.ended is not None and failures and same:
        wait = last.ended.at + min(LONGEST_DELAY_SECONDS, 2.0 ** min(failures - 1, 16)) - case.now
        if wait > 0:
            return Plan((), wait)
    body = factory.pod(case.agent, case.wanted, Incarnation(case.life.epoch, failures))
    create = CreatePod(body, "no pod holds it" if not failures else f"try again after {failures} failures")
    if candidate is None:
        return Plan((create,))
    return Plan((DeletePod(candidate, "its successor needs the name"), create))


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
    return Plan((), CLAIM_LOOK_SECONDS if candidate.running else None)


def _tidy(case: _Case, spare: PodFacts | None, *, claimed: bool) -> Plan:
    """Remove ended pods: at once when they retired, after ten minutes when they failed; keep one at most."""
    ended = [pod for pod in case.pods if pod.dead and not pod.deleting and pod is not spare]
    last = _last_ended(case.pods)
    actions: list[Action] = []
    again: float | None = None
    for pod in ended:
        if pod is not last:
            actions.append(DeletePod(pod, "a later one ended too"))
        elif pod.failed and (left := _keep_until(pod) - case.now) > 0:
            again = left
        elif pod.failed or claimed or not case.running:
            actions.append(DeletePod(pod, "it has ended"))
    return Plan(tuple(actions), again)


def _keep_until(pod: PodFacts) -> float:
    return (pod.ended.at if pod.ended else pod.created) + KEEP_FAILED_SECONDS


def _last_ended(pods: Iterable[PodFacts]) -> PodFacts | None:
    ended = [pod for pod in pods if pod.dead]
    return max(ended, key=lambda pod: (pod.ended.at if pod.ended else pod.created, pod.name), default=None)


def _failures(last: PodFacts) -> int:
    """Count how many incarnations have failed one after the other, this one included."""
    lived = (last.ended.at - last.created) if last.ended else 0.0
    if not last.failed and lived >= SHORT_LIFE_SECONDS:
        return 0
    return 1 if lived >= HEALTHY_LIFE_SECONDS else last.failures + 1
