"""Agents as processes of this machine: they answer, wait for slots, leave, return, and survive any end."""

import asyncio
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from horos_api.messages import NewMessage, SendOutcome
from horos_bus.sender import reply, send
from horos_operator.cluster import NoRoomError
from horos_operator.local.operator import FolderInUseError, FolderUnusableError
from tests.e2e.cluster import PROJECT
from tests.local.conftest import Ground, Stage, agent, agents_processes, eventually, pool


async def test_an_agent_answers_and_is_ready(ground: Ground) -> None:
    await ground.model.load({"text": "Hello from here."}, repeat="last")
    async with ground.operator() as stage:
        await stage.operator.apply([agent("ada", instructions="Be brief.")])
        assert await stage.ask("ada", "hello?") == "Hello from here."
        await eventually("ada is Ready", lambda: stage.condition("ada", "Ready").get("status") == "True")
        assert stage.operator.problems() == {}
        assert len(agents_processes(os.getpid())) == 1
    assert agents_processes(os.getpid()) == set(), "who closes the operator ends its agents"
    request = (await ground.model.requests(at_least=1))[0]
    assert request["body"]["messages"][0]["content"].startswith("Be brief.")


async def test_namespaces_are_apart_also_in_what_their_agents_may_read(ground: Ground) -> None:
    await ground.model.load({"text": "yes"}, repeat="last")
    far = agent("ada")
    far["metadata"]["namespace"] = "research"
    async with ground.operator() as stage:
        await stage.operator.apply([agent("ada"), far])
        other = Stage(stage.operator, "research")
        assert [await each.ask("ada", "there?") for each in (stage, other)] == ["yes", "yes"]
        urls = {await _url(stage, namespace) for namespace in ("default", "research")}
        assert len(urls) == 2, "each namespace has a user of its own"


async def _url(stage: Stage, namespace: str) -> str:
    found = await stage.operator.cluster.secret(namespace, "horos-bus") or {}
    return found["url"]


async def test_six_agents_share_two_slots_and_all_answer(ground: Ground) -> None:
    await ground.model.load({"echo": True}, repeat="last")
    names = [f"a{number}" for number in range(6)]
    async with ground.operator() as stage:
        most = 0

        def count(plural: str, _body: Any, _gone: bool) -> None:
            nonlocal most
            if plural == "pods":
                most = max(most, len(agents_processes(os.getpid())))

        stage.operator.listen(count)
        await stage.operator.apply([pool(2), *map(agent, names)])
        answers = await asyncio.gather(*(stage.ask(name, f"to {name}") for name in names))
        assert answers == [f"to {name}" for name in names]
        assert most == 2
        quota = (await stage.operator.cluster.quotas())[0]
        assert (quota.hard, quota.allowed) == (2, 2)
        await eventually("nobody waits", lambda: _queue_is_empty(stage))
        assert most == 2


async def _queue_is_empty(stage: Stage) -> bool:
    return not await stage.control.queue() and len(await stage.pods()) <= 2


async def test_a_pod_beyond_the_quota_is_refused_whoever_makes_it(ground: Ground) -> None:
    async with ground.operator() as stage:
        await stage.operator.apply([pool(1), agent("ada", idleSeconds=0)])
        await eventually("ada's process", stage.pods)
        quota = await eventually("the quota", stage.operator.cluster.quotas)
        assert quota[0].used == 1
        body = {
            "metadata": {"name": "foreign", "namespace": "default", "labels": {}},
            "spec": {"priorityClassName": "horos-agents", "containers": [{}]},
        }
        try:
            await stage.operator.cluster.create_pod(body)
        except NoRoomError as error:
            assert "exceeded quota: horos-agents" in error.message
            assert error.why == "ResourceQuota horos-agents has no room for another pod"
        else:
            raise AssertionError("a second pod was let in")


async def test_an_idle_agent_leaves_and_returns_with_what_it_knows(ground: Ground) -> None:
    await ground.model.load({"text": "noted"}, {"text": "you said blue"}, repeat="last")
    async with ground.operator() as stage:
        await stage.operator.apply([agent("ada", idleSeconds=1)])
        assert await stage.ask("ada", "my colour is blue") == "noted"
        await eventually("ada has left", lambda: _is_empty(stage))
        await eventually(
            "its status says so", lambda: stage.condition("ada", "Scheduled").get("reason") == "Hibernated"
        )
        assert (await stage.view("ada")).holder == ""
        assert await stage.ask("ada", "which colour?") == "you said blue"
        assert (await stage.view("ada")).epoch == 2
    asked = (await ground.model.requests(at_least=2))[1]["body"]["messages"]
    assert [each["content"] for each in asked[-3:]] == ["my colour is blue", "noted", "which colour?"]


