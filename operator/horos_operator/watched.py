"""What becomes of what a watch tells, whoever watches: cached facts first, then keys of the queue."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, Generic, TypeAlias, TypeVar

from horos_api.names import API_VERSION
from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts, agent_pool_facts, quota_facts
from horos_operator.facts import AgentFacts, PodFacts, agent_facts, pod_facts
from horos_operator.groups import GroupFacts, group_facts
from horos_operator.model_configs import ModelConfigFacts, model_config_facts
from horos_operator.observe import Caches
from horos_operator.queue import Key
from horos_operator.tool_servers import ToolServerFacts, tool_server_facts
from horos_operator.wakes import Wakes

CORE: Final = "v1"
"""The API version of pods and ResourceQuotas."""

SeenT = TypeVar(
    "SeenT",
    AgentFacts,
    PodFacts,
    ModelConfigFacts,
    ToolServerFacts,
    AgentPoolFacts,
    QuotaFacts,
    GroupFacts,
)

Tell: TypeAlias = Callable[[Mapping[str, Any], bool], None]
"""Gets an object as it is now or was last, and whether it is gone."""


@dataclass(frozen=True)
class Watch:
    """Where events go: the caches first, then `changed` gets the key that needs a pass.

    `affected` gets the keys that something shared means something new for; they are many and can wait.
    `heard` gets kind, uid and version of everything that was told, whether or not it is news. `wakes` is told
    what may mean that somebody gets a slot.
    """

    caches: Caches
    changed: Callable[[Key], None]
    heard: Callable[[str, str, int], None]
    wakes: Wakes
    affected: Callable[[Key], None]

    def told(self, kind: str, seen: SeenT) -> SeenT:
        """Pass on that an event told of this object."""
        self.heard(kind, seen.uid, seen.version)
        self.wakes.touch(seen.namespace)
        return seen


@dataclass(frozen=True)
class _Shared(Generic[SeenT]):
    """A kind of our group: how its objects are read, remembered and forgotten.

    `put` and `drop` return the keys of the Agents that it means something new for.
    """

    plural: str
    facts: Callable[[Mapping[str, Any]], SeenT]
    put: Callable[[SeenT], Iterable[Key]]
    drop: Callable[[SeenT], Iterable[Key]]


def tellings(target: Watch) -> dict[tuple[str, str], Tell]:
    """Say what to do with an event, by API version and plural of every kind that has to be watched.

    A new kind that agents share is one line more.
    """
    caches = target.caches
    shared = (
        _shared(target, _Shared("modelconfigs", model_config_facts, caches.put_config, caches.drop_config)),
        _shared(target, _Shared("toolservers", tool_server_facts, caches.put_server, caches.drop_server)),
        _shared(target, _Shared("agentpools", agent_pool_facts, caches.put_pool, caches.drop_pool)),
        _shared(target, _Shared("groups", group_facts, caches.groups.put, caches.groups.drop)),
    )
    return {
        (API_VERSION, "agents"): partial(_tell_of_agent, target),
        (CORE, "pods"): partial(_tell_of_pod, target),
        (CORE, "resourcequotas"): partial(_tell_of_quota, target),
        **{(API_VERSION, plural): tell for plural, tell in shared},
    }


def _shared(target: Watch, kind: _Shared[SeenT]) -> tuple[str, Tell]:
    def tell(body: Mapping[str, Any], gone: bool) -> None:
        seen = target.told(kind.plural, kind.facts(body))
        for key in kind.drop(seen) if gone else kind.put(seen):
            target.affected(key)

    return kind.plural, tell


def _tell_of_agent(target: Watch, body: Mapping[str, Any], gone: bool) -> None:
    seen = target.told("agents", agent_facts(body))
    if gone or not target.caches.knows(seen):
        target.changed(target.caches.drop_agent(seen) if gone else target.caches.put_agent(seen))
        for key in target.caches.stirred():
            target.affected(key)


def _tell_of_pod(target: Watch, body: Mapping[str, Any], gone: bool) -> None:
    seen = target.told("pods", pod_facts(body))
    if seen.agent and (gone or not target.caches.knows(seen)):
        target.changed(target.caches.drop_pod(seen) if gone else target.caches.put_pod(seen))
        if gone or seen.dead:
            target.wakes.free(seen.namespace)


def _tell_of_quota(target: Watch, body: Mapping[str, Any], gone: bool) -> None:
    seen = target.told("resourcequotas", quota_facts(body))
    if gone:
        target.caches.drop_quota(seen)
    else:
        target.caches.put_quota(seen)
    if seen.used is not None and seen.used < (seen.allowed or 0):
        target.wakes.free(seen.namespace)
