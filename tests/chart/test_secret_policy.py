"""The policy that guards Secrets, as it is rendered; tests/e2e/test_secret_admission.py asks a cluster."""

import re
from collections.abc import Iterator
from typing import Any

import pytest

from horos_api.crd import KINDS, schema
from tests.chart.conftest import Helm

POLICY = ("ValidatingAdmissionPolicy", "horos-horos-system-horos-secrets")
BINDING = ("ValidatingAdmissionPolicyBinding", POLICY[1])
CHECKS_PER_POLICY = 28
"""Each check of a right costs 350,000 of the 10 million that Kubernetes gives a policy."""


def fields_that_name_a_secret(found: dict[str, Any], path: str = "") -> Iterator[str]:
    for name, inside in found.get("properties", {}).items():
        here = f"{path}.{name}".removeprefix(".")
        if re.search(r"secret", name, re.IGNORECASE):
            yield here
        else:
            yield from fields_that_name_a_secret(inside, here)
    if "items" in found:
        yield from fields_that_name_a_secret(found["items"], f"{path}[]")


def guarded_fields(expression: str) -> set[str]:
    """The fields that the policy's references say they stand in, whatever the names in brackets."""
    without_names = re.sub(r"\[' \+ string\(\w+\.name\) \+ '\]", "[]", expression)
    return set(re.findall(r"'at': '([^']+)'", without_names))


def test_every_field_that_can_name_a_secret_is_guarded_and_named_in_the_message(helm: Helm) -> None:
    specs = [schema(kind)["properties"]["spec"] for kind in KINDS]
    named = {path for spec in specs for path in fields_that_name_a_secret(spec, "spec")}
    assert {"spec.imagePullSecrets", "spec.tools.servers[].env[].valueFrom.secretKeyRef"} <= named
    variables = {each["name"]: each["expression"] for each in helm.render()[POLICY]["spec"]["variables"]}
    assert guarded_fields(variables["named"]) == named
    assert guarded_fields(variables["before"]) == named


def test_the_policy_is_asked_about_every_kind_with_secrets_and_refuses_when_it_cannot_answer(
    helm: Helm,
) -> None:
    with_secrets = [
        kind.plural
        for kind in KINDS
        if any(fields_that_name_a_secret(schema(kind)["properties"]["spec"], "spec"))
    ]
    spec = helm.render()[POLICY]["spec"]
    assert spec["failurePolicy"] == "Fail"
    assert spec["matchConstraints"]["resourceRules"] == [
        {
            "apiGroups": ["horos.dev"],
            "apiVersions": ["*"],
            "resources": with_secrets,
            "operations": ["CREATE", "UPDATE"],
        }
    ]
    assert helm.render()[BINDING]["spec"] == {"policyName": POLICY[1], "validationActions": ["Deny"]}


def test_only_the_operator_of_this_release_is_exempt(helm: Helm) -> None:
    conditions = helm.render(namespace="mine")["ValidatingAdmissionPolicy", "horos-mine-horos-secrets"][
        "spec"
    ]
    expressions = {each["name"]: each["expression"] for each in conditions["matchConditions"]}
    assert expressions == {
        "not-the-operator": "request.userInfo.username != 'system:serviceaccount:mine:horos-operator'",
        "the-spec-changes": "oldObject == null || object.spec != oldObject.spec",
    }


def test_each_expression_asks_once_and_all_together_stay_within_what_kubernetes_allows(helm: Helm) -> None:
    validations = helm.render()[POLICY]["spec"]["validations"]
    assert [each["expression"].count(".check(") for each in validations] == [1] * len(validations)
    assert len(validations) < CHECKS_PER_POLICY
    assert {each["reason"] for each in validations} == {"Forbidden"}


def test_with_a_list_of_namespaces_the_policy_holds_in_these_only(helm: Helm) -> None:
    binding = helm.render("watchNamespaces={a,b}")[BINDING]["spec"]
    (selected,) = binding["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert selected == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a", "b"]}


def test_the_policy_can_be_switched_off(helm: Helm) -> None:
    rendered = helm.render("secretPolicy.enabled=false")
    assert POLICY not in rendered
    assert BINDING not in rendered


@pytest.mark.parametrize("value", ["secretPolicy.enabled=maybe", "secretPolicy.enforce=true"])
def test_a_wrong_value_is_refused_by_name(helm: Helm, value: str) -> None:
    assert "secretPolicy" in helm.refusal(value)
