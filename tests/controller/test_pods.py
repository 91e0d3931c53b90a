"""The pod of an Agent, compared whole: the smallest first, then one option more per test."""

import json
from typing import Any

from horos_api.resources import AgentSpec
from horos_api.tool_servers import ResolvedServer
from horos_operator.agent_factory import AgentFactory
from horos_operator.facts import agent_facts, pod_facts
from horos_operator.model_configs import ModelConfigFacts
from horos_operator.pods import Asked, Incarnation, asked, changed_parts, desired_pod
from horos_operator.settings import Settings
from horos_runtime.agent_config import StoredConfig
from tests.controller.facts import (
    FACTORY,
    SETTINGS,
    agent,
    asked_now,
    configs,
    model_config,
    servers,
    spec,
    tool_server,
)

NODE_GONE = [
    {
        "key": "node.kubernetes.io/not-ready",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 30,
    },
    {
        "key": "node.kubernetes.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 30,
    },
]
OWN_ENV: list[dict[str, Any]] = [
    {"name": "HOROS_AGENT", "value": "ada"},
    {"name": "HOROS_NAMESPACE", "value": "research"},
    {"name": "HOROS_UID", "value": "agent-uid"},
    {"name": "HOROS_TICKET", "value": "6"},
    {"name": "HOROS_TOKEN", "valueFrom": {"fieldRef": {"fieldPath": "metadata.uid"}}},
    {"name": "HOROS_REDIS_URL", "valueFrom": {"secretKeyRef": {"name": "horos-bus", "key": "url"}}},
    {"name": "HOROS_PREFIX", "valueFrom": {"secretKeyRef": {"name": "horos-bus", "key": "prefix"}}},
    {"name": "HOROS_HEALTH_PORT", "value": "8080"},
]


