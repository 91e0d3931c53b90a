"""The policy about what only the operator may write, as it is rendered; tests/e2e asks a cluster."""

import pytest

from tests.chart.conftest import Helm

POLICY = ("ValidatingAdmissionPolicy", "horos-horos-system-horos-ownership")
BINDING = ("ValidatingAdmissionPolicyBinding", POLICY[1])


def test_it_is_asked_about_agents_groups_and_pods_and_refuses_when_it_cannot_answer(helm: Helm) -> None:
    spec = helm.render()[POLICY]["spec"]
    assert spec["failurePolicy"] == "Fail"
    asked = spec["matchConstraints"]["resourceRules"]
    assert [(each["apiGroups"], each["resources"]) for each in asked] == [
        (["horos.dev"], ["agents", "groups"]),
        ([""], ["pods"]),
    ]
    assert {tuple(each["operations"]) for each in asked} == {("CREATE", "UPDATE")}
    assert helm.render()[BINDING]["spec"] == {"policyName": POLICY[1], "validationActions": ["Deny"]}


def test_the_operator_of_this_release_is_exempt_and_who_may_act_as_it(helm: Helm) -> None:
    spec = helm.render(namespace="mine")["ValidatingAdmissionPolicy", "horos-mine-horos-ownership"]["spec"]
    conditions = {each["name"]: each["expression"] for each in spec["matchConditions"]}
    assert conditions["not-the-operator"] == (
        "request.userInfo.username != 'system:serviceaccount:mine:horos-operator'"
    )
    assert ".namespace('mine')" in conditions["nobody-who-may-act-as-the-operator"]


def test_the_class_of_agents_is_the_charts_and_without_one_nothing_is_said_of_it(helm: Helm) -> None:
    def said(*values: str) -> list[str]:
        validations = helm.render(*values)[POLICY]["spec"]["validations"]
        return [each["expression"] for each in validations if "priorityClassName" in each["expression"]]

    (expression,) = said("priorityClass.name=mine")
    assert "'mine'" in expression
    assert said("priorityClass.name=") == []


def test_every_rule_says_who_may_not_and_what_is_expected(helm: Helm) -> None:
    for each in helm.render()[POLICY]["spec"]["validations"]:
        assert each["reason"] == "Forbidden"
        assert "request.userInfo.username" in each["messageExpression"]
        assert "expected" in each["messageExpression"]


def test_with_a_list_of_namespaces_it_holds_in_these_only(helm: Helm) -> None:
    binding = helm.render("watchNamespaces={a,b}")[BINDING]["spec"]
    (selected,) = binding["matchResources"]["namespaceSelector"]["matchExpressions"]
    assert selected == {"key": "kubernetes.io/metadata.name", "operator": "In", "values": ["a", "b"]}


def test_it_can_be_switched_off(helm: Helm) -> None:
    rendered = helm.render("ownershipPolicy.enabled=false")
    assert POLICY not in rendered
    assert BINDING not in rendered


@pytest.mark.parametrize("value", ["ownershipPolicy.enabled=maybe", "ownershipPolicy.enforce=true"])
def test_a_wrong_value_is_refused_by_name(helm: Helm, value: str) -> None:
    assert "ownershipPolicy" in helm.refusal(value)
