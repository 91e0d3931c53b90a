"""Who may create Agents but not read a Secret cannot have an agent use it: the API server itself is asked."""

import subprocess
from collections.abc import Iterator
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import RELEASE, Namespace, eventually, run
from tests.e2e.people import Person, role, service_account

KEYED = {"name": "locked", "key": "k"}
NAMED = {"name": "locked"}


def using(**server: Any) -> dict[str, Any]:
    return {"tools": {"servers": [{"name": "docs", **server}]}}


PLACES: dict[str, tuple[str, dict[str, Any]]] = {
    "spec.model.apiKeySecretRef": ("Agent", {"model": {"apiKeySecretRef": KEYED}}),
    "spec.model.fallbacks[].apiKeySecretRef": (
        "Agent",
        {"model": {"fallbacks": [{"name": "m"}, {"apiKeySecretRef": KEYED}]}},
    ),
    "spec.env[B].valueFrom.secretKeyRef": (
        "Agent",
        {"env": [{"name": "A", "value": "1"}, {"name": "B", "valueFrom": {"secretKeyRef": KEYED}}]},
    ),
    "spec.imagePullSecrets": ("Agent", {"imagePullSecrets": [NAMED]}),
    "spec.tools.servers[docs].headersSecretRef": (
        "Agent",
        using(url="http://docs/mcp", headersSecretRef=NAMED),
    ),
    "spec.tools.servers[docs].oauthSecretRef": ("Agent", using(url="http://docs/mcp", oauthSecretRef=NAMED)),
    "spec.tools.servers[docs].env[TOKEN].valueFrom.secretKeyRef": (
        "Agent",
        using(command=["x"], env=[{"name": "TOKEN", "valueFrom": {"secretKeyRef": KEYED}}]),
    ),
    "spec.apiKeySecretRef": (
        "ModelConfig",
        {"name": "m", "baseUrl": "http://m/v1", "apiKeySecretRef": KEYED},
    ),
    "spec.headersSecretRef": ("ToolServer", {"url": "http://docs/mcp", "headersSecretRef": NAMED}),
    "spec.oauthSecretRef": ("ToolServer", {"url": "http://docs/mcp", "oauthSecretRef": NAMED}),
}
KINDS = ["agents", "modelconfigs", "toolservers"]


