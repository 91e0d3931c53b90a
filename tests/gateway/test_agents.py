import httpx2
import pytest

from horos_bus.records import Ending, Usage
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
        "resident": True,
        "turn": turn.id,
        "thread": "side",
        "waiting": 1,
        "reason": "",
        "message": "",
        "owed": 1,
        "deadLetters": 0,
        "cancelling": False,
        "usage": {"turns": 0, "promptTokens": 0, "completionTokens": 0},
    }
    assert (bob["name"], bob["state"], bob["turn"]) == ("bob", "idle", "")


async def test_a_namespace_without_agents_is_an_empty_list(space):
    assert (await space.http.get(space.agents_url)).json() == {"items": []}


async def test_one_agent_comes_with_its_threads_and_its_trouble(space):
    runtime = await space.agent()
    turn = await space.turn(runtime, thread="b")
    used = Usage(prompt_tokens=5, completion_tokens=2)
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
    assert agent["usage"] == {"turns": 1, "promptTokens": 5, "completionTokens": 2}


@pytest.mark.parametrize(
    ("path", "status", "kind", "field"),
    [
        ("/nobody", 404, "not-found", "name"),
        ("/nobody/events", 404, "not-found", "name"),
        ("/nobody/threads/main/records", 404, "not-found", "name"),
        ("/ada/threads/none/records", 404, "not-found", "thread"),
        ("/ada/threads/main/records?start=-1", 400, "bad-request", "start"),
        ("/ada/threads/main/records?last=0", 400, "bad-request", "last"),
        ("/ada/threads/main/records?last=many", 400, "bad-request", "last"),
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
    assert part == {"start": 1, "next": 2, "items": [{"role": "assistant", "content": "yes"}]}
    assert (await space.http.get("/ada/threads/main/records?start=2")).json()["items"] == []
    assert (await space.http.get("/ada/threads/main/records?last=1")).json() == part
    assert (await space.http.get("/ada/threads/main/records?last=9")).json() == whole
