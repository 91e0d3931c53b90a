"""An operator of our own, from the checkout, against the test cluster: its namespaces, Redis and process."""

import base64
import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Generator, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from horos_api.crd import KINDS
from tests.e2e.cluster import PROJECT, RELEASE, Namespace, eventually, images, kubectl, run, unavailable


@pytest.fixture(scope="module")
def cluster() -> Iterator[None]:
    """The test cluster with our CRDs, and without another operator that would serve the same Agents."""
    require_cluster()
    with ours_alone():
        yield


def require_cluster() -> None:
    """Skip the test, or fail it where everything has to run, when there is no cluster."""
    reason = unavailable()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)


@contextmanager
def ours_alone() -> Iterator[None]:
    """Have today's CRDs, and the operator of the release stopped, which would serve the same Agents."""
    for kind in KINDS:
        _install_definition(kind.plural)
    other = ("-n", RELEASE, "scale", "deployment/horos-operator")
    released = run("kubectl", *other, "--replicas=0", check=False).returncode == 0
    try:
        yield
    finally:
        if released:
            kubectl(*other, "--replicas=1")
            kubectl("-n", RELEASE, "rollout", "status", "deployment/horos-operator", "--timeout=120s")


def _install_definition(plural: str) -> None:
    """Bring the CRD to what it is today, in a way that lets the chart adopt it later.

    A cluster that lives longer than a checkout has the one of an older release.
    """
    file = str(PROJECT / f"crds/{plural}.yaml")
    kubectl("apply", "--server-side", "--force-conflicts", "-f", file)
    name = f"{plural}.horos.dev"
    kubectl("label", "--overwrite", "crd", name, "app.kubernetes.io/managed-by=Helm")
    kubectl("annotate", "--overwrite", "crd", name, "meta.helm.sh/release-name=horos",
            f"meta.helm.sh/release-namespace={RELEASE}")  # fmt: skip


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port: int = taken.getsockname()[1]
        return port


CONTROL_PLANE = "node-role.kubernetes.io/control-plane"
LOG_LINES = 150
"""Of the operator's log, shown when a test fails: enough for a traceback and what led to it."""


