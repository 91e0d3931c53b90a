import asyncio
import signal
import socket
import sys

import httpx2
import openai
import pytest
from openai.types.chat import ChatCompletionChunk

from tests.model_fixtures import ScriptedModel

QUESTION = [{"role": "user", "content": "How is the weather?"}]


def client(model: ScriptedModel, key: str = "none") -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(base_url=model.base_url, api_key=key, max_retries=0)


async def ask(model: ScriptedModel, messages=QUESTION, key: str = "none", name: str = "scripted"):
    async with client(model, key) as sdk:
        stream = await sdk.chat.completions.create(
            model=name, messages=messages, stream=True, stream_options={"include_usage": True}
        )
        async with stream:
            return [chunk async for chunk in stream]


def texts(chunks: list[ChatCompletionChunk]) -> list[str]:
    return [c.choices[0].delta.content for c in chunks if c.choices and c.choices[0].delta.content]


async def test_text_is_streamed_by_words_with_counted_usage_and_fixed_ids(scripted_model):
    await scripted_model.load({"text": "It is fine, mostly."})
    chunks = await ask(scripted_model)
    assert texts(chunks) == ["It", " is", " fine,", " mostly."]
    assert {c.id for c in chunks} == {"chatcmpl-1"}
    assert chunks[-2].choices[0].finish_reason == "stop"
    assert chunks[-1].usage.model_dump(exclude_none=True) == {
        "prompt_tokens": 4,
        "completion_tokens": 4,
        "total_tokens": 8,
    }


@pytest.mark.parametrize(
    ("reply", "expected"),
    [
        ({"text": "abcdefgh", "chunkSize": 3}, ["abc", "def", "gh"]),
        ({"text": "abcdefgh", "chunkSize": [1, 4]}, ["a", "bcde", "fgh"]),
        ({"chunks": ["a ", {"text": "b", "pace": 1}]}, ["a ", "b"]),
        ({"echo": True}, ["How", " is", " the", " weather?"]),
    ],
)
async def test_the_script_decides_how_text_is_cut_into_chunks(scripted_model, reply, expected):
    await scripted_model.load(reply)
    assert texts(await ask(scripted_model)) == expected


async def test_a_held_chunk_comes_only_after_a_step(scripted_model):
    await scripted_model.load({"chunks": ["one", {"text": "two", "hold": True}]})
    async with client(scripted_model) as sdk:
        stream = await sdk.chat.completions.create(model="m", messages=QUESTION, stream=True)
        async with stream:
            seen = [(await anext(stream)).choices[0].delta.content for _ in range(2)]
            assert seen == ["", "one"]
            requests = await scripted_model.requests(held=1)
            assert requests[0]["outcome"] == "open"
            assert requests[0]["sent"] == 1
            await scripted_model.step()
            assert (await anext(stream)).choices[0].delta.content == "two"
    assert (await scripted_model.requests(ended=1))[0]["outcome"] == "complete"


async def test_a_client_that_leaves_is_noted(scripted_model):
    await scripted_model.load({"text": "never seen", "hold": True})
    async with client(scripted_model) as sdk:
        stream = await sdk.chat.completions.create(model="m", messages=QUESTION, stream=True)
        await scripted_model.requests(held=1)
        await stream.close()
    assert (await scripted_model.requests(ended=1))[0]["outcome"] == "left"


async def test_tool_calls_arrive_in_pieces_and_broken_arguments_stay_broken(scripted_model):
    await scripted_model.load(
        {
            "text": "Let me see.",
            "toolCalls": [{"name": "look", "arguments": {"at": "sky"}}, {"name": "x", "arguments": '{"a": '}],
        }
    )
    chunks = await ask(scripted_model)
    deltas = [call for c in chunks if c.choices for call in c.choices[0].delta.tool_calls or ()]
    assert [(d.index, d.id, d.function.name) for d in deltas if d.function.name] == [
        (0, "call_1_0", "look"),
        (1, "call_1_1", "x"),
    ]
    assert "".join(d.function.arguments for d in deltas if d.index == 0) == '{"at": "sky"}'
    assert "".join(d.function.arguments for d in deltas if d.index == 1) == '{"a": '
    assert chunks[-2].choices[0].finish_reason == "tool_calls"


