"""What people write for a LocalCluster: what is let in, what is refused, what a second apply changes."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from horos_api.crd import KINDS
from horos_operator.cluster import ClusterError, RefusedError
from horos_operator.local.admission import TRANSITIONS
from horos_operator.local.data import secret_variable
from horos_operator.local.files import FolderUnusableError
from horos_operator.local.kinds import MODELS, PLURALS
from tests.e2e.cluster import PROJECT
from tests.local.conftest import agent, pool
from tests.local.place import Place


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


def test_it_keeps_every_kind_that_the_cluster_has() -> None:
    assert {kind.name: kind.plural for kind in KINDS} == PLURALS
    assert {kind.plural: kind.model for kind in KINDS} == MODELS


def rules_about_changes(schema: Any) -> Iterator[str]:
    """The message of every rule of a CRD that compares with what was there before."""
    if isinstance(schema, dict):
        for rule in schema.get("x-kubernetes-validations", ()):
            if "oldSelf" in rule["rule"]:
                yield rule["message"]
        for part in schema.values():
            yield from rules_about_changes(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from rules_about_changes(part)


def test_every_rule_about_changes_holds_here_too() -> None:
    from horos_api.crd import schema

    for kind in KINDS:
        assert set(rules_about_changes(schema(kind))) == set(TRANSITIONS.get(kind.plural, {})), kind.name


def test_what_is_written_is_there_also_for_the_next_process(place: Place) -> None:
    labelled = agent("ada", instructions="Be brief.")
    labelled["metadata"]["labels"] = {"team": "x"}
    place.apply(labelled, pool(2))
    metadata = place.agent()["metadata"]
    assert (metadata["namespace"], metadata["generation"], metadata["labels"]) == (
        "default",
        1,
        {"team": "x"},
    )
    assert len(metadata["uid"]) == 36 and metadata["creationTimestamp"].endswith("Z")
    again = place.again()
    assert list(again.store.everything()) == list(place.store.everything())
    again.apply(agent("bob"))
    assert int(again.agent("bob")["metadata"]["resourceVersion"]) > int(metadata["resourceVersion"])


def test_the_same_once_more_changes_nothing(place: Place) -> None:
    place.apply(agent("ada", instructions="Be brief."))
    before = place.agent()
    place.apply(agent("ada", instructions="Be brief."))
    assert place.agent() == before


def test_a_second_apply_takes_back_what_it_says_no_more_and_leaves_what_others_set(place: Place) -> None:
    first = agent("ada", instructions="Be brief.", priority=5, budget={"toolRounds": 3, "turnSeconds": 60})
    first["metadata"]["labels"] = {"team": "x"}
    place.apply(first)
    there = place.agent()
    foreign = {**there["spec"], "operatingMode": "Suspended"}
    labels = {"team": "x", "horos.dev/root": "lead"}
    place.store.put("agents", {**there, "metadata": {**there["metadata"], "labels": labels}, "spec": foreign})
    place.apply(agent("ada", instructions="Be long.", budget={"toolRounds": 3}))
    changed = place.agent()
    assert changed["spec"] == {
        "instructions": "Be long.",
        "budget": {"toolRounds": 3},
        "operatingMode": "Suspended",
    }
    assert changed["metadata"]["labels"] == {"horos.dev/root": "lead"}
    assert changed["metadata"]["generation"] == 2
    assert changed["metadata"]["uid"] == there["metadata"]["uid"]


def test_what_the_operator_has_set_may_be_written_once_more(place: Place) -> None:
    place.apply(agent("ada"))
    there = place.agent()
    place.store.put(
        "agents", {**there, "metadata": {**there["metadata"], "labels": {"horos.dev/root": "lead"}}}
    )
    same = agent("ada") | {"metadata": {"name": "ada", "labels": {"horos.dev/root": "lead"}}}
    place.apply(same)
    assert place.agent()["metadata"]["labels"] == {"horos.dev/root": "lead"}
    assert "horos.dev/root" in place.refusal(
        agent("ada") | {"metadata": {"name": "ada", "labels": {"horos.dev/root": "eve"}}}
    )


@pytest.mark.parametrize(
    ("document", "said"),
    [
        (agent("ada", model={"temperature": 0.2}), "spec.model.temperature: Input should be a valid string"),
        (agent("ada", instruction="typo"), "spec.instruction: Extra inputs are not permitted, found 'typo'"),
        (agent("n" * 53), "metadata.name: name 'nnn"),
        (agent("Ada"), "metadata.name:"),
        (agent("ada", parentName="ada"), "an agent is not its own parent"),
        (
            pool(2) | {"metadata": {"name": "second"}},
            "a namespace has one AgentPool, and its name is default",
        ),
        ({"kind": "Agents", "apiVersion": "horos.dev/v1alpha1"}, "kind: expected one of Agent, "),
        (agent("ada") | {"apiVersion": "v1"}, "apiVersion: expected horos.dev/v1alpha1, found 'v1'"),
        (agent("ada") | {"metadata": None}, "metadata: expected an object with a name, found nothing"),
        (agent("ada") | {"metadata": {"name": "ada", "namespace": "A"}}, "metadata.namespace: namespace 'A'"),
        (agent("ada") | {"metadata": {"name": "ada", "labels": {"team": "a b"}}}, "metadata.labels.team:"),
        (agent("ada") | {"metadata": {"name": "ada", "labels": {"a b": "x"}}}, "metadata.labels: expected"),
        (agent("ada") | {"metadata": {"name": "ada", "labels": {"n": 1}}}, "metadata.labels: expected texts"),
        (
            agent("ada") | {"metadata": {"name": "ada", "labels": {"horos.dev/root": "eve"}}},
            "metadata.labels: horos.dev/root is the operator's; expected it as it was, found 'eve'",
        ),
        (
            agent("ada") | {"metadata": {"name": "ada", "annotations": {"horos.dev/order": "x"}}},
            "metadata.annotations: horos.dev/order is the operator's",
        ),
        ("Agent", "expected an object with apiVersion, kind and metadata, found 'Agent'"),
        ({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "llm"}, "data": {"k": "%"}}, "data.k:"),
        (
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "llm"}, "stringData": {"..": "x"}},
            "..",
        ),
        (
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "../x"}},
            "metadata.name: expected a DNS",
        ),
        ({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "c"}, "datum": {}}, "datum: unknown"),
    ],
)
def test_bad_input_is_named_and_changes_nothing(place: Place, document: Any, said: str) -> None:
    refusal = place.refusal(agent("good"), document)
    assert said in refusal
    assert refusal.count("\n") == 0 and "good" not in refusal


def test_all_problems_are_told_at_once(place: Place) -> None:
    said = place.refusal(agent("ada", priority="x"), agent("bob", idleSeconds=-1), agent("good"))
    assert [line.partition(":")[0] for line in said.splitlines()] == [
        "document 1 (Agent ada)",
        "document 2 (Agent bob)",
    ]


def test_two_documents_of_one_name_are_refused(place: Place) -> None:
    assert "Agent default/ada: there are two documents" in place.refusal(agent("ada"), agent("ada"))


def test_what_a_change_may_not_do_is_refused_before_anything_changes(place: Place) -> None:
    place.apply(agent("ada", operatingMode="Terminated"), agent("kid", parentName="lead"))
    said = place.refusal(
        agent("new"), agent("ada", operatingMode="Running"), agent("kid", parentName="other")
    )
    assert said.splitlines() == [
        "Agent default/ada: operatingMode: Terminated is final; delete the Agent and create it anew",
        "Agent default/kid: parentName: an agent keeps its parent; delete the Agent and create it anew",
    ]


def test_secrets_are_files_that_nobody_else_reads_and_the_environment_stands_in(tmp_path: Path) -> None:
    place = Place(tmp_path, {secret_variable("llm", "apiKey"): "from outside"})
    assert place.values.secrets.value("default", "llm", "apiKey") == "from outside"
    assert place.values.secrets.value("default", "llm", "other") is None
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "llm"}}
    place.apply(secret | {"data": {"apiKey": "aW5zaWRl"}, "stringData": {"more": "x"}})
    assert place.values.secrets.read("default", "llm") == {"apiKey": "inside", "more": "x"}
    assert place.values.secrets.value("default", "llm", "apiKey") == "inside"
    files = [path for path in (tmp_path / "secrets").rglob("*") if path.is_file()]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    place.apply(secret | {"stringData": {"apiKey": "new"}})
    assert place.values.secrets.read("default", "llm") == {"apiKey": "new"}
    assert place.written.delete("Secret", "default", "llm")
    assert not place.written.delete("Secret", "default", "llm")
    assert "HOROS_SECRET_LLM_APIKEY" in place.values.secrets.missing("default", "llm", "apiKey")


def test_a_config_map_is_not_looked_for_in_the_environment(tmp_path: Path) -> None:
    place = Place(tmp_path, {secret_variable("tone", "word"): "loud"})
    assert place.values.config_maps.value("default", "tone", "word") is None
    place.apply(
        {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "tone"}, "data": {"word": "soft"}}
    )
    assert place.values.config_maps.value("default", "tone", "word") == "soft"


def test_what_only_a_cluster_can_do_is_said(place: Place, caplog: pytest.LogCaptureFixture) -> None:
    place.apply(agent("ada", image="ours:1", nodeSelector={"disk": "ssd"}), agent("bob"))
    assert [record.getMessage() for record in caplog.records] == [
        "Agent default/ada: image, nodeSelector mean nothing without a cluster"
    ]


def test_what_cannot_be_written_changes_nothing(place: Place) -> None:
    place.apply(agent("ada"))
    (place.folder / "objects/agentpools").write_text("in the way")
    with pytest.raises(ClusterError, match=r"agentpools/default/default\.json cannot be written"):
        place.apply(pool(2))
    assert place.store.all("agentpools") == []
    (place.folder / "secrets").write_text("in the way")
    with pytest.raises(ClusterError, match="secrets/default/llm cannot be written"):
        place.apply(
            {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "llm"}, "stringData": {"k": "v"}}
        )


def test_a_file_that_cannot_be_read_is_named(place: Place) -> None:
    place.apply(agent("ada"))
    (place.folder / "objects/agents/default/ada.json").write_text("{")
    with pytest.raises(FolderUnusableError, match=r"ada\.json cannot be read"):
        place.again()


def test_what_was_written_halfway_when_a_process_died_is_not_there(place: Place) -> None:
    place.apply(agent("ada"))
    (place.folder / "objects/agents/default/..bob.json.unfinished").write_text("{")
    assert [body["metadata"]["name"] for body in place.again().store.all("agents")] == ["ada"]


def test_an_unknown_kind_cannot_be_deleted(place: Place) -> None:
    with pytest.raises(RefusedError, match="kind: expected one of Agent"):
        place.written.delete("Pod", "default", "ada-1")


def test_killed_before_any_file_operation_the_folder_can_be_read_and_the_work_be_done(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.local.crash_points", str(tmp_path)]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=True)
    whole, *points = map(json.loads, done.stdout.splitlines())
    assert len(points) > 25 and [each["killed"] for each in points] == [True] * (len(points) - 1) + [False]
    for each in points:
        assert each["left"] in whole, each
        assert each["again"] == whole[-1] == {}, each
