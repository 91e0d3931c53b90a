"""A group of twenty on the cluster: who is woken, how often a model is asked, and in which order all read."""

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest

from tests.e2e.cluster import Namespace, eventually, horos, redis
from tests.e2e.model import ScriptedModel

MEMBERS = [f"m{number:02}" for number in range(1, 21)]
SLOTS = 5
GROUP = "twenty"


def manifest(kind: str, name: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "horos.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


@pytest.fixture(scope="module")
def group(namespace: Namespace, model: ScriptedModel) -> Iterator[str]:
    """Twenty agents that leave as soon as they are idle, in a pool of five, and their group."""
    talks_to = {"name": "scripted", "baseUrl": model.base_url}
    asked = {"instructions": "You are one of twenty.", "model": talks_to, "idleSeconds": 1}
    agents = [manifest("Agent", name, {"team": GROUP}, **asked) for name in MEMBERS]
    pool = manifest("AgentPool", "default", maxRunning=SLOTS)
    selected = {"matchLabels": {"team": GROUP}}
    namespace.apply(pool, *agents, manifest("Group", GROUP, memberSelector=selected))
    eventually("all are members", lambda: status_of(namespace).get("memberCount") == len(MEMBERS))
    eventually("all were born, and have left", lambda: standing(namespace) == {"hibernated": 20}, 240)
    yield f"@{GROUP}"
    namespace.kubectl("delete", "groups,agents", "--all", "--timeout=120s")
    assert redis("--scan", "--pattern", f"horos:*{{{namespace.name}}}:[ag]:*").split() == []


def status_of(namespace: Namespace) -> dict[str, Any]:
    found: dict[str, Any] = namespace.get("group", GROUP).get("status", {})
    return found


def standing(namespace: Namespace) -> dict[str, int]:
    listed = json.loads(horos("agents", "-n", namespace.name, "-o", "json").stdout)
    places = [each["residency"] for each in listed]
    return {each: places.count(each) for each in set(places)}


def said(namespace: Namespace) -> list[dict[str, Any]]:
    """Everything that was said, in its order."""
    told = horos("watch", f"@{GROUP}", "--last", "1000", "--no-follow", "-o", "json", "-n", namespace.name)
    return [json.loads(line) for line in told.stdout.splitlines()]


def made(namespace: Namespace) -> set[str]:
    """The pods that were made since the events were forgotten, by name."""
    return {
        each["involvedObject"]["name"] for each in namespace.all("events") if each["reason"] == "Scheduled"
    }


def test_one_mention_wakes_one_of_twenty_and_asks_one_model_once(
    namespace: Namespace, model: ScriptedModel, group: str
) -> None:
    model.play({"text": "I do."}, repeat="last")
    before = made(namespace)
    place = ("-n", namespace.name)
    horos("send", group, "Nobody has to answer this.", *place)
    done = horos("send", group, "Who knows? @m07, do you?", "--wait", "--timeout", "120", *place)
    assert re.fullmatch(r"\d\d:\d\d:\d\d  m07: I do\.\n", done.stdout)
    assert "it wakes m07\n" in done.stderr
    eventually("it has left again", lambda: standing(namespace) == {"hibernated": 20})
    assert [each.rpartition("-")[0] for each in made(namespace) - before] == ["m07"]
    (request,) = model.requests()
    heard = request["messages"][-1]["content"]
    assert heard.index("Nobody has to answer this.") < heard.index("Who knows?")
    assert [(each["sender"], each["text"]) for each in said(namespace)][-1] == ("m07", "I do.")


def test_all_twenty_read_what_many_say_at_once_in_one_order(
    namespace: Namespace, model: ScriptedModel, group: str
) -> None:
    model.play({"text": "Noted."}, repeat="last")
    words = [f"word-{number:02}" for number in range(6)]
    with ThreadPoolExecutor(4) as people:
        list(people.map(lambda word: horos("send", group, word, "-n", namespace.name), words))
    everybody = " ".join(f"@{name}" for name in MEMBERS)
    horos("send", group, f"{everybody}: that was all.", "-n", namespace.name)
    requests = eventually("all are asked", lambda: (r := model.requests()) and len(r) >= 20 and r, 240)
    order = re.findall(r"word-\d\d", " ".join(each["text"] for each in said(namespace)))
    assert sorted(order) == words
    for request in requests:
        assert re.findall(r"word-\d\d", request["messages"][-1]["content"]) == order
    eventually("all have left again", lambda: standing(namespace) == {"hibernated": 20}, 120)
    assert len(model.requests()) == 20
