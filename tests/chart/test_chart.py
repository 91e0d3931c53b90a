import re
import subprocess
from collections.abc import Iterator
from typing import Any
from uuid import uuid4

import pytest
import yaml

from horos_api.crd import KINDS
from horos_api.model_config import ModelConfig
from horos_api.names import DEFAULT_MODEL_CONFIG, LEASE, QUOTA, SECRET_GATEWAY, SECRET_REDIS
from horos_api.resources import Agent, Price, SecretKeyRef
from horos_gateway.settings import Settings as GatewaySettings
from horos_operator.settings import Settings as OperatorSettings
from tests.chart.conftest import CHART, PROJECT, Helm

ALL_PARTS = ("localModel.enabled=true", "networkPolicies.enabled=true")
LOCAL = "localModel.enabled=true"
FOR_A_SECOND_RELEASE = ("priorityClass.create=false", "crds.enabled=false")


def resolved(env: dict[str, Any]) -> dict[str, str]:
    """An environment as a container sees it, with a stand-in for what comes from elsewhere."""
    return {
        name: value if isinstance(value, str) else "redis://from-elsewhere:6379"
        for name, value in env.items()
    }


@pytest.mark.parametrize(
    "values", [(), ALL_PARTS, ("redis.external.secretName=mine", "watchNamespaces={a,b}")]
)
def test_helm_lint_is_clean(helm: Helm, values: tuple[str, ...]) -> None:
    done = helm.run("lint", "--strict", str(CHART), *(word for value in values for word in ("--set", value)))
    assert done.returncode == 0, done.stdout
    assert "[WARNING]" not in done.stdout


def test_the_default_release_is_operator_gateway_and_redis(helm: Helm) -> None:
    rendered = helm.render()
    assert set(rendered.pods()) == {"horos-operator", "horos-gateway", "horos-redis"}
    operator = rendered["Deployment", "horos-operator"]["spec"]
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1}}
    assert (operator["replicas"], operator["strategy"]) == (1, rolling)
    service = rendered["Service", "horos-gateway"]
    assert service["metadata"]["labels"]["app.kubernetes.io/component"] == "gateway"
    assert service["spec"]["ports"] == [{"name": "http", "port": 80, "targetPort": "http"}]


def test_several_operators_are_kept_apart_and_are_not_drained_together(helm: Helm) -> None:
    alone, two = helm.render(), helm.render("operator.replicas=2")
    assert ("PodDisruptionBudget", "horos-operator") not in alone
    assert "affinity" not in alone.pods()["horos-operator"]
    budget = two["PodDisruptionBudget", "horos-operator"]["spec"]
    labels = two["Deployment", "horos-operator"]["spec"]["template"]["metadata"]["labels"]
    assert two["Deployment", "horos-operator"]["spec"]["replicas"] == 2
    assert budget["maxUnavailable"] == 1
    assert budget["selector"]["matchLabels"].items() <= labels.items()
    apart = two.pods()["horos-operator"]["affinity"]["podAntiAffinity"]
    (rule,) = apart["preferredDuringSchedulingIgnoredDuringExecution"]
    assert rule["podAffinityTerm"]["topologyKey"] == "kubernetes.io/hostname"
    assert rule["podAffinityTerm"]["labelSelector"] == budget["selector"]


def test_the_operator_may_write_its_own_lease_and_no_other(helm: Helm) -> None:
    rendered = helm.render()
    granted = [
        (rule.get("resourceNames"), rule["verbs"])
        for (kind, _), role in rendered.objects.items()
        if kind in ("Role", "ClusterRole")
        for rule in role["rules"]
        if rule["apiGroups"] == ["coordination.k8s.io"]
    ]
    # Creating cannot be limited to names.
    assert granted == [(None, ["create"]), ([LEASE], ["get", "patch"])]
    env = rendered.env("Deployment", "horos-operator")
    assert env["HOROS_OPERATOR_POD_NAME"] == {"fieldRef": {"fieldPath": "metadata.name"}}


def test_operator_and_gateway_understand_the_environment_they_get(helm: Helm) -> None:
    for values in [(), ALL_PARTS, ("redis.external.secretName=mine",)]:
        rendered = helm.render(*values)
        operator = OperatorSettings.from_environment(resolved(rendered.env("Deployment", "horos-operator")))
        gateway = GatewaySettings.from_environment(resolved(rendered.env("Deployment", "horos-gateway")))
        assert operator.install == gateway.install == "horos-system-horos"


