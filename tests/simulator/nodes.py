"""Fake nodes beside the real ones, played by kwok, a process on this machine."""

import json
import os
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import yaml

from tests.e2e.cluster import PROJECT, eventually, kubectl, run
from tests.simulator.pods import NODE_PREFIX

FAKE: Final = "horos.dev/fake"
HERE: Final = Path(__file__).parent
PLACEMENT: Final[dict[str, Any]] = {
    "nodeSelector": {FAKE: "true"},
    "tolerations": [{"key": FAKE, "operator": "Exists", "effect": "NoSchedule"}],
}
"""What an Agent's spec says so that its pods go to fake nodes."""


def node_name(number: int) -> str:
    """Name a fake node; the first is 0."""
    return f"{NODE_PREFIX}{number}"


def _node(name: str) -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {
            "name": name,
            "labels": {FAKE: "true", "kubernetes.io/hostname": name, "kubernetes.io/os": "linux"},
            "annotations": {"kwok.x-k8s.io/node": "fake"},
        },
        "spec": {"taints": [{"key": FAKE, "effect": "NoSchedule"}]},
    }


@contextmanager
def fake_nodes(count: int = 1) -> Iterator[list[str]]:
    """Have so many fake nodes, ready, until the block ends; yields their names.

    What an earlier run left behind is removed first. Pods that are still on them at the end go with them.
    """
    names = [node_name(number) for number in range(count)]
    _remove()
    command = [_kwok(), "--config", str(HERE / "stages.yaml"), "--kubeconfig", os.environ["KUBECONFIG"]]
    command += ["--manage-all-nodes=false", "--manage-nodes-with-annotation-selector=kwok.x-k8s.io/node=fake"]
    command += ["--node-lease-duration-seconds=40", "--server-address="]
    with tempfile.NamedTemporaryFile(prefix="kwok-", suffix=".log") as log:
        kwok = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            kubectl("apply", "-f", "-", given=yaml.safe_dump_all(map(_node, names)))
            eventually("the fake nodes are ready", lambda: _all_ready(kwok, Path(log.name)))
            yield names
        finally:
            _remove()
            kwok.terminate()
            kwok.wait(timeout=10)


def _kwok() -> str:
    return run(str(PROJECT / "tests/cluster/kwok.sh")).stdout.strip()


def _all_ready(kwok: "subprocess.Popen[bytes]", log: Path) -> bool:
    if kwok.poll() is not None:
        raise RuntimeError(f"kwok ended with {kwok.returncode}:\n{log.read_text()[-2000:]}")
    nodes = json.loads(kubectl("get", "nodes", "-l", f"{FAKE}=true", "-o", "json"))["items"]
    ready = [_ready(node) for node in nodes]
    return bool(ready) and all(ready)


def _remove() -> None:
    """Remove every fake node with its pods; nothing else would ever confirm that those are gone."""
    found = json.loads(kubectl("get", "nodes", "-l", f"{FAKE}=true", "-o", "json"))["items"]
    for node in [each["metadata"]["name"] for each in found]:
        on_it = ("--all-namespaces", "--field-selector", f"spec.nodeName={node}")
        kubectl("delete", "pods", *on_it, "--force", "--grace-period=0", "--wait=false")
        kubectl("delete", "node", node)


def _ready(node: dict[str, Any]) -> bool:
    conditions = node.get("status", {}).get("conditions", ())
    return any(each["type"] == "Ready" and each["status"] == "True" for each in conditions)
