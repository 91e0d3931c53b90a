"""What a pass tells, and when it looks again; the status of ModelConfigs and ToolServers."""

import dataclasses
import uuid
from collections.abc import Mapping
from typing import Any

import pytest

from horos_api.budgets import DAY_SECONDS, day_of
from horos_api.names import key_prefix
from horos_api.server_report import ServerReport, ServersReport, ServerState
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.message_service import MessageService
from horos_bus.records import Identity
from horos_operator.cluster import OutdatedError, RefusedError
from horos_operator.credentials import BusCredentials
from horos_operator.facts import AgentFacts, PodFacts
from horos_operator.hands import Hands
from horos_operator.kube.cluster import KubeCluster
from horos_operator.model_configs import ModelConfigFacts
from horos_operator.observe import Caches
from horos_operator.reconcile import Reconciler
from horos_operator.shared_status import tell_shared
from horos_operator.tool_servers import Heard, ToolServerFacts
from tests.controller.facts import FACTORY, NOW, SETTINGS, agent, model_config, pod, spec, tool_server


class Writes(KubeCluster):
    """A cluster that keeps what is written to a status; everything else fails for want of a connection."""

    def __init__(self) -> None:
        self.agents_told: list[Mapping[str, Any]] = []
        self.configs_told: list[tuple[str, Any]] = []
        self.servers_told: list[tuple[str, Any]] = []
        self.tools_told: dict[str, tuple[str, int]] = {}
        self.gone: set[str] = set()
        self.refused: set[str] = set()

    async def secret(self, namespace: str, name: str) -> Mapping[str, str] | None:
        return None

    async def create_secret(self, namespace: str, name: str, data: Mapping[str, str]) -> None:
        pass  # nothing here starts a pod that would read it

    async def pod(self, namespace: str, name: str) -> PodFacts | None:
        return None  # every pod that Redis still names is gone

    async def write_status(self, agent: AgentFacts, status: Mapping[str, Any]) -> AgentFacts:
        self.agents_told.append(status)
        return dataclasses.replace(agent, status=status, version=agent.version + 1)

    def _refuse(self, name: str) -> None:
        if name in self.gone:
            raise OutdatedError("gone")
        if name in self.refused:
            raise RefusedError(f"{name} is invalid")

    async def write_model_config_status(
        self, config: ModelConfigFacts, status: Mapping[str, Any]
    ) -> ModelConfigFacts:
        self._refuse(config.name)
        self.configs_told.append((config.name, status["agents"]))
        return dataclasses.replace(config, status=status, version=config.version + 1)

    async def write_tool_server_status(
        self, server: ToolServerFacts, status: Mapping[str, Any]
    ) -> ToolServerFacts:
        self._refuse(server.name)
        reason = status["conditions"][0]["reason"]
        self.servers_told.append((server.name, reason))
        self.tools_told[server.name] = (reason, status["tools"])
        return dataclasses.replace(server, status=status, version=server.version + 1)


async def test_the_status_of_a_model_config_is_written_only_where_it_differs() -> None:
    caches, cluster = Caches(), Writes()
    caches.put_agent(agent())
    for name in ("default", "vanished", "spare"):
        caches.put_config(model_config(name))
    cluster.gone.add("vanished")
    await tell_shared(cluster, caches, NOW)
    await tell_shared(cluster, caches, NOW + 100)
    assert cluster.configs_told == [("default", 1), ("spare", 0)]
    caches.drop_agent(agent())
    await tell_shared(cluster, caches, NOW + 200)
    assert cluster.configs_told[2:] == [("default", 0)]


async def test_what_cannot_be_written_keeps_no_other_status_from_it_and_is_tried_again() -> None:
    caches, cluster = Caches(), Writes()
    caches.put_config(model_config("default"))
    for name in ("broken", "docs"):
        caches.put_server(tool_server(name))
    cluster.refused |= {"default", "broken"}
    with pytest.raises(RefusedError, match="default is invalid"):
        await tell_shared(cluster, caches, NOW)
    assert (cluster.configs_told, cluster.servers_told) == ([], [("docs", "NotUsed")])
    cluster.refused.clear()
    await tell_shared(cluster, caches, NOW)
    assert (cluster.configs_told, cluster.servers_told[1:]) == ([("default", 0)], [("broken", "NotUsed")])


async def test_the_status_of_a_tool_server_is_written_only_where_it_differs() -> None:
    caches, cluster = Caches(), Writes()
    caches.put_agent(agent(spec(tools={"servers": [{"name": "d", "serverName": "docs"}]})))
    for name in ("docs", "vanished", "spare"):
        caches.put_server(tool_server(name))
    cluster.gone.add("vanished")
    await tell_shared(cluster, caches, NOW)
    await tell_shared(cluster, caches, NOW + 100)
    assert cluster.servers_told == [("docs", "NotReported"), ("spare", "NotUsed")]
    connected = Heard("ada", "docs", live=True, state=ServerState.CONNECTED, tools=1, error="", error_at=0)
    caches.put_heard(("research", "ada"), (connected,))
    await tell_shared(cluster, caches, NOW + 200)
    await tell_shared(cluster, caches, NOW + 300)
    assert cluster.servers_told[2:] == [("docs", "Connected")]


