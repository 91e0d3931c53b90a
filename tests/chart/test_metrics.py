"""Where scrapers find what operator and gateway tell, and who may read it."""

from typing import Any

import pytest

from horos_gateway.settings import Settings as GatewaySettings
from horos_operator.settings import Settings as OperatorSettings
from tests.chart.conftest import Helm, Rendered
from tests.chart.test_chart import resolved

BOTH = ("horos-operator", "horos-gateway")
ANNOTATIONS = {
    "prometheus.io/scrape": "true",
    "prometheus.io/port": "8081",
    "prometheus.io/path": "/metrics",
}


def ports(rendered: Rendered, name: str) -> dict[str, int]:
    (container,) = rendered.pods()[name]["containers"]
    return {each["name"]: each["containerPort"] for each in container["ports"]}


def annotations(rendered: Rendered, name: str) -> Any:
    return rendered["Deployment", name]["spec"]["template"]["metadata"].get("annotations")


def test_pods_say_where_their_metrics_are(helm: Helm) -> None:
    rendered, silent = helm.render(), helm.render("metrics.annotations=false")
    for name in BOTH:
        assert annotations(rendered, name) == ANNOTATIONS
        assert 8081 in ports(rendered, name).values()
        assert annotations(silent, name) is None
    gateway = GatewaySettings.from_environment(resolved(rendered.env("Deployment", "horos-gateway")))
    operator = OperatorSettings.from_environment(resolved(rendered.env("Deployment", "horos-operator")))
    assert (gateway.metrics_port, operator.http_port) == (8081, 8081)


def test_nobody_reaches_metrics_through_the_service(helm: Helm) -> None:
    service = helm.render()["Service", "horos-gateway"]
    assert [each["targetPort"] for each in service["spec"]["ports"]] == ["http"]


@pytest.mark.parametrize(("said", "limit"), [((), 2000), (("metrics.perAgentLimit=1000000",), 1_000_000)])
def test_the_limit_of_single_agents_reaches_the_operator(
    helm: Helm, said: tuple[str, ...], limit: int
) -> None:
    env = resolved(helm.render(*said).env("Deployment", "horos-operator"))
    assert OperatorSettings.from_environment(env).metrics_per_agent_limit == limit


def test_pod_monitors_are_made_when_asked_for_and_find_the_pods_and_their_ports(helm: Helm) -> None:
    assert ("PodMonitor", "horos-operator") not in helm.render()
    values = ("enabled=true", "intervalSeconds=10", "labels.release=prometheus")
    rendered = helm.render(*(f"metrics.podMonitor.{each}" for each in values))
    for name in BOTH:
        monitor = rendered["PodMonitor", name]
        assert monitor["metadata"]["labels"]["release"] == "prometheus"
        labels = rendered["Deployment", name]["spec"]["template"]["metadata"]["labels"]
        assert monitor["spec"]["selector"]["matchLabels"].items() <= labels.items()
        (endpoint,) = monitor["spec"]["podMetricsEndpoints"]
        assert ports(rendered, name)[endpoint.pop("port")] == 8081
        assert endpoint == {"path": "/metrics", "interval": "10s"}


def test_with_policies_only_the_namespaces_that_are_named_read_metrics(helm: Helm) -> None:
    anybody = helm.render("networkPolicies.enabled=true")
    watching = helm.render("networkPolicies.enabled=true", "metrics.scraperNamespaceLabels.team=watching")
    for rendered, peers in (
        (anybody, [{"namespaceSelector": {}}]),
        (watching, [{"namespaceSelector": {"matchLabels": {"team": "watching"}}}]),
    ):
        operator = rendered["NetworkPolicy", "horos-operator"]["spec"]["ingress"]
        assert operator == [{"ports": [{"port": "health"}], "from": peers}]
        talk, metrics = rendered["NetworkPolicy", "horos-gateway"]["spec"]["ingress"]
        assert talk == {"ports": [{"port": "http"}]}
        assert metrics == {"ports": [{"port": "metrics"}], "from": peers}
