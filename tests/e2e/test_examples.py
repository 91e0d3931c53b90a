"""Every example answers in the cluster, and tells agent by agent the same as in `horos run`."""

from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.e2e.cluster import Namespace, eventually, horos
from tests.e2e.model import ScriptedModel
from tests.examples.stories import STORIES, Story, connected, told
from tests.model_fixtures import ScriptedModel as ModelOfThisMachine
from tests.run.conftest import Workshop
from tests.run.test_examples import played


@pytest.fixture
def workshop(tmp_path: Path, scripted_model: ModelOfThisMachine) -> Workshop:
    return Workshop(tmp_path, scripted_model)


@pytest.fixture
def applied(namespace: Namespace, model: ScriptedModel, request: pytest.FixtureRequest) -> Iterator[Story]:
    """An example in the namespace, with the scripted model as the model of all that say none."""
    story: Story = request.param
    namespace.apply(
        {
            "apiVersion": "horos.dev/v1alpha1",
            "kind": "ModelConfig",
            "metadata": {"name": "default"},
            "spec": {"name": "scripted", "baseUrl": model.base_url},
        }
    )
    script = story.script
    model.play(*script["replies"], repeat=script.get("repeat", "error"))
    manifests = [each for each in yaml.safe_load_all(story.file.read_text()) if each]
    namespace.apply(*manifests)
    yield story
    for each in manifests:
        namespace.kubectl("delete", each["kind"], each["metadata"]["name"], "--timeout=90s")


def of_the_cluster(namespace: Namespace, story: Story) -> list[dict[str, Any]]:
    """The events of all agents that have taken a turn, once each has taken all of its own."""

    def seen() -> list[dict[str, Any]]:
        events = [{**event, "agent": agent} for agent in story.turns for event in namespace.told(agent)]
        return events if story.is_over(events) else []

    return eventually(f"the turns of {story.name}", seen, 120)


@pytest.mark.parametrize("applied", STORIES, indirect=True, ids=lambda story: story.name)
async def test_an_example_does_the_same_in_both_worlds(
    namespace: Namespace, applied: Story, workshop: Workshop
) -> None:
    for agent in applied.agents:
        namespace.until_ready(agent)
    for agent in applied.servers:
        ask = partial(horos, "tools", agent, "-n", namespace.name, "-o", "json")
        eventually(f"the tools of {agent}", lambda ask=ask: connected(ask().stdout))
    for each in applied.says:
        done = horos("send", each.to, each.text, "-n", namespace.name, "--wait", "--timeout", "120")
        assert all(done.stdout.count(line) >= each.answers.count(line) for line in each.answers), done.stdout
    in_the_cluster = of_the_cluster(namespace, applied)
    here = await played(workshop, applied)
    for agent in applied.turns:
        assert told(e for e in here if e["agent"] == agent) == told(
            e for e in in_the_cluster if e["agent"] == agent
        ), agent
