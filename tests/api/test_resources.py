import pytest
from pydantic import ValidationError

from horos_api.agent_state import AgentState
from horos_api.pod_fields import quantity_value
from horos_api.resources import Agent, AgentSpec, BuiltinTool, OperatingMode


def agent(spec: object, name: str = "ada") -> Agent:
    return Agent.from_manifest(
        {"apiVersion": "horos.dev/v1alpha1", "kind": "Agent", "metadata": {"name": name}, "spec": spec}
    )


def errors(spec: object, name: str = "ada") -> list[str]:
    with pytest.raises(ValidationError) as caught:
        agent(spec, name)
    return [f"{'.'.join(map(str, each['loc']))}: {each['msg']}" for each in caught.value.errors()]


def nested(levels: int) -> object:
    return {} if levels == 1 else {"items": nested(levels - 1)}


def test_an_empty_spec_is_filled_with_defaults() -> None:
    assert agent({}).to_manifest()["spec"] == {
        "instructions": "",
        "tools": {"builtin": ["send", "ask", "reply", "list_agents", "history"], "servers": []},
        "operatingMode": "Running",
        "lifetime": "Permanent",
        "priority": 0,
        "parentName": "",
        "imagePullSecrets": [],
        "env": [],
        "nodeSelector": {},
        "tolerations": [],
        "resources": {"requests": {"cpu": "10m", "memory": "96Mi"}, "limits": {"memory": "256Mi"}},
        "budget": {"toolRounds": 25, "turnSeconds": 600, "requestSeconds": 3600, "children": 8, "depth": 3},
    }


def test_a_manifest_survives_reading_and_writing() -> None:
    spec = {
        "instructions": "You are Ada.",
        "model": {
            "name": "m",
            "baseUrl": "https://llm.example/v1",
            "apiKeySecretRef": {"name": "llm", "key": "apiKey"},
            "temperature": "0.2",
            "contextWindowTokens": 8000,
            "maxOutputTokens": 500,
            "configName": "shared",
            "responseSchema": {"type": "object", "properties": {"city": {"default": None}}},
            "fallbacks": [{"name": "spare", "configName": "other"}, {}],
        },
        "tools": {"builtin": [], "servers": []},
        "operatingMode": "Suspended",
        "lifetime": "Task",
        "ttlSecondsAfterFinished": 60,
        "priority": -3,
        "idleSeconds": 0,
        "parentName": "lead",
        "image": "registry.example/agent:1",
        "imagePullSecrets": [{"name": "pull"}],
        "env": [
            {"name": "A", "value": "1"},
            {"name": "B", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}},
            {"name": "C", "valueFrom": {"configMapKeyRef": {"name": "c", "key": "k"}}},
        ],
        "nodeSelector": {"kubernetes.io/os": "linux"},
        "tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
        "resources": {
            "requests": {"cpu": "1", "memory": "1Gi", "ephemeral-storage": "1Gi"},
            "limits": {"cpu": "2", "memory": "1Gi", "ephemeral-storage": "2Gi"},
        },
        "budget": {
            "toolRounds": 3,
            "turnSeconds": 60,
            "requestSeconds": 90,
            "tokensPerDay": 1000,
            "costPerDay": "0.5",
            "children": 2,
            "depth": 0,
        },
    }
    assert agent(spec).to_manifest() == {
        "apiVersion": "horos.dev/v1alpha1",
        "kind": "Agent",
        "metadata": {"name": "ada"},
        "spec": spec,
    }
    assert agent(agent(spec).to_manifest()["spec"]) == agent(spec)


def test_python_writes_snake_case_and_manifests_may_not() -> None:
    spec = AgentSpec(operating_mode=OperatingMode.SUSPENDED)
    assert spec.model_dump(mode="json", by_alias=True)["operatingMode"] == "Suspended"
    assert errors({"operating_mode": "Suspended"}) == ["spec.operating_mode: Extra inputs are not permitted"]


def test_an_agent_cannot_be_changed_in_place() -> None:
    with pytest.raises(ValidationError, match="frozen"):
        agent({}).spec.instructions = "other"  # type: ignore[misc]


def test_null_means_absent_as_it_does_to_the_api_server() -> None:
    assert agent({"model": None, "budget": {"toolRounds": None}, "nodeSelector": {"a": None}}) == agent({})
    assert errors({"extra": None}) == ["spec.extra: Extra inputs are not permitted"]