def test_the_operator_makes_what_redis_and_gateway_wait_for(helm: Helm) -> None:
    rendered = helm.render()
    assert "Secret" not in {kind for kind, _ in rendered.objects}
    gateway = rendered.env("Deployment", "horos-gateway")
    assert gateway["HOROS_GATEWAY_TOKEN"] == {"secretKeyRef": {"name": SECRET_GATEWAY, "key": "token"}}
    password = {"secretKeyRef": {"name": SECRET_REDIS, "key": "password"}}
    assert gateway["REDIS_PASSWORD"] == password
    assert rendered.env("StatefulSet", "horos-redis")["REDISCLI_AUTH"] == password
    assert rendered.env("Deployment", "horos-operator")["HOROS_OPERATOR_REDIS_BUNDLED"] == "true"


@pytest.mark.parametrize(("durable", "policy"), [("false", "everysec"), ("true", "always")])
def test_redis_keeps_what_it_acknowledges_and_evicts_nothing(helm: Helm, durable: str, policy: str) -> None:
    redis = helm.render(f"redis.durable={durable}").pods()["horos-redis"]
    arguments = redis["containers"][0]["args"]
    assert dict(zip(arguments[::2], arguments[1::2], strict=True)) == {
        "--dir": "/data",
        "--aclfile": "/data/users.acl",
        "--appendonly": "yes",
        "--appendfsync": policy,
        "--save": "",
        "--maxmemory": "384mb",
        "--maxmemory-policy": "noeviction",
        "--hash-max-listpack-value": "1024",
    }


def test_your_own_redis_replaces_the_charts(helm: Helm) -> None:
    by_secret = helm.render("redis.external.secretName=mine")
    address = {"secretKeyRef": {"name": "mine", "key": "url"}}
    assert by_secret.env("Deployment", "horos-operator")["HOROS_OPERATOR_REDIS_URL"] == address
    assert by_secret.env("Deployment", "horos-gateway")["HOROS_GATEWAY_REDIS_URL"] == address
    by_url = helm.render("redis.external.url=redis://cache:6379/2")
    operator = by_url.env("Deployment", "horos-operator")
    assert operator["HOROS_OPERATOR_REDIS_URL"] == "redis://cache:6379/2"
    assert "HOROS_OPERATOR_REDIS_BUNDLED" not in operator
    for rendered in (by_secret, by_url):
        assert ("StatefulSet", "horos-redis") not in rendered
        assert ("Service", "horos-redis") not in rendered


def test_the_local_model_is_the_default_model_unless_another_is_named(helm: Helm) -> None:
    def models(*values: str) -> dict[str, Any]:
        env = helm.render(*values).env("Deployment", "horos-operator")
        start = "HOROS_OPERATOR_MODEL_"
        return {name.removeprefix(start): value for name, value in env.items() if name.startswith(start)}

    assert models() == {}
    assert models(LOCAL) == {
        "NAME": "smollm2-135m-instruct",
        "BASE_URL": "http://horos-model.horos-system.svc:8080/v1",
        "CONTEXT_WINDOW_TOKENS": "4096",
        "MAX_OUTPUT_TOKENS": "512",
    }
    assert models(LOCAL, "localModel.contextTokens=2048", "model.maxOutputTokens=100") == {
        "NAME": "smollm2-135m-instruct",
        "BASE_URL": "http://horos-model.horos-system.svc:8080/v1",
        "CONTEXT_WINDOW_TOKENS": "2048",
        "MAX_OUTPUT_TOKENS": "100",
    }
    assert models(LOCAL, "model.baseUrl=https://llm.example/v1", "model.contextWindowTokens=128000") == {
        "BASE_URL": "https://llm.example/v1",
        "CONTEXT_WINDOW_TOKENS": "128000",
    }


SHARED = (
    "model.name=big",
    "model.baseUrl=https://llm.example/v1",
    "model.configNamespaces={research,sales}",
)


def test_the_chart_makes_a_model_config_of_its_values_in_the_namespaces_it_is_told(helm: Helm) -> None:
    made = helm.model_configs(
        *SHARED,
        "model.apiKeySecretRef.name=llm",
        "model.apiKeySecretRef.key=apiKey",
        "model.contextWindowTokens=128000",
        "model.pricePerMillionTokens.prompt=0.25",
        "model.temperature=0.2",
    )
    assert [each["metadata"]["namespace"] for each in made] == ["research", "sales"]
    for each in made:
        config = ModelConfig.from_manifest(each)
        assert config.metadata.name == DEFAULT_MODEL_CONFIG
        assert config.spec.model_dump(by_alias=True, exclude_none=True) == {
            "name": "big",
            "baseUrl": "https://llm.example/v1",
            "temperature": "0.2",
            "contextWindowTokens": 128_000,
            "apiKeySecretRef": {"name": "llm", "key": "apiKey"},
            "pricePerMillionTokens": {"prompt": "0.25", "completion": "0"},
        }


