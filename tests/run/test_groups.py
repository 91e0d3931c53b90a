"""A group from its manifest to the model, on one machine; tests/e2e/test_groups.py has it on the cluster."""

import asyncio
import json
import re
from typing import Any

import yaml

from tests.run.conftest import Society, Workshop

MEMBERS = ("ada", "bob", "cyd", "dan", "eve")
WORDS = tuple(f"word-{number}" for number in range(5))


def manifest(kind: str, name: str, labels: dict[str, str] | None = None, **spec: Any) -> dict[str, Any]:
    metadata: dict[str, Any] = {"name": name, **({"labels": labels} if labels else {})}
    return {"apiVersion": "horos.dev/v1alpha1", "kind": kind, "metadata": metadata, "spec": spec}


async def all_asleep(society: Society) -> None:
    async with asyncio.timeout(180):
        while True:
            listed = json.loads((await society.horos("agents", "-o", "json")).out)
            if [each["residency"] for each in listed] == ["hibernated"] * len(MEMBERS):
                return


async def test_one_mention_is_one_model_call_and_all_read_in_one_order(workshop: Workshop) -> None:
    agents = [
        manifest("Agent", name, {"team": "x"}, instructions="You judge.", idleSeconds=1) for name in MEMBERS
    ]
    pool = manifest("AgentPool", "default", maxRunning=2)
    group = manifest("Group", "board", memberSelector={"matchLabels": {"team": "x"}})
    await workshop.model.load({"text": "I do."}, repeat="last")
    society = await workshop.start(workshop.write(yaml.safe_dump_all([pool, *agents, group])))
    await society.says("horos chat")
    await all_asleep(society)
    await society.horos("send", "@board", "Nobody has to answer this.")
    done = await society.horos("send", "@board", "Who knows? @cyd, do you?", "--wait", "--timeout", "60")
    assert (done.code, done.out[10:]) == (0, "cyd: I do.\n"), done.err
    await all_asleep(society)
    (request,) = await workshop.model.requests()
    heard = request["body"]["messages"][-1]["content"]
    assert heard.index("Nobody has to answer this.") < heard.index("Who knows?")

    await workshop.model.load({"text": "Noted."}, repeat="last")
    await asyncio.gather(*(society.horos("send", "@board", word) for word in WORDS))
    everybody = " ".join(f"@{name}" for name in MEMBERS)
    done = await society.horos("send", "@board", f"{everybody}: that was all.", "--wait", "--timeout", "120")
    assert done.code == 0, done.err
    await all_asleep(society)
    requests = await workshop.model.requests()
    assert len(requests) == len(MEMBERS), "answers wake nobody"
    said = (await society.horos("watch", "@board", "--no-follow", "--last", "100")).out
    order = re.findall(r"word-\d", said)
    assert sorted(order) == list(WORDS)
    for each in requests:
        assert re.findall(r"word-\d", each["body"]["messages"][-1]["content"]) == order
    society.interrupt()
    assert (await society.end()).code == 0


async def test_asking_a_group_ends_when_a_member_has_nothing_to_say(workshop: Workshop) -> None:
    ada = manifest("Agent", "ada", {"team": "x"}, instructions="You judge.")
    group = manifest("Group", "board", memberSelector={"matchLabels": {"team": "x"}})
    await workshop.model.load({"text": ""}, repeat="last")
    file = workshop.write(yaml.safe_dump_all([ada, group]))
    done = await workshop.run(file, "--agent", "@board", "--ask", "@ada Well?", "--timeout", "60")
    assert (done.code, done.out) == (0, ""), done.err
    assert "ada has nothing to say" in done.err
