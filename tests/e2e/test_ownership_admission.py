"""What only the operator may write is refused to whoever else may write Agents, Groups and pods."""

import json
import subprocess
from typing import Any

import pytest

from tests.e2e.cluster import RELEASE, Namespace, eventually
from tests.e2e.people import Person, role, service_account

WRITE = ["get", "create", "update", "patch", "delete"]
OWNER = {
    "apiVersion": "horos.dev/v1alpha1",
    "kind": "Agent",
    "name": "lead",
    "uid": "11111111-2222-3333-4444-555555555555",
}
SPECS: dict[str, dict[str, Any]] = {
    # Suspended: what is asked is whether it may be written, so no pod has to start.
    "Agent": {"operatingMode": "Suspended"},
    "Group": {"members": ["ada"]},
    "Pod": {"containers": [{"name": "c", "image": "none"}]},
}


def manifest(kind: str, name: str = "new", spec: dict[str, Any] | None = None, **meta: Any) -> dict[str, Any]:
    version = "v1" if kind == "Pod" else "horos.dev/v1alpha1"
    whole = {**SPECS[kind], **(spec or {})}
    return {"apiVersion": version, "kind": kind, "metadata": {"name": name, **meta}, "spec": whole}


@pytest.fixture(scope="module")
def builder(namespace: Namespace) -> Person:
    """May write all of ours, and pods; the policy is known to be in force."""
    ours = {"apiGroups": ["horos.dev"], "resources": ["agents", "groups"], "verbs": WRITE}
    namespace.apply(*role("builder", ours, {"apiGroups": [""], "resources": ["pods"], "verbs": WRITE}))
    found = service_account(namespace, "builder")

    def in_force() -> bool:
        plain, labelled = manifest("Agent"), manifest("Agent", labels={"horos.dev/root": "lead"})
        return found.creates(plain).returncode == 0 and found.creates(labelled).returncode != 0

    eventually("the rights and the policy are in force", in_force)
    return found


@pytest.fixture(scope="module")
def existing(namespace: Namespace) -> dict[str, str]:
    """One of each, with everything that only the operator may write; by kind, its name."""
    meta = {"labels": {"horos.dev/root": "lead"}, "annotations": {"horos.dev/order": "a/1-0/1.0"}}
    # An Agent without an ownerReference: nobody is there who could own it.
    namespace.apply(*(manifest(kind, "there", **meta) for kind in ("Agent", "Group")))
    pod = manifest("Pod", "there", labels={"horos.dev/agent": "nobody"}, annotations=meta["annotations"])
    namespace.apply(pod)
    return dict.fromkeys(SPECS, "there")


def assert_refused(done: subprocess.CompletedProcess[str], *words: str) -> None:
    assert done.returncode != 0, done.stdout
    assert "(Forbidden)" in done.stderr
    for word in words:
        assert word in done.stderr, done.stderr


@pytest.mark.parametrize("kind", SPECS)
@pytest.mark.parametrize("part", ["labels", "annotations"])
def test_labels_and_annotations_of_ours_are_the_operators(builder: Person, kind: str, part: str) -> None:
    done = builder.creates(manifest(kind, **{part: {"horos.dev/root": "lead", "team": "x"}}))
    assert_refused(done, f"metadata.{part}: horos.dev/root is the operator's:", "may not set, change or re")
    fine = builder.creates(manifest(kind, **{part: {"team": "x"}}))
    assert fine.returncode == 0, fine.stderr


@pytest.mark.parametrize("kind", SPECS)
def test_what_the_operator_wrote_is_neither_changed_nor_removed(
    builder: Person, existing: dict[str, str], kind: str
) -> None:
    key = "horos.dev/agent" if kind == "Pod" else "horos.dev/root"
    for value in ("other", None):
        done = builder.patches(kind, existing[kind], {"metadata": {"labels": {key: value}}})
        assert_refused(done, f"metadata.labels: {key} is the operator's")
        done = builder.patches(
            kind, existing[kind], {"metadata": {"annotations": {"horos.dev/order": value}}}
        )
        assert_refused(done, "metadata.annotations: horos.dev/order is the operator's")
    fine = builder.patches(kind, existing[kind], {"metadata": {"labels": {"team": "x"}}})
    assert fine.returncode == 0, fine.stderr


@pytest.mark.parametrize("kind", SPECS)
def test_nobody_else_gives_an_agent_a_possession(
    builder: Person, existing: dict[str, str], kind: str
) -> None:
    words = ('metadata.ownerReferences: Agent "lead" is for the operator to set:', "expected spec.parentName")
    assert_refused(builder.creates(manifest(kind, ownerReferences=[OWNER])), *words)
    done = builder.patches(kind, existing[kind], {"metadata": {"ownerReferences": [OWNER]}})
    assert_refused(done, *words)
    other = {"apiVersion": "v1", "kind": "ConfigMap", "name": "c", "uid": OWNER["uid"]}
    fine = builder.creates(manifest(kind, ownerReferences=[other]))
    assert fine.returncode == 0, fine.stderr


def test_agents_places_in_the_pool_are_taken_by_nobody_else(builder: Person) -> None:
    done = builder.creates(manifest("Pod", spec={"priorityClassName": "horos-agents"}))
    assert_refused(done, 'spec.priorityClassName: "horos-agents" is for agents\' pods', "expected another")


@pytest.mark.parametrize("kind", SPECS)
def test_the_operator_itself_and_who_may_act_in_its_name_are_free(namespace: Namespace, kind: str) -> None:
    whole = manifest(kind, labels={"horos.dev/root": "lead"}, ownerReferences=[OWNER])
    operator = Person(namespace, f"system:serviceaccount:{RELEASE}:horos-operator")
    done = operator.creates(whole)
    assert done.returncode == 0, done.stderr
    namespace.kubectl("create", "--dry-run=server", "-f", "-", given=_json(whole))


def test_a_parent_name_is_anybodys_to_write(builder: Person) -> None:
    done = builder.creates(manifest("Agent", spec={"parentName": "lead"}))
    assert done.returncode == 0, done.stderr


def _json(manifest: dict[str, Any]) -> str:
    return json.dumps(manifest)
