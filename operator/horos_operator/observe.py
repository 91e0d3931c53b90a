"""What the cluster has, as watch events and lists told it last."""

from collections import defaultdict

from horos_api.model_fields import ModelConfigSpec
from horos_api.tool_servers import ToolServerSpec
from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.family import ChildIndex, Family, family_of
from horos_operator.group_cache import GroupCache
from horos_operator.model_configs import ModelConfigFacts, configs_used
from horos_operator.models import Configs
from horos_operator.pod_cache import Gone, PodCache
from horos_operator.pool_cache import PoolCache
from horos_operator.queue import Key
from horos_operator.shared_objects import SharedCache, SharedFacts, SpecT
from horos_operator.tool_servers import Heard, ToolServerFacts, ToolServers, servers_used


class Caches:
    """Agents, their pods and what they share, as last seen. Older news than what is known is dropped.

    `revision` counts the changes that the status of what is shared may depend on.
    """

    def __init__(self) -> None:
        self._gone = Gone()
        self._agents: dict[Key, AgentFacts] = {}
        self._names: dict[str, set[str]] = defaultdict(set)
        self._children = ChildIndex()
        self._pods = PodCache(self._gone)
        self.pools = PoolCache(self._gone)
        self.groups = GroupCache(self._gone)
        self._configs: SharedCache[ModelConfigSpec] = SharedCache(configs_used)
        self._servers: SharedCache[ToolServerSpec] = SharedCache(servers_used)
        self._heard: dict[Key, tuple[Heard, ...]] = {}
        self.revision = 0

    def agent(self, key: Key) -> AgentFacts | None:
        """The Agent, or None when there is none as far as we know."""
        return self._agents.get(key)

    def pods(self, key: Key) -> tuple[PodFacts, ...]:
        """The pods of an Agent, oldest first."""
        return self._pods.of(key)

    def pods_within(self, namespace: str) -> list[PodFacts]:
        """The pods of all agents of a namespace."""
        return list(self._pods.within(namespace))

    def keys(self) -> set[Key]:
        """Every Agent that is known, or has pods."""
        return {*self._agents, *self._pods.keys()}

    def agents_within(self, namespace: str) -> list[AgentFacts]:
        """The Agents of a namespace."""
        return [self._agents[namespace, name] for name in self._names.get(namespace, ())]

    def namespaces(self) -> set[str]:
        """Every namespace with Agents."""
        return {namespace for namespace, names in self._names.items() if names}

    def knows(self, seen: AgentFacts | PodFacts) -> bool:
        """Whether this very version is known already, since it was the answer to something of our own."""
        if isinstance(seen, AgentFacts):
            agent = self._agents.get((seen.namespace, seen.name))
            return agent is not None and (agent.uid, agent.version) == (seen.uid, seen.version)
        pods = self._pods.of((seen.namespace, seen.agent))
        return any((pod.uid, pod.version) == (seen.uid, seen.version) for pod in pods)

    def put_agent(self, seen: AgentFacts) -> Key:
        """Remember an Agent. Versions grow over all Agents: late news of an earlier one is known as such."""
        key = (seen.namespace, seen.name)
        known = self._agents.get(key)
        if seen.uid not in self._gone and (known is None or known.version <= seen.version):
            self._agents[key] = seen
            self._children.change(known, seen)
            self._names[seen.namespace].add(seen.name)
            same = known is not None and (known.uid, known.generation) == (seen.uid, seen.generation)
            self.revision += not same
            if known is None or _belongs_by(known) != _belongs_by(seen):
                self.groups.touch(seen.namespace)
        return key

    def drop_agent(self, seen: AgentFacts) -> Key:
        """Forget an Agent that is gone; a younger one of the same name stays."""
        key = (seen.namespace, seen.name)
        known = self._agents.get(key)
        if known is not None and known.uid == seen.uid:
            del self._agents[key]
            self._children.change(known, None)
            self._names[seen.namespace].discard(seen.name)
            self._heard.pop(key, None)
            self.revision += 1
            self.groups.touch(seen.namespace)
        self._gone.add(seen.uid)
        return key

    def family(self, agent: AgentFacts) -> Family:
        """Where an Agent stands among those that are known."""
        namespace = agent.namespace
        return family_of(
            agent, lambda name: self.agent((namespace, name)), lambda name: self.children((namespace, name))
        )

    def children(self, key: Key) -> list[AgentFacts]:
        """The Agents that name this one as their parent, in no order."""
        return [self._agents[key[0], name] for name in self._children.children(*key)]

    def stirred(self) -> set[Key]:
        """Pop the Agents that the change of a parent, a child or a sibling means something new for."""
        return self._children.stirred()

    def configs(self, namespace: str) -> Configs:
        """The ModelConfigs of a namespace by name."""
        return self._configs.of(namespace)

    def put_config(self, seen: ModelConfigFacts) -> set[Key]:
        """Remember a ModelConfig; returns the Agents that it means something new for."""
        return self._put(self._configs, seen)

    def drop_config(self, seen: ModelConfigFacts) -> set[Key]:
        """Forget a ModelConfig that is gone; returns the Agents that used it."""
        return self._drop(self._configs, seen)

    def configs_with_users(self) -> list[tuple[ModelConfigFacts, int]]:
        """Every ModelConfig with the number of Agents that use it."""
        users = self._users_by_name(self._configs)
        return [(each, len(users[each.namespace, each.name])) for each in self._configs]

    def servers(self, namespace: str) -> ToolServers:
        """The ToolServers of a namespace by name."""
        return self._servers.of(namespace)

    def put_server(self, seen: ToolServerFacts) -> set[Key]:
        """Remember a ToolServer; returns the Agents that it means something new for."""
        return self._put(self._servers, seen)

    def drop_server(self, seen: ToolServerFacts) -> set[Key]:
        """Forget a ToolServer that is gone; returns the Agents that used it."""
        return self._drop(self._servers, seen)

    def put_heard(self, key: Key, heard: tuple[Heard, ...]) -> None:
        """Remember what an Agent reports of the ToolServers that it uses."""
        # One that went while the bus was asked is not remembered for ever.
        if self._heard.get(key, ()) == heard or key not in self._agents:
            return
        self.revision += 1
        if heard:
            self._heard[key] = heard
        else:
            del self._heard[key]

    def servers_with_users(self) -> list[tuple[ToolServerFacts, int, tuple[Heard, ...]]]:
        """Every ToolServer with the number of Agents that use it, and what they report of it."""
        users = self._users_by_name(self._servers)
        found = []
        for server in self._servers:
            mine = users[server.namespace, server.name]
            heard = (each for key in mine for each in self._heard.get(key, ()) if each.server == server.name)
            found.append((server, len(mine), tuple(heard)))
        return found

    def _put(self, cache: SharedCache[SpecT], seen: SharedFacts[SpecT]) -> set[Key]:
        known = cache.known(seen)
        if seen.uid in self._gone or (known is not None and known.version > seen.version):
            return set()
        cache.put(seen)
        self.revision += 1
        if known is not None and (known.spec, known.problem) == (seen.spec, seen.problem):
            return set()
        return self._users(cache, seen)

    def _drop(self, cache: SharedCache[SpecT], seen: SharedFacts[SpecT]) -> set[Key]:
        known = cache.known(seen)
        self._gone.add(seen.uid)
        if known is None or known.uid != seen.uid:
            return set()
        cache.drop(seen)
        self.revision += 1
        return self._users(cache, seen)

    def _users(self, cache: SharedCache[SpecT], shared: SharedFacts[SpecT]) -> set[Key]:
        mine = ((key, agent.spec) for key, agent in self._agents.items() if key[0] == shared.namespace)
        return {key for key, spec in mine if spec is not None and shared.name in cache.used(spec)}

    def _users_by_name(self, cache: SharedCache[SpecT]) -> dict[Key, list[Key]]:
        """The Agents that use each object; nobody is asked where there are no objects."""
        users: dict[Key, list[Key]] = defaultdict(list)
        for key, agent in self._agents.items() if any(cache) else ():
            for name in cache.used(agent.spec) if agent.spec is not None else ():
                users[agent.namespace, name].append(key)
        return users

    def put_pod(self, seen: PodFacts) -> Key:
        """Remember a pod."""
        return self._pods.put(seen)

    def drop_pod(self, seen: PodFacts) -> Key:
        """Forget a pod that is gone."""
        return self._pods.drop(seen)

    def put_pool(self, seen: AgentPoolFacts) -> set[Key]:
        """Remember an AgentPool; returns the Agents that it means something new for."""
        return self._keys_within(seen.namespace) if self.pools.put_pool(seen) else set()

    def drop_pool(self, seen: AgentPoolFacts) -> set[Key]:
        """Forget an AgentPool that is gone; returns the Agents that had it."""
        return self._keys_within(seen.namespace) if self.pools.drop_pool(seen) else set()

    def put_quota(self, seen: QuotaFacts) -> None:
        """Remember a ResourceQuota of ours."""
        self.pools.put_quota(seen)

    def drop_quota(self, seen: QuotaFacts) -> None:
        """Forget a ResourceQuota that is gone."""
        self.pools.drop_quota(seen)

    def _keys_within(self, namespace: str) -> set[Key]:
        return {(namespace, name) for name in self._names.get(namespace, ())}

    def versions(self) -> dict[str, int]:
        """The version of everything that is known, by uid."""
        shared = (self._configs, self._servers, self.pools, self.groups)
        everything = (self._agents.values(), self._pods, *shared)
        return {each.uid: each.version for of_a_kind in everything for each in of_a_kind}

    def uids(self) -> frozenset[str]:
        """The uid of everything that is known."""
        return frozenset(self.versions())

    def forget_missing(self, known_before: frozenset[str], listed: frozenset[str]) -> set[Key]:
        """Drop what was known before a complete list was asked for and is not in it: its deletion was missed.

        Returns the keys that this concerns.
        """
        missing = known_before - listed
        agents = [each for each in self._agents.values() if each.uid in missing]
        pods = [each for each in self._pods if each.uid in missing]
        of_configs = [self.drop_config(each) for each in [*self._configs] if each.uid in missing]
        of_pools = [self._keys_within(each) for each in self.pools.forget_missing(missing)]
        self.groups.forget_missing(missing)
        of_servers = [self.drop_server(each) for each in [*self._servers] if each.uid in missing]
        keys = {
            *(self.drop_agent(each) for each in agents),
            *(self.drop_pod(each) for each in pods),
            *(key for keys in (*of_configs, *of_servers, *of_pools) for key in keys),
        }
        # Never for good: were the list an old one, what lives would not be seen again.
        for uid in missing:
            self._gone.doubt(uid)
        return keys


def _belongs_by(agent: AgentFacts) -> tuple[object, ...]:
    """What of an Agent says which groups it belongs to."""
    return agent.uid, agent.deleting, agent.labels
