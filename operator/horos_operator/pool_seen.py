"""What an AgentPool decides about, gathered from caches, bus and ledger. Pure but for what it is handed."""

from collections import defaultdict, deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from horos_api.agent_pools import EvictionPolicy
from horos_api.agent_state import AgentState
from horos_api.resources import IDLE_SECONDS, OperatingMode
from horos_bus.agent_view import AgentView
from horos_bus.operating import Waiting
from horos_operator.agent_pool import LivePod, Need, PodPart, PoolSeen
from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.observe import Caches
from horos_operator.pod_troubles import is_waiting_in_vain
from horos_operator.pods import pod_number
from horos_operator.slots import Slots

PATIENCE_SECONDS: Final = 60.0
"""How long a pod that waits for a Secret, an image or a node keeps its slot when somebody else wants it."""
FOREIGN_SECONDS: Final = 3.0
"""For how long pods of others must have been counted until somebody is asked to leave because of them."""
ERROR_SECONDS: Final = 30.0
"""How long an agent in error keeps its slot after its claim: as long as it tries again by itself."""


@dataclass(frozen=True, slots=True)
class Crowd:
    """The live pods of one namespace, and who of its agents is in work."""

    namespace: str
    caches: Caches
    pods: Sequence[PodFacts]
    work: Sequence[Waiting]

    def agent(self, name: str) -> AgentFacts | None:
        """The agent of this name, if it may have a pod."""
        agent = self.caches.agent((self.namespace, name))
        if agent is None or agent.deleting or agent.spec is None:
            return None
        if agent.spec.operating_mode is not OperatingMode.RUNNING:
            return None
        barred = bool(agent.spec.parent_name) and self.caches.family(agent).trouble is not None
        return None if barred else agent

    def ends(self, name: str) -> bool:
        """Whether the pod of this agent will end; one whose spec cannot be read keeps it."""
        agent = self.caches.agent((self.namespace, name))
        if agent is None or agent.deleting:
            return True
        return agent.spec is not None and agent.spec.operating_mode is not OperatingMode.RUNNING


def crowd(namespace: str, caches: Caches, work: Sequence[Waiting]) -> Crowd:
    """Look at the caches."""
    return Crowd(namespace, caches, [pod for pod in caches.pods_within(namespace) if not pod.dead], work)


def needs(seen: Crowd, slots: Slots) -> list[Need]:
    """Everybody who needs a pod and has none, in no order."""
    has: defaultdict[str, list[PodFacts]] = defaultdict(list)
    for pod in seen.pods:
        has[pod.agent].append(pod)
    work = {each.agent: each.since for each in seen.work}
    wishes = {name: since for name, since in slots.wishes(seen.namespace).items() if name not in work}
    held = slots.held(seen.namespace)
    found = []
    for wanted, urgent in ((work, True), (wishes, False)):
        for name, since in wanted.items():
            agent, pods = seen.agent(name), has.get(name, ())
            if agent is None or agent.spec is None or any(_stays(pod, agent) for pod in pods):
                continue
            spec, late = agent.spec, name in held
            found.append(
                Need(
                    name,
                    max(since, slots.not_before((seen.namespace, name))) if late else since,
                    urgent,
                    spec.priority,
                    spec.parent_name,
                    bool(pods),
                    late and slots.held_back(agent),
                )
            )
    return found


def _stays(pod: PodFacts, agent: AgentFacts) -> bool:
    return not pod.deleting and pod.owner_uid == agent.uid


def live_pods(
    seen: Crowd, pool: AgentPoolFacts, slots: Slots, views: Mapping[str, AgentView] | None, now: float
) -> list[LivePod]:
    """What each pod is doing. `views` None: it was not asked, so nobody is taken to be idle."""
    idle = pool.spec.idle_seconds if pool.spec else IDLE_SECONDS
    found = []
    for pod in seen.pods:
        agent = seen.agent(pod.agent)
        spec = agent.spec if agent else None
        leaving = pod.deleting or seen.ends(pod.agent) or slots.gives_up((seen.namespace, pod.agent))
        view = views.get(pod.agent) if views is not None else None
        part = PodPart.LEAVING if leaving else _part(pod, view, now)
        found.append(
            LivePod(
                agent=pod.agent,
                part=part,
                idle_since=(view.rested or view.claimed) if view else 0.0,
                stays=_comes_back(view, idle if not spec or spec.idle_seconds is None else spec.idle_seconds),
                parent=spec.parent_name if spec else "",
            )
        )
    return found


