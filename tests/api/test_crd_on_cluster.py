"""Every manifest is accepted or refused by the API server exactly as the pydantic model does it.

Unknown fields are refused under strict field validation, which is what kubectl asks for.
"""

from typing import Any

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from horos_api.agent_pools import AgentPool, AgentPoolSpec
from horos_api.crd import AGENT, AGENT_POOL, GROUP_KIND, KINDS, MODEL_CONFIG, TOOL_SERVER, schema
from horos_api.groups import Group, GroupSpec
from horos_api.model_config import ModelConfig, ModelConfigSpec
from horos_api.resources import Agent, AgentSpec
from horos_api.tool_servers import ToolServer, ToolServerSpec
from horos_operator.kube.connection import KubeError
from tests.api.conftest import ApiServer, as_json
from tests.api.specs import (
    AGENT_POOLS,
    EVERY_CONFIG_FIELD,
    EVERY_FIELD,
    EVERY_GROUP_FIELD,
    EVERY_POOL_FIELD,
    EVERY_TOOL_SERVER_FIELD,
    GROUPS,
    MODEL_CONFIGS,
    NAMES,
    SPECS,
    TOOL_SERVERS,
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


def model_config(spec: Any, name: str = "default") -> dict[str, Any]:
    return manifest(spec, name) | {"kind": "ModelConfig"}


def tool_server(spec: Any, name: str = "docs") -> dict[str, Any]:
    return manifest(spec, name) | {"kind": "ToolServer"}


def agent_pool(spec: Any, name: str = "default") -> dict[str, Any]:
    return manifest(spec, name) | {"kind": "AgentPool"}


def group(spec: Any, name: str = "review") -> dict[str, Any]:
    return manifest(spec, name) | {"kind": "Group"}


def refusal_by_model(document: dict[str, Any]) -> str | None:
    models = {kind.name: kind.model for kind in KINDS}
    try:
        models[document["kind"]].from_manifest(document)
    except ValidationError as error:
        return str(error)
    return None


def assert_same_verdict(document: dict[str, Any], by_server: str | None) -> None:
    by_model = refusal_by_model(document)
    assert (by_model is None) == (by_server is None), (
        f"{as_json(document)}\nmodel: {by_model or 'accepted'}\nAPI server: {by_server or 'accepted'}"
    )


def test_every_field_gets_the_same_verdict_from_both(api_server: ApiServer) -> None:
    described = set(schema(AGENT)["properties"]["spec"]["properties"])
    assert set(EVERY_FIELD) == described, "specs.EVERY_FIELD lacks a field"
    changed = [*every_field_changed(EVERY_FIELD), *every_object_extended(EVERY_FIELD)]
    documents = [manifest(spec) for spec in [EVERY_FIELD, *changed]]
    assert_same_verdicts(api_server, documents)


def test_every_field_of_a_model_config_gets_the_same_verdict_from_both(api_server: ApiServer) -> None:
    described = set(schema(MODEL_CONFIG)["properties"]["spec"]["properties"])
    assert set(EVERY_CONFIG_FIELD) == described, "specs.EVERY_CONFIG_FIELD lacks a field"
    changed = [*every_field_changed(EVERY_CONFIG_FIELD), *every_object_extended(EVERY_CONFIG_FIELD)]
    documents = [model_config(spec) for spec in [EVERY_CONFIG_FIELD, *changed]]
    assert_same_verdicts(api_server, documents)


def test_every_field_of_a_tool_server_gets_the_same_verdict_from_both(api_server: ApiServer) -> None:
    described = set(schema(TOOL_SERVER)["properties"]["spec"]["properties"])
    assert set(EVERY_TOOL_SERVER_FIELD) == described, "specs.EVERY_TOOL_SERVER_FIELD lacks a field"
    changed = [*every_field_changed(EVERY_TOOL_SERVER_FIELD), *every_object_extended(EVERY_TOOL_SERVER_FIELD)]
    documents = [tool_server(spec) for spec in [EVERY_TOOL_SERVER_FIELD, *changed]]
    assert_same_verdicts(api_server, documents)


def test_every_field_of_an_agent_pool_gets_the_same_verdict_from_both(api_server: ApiServer) -> None:
    described = set(schema(AGENT_POOL)["properties"]["spec"]["properties"])
    assert set(EVERY_POOL_FIELD) == described, "specs.EVERY_POOL_FIELD lacks a field"
    changed = [*every_field_changed(EVERY_POOL_FIELD), *every_object_extended(EVERY_POOL_FIELD)]
    documents = [agent_pool(spec) for spec in [EVERY_POOL_FIELD, *changed]]
    assert_same_verdicts(api_server, documents)


def test_every_field_of_a_group_gets_the_same_verdict_from_both(api_server: ApiServer) -> None:
    described = set(schema(GROUP_KIND)["properties"]["spec"]["properties"])
    assert set(EVERY_GROUP_FIELD) == described, "specs.EVERY_GROUP_FIELD lacks a field"
    changed = [*every_field_changed(EVERY_GROUP_FIELD), *every_object_extended(EVERY_GROUP_FIELD)]
    documents = [group(spec) for spec in [EVERY_GROUP_FIELD, *changed]]
    assert_same_verdicts(api_server, documents)


def assert_same_verdicts(api_server: ApiServer, documents: list[dict[str, Any]]) -> None:
    """The first is accepted, most are not, and the models say the same of each."""
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
@given(spec=MODEL_CONFIGS, name=NAMES)
def test_a_valid_model_config_is_stored_as_the_model_reads_it(
    api_server: ApiServer, spec: dict[str, Any], name: str
) -> None:
    document = model_config(spec, name)
    stored = api_server.created(document)
    assert ModelConfigSpec.model_validate(stored["spec"]) == ModelConfig.from_manifest(document).spec


@ON_THE_CLUSTER
@given(spec=TOOL_SERVERS, name=NAMES)
def test_a_valid_tool_server_is_stored_as_the_model_reads_it(
    api_server: ApiServer, spec: dict[str, Any], name: str
) -> None:
    document = tool_server(spec, name)
    stored = api_server.created(document)
    assert ToolServerSpec.model_validate(stored["spec"]) == ToolServer.from_manifest(document).spec


@ON_THE_CLUSTER
@given(spec=AGENT_POOLS)
def test_a_valid_agent_pool_is_stored_as_the_model_reads_it(
    api_server: ApiServer, spec: dict[str, Any]
) -> None:
    document = agent_pool(spec)
    stored = api_server.created(document)
    assert AgentPoolSpec.model_validate(stored["spec"]) == AgentPool.from_manifest(document).spec


@ON_THE_CLUSTER
@given(spec=GROUPS, name=NAMES)
def test_a_valid_group_is_stored_as_the_model_reads_it(
    api_server: ApiServer, spec: dict[str, Any], name: str
) -> None:
    document = group(spec, name)
    stored = api_server.created(document)
    assert GroupSpec.model_validate(stored["spec"]) == Group.from_manifest(document).spec


@ON_THE_CLUSTER
@given(spec=changed_specs(GROUPS))
@example(spec={})
@example(spec={"members": []})
@example(spec={"members": ["ada", "ada"]})
@example(spec={"members": [f"a{number}" for number in range(1001)]})
@example(spec={"memberSelector": {}})
@example(spec={"memberSelector": {"matchLabels": {}}})
@example(spec={"memberSelector": {"matchLabels": {"team": None}}})
@example(spec={"memberSelector": {"matchLabels": {"Not A Key": "x"}}})
@example(spec={"memberSelector": {"matchLabels": {"team": "no value!"}}})
def test_a_change_in_a_group_gets_the_same_verdict_from_both(api_server: ApiServer, spec: Any) -> None:
    assert_same_verdict(group(spec), api_server.refusal(group(spec)))


@settings(ON_THE_CLUSTER, max_examples=20)
@given(name=st.one_of(NAMES, WRONG_NAMES))
@example(name="n" * 52)
@example(name="n" * 53)
@example(name="a.b")
def test_names_of_groups_get_the_same_verdict_from_both(api_server: ApiServer, name: str) -> None:
    document = group({"members": ["ada"]}, name)
    assert_same_verdict(document, api_server.refusal(document))


def test_a_pool_of_another_name_is_refused_and_told_the_one_name(api_server: ApiServer) -> None:
    document = agent_pool({"maxRunning": 1}, "second")
    for refusal in (api_server.refusal(document), refusal_by_model(document)):
        assert refusal is not None
        assert "a namespace has one AgentPool, and its name is default" in refusal


def test_an_agent_is_not_its_own_parent(api_server: ApiServer) -> None:
    document = manifest({"parentName": "ada"})
    for refusal in (api_server.refusal(document), refusal_by_model(document)):
        assert refusal is not None and "an agent is not its own parent" in refusal


@ON_THE_CLUSTER
@given(spec=changed_specs(MODEL_CONFIGS))
@example(spec={"name": "m"})
@example(spec={"name": "m", "baseUrl": "http://m", "pricePerMillionTokens": {"prompt": "1."}})
def test_a_change_in_a_model_config_gets_the_same_verdict_from_both(api_server: ApiServer, spec: Any) -> None:
    assert_same_verdict(model_config(spec), api_server.refusal(model_config(spec)))


@ON_THE_CLUSTER
@given(spec=changed_specs(SPECS))
@example(spec={"model": {"base_url": None}})
@example(spec={"model": {"responseSchema": {"default": None, "enum": [None, 2**70]}}})
@example(spec={"model": {"responseSchema": {str(number): {} for number in range(257)}}})
@example(spec={"model": {"fallbacks": [{}, {}]}})
@example(spec={"budget": {"toolRounds": None, "turnSeconds": 5.0}})
@example(spec={"tools": {"servers": [{"name": "a"}]}})
@example(spec={"tools": {"servers": [{"name": "a", "url": "http://a", "command": ["a"]}]}})
@example(spec={"tools": {"servers": [{"name": "a", "command": ["a"], "env": [], "approvalFor": []}]}})
@example(spec={"tools": {"servers": [{"name": "a", "command": ["", "a"]}]}})
@example(spec={"tools": {"servers": [{"name": "a", "url": "http://a", "env": [{"name": "A"}]}]}})
@example(spec={"tools": {"servers": [{"name": "a", "serverName": "a", "oauthSecretRef": {"name": "a"}}]}})
@example(spec={"tools": {"servers": [{"name": "a", "serverName": "a", "approval": "Matching"}]}})
@example(spec={"tools": {"servers": [{"name": "a", "serverName": "a", "approvalFor": ["x"]}]}})
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
        ({"model": {"responseSchema": "{}"}}, "spec.model.responseSchema"),
        ({"model": {"fallbacks": [{"maxOutputTokens": 600, "contextWindowTokens": 600}]}}, "below context"),
        ({"budget": {"costPerDay": 5}}, "spec.budget.costPerDay"),
        ({"tools": {"servers": [{"name": "a"}]}}, "exactly one of url, command and serverName"),
        (
            {"tools": {"servers": [{"name": "a", "url": "http://a", "approval": "Matching"}]}},
            "need each other",
        ),
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


def test_an_agent_keeps_its_parent(api_server: ApiServer) -> None:
    path = f"/apis/{api_server.group}/v1alpha1/namespaces/default/agents"
    head = {"apiVersion": f"{api_server.group}/v1alpha1"}
    for name, parent, others in (("child", "lead", ("", "other")), ("orphan", "", ("lead",))):
        stored = api_server.request("POST", path, manifest({"parentName": parent}, name) | head)
        for other in others:
            stored["spec"]["parentName"] = other
            with pytest.raises(KubeError, match="an agent keeps its parent"):
                api_server.request("PUT", f"{path}/{name}", stored)
        del stored["spec"]["parentName"]
        if parent:
            with pytest.raises(KubeError, match="an agent keeps its parent"):
                api_server.request("PUT", f"{path}/{name}", stored)
        else:
            api_server.request("PUT", f"{path}/{name}", stored)
        api_server.request("DELETE", f"{path}/{name}")
