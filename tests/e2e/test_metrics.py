"""What scrapers read in a cluster: from the pods' own port, past every Service, without a token."""

from tests.e2e.cluster import RELEASE, Namespace, eventually, horos, kubectl
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel
from tests.exposition import Scraped, scraped

PORT = 8081


def read(component: str) -> list[Scraped]:
    """The metrics of every pod of a component."""
    labels = f"app.kubernetes.io/name=horos,app.kubernetes.io/component={component}"
    names = kubectl(
        "-n", RELEASE, "get", "pods", "-l", labels, "-o", "jsonpath={.items[*].metadata.name}"
    ).split()
    paths = [f"/api/v1/namespaces/{RELEASE}/pods/{name}:{PORT}/proxy/metrics" for name in names]
    return [scraped(kubectl("get", "--raw", path)) for path in paths]


def total(component: str, sample: str, **labels: str) -> float:
    return sum(each.value(sample, **labels) or 0 for each in read(component))


def grown(component: str, least: float, sample: str, **labels: str) -> None:
    def found() -> bool:
        value = total(component, sample, **labels)
        assert value >= least, f"{sample} {labels} is {value}"
        return True

    eventually(f"{sample} is {least}", found)


def test_an_activation_is_seen_from_its_need_to_its_claim_with_what_it_used(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent
) -> None:
    model.play({"text": "here I am"}, repeat="last")
    agent("meg", operatingMode="Suspended")
    namespace.until_seen("meg")
    here = {"namespace": namespace.name}
    grown("operator", 1, "horos_agents", **here, residency="suspended")
    accepted = total("gateway", "horos_gateway_messages_total", outcome="accepted")
    created = total("operator", "horos_api_writes_total", verb="create", kind="pods", outcome="ok")
    horos("send", "meg", "are you there?", "-n", namespace.name)
    agent("meg", operatingMode="Running")
    grown("operator", 1, "horos_activations_total", **here)
    assert total("operator", "horos_queue_wait_seconds_count", **here) == 1
    for stage in ("granted", "created", "scheduled", "running", "claimed"):
        assert total("operator", "horos_activation_seconds_count", stage=stage) >= 1
    assert total("operator", "horos_api_writes_total", verb="create", kind="pods", outcome="ok") > created
    assert total("gateway", "horos_gateway_messages_total", outcome="accepted") > accepted
    grown("operator", 1, "horos_agents", **here, residency="resident")
    grown("operator", 1, "horos_turns_total", **here, model="scripted")
    grown("operator", 1, "horos_agent_turns_total", **here, agent="meg")
    assert total("operator", "horos_tokens_total", **here, model="scripted", direction="completion") > 0
    assert total("operator", "horos_leader") == 1
