"""One pass over one Agent: observe, plan, act, tell. Nothing here decides; `plan` and `checks` do."""

import logging
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from horos_api.conditions import ConditionType, Reason
from horos_api.server_report import read_report
from horos_bus.connection import BusError
from horos_operator.actions import Action, CreatePod, DeletePod, RemoveFinalizer
from horos_operator.agent_factory import AgentFactory
from horos_operator.checks import verdicts
from horos_operator.cluster import NoRoomError, OutdatedError, RefusedError
from horos_operator.day_budget import seconds_to_reset
from horos_operator.facts import AgentFacts
from horos_operator.hands import Hands, LookAgainError
from horos_operator.metrics import Metrics
from horos_operator.needs import Cause, cause_of
from horos_operator.observation import BusSeen, Observation
from horos_operator.plan import GIVES_UP, Plan, plan
from horos_operator.pods import Asked, asked
from horos_operator.queue import Key
from horos_operator.situation import situation
from horos_operator.slots import Outcome, Slots
from horos_operator.status import agent_status, turns, write_due
from horos_operator.tool_servers import Heard, heard_from
from horos_operator.witness import Witness

BUS_DOWN_SECONDS = 30.0
REFUSED_SECONDS = 30.0
"""How soon a refused pod is tried again: a quota or an admission rule changes without any event to us."""

log = logging.getLogger("horos.operator")