async def test_what_a_runtime_reports_of_its_servers_comes_into_both_statuses_and_goes_with_its_pod(
    bus: Bus,
) -> None:
    namespace = f"servers-{uuid.uuid4().hex[:8]}"
    key = (namespace, "ada")
    caches, cluster = Caches(), Writes()
    uses = [{"name": "d", "serverName": "docs"}, {"name": "own", "command": ["x"]}]
    # Suspended: it still has its pod, and gets no other when that is gone.
    caches.put_agent(agent(spec(operatingMode="Suspended", tools={"servers": uses}), namespace=namespace))
    caches.put_server(dataclasses.replace(tool_server(), namespace=namespace))
    mine = dataclasses.replace(pod(), namespace=namespace)
    caches.put_pod(mine)
    at = bus.at(key_prefix(SETTINGS.install, namespace))
    control, runtime = Control(at), MessageService(at, Identity("ada", "agent-uid", mine.uid))
    await control.create("ada", "agent-uid")
    await runtime.claim(None)
    docs = ServerReport(name="d", server_name="docs", state=ServerState.CONNECTED, tools=("d__a",), hidden=1)
    await runtime.report_servers(ServersReport(at=1, servers=(docs,)).encoded())
    assert "ada" in await control.dirty()
    credentials = BusCredentials(cluster, bus, SETTINGS, SETTINGS.redis_url)
    await credentials.prepare(namespace)
    look = Reconciler(Hands(cluster, caches, bus, credentials), FACTORY, lambda: NOW).look
    await look(key)
    await tell_shared(cluster, caches, NOW)
    assert cluster.agents_told[-1]["servers"] == {"connected": 1, "total": 2}
    assert cluster.tools_told == {"docs": ("Connected", 2)}
    caches.drop_pod(mine)
    await look(key)
    await look(key)
    await tell_shared(cluster, caches, NOW)
    assert cluster.tools_told == {"docs": ("NotReported", 2)}
    await control.delete("ada", "agent-uid")


async def test_while_redis_is_away_a_tool_server_keeps_what_was_heard_of_it() -> None:
    caches, cluster = Caches(), Writes()
    caches.put_agent(agent(spec(tools={"servers": [{"name": "d", "serverName": "docs"}]})))
    caches.put_server(tool_server())
    connected = Heard("ada", "docs", live=True, state=ServerState.CONNECTED, tools=1, error="", error_at=0)
    caches.put_heard(("research", "ada"), (connected,))
    nobody = Bus.open("redis://127.0.0.1:1/0", key_prefix(SETTINGS.install, "research"))
    credentials = BusCredentials(cluster, nobody, SETTINGS, SETTINGS.redis_url)
    look = Reconciler(Hands(cluster, caches, nobody, credentials), FACTORY, lambda: NOW).look
    await look(("research", "ada"))
    await tell_shared(cluster, caches, NOW)
    await nobody.aclose()
    assert cluster.agents_told[-1]["conditions"][0]["reason"] == "BusUnavailable"
    assert cluster.tools_told == {"docs": ("Connected", 1)}


async def test_a_report_that_nobody_understands_is_none(bus: Bus) -> None:
    namespace = f"servers-{uuid.uuid4().hex[:8]}"
    caches, cluster = Caches(), Writes()
    asked = spec(operatingMode="Suspended", tools={"servers": [{"name": "own", "command": ["x"]}]})
    caches.put_agent(agent(asked, namespace=namespace))
    at = bus.at(key_prefix(SETTINGS.install, namespace))
    await Control(at).create("ada", "agent-uid")
    await Control(at).ctl("ada", "pause")
    await at.command("SET", at.keys.servers("ada"), b'{"servers": "all of them"}')
    credentials = BusCredentials(cluster, bus, SETTINGS, SETTINGS.redis_url)
    await credentials.prepare(namespace)
    look = Reconciler(Hands(cluster, caches, bus, credentials), FACTORY, lambda: NOW).look
    await look((namespace, "ada"))
    assert cluster.agents_told[-1]["servers"] == {"connected": 0, "total": 1}
    await Control(at).delete("ada", "agent-uid")


async def test_an_agent_whose_budget_is_used_up_is_looked_at_again_when_the_next_day_begins(bus: Bus) -> None:
    namespace = f"budget-{uuid.uuid4().hex[:8]}"
    caches, cluster, now = Caches(), Writes(), [NOW]
    # Suspended: it needs no pod, so nothing but the status is written.
    asked = spec(operatingMode="Suspended", budget={"tokensPerDay": 10})
    caches.put_agent(agent(asked, namespace=namespace))
    at = bus.at(key_prefix(SETTINGS.install, namespace))
    control = Control(at)
    await control.create("ada", "agent-uid")
    await control.ctl("ada", "pause")
    used = {"day": day_of(NOW), "day_tokens": 12, "day_cost": 0}
    await at.command("HSET", at.keys.state("ada"), *(part for pair in used.items() for part in pair))
    credentials = BusCredentials(cluster, bus, SETTINGS, SETTINGS.redis_url)
    await credentials.prepare(namespace)
    look = Reconciler(Hands(cluster, caches, bus, credentials), FACTORY, lambda: now[0]).look
    left = DAY_SECONDS - NOW % DAY_SECONDS
    assert await look((namespace, "ada")) == left
    assert _answer(cluster.agents_told[-1]) == ("True", "TokensPerDay")
    now[0] += left
    assert await look((namespace, "ada")) is None
    assert _answer(cluster.agents_told[-1]) == ("False", "WithinBudget")
    await control.delete("ada", "agent-uid")


def _answer(status: Mapping[str, Any]) -> tuple[str, str]:
    (found,) = [each for each in status["conditions"] if each["type"] == "BudgetExhausted"]
    return found["status"], found["reason"]
