"""The same manifest in a cluster and on one machine: each agent's watchers are told the same."""

import asyncio
import json
import re
import uuid
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from horos_api.messages import NewMessage
from horos_api.names import key_prefix
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.event_stream import EventStream
from horos_bus.group_records import NewPost
from horos_bus.group_service import GroupService
from horos_bus.sender import reply, send
from horos_operator.local.operator import LocalOperator, local_settings
from tests.controller.conftest import Stage
from tests.e2e.model import ScriptedModel as ModelPod
from tests.model_fixtures import ScriptedModel
from tests.redis_fixtures import RedisProcess

PATIENCE = 180.0
BESIDE = {"order", "child", "wake"}
"""What others tell of an agent, whatever it does meanwhile: between which of its own events is luck."""
AGENTS = ("lead", "peer", "kid")
BIRTH = {"name": "kid", "instructions": "You are a child.", "task": "count the letters"}
REPLIES: tuple[dict[str, Any], ...] = (
    {"match": {"text": "how many letters"}, "toolCalls": [{"name": "create_agent", "arguments": BIRTH}]},
    {"match": {"text": "how many letters"}, "text": "I wait for a child."},
    {"match": {"text": "count the letters"}, "text": "Seven."},
    {"match": {"text": "Seven."}, "text": "There are seven letters."},
    {"match": {"text": "is that right"}, "text": "It is."},
)


def manifest(model_url: str) -> list[dict[str, Any]]:
    """A lead that may raise children, a peer, a group of both; all ask the one model."""

    def of(kind: str, name: str, spec: dict[str, Any]) -> dict[str, Any]:
        head = {"apiVersion": "horos.dev/v1alpha1", "kind": kind, "metadata": {"name": name}}
        return head | {"spec": spec}

    return [
        of("ModelConfig", "default", {"name": "scripted", "baseUrl": model_url}),
        of(
            "Agent",
            "lead",
            {"instructions": "Lead.", "tools": {"builtin": ["create_agent"]}, "idleSeconds": 0},
        ),
        of("Agent", "peer", {"instructions": "Judge.", "idleSeconds": 0}),
        of("Group", "team", {"members": ["lead", "peer"]}),
    ]


async def eventually(what: str, holds: Callable[[], Awaitable[Any]]) -> Any:
    try:
        async with asyncio.timeout(PATIENCE):
            while True:
                if found := await holds():
                    return found
                await asyncio.sleep(0.1)
    except TimeoutError:
        pytest.fail(f"after {PATIENCE:.0f} s still not: {what}")


async def told(bus: Bus) -> dict[str, Any]:
    """Ask the lead, mention the peer; returns what each agent told its watchers, and others beside it."""
    control, groups = Control(bus), GroupService(bus)

    async def resident() -> bool:
        views = await control.views(["lead", "peer"])
        members = await groups.view("team")
        return len([each for each in views.values() if each.holder]) == 2 and bool(
            members and members.members
        )

    await eventually("both hold their inboxes and are members", resident)
    mid = uuid.uuid4().hex
    await send(bus, NewMessage(to="lead", mid=mid, body="how many letters has society?"))
    ending = await eventually("the lead has answered", lambda: reply(bus, mid))
    assert (ending.text, ending.error) == ("There are seven letters.", "")
    await groups.post(NewPost("team", uuid.uuid4().hex, "ada", "@peer is that right?"))

    async def answered() -> bool:
        return len(await groups.read("team")) == 2

    await eventually("the peer has answered in the group", answered)

    async def over() -> bool:
        view = await control.view("kid")
        return view is not None and view.state == "terminated" and not view.holder

    await eventually("the child has ended", over)
    stream = EventStream(bus)
    found = {name: _plain(await stream.read(name, None, "0", 0.1)) for name in AGENTS}
    return {
        name: {
            "itself": [each for each in events if each[1] not in BESIDE],
            "beside": [each for each in events if each[1] in BESIDE],
        }
        for name, events in found.items()
    }


def _plain(events: Any) -> list[Any]:
    """Keep of each event what it says; ids, times and where a text is cut differ from run to run."""
    said: list[Any] = []
    for stored in events:
        event = stored.event
        kind, delta = event["type"], event.get("delta")
        if delta is not None and said and said[-1][0] == kind:
            said[-1] = (kind, said[-1][1] + delta)
        elif delta is not None:
            said.append((kind, delta))
        else:
            said.append(
                (
                    kind,
                    event.get("toolCallName")
                    or event.get("name")
                    or _without_ids(event.get("content") or ""),
                )
            )
    return said


def _without_ids(text: str) -> str:
    return re.sub(r"\d{13}-\d+", "<id>", text)


async def in_the_cluster(stage: Stage) -> dict[str, Any]:
    # Not beside the agents, where only pods as restricted as theirs may be.
    model = ModelPod(stage.own)
    await asyncio.to_thread(model.start)
    await asyncio.to_thread(model.play, *REPLIES)
    await asyncio.to_thread(stage.agents.apply, *manifest(model.base_url))
    bus = Bus.open(stage.bus_url(), key_prefix(stage.name, stage.name))
    try:
        return await told(bus)
    finally:
        await bus.aclose()


async def on_this_machine(folder: Path, redis_url: str, model: ScriptedModel) -> dict[str, Any]:
    await model.load(*REPLIES, repeat="error")
    settings = local_settings(redis_url, install=f"same-{uuid.uuid4().hex[:8]}")
    async with LocalOperator(settings, folder) as operator:
        await operator.apply(manifest(model.base_url))
        return await told(operator.bus())


@pytest.mark.cluster
async def test_watchers_are_told_the_same_in_both_worlds(
    settled: Stage, tmp_path: Path, redis_server: RedisProcess, scripted_model: ScriptedModel
) -> None:
    here = await on_this_machine(tmp_path, redis_server.url, scripted_model)
    there = await in_the_cluster(settled)
    for name in AGENTS:
        assert here[name] == there[name], json.dumps({"here": here[name], "there": there[name]}, indent=1)
    assert ("TEXT_MESSAGE_CONTENT", "There are seven letters.") in here["lead"]["itself"]
    assert ("TEXT_MESSAGE_CONTENT", "It is.") in here["peer"]["itself"]
    assert [kind for kind, _ in here["kid"]["itself"]].count("RUN_FINISHED") == 1


async def test_what_is_told_on_one_machine_does_not_change_from_run_to_run(
    tmp_path: Path, redis_server: RedisProcess, scripted_model: ScriptedModel
) -> None:
    first = await on_this_machine(tmp_path / "first", redis_server.url, scripted_model)
    second = await on_this_machine(tmp_path / "second", redis_server.url, scripted_model)
    assert first == second, json.dumps([first, second])
    assert first["lead"]["beside"] != [] and first["kid"]["itself"] != []
