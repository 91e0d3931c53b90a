"""A tool server over HTTP as a Deployment of the test's namespace."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.e2e.cluster import Namespace, eventually, images
from tests.e2e.model import ScriptedModel

PROGRAM = Path(__file__).with_name("mcp_program.py")
PORT = 8000


@dataclass(frozen=True)
class HttpToolServer:
    """One server of mcp_program.py; the agents of the namespace reach it at `url`."""

    namespace: Namespace
    model: ScriptedModel
    name: str = "weights"

    @property
    def url(self) -> str:
        return f"http://{self.name}.{self.namespace.name}.svc:{PORT}/mcp"

    def start(self) -> None:
        labels = {"app": self.name}
        container = {
            "name": "server",
            "image": images()["agent"],
            "command": ["python", "/program/mcp_program.py", str(PORT)],
            "env": [{"name": "MODEL_URL", "value": self.model.base_url}],
            "ports": [{"containerPort": PORT}],
            "volumeMounts": [{"name": "program", "mountPath": "/program"}],
            "readinessProbe": {"tcpSocket": {"port": PORT}, "periodSeconds": 1},
        }
        pod: dict[str, Any] = {
            "containers": [container],
            "volumes": [{"name": "program", "configMap": {"name": self.name}}],
            "terminationGracePeriodSeconds": 0,
        }
        self.namespace.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": self.name},
                "data": {PROGRAM.name: PROGRAM.read_text()},
            },
            {
                "apiVersion": "apps/v1",
                "kind": "Deployment",
                "metadata": {"name": self.name},
                "spec": {
                    "selector": {"matchLabels": labels},
                    "template": {"metadata": {"labels": labels}, "spec": pod},
                },
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": self.name},
                "spec": {"selector": labels, "ports": [{"name": "http", "port": PORT}]},
            },
        )
        self.until_ready()

    def until_ready(self) -> None:
        self.namespace.kubectl("rollout", "status", f"deployment/{self.name}", "--timeout=90s")

    def kill(self) -> None:
        """Kill the server's pod without grace, and wait for the next one."""
        (pod,) = self.namespace.all("pods", f"app={self.name}")
        name, uid = pod["metadata"]["name"], pod["metadata"]["uid"]
        self.namespace.kubectl("delete", "pod", name, "--grace-period=0", "--force")
        eventually(
            "another pod of the server",
            lambda: uid not in [p["metadata"]["uid"] for p in self.namespace.all("pods", f"app={self.name}")],
        )
        self.until_ready()
