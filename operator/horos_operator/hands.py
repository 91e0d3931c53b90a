"""The hands of the operator: carry out plans, on the cluster and on the bus."""

import logging
import time
from collections.abc import Awaitable
from typing import Any, Literal

from horos_api.names import FINALIZER, LABEL_AGENT, key_prefix
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.group_service import GroupService
from horos_bus.operating import ModeOrder
from horos_operator import actions
from horos_operator.agent_factory import config_digest
from horos_operator.cluster import Cluster, NameTakenError, OutdatedError, RefusedError
from horos_operator.credentials import BusCredentials
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.lost_pods import why_lost
from horos_operator.observe import Caches
from horos_operator.queue import Key

NAME_TAKEN_SECONDS = 0.5
STILL_ALIVE_SECONDS = 1.0
"""How soon a pod that a cache took for gone is asked about again, should no event come."""

log = logging.getLogger("horos.operator")


class LookAgainError(Exception):
    """What was planned does not fit what is there; look again after so many seconds. Nothing is broken."""

    def __init__(self, why: str, seconds: float = 0.0) -> None:
        super().__init__(why)
        self.seconds = seconds


class Hands:
    """The operator's hands. Every method may be repeated; answers of the cluster go into the caches.

    Methods raise ClusterError and BusError, and LookAgainError when the world differs from the plan's.
    """

    def __init__(self, cluster: Cluster, caches: Caches, bus: Bus, credentials: BusCredentials) -> None:
        self.cluster = cluster
        self.caches = caches
        self._bus = bus
        self.credentials = credentials
        self._install = credentials.install
        self._configured: dict[Key, str] = {}

    def control(self, namespace: str) -> Control:
        """The bus of one namespace, with the operator's rights."""
        return Control(self._bus.at(key_prefix(self._install, namespace)))

    def groups(self, namespace: str) -> GroupService:
        """The groups of one namespace on the bus, with the operator's rights."""
        return GroupService(self._bus.at(key_prefix(self._install, namespace)))

    def configured(self, key: Key) -> str:
        """Digest of the configuration that was projected last, '' when that is not remembered."""
        return self._configured.get(key, "")

    def forget(self) -> None:
        """Trust nothing that is only remembered: look again at what the bus and the namespaces have."""
        self._configured.clear()
        self.credentials.forget()

    async def carry_out(self, agent: AgentFacts, action: actions.Action) -> None:
        """Do one step of a plan."""
        # These two are planned after each sweep, only to make sure; what they change is told where it is.
        sure = isinstance(action, actions.PrepareNamespace | actions.Configure)
        level = logging.DEBUG if sure else logging.INFO
        log.log(level, "%s/%s: %s (%s)", agent.namespace, agent.name, _described(action), action.why)
        match action:
            case actions.PrepareNamespace(again=again):
                await self.credentials.prepare(agent.namespace, again=again)
            case actions.AddFinalizer():
                await self._set_finalizers(agent, (*agent.finalizers, FINALIZER))
            case actions.RemoveFinalizer():
                await self._let_go(agent)
            case actions.SetOwner(parent=parent, root=root):
                await self._written(agent, self.cluster.set_owner(agent, parent, root))
            case actions.DeleteAgent():
                await self.cluster.delete_agent(agent)
            case actions.CreatePod(body=body):
                await self.start(body)
            case actions.DeletePod(pod=pod, force=True):
                await self.write_off(pod)
            case actions.DeletePod(pod=pod):
                await self.stop(pod)
            case actions.Reap(token=token, pod=name):
                await self.reap(agent, token, name)
            case _:
                await self._on_the_bus(agent, action)

    async def start(self, body: Any) -> PodFacts:
        """Create a pod. One of its name that lives already is as good; a dead one is removed first."""
        namespace, name = body["metadata"]["namespace"], body["metadata"]["name"]
        try:
            made = await self.cluster.create_pod(body)
        except NameTakenError:
            made = await self._look_at_taken(namespace, name, body["metadata"])
        self.caches.put_pod(made)
        return made

    async def _look_at_taken(self, namespace: str, name: str, wanted: Any) -> PodFacts:
        """Look at the pod that has the name: ours and alive is done, anything else must go first."""
        there = await self.cluster.pod(namespace, name)
        if there is None:
            raise LookAgainError(f"pod {name} has just gone")
        owner_uid = wanted["ownerReferences"][0]["uid"]
        if there.agent != wanted["labels"][LABEL_AGENT]:
            raise RefusedError(f"a pod named {name} exists that is no agent's: delete it or rename the Agent")
        if there.owner_uid == owner_uid and not there.dead and not there.deleting:
            return there
        if there.dead and not there.deleting:
            await self.cluster.delete_pod(there)
        raise LookAgainError(f"pod {name} of an earlier life is still there", NAME_TAKEN_SECONDS)

    async def stop(self, pod: PodFacts) -> None:
        """Delete this very pod; its runtime gets its grace period to leave."""
        await self.cluster.delete_pod(pod)

    async def write_off(self, pod: PodFacts) -> None:
        """Delete a pod whose node does not answer; should its process live, it will find itself fenced."""
        log.warning("%s/%s is written off (node %s)", pod.namespace, pod.name, pod.node)
        await self.cluster.delete_pod(pod, force=True)
        # It is gone with the answer: what follows must not see it for as long as no event has told.
        self.caches.drop_pod(pod)

    async def pause(self, namespace: str, name: str) -> None:
        """Let an agent finish its turn and give up its pod; its messages are kept."""
        await self.control(namespace).ctl(name, "pause")

    async def resume(self, namespace: str, name: str) -> None:
        """Let a paused agent go on."""
        await self.control(namespace).ctl(name, "resume")

    async def evict(self, namespace: str, name: str) -> None:
        """Ask an agent's runtime to leave between two turns."""
        await self.control(namespace).ctl(name, "evict")

    async def terminate(self, namespace: str, name: str, uid: str) -> None:
        """End an agent for good: open work is closed, whoever waits gets an error, its contexts stay."""
        await self.control(namespace).terminate(name, uid)

    async def obey(self, namespace: str, order: ModeOrder) -> None:
        """Write the operating mode that was asked for through the gateway into the Agent's spec.

        What cannot be done (another Agent by now, refused by the API server) is logged and given up.
        """
        about = f"{namespace}/{order.agent}"
        try:
            self.caches.put_agent(
                await self.cluster.set_operating_mode(namespace, order.agent, order.uid, order.mode)
            )
            log.info("%s: operatingMode is %s now (asked for at the gateway)", about, order.mode)
        except (OutdatedError, RefusedError) as error:
            if isinstance(error, OutdatedError) and await self._is_still_there(namespace, order):
                raise  # somebody else changed it at the same moment: the order is still good
            log.warning("%s: operatingMode %s is not possible: %s", about, order.mode, error.message)
        await self.control(namespace).done(order)

    async def _is_still_there(self, namespace: str, order: ModeOrder) -> bool:
        """Ask the API server itself whether it is the same Agent still."""
        there = await self.cluster.agent(namespace, order.agent)
        return there is not None and there.uid == order.uid

    async def reap(self, agent: AgentFacts, token: str, pod_name: str) -> None:
        """Clear the holder, after the API server itself has said that its pod is gone, dead or lost.

        One that was written off may still be shown, for as long as somebody's finalizer holds it.
        """
        there = await self.cluster.pod(agent.namespace, pod_name)
        if there is not None and there.uid == token and not there.dead and not why_lost(there, time.time()):
            self.caches.put_pod(there)
            raise LookAgainError(f"pod {pod_name} is alive after all", STILL_ALIVE_SECONDS)
        await self.control(agent.namespace).reap(agent.name, token)

    async def _set_finalizers(self, agent: AgentFacts, finalizers: tuple[str, ...]) -> None:
        await self._written(agent, self.cluster.set_finalizers(agent, finalizers))

    async def _written(self, agent: AgentFacts, writing: Awaitable[AgentFacts]) -> None:
        """Remember what a change of the Agent has made of it, or what has come between."""
        try:
            self.caches.put_agent(await writing)
        except OutdatedError as error:
            await self._ask_again(agent)
            raise LookAgainError(error.message) from error

    async def _ask_again(self, agent: AgentFacts) -> AgentFacts | None:
        """Ask the API server itself for the Agent of this name, and remember the answer."""
        fresh = await self.cluster.agent(agent.namespace, agent.name)
        if fresh is None or fresh.uid != agent.uid:
            self.caches.drop_agent(agent)
        if fresh is not None:
            self.caches.put_agent(fresh)
        return fresh

    async def _let_go(self, agent: AgentFacts) -> None:
        rest = tuple(each for each in agent.finalizers if each != FINALIZER)
        await self._set_finalizers(agent, rest)
        self._configured.pop((agent.namespace, agent.name), None)

    async def _on_the_bus(self, agent: AgentFacts, action: actions.Action) -> None:
        control = self.control(agent.namespace)
        key = (agent.namespace, agent.name)
        match action:
            case actions.CreateKeys(parent=parent, root=root):
                await self._make_sure_it_is_there(agent, "keys would stay for ever")
                outcome = await control.create(agent.name, agent.uid, parent, root)
                if outcome == "EXISTS":
                    raise LookAgainError("another life has the name on the bus")
            case actions.DeleteKeys(uid=uid):
                if uid != agent.uid:
                    await self._make_sure_it_is_there(agent, f"the keys of {uid} stay")
                await control.delete(agent.name, uid)
                self._configured.pop(key, None)
            case actions.Configure(config=config, request_seconds=seconds) as wanted:
                outcome = await control.configure(
                    agent.name,
                    agent.uid,
                    agent.generation,
                    config,
                    seconds,
                    lifetime=wanted.lifetime,
                    limits=wanted.limits,
                )
                if outcome == "GONE":
                    raise LookAgainError("the bus does not know this life of the agent")
                if outcome == "OK":
                    log.info("%s/%s: configured, generation %d", *key, agent.generation)
                self._configured[key] = config_digest(config)
            case actions.Steer(op=op):
                await self._steer(agent, op)

    async def _make_sure_it_is_there(self, agent: AgentFacts, else_: str) -> None:
        """A cache that lags behind takes a later life for an earlier one, and a list may be an old one."""
        fresh = await self._ask_again(agent)
        if fresh is None or fresh.uid != agent.uid:
            raise LookAgainError(f"the Agent has gone or was replaced meanwhile; {else_}")

    async def _steer(self, agent: AgentFacts, op: Literal["pause", "resume", "evict", "terminate"]) -> None:
        match op:
            case "pause":
                await self.pause(agent.namespace, agent.name)
            case "resume":
                await self.resume(agent.namespace, agent.name)
            case "evict":
                await self.evict(agent.namespace, agent.name)
            case "terminate":
                await self.terminate(agent.namespace, agent.name, agent.uid)


def _described(action: actions.Action) -> str:
    kind = type(action).__name__
    match action:
        case actions.CreatePod():
            return f"{kind} {action.name}"
        case actions.DeletePod(pod=pod):
            return f"{kind} {pod.name}"
        case actions.Steer(op=op):
            return op
    return kind
