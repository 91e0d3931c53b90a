"""AgentManager: what a program does with agents, on Kubernetes and on one machine alike."""

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, Final

from pydantic import ValidationError

from horos_api.agent_state import AgentState
from horos_api.conditions import ConditionStatus, ConditionType, Reason
from horos_api.names import API_VERSION
from horos_api.resources import Agent, OperatingMode
from horos_operator.agent_factory import AgentFactory, CreateAgentOptions
from horos_operator.cluster import Cluster, ClusterError, NameTakenError, OutdatedError
from horos_operator.facts import AgentFacts

LOOK_SECONDS: Final = 0.2
PATIENCE_SECONDS: Final = 60.0

log = logging.getLogger("horos.manager")


class AgentManager:
    """Creates agents, starts, stops, pauses, resumes and terminates them, through a `Cluster`.

        async with AgentManager.on_this_machine(Path(".horos"), "redis://localhost:6379/0") as agents:
            await agents.start(CreateAgentOptions(name="ada", instructions="Be brief."))
            for agent in await agents.list():
                print(agent.metadata.name, agent.status.state)
            await agents.stop("ada")

    With `AgentManager.on_kubernetes()` in the first line the same happens in a cluster where horos is
    installed. What is written is what people write with `kubectl`: the operator carries it out.

    Methods raise ClusterError, whose subclasses say what can be done: NameTakenError, OutdatedError (there is
    no such agent, or it changes at this moment), RefusedError (the field and the reason are in `message`).
    """

    def __init__(self, cluster: Cluster) -> None:
        self._cluster = cluster

    @classmethod
    @asynccontextmanager
    async def on_kubernetes(
        cls, *namespaces: str, context: str | None = None
    ) -> AsyncIterator["AgentManager"]:
        """Use the cluster of a kubeconfig's context, or the one that this program's pod runs in.

        `namespaces` are those that `list` and `children` look at; none means all, which takes rights over
        all of them. Raises ClusterError when there are no credentials that can be used.
        """
        # Each world's client is imported when it is used: this one takes 0.8 s.
        from horos_operator.kube.cluster import KubeCluster  # noqa: PLC0415
        from horos_operator.kube.connection import KubeConnection, KubeError  # noqa: PLC0415

        try:
            connection = await KubeConnection.open(context)
        except KubeError as error:
            raise ClusterError(error.message) from error
        try:
            yield cls(KubeCluster(connection, namespaces))
        finally:
            await connection.aclose()

    @classmethod
    @asynccontextmanager
    async def on_this_machine(
        cls, folder: Path, redis_url: str, **settings: Any
    ) -> AsyncIterator["AgentManager"]:
        """Run agents as processes of this machine for as long as the block lasts, and go on next time.

        What should exist is kept in `folder`, what was said in Redis. `settings` are those of
        `horos_operator.local.operator.local_settings`: `model_name`, `model_base_url`.. Raises
        FolderInUseError and FolderUnusableError (`horos_operator.local.files`), and ValueError for a setting.
        """
        from horos_operator.local.operator import LocalOperator, local_settings  # noqa: PLC0415

        async with LocalOperator(local_settings(redis_url, **settings), folder) as operator:
            yield cls(operator.cluster)

    async def create(self, options: CreateAgentOptions) -> Agent:
        """Create an agent and return it as it is stored; the operator does the rest meanwhile.

        Raises NameTakenError when there is one of this name, and pydantic.ValidationError, which names each
        field that is wrong, before anybody is asked.
        """
        made = await self._cluster.create_agent(AgentFactory.agent(options).to_manifest())
        return _agent(made)

    async def start(self, options: CreateAgentOptions, seconds: float = PATIENCE_SECONDS) -> Agent:
        """Create an agent, or resume the one of this name as it is; returns when it takes messages.

        Raises what `create` and `resume` do, and TimeoutError with what it still waits for.
        """
        try:
            await self.create(options)
        except NameTakenError:
            await self.resume(options.name, options.namespace)
        return await self._until(_takes_messages, options.name, options.namespace, seconds)

    async def stop(self, name: str, namespace: str = "default", seconds: float = PATIENCE_SECONDS) -> Agent:
        """Pause an agent and return when its process has ended, after the turn that it is in.

        Raises what `pause` does, and TimeoutError with what it still waits for.
        """
        await self.pause(name, namespace)
        return await self._until(_has_stopped, name, namespace, seconds)

    async def pause(self, name: str, namespace: str = "default") -> Agent:
        """Have an agent finish its turn and give up its process (operatingMode Suspended); messages stay."""
        return await self._set(name, namespace, OperatingMode.SUSPENDED)

    async def resume(self, name: str, namespace: str = "default") -> Agent:
        """Let a paused agent go on (operatingMode Running)."""
        return await self._set(name, namespace, OperatingMode.RUNNING)

    async def terminate(self, name: str, namespace: str = "default") -> Agent:
        """End an agent for good: whoever waits for it gets an error; what it said stays until it is deleted.

        Its children stay; they end with `delete`.
        """
        return await self._set(name, namespace, OperatingMode.TERMINATED)

    async def get(self, name: str, namespace: str = "default") -> Agent:
        """Look at one agent. Raises OutdatedError when there is none."""
        return _agent(await self._facts(name, namespace))

    async def list(self, namespace: str = "default") -> tuple[Agent, ...]:
        """All agents of a namespace, by name.

        One whose stored spec this version of horos does not understand is left out, and the log says so.
        """
        found = [each for each in await self._cluster.agents() if each.namespace == namespace]
        return tuple(_understood(sorted(found, key=lambda each: each.name)))

    async def children(self, name: str, namespace: str = "default") -> tuple[Agent, ...]:
        """The agents whose parent this one is, by name; not their children."""
        return tuple(each for each in await self.list(namespace) if each.spec.parent_name == name)

    async def delete(self, name: str, namespace: str = "default") -> bool:
        """Begin to delete an agent: process, messages and children go; False: there is none."""
        found = await self._cluster.agent(namespace, name)
        if found is None:
            return False
        await self._cluster.delete_agent(found)
        return True

    async def _set(self, name: str, namespace: str, mode: OperatingMode) -> Agent:
        found = await self._facts(name, namespace)
        return _agent(await self._cluster.set_operating_mode(namespace, name, found.uid, mode))

    async def _facts(self, name: str, namespace: str) -> AgentFacts:
        found = await self._cluster.agent(namespace, name)
        if found is None:
            raise OutdatedError(f'there is no Agent "{name}" in namespace {namespace}')
        return found

    async def _until(
        self, holds: Callable[[AgentFacts], str], name: str, namespace: str, seconds: float
    ) -> Agent:
        """Look at an agent until nothing is said to be missing."""
        missing = "the first look"
        try:
            async with asyncio.timeout(seconds):
                while True:
                    found = await self._facts(name, namespace)
                    missing = holds(found)
                    if not missing:
                        return _agent(found)
                    await asyncio.sleep(LOOK_SECONDS)
        except TimeoutError:
            raise TimeoutError(f"{namespace}/{name}: after {seconds:.0f} s still: {missing}") from None