def test_the_least_model_config_has_an_address_and_a_name(helm: Helm) -> None:
    (least, _) = helm.model_configs(*SHARED)
    assert least["spec"] == {"name": "big", "baseUrl": "https://llm.example/v1"}
    (local,) = helm.model_configs(LOCAL, "model.configNamespaces={a}")
    assert ModelConfig.from_manifest(local).spec.context_window_tokens == 4096


def test_no_model_config_is_made_before_the_cluster_knows_the_kind_or_without_being_asked_for(
    helm: Helm,
) -> None:
    assert helm.model_configs(*SHARED, known=False) == []
    assert helm.model_configs(LOCAL) == []


def test_a_model_config_without_a_model_is_refused(helm: Helm) -> None:
    assert "needs model.name and model.baseUrl" in helm.refusal("model.configNamespaces={a}", "model.name=x")


def test_the_default_models_key_and_price_reach_the_operator(helm: Helm) -> None:
    rendered = helm.render(
        "model.apiKeySecretRef.name=llm",
        "model.apiKeySecretRef.key=apiKey",
        "model.pricePerMillionTokens.completion=2.5",
    )
    settings = OperatorSettings.from_environment(resolved(rendered.env("Deployment", "horos-operator")))
    assert settings.model_api_key_secret_ref == SecretKeyRef(name="llm", key="apiKey")
    assert settings.model_price == Price(prompt="0", completion="2.5")
    bare = OperatorSettings.from_environment(resolved(helm.render().env("Deployment", "horos-operator")))
    assert (bare.model_api_key_secret_ref, bare.model_price) == (None, None)


def test_the_operator_may_do_with_each_kind_what_it_does(helm: Helm) -> None:
    rules = helm.render()["ClusterRole", "horos-horos-system-horos-operator"]["rules"]
    granted = {
        (resource, verb)
        for rule in rules
        if rule["apiGroups"] == ["horos.dev"]
        for resource in rule["resources"]
        for verb in rule["verbs"]
    }
    assert granted == {
        *(("agents", verb) for verb in ("get", "list", "watch", "patch", "create", "delete")),
        *(("modelconfigs", verb) for verb in ("get", "list", "watch")),
        *(("toolservers", verb) for verb in ("get", "list", "watch")),
        ("agents/status", "patch"),
        ("modelconfigs/status", "patch"),
        ("toolservers/status", "patch"),
        *(("agentpools", verb) for verb in ("get", "list", "watch")),
        ("agents/finalizers", "update"),
        ("agentpools/status", "patch"),
        ("agentpools/finalizers", "update"),
        *(("groups", verb) for verb in ("get", "list", "watch", "patch", "create")),
        ("groups/status", "patch"),
    }


def test_the_operator_changes_no_quota_but_its_own(helm: Helm) -> None:
    rules = helm.render()["ClusterRole", "horos-horos-system-horos-operator"]["rules"]
    of_quotas = [rule for rule in rules if rule["resources"] == ["resourcequotas"]]
    anywhere = {verb for rule in of_quotas if "resourceNames" not in rule for verb in rule["verbs"]}
    of_its_own = {
        verb for rule in of_quotas if rule.get("resourceNames") == [QUOTA] for verb in rule["verbs"]
    }
    assert anywhere == {"list", "watch", "create"}
    # A deletion that finds nothing, or somebody who writes just then, is looked at.
    assert of_its_own == {"get", "patch", "delete"}


def test_people_get_rights_on_every_kind(helm: Helm) -> None:
    rendered = helm.render()
    plurals = [kind.plural for kind in KINDS]
    for role in ("view", "edit"):
        (rule,) = rendered["ClusterRole", f"horos-horos-system-horos-{role}"]["rules"]
        assert rule["resources"] == plurals