@pytest.mark.parametrize(
    ("spec", "field"),
    [
        ({"instruction": "typo"}, "spec.instruction"),
        ({"tools": {"builtin": ["shell"]}}, "spec.tools.builtin.0"),
        ({"tools": {"builtin": ["send", "send"]}}, "spec.tools.builtin"),
        ({"model": {"temperature": 0.2}}, "spec.model.temperature"),
        ({"model": {"temperature": "2.1"}}, "spec.model.temperature"),
        ({"model": {"baseUrl": "ftp://x"}}, "spec.model.baseUrl"),
        ({"model": {"contextWindowTokens": 511}}, "spec.model.contextWindowTokens"),
        ({"model": {"contextWindowTokens": 600, "maxOutputTokens": 600}}, "spec.model"),
        ({"model": {"apiKeySecretRef": {"name": "llm"}}}, "spec.model.apiKeySecretRef.key"),
        ({"model": {"configName": "Big One"}}, "spec.model.configName"),
        ({"model": {"responseSchema": "{}"}}, "spec.model.responseSchema"),
        ({"model": {"responseSchema": {str(each): 0 for each in range(257)}}}, "spec.model.responseSchema"),
        ({"model": {"responseSchema": {"title": "x" * 131_072}}}, "spec.model.responseSchema"),
        ({"model": {"responseSchema": nested(65)}}, "spec.model.responseSchema"),
        ({"model": {"fallbacks": [{}] * 9}}, "spec.model.fallbacks"),
        ({"model": {"fallbacks": [{}, {"fallbacks": []}]}}, "spec.model.fallbacks.1.fallbacks"),
        (
            {"model": {"fallbacks": [{"contextWindowTokens": 600, "maxOutputTokens": 600}]}},
            "spec.model.fallbacks.0",
        ),
        ({"operatingMode": "Stopped"}, "spec.operatingMode"),
        ({"budget": {"tokensPerDay": 0}}, "spec.budget.tokensPerDay"),
        ({"budget": {"tokensPerDay": "5"}}, "spec.budget.tokensPerDay"),
        ({"budget": {"costPerDay": 5}}, "spec.budget.costPerDay"),
        ({"budget": {"costPerDay": "5 €"}}, "spec.budget.costPerDay"),
        ({"budget": {"costPerDay": "-1"}}, "spec.budget.costPerDay"),
        ({"budget": {"toolRounds": "5"}}, "spec.budget.toolRounds"),
        ({"budget": {"toolRounds": True}}, "spec.budget.toolRounds"),
        ({"budget": {"turnSeconds": 0}}, "spec.budget.turnSeconds"),
        ({"env": [{"name": "A"}, {"name": "A"}]}, "spec.env"),
        ({"env": [{"name": "HOROS_TOKEN"}]}, "spec.env.0"),
        (
            {"env": [{"name": "A", "value": "x", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]},
            "spec.env.0",
        ),
        ({"env": [{"name": "A", "valueFrom": {}}]}, "spec.env.0.valueFrom"),
        ({"nodeSelector": {"not a label": "x"}}, "spec.nodeSelector"),
        ({"nodeSelector": {"a": "not a value"}}, "spec.nodeSelector.a"),
        ({"tolerations": [{"operator": "Exists", "value": "x"}]}, "spec.tolerations.0"),
        ({"tolerations": [{"value": "x"}]}, "spec.tolerations.0"),
        ({"tolerations": [{"key": "a", "tolerationSeconds": 3}]}, "spec.tolerations.0"),
        ({"resources": {"limits": {"memory": "64Mi"}}}, "spec.resources"),
        ({"resources": {"requests": {"cpu": "-1"}}}, "spec.resources.requests.cpu"),
        ({"resources": {"requests": {"cpu": 0.5}}}, "spec.resources.requests.cpu"),
        ({"resources": {"limits": {"nvidia.com/gpu": 1}}}, "spec.resources.limits.nvidia.com/gpu"),
        ({"image": "has space"}, "spec.image"),
    ],
)
def test_a_wrong_value_is_refused_at_its_field(spec: object, field: str) -> None:
    found = errors(spec)
    assert len(found) == 1
    assert found[0].startswith(f"{field}: ")


def test_a_schema_of_the_answer_may_be_64_levels_deep() -> None:
    model = agent({"model": {"responseSchema": nested(64)}}).spec.model
    assert model is not None
    assert model.response_schema == nested(64)


@pytest.mark.parametrize("name", ["n" * 53, "a.b", "Ada", "-a", "a-", "a_b", "", "ada\n"])
def test_a_name_that_does_not_fit_into_a_pod_name_is_refused(name: str) -> None:
    assert errors({}, name)[0].startswith("metadata.name: ")


def test_a_name_of_52_characters_is_accepted() -> None:
    assert agent({}, "n" * 52).metadata.name == "n" * 52


def test_whole_numbers_are_quantities_too() -> None:
    limits = agent({"resources": {"limits": {"cpu": 2, "memory": 2**30}}}).spec.resources.limits
    assert (limits.cpu, limits.memory) == ("2", "1073741824")


@pytest.mark.parametrize(
    ("quantity", "value"),
    [("250m", "0.25"), ("2", "2"), ("1.5", "1.5"), ("1k", "1000"), ("96Mi", "100663296"), ("1M", "1000000")],
)
def test_quantities_are_compared_as_numbers(quantity: str, value: str) -> None:
    assert str(quantity_value(quantity).normalize()) == str(quantity_value(value).normalize())


def test_what_the_api_server_returns_is_read_with_its_status() -> None:
    read = Agent.from_manifest(
        {
            "apiVersion": "horos.dev/v1alpha1",
            "kind": "Agent",
            "metadata": {
                "name": "ada",
                "namespace": "research",
                "uid": "u",
                "generation": 3,
                "finalizers": ["horos.dev/bus"],
                "managedFields": [{"manager": "kubectl"}],
            },
            "spec": {},
            "status": {
                "state": "idle",
                "podName": "ada-7",
                "usage": {
                    "turns": 12,
                    "promptTokens": 8100,
                    "completionTokens": 912,
                    "cost": "0.003849",
                    "today": {"date": "2026-01-01", "tokens": 9012, "cost": "0.003849"},
                },
                "conditions": [
                    {
                        "type": "Ready",
                        "status": "True",
                        "reason": "Resident",
                        "message": "",
                        "observedGeneration": 3,
                        "lastTransitionTime": "2026-01-01T00:00:00Z",
                    }
                ],
            },
        }
    )
    assert read.status.state is AgentState.IDLE
    assert read.status.usage.turns == 12
    assert read.status.usage.today is not None
    assert read.status.usage.today.tokens == 9012
    assert read.status.conditions[0].reason == "Resident"
    assert read.metadata.finalizers == ("horos.dev/bus",)


def test_tools_that_reach_many_or_make_something_are_asked_for_by_name() -> None:
    groups = {BuiltinTool.BROADCAST, BuiltinTool.LIST_GROUPS, BuiltinTool.CREATE_GROUP}
    others = {*groups, BuiltinTool.CREATE_AGENT, BuiltinTool.TERMINATE_AGENT}
    assert set(AgentSpec().tools.builtin) == set(BuiltinTool) - others


@pytest.mark.parametrize(
    ("spec", "seconds"),
    [
        ({}, None),
        ({"lifetime": "Task"}, 3600),
        ({"lifetime": "Task", "ttlSecondsAfterFinished": 0}, 0),
        ({"ttlSecondsAfterFinished": 60}, 60),
    ],
)
def test_a_task_goes_an_hour_after_its_end_and_others_stay_unless_they_say_so(
    spec: dict[str, object], seconds: int | None
) -> None:
    assert agent(spec).spec.ttl_seconds == seconds


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"lifetime": "Forever"}, "spec.lifetime: Input should be 'Permanent' or 'Task'"),
        (
            {"ttlSecondsAfterFinished": -1},
            "spec.ttlSecondsAfterFinished: Input should be greater than or equal to 0",
        ),
        (
            {"budget": {"children": 1001}},
            "spec.budget.children: Input should be less than or equal to 1000",
        ),
        ({"budget": {"depth": 17}}, "spec.budget.depth: Input should be less than or equal to 16"),
    ],
)
def test_a_wrong_lifetime_or_family_budget_is_named(spec: dict[str, object], problem: str) -> None:
    assert errors(spec) == [problem]
