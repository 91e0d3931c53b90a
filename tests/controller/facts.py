"""Agents, pods and views as tests write them down: the usual case, with what matters changed."""

import dataclasses
from typing import Any

from horos_api.agent_state import AgentState
from horos_api.names import FINALIZER
from horos_api.resources import AgentSpec
from horos_bus.agent_view import AgentView
from horos_operator.agent_factory import AgentFactory, config_digest
from horos_operator.agent_pools import AgentPoolFacts, QuotaFacts, agent_pool_facts
from horos_operator.facts import AgentFacts, Ended, PodFacts
from horos_operator.groups import GroupFacts, group_facts
from horos_operator.model_configs import ModelConfigFacts, model_config_facts
from horos_operator.models import Configs
from horos_operator.observation import BusSeen, Observation
from horos_operator.plan import Plan, plan
from horos_operator.pods import Asked, asked
from horos_operator.settings import Settings
from horos_operator.tool_servers import ToolServerFacts, ToolServers, tool_server_facts

NOW = 1_000_000.0
SETTINGS = Settings(
    install="test",
    namespace="horos-system",
    redis_url="redis://redis:6379/0",
    agent_image="horos/agent:1",
    model_name="small",
    model_base_url="http://model/v1",
)
FACTORY = AgentFactory(SETTINGS)


def spec(**fields: Any) -> AgentSpec:
    return AgentSpec.model_validate(fields, by_alias=True, by_name=False)


def agent(asked: AgentSpec | None = None, **changes: Any) -> AgentFacts:
    usual = AgentFacts(
        namespace="research",
        name="ada",
        uid="agent-uid",
        version=1,
        generation=1,
        deleting=False,
        finalizers=(FINALIZER,),
        spec=asked or spec(),
        problem="",
        status={},
    )
    return dataclasses.replace(usual, **changes)


def model_config(name: str = "default", /, *, version: int = 1, **fields: Any) -> ModelConfigFacts:
    metadata = {
        "namespace": "research",
        "name": name,
        "uid": f"uid-of-config-{name}",
        "resourceVersion": str(version),
        "generation": version,
    }
    usual = {"name": f"model-of-{name}", "baseUrl": f"http://{name}/v1"}
    return model_config_facts({"metadata": metadata, "spec": {**usual, **fields}})


def tool_server(name: str = "docs", /, *, version: int = 1, **fields: Any) -> ToolServerFacts:
    metadata = {
        "namespace": "research",
        "name": name,
        "uid": f"uid-of-server-{name}",
        "resourceVersion": str(version),
        "generation": version,
    }
    return tool_server_facts({"metadata": metadata, "spec": {"url": f"http://{name}/mcp", **fields}})


def agent_pool(*, version: int = 1, **fields: Any) -> AgentPoolFacts:
    metadata = {
        "namespace": "research",
        "name": "default",
        "uid": "uid-of-pool",
        "resourceVersion": str(version),
        "generation": version,
    }
    return agent_pool_facts({"metadata": metadata, "spec": {"maxRunning": 2, **fields}})


def quota(**changes: Any) -> QuotaFacts:
    usual = QuotaFacts(
        namespace="research",
        name="horos-agents",
        uid="uid-of-quota",
        version=1,
        owner_uid="uid-of-pool",
        priority_class="horos-agents",
        hard=2,
        allowed=2,
        used=0,
    )
    return dataclasses.replace(usual, **changes)


def configs(*made: ModelConfigFacts) -> Configs:
    return {each.name: each for each in made}


def servers(*made: ToolServerFacts) -> ToolServers:
    return {each.name: each for each in made}


def wanted(asked: AgentSpec | None = None, *made: ModelConfigFacts) -> Asked:
    return FACTORY.wanted(asked or spec(), configs(*made))


def asked_now(of: AgentSpec | None = None, *made: ModelConfigFacts) -> str:
    """What the operator would note on a pod of this spec."""
    return asked(wanted(of, *made))


def pod(name: str = "ada-1", asked: AgentSpec | None = None, **changes: Any) -> PodFacts:
    usual = PodFacts(
        namespace="research",
        name=name,
        uid=f"uid-of-{name}",
        version=1,
        agent="ada",
        owner_uid="agent-uid",
        asked=asked_now(asked),
        failures=0,
        created=NOW - 100,
        deleting=False,
        phase="Running",
        running=True,
        waiting_reason="",
        waiting_message="",
        unschedulable="",
        ended=None,
    )
    return dataclasses.replace(usual, **changes)


def failed_pod(name: str = "ada-1", *, ago: float, lived: float = 20.0, **changes: Any) -> PodFacts:
    ended = Ended(exit_code=1, reason="Error", message="boom", at=NOW - ago)
    usual = {"phase": "Failed", "running": False, "ended": ended, "created": NOW - ago - lived}
    return pod(name, **{**usual, **changes})


def retired_pod(name: str = "ada-1", *, ago: float, lived: float = 20.0) -> PodFacts:
    return failed_pod(
        name, ago=ago, lived=lived, phase="Succeeded", ended=Ended(0, "Completed", "", NOW - ago)
    )


def view(**changes: Any) -> AgentView:
    usual = AgentView(
        name="ada",
        uid="agent-uid",
        state=AgentState.IDLE,
        holder="",
        epoch=0,
        turn="",
        thread="",
        version=1,
        reason="",
        message="",
        waiting=0,
        evict=False,
        in_work=False,
    )
    return dataclasses.replace(usual, **changes)


def held(by: PodFacts, epoch: int = 1, **changes: Any) -> AgentView:
    return view(holder=by.uid, epoch=epoch, **changes)


def seen(
    of: AgentFacts | None, *pods: PodFacts, known: AgentView | None = None, **changes: Any
) -> Observation:
    """An agent that is registered and configured; what is on the bus and beside it can be changed."""
    known_configs: Configs = changes.get("configs", {})
    known_servers: ToolServers = changes.get("servers", {})
    configured = ""
    if of and of.spec:
        configured = config_digest(FACTORY.config(of, FACTORY.wanted(of.spec, known_configs, known_servers)))
    bus = BusSeen(prepared=True, configured=configured, view=known)
    usual = Observation(of, pods, bus, NOW)
    return dataclasses.replace(usual, **changes)


def plan_of(observed: Observation) -> Plan:
    """What a pass would decide, with what it would have filled in."""
    of = observed.agent
    if of is None or of.spec is None:
        return plan(observed, None, FACTORY)
    wanted = FACTORY.wanted(of.spec, observed.configs, observed.servers, observed.pool)
    barred = observed.family.trouble is not None
    return plan(observed, dataclasses.replace(wanted, barred=barred), FACTORY)


def group(name: str = "review", /, *, version: int = 1, **changes: Any) -> GroupFacts:
    """A Group of ada and bob that has its finalizer; `spec` is what its manifest says."""
    asked: Any = changes.pop("spec", {"members": ["ada", "bob"]})
    metadata = {
        "namespace": "research",
        "name": name,
        "uid": f"uid-of-group-{name}",
        "resourceVersion": str(version),
        "generation": 1,
        "finalizers": [FINALIZER],
    }
    return dataclasses.replace(group_facts({"metadata": metadata, "spec": asked}), **changes)