class Reconciler:
    """Brings one Agent at a time to what its spec asks for.

    `wall` gives seconds since the epoch, since it is compared with the cluster's timestamps. `slots` is the
    ledger that it shares with whoever gives out slots.
    """

    def __init__(
        self,
        manager: Hands,
        factory: AgentFactory,
        wall: Callable[[], float],
        witness: Witness | None = None,
        slots: Slots | None = None,
    ) -> None:
        self._manager = manager
        self._slots = slots or Slots(wall, lambda _: None)
        self._cluster = manager.cluster
        self._caches = manager.caches
        self._credentials = manager.credentials
        self._factory = factory
        self._wall = wall
        self._witness = witness or Witness(Metrics())
        self._refused: dict[Key, tuple[str, str]] = {}
        self._written: dict[Key, float] = {}
        self._turned: dict[Key, tuple[object, float]] = {}

    async def look(self, key: Key) -> float | None:
        """Make one pass; returns in how many seconds to look again without any event.

        Raises ClusterError and BusError when something did not work that may work later.
        """
        seen = await self._observe(key)
        if seen.agent is None:
            self._forget(key)
            return await self._clear_up(seen)
        wanted = self._wanted(seen)
        decided = plan(seen, wanted, self._factory)
        # Why it needs a pod, as far as that can be known.
        knowable = not seen.agent.deleting and not seen.bus.problem
        cause = cause_of(wanted, seen.life) if wanted is not None and knowable else None
        self._witness.planned(key, seen, decided)
        again = [
            decided.again,
            # Where no pool asks anew, each that waits for a quota to have room does.
            self._slots.room_in(key[0]) if cause and not seen.slot and not seen.pool else None,
            BUS_DOWN_SECONDS if seen.bus.problem else None,
            await self._act(seen.agent, decided),
        ]
        if not any(isinstance(action, RemoveFinalizer) for action in decided.actions):
            told = self._after(seen, cause, again)
            again += [await self._tell(seen.agent, told, wanted), seconds_to_reset(told)]
        return min((each for each in again if each is not None), default=None)

    async def _clear_up(self, seen: Observation) -> float | None:
        """Write off what is lost of an Agent that is gone; all else of it goes by itself."""
        decided = plan(seen, None, self._factory)
        for action in decided.actions:
            if isinstance(action, DeletePod):
                await self._manager.write_off(action.pod)
        return decided.again

    def failed(self, key: Key, delay: float) -> None:
        """The pass ended with an error: its slot is for others until it is tried again."""
        agent = self._caches.agent(key)
        self._slots.failed(key, agent.generation if agent else 0, delay)

    def _after(self, seen: Observation, cause: Cause | None, again: Sequence[float | None]) -> Observation:
        """Settle the slot, and see what the status tells: the same, with what the pass has learned."""
        agent, view = seen.agent, seen.bus.view
        assert agent is not None
        key = (agent.namespace, agent.name)
        live = [pod for pod in self._caches.pods(key) if pod.owner_uid == agent.uid and not pod.dead]
        outcome = Outcome(
            slot=seen.slot,
            cause=cause,
            live=bool(live),
            claimed=view is not None and any(pod.uid == view.holder for pod in live),
            again=min((each for each in again if each is not None), default=None),
            known=not seen.bus.problem or agent.deleting or agent.spec is None,
        )
        self._slots.settle(agent, outcome)
        slot = self._slots.may_start(key, limited=seen.pool is not None)
        return replace(
            seen,
            pods=self._caches.pods(key),
            refused=self._refusal(agent),
            slot=slot or (seen.slot and self._slots.room_in(key[0]) <= 0),
            queued=self._slots.queued(key),
            gave_up=self._slots.trouble(key),
        )

    def _wanted(self, seen: Observation) -> Asked | None:
        """What the spec asks for; None: it cannot be read."""
        if seen.agent is None or seen.agent.spec is None:
            return None
        wanted = self._factory.wanted(seen.agent.spec, seen.configs, seen.servers, seen.pool)
        return replace(wanted, barred=seen.family.trouble is not None)

    async def _observe(self, key: Key) -> Observation:
        agent = self._caches.agent(key)
        if agent is None:
            return Observation(None, self._caches.pods(key), BusSeen(), self._wall())
        bus = await self._ask_the_bus(agent)
        if not bus.problem:
            self._caches.put_heard(key, _heard(agent, bus))
        return Observation(
            agent=agent,
            pods=self._caches.pods(key),
            bus=bus,
            now=self._wall(),
            refused=self._refusal(agent),
            configs=self._caches.configs(agent.namespace),
            servers=self._caches.servers(agent.namespace),
            pool=(pool := self._caches.pools.pool(agent.namespace)),
            slot=self._slots.may_start(key, limited=pool is not None),
            give_up=self._slots.gives_up(key),
            family=self._caches.family(agent),
        )

    def _asked(self, agent: AgentFacts) -> str:
        """What the agent's pod is asked for now; '' when its spec cannot be read."""
        if agent.spec is None:
            return ""
        return asked(self._factory.wanted(agent.spec, self._caches.configs(agent.namespace)))

    def _refusal(self, agent: AgentFacts) -> str:
        """What the API server said to a pod as it is asked for now."""
        then, message = self._refused.get((agent.namespace, agent.name), ("", ""))
        return message if message and then == self._asked(agent) else ""

    async def _ask_the_bus(self, agent: AgentFacts) -> BusSeen:
        namespace, name = agent.namespace, agent.name
        control = self._manager.control(namespace)
        report = None
        try:
            view = await control.view(name)
            if view is not None and view.uid == agent.uid and agent.spec and agent.spec.tools.servers:
                report = read_report(await control.servers(name))
        except BusError as error:
            return BusSeen(problem=str(error))
        return BusSeen(
            prepared=self._credentials.prepared(namespace),
            shared=self._credentials.shared(namespace),
            configured=self._manager.configured((namespace, name)),
            view=view,
            report=report,
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
            except NoRoomError as error:
                log.info("%s/%s: %s", *key, error.message)
                self._refused.pop(key, None)
                return self._slots.no_room(key, error.why)
            except RefusedError as error:
                if not isinstance(action, CreatePod):
                    raise
                log.warning("%s/%s: pod %s is refused: %s", *key, action.name, error.message)
                self._refused[key] = (self._asked(agent), error.message)
                return REFUSED_SECONDS
            self._done(agent, action)
        return None

    def _done(self, agent: AgentFacts, action: Action) -> None:
        key = (agent.namespace, agent.name)
        match action:
            case CreatePod():
                self._refused.pop(key, None)
                self._slots.made(key)
            case DeletePod(why=why) if why == GIVES_UP:
                self._slots.gave_up(agent, _ready(agent))
            case _:
                return

    async def _tell(self, agent: AgentFacts, seen: Observation, asked_for: Asked | None) -> float | None:
        """Write the status if it differs and the last write is long enough ago."""
        key = (agent.namespace, agent.name)
        case = situation(seen, agent, asked_for)
        pod = case.holder or case.starting
        answers = verdicts(case)
        self._witness.told(case, answers)
        wanted = agent_status(seen, agent, answers, pod.name if pod else None)
        since_last = seen.now - self._written.get(key, 0.0)
        due = write_due(agent.status, wanted, since_last, self._lasted(seen, wanted))
        if due is None or due > 0:
            return due
        try:
            self._caches.put_agent(await self._cluster.write_status(agent, wanted))
        except OutdatedError:
            return None  # it is gone or another one: its own events tell the rest
        self._written[key] = seen.now
        return None

    def _lasted(self, seen: Observation, wanted: Mapping[str, Any]) -> float:
        """For how many seconds the conditions have been as they are to be told."""
        assert seen.agent is not None
        key, now_told = (seen.agent.namespace, seen.agent.name), turns(wanted)
        before = self._turned.get(key)
        if before is None or before[0] != now_told:
            self._turned[key] = before = (now_told, seen.now)
        view = seen.bus.view
        if now_told.get(ConditionType.SCHEDULED, ("", ""))[1] == Reason.QUEUED and view and view.since:
            return max(seen.now - before[1], seen.now - view.since)
        return seen.now - before[1]

    def _forget(self, key: Key) -> None:
        self._refused.pop(key, None)
        self._written.pop(key, None)
        self._turned.pop(key, None)
        self._slots.forget_agent(key)
        self._witness.forget(key)


def _ready(agent: AgentFacts) -> tuple[str, str]:
    """What the status says last of Ready: reason and message."""
    conditions = agent.status.get("conditions") or ()
    ready: Mapping[str, Any] = next(
        (each for each in conditions if each.get("type") == ConditionType.READY), {}
    )
    return ready.get("reason", ""), ready.get("message", "")


def _heard(agent: AgentFacts, bus: BusSeen) -> tuple[Heard, ...]:
    """What the agent's runtime says of ToolServers."""
    if agent.spec is None or bus.report is None or bus.view is None:
        return ()
    return heard_from(agent.name, agent.spec, bus.report, live=bool(bus.view.holder))