class Stage:
    """Two namespaces, a Redis that can come late, and an operator process that can be stopped and started."""

    def __init__(self, folder: Path, priority_class: str = "") -> None:
        self.priority_class = priority_class
        self.name = f"controller-{uuid.uuid4().hex[:6]}"
        self.own = Namespace(f"{self.name}-system")
        self.agents = Namespace(self.name)
        self.log = folder / "operator.log"
        # Once: a build meanwhile would change the default image, and so replace every pod.
        self.images = images()
        self._redis_port, self.probe_port = free_port(), free_port()
        self._operator: subprocess.Popen[bytes] | None = None
        self._forward: subprocess.Popen[bytes] | None = None

    def set_up(self) -> None:
        for namespace in (self.own, self.agents):
            kubectl("create", "namespace", namespace.name)
        kubectl("label", "namespace", self.name, "pod-security.kubernetes.io/enforce=restricted")

    def tear_down(self) -> None:
        self.stop_operator()
        if self._forward:
            self._forward.terminate()
            self._forward.wait(timeout=10)
        for kind in ("agent", "group"):
            for each in self.agents.all(kind):
                name = each["metadata"]["name"]
                self.agents.kubectl(
                    "patch", kind, name, "--type=merge", "-p", '{"metadata":{"finalizers":null}}'
                )
        for namespace in (self.agents, self.own):
            kubectl("delete", "namespace", namespace.name, "--wait=false")

    def start_operator(self) -> None:
        self._operator = self.another_operator(self.probe_port)

    def another_operator(self, probe_port: int) -> subprocess.Popen[bytes]:
        """Start an operator that the caller ends; it shares everything with the stage's own, its log too."""
        mine = {
            "INSTALL": self.name,
            "NAMESPACE": self.own.name,
            "NAMESPACES": self.name,
            "REDIS_URL": f"redis://127.0.0.1:{self._redis_port}/0",
            "REDIS_BUNDLED": "true",
            "AGENT_REDIS_URL": f"redis://redis.{self.own.name}:6379/0",
            "AGENT_IMAGE": self.images["agent"],
            "AGENT_PRIORITY_CLASS": self.priority_class,
            "MODEL_NAME": "none",
            "MODEL_BASE_URL": "http://127.0.0.1:9/v1",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": str(probe_port),
            "POD_NAME": f"operator-{probe_port}",
        }
        environment = {**os.environ, **{f"HOROS_OPERATOR_{name}": value for name, value in mine.items()}}
        with self.log.open("ab") as log:
            command = [sys.executable, "-m", "horos_operator"]
            return subprocess.Popen(command, env=environment, stdout=log, stderr=log)

    def stop_operator(self, how: signal.Signals = signal.SIGTERM) -> int:
        """Stop it if it runs, and return its exit status."""
        if self._operator is None:
            return 0
        self._operator.send_signal(how)
        status = self._operator.wait(timeout=30)
        self._operator = None
        return status

    def notice_an_end(self) -> None:
        """Raise RuntimeError, once, when the operator has ended and nobody had stopped it."""
        if self._operator is None or (status := self._operator.poll()) is None:
            return
        self._operator = None
        raise RuntimeError(f"the operator has ended by itself with {status}")

    def told(self) -> str:
        """Say whether the operator runs and what it logged last, for whoever reads of a failed test."""
        runs = self._operator is not None and self._operator.poll() is None
        lines = self.log.read_text(errors="replace").splitlines() if self.log.exists() else []
        return "\n".join([f"it {'runs' if runs else 'does not run'}", *lines[-LOG_LINES:]])

    def settle(self) -> None:
        """Have Redis, the operator and the resident agent `ada`, whatever an earlier test left."""
        self.notice_an_end()
        if self._operator is None:
            self.start_operator()
        if self._forward is None:
            self.start_redis()
        if not any(agent["metadata"]["name"] == "ada" for agent in self.agents.all("agents")):
            self.apply("ada")
        self.until("ada", "Resident", seconds=120)

    def start_redis(self) -> None:
        """Start a Redis with the password that the operator made, and make it reachable from here."""
        container: dict[str, Any] = {
            "name": "redis",
            "image": self.images["redis"],
            "imagePullPolicy": "IfNotPresent",
            "command": [
                "redis-server",
                "--dir",
                "/tmp",
                "--appendonly",
                "yes",
                "--requirepass",
                "$(PASSWORD)",
            ],
            "env": [
                {
                    "name": "PASSWORD",
                    "valueFrom": {"secretKeyRef": {"name": "horos-redis", "key": "password"}},
                }
            ],
            "readinessProbe": {"tcpSocket": {"port": 6379}, "periodSeconds": 1},
        }
        labels = {"app": "redis"}
        self.own.apply(
            {
                "apiVersion": "v1",
                "kind": "Pod",
                "metadata": {"name": "redis", "labels": labels},
                # Not where a test may stop the kubelet.
                "spec": {
                    "containers": [container],
                    "nodeSelector": {CONTROL_PLANE: ""},
                    "tolerations": [{"operator": "Exists"}],
                },
            },
            {
                "apiVersion": "v1",
                "kind": "Service",
                "metadata": {"name": "redis"},
                "spec": {"selector": labels, "ports": [{"port": 6379}]},
            },
        )
        self.own.kubectl("wait", "pod/redis", "--for=condition=Ready", "--timeout=120s")
        command = ["kubectl", "-n", self.own.name, "port-forward", "pod/redis", f"{self._redis_port}:6379"]
        self._forward = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

    def bus_url(self) -> str:
        """The address of Redis from here, with its administrator's password."""
        found = self.own.get("secret", "horos-redis")["data"]["password"]
        return f"redis://:{base64.b64decode(found).decode()}@127.0.0.1:{self._redis_port}/0"

    def redis(self, *words: str) -> list[str]:
        """Run a command in Redis as its administrator; returns the lines of the answer."""
        found = self.own.get("secret", "horos-redis")["data"]["password"]
        password = base64.b64decode(found).decode()
        script = 'export REDISCLI_AUTH="$1"; shift; exec redis-cli --no-auth-warning "$@"'
        answer = self.own.kubectl("exec", "redis", "--", "sh", "-c", script, "sh", password, *words)
        return [line for line in answer.splitlines() if line]

    def apply(self, name: str, **spec: Any) -> None:
        """Apply an Agent; it stays resident unless the test says otherwise."""
        metadata, spec = {"name": name}, {"idleSeconds": 0, **spec}
        self.agents.apply(
            {"apiVersion": "horos.dev/v1alpha1", "kind": "Agent", "metadata": metadata, "spec": spec}
        )

    def until(self, agent: str, reason: str, seconds: float = 60) -> dict[str, Any]:
        """Wait until Ready has this reason, and return the condition."""

        def told() -> dict[str, Any] | None:
            self.notice_an_end()
            condition = self.agents.condition(agent, "Ready")
            assert condition.get("reason") == reason, f"Ready is {condition}"
            return condition

        found = eventually(f"{agent}: {reason}", told, seconds)
        assert found is not None
        return found

    def pods(self, agent: str) -> list[dict[str, Any]]:
        return self.agents.all("pods", f"horos.dev/agent={agent}")


@pytest.fixture(scope="module")
def stage(cluster: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    made = Stage(tmp_path_factory.mktemp("operator"))
    made.set_up()
    yield made
    try:
        made.notice_an_end()
    finally:
        made.tear_down()


@pytest.fixture
def settled(stage: Stage) -> Stage:
    """A stage where all is well; a test that failed does not take its followers down."""
    stage.settle()
    return stage


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item: pytest.Item) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Show the operator's log beside a test that failed: where tests run, nobody can look it up later."""
    report = yield
    stage = getattr(item, "funcargs", {}).get("stage")
    if report.failed and isinstance(stage, Stage):
        report.sections.append(("the operator", stage.told()))
    return report
