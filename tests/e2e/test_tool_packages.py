"""A package of tools in an image of one's own: examples/tools on the cluster, as its Dockerfile says."""

import json

import pytest
import yaml

from tests.e2e.cluster import PROJECT, Namespace, images, run
from tests.e2e.conftest import ApplyAgent
from tests.e2e.model import ScriptedModel

EXAMPLE = PROJECT / "examples/tools"


@pytest.fixture(scope="session")
def desk_image(release: str) -> str:
    made = run(str(PROJECT / "tests/cluster/test-image.sh"), images()["agent"], str(EXAMPLE))
    return made.stdout.split()[-1]


def test_the_image_of_the_example_brings_its_tools_to_the_agent(
    namespace: Namespace, model: ScriptedModel, agent: ApplyAgent, desk_image: str
) -> None:
    spec = yaml.safe_load((EXAMPLE / "agent.yaml").read_text())["spec"]
    asked = {"first": "2026-11-25", "second": "2026-12-25"}
    model.play(
        {"match": {"text": "How many"}, "toolCalls": [{"name": "days_between", "arguments": asked}]},
        {"match": {"text": "How many"}, "text": "Thirty days."},
    )
    agent("clerk", **spec | {"image": desk_image})
    pod = namespace.until_ready("clerk")
    assert pod["spec"]["containers"][0]["image"] == desk_image
    assert namespace.ask("clerk", "How many days until Christmas 2026?") == "Thirty days.\n"
    (result,) = [record["content"] for record in namespace.records("clerk") if record["role"] == "tool"]
    assert json.loads(result) == {"days": 30, "first": "Wednesday", "second": "Friday"}
    problems = [event for event in namespace.told("clerk") if event.get("name") == "toolProblem"]
    assert problems == [], "the entry point of the package was found and loaded"
