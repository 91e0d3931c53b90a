"""An agent has children created, waits for them without a process, and ends them; with the scripted model."""

import signal
from typing import Any

import orjson
import pytest

from horos_api.lifetimes import Lifetime
from horos_api.resources import AgentSpec, BuiltinTool, ToolsSpec
from horos_bus.control import Control
from horos_bus.operating import Child, DayLimits, OrderKind, Settled, SocietyOrder
from horos_runtime.agent_config import StoredConfig
from tests.runtime.stage import Stage, until

RAISING = ToolsSpec(builtin=(BuiltinTool.CREATE_AGENT, BuiltinTool.TERMINATE_AGENT))
NOON = 20_000 * 86_400 + 43_200.0


def lead(stage: Stage) -> AgentSpec:
    """The spec of an agent that may have children."""
    return stage.spec("I am the lead").model_copy(update={"tools": RAISING})


def create(name: str, **more: object) -> dict[str, object]:
    arguments = {"name": name, "instructions": f"I am {name}", "task": f"task of {name}", **more}
    return {"name": "create_agent", "arguments": arguments}


async def orders(stage: Stage, count: int = 1) -> list[SocietyOrder]:
    """Wait until agents have ordered so much."""
    found: list[SocietyOrder] = []

    async def there() -> bool:
        read = await Control(stage.bus).orders()
        found[:] = [order for order in read if isinstance(order, SocietyOrder)]
        return len(found) >= count

    await until(there)
    return found


async def bear(stage: Stage, order: SocietyOrder) -> None:
    """Do what the operator does: keys and spec of the child, then the answer to its parent."""
    wish: dict[str, Any] = orjson.loads(order.body)
    control = Control(stage.bus)
    await control.create(order.name, f"uid-{order.name}", order.agent, order.agent)
    spec = stage.spec(wish["instructions"]).model_copy(
        update={"parent_name": order.agent, "lifetime": Lifetime.TASK}
    )
    text = StoredConfig(generation=1, spec=spec).encoded()
    await control.configure(order.name, f"uid-{order.name}", 1, text, lifetime=spec.lifetime)
    child = Child(order.name, f"uid-{order.name}", wish.get("task", ""))
    assert await control.settle(order, "done", f"agent {order.name} was created", child) == Settled.OK


async def results(stage: Stage, name: str = "ada") -> list[str]:
    return [str(record["content"]) for record in await stage.records(name) if record["role"] == "tool"]


async def test_a_lead_waits_for_its_children_without_a_process_and_answers_once(stage: Stage) -> None:
    await stage.agent(spec=lead(stage))
    names = ("one", "two", "three")
    await stage.model.load(
        {"match": {"text": "do it"}, "toolCalls": [create(name) for name in names]},
        {"match": {"text": "do it"}, "text": "I have asked three."},
        *({"match": {"text": f"task of {name}"}, "text": f"{name} is done"} for name in names),
        {"match": {"text": "is done"}, "text": "all three are done"},
    )
    async with stage.running():
        mid = await stage.say("do it")
        asked = await orders(stage, 3)
        await stage.becomes("idle")
    assert [(order.kind, order.name) for order in asked] == [(OrderKind.CREATE_AGENT, name) for name in names]
    assert all(
        f"as request {order.mid}" in text for order, text in zip(asked, await results(stage), strict=True)
    )
    view = await stage.view()
    assert (view.holder, view.waits, view.owed, view.in_work) == ("", 3, 1, False)
    for order in asked:
        await bear(stage, order)
    for name in names:
        async with stage.running(name) as child:
            assert await child.ends() == 0
        assert (await stage.view(name)).state == "terminated"
    async with stage.running():
        assert await stage.answer(mid) == "all three are done"
    heard = [
        (record["from"], record["content"]) for record in await stage.records() if record["role"] == "user"
    ]
    assert heard == [("", "do it"), *((name, f"{name} is done") for name in names)]
    told = [event["value"] for event in await stage.events() if event.get("name") == "child"]
    assert [(value["name"], value["reason"]) for value in told] == [(name, "TaskDone") for name in names]


async def test_a_refusal_is_a_message_that_the_lead_answers_with(stage: Stage) -> None:
    await stage.agent(spec=lead(stage))
    await stage.model.load(
        {"match": {"text": "do it"}, "toolCalls": [create("bob", task=None)]},
        {"match": {"text": "do it"}, "text": "asked"},
        {"match": {"text": "too many"}, "text": "I may not have children"},
    )
    async with stage.running():
        mid = await stage.say("do it")
        (order,) = await orders(stage)
        assert "task" not in orjson.loads(order.body)
        await Control(stage.bus).settle(order, "refused", "agent bob was not created: too many")
        assert await stage.answer(mid) == "I may not have children"
    *_, last = await stage.model.requests()
    said = last["body"]["messages"][-1]["content"]
    assert "agent bob was not created: too many" in said
    assert order.mid in said


