from datetime import UTC, datetime, timedelta

import httpx2
import orjson
import pytest

from horos_api.events import text_delta
from horos_api.resources import BudgetSpec
from horos_bus.records import DayUsage, Ending, TotalUsage, Usage
from horos_gateway.budget_bodies import budget_body, usage_body
from tests.gateway.conftest import TOKEN, heard
from tests.gateway.test_messages import refused


async def test_agents_are_listed_by_name_with_what_they_do(space):
    await space.agent("bob")
    runtime = await space.agent("ada")
    turn = await space.turn(runtime, thread="side")
    answer = await space.http.get(space.agents_url)
    assert answer.status_code == 200
    ada, bob = answer.json()["items"]
    assert ada == {
        "name": "ada",
        "state": "running",
        "residency": "resident",
        "resident": True,
        "leaving": False,
        "queue": None,
        "idleSince": None,
        "epoch": 1,
        "turn": turn.id,
        "thread": "side",
        "waiting": 1,
        "reason": "",
        "message": "",
        "owed": 1,
        "deadLetters": 0,
        "approvals": 0,
        "cancelling": False,
        "usage": {"turns": 0, "promptTokens": 0, "completionTokens": 0, "cost": "0", "today": None},
    }
    assert (bob["name"], bob["state"], bob["turn"]) == ("bob", "idle", "")


async def test_a_namespace_without_agents_is_an_empty_list(space):
    assert (await space.http.get(space.agents_url)).json() == {"items": []}


async def test_one_agent_comes_with_its_threads_and_its_trouble(space):
    runtime = await space.agent()
    turn = await space.turn(runtime, thread="b")
    used = Usage(prompt_tokens=5, completion_tokens=2, cost=1_250_000)
    await runtime.commit(turn.id, turn.base, heard(turn), Ending(), used)
    turn = await space.turn(runtime, thread="a")
    await runtime.fail(turn.id, "ModelUnauthorized", "the model refuses the key")
    await runtime.retire(force=True)
    agent = (await space.http.get("/ada")).json()
    assert agent["threads"] == ["a", "b"]
    assert agent["resident"] is False
    assert (agent["state"], agent["reason"], agent["message"]) == (
        "error",
        "ModelUnauthorized",
        "the model refuses the key",
    )
    today = agent["usage"].pop("today")
    assert agent["usage"] == {"turns": 1, "promptTokens": 5, "completionTokens": 2, "cost": "0.00125"}
    assert (today["tokens"], today["cost"]) == (7, "0.00125")
    assert agent["budget"] is None


async def with_budget(space, **budget):
    """An agent that has used 7 tokens for 0.5 of its money today."""
    runtime = await space.agent()
    config = orjson.dumps({"generation": 1, "spec": {"budget": budget}, "models": [{"keyVariable": "K"}]})
    await space.control.configure("ada", "uid-ada", 1, config)
    turn = await space.turn(runtime)
    used = Usage(prompt_tokens=5, completion_tokens=2, cost=500_000_000)
    await runtime.commit(turn.id, turn.base, heard(turn), Ending(), used)
    return (await space.http.get("/ada")).json()["budget"]


@pytest.mark.parametrize(
    ("budget", "exhausted"),
    [
        ({"tokensPerDay": 8}, None),
        ({"tokensPerDay": 7}, "tokensPerDay"),
        ({"tokensPerDay": 8, "costPerDay": "0.50"}, "costPerDay"),
        ({"costPerDay": "0.51"}, None),
    ],
)
async def test_a_budget_is_told_with_the_limit_that_is_reached_and_when_it_begins_anew(
    space, budget, exhausted
):
    told = await with_budget(space, **budget)
    assert told["exhausted"] == exhausted
    assert {"tokensPerDay": None, "costPerDay": None, **budget}.items() <= told.items()
    left = datetime.fromisoformat(told["resetsAt"]) - datetime.now(UTC)
    assert timedelta() < left <= timedelta(days=1)
    assert told["resetsAt"].endswith("T00:00:00Z")


