"""An agent that cannot answer yet: the command says why, and waits for one that was applied a moment ago."""

import asyncio

from horos.readiness import why_not_ready
from tests.person.conftest import Cluster
from tests.person.stage import Done

MISSING = ("False", "SecretMissing", 'Secret "llm" does not exist; create it with key "apiKey"')
TOLD = f"{MISSING[1]}: {MISSING[2]}"
VALID = ("True", "Valid", "the spec can be carried out")


async def test_whoever_sends_is_told_what_keeps_the_agent_from_answering(cluster: Cluster) -> None:
    await cluster.control.create("ada", "uid-ada")
    cluster.door.says("ada", Accepted=VALID, Ready=MISSING)
    sent = await cluster.horos("send", "ada", "Hello")
    assert (sent.code, sent.out) == (0, "")
    assert sent.err.endswith(f"\nada cannot answer yet: {TOLD}\n")
    waited = await cluster.horos("send", "ada", "Hello", "--wait", "--timeout", "1")
    assert waited.code == 5
    assert waited.err.startswith(f"ada cannot answer yet: {TOLD}\n")
    chat = await cluster.start("chat", "ada")
    assert (await chat.end("")) == Done(0, "", f"ada cannot answer yet: {TOLD}\n")


async def test_an_agent_that_was_just_applied_is_waited_for(cluster: Cluster) -> None:
    cluster.door.says("ada")
    sending = asyncio.create_task(cluster.horos("send", "ada", "Hello"))
    done, _ = await asyncio.wait({sending}, timeout=1)
    assert not done, "it does not give up on an Agent that exists"
    await cluster.control.create("ada", "uid-ada")
    sent = await sending
    assert (sent.code, sent.err.startswith("ada has message ")) == (0, True), sent
    view = await cluster.control.view("ada")
    assert view is not None
    assert view.waiting == 1


async def test_an_agent_that_is_not_accepted_is_told_at_once_with_its_cause(cluster: Cluster) -> None:
    down = ("False", "BusUnavailable", "Redis at r:6379 cannot be reached; trying again")
    cluster.door.says("ada", Accepted=down, Ready=down)
    for command in (("send", "ada", "Hello"), ("events", "ada"), ("chat", "ada")):
        done = await cluster.horos(*command)
        assert done == Done(3, "", f"error: agent ada takes no messages: {down[1]}: {down[2]}\n")
    described = await cluster.horos("describe", "ada")
    assert described.code == 0
    assert f"  Accepted: False  {down[1]}: {down[2]}" in described.out
    assert described.out.endswith("Now: takes no messages yet\n")


async def test_an_agent_that_does_not_exist_is_not_waited_for(cluster: Cluster) -> None:
    for command in (("send", "gone", "Hello"), ("describe", "gone")):
        done = await cluster.horos(*command)
        assert done == Done(3, "", "error: there is no agent gone in namespace here\n")


async def test_the_list_tells_why_and_has_agents_that_the_gateway_does_not_know(cluster: Cluster) -> None:
    assert await cluster.horos("agents") == Done(0, "", "no agents in namespace here\n")
    await cluster.control.create("ada", "uid-ada")
    cluster.door.says("ada", Accepted=VALID, Ready=MISSING)
    cluster.door.says("new")
    _, ada, new = (await cluster.horos("agents")).out.splitlines()
    assert ada.rstrip().split(maxsplit=9) == [
        *["ada", "idle", "starting", "-", "0", "0", "0", "0", "-"],
        TOLD,
    ]
    assert new.split(maxsplit=9)[:9] == ["new", *["-"] * 8]
    assert "the operator has not looked at it yet" in new


async def test_without_the_right_to_read_agents_everything_else_works(cluster: Cluster) -> None:
    await cluster.control.create("ada", "uid-ada")
    cluster.door.says("ada", Accepted=VALID, Ready=MISSING)
    cluster.door.may_read_agents = False
    assert (await cluster.horos("agents")).out.splitlines()[1].split()[-1] == "-"
    sent = await cluster.horos("send", "ada", "Hello")
    assert (sent.code, "cannot answer" in sent.err) == (0, False)
    refused = await cluster.horos("describe", "ada")
    assert refused.code == 6
    assert "you may not read agents in namespace here" in refused.err


def test_a_ready_agent_has_nothing_to_tell() -> None:
    conditions = [{"type": kind, "status": "True"} for kind in ("Accepted", "Scheduled", "Ready")]
    assert why_not_ready({"status": {"conditions": conditions}}) == ""
    unknown = {"type": "Ready", "status": "Unknown", "reason": "Starting"}
    assert why_not_ready({"status": {"conditions": [conditions[0], unknown]}}) == "Starting"
