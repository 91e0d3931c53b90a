"""Kopf at the edge, the only file that knows it: watch events become cached facts and queued keys."""

import asyncio
import logging
import signal
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Generic, TypeVar

import kopf

from horos_api.names import GROUP, LABEL_COMPONENT, VERSION
from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts, agent_pool_facts, quota_facts
from horos_operator.facts import AgentFacts, PodFacts, agent_facts, pod_facts
from horos_operator.model_configs import ModelConfigFacts, model_config_facts
from horos_operator.observe import Caches
from horos_operator.queue import Key
from horos_operator.tool_servers import ToolServerFacts, tool_server_facts
from horos_operator.wakes import Wakes

ERROR_BACKOFFS: Final = (1, 1, 2, 3, 5, 8, 13, 21, *(30,) * 2880)
"""A day of retries: with Kopf's own list the operator would end after 54 seconds without an API server."""

ENDING_SECONDS: Final = 10.0
"""How long Kopf may take to end: two seconds for events, five for what hangs."""
CANCELLED_AT_MOST: Final = 5

IDENTITY: Final[Any] = "horos-operator"
"""For Kopf's peering, which is off: else Kopf asks for the user's name, and a pod's 65532 has none."""

log = logging.getLogger("horos.operator")

SeenT = TypeVar("SeenT", AgentFacts, PodFacts, ModelConfigFacts, ToolServerFacts, AgentPoolFacts, QuotaFacts)


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


async def watch(target: Watch, namespaces: tuple[str, ...], told: asyncio.Event) -> None:
    """Watch our kinds and agents' pods until `told` is set; `namespaces` empty means all of them.

    Raises whatever Kopf ends with, such as any error in a stream but 410, and may return before it is told.
    """
    others = asyncio.all_tasks()
    tasks = await kopf.spawn_tasks(
        registry=_registry(target),
        settings=_settings(),
        standalone=True,
        identity=IDENTITY,
        clusterwide=not namespaces,
        namespaces=namespaces,
        stop_flag=told,
    )
    # Kopf takes the signals for itself, and says to nobody whether it was a signal that has ended it.
    heed_signals(told)
    try:
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        async with asyncio.timeout(ENDING_SECONDS):
            await kopf.run_tasks(tasks, ignored=others)
    finally:
        await _cancel(asyncio.all_tasks() - others)


async def _cancel(tasks: set[asyncio.Task[Any]]) -> None:
    """Cancel tasks until they end: in Python 3.11 some swallow the first time, and Kopf waits for ever."""
    for _ in range(CANCELLED_AT_MOST):
        if not tasks:
            return
        for task in tasks:
            task.cancel()
        _, tasks = await asyncio.wait(tasks, timeout=1)
    log.error("of the watches, %d tasks do not end", len(tasks))


def heed_signals(told: asyncio.Event) -> None:
    """Set `told` when the process is told to end."""
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)


class _NoBase(kopf.DiffBaseStorage):
    """Keeps no last state of objects, which only handlers that we do not have are told of.

    Kopf's own copies each object twice with every event, half of the operator's processor time.
    """

    def build(self, **_: Any) -> Any:
        """Extract nothing."""
        return {}

    def fetch(self, **_: Any) -> None:
        """Find nothing."""

    def store(self, **_: Any) -> None:
        """Store nothing."""


class _NoProgress(kopf.ProgressStorage):
    """Keeps no progress: handlers of events have none."""

    def fetch(self, **_: Any) -> None:
        """Find nothing."""

    def store(self, **_: Any) -> None:
        """Store nothing."""

    def purge(self, **_: Any) -> None:
        """Nothing is there."""

    def touch(self, **_: Any) -> None:
        """Nothing is to be woken."""

    def clear(self, *, essence: Any) -> Any:
        """Nothing of ours is in it."""
        return essence


def _settings() -> kopf.OperatorSettings:
    settings = kopf.OperatorSettings()
    settings.posting.enabled = False
    settings.persistence.diffbase_storage, settings.persistence.progress_storage = _NoBase(), _NoProgress()
    settings.networking.error_backoffs = ERROR_BACKOFFS
    # Else Kopf kills the process ten minutes after it has ended, also when it was started again.
    settings.process.ultimate_exiting_timeout = None
    settings.watching.chunk_size = 500
    settings.watching.label_selectors["v1", "pods"] = f"{LABEL_COMPONENT}=agent"
    settings.watching.label_selectors["v1", "resourcequotas"] = f"{LABEL_COMPONENT}=quota"
    return settings


def _registry(target: Watch) -> kopf.OperatorRegistry:
    # A registry of our own: decorators on Kopf's global one would make this module stateful.
    registry = kopf.OperatorRegistry()

    @kopf.on.login(registry=registry)
    async def login(**kwargs: Any) -> kopf.ConnectionInfo | None:
        return kopf.login_with_service_account(**kwargs) or kopf.login_with_kubeconfig(**kwargs)

    _register_agents(registry, target)
    _register_shared(registry, target)
    _register_quotas(registry, target)
    return registry


def _register_agents(registry: kopf.OperatorRegistry, target: Watch) -> None:
    @kopf.on.event(GROUP, VERSION, "agents", registry=registry)
    async def on_agent(event: Mapping[str, Any], **_: Any) -> None:
        seen = target.told("agents", agent_facts(event["object"]))
        gone = event["type"] == "DELETED"
        if gone or not target.caches.knows(seen):
            target.changed(target.caches.drop_agent(seen) if gone else target.caches.put_agent(seen))

    @kopf.on.event("v1", "pods", registry=registry)
    async def on_pod(event: Mapping[str, Any], **_: Any) -> None:
        seen = target.told("pods", pod_facts(event["object"]))
        gone = event["type"] == "DELETED"
        if seen.agent and (gone or not target.caches.knows(seen)):
            target.changed(target.caches.drop_pod(seen) if gone else target.caches.put_pod(seen))
            if gone or seen.dead:
                target.wakes.free(seen.namespace)


def _register_shared(registry: kopf.OperatorRegistry, target: Watch) -> None:
    """Register what agents of a namespace share; a new kind of that sort is one line more."""
    caches = target.caches
    _register(
        registry, target, _Shared("modelconfigs", model_config_facts, caches.put_config, caches.drop_config)
    )
    _register(
        registry, target, _Shared("toolservers", tool_server_facts, caches.put_server, caches.drop_server)
    )
    _register(registry, target, _Shared("agentpools", agent_pool_facts, caches.put_pool, caches.drop_pool))


def _register(registry: kopf.OperatorRegistry, target: Watch, kind: _Shared[SeenT]) -> None:
    @kopf.on.event(GROUP, VERSION, kind.plural, id=kind.plural, registry=registry)
    async def on_shared(event: Mapping[str, Any], **_: Any) -> None:
        seen = target.told(kind.plural, kind.facts(event["object"]))
        for key in kind.drop(seen) if event["type"] == "DELETED" else kind.put(seen):
            target.affected(key)


def _register_quotas(registry: kopf.OperatorRegistry, target: Watch) -> None:
    @kopf.on.event("v1", "resourcequotas", registry=registry)
    async def on_quota(event: Mapping[str, Any], **_: Any) -> None:
        seen = target.told("resourcequotas", quota_facts(event["object"]))
        if event["type"] == "DELETED":
            target.caches.drop_quota(seen)
        else:
            target.caches.put_quota(seen)
        if seen.used is not None and seen.used < (seen.allowed or 0):
            target.wakes.free(seen.namespace)