def _comes_back(view: AgentView | None, idle_seconds: int) -> bool:
    return idle_seconds == 0 or (view is not None and view.state is AgentState.ERROR)


def _part(pod: PodFacts, view: AgentView | None, now: float) -> PodPart:
    if is_waiting_in_vain(pod) and now - pod.created >= PATIENCE_SECONDS:
        return PodPart.STUCK
    if view is None:
        return PodPart.WORKING
    if view.holder != pod.uid:
        return PodPart.STARTING if pod_number(pod.name) > view.epoch else PodPart.LEAVING
    leaves = view.evict or view.state in {AgentState.PAUSED, AgentState.TERMINATED}
    # With a turn open it leaves after that, which may be long: nobody can wait for its slot.
    if leaves and (not view.turn or view.state in {AgentState.ERROR, AgentState.TERMINATED}):
        return PodPart.LEAVING
    if view.state is AgentState.ERROR:
        return PodPart.IDLE if now - view.claimed >= ERROR_SECONDS else PodPart.WORKING
    return PodPart.WORKING if view.in_work or view.turn else PodPart.IDLE


def limit_of(pool: AgentPoolFacts, quota: QuotaFacts | None) -> int | None:
    """How many may run; of a pool that cannot be read, what its quota says."""
    if pool.spec is not None:
        return pool.spec.max_running
    return quota.hard if quota is not None else None


def foreign_pods(live: int, pool: AgentPoolFacts, quota: QuotaFacts | None) -> int:
    """How many pods that are no agents' the quota counts.

    The API server's count lags behind pods that end, which looks the same and means the same: no room yet.
    """
    if quota is None or quota.owner_uid != pool.uid or quota.used is None:
        return 0
    return max(0, quota.used - live)


class Foreign:
    """Tells how many pods of others are counted only since a moment ago.

    An agent's pod that has just ended is still counted, which looks like a pod of somebody else.
    """

    def __init__(self) -> None:
        self._seen: deque[tuple[float, int]] = deque()

    def fresh(self, count: int, now: float) -> int:
        """Note today's count, and say how many of them were not there all the time of FOREIGN_SECONDS."""
        self._seen.append((now, count))
        while len(self._seen) > 1 and self._seen[1][0] <= now - FOREIGN_SECONDS:
            self._seen.popleft()
        known_for_long = self._seen[0][0] <= now - FOREIGN_SECONDS
        return count - min(each for _, each in self._seen) if known_for_long else count


def pool_seen(
    wanted: Sequence[Need], pods: Sequence[LivePod], seen: Crowd, pool: AgentPoolFacts, slots: Slots
) -> PoolSeen:
    """Put together what the pool decides from."""
    quota = seen.caches.pools.quota(seen.namespace)
    # Whose pod a watch has told of before the answer to its making came has no slot beside it.
    there = {pod.agent for pod in pods}
    granted = [name for name in sorted(slots.granted(seen.namespace)) if name not in there]
    return PoolSeen(
        needs=wanted,
        pods=pods,
        limit=limit_of(pool, quota),
        evicts=pool.spec is not None and pool.spec.evict is EvictionPolicy.IDLE_LONGEST,
        granted=[(name, _parent(seen.agent(name))) for name in granted],
        # What is being made may be counted already.
        foreign=foreign_pods(len(pods) + len(granted), pool, quota),
        turn=slots.turn(seen.namespace),
        full=slots.full(seen.namespace),
    )


def _parent(agent: AgentFacts | None) -> str:
    return agent.spec.parent_name if agent is not None and agent.spec is not None else ""
