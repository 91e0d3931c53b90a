"""One release for the whole e2e suite, one namespace with a scripted model for each test file."""

import os
import uuid
from collections.abc import Iterator
from typing import Any, Protocol

import pytest

from tests.e2e.cluster import PROJECT, RELEASE, Namespace, kubectl, run, unavailable
from tests.e2e.model import ScriptedModel


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/e2e" in item.path.as_posix():
            item.add_marker(pytest.mark.cluster)


@pytest.fixture(scope="session")
def release() -> str:
    """The chart as `make demo` installs it, with the local model."""
    reason = unavailable()
    if reason and os.environ.get("CI") == "true":
        pytest.fail(reason)
    if reason:
        pytest.skip(reason)
    run("helm", "upgrade", "--install", "horos", str(PROJECT / "charts/horos"), "--namespace", RELEASE,
        "--create-namespace", "--values", str(PROJECT / ".cluster/images.yaml"),
        "--set", "localModel.enabled=true", "--wait", "--timeout", "6m")  # fmt: skip
    return RELEASE


@pytest.fixture(scope="module")
def namespace(release: str) -> Iterator[Namespace]:
    name = f"e2e-{uuid.uuid4().hex[:8]}"
    kubectl("create", "namespace", name)
    yield Namespace(name)
    kubectl("delete", "namespace", name, "--wait=true", "--timeout=120s")


@pytest.fixture(scope="module")
def model(namespace: Namespace) -> ScriptedModel:
    started = ScriptedModel(namespace)
    started.start()
    return started


class ApplyAgent(Protocol):
    def __call__(self, name: str, **spec: Any) -> None: ...


@pytest.fixture
def agent(namespace: Namespace, model: ScriptedModel) -> Iterator[ApplyAgent]:
    """Apply an Agent that talks to the scripted model and stays resident; it is deleted after the test."""
    names: set[str] = set()

    def apply(name: str, **spec: Any) -> None:
        names.add(name)
        asked = {"instructions": "You are a test.", "idleSeconds": 0, **spec}
        asked["model"] = {"name": "scripted", "baseUrl": model.base_url, **spec.get("model", {})}
        namespace.apply(
            {"apiVersion": "horos.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name}, "spec": asked}
        )

    yield apply
    for name in names:
        namespace.kubectl("delete", "agent", name, "--ignore-not-found", "--timeout=60s")