def smallest() -> dict[str, Any]:
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {
            "name": "ada-7",
            "namespace": "research",
            "labels": {
                "horos.dev/agent": "ada",
                "horos.dev/component": "agent",
                "app.kubernetes.io/name": "horos",
                "app.kubernetes.io/component": "agent",
                "app.kubernetes.io/managed-by": "horos-operator",
            },
            "annotations": {"horos.dev/asked": asked_now()},
            "ownerReferences": [
                {
                    "apiVersion": "horos.dev/v1alpha1",
                    "kind": "Agent",
                    "name": "ada",
                    "uid": "agent-uid",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "spec": {
            "restartPolicy": "Never",
            "terminationGracePeriodSeconds": 10,
            "automountServiceAccountToken": False,
            "enableServiceLinks": False,
            "priorityClassName": "horos-agents",
            "securityContext": {
                "runAsNonRoot": True,
                "runAsUser": 65532,
                "runAsGroup": 65532,
                "fsGroup": 65532,
                "seccompProfile": {"type": "RuntimeDefault"},
            },
            "containers": [
                {
                    "name": "agent",
                    "image": "horos/agent:1",
                    "imagePullPolicy": "IfNotPresent",
                    "env": OWN_ENV,
                    "resources": {
                        "requests": {"cpu": "10m", "memory": "96Mi"},
                        "limits": {"memory": "256Mi"},
                    },
                    "securityContext": {
                        "allowPrivilegeEscalation": False,
                        "capabilities": {"drop": ["ALL"]},
                        "readOnlyRootFilesystem": True,
                    },
                    "terminationMessagePolicy": "FallbackToLogsOnError",
                    "livenessProbe": {
                        "httpGet": {"path": "/healthz", "port": 8080},
                        "initialDelaySeconds": 20,
                        "periodSeconds": 20,
                        "timeoutSeconds": 5,
                        "failureThreshold": 3,
                    },
                    "volumeMounts": [{"name": "tmp", "mountPath": "/tmp"}],
                }
            ],
            "volumes": [{"name": "tmp", "emptyDir": {}}],
            "tolerations": NODE_GONE,
        },
    }


def wanted(of: AgentSpec, *made: ModelConfigFacts, settings: Settings = SETTINGS) -> Asked:
    return AgentFactory(settings).wanted(of, configs(*made))


def built(**fields: Any) -> dict[str, Any]:
    return desired_pod(agent(), wanted(spec(**fields)), Incarnation(ticket=6))


def expected(**fields: Any) -> dict[str, Any]:
    """The smallest pod, as asked for by this spec."""
    pod = smallest()
    pod["metadata"]["annotations"]["horos.dev/asked"] = asked_now(spec(**fields))
    return pod


def test_the_smallest_agent_gets_the_smallest_pod() -> None:
    assert built() == smallest()


def test_what_only_the_runtime_reads_is_not_in_the_pod() -> None:
    assert built(instructions="Be brief.", budget={"toolRounds": 3}, tools={"builtin": []}) == smallest()


def test_image_of_its_own() -> None:
    pod = expected(image="tools/ada:3")
    pod["spec"]["containers"][0]["image"] = "tools/ada:3"
    assert built(image="tools/ada:3") == pod


def test_api_key_comes_from_its_secret() -> None:
    fields = {"model": {"apiKeySecretRef": {"name": "llm", "key": "apiKey"}}}
    pod = expected(**fields)
    pod["spec"]["containers"][0]["env"] = [
        *OWN_ENV,
        {"name": "HOROS_MODEL_API_KEY", "valueFrom": {"secretKeyRef": {"name": "llm", "key": "apiKey"}}},
    ]
    assert built(**fields) == pod


def secret_variable(name: str, secret: str, key: str) -> dict[str, Any]:
    return {"name": name, "valueFrom": {"secretKeyRef": {"name": secret, "key": key}}}


def test_every_model_brings_its_own_key() -> None:
    of = spec(
        model={
            "apiKeySecretRef": {"name": "llm", "key": "apiKey"},
            "fallbacks": [
                {"configName": "spare"},
                {"name": "no-key"},
                {"apiKeySecretRef": {"name": "x", "key": "y"}},
            ],
        }
    )
    spare = model_config("spare", apiKeySecretRef={"name": "spare", "key": "k"})
    pod = smallest()
    pod["metadata"]["annotations"]["horos.dev/asked"] = asked_now(of, spare)
    pod["spec"]["containers"][0]["env"] = [
        *OWN_ENV,
        secret_variable("HOROS_MODEL_API_KEY", "llm", "apiKey"),
        secret_variable("HOROS_MODEL_API_KEY_1", "spare", "k"),
        secret_variable("HOROS_MODEL_API_KEY_3", "x", "y"),
    ]
    assert desired_pod(agent(), wanted(of, spare), Incarnation(ticket=6)) == pod


def test_the_key_of_a_model_config_is_a_part_of_the_pod_and_the_rest_of_it_is_not() -> None:
    before = asked_now(spec(), model_config(apiKeySecretRef={"name": "llm", "key": "a"}))
    edited = model_config(apiKeySecretRef={"name": "llm", "key": "a"}, name="m2", temperature="1")
    other_key = model_config(apiKeySecretRef={"name": "llm", "key": "b"})
    assert changed_parts(before, asked_now(spec(), edited)) == ()
    assert changed_parts(before, asked_now(spec(), other_key)) == ("model.apiKeySecretRef",)
    said_itself = spec(model={"apiKeySecretRef": {"name": "llm", "key": "a"}})
    assert changed_parts(before, asked_now(said_itself)) == ()


def test_environment_comes_after_our_own() -> None:
    env = [
        {"name": "CITY", "value": "Wien"},
        {"name": "KEY", "valueFrom": {"secretKeyRef": {"name": "maps", "key": "token"}}},
    ]
    pod = expected(env=env)
    pod["spec"]["containers"][0]["env"] = [*OWN_ENV, *env]
    assert built(env=env) == pod


def test_pull_secrets() -> None:
    pod = expected(imagePullSecrets=[{"name": "registry"}])
    pod["spec"]["imagePullSecrets"] = [{"name": "registry"}]
    assert built(imagePullSecrets=[{"name": "registry"}]) == pod


def test_node_selector() -> None:
    pod = expected(nodeSelector={"disk": "ssd"})
    pod["spec"]["nodeSelector"] = {"disk": "ssd"}
    assert built(nodeSelector={"disk": "ssd"}) == pod


def test_tolerations_come_before_our_own() -> None:
    mine = {"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}
    pod = expected(tolerations=[mine])
    pod["spec"]["tolerations"] = [mine, *NODE_GONE]
    assert built(tolerations=[mine]) == pod


def test_a_toleration_of_a_node_that_is_gone_replaces_ours() -> None:
    mine = {
        "key": "node.kubernetes.io/unreachable",
        "operator": "Exists",
        "effect": "NoExecute",
        "tolerationSeconds": 300,
    }
    pod = expected(tolerations=[mine])
    pod["spec"]["tolerations"] = [mine, NODE_GONE[0]]
    assert built(tolerations=[mine]) == pod


def test_resources() -> None:
    asked_for = {"requests": {"cpu": "1", "memory": "1Gi"}, "limits": {"cpu": "2", "memory": "2Gi"}}
    pod = expected(resources=asked_for)
    pod["spec"]["containers"][0]["resources"] = asked_for
    assert built(resources=asked_for) == pod


def test_a_successor_of_failed_pods_counts_them() -> None:
    pod = smallest()
    pod["metadata"]["annotations"]["horos.dev/failures"] = "3"
    assert desired_pod(agent(), wanted(spec()), Incarnation(ticket=6, failures=3)) == pod


def test_no_priority_class_where_the_settings_name_none() -> None:
    settings = SETTINGS.model_copy(update={"agent_priority_class": ""})
    pod = smallest()
    del pod["spec"]["priorityClassName"]
    pod["metadata"]["annotations"]["horos.dev/asked"] = asked(wanted(spec(), settings=settings))
    assert desired_pod(agent(), wanted(spec(), settings=settings), Incarnation(ticket=6)) == pod


def test_changes_are_named_by_the_part_of_the_spec() -> None:
    before = asked_now()
    after = asked_now(spec(image="x:2", env=[{"name": "A", "value": "1"}]))
    assert changed_parts(before, before) == ()
    assert changed_parts(before, after) == ("image", "env")
    assert changed_parts("", before) != ()
    assert changed_parts("not json", before) == ("annotation horos.dev/asked",)


def test_the_configuration_has_the_spec_as_said_the_models_complete_and_nothing_of_the_pod() -> None:
    asked_for = spec(
        instructions="Be Ada.",
        image="x:2",
        model={
            "name": "big",
            "temperature": "0.2",
            "responseSchema": {"type": "object", "default": None},
            "fallbacks": [{"configName": "spare"}, {"configName": "missing"}],
        },
    )
    spare = model_config("spare", contextWindowTokens=4096, pricePerMillionTokens={"completion": "2"})
    config = json.loads(FACTORY.config(agent(generation=4), wanted(asked_for, spare)))
    assert config == {
        "generation": 4,
        "idleSeconds": 300,
        "spec": {
            "instructions": "Be Ada.",
            "model": {
                "name": "big",
                "temperature": "0.2",
                "responseSchema": {"type": "object", "default": None},
                "fallbacks": [{"configName": "spare"}, {"configName": "missing"}],
            },
            "tools": {"builtin": ["send", "ask", "reply", "list_agents", "history"], "servers": []},
            "operatingMode": "Running",
            "lifetime": "Permanent",
            "budget": {
                "requestSeconds": 3600,
                "toolRounds": 25,
                "turnSeconds": 600,
                "children": 8,
                "depth": 3,
            },
        },
        "models": [
            {
                "name": "big",
                "baseUrl": "http://model/v1",
                "keyVariable": "HOROS_MODEL_API_KEY",
                "temperature": "0.2",
            },
            {
                "name": "model-of-spare",
                "baseUrl": "http://spare/v1",
                "keyVariable": "HOROS_MODEL_API_KEY_1",
                "contextWindowTokens": 4096,
                "pricePerMillionTokens": {"prompt": "0", "completion": "2"},
            },
        ],
    }


def test_the_runtime_reads_the_configuration_that_the_operator_writes() -> None:
    of = spec(model={"fallbacks": [{"name": "other"}]}, budget={"costPerDay": "5"})
    priced = model_config(pricePerMillionTokens={"prompt": "1", "completion": "2"})
    made = wanted(of, priced)
    stored = StoredConfig.model_validate_json(FACTORY.config(agent(generation=7), made))
    assert (stored.generation, stored.choices) == (7, made.models.choices)
    assert (stored.spec, stored.servers) == (of, ())


SERVERS = [
    {"name": "time", "command": ["mcp-server-time"], "allow": ["get_*"]},
    {"name": "tickets", "serverName": "tickets", "approval": "Always"},
    {"name": "lost", "serverName": "lost"},
]


def test_the_runtime_is_told_of_each_tool_server_with_what_its_tool_server_says() -> None:
    of = spec(tools={"servers": SERVERS})
    shared = tool_server("tickets", headersSecretRef={"name": "h"}, oauthSecretRef={"name": "o"})
    made = FACTORY.wanted(of, servers=servers(shared))
    stored = StoredConfig.model_validate_json(FACTORY.config(agent(), made))
    assert stored.spec == of
    assert stored.servers == tuple(
        ResolvedServer.model_validate(each)
        for each in (
            SERVERS[0],
            {
                **SERVERS[1],
                "url": "http://tickets/mcp",
                "headersSecretRef": {"name": "h"},
                "oauthSecretRef": {"name": "o"},
            },
            {**SERVERS[2], "problem": "ToolServer lost does not exist"},
        )
    )


def test_a_tool_server_that_cannot_be_read_is_a_problem_that_names_its_field() -> None:
    of = spec(tools={"servers": [SERVERS[1]]})
    (told,) = FACTORY.wanted(of, servers=servers(tool_server("tickets", url="x"))).servers
    assert told.problem.startswith("ToolServer tickets: spec.url: ")
    assert told.url is None


def test_secrets_of_tool_servers_are_files_that_may_be_missing_and_nothing_in_the_environment() -> None:
    of = spec(
        tools={
            "servers": [
                {
                    "name": "local",
                    "command": ["x"],
                    "env": [{"name": "A", "valueFrom": {"secretKeyRef": {"name": "local-key", "key": "k"}}}],
                },
                {"name": "docs", "url": "http://docs", "headersSecretRef": {"name": "docs.headers"}},
                {"name": "tickets", "serverName": "tickets"},
            ]
        }
    )
    known = servers(tool_server("tickets", oauthSecretRef={"name": "docs.headers"}))
    pod = smallest()
    container = pod["spec"]["containers"][0]
    pod["spec"]["volumes"] += [
        {
            "name": f"server-secret-{number}",
            "secret": {"secretName": name, "optional": True, "defaultMode": 0o440},
        }
        for number, name in enumerate(["docs.headers", "local-key"])
    ]
    container["volumeMounts"] += [
        {"name": f"server-secret-{number}", "mountPath": f"/run/horos/secrets/{name}", "readOnly": True}
        for number, name in enumerate(["docs.headers", "local-key"])
    ]
    made = FACTORY.wanted(of, servers=known)
    assert desired_pod(agent(), made, Incarnation(ticket=6)) == pod
    server = {"uid": "u", "resourceVersion": "1"}
    assert pod_facts({**pod, "metadata": {**pod["metadata"], **server}}).secrets == made.secrets


def test_what_a_pod_is_asked_for_does_not_change_with_its_tool_servers() -> None:
    assert asked_now(spec(tools={"servers": SERVERS})) == asked_now()


def test_a_spec_that_cannot_be_read_names_its_field() -> None:
    metadata = {"namespace": "research", "name": "ada", "uid": "u", "resourceVersion": "3", "generation": 2}
    facts = agent_facts({"metadata": metadata, "spec": {"budget": {"toolRounds": 0}, "surprise": 1}})
    assert facts.spec is None
    assert facts.problem.startswith("spec.budget.toolRounds: ")
    assert facts.problem.endswith("(and 1 more)")
