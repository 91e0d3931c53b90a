"""A LocalCluster does with objects what the API server does: the same requests, the same answers."""

import asyncio
import random
import uuid
from collections.abc import Awaitable, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from horos_api.resources import OperatingMode
from horos_operator.cluster import Cluster, ClusterError
from horos_operator.facts import AgentFacts
from horos_operator.kube.cluster import KubeCluster
from horos_operator.kube.connection import KubeConnection
from horos_operator.local.cluster import LocalCluster
from horos_operator.local.data import DataFolders
from horos_operator.local.kinds import SECRET
from horos_operator.local.objects import Objects
from horos_operator.local.store import ObjectStore
from tests.e2e.cluster import kubectl

pytestmark = pytest.mark.cluster

NAMES = ("ada", "bob", "eve")
STEPS = 25
GARBAGE_SECONDS = 60.0


@pytest.fixture(scope="module")
def namespace(cluster: None) -> Iterator[str]:
    name = f"as-kube-{uuid.uuid4().hex[:6]}"
    kubectl("create", "namespace", name)
    yield name
    for agent in kubectl("-n", name, "get", "agents", "-o", "name").split():
        kubectl("-n", name, "patch", agent, "--type=merge", "-p", '{"metadata":{"finalizers":null}}')
    kubectl("delete", "namespace", name, "--wait=false")


class Side:
    """One of the two clusters, and each Agent as it was seen first and last."""

    def __init__(self, cluster: Cluster, namespace: str) -> None:
        self.cluster = cluster
        self.namespace = namespace
        self.seen: dict[str, list[AgentFacts]] = {name: [] for name in NAMES}

    async def create(self, name: str, spec: dict[str, Any]) -> object:
        metadata = {"name": name, "namespace": self.namespace, "finalizers": ["horos.dev/bus"]}
        body = {"apiVersion": "horos.dev/v1alpha1", "kind": "Agent", "metadata": metadata, "spec": spec}
        return await self._answer(name, lambda: self.cluster.create_agent(body))

    async def finalizers(self, name: str, which: int, left: tuple[str, ...]) -> object:
        return await self._change(name, which, lambda agent: self.cluster.set_finalizers(agent, left))

    async def mode(self, name: str, which: int, mode: OperatingMode) -> object:
        set_mode = self.cluster.set_operating_mode
        return await self._change(name, which, lambda agent: set_mode(agent.namespace, name, agent.uid, mode))

    async def status(self, name: str, which: int, state: str) -> object:
        return await self._change(
            name, which, lambda agent: self.cluster.write_status(agent, {"state": state, "podName": "x"})
        )

    async def own(self, name: str, which: int, parent: str) -> object:
        if not self.seen[parent]:
            return "no parent"
        owner = self.seen[parent][-1]
        return await self._change(name, which, lambda agent: self.cluster.set_owner(agent, owner, parent))

    async def delete(self, name: str, which: int) -> object:
        if not self.seen[name]:
            return "nothing seen"
        await self.cluster.delete_agent(self.seen[name][min(which, len(self.seen[name]) - 1)])
        return await self.look(name)

    async def look(self, name: str) -> object:
        """How the Agent is now."""
        found = await self.cluster.agent(self.namespace, name)
        if found is not None:
            self._see(found)
        return _told(found)

    async def _change(
        self, name: str, which: int, change: Callable[[AgentFacts], Awaitable[AgentFacts]]
    ) -> object:
        seen = self.seen[name]
        if not seen:
            return "nothing seen"
        return await self._answer(name, lambda: change(seen[min(which, len(seen) - 1)]))

    async def _answer(self, name: str, ask: Callable[[], Awaitable[AgentFacts]]) -> object:
        before = self.seen[name][-1].version if self.seen[name] else 0
        try:
            answer = await ask()
        except ClusterError as error:
            return type(error).__name__
        self._see(answer)
        return _told(answer), answer.version != before

    def _see(self, agent: AgentFacts) -> None:
        seen = self.seen[agent.name]
        if not seen or seen[-1] != agent:
            seen.append(agent)


def _told(agent: AgentFacts | None) -> object:
    if agent is None or agent.spec is None:
        return None
    status = {key: value for key, value in agent.status.items() if key != "conditions"}
    return (
        (agent.generation, agent.deleting, agent.finalizers, bool(agent.owner_uid), agent.controlled),
        (agent.spec, dict(agent.labels), status),
    )


def steps(seed: int) -> list[tuple[Any, ...]]:
    """Random requests: `which` is the how manieth look at an Agent that the request is made from."""
    dice = random.Random(seed)
    specs: list[dict[str, Any]] = [
        {},
        {"operatingMode": "Suspended"},
        {"parentName": "eve"},
        {"priority": 5000},
    ]
    made: list[tuple[Any, ...]] = []
    for _ in range(STEPS):
        name, which = dice.choice(NAMES), dice.choice((0, 99, 99, 99))
        made.append(
            dice.choice(
                [
                    ("create", name, dice.choice(specs)),
                    ("create", name, {}),
                    (
                        "finalizers",
                        name,
                        which,
                        dice.choice([(), ("horos.dev/bus",), ("a.b/c", "horos.dev/bus")]),
                    ),
                    ("mode", name, which, dice.choice(list(OperatingMode))),
                    ("status", name, which, dice.choice(["idle", "paused"])),
                    ("own", name, which, dice.choice([other for other in NAMES if other != name])),
                    ("delete", name, which),
                ]
            )
        )
    return made


@pytest.mark.parametrize("seed", range(8))
async def test_the_same_requests_get_the_same_answers(namespace: str, tmp_path: Path, seed: int) -> None:
    store = ObjectStore(tmp_path)
    local = Side(LocalCluster(store, Objects(store), DataFolders(tmp_path, SECRET, {})), namespace)
    connection = await KubeConnection.open()
    try:
        kube = Side(KubeCluster(connection, [namespace]), namespace)
        try:
            for number, (verb, *words) in enumerate(steps(seed)):
                answers = [await getattr(side, verb)(*words) for side in (kube, local)]
                about = f"step {number}: {verb} {words}"
                assert answers[0] == answers[1], f"{about}\nAPI server: {answers[0]}\nhere: {answers[1]}"
                await _agree(kube, local, about)
        finally:
            await _clear(kube)
    finally:
        await connection.aclose()


async def _agree(kube: Side, local: Side, about: str) -> None:
    """Both have the same Agents, as soon as the cluster has collected its garbage."""
    last: tuple[object, object] = (None, None)
    try:
        async with asyncio.timeout(GARBAGE_SECONDS):
            while True:
                looks = [[await side.look(name) for name in NAMES] for side in (kube, local)]
                last = (looks[0], looks[1])
                if looks[0] == looks[1]:
                    return
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"after {about}\nAPI server: {last[0]}\nhere: {last[1]}")


async def _clear(side: Side) -> None:
    """Leave nothing for the next test."""
    for name in NAMES:
        agent = await side.cluster.agent(side.namespace, name)
        if agent is not None:
            await side.cluster.delete_agent(agent)
            agent = await side.cluster.agent(side.namespace, name)
        if agent is not None:
            await side.cluster.set_finalizers(agent, ())
