"""The scripted model as a pod of the test's namespace, driven over the API server's service proxy."""

import json
from dataclasses import dataclass
from typing import Any

from tests.e2e.cluster import Namespace, eventually, images, kubectl

NAME = "scripted-model"


@dataclass(frozen=True)
class ScriptedModel:
    """One server of `horos model-script`; the agents of the namespace reach it at `base_url`."""

    namespace: Namespace

    @property
    def base_url(self) -> str:
        return f"http://{NAME}.{self.namespace.name}.svc:8080/v1"

    def start(self) -> None:
        script = {"replies": [{"text": "no script yet"}], "repeat": "last"}
        command = [
            "python",
            "-m",
            "horos",
            "model-script",
            "/script/script.json",
            "--host",
            "0.0.0.0",
            "--port",
            "8080",
        ]
        labels = {"app": NAME}
        container = {
            "name": "model",
            "image": images()["operator"],
            "command": command,
            "ports": [{"containerPort": 8080}],
            "volumeMounts": [{"name": "script", "mountPath": "/script"}],
            "readinessProbe": {"httpGet": {"path": "/v1/models", "port": 8080}, "periodSeconds": 1},
        }
        self.namespace.apply(
            {
                "apiVersion": "v1",
                "kind": "ConfigMap",
                "metadata": {"name": NAME},
                "data": {"script.json": json.dumps(script)},
            },
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": NAME, "labels": labels},
                "spec": {
                    "containers": [container],
                    "volumes": [{"name": "script", "configMap": {"name": NAME}}],
                    "terminationGracePeriodSeconds": 0,
                    "nodeSelector": {"node-role.kubernetes.io/control-plane": ""},
                    "tolerations": [{"operator": "Exists"}],
                },
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": NAME},
                "spec": {"selector": labels, "ports": [{"name": "http", "port": 8080}]},
            },
        )
        self.namespace.kubectl("wait", "--for=condition=Ready", f"pod/{NAME}", "--timeout=60s")
        eventually("the model answers through its service", lambda: self.requests() == [])

    def play(self, *replies: dict[str, Any], repeat: str = "error") -> None:
        """Replace the script and forget all requests."""
        self._post("script", {"replies": replies, "repeat": repeat})

    def step(self) -> None:
        """Let the next held chunk go."""
        self._post("step", {})

    def requests(self) -> list[dict[str, Any]]:
        """The bodies of the requests since the last script, oldest first."""
        answer = json.loads(kubectl("get", "--raw", f"{self._path}/requests"))
        return [request["body"] for request in answer["requests"]]

    def until_asked(self, times: int = 1) -> list[dict[str, Any]]:
        """Wait until so many requests have come."""
        return (
            eventually(
                f"{times} requests at the model", lambda: (r := self.requests()) and len(r) >= times and r
            )
            or []
        )

    @property
    def _path(self) -> str:
        return f"/api/v1/namespaces/{self.namespace.name}/services/{NAME}:http/proxy/control"

    def _post(self, what: str, body: dict[str, Any]) -> None:
        kubectl("create", "--raw", f"{self._path}/{what}", "-f", "-", given=json.dumps(body))