async def test_a_child_is_ended_and_the_end_of_nobody_is_said_at_once(stage: Stage) -> None:
    await stage.agent(spec=lead(stage))
    control = Control(stage.bus)
    await control.create("bob", "uid-bob", "ada", "ada")
    ends = [{"name": "terminate_agent", "arguments": {"name": name}} for name in ("bob", "nobody")]
    await stage.model.load(
        {"match": {"text": "end it"}, "toolCalls": ends},
        {"match": {"text": "end it"}, "text": "asked"},
        {"match": {"text": "bob has ended"}, "text": "it is over"},
    )
    async with stage.running():
        mid = await stage.say("end it")
        (order,) = await orders(stage)
        assert (order.kind, order.name) == (OrderKind.TERMINATE_AGENT, "bob")
        await control.terminate("bob", "uid-bob")
        await control.settle(order, "done", "bob has ended")
        assert await stage.answer(mid) == "it is over"
    first, second = await results(stage)
    assert first.startswith(f"the end of bob is asked for, as request {order.mid}.")
    assert second == "error: there is no agent 'nobody', or it has ended already"
    assert [record["from"] for record in await stage.records() if record["role"] == "user"] == ["", "bob"]


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"name": "Bob"}, "name: name 'Bob' is not a DNS label"),
        ({"tools": ["fly"]}, "tools.0: Input should be 'send'"),
        ({"lifetime": "Short"}, "lifetime: Input should be 'Permanent' or 'Task', got \"Short\""),
        ({"costPerDay": "much"}, "costPerDay: "),
        ({"tokensPerDay": 0}, "tokensPerDay: Input should be greater than or equal to 1, got 0"),
        ({"task": " "}, "task: expected a text that is not empty"),
        ({"parent": "eve"}, "parent: there is no field of this name"),
    ],
)
async def test_what_is_wrong_with_a_wish_is_said_with_its_field(
    stage: Stage, wrong: dict[str, object], said: str
) -> None:
    await stage.agent(spec=lead(stage))
    await stage.model.load(
        {"toolCalls": [create("bob") | {"arguments": {**wish(), **wrong}}]}, {"text": "hm"}
    )
    async with stage.running():
        assert await stage.ask("do it") == "hm"
    (result,) = await results(stage)
    assert result.startswith("error: wrong arguments for create_agent: ")
    assert said in result
    assert await Control(stage.bus).orders() == []


def wish() -> dict[str, object]:
    return {"name": "bob", "instructions": "be bob"}


async def test_killed_behind_the_order_its_successor_asks_for_no_second_child(stage: Stage) -> None:
    await stage.agent(spec=lead(stage))
    await stage.model.load(
        {"match": {"text": "do it"}, "toolCalls": [create("bob")]},
        {"match": {"text": "do it"}, "chunks": ["I have", {"text": " asked", "hold": True}]},
        {"match": {"text": "do it"}, "text": "I have asked bob."},
        {"match": {"text": "task of bob"}, "text": "bob is done"},
        {"match": {"text": "bob is done"}, "text": "done"},
    )
    async with stage.process("ada") as first:
        mid = await stage.say("do it")
        (order,) = await orders(stage)
        await stage.shows(lambda event: event["type"] == "TEXT_MESSAGE_CONTENT")
        first.send_signal(signal.SIGKILL)
        await first.wait()
    await bear(stage, order)
    async with stage.running("bob") as child:
        assert await child.ends() == 0
    async with stage.running():
        assert await stage.answer(mid) == "done"
    assert await Control(stage.bus).orders() == []
    assert len(await results(stage)) == 1


async def test_a_tree_that_has_used_up_its_roots_budget_says_whose_it_is(stage: Stage) -> None:
    control = Control(stage.bus)
    await stage.agent(spec=lead(stage))
    await control.configure("ada", "uid-ada", 9, b'{"of": "ada"}', limits=DayLimits(tokens=100))
    await control.create("bob", "uid-bob", "ada", "ada")
    spec = stage.spec().model_copy(update={"parent_name": "ada"})
    await stage.configure("bob", spec)
    used = {"usage": {"promptTokens": 150, "completionTokens": 0}, "text": "worked"}
    await stage.model.load(used, {"text": "never"})
    async with stage.running("bob", clock=lambda: NOON):
        assert await stage.ask("work", "bob") == "worked"
        why = await stage.refusal(await stage.say("more", "bob"))
    assert why == (
        "today's tokens of agent ada and its descendants are used up: 150 of 100"
        " (budget.tokensPerDay of ada); the next day begins at 2024-10-05T00:00:00Z"
    )
    assert len(await stage.model.requests()) == 1
