"""Namespaces with agents on fake nodes, an operator from the checkout, and a Redis of their own."""

import asyncio
import os
import signal
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import yaml

from horos_api.names import API_VERSION, key_prefix
from horos_bus.connection import Bus
from horos_operator.kube.connection import MERGE_PATCH, KubeConnection
from tests.controller.conftest import free_port
from tests.e2e.cluster import Namespace, kubectl
from tests.redis_fixtures import RedisProcess, system_redis
from tests.simulator.nodes import PLACEMENT

STOP_SECONDS = 30
AT_ONCE = 16


def agent_manifest(namespace: str, name: str, **spec: Any) -> dict[str, Any]:
    """An Agent whose pods go to fake nodes."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Agent",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {**PLACEMENT, **spec},
    }


class World:
    """What one operator serves. Redis is a process of this machine, so agents' pods and we see it alike.

    `everywhere`: the operator watches all namespaces, as by default; else only those of the world.
    """

    def __init__(self, folder: Path, namespaces: int = 1, *, everywhere: bool = False) -> None:
        self.name = f"fake-{uuid.uuid4().hex[:6]}"
        self.system = Namespace(f"{self.name}-system")
        self.namespaces = [Namespace(f"{self.name}-{number}") for number in range(namespaces)]
        self.redis = RedisProcess(folder, system_redis() or "")
        self.log = folder / "operator.log"
        self.probe_port = free_port()
        self.command = [sys.executable, "-m", "horos_operator"]
        self._everywhere = everywhere
        self._operator: subprocess.Popen[bytes] | None = None

    @property
    def names(self) -> list[str]:
        """The names of the namespaces with agents."""
        return [each.name for each in self.namespaces]

    @property
    def operator_pid(self) -> int:
        """The process id of the running operator."""
        assert self._operator is not None, "the operator does not run"
        return self._operator.pid

    def bus(self, namespace: str) -> Bus:
        """Open the bus of a namespace as an administrator; the caller closes it."""
        return Bus.open(self.redis.url, key_prefix(self.name, namespace))

    def set_up(self) -> None:
        """Start Redis, make the namespaces, and the class of pods that quotas of pools count."""
        self.redis.start()
        kubectl("create", "priorityclass", self.name, "--value=0", "--preemption-policy=Never")
        for namespace in (self.system, *self.namespaces):
            kubectl("create", "namespace", namespace.name)

    def tear_down(self) -> None:
        """Remove everything, and stop everything."""
        self.stop_operator()
        try:
            asyncio.run(_let_go_of_agents(self.names))
        finally:
            for namespace in (*self.namespaces, self.system):
                kubectl("delete", "namespace", namespace.name, "--wait=false")
            kubectl("delete", "priorityclass", self.name)
            self.redis.stop()

    def start_operator(self, environment: Mapping[str, str] | None = None) -> None:
        """Start the operator; more of its environment may be given, without the prefix."""
        mine = {
            "INSTALL": self.name,
            "NAMESPACE": self.system.name,
            "NAMESPACES": "" if self._everywhere else ",".join(self.names),
            "REDIS_URL": self.redis.url,
            "AGENT_IMAGE": "simulated",
            "AGENT_PRIORITY_CLASS": self.name,
            "MODEL_NAME": "none",
            "MODEL_BASE_URL": "http://127.0.0.1:9/v1",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(self.probe_port),
            "POD_NAME": self.name,
            **(environment or {}),
        }
        named = {f"HOROS_OPERATOR_{name}": value for name, value in mine.items()}
        # Compiled once, as in the image, or each start would take a second longer.
        inherited = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
        with self.log.open("ab") as log:
            self._operator = subprocess.Popen(self.command, env=inherited | named, stdout=log, stderr=log)

    def stop_operator(self, how: signal.Signals = signal.SIGTERM) -> None:
        """Stop the operator if it runs."""
        if self._operator is not None:
            self._operator.send_signal(how)
            self._operator.wait(timeout=STOP_SECONDS)
            self._operator = None

    def apply(self, manifests: Sequence[dict[str, Any]]) -> None:
        """Apply a few manifests."""
        kubectl("apply", "-f", "-", given=yaml.safe_dump_all(manifests))


async def _let_go_of_agents(namespaces: Sequence[str]) -> None:
    """Let go of all Agents: the operator would take longer, and the bus with what it has goes anyway."""
    connection = await KubeConnection.open()
    try:
        for namespace in namespaces:
            agents = f"/apis/{API_VERSION}/namespaces/{namespace}/agents"
            found = (await connection.request("GET", agents))["items"]
            left = iter([each["metadata"]["name"] for each in found])

            async def let_go(path: str = agents, left: Iterator[str] = left) -> None:
                for name in left:
                    body = {"metadata": {"finalizers": None}}
                    await connection.request("PATCH", f"{path}/{name}", body, MERGE_PATCH)

            await asyncio.gather(*(let_go() for _ in range(AT_ONCE)))
    finally:
        await connection.aclose()


@contextmanager
def world(folder: Path, namespaces: int = 1, *, everywhere: bool = False) -> Iterator[World]:
    """Have a world until the block ends."""
    made = World(folder, namespaces, everywhere=everywhere)
    made.set_up()
    try:
        yield made
    finally:
        made.tear_down()