async def test_a_budget_per_turn_is_no_budget_of_the_day(space):
    assert await with_budget(space, toolRounds=3) is None


async def test_a_configuration_that_this_gateway_cannot_read_hides_nothing_else(space):
    assert await with_budget(space, tokensPerDay="many") is None


def test_at_midnight_the_budget_is_whole_again():
    budget = BudgetSpec(tokens_per_day=7)
    used, midnight = TotalUsage(today=DayUsage(day=20_000, tokens=7)), 20_001 * 86_400
    before, after = (budget_body(budget, used, now) for now in (midnight - 1, midnight))
    assert (before.exhausted, before.resets_at) == ("tokensPerDay", "2024-10-05T00:00:00Z")
    assert (after.exhausted, after.resets_at) == (None, "2024-10-06T00:00:00Z")


def test_what_descendants_use_counts_for_the_budget():
    own, theirs = DayUsage(day=20_000, tokens=3, cost=1), DayUsage(day=20_000, tokens=4, cost=2)
    used, noon = TotalUsage(today=own, descendants=theirs), 20_000 * 86_400 + 43_200
    assert budget_body(BudgetSpec(tokens_per_day=7), used, noon).exhausted == "tokensPerDay"
    assert budget_body(BudgetSpec(tokens_per_day=8), used, noon).exhausted is None
    today = usage_body(used).today
    assert (today.date, today.tokens, today.cost) == ("2024-10-04", 7, "0.000000003")
    later = TotalUsage(today=own, descendants=DayUsage(day=20_001, tokens=4))
    assert (usage_body(later).today.date, usage_body(later).today.tokens) == ("2024-10-05", 4)


@pytest.mark.parametrize(
    ("path", "status", "kind", "field"),
    [
        ("/nobody", 404, "not-found", "name"),
        ("/nobody/events", 404, "not-found", "name"),
        ("/nobody/threads/main/records", 404, "not-found", "name"),
        ("/ada/threads/none/records", 404, "not-found", "thread"),
        ("/ada/threads/main/records?start=-1", 400, "bad-request", "start"),
        ("/ada/threads/main/records?before=x", 400, "bad-request", "before"),
        ("/ada/threads/main/records?limit=0", 400, "bad-request", "limit"),
        ("/nobody/messages", 404, "not-found", "name"),
        ("/ada/threads/a%20b/records", 400, "bad-request", "thread"),
        ("/Ada", 400, "bad-request", "name"),
        ("/" + "a" * 53, 400, "bad-request", "name"),
        ("/ada?wide=1", 400, "bad-request", "wide"),
        ("/ada/events?thred=main", 400, "bad-request", "thred"),
        ("/ada/events?thread=a/b", 400, "bad-request", "thread"),
        ("/ada/nothing", 404, "not-found", ""),
        ("/ada/", 404, "not-found", ""),
    ],
)
async def test_a_wrong_path_or_query_is_refused(space, path, status, kind, field):
    await space.agent()
    refused(await space.http.get(path), status, kind, field)


async def test_a_wrong_namespace_is_refused(gateway):
    async with httpx2.AsyncClient(
        verify=False, base_url=gateway, headers={"Authorization": f"Bearer {TOKEN}"}
    ) as http:
        for name in ("x}y", "-x", "X", "n" * 64):
            answer = await http.get(f"/api/v1/namespaces/{name}/agents")
            refused(answer, 400, "bad-request", "namespace")


async def test_a_wrong_method_is_refused_with_those_that_work(space):
    answer = await space.http.delete("/ada")
    refused(answer, 405, "method")
    assert "GET" in answer.headers["allow"]


async def test_records_are_read_from_an_index_on(space):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    records = [*heard(turn), b'{"role":"assistant","content":"yes"}']
    await runtime.commit(turn.id, turn.base, records, Ending(), Usage())
    whole = (await space.http.get("/ada/threads/main/records")).json()
    assert whole["start"] == 0
    assert whole["next"] == 2
    assert [r["content"] for r in whole["items"]] == [turn.inputs[0].body, "yes"]
    part = (await space.http.get("/ada/threads/main/records", params={"start": 1})).json()
    assert part["items"] == [{"role": "assistant", "content": "yes"}]
    assert (part["start"], part["next"]) == (1, 2)
    assert (await space.http.get("/ada/threads/main/records?start=2")).json()["items"] == []


