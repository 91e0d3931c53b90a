import httpx2
import pytest

from horos_api.names import BODY_BYTES, INBOX_CAP
from horos_bus.records import Ending, Turn, Usage
from tests.gateway.conftest import heard


def refused(answer: httpx2.Response, status: int, kind: str, field: str = "", said: str = "") -> None:
    assert answer.headers["content-type"] == "application/problem+json"
    problem = answer.json()
    assert (answer.status_code, problem["status"], problem["type"], problem.get("field", "")) == (
        status,
        status,
        f"urn:horos:problem:{kind}",
        field,
    ), problem
    assert problem["title"]
    assert said in problem["detail"]


async def test_a_message_is_accepted_and_its_reply_read(space):
    runtime = await space.agent()
    accepted = await space.say("How are you?", "side")
    assert accepted == {
        "id": accepted["id"],
        "thread": "side",
        "duplicate": False,
        "after": accepted["after"],
    }
    refused(await space.http.get(f"/ada/messages/{accepted['id']}/reply"), 404, "no-reply-yet")

    turn = await runtime.all_unread()
    assert isinstance(turn, Turn)
    assert [(m.mid, m.body, m.thread, m.from_person) for m in turn.inputs] == [
        (accepted["id"], "How are you?", "side", True)
    ]
    await runtime.commit(turn.id, turn.base, heard(turn), Ending(text="Grüße"), Usage())

    answer = await space.http.get(f"/ada/messages/{accepted['id']}/reply")
    assert (answer.status_code, answer.json()) == (200, {"id": accepted["id"], "text": "Grüße"})


async def test_a_message_to_a_deleted_agent_is_told_never_to_be_answered(space):
    await space.agent()
    accepted = await space.say("Anybody there?")
    await space.control.delete("ada", (await space.control.agents())["ada"])
    answer = await space.http.get(f"/ada/messages/{accepted['id']}/reply")
    refused(answer, 410, "never-answered", said="agent ada was deleted")


async def test_an_answer_that_looks_like_an_error_is_an_answer(space):
    runtime = await space.agent()
    accepted = await space.say("Say it in JSON.")
    turn = await runtime.all_unread()
    text = '{"error":"agent ada was deleted"}'
    await runtime.commit(turn.id, turn.base, heard(turn), Ending(text=text), Usage())
    answer = await space.http.get(f"/ada/messages/{accepted['id']}/reply")
    assert (answer.status_code, answer.json()["text"]) == (200, text)


async def test_a_repeated_idempotency_key_is_one_message(space):
    runtime = await space.agent()
    headers = {"Idempotency-Key": "monday/1"}
    answers = [
        await space.http.post("/ada/messages", json={"text": "once"}, headers=headers) for _ in range(3)
    ]
    assert [a.status_code for a in answers] == [202] * 3
    assert [a.json()["duplicate"] for a in answers] == [False, True, True]
    assert len({a.json()["id"] for a in answers}) == 1
    turn = await runtime.all_unread()
    assert isinstance(turn, Turn)
    assert len(turn.inputs) == 1


async def test_the_same_key_for_another_agent_is_another_message(space):
    await space.agent("ada")
    await space.agent("bob")
    headers = {"Idempotency-Key": "k"}
    ids = set()
    for name in ("ada", "bob"):
        answer = await space.http.post(f"/{name}/messages", json={"text": "hi"}, headers=headers)
        assert answer.json()["duplicate"] is False
        ids.add(answer.json()["id"])
    assert len(ids) == 2


async def test_without_a_key_the_same_text_is_two_messages(space):
    await space.agent()
    assert (await space.say("x"))["id"] != (await space.say("x"))["id"]
    assert (await space.control.view("ada")).waiting == 2


@pytest.mark.parametrize(
    ("body", "field", "said"),
    [
        (b'{"text": ""}', "text", "empty"),
        (b'{"text": " \\n"}', "text", "empty"),
        (b'{"thread": "main"}', "text", "missing"),
        (b'{"text": 7}', "text", "valid string, not 7"),
        (b'{"text": "a", "tread": "b"}', "tread", "expected text, thread"),
        (b'{"text": "a", "thread": "-x"}', "thread", "'-x'"),
        (b'{"text": "a", "thread": "x{y}"}', "thread", "expected 1 to 63"),
        (b'["text"]', "", "the body: "),
        (b'{"text": ', "", "not JSON"),
        (b'{"text": "\\ud800"}', "", "not JSON"),
        (b"", "", "not JSON"),
    ],
)
async def test_a_wrong_body_is_refused_with_its_field(space, body, field, said):
    await space.agent()
    answer = await space.http.post(
        "/ada/messages", content=body, headers={"Content-Type": "application/json"}
    )
    refused(answer, 400, "bad-request", field, said)
    assert (await space.control.view("ada")).waiting == 0


async def test_text_is_limited_in_bytes_not_characters(space):
    await space.agent()
    fits = "ü" * (BODY_BYTES // 2)
    await space.say(fits)
    refused(await space.http.post("/ada/messages", json={"text": fits + "x"}), 413, "too-large", "text")
    huge = b'{"text": "' + b"x" * (8 * BODY_BYTES) + b'"}'
    answer = await space.http.post(
        "/ada/messages", content=huge, headers={"Content-Type": "application/json"}
    )
    refused(answer, 413, "too-large")
    assert (await space.control.view("ada")).waiting == 1


@pytest.mark.parametrize("media_type", ["text/plain", "application/x-www-form-urlencoded", ""])
async def test_only_json_is_understood(space, media_type):
    await space.agent()
    headers = {"Content-Type": media_type} if media_type else {}
    answer = await space.http.post("/ada/messages", content=b'{"text": "a"}', headers=headers)
    refused(answer, 415, "media-type", "Content-Type")


@pytest.mark.parametrize("key", ["", "two words", "k" * 256])
async def test_a_wrong_idempotency_key_is_refused(space, key):
    await space.agent()
    answer = await space.http.post("/ada/messages", json={"text": "a"}, headers={"Idempotency-Key": key})
    refused(answer, 400, "bad-request", "Idempotency-Key")


async def test_an_agent_that_does_not_exist_is_named(space):
    answer = await space.http.post("/nobody/messages", json={"text": "a"})
    refused(answer, 404, "not-found", "name", "no agent nobody in namespace")
    refused(await space.http.get("/nobody/messages/m-1/reply"), 404, "not-found", "name")


async def test_a_full_inbox_says_when_to_try_again(space):
    await space.agent()
    inbox = space.bus.keys.inbox("ada")
    script = f"for i = 1, {INBOX_CAP} do redis.call('XADD', KEYS[1], '*', 'mid', i) end"
    await space.bus.command("EVAL", script, 1, inbox)
    answer = await space.http.post("/ada/messages", json={"text": "a"})
    refused(answer, 429, "inbox-full", "", f"{INBOX_CAP} messages wait")
    assert int(answer.headers["retry-after"]) > 0


async def test_a_message_id_that_cannot_be_one_is_refused(space):
    await space.agent()
    refused(await space.http.get("/ada/messages/a.b/reply"), 400, "bad-request", "id")