async def test_without_streaming_the_answer_comes_whole(scripted_model):
    await scripted_model.load({"text": "Hi there.", "toolCalls": [{"name": "look"}]})
    async with client(scripted_model) as sdk:
        answer = await sdk.chat.completions.create(model="m", messages=QUESTION)
    message = answer.choices[0].message
    assert message.content == "Hi there."
    assert message.tool_calls[0].function.model_dump() == {"name": "look", "arguments": "{}"}
    assert answer.usage.completion_tokens == 3


async def test_faults_have_openais_shape(scripted_model):
    await scripted_model.load(
        {"fault": {"status": 429, "retryAfter": 2.5}},
        {"fault": {"status": 400, "code": "context_length_exceeded"}},
        {"fault": {"status": 503, "message": "overloaded"}},
    )
    with pytest.raises(openai.RateLimitError) as limited:
        await ask(scripted_model)
    assert limited.value.response.headers["retry-after"] == "2.5"
    with pytest.raises(openai.BadRequestError) as too_long:
        await ask(scripted_model)
    assert too_long.value.code == "context_length_exceeded"
    with pytest.raises(openai.InternalServerError, match="overloaded"):
        await ask(scripted_model)
    assert [r["status"] for r in await scripted_model.requests()] == [429, 400, 503]


async def test_a_cut_stream_breaks_the_connection(scripted_model):
    await scripted_model.load({"text": "one two three", "cutAfter": 2})
    async with client(scripted_model) as sdk:
        stream = await sdk.chat.completions.create(model="m", messages=QUESTION, stream=True)
        seen = [(await anext(stream)).choices[0].delta.content for _ in range(3)]
        assert seen == ["", "one", " two"]
        with pytest.raises((httpx2.RemoteProtocolError, openai.APIConnectionError)):
            await anext(stream)
    assert (await scripted_model.requests(ended=1))[0]["outcome"] == "cut"


async def test_garbage_is_sent_as_it_is(scripted_model):
    await scripted_model.load({"garbage": "<html>proxy error</html>"})
    answer = await scripted_model.http.post("/v1/chat/completions", json={"messages": QUESTION})
    assert (answer.status_code, answer.text) == (200, "<html>proxy error</html>")


async def test_the_key_is_required_when_the_script_names_one(scripted_model):
    await scripted_model.load({"text": "hello"}, apiKey="secret")
    with pytest.raises(openai.AuthenticationError) as refused:
        await ask(scripted_model, key="wrong")
    assert refused.value.code == "invalid_api_key"
    assert texts(await ask(scripted_model, key="secret")) == ["hello"]


async def test_replies_are_chosen_by_what_they_match(scripted_model):
    await scripted_model.load(
        {"match": {"text": "weather"}, "text": "sunny"},
        {"match": {"pattern": "^Who"}, "text": "me"},
        {"match": {"model": "big"}, "text": "large"},
        {"match": {"key": "k2"}, "text": "second"},
    )
    assert texts(await ask(scripted_model, [{"role": "user", "content": "x"}], key="k2")) == ["second"]
    assert texts(await ask(scripted_model, [{"role": "user", "content": "Who?"}])) == ["me"]
    assert texts(await ask(scripted_model, [{"role": "user", "content": "x"}], name="big")) == ["large"]
    assert texts(await ask(scripted_model)) == ["sunny"]


@pytest.mark.parametrize(("repeat", "expected"), [("last", "b"), ("loop", "a")])
async def test_a_used_up_script_repeats_as_told(scripted_model, repeat, expected):
    await scripted_model.load({"text": "a"}, {"text": "b"}, repeat=repeat)
    answers = [texts(await ask(scripted_model))[0] for _ in range(3)]
    assert answers == ["a", "b", expected]


async def test_a_used_up_script_says_so(scripted_model):
    await scripted_model.load({"text": "a"})
    await ask(scripted_model)
    with pytest.raises(openai.InternalServerError, match=r"used up: no reply is left for request 2 \('How"):
        await ask(scripted_model)


