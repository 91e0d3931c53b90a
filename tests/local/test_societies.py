"""Families, groups and approvals on one machine: the operator decides as in a cluster."""

import asyncio
import os
import uuid
from pathlib import Path
from typing import Any

from horos_api.messages import Verdict
from horos_api.server_report import ServerState, read_report
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.group_records import NewPost
from horos_bus.group_service import GroupService
from tests.local.conftest import Ground, Stage, agent, agents_processes, eventually, pool

RAISING = {"builtin": ["create_agent"]}


def raise_child(name: str) -> dict[str, Any]:
    arguments = {"name": name, "instructions": f"You are {name}.", "task": f"the task of {name}"}
    return {"name": "create_agent", "arguments": arguments}


def family(lead: str) -> list[dict[str, Any]]:
    """What the model says to a lead and its two children."""
    kids = [f"{lead}-one", f"{lead}-two"]
    return [
        {"match": {"text": f"work of {lead}"}, "toolCalls": [raise_child(kid) for kid in kids]},
        {"match": {"text": f"work of {lead}"}, "text": f"{lead} waits"},
        *({"match": {"text": f"the task of {kid}"}, "text": f"{kid} has done it"} for kid in kids),
        # The answers come in one turn or in two.
        *([{"match": {"pattern": f"{lead}-(one|two) has done it"}, "text": f"{lead} is done"}] * 2),
    ]


async def keys(bus: Bus, pattern: str) -> list[bytes]:
    found: list[bytes] = await bus.command(
        "KEYS", bus.prefix.replace("{", "[{]").replace("}", "[}]") + pattern
    )
    return found


async def test_two_parents_in_a_pool_of_one_end_answered_and_their_trees_go_with_them(ground: Ground) -> None:
    await ground.model.load(*family("ada"), *family("bob"))
    most = 0

    def count(plural: str, _body: Any, _gone: bool) -> None:
        nonlocal most
        if plural == "pods":
            most = max(most, len(agents_processes(os.getpid())))

    async with ground.operator() as stage:
        stage.operator.listen(count)
        leads = [agent(name, tools=RAISING) for name in ("ada", "bob")]
        await stage.operator.apply([pool(1), *leads])
        answers = await asyncio.gather(*(stage.ask(name, f"work of {name}") for name in ("ada", "bob")))
        assert answers == ["ada is done", "bob is done"]
        assert most == 1
        there = {each["metadata"]["name"]: each for each in stage.operator.objects("Agent")}
        assert set(there) == {"ada", "ada-one", "ada-two", "bob", "bob-one", "bob-two"}
        for name in ("one", "two"):
            await eventually(
                f"{name} is over", lambda name=name: _state(stage, f"ada-{name}") == "terminated"
            )
            owner = there[f"ada-{name}"]["metadata"]["ownerReferences"][0]
            assert owner["uid"] == there["ada"]["metadata"]["uid"]
        assert await stage.operator.delete("Agent", "default", "ada")
        await eventually("ada's tree is gone", lambda: len(stage.operator.objects("Agent")) == 3)
        await eventually("no process of it is left", lambda: _only_of(stage, "bob"))
        assert await keys(stage.bus, "a:ada*") == []
        assert await keys(stage.bus, "a:bob*") != []


def _state(stage: Stage, name: str) -> str:
    body = stage.operator.object("Agent", "default", name) or {}
    return str((body.get("status") or {}).get("state"))


async def _only_of(stage: Stage, name: str) -> bool:
    return all(pod.agent.startswith(name) for pod in await stage.operator.cluster.pods())


async def test_a_mention_in_a_group_makes_one_model_call_and_a_quiet_post(ground: Ground) -> None:
    await ground.model.load({"text": "It is safe."}, repeat="error")
    members = [agent(name) for name in ("sec", "read", "chair")]
    for each in members:
        each["metadata"]["labels"] = {"board": "review"}
    group = {
        "apiVersion": "horos.dev/v1alpha1",
        "kind": "Group",
        "metadata": {"name": "board"},
        "spec": {"memberSelector": {"matchLabels": {"board": "review"}}, "members": ["gone"]},
    }
    async with ground.operator() as stage:
        await stage.operator.apply([*members, group])
        groups = GroupService(stage.bus)
        await eventually("all are members", lambda: _members(groups, 3))
        await eventually("the bus knows them", lambda: _known(stage.bus, 3))
        posted = await groups.post(NewPost("board", uuid.uuid4().hex, "ada", "@sec is this safe?"))
        assert (posted.outcome, posted.woken) == ("OK", ("sec",))
        posts = await eventually("the answer", lambda: _posts(groups, 2))
        assert [(each.sender, each.body) for each in posts] == [
            ("", "@sec is this safe?"),
            ("sec", "It is safe."),
        ]
        assert len(await ground.model.requests(at_least=1)) == 1
        told = stage.operator.object("Group", "default", "board") or {}
        assert (told["status"]["members"], told["status"]["missing"]) == (["chair", "read", "sec"], ["gone"])
        assert await stage.operator.delete("Group", "default", "board")
        await eventually("the group is gone", lambda: not stage.operator.objects("Group"))
        assert await keys(stage.bus, "g:*") == []


async def _known(bus: Bus, count: int) -> bool:
    return len(await Control(bus).agents()) == count


async def _members(groups: GroupService, count: int) -> bool:
    view = await groups.view("board")
    return view is not None and len(view.members) == count


async def _posts(groups: GroupService, count: int) -> Any:
    posts = await groups.read("board")
    return posts if len(posts) == count else None


PAYING = """
import sys
from mcp.server import MCPServer
server = MCPServer("till")

@server.tool()
def pay(amount: int) -> str:
    "Pay; not to be repeated."
    with open(sys.argv[1], "a") as book:
        book.write(f"{amount}\\n")
    return f"paid {amount}"

server.run("stdio")
"""


async def test_an_approved_call_runs_once_after_its_agent_has_left(ground: Ground, tmp_path: Path) -> None:
    await ground.model.load(
        {"text": "", "toolCalls": [{"name": "till__pay", "arguments": {"amount": 5}}]},
        {"text": "I wait for a person."},
        {"text": "It is paid."},
        repeat="error",
    )
    book = tmp_path / "book"
    till = {"name": "till", "command": ["python", "-c", PAYING, str(book)], "approval": "Always"}
    async with ground.operator() as stage:
        await stage.operator.apply([agent("clerk", tools={"builtin": [], "servers": [till]})])
        # Else a slow machine asks the model before the tool is there.
        await eventually("the till is connected", lambda: _connected(stage))
        answer = asyncio.ensure_future(stage.ask("clerk", "pay 5"))
        (asked,) = await eventually("a person is asked", lambda: _approvals(stage))
        await stage.control.ctl("clerk", "evict")
        await eventually("the clerk has left", lambda: _only_of(stage, "nobody"))
        assert not book.exists()
        await stage.control.decide("clerk", asked.id, Verdict.APPROVE, "ada")
        assert await answer == "It is paid."
    assert book.read_text() == "5\n"


async def _connected(stage: Stage) -> bool:
    report = read_report(await stage.control.servers("clerk"))
    return (
        report is not None
        and bool(report.servers)
        and all(each.state is ServerState.CONNECTED for each in report.servers)
    )


async def _approvals(stage: Stage) -> Any:
    return await Control(stage.bus).approvals("clerk") if await stage.control.view("clerk") else None
