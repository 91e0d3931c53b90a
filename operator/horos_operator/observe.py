"""What one pass knows: the caches that watch events fill, joined with what the bus says of the agent."""

from collections import deque
from dataclasses import dataclass
from typing import Final

from horos_bus.records import AgentView
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.queue import Key

REMEMBERED_UIDS: Final = 2000


@dataclass(frozen=True, slots=True)
class BusSeen:
    """What the bus says. `problem` is empty when it could be asked.

    `prepared`: the namespace has credentials; `shared`: they are not its own, since Redis lets the
    operator make no users; `configured`: digest of what this operator projected, as far as it remembers.
    """

    problem: str = ""
    prepared: bool = False
    shared: bool = False
    configured: str = ""
    view: AgentView | None = None


@dataclass(frozen=True, slots=True)
class Observation:
    """Everything a plan and a status are made from. `now` is in seconds since the epoch.

    `refused` is the API server's message when it did not accept the pod of this generation.
    """

    agent: AgentFacts | None
    pods: tuple[PodFacts, ...]
    bus: BusSeen
    now: float
    refused: str = ""


class Caches:
    """Agents and their pods as last seen. Older news than what is known is dropped."""

    def __init__(self) -> None:
        self._agents: dict[Key, AgentFacts] = {}
        self._pods: dict[Key, dict[str, PodFacts]] = {}
        self._gone: set[str] = set()
        self._gone_order: deque[str] = deque()

    def agent(self, key: Key) -> AgentFacts | None:
        """The Agent, or None when there is none as far as we know."""
        return self._agents.get(key)

    def pods(self, key: Key) -> tuple[PodFacts, ...]:
        """The pods of an Agent, oldest first."""
        return tuple(sorted(self._pods.get(key, {}).values(), key=lambda pod: (pod.created, pod.name)))

    def keys(self) -> set[Key]:
        """Every Agent that is known, or has pods."""
        return {*self._agents, *self._pods}

    def namespaces(self) -> set[str]:
        """Every namespace with Agents."""
        return {namespace for namespace, _ in self._agents}

    def put_agent(self, seen: AgentFacts) -> Key:
        """Remember an Agent. Versions grow over all Agents: late news of an earlier one is known as such."""
        key = (seen.namespace, seen.name)
        known = self._agents.get(key)
        if seen.uid not in self._gone and (known is None or known.version <= seen.version):
            self._agents[key] = seen
        return key

    def drop_agent(self, seen: AgentFacts) -> Key:
        """Forget an Agent that is gone; a younger one of the same name stays."""
        key = (seen.namespace, seen.name)
        known = self._agents.get(key)
        if known is not None and known.uid == seen.uid:
            del self._agents[key]
        self._remember_gone(seen.uid)
        return key

    def put_pod(self, seen: PodFacts) -> Key:
        """Remember a pod."""
        key = (seen.namespace, seen.agent)
        if seen.uid not in self._gone:
            pods = self._pods.setdefault(key, {})
            known = pods.get(seen.uid)
            if known is None or known.version <= seen.version:
                pods[seen.uid] = seen
        return key

    def drop_pod(self, seen: PodFacts) -> Key:
        """Forget a pod that is gone."""
        key = (seen.namespace, seen.agent)
        pods = self._pods.get(key, {})
        pods.pop(seen.uid, None)
        if not pods:
            self._pods.pop(key, None)
        self._remember_gone(seen.uid)
        return key

    def uids(self) -> frozenset[str]:
        """The uid of everything that is known."""
        pods = (uid for pods_of_one in self._pods.values() for uid in pods_of_one)
        return frozenset({*(agent.uid for agent in self._agents.values()), *pods})

    def forget_missing(self, known_before: frozenset[str], listed: frozenset[str]) -> set[Key]:
        """Drop what was known before a complete list was asked for and is not in it: its deletion was missed.

        Returns the keys that this concerns.
        """
        missing = known_before - listed
        agents = [each for each in self._agents.values() if each.uid in missing]
        pods = [each for of_one in self._pods.values() for each in of_one.values() if each.uid in missing]
        return {self.drop_agent(each) for each in agents} | {self.drop_pod(each) for each in pods}

    def _remember_gone(self, uid: str) -> None:
        """An answer that was on its way when the object went must not bring it back."""
        if uid in self._gone:
            return
        self._gone.add(uid)
        self._gone_order.append(uid)
        if len(self._gone_order) > REMEMBERED_UIDS:
            self._gone.discard(self._gone_order.popleft())
