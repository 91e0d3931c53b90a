"""Every manifest is accepted or refused by the API server exactly as the pydantic model does it.

Unknown fields are refused under strict field validation, which is what kubectl asks for.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from horos_api.crd import agent_schema
from horos_api.resources import Agent, AgentSpec
from horos_operator.kube.connection import KubeError
from tests.api.conftest import ApiServer, as_json
from tests.api.specs import (
    EVERY_FIELD,
    NAMES,
    SPECS,
    WRONG_NAMES,
    changed_specs,
    every_field_changed,
    every_object_extended,
)

pytestmark = pytest.mark.cluster

ON_THE_CLUSTER = settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])


def manifest(spec: Any, name: str = "ada") -> dict[str, Any]:
    return {
        "apiVersion": "horos.dev/v1alpha1",
        "kind": "Agent",
        "metadata": {"name": name},
        "spec": spec,
    }


def refusal_by_model(document: dict[str, Any]) -> str | None:
    try:
        Agent.from_manifest(document)
    except ValidationError as error:
        return str(error)
    return None


def assert_same_verdict(document: dict[str, Any], by_server: str | None) -> None:
    by_model = refusal_by_model(document)
    assert (by_model is None) == (by_server is None), (
        f"{as_json(document)}\nmodel: {by_model or 'accepted'}\nAPI server: {by_server or 'accepted'}"
    )


def test_every_field_gets_the_same_verdict_from_both(api_server: ApiServer) -> None:
    described = set(agent_schema()["properties"]["spec"]["properties"])
    assert set(EVERY_FIELD) == described, "specs.EVERY_FIELD lacks a field"
    documents = [manifest(spec) for spec in [EVERY_FIELD, *every_field_changed(), *every_object_extended()]]
    verdicts = api_server.refusals(documents)
    assert verdicts[0] is None
    assert sum(verdict is not None for verdict in verdicts) > len(verdicts) / 2
    for document, by_server in zip(documents, verdicts, strict=True):
        assert_same_verdict(document, by_server)


@ON_THE_CLUSTER
@given(spec=SPECS, name=NAMES)
def test_a_valid_agent_is_stored_as_the_model_reads_it(
    api_server: ApiServer, spec: dict[str, Any], name: str
) -> None:
    document = manifest(spec, name)
    stored = api_server.created(document)
    assert AgentSpec.model_validate(stored["spec"]) == Agent.from_manifest(document).spec


@ON_THE_CLUSTER
@given(spec=changed_specs())
@example(spec={"model": {"base_url": None}})
@example(spec={"budget": {"toolRounds": None, "turnSeconds": 5.0}})
def test_a_change_anywhere_gets_the_same_verdict_from_both(api_server: ApiServer, spec: Any) -> None:
    assert_same_verdict(manifest(spec), api_server.refusal(manifest(spec)))


@settings(ON_THE_CLUSTER, max_examples=40)
@given(name=st.one_of(NAMES, WRONG_NAMES))
@example(name="n" * 52)
@example(name="n" * 53)
def test_names_get_the_same_verdict_from_both(api_server: ApiServer, name: str) -> None:
    assert_same_verdict(manifest({}, name), api_server.refusal(manifest({}, name)))


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({"instruction": "typo"}, "instruction"),
        ({"tools": {"builtin": ["shell"]}}, "spec.tools.builtin"),
        ({"model": {"temperature": 0.2}}, "spec.model.temperature"),
        ({"model": {"contextWindowTokens": 1000, "maxOutputTokens": 1000}}, "below contextWindowTokens"),
        ({"resources": {"limits": {"memory": "64Mi"}}}, "requests.memory must not be above limits.memory"),
        ({"env": [{"name": "HOROS_TOKEN", "value": "x"}]}, "horos' own"),
    ],
)
def test_a_refusal_names_what_is_wrong(api_server: ApiServer, spec: dict[str, Any], said: str) -> None:
    by_server, by_model = api_server.refusal(manifest(spec)), refusal_by_model(manifest(spec))
    assert by_server is not None and said in by_server
    assert by_model is not None and said.rsplit(".", 1)[-1] in by_model


def test_a_name_that_is_too_long_is_refused_with_the_limit(api_server: ApiServer) -> None:
    refusal = api_server.refusal(manifest({}, "n" * 53))
    assert refusal is not None and "at most 52 characters" in refusal


def test_terminated_is_final(api_server: ApiServer) -> None:
    path = f"/apis/{api_server.group}/v1alpha1/namespaces/default/agents"
    body = manifest({"operatingMode": "Suspended"}, "over") | {"apiVersion": f"{api_server.group}/v1alpha1"}
    stored = api_server.request("POST", path, body)
    stored["spec"]["operatingMode"] = "Terminated"
    stored = api_server.request("PUT", f"{path}/over", stored)
    for mode in ("Running", "Suspended"):
        stored["spec"]["operatingMode"] = mode
        with pytest.raises(KubeError, match="Terminated is final"):
            api_server.request("PUT", f"{path}/over", stored)
    api_server.request("DELETE", f"{path}/over")