@pytest.mark.parametrize(
    ("query", "expected"),
    [
        ("limit=2", [3, 4]),
        ("limit=9", [0, 1, 2, 3, 4]),
        ("before=3&limit=2", [1, 2]),
        ("before=1&limit=2", [0]),
        ("before=0&limit=2", []),
        ("before=2", [0, 1]),
        ("start=1&before=4", [1, 2, 3]),
        ("start=3&before=2", []),
        ("start=9&limit=2", []),
    ],
)
async def test_a_part_of_the_records_can_be_asked_for(space, query, expected):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    records = [*heard(turn), *(b'{"role":"assistant","content":"%d"}' % i for i in range(1, 5))]
    await runtime.commit(turn.id, turn.base, records, Ending(), Usage())
    part = (await space.http.get(f"/ada/threads/main/records?{query}")).json()
    assert [item["content"] for item in part["items"]] == [str(i) if i else "hello" for i in expected]
    assert part["next"] == part["start"] + len(expected)
    if expected:
        assert part["start"] == expected[0]


async def test_what_waits_in_the_inbox_can_be_read_and_what_is_in_work_too(space):
    runtime = await space.agent()
    assert (await space.http.get("/ada/messages")).json() == {"items": []}
    turn = await space.turn(runtime, "first")
    second = await space.say("second", "other")
    items = (await space.http.get("/ada/messages")).json()["items"]
    assert [(each["text"], each["thread"], each["sender"]) for each in items] == [
        ("first", "main", ""),
        ("second", "other", ""),
    ]
    assert [each["id"] for each in items] == [turn.inputs[0].mid, second["id"]]


async def test_records_and_the_events_behind_them_tell_everything_once(space):
    runtime = await space.agent()
    first = await space.turn(runtime, "one")
    await runtime.commit(first.id, first.base, [*heard(first), b'{"role":"assistant"}'], Ending(), Usage())
    second = await space.turn(runtime, "two")
    await runtime.emit(second.id, [text_delta(f"{second.id}/3", "Hel")])
    part = (await space.http.get("/ada/threads/main/records?limit=50")).json()
    assert part["next"] == 2
    await runtime.emit(second.id, [text_delta(f"{second.id}/3", "lo")])
    async with space.events(after=part["after"], thread="main") as events:
        seen = [event for _, event in await events.caught_up()]
    started = [event["runId"] for event in seen if event["type"] == "RUN_STARTED"]
    assert started == [second.id], "the open turn from its beginning, and no earlier one"
    assert [event["delta"] for event in seen if "delta" in event] == ["Hel", "lo"]


async def test_the_place_of_the_records_of_a_thread_at_rest_is_the_newest_event(space):
    runtime = await space.agent()
    turn = await space.turn(runtime, thread="a")
    following = await runtime.commit(turn.id, turn.base, heard(turn), Ending(), Usage())
    assert not isinstance(following, type(turn))
    await space.turn(runtime, thread="b")
    newest = (await space.http.get("/ada")).json()["newest"]
    assert (await space.http.get("/ada/threads/a/records")).json()["after"] == newest


async def test_the_place_of_a_turn_whose_beginning_was_trimmed_is_no_gap(space):
    runtime = await space.agent()
    turn = await space.turn(runtime)
    await runtime.emit(turn.id, [text_delta(f"{turn.id}/1", str(i)) for i in range(9)])
    await space.bus.command("XTRIM", space.bus.keys.events("ada"), "MAXLEN", "=", 3)
    after = (await space.http.get("/ada/threads/main/records")).json()["after"]
    async with space.events(after=after) as events:
        seen = [event for _, event in await events.caught_up()]
    assert [event["delta"] for event in seen] == ["6", "7", "8"]