@pytest.mark.parametrize(
    ("messages", "said"),
    [
        ([], "at least one message"),
        ([{"role": "robot", "content": "x"}], "'robot' is none of"),
        ([{"role": "tool", "tool_call_id": "c", "content": "x"}], "must answer a preceding"),
        ([{"role": "assistant", "tool_calls": [{"id": "c"}]}, *QUESTION], "without a response: c"),
        ([{"role": "assistant", "tool_calls": [{"id": "c"}]}], "without a response: c"),
    ],
)
async def test_an_illegal_history_is_refused_as_by_a_real_server(scripted_model, messages, said):
    await scripted_model.load({"text": "unused"})
    with pytest.raises(openai.BadRequestError, match=said):
        await ask(scripted_model, messages)


async def test_the_models_are_listed(scripted_model):
    await scripted_model.load({"text": "a"}, models=["small", "big"])
    async with client(scripted_model) as sdk:
        assert [m.id async for m in sdk.models.list()] == ["small", "big"]


async def test_usage_can_be_given_or_left_out(scripted_model):
    given = {"promptTokens": 7, "completionTokens": 9}
    await scripted_model.load({"text": "a", "usage": given}, {"text": "a", "usage": "none"})
    assert (await ask(scripted_model))[-1].usage.total_tokens == 16
    assert all(c.usage is None for c in await ask(scripted_model))


async def test_a_new_script_cuts_what_is_held_and_forgets_what_was_asked(scripted_model):
    await scripted_model.load({"text": "a", "hold": True})
    async with client(scripted_model) as sdk:
        stream = await sdk.chat.completions.create(model="m", messages=QUESTION, stream=True)
        await scripted_model.requests(held=1)
        await scripted_model.load({"text": "b"})
        with pytest.raises((httpx2.RemoteProtocolError, openai.APIConnectionError)):
            [chunk async for chunk in stream]
    assert await scripted_model.requests() == []


async def test_reset_begins_the_same_script_again(scripted_model):
    await scripted_model.load({"text": "a"})
    await ask(scripted_model)
    assert (await scripted_model.http.post("/control/reset")).status_code == 200
    assert texts(await ask(scripted_model)) == ["a"]


async def test_a_wrong_script_is_refused_and_changes_nothing(scripted_model):
    await scripted_model.load({"text": "a"})
    answer = await scripted_model.http.post("/control/script", json={"replies": [{"txt": "b"}]})
    assert answer.status_code == 400
    assert "replies[0].txt: unknown field (value: 'b')" in answer.json()["error"]
    assert texts(await ask(scripted_model)) == ["a"]


async def test_waiting_ends_when_the_time_is_over(scripted_model):
    answer = await scripted_model.http.get("/control/requests", params={"at_least": 1, "seconds": 0.01})
    assert answer.json() == {"met": False, "requests": [], "held": 0}


@pytest.mark.parametrize(
    ("method", "path"), [("GET", "/control/requests?held=many"), ("POST", "/control/step?chunks=-1")]
)
async def test_a_wrong_control_request_is_refused(scripted_model, method, path):
    assert (await scripted_model.http.request(method, path)).status_code == 400


async def test_a_body_that_is_not_json_is_refused(scripted_model):
    answer = await scripted_model.http.post("/v1/chat/completions", content=b"{")
    assert answer.status_code == 400
    assert answer.json()["error"]["type"] == "invalid_request_error"


async def test_the_server_ends_on_sigterm_even_with_an_answer_held_back(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port = probe.getsockname()[1]
    script = tmp_path / "script.json"
    script.write_text('{"replies": [{"text": "a", "hold": true}]}')
    program = "import sys; from pathlib import Path; from horos_model.scripted import serve; "
    program += "from horos_model.scripted_script import load_script; "
    program += "serve(load_script(Path(sys.argv[1])), port=int(sys.argv[2]))"
    arguments = (sys.executable, "-c", program, str(script), str(port))
    process = await asyncio.create_subprocess_exec(*arguments)
    try:
        async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}", verify=False) as http:
            async with asyncio.timeout(20):
                await _answering(http)
            body = {"model": "m", "messages": QUESTION, "stream": True}
            async with http.stream("POST", "/v1/chat/completions", json=body) as answer:
                assert answer.status_code == 200
                process.send_signal(signal.SIGTERM)
                async with asyncio.timeout(10):
                    await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()


async def _answering(http: httpx2.AsyncClient) -> None:
    while True:
        try:
            await http.get("/v1/models")
        except httpx2.ConnectError:
            await asyncio.sleep(0.05)
        else:
            return