def test_the_operator_reads_only_secrets_that_it_makes(helm: Helm) -> None:
    rendered = helm.render()
    rules = [
        rule
        for (kind, name), role in rendered.objects.items()
        if kind in ("Role", "ClusterRole") and "operator" in name
        for rule in role["rules"]
    ]
    for rule in rules:
        assert "*" not in rule["verbs"] + rule["resources"] + rule["apiGroups"]
        if "secrets" in rule["resources"] and rule["verbs"] != ["create"]:
            assert set(rule["resourceNames"]) <= {"horos-bus", "horos-redis", "horos-gateway"}


def test_with_a_list_of_namespaces_rights_are_given_in_these_only(helm: Helm) -> None:
    rendered = helm.render("watchNamespaces={a,b}")
    role = "horos-horos-system-horos-operator"
    assert ("ClusterRoleBinding", role) not in rendered
    bound = [
        each["metadata"]["namespace"]
        for each in yaml.safe_load_all(helm.manifests("watchNamespaces={a,b}"))
        if each["kind"] == "RoleBinding" and each["roleRef"]["name"] == role
    ]
    assert bound == ["a", "b"]
    assert rendered.env("Deployment", "horos-operator")["HOROS_OPERATOR_NAMESPACES"] == "a,b"


def test_every_pod_is_as_restricted_as_kubernetes_knows(helm: Helm) -> None:
    pods = helm.render(*ALL_PARTS).pods()
    assert len(pods) == 4
    for name, pod in pods.items():
        assert pod["enableServiceLinks"] is False, name
        assert pod["securityContext"]["runAsNonRoot"] is True, name
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert pod.get("automountServiceAccountToken", True) is (name == "horos-operator"), name
        for container in pod["containers"] + pod.get("initContainers", []):
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"]["requests"], name
            assert container["resources"]["limits"]["memory"], name


def test_services_and_policies_select_the_pods_they_are_for(helm: Helm) -> None:
    rendered = helm.render(*ALL_PARTS)
    labels = {
        name: each["spec"]["template"]["metadata"]["labels"]
        for (kind, name), each in rendered.objects.items()
        if kind in ("Deployment", "StatefulSet")
    }
    selectors = {
        (kind, name): each["spec"]["podSelector"]["matchLabels"]
        if kind == "NetworkPolicy"
        else each["spec"]["selector"]
        for (kind, name), each in rendered.objects.items()
        if kind in ("Service", "NetworkPolicy")
    }
    assert len(selectors) == 7
    for (_, target), selector in selectors.items():
        assert [name for name, own in labels.items() if selector.items() <= own.items()] == [target]


def test_cluster_wide_names_differ_between_releases(helm: Helm) -> None:
    def cluster_wide(namespace: str) -> set[tuple[str, str]]:
        values = ("crds.enabled=false", "priorityClass.create=false")
        objects = helm.render(*values, namespace=namespace).objects
        return {key for key, each in objects.items() if "namespace" not in each["metadata"]}

    assert cluster_wide("one")
    assert cluster_wide("one").isdisjoint(cluster_wide("two"))


def test_the_resource_definition_outlives_the_release(helm: Helm) -> None:
    rendered, without = helm.render(), helm.render("crds.enabled=false")
    for kind in KINDS:
        definition = ("CustomResourceDefinition", f"{kind.plural}.horos.dev")
        assert rendered[definition]["metadata"]["annotations"] == {"helm.sh/resource-policy": "keep"}
        assert definition not in without


def test_agents_can_have_a_priority_class_or_none(helm: Helm) -> None:
    def used(*values: str) -> object:
        return helm.render(*values).env("Deployment", "horos-operator")["HOROS_OPERATOR_AGENT_PRIORITY_CLASS"]

    assert ("PriorityClass", "horos-agents") in helm.render()
    assert ("PriorityClass", "horos-agents") not in helm.render("priorityClass.create=false")
    assert (used(), used("priorityClass.name=")) == ("horos-agents", "")


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ("modle.name=x", "modle"),
        ("model.temperature=1", "/model/temperature"),
        ("model.baseUrl=llm.example", "/model/baseUrl"),
        ("model.apiKeySecretRef.name=llm", "/model/apiKeySecretRef"),
        ("model.apiKeySecretRef.key=apiKey", "/model/apiKeySecretRef"),
        ("model.pricePerMillionTokens.prompt=1 €", "/model/pricePerMillionTokens/prompt"),
        ("model.configNamespaces={A}", "/model/configNamespaces/0"),
        ("install=Not a name", "/install"),
        ("redis.external.url=http://x", "/redis/external/url"),
        ("localModel.contextTokens=100", "/localModel/contextTokens"),
        ("imagePullPolicy=Sometimes", "/imagePullPolicy"),
        ("watchNamespaces={A}", "/watchNamespaces/0"),
        ("operator.replicas=two", "/operator/replicas"),
        ("metrics.perAgentLimit=-1", "/metrics/perAgentLimit"),
        ("metrics.perAgent=false", "perAgent"),
        ("metrics.podMonitor.intervalSeconds=30s", "/metrics/podMonitor/intervalSeconds"),
    ],
)
def test_a_wrong_value_is_refused_by_name(helm: Helm, value: str, said: str) -> None:
    assert said in helm.refusal(value)


