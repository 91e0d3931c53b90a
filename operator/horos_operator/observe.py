"""What one pass knows: the caches that watch events fill, joined with what the bus says of the agent."""

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from horos_bus.records import AgentView
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.model_configs import ModelConfigFacts, configs_used
from horos_operator.models import Configs
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

    `configs` are the ModelConfigs of the agent's namespace by name. `refused` is the API server's message
    when it did not accept the pod of this generation.
    """

    agent: AgentFacts | None
    pods: tuple[PodFacts, ...]
    bus: BusSeen
    now: float
    refused: str = ""
    configs: Configs = field(default_factory=dict)


class Caches:
    """Agents, their pods and ModelConfigs as last seen. Older news than what is known is dropped.

    `revision` counts the changes that the status of a ModelConfig may depend on.
    """

    def __init__(self) -> None:
        self._agents: dict[Key, AgentFacts] = {}
        self._pods: dict[Key, dict[str, PodFacts]] = {}
        self._configs: dict[str, dict[str, ModelConfigFacts]] = {}
        self.revision = 0
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
            same = known is not None and (known.uid, known.generation) == (seen.uid, seen.generation)
            self.revision += not same
        return key

    def drop_agent(self, seen: AgentFacts) -> Key:
        """Forget an Agent that is gone; a younger one of the same name stays."""
        key = (seen.namespace, seen.name)
        known = self._agents.get(key)
        if known is not None and known.uid == seen.uid:
            del self._agents[key]
            self.revision += 1
        self._remember_gone(seen.uid)
        return key

    def configs(self, namespace: str) -> Configs:
        """The ModelConfigs of a namespace by name."""
        return dict(self._configs.get(namespace, {}))

    def put_config(self, seen: ModelConfigFacts) -> set[Key]:
        """Remember a ModelConfig; returns the Agents that it means something new for."""
        configs = self._configs.setdefault(seen.namespace, {})
        known = configs.get(seen.name)
        if seen.uid in self._gone or (known is not None and known.version > seen.version):
            return set()
        configs[seen.name] = seen
        self.revision += 1
        if known is not None and (known.spec, known.problem) == (seen.spec, seen.problem):
            return set()
        return self._users(seen)

    def drop_config(self, seen: ModelConfigFacts) -> set[Key]:
        """Forget a ModelConfig that is gone; returns the Agents that used it."""
        configs = self._configs.get(seen.namespace, {})
        known = configs.get(seen.name)
        self._remember_gone(seen.uid)
        if known is None or known.uid != seen.uid:
            return set()
        del configs[seen.name]
        self.revision += 1
        return self._users(seen)

    def _users(self, config: ModelConfigFacts) -> set[Key]:
        mine = ((key, agent.spec) for key, agent in self._agents.items() if key[0] == config.namespace)
        return {key for key, spec in mine if spec is not None and config.name in configs_used(spec)}

    def configs_with_users(self) -> list[tuple[ModelConfigFacts, int]]:
        """Every ModelConfig with the number of Agents that use it."""
        if not any(self._configs.values()):
            return []
        users = Counter(
            (agent.namespace, name)
            for agent in self._agents.values()
            if agent.spec is not None
            for name in configs_used(agent.spec)
        )
        return [(each, users[each.namespace, each.name]) for each in self._all_configs()]

    def _all_configs(self) -> Iterable[ModelConfigFacts]:
        return (each for of_one in self._configs.values() for each in of_one.values())

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
        configs = (config.uid for config in self._all_configs())
        return frozenset({*(agent.uid for agent in self._agents.values()), *pods, *configs})

    def forget_missing(self, known_before: frozenset[str], listed: frozenset[str]) -> set[Key]:
        """Drop what was known before a complete list was asked for and is not in it: its deletion was missed.

        Returns the keys that this concerns.
        """
        missing = known_before - listed
        agents = [each for each in self._agents.values() if each.uid in missing]
        pods = [each for of_one in self._pods.values() for each in of_one.values() if each.uid in missing]
        configs = [each for each in self._all_configs() if each.uid in missing]
        of_configs = (self.drop_config(each) for each in configs)
        return {
            *(self.drop_agent(each) for each in agents),
            *(self.drop_pod(each) for each in pods),
            *(key for keys in of_configs for key in keys),
        }

    def _remember_gone(self, uid: str) -> None:
        """An answer that was on its way when the object went must not bring it back."""
        if uid in self._gone:
            return
        self._gone.add(uid)
        self._gone_order.append(uid)
        if len(self._gone_order) > REMEMBERED_UIDS:
            self._gone.discard(self._gone_order.popleft())