async def _is_empty(stage: Stage) -> bool:
    return not await stage.operator.cluster.pods()


async def test_a_killed_agent_is_started_again_and_answers_once(ground: Ground) -> None:
    await ground.model.load({"text": "never heard", "holdStart": True}, {"text": "done"}, repeat="last")
    async with ground.operator() as stage:
        await stage.operator.apply([agent("ada")])
        await stage.view("ada")
        await send(stage.bus, NewMessage(to="ada", mid="work", body="do it"))
        await ground.model.requests(at_least=1)
        (process,) = agents_processes(os.getpid())
        os.kill(process, signal.SIGKILL)
        ending = await eventually("the answer", lambda: reply(stage.bus, "work"))
        assert (ending.text, ending.error) == ("done", "")
        assert (await stage.view("ada")).epoch == 2
        assert len(await ground.model.requests(at_least=2)) == 2


@contextmanager
def operator_process(ground: Ground, documents: list[dict[str, Any]]) -> Iterator["subprocess.Popen[str]"]:
    command = [sys.executable, "-m", "tests.local.operator_process"]
    log = (ground.folder.parent / "operator.log").open("ab")
    pipe = subprocess.PIPE
    process = subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=log, text=True, cwd=PROJECT)
    try:
        asked = {
            "folder": str(ground.folder),
            "redis": ground.redis_url,
            "install": ground.install,
            "model": ground.model.base_url,
            "documents": documents,
        }
        assert process.stdin is not None and process.stdout is not None
        print(json.dumps(asked), file=process.stdin, flush=True)
        said = process.stdout.readline()
        assert said == "there\n", (ground.folder.parent / "operator.log").read_text()
        yield process
    finally:
        process.kill()
        process.communicate()
        log.close()


async def test_when_the_operator_is_killed_its_agents_end_and_the_next_one_goes_on(ground: Ground) -> None:
    await ground.model.load({"text": "never heard", "holdStart": True}, {"text": "done"}, repeat="last")
    with operator_process(ground, [pool(2), agent("ada"), agent("bob", idleSeconds=0)]) as process:
        bus = ground.bus()
        try:
            await eventually("both run", lambda: len(agents_processes(process.pid)) == 2)
            assert await send(bus, NewMessage(to="ada", mid="work", body="do it")) == SendOutcome.OK
            await ground.model.requests(at_least=1)
            running = agents_processes(process.pid)
            process.kill()
            await eventually("the agents have ended", lambda: not any(map(_lives, running)))
        finally:
            await bus.aclose()
    async with ground.operator() as stage:
        assert {each["metadata"]["name"] for each in stage.operator.objects("Agent")} == {"ada", "bob"}
        ending = await eventually("the answer", lambda: reply(stage.bus, "work"))
        assert (ending.text, ending.error) == ("done", "")
        assert await stage.ask("bob", "and you?") == "done"
        assert len(await ground.model.requests(at_least=3)) == 3


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    return True


async def test_an_operator_that_finds_a_broken_folder_leaves_it_to_the_next_one(ground: Ground) -> None:
    async with ground.operator() as stage:
        await stage.operator.apply([agent("ada")])
    file = ground.folder / "objects/agents/default/ada.json"
    whole = file.read_text()
    file.write_text("{")
    with pytest.raises(FolderUnusableError, match=r"ada\.json cannot be read"):
        async with ground.operator():
            pass
    file.write_text(whole)
    async with ground.operator() as stage:
        assert stage.operator.object("Agent", "default", "ada") is not None


async def test_one_operator_at_a_time_uses_a_folder(ground: Ground) -> None:
    with operator_process(ground, []) as process:
        try:
            async with ground.operator():
                raise AssertionError("two operators share a folder")
        except FolderInUseError as error:
            assert f"is used by another process (number {process.pid})" in str(error)


async def test_what_is_deleted_takes_its_process_and_its_keys_along(ground: Ground) -> None:
    await ground.model.load({"text": "yes"}, repeat="last")
    async with ground.operator() as stage:
        await stage.operator.apply([agent("ada", idleSeconds=0), agent("bob", idleSeconds=0)])
        assert [await stage.ask(name, "there?") for name in ("ada", "bob")] == ["yes", "yes"]
        assert await stage.operator.delete("Agent", "default", "ada")
        await eventually("ada is gone", lambda: stage.operator.object("Agent", "default", "ada") is None)
        await eventually("its process, too", lambda: len(agents_processes(os.getpid())) == 1)
        assert set(await stage.control.agents()) == {"bob"}
        assert not await stage.operator.delete("Agent", "default", "ada")
        assert await stage.ask("bob", "still there?") == "yes"
