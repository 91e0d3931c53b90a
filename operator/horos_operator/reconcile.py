"""One pass over one Agent: observe, plan, act, tell. Nothing here decides; `plan` and `checks` do."""

import logging
from collections.abc import Callable
from dataclasses import replace

from horos_bus.connection import BusError
from horos_operator.actions import CreatePod, RemoveFinalizer
from horos_operator.agent_factory import AgentFactory
from horos_operator.agent_manager import AgentManager, LookAgainError
from horos_operator.checks import verdicts
from horos_operator.cluster import Cluster, OutdatedError, RefusedError
from horos_operator.day_budget import seconds_to_reset
from horos_operator.facts import AgentFacts
from horos_operator.model_configs import model_config_status
from horos_operator.observe import BusSeen, Caches, Observation
from horos_operator.plan import Plan, plan
from horos_operator.queue import Key
from horos_operator.situation import situation
from horos_operator.status import agent_status, write_due

BUS_DOWN_SECONDS = 30.0
REFUSED_SECONDS = 30.0
"""How soon a refused pod is tried again: a quota or an admission rule changes without any event to us."""

log = logging.getLogger("horos.operator")


class Reconciler:
    """Brings one Agent at a time to what its spec asks for.

    `wall` gives seconds since the epoch, since it is compared with the cluster's timestamps.
    """

    def __init__(self, manager: AgentManager, factory: AgentFactory, wall: Callable[[], float]) -> None:
        self._manager = manager
        self._cluster = manager.cluster
        self._caches = manager.caches
        self._credentials = manager.credentials
        self._factory = factory
        self._wall = wall
        self._refused: dict[Key, tuple[str, str]] = {}
        self._written: dict[Key, float] = {}

    async def look(self, key: Key) -> float | None:
        """Make one pass; returns in how many seconds to look again without any event.

        Raises ClusterError and BusError when something did not work that may work later.
        """
        seen = await self._observe(key)
        if seen.agent is None:
            self._forget(key)
            return None
        decided = plan(seen, self._factory)
        again = [
            decided.again,
            BUS_DOWN_SECONDS if seen.bus.problem else None,
            await self._act(seen.agent, decided),
        ]
        if not any(isinstance(action, RemoveFinalizer) for action in decided.actions):
            told = replace(seen, refused=self._refusal(seen.agent))
            again += [await self._tell(seen.agent, told), seconds_to_reset(told)]
        return min((each for each in again if each is not None), default=None)

    async def _observe(self, key: Key) -> Observation:
        agent = self._caches.agent(key)
        if agent is None:
            return Observation(None, (), BusSeen(), self._wall())
        bus = await self._ask_the_bus(key)
        configs = self._caches.configs(agent.namespace)
        return Observation(
            agent, self._caches.pods(key), bus, self._wall(), self._refusal(agent), configs=configs
        )

    def _asked(self, agent: AgentFacts) -> str:
        """What the agent's pod is asked for now; '' when its spec cannot be read."""
        if agent.spec is None:
            return ""
        models = self._factory.models(agent.spec, self._caches.configs(agent.namespace))
        return self._factory.asked(agent.spec, models)

    def _refusal(self, agent: AgentFacts) -> str:
        """What the API server said to a pod as it is asked for now."""
        asked, message = self._refused.get((agent.namespace, agent.name), ("", ""))
        return message if message and asked == self._asked(agent) else ""

    async def _ask_the_bus(self, key: Key) -> BusSeen:
        namespace, name = key
        try:
            view = await self._manager.control(namespace).view(name)
        except BusError as error:
            return BusSeen(problem=str(error))
        return BusSeen(
            prepared=self._credentials.prepared(namespace),
            shared=self._credentials.shared(namespace),
            configured=self._manager.configured(key),
            view=view,
        )

    async def _act(self, agent: AgentFacts, decided: Plan) -> float | None:
        key = (agent.namespace, agent.name)
        for action in decided.actions:
            try:
                # An earlier step may have changed the Agent's version.
                await self._manager.carry_out(self._caches.agent(key) or agent, action)
            except LookAgainError as error:
                log.info("%s/%s: %s", *key, error)
                return error.seconds
            except RefusedError as error:
                if not isinstance(action, CreatePod):
                    raise
                log.warning("%s/%s: pod %s is refused: %s", *key, action.name, error.message)
                self._refused[key] = (self._asked(agent), error.message)
                return REFUSED_SECONDS
            if isinstance(action, CreatePod):
                self._refused.pop(key, None)
        return None

    async def _tell(self, agent: AgentFacts, seen: Observation) -> float | None:
        """Write the status if it differs and the last write is long enough ago."""
        key = (agent.namespace, agent.name)
        models = self._factory.models(agent.spec, seen.configs) if agent.spec else None
        case = situation(seen, agent, models)
        pod = case.holder or case.starting
        wanted = agent_status(seen, agent, verdicts(case), pod.name if pod else None)
        due = write_due(agent.status, wanted, seen.now - self._written.get(key, 0.0))
        if due is None or due > 0:
            return due
        try:
            self._caches.put_agent(await self._cluster.write_status(agent, wanted))
        except OutdatedError:
            return None  # it is gone or another one: its own events tell the rest
        self._written[key] = seen.now
        return None

    def _forget(self, key: Key) -> None:
        self._refused.pop(key, None)
        self._written.pop(key, None)


async def tell_model_configs(cluster: Cluster, caches: Caches, now: float) -> None:
    """Write the status of each ModelConfig where it differs. Raises ClusterError."""
    for config, users in caches.configs_with_users():
        wanted = model_config_status(config, users, now)
        if wanted == config.status:
            continue
        try:
            caches.put_config(await cluster.write_model_config_status(config, wanted))
        except OutdatedError:
            continue  # it is gone or another one: its own events tell the rest