def test_one_redis_is_enough(helm: Helm) -> None:
    assert "/redis/external" in helm.refusal("redis.external.url=redis://x", "redis.external.secretName=y")


SAID_ONCE = ("resources:", "nodeSelector:", "tolerations:", "requests:", "limits:")


def test_every_value_is_explained_where_it_stands() -> None:
    lines = (CHART / "values.yaml").read_text(encoding="utf-8").splitlines()
    bare = [
        line.strip()
        for before, line in zip(["", *lines], lines, strict=False)
        # The first value of a section may share the section's explanation.
        if re.match(r" *\w+:", line) and not before.strip().startswith("#") and not before.endswith(":")
    ]
    assert [line for line in bare if not line.startswith((*SAID_ONCE, "secretName:"))] == []


def test_templates_look_nothing_up() -> None:
    # What is looked up is empty in `helm template` and in GitOps tools, and would change generated passwords.
    for template in (CHART / "templates").iterdir():
        assert "lookup" not in template.read_text(encoding="utf-8"), template.name


def kubectl(*arguments: str, given: str | None = None) -> subprocess.CompletedProcess[str]:
    command = ["kubectl", *arguments]
    return subprocess.run(command, input=given, capture_output=True, text=True, check=False, timeout=120)


@pytest.fixture
def restricted_namespace() -> Iterator[str]:
    name = f"chart-{uuid4().hex[:8]}"
    assert kubectl("create", "namespace", name).returncode == 0
    label = "pod-security.kubernetes.io/enforce=restricted"
    assert kubectl("label", "namespace", name, label, label.replace("enforce", "warn")).returncode == 0
    yield name
    kubectl("delete", "namespace", name, "--wait=false")


@pytest.mark.cluster
@pytest.mark.parametrize(
    "values", [(), (*ALL_PARTS, "operator.replicas=2"), ("redis.external.secretName=mine",)]
)
def test_the_api_server_accepts_the_rendered_chart(
    helm: Helm, restricted_namespace: str, values: tuple[str, ...]
) -> None:
    manifests = helm.manifests(*values, namespace=restricted_namespace)
    done = kubectl("apply", "--dry-run=server", "--validate=strict", "-f", "-", given=manifests)
    assert done.returncode == 0, done.stderr
    complaints = [line for line in done.stderr.splitlines() if "last-applied-configuration" not in line]
    assert complaints == []


@pytest.mark.cluster
@pytest.mark.parametrize(
    ("values", "namespace", "model"),
    [
        ((), "default", "your-model"),
        ((LOCAL,), "default", None),
        (("watchNamespaces={a,b}", LOCAL), "a", None),
    ],
)
def test_the_notes_show_an_agent_that_this_release_would_serve(
    helm: Helm, restricted_namespace: str, values: tuple[str, ...], namespace: str, model: str | None
) -> None:
    sets = [word for value in (*values, *FOR_A_SECOND_RELEASE) for word in ("--set", value)]
    done = helm.run("install", "notes", str(CHART), "-n", restricted_namespace, "--dry-run=client", *sets)
    assert done.returncode == 0, done.stderr
    notes = done.stdout.partition("\nNOTES:\n")[2]
    shown = Agent.from_manifest(yaml.safe_load(notes.partition("<<END\n")[2].partition("  END\n")[0]))
    assert shown.metadata.namespace == namespace
    assert (shown.spec.model.name if shown.spec.model else None) == model
    assert ("No default model is set" in notes) == (model is not None)
    assert f'horos send ada "Who are you?" --wait -n {namespace} ' in notes


def test_the_example_is_an_agent_that_says_nothing_about_its_model() -> None:
    manifest = yaml.safe_load((PROJECT / "examples" / "hello.yaml").read_text(encoding="utf-8"))
    agent = Agent.from_manifest(manifest)
    assert agent.metadata.name == "hello"
    assert agent.spec.model is None
