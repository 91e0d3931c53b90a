"""Two operators in the cluster: the one that leads is killed while Agents are applied."""

import time
from collections.abc import Iterator

import pytest

from tests.e2e.cluster import RELEASE, Namespace, eventually, kubectl
from tests.e2e.conftest import ApplyAgent

OPERATOR = "app.kubernetes.io/component=operator"
TAKEOVER_SECONDS = 15.0


def scale(replicas: int) -> None:
    kubectl("-n", RELEASE, "scale", "deployment/horos-operator", f"--replicas={replicas}")
    kubectl("-n", RELEASE, "rollout", "status", "deployment/horos-operator", "--timeout=180s")


def leading_pod() -> str:
    """The pod that the Lease names; its identity is the pod's name and a random part."""
    lease = Namespace(RELEASE).get("lease", "horos-operator")
    return str(lease["spec"].get("holderIdentity") or "").rpartition("_")[0]


@pytest.fixture
def two_operators(release: str) -> Iterator[None]:
    scale(2)
    yield
    scale(1)


def test_the_leading_operator_is_killed_in_a_burst_and_every_agent_lives_once(
    two_operators: None, namespace: Namespace, agent: ApplyAgent
) -> None:
    names = [f"burst-{number}" for number in range(8)]
    first = eventually("somebody leads", leading_pod)
    pods = [pod["metadata"]["name"] for pod in Namespace(RELEASE).all("pods", OPERATOR)]
    assert first in pods
    for name in names[:4]:
        agent(name)
    kubectl("-n", RELEASE, "delete", "pod", first, "--grace-period=0", "--force")
    killed = time.monotonic()
    for name in names[4:]:
        agent(name)
    second = eventually("another leads", lambda: (now := leading_pod()) not in {"", first} and now)
    assert time.monotonic() - killed < TAKEOVER_SECONDS
    assert second in pods, "the one that was there already was ready to lead"
    for name in names:
        pod = namespace.until_ready(name, 240)
        # Its first pod, and the only one: no other life has begun in between.
        assert pod["metadata"]["name"] == f"{name}-1"
        assert len(namespace.all("pods", f"horos.dev/agent={name}")) == 1