def _takes_messages(agent: AgentFacts) -> str:
    accepted = _condition(agent, ConditionType.ACCEPTED)
    if accepted.get("status") == ConditionStatus.TRUE and agent.status.get("state"):
        return ""
    return str(accepted.get("message") or "no operator has looked at it")


def _has_stopped(agent: AgentFacts) -> str:
    scheduled = _condition(agent, ConditionType.SCHEDULED)
    if scheduled.get("reason") == Reason.SUSPENDED and agent.status.get("state") == AgentState.PAUSED:
        return ""
    return str(scheduled.get("message") or "no operator has looked at it")


def _condition(agent: AgentFacts, kind: ConditionType) -> Mapping[str, Any]:
    """Read what a status says of the spec as it is now; {} when it is of an earlier one."""
    for each in agent.status.get("conditions") or ():
        if each.get("type") == kind and each.get("observedGeneration") == agent.generation:
            found: Mapping[str, Any] = each
            return found
    return {}


def _understood(found: list[AgentFacts]) -> list[Agent]:
    agents = []
    for each in found:
        try:
            agents.append(_agent(each))
        except ClusterError as error:
            log.warning("%s", error.message)
    return agents


def _agent(facts: AgentFacts) -> Agent:
    """Build the resource from what is remembered of it. Raises ClusterError when it is not understood."""
    about = f"Agent {facts.namespace}/{facts.name}"
    if facts.spec is None:
        raise ClusterError(f"{about} is not understood: {facts.problem}")
    metadata = {
        "name": facts.name,
        "namespace": facts.namespace,
        "uid": facts.uid,
        "resourceVersion": str(facts.version),
        "generation": facts.generation,
        "labels": dict(facts.labels),
        "finalizers": list(facts.finalizers),
    }
    spec = facts.spec.model_dump(mode="json", by_alias=True, exclude_none=True)
    whole = {"apiVersion": API_VERSION, "kind": "Agent", "metadata": metadata, "spec": spec}
    try:
        return Agent.from_manifest({**whole, "status": dict(facts.status)})
    except ValidationError as error:
        raise ClusterError(f"{about} is not understood: {error.errors()[0]['msg']}") from error