def manifest(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
    # Suspended: what is asked is whether it may be written, so no pod has to start.
    mode = {"operatingMode": "Suspended"} if kind == "Agent" else {}
    return {
        "apiVersion": "horos.dev/v1alpha1",
        "kind": kind,
        "metadata": {"name": name},
        "spec": {**mode, **spec},
    }


@pytest.fixture(scope="module")
def builder(namespace: Namespace) -> Person:
    """May write all of ours, and read no Secret; the policy is known to be in force."""
    rights = {"apiGroups": ["horos.dev"], "resources": KINDS, "verbs": ["get", "create", "update", "patch"]}
    namespace.apply(*role("builder", rights))
    found = service_account(namespace, "builder")
    plain, locked = (manifest("Agent", "probe", spec) for spec in ({}, {"imagePullSecrets": [NAMED]}))

    def in_force() -> bool:
        return found.creates(plain).returncode == 0 and found.creates(locked).returncode != 0

    eventually("the rights and the policy are in force", in_force)
    return found


@pytest.fixture(scope="module")
def trusted(namespace: Namespace) -> Person:
    """May write all of ours, and read the one Secret."""
    ours = {"apiGroups": ["horos.dev"], "resources": KINDS, "verbs": ["get", "create", "update", "patch"]}
    one = {"apiGroups": [""], "resources": ["secrets"], "resourceNames": ["locked"], "verbs": ["get"]}
    namespace.apply(*role("trusted", ours, one))
    return service_account(namespace, "trusted")


@pytest.fixture(scope="module")
def existing(namespace: Namespace) -> Iterator[dict[str, tuple[str, str]]]:
    """Kind and name of an object with each reference, written by an administrator."""
    made = {
        place: manifest(kind, f"there-{number}", spec)
        for number, (place, (kind, spec)) in enumerate(PLACES.items())
    }
    namespace.apply(*made.values())
    yield {place: (each["kind"], each["metadata"]["name"]) for place, each in made.items()}
    for each in made.values():
        namespace.kubectl("delete", each["kind"], each["metadata"]["name"], "--wait=true", "--timeout=60s")


def assert_refused(done: subprocess.CompletedProcess[str], place: str, who: str) -> None:
    assert done.returncode != 0, done.stdout
    assert "(Forbidden)" in done.stderr
    assert f'{place}: {who} may not read Secret "locked"' in done.stderr
    assert "expected the right to get that Secret" in done.stderr


@pytest.mark.parametrize("place", PLACES)
def test_who_may_not_read_a_secret_cannot_name_it(namespace: Namespace, builder: Person, place: str) -> None:
    kind, spec = PLACES[place]
    who = f"system:serviceaccount:{namespace.name}:builder"
    assert_refused(builder.creates(manifest(kind, "new", spec)), place, who)


@pytest.mark.parametrize("place", PLACES)
def test_who_may_read_that_secret_can_name_it(trusted: Person, place: str) -> None:
    kind, spec = PLACES[place]

    def accepted() -> bool:
        done = trusted.creates(manifest(kind, "new", spec))
        assert done.returncode == 0, done.stderr
        return True

    # The API server learns of new rights a moment later.
    eventually("it is accepted", accepted, seconds=20)


def test_the_right_to_read_one_secret_is_none_to_name_another(trusted: Person) -> None:
    done = trusted.creates(manifest("Agent", "new", {"imagePullSecrets": [{"name": "other"}]}))
    assert done.returncode != 0
    assert 'may not read Secret "other"' in done.stderr


EDITS: dict[str, dict[str, Any]] = {
    "Agent": {"instructions": "Be brief."},
    "ModelConfig": {"temperature": "0.5"},
    "ToolServer": {},
}
OTHERS: dict[str, dict[str, Any]] = {
    "Agent": {"imagePullSecrets": [{"name": "other"}]},
    "ModelConfig": {"apiKeySecretRef": {"name": "other"}},
    "ToolServer": {"headersSecretRef": {"name": "other"}},
}


@pytest.mark.parametrize("place", PLACES)
def test_a_reference_that_stays_as_it_was_passes_and_another_one_does_not(
    builder: Person, existing: dict[str, tuple[str, str]], place: str
) -> None:
    kind, name = existing[place]
    for change in ({"metadata": {"labels": {"team": "x"}}}, {"spec": EDITS[kind]}):
        done = builder.patches(kind, name, change)
        assert done.returncode == 0, done.stderr
    refused = builder.patches(kind, name, {"spec": OTHERS[kind]})
    assert refused.returncode != 0, refused.stdout
    assert 'may not read Secret "other"' in refused.stderr


def test_a_secret_is_not_sent_to_another_address_by_who_may_not_read_it(
    namespace: Namespace, builder: Person, existing: dict[str, tuple[str, str]]
) -> None:
    who = f"system:serviceaccount:{namespace.name}:builder"
    moved = {
        "spec.model.apiKeySecretRef": {"model": {"baseUrl": "http://elsewhere/v1"}},
        "spec.apiKeySecretRef": {"baseUrl": "http://elsewhere/v1"},
        "spec.headersSecretRef": {"url": "http://elsewhere/mcp"},
    }
    for place, change in moved.items():
        assert_refused(builder.patches(*existing[place], {"spec": change}), place, who)


def test_a_model_key_is_not_sent_where_another_model_config_says_by_who_may_not_read_it(
    namespace: Namespace, builder: Person, existing: dict[str, tuple[str, str]]
) -> None:
    who = f"system:serviceaccount:{namespace.name}:builder"
    place = "spec.model.apiKeySecretRef"
    assert_refused(
        builder.patches(*existing[place], {"spec": {"model": {"configName": "elsewhere"}}}), place, who
    )
    place = "spec.model.fallbacks[].apiKeySecretRef"
    change = {"fallbacks": [{"name": "m"}, {"apiKeySecretRef": KEYED, "configName": "elsewhere"}]}
    assert_refused(builder.patches(*existing[place], {"spec": {"model": change}}), place, who)


def test_a_secret_that_pulls_images_is_not_moved_into_the_environment_by_who_may_not_read_it(
    namespace: Namespace, builder: Person, existing: dict[str, tuple[str, str]]
) -> None:
    who = f"system:serviceaccount:{namespace.name}:builder"
    change = {"env": [{"name": "A", "valueFrom": {"secretKeyRef": KEYED}}]}
    refused = builder.patches(*existing["spec.imagePullSecrets"], {"spec": change})
    assert_refused(refused, "spec.env[A].valueFrom.secretKeyRef", who)


def test_the_operator_and_no_other_of_its_name_is_exempt(
    namespace: Namespace, builder: Person, existing: dict[str, tuple[str, str]]
) -> None:
    kind, name = existing["spec.imagePullSecrets"]
    change = {"spec": {"env": [{"name": "A", "valueFrom": {"secretKeyRef": KEYED}}]}}
    operator = Person(namespace, f"system:serviceaccount:{RELEASE}:horos-operator")
    done = operator.patches(kind, name, change)
    assert done.returncode == 0, done.stderr
    ours = {"apiGroups": ["horos.dev"], "resources": KINDS, "verbs": ["get", "patch"]}
    namespace.apply(*role("horos-operator", ours))
    impostor = service_account(namespace, "horos-operator")

    def refused_by_the_policy() -> bool:
        return 'may not read Secret "locked"' in impostor.patches(kind, name, change).stderr

    eventually("another of its name is refused", refused_by_the_policy, seconds=20)


def test_an_administrator_names_as_many_as_there_is_room_for(namespace: Namespace, builder: Person) -> None:
    variables = [
        {"name": f"A{number}", "valueFrom": {"secretKeyRef": {"name": f"s{number}", "key": "k"}}}
        for number in range(128)
    ]
    whole = manifest("Agent", "many", {"env": variables})
    administrator = run(
        "kubectl", "-n", namespace.name, "create", "--dry-run=server", "-f", "-", given=yaml.safe_dump(whole)
    )
    assert "many" in administrator.stdout
    assert builder.creates(whole).returncode != 0
