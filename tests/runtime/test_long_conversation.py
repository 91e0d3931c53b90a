"""2,000 turns with tool calls in a window of 8,000 tokens, and what was said first is known at the end."""

import asyncio
import json
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass, field

import httpx2
import pytest
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from horos_api.resources import AgentSpec, ModelSpec
from horos_bus.connection import Bus
from horos_bus.sender import reply
from horos_model.scripted import scripted_app
from horos_model.scripted_answers import history_error
from horos_model.scripted_script import parse_script
from horos_runtime.tool_registry import ToolRegistry, tool
from tests.model_fixtures import UNWRITTEN, ScriptedModel, served
from tests.redis_fixtures import RedisProcess
from tests.runtime.stage import Stage, custom

TURNS = 2000
WINDOW = 8000
OUTPUT = 1000
FACT = r"The code of vault \w+ is \d+"
FACTS = ("The code of vault north is 4711", "The code of vault south is 815")


@dataclass
class Scales:
    """Stands before the scripted model, weighs each request, and refuses what a real server would."""

    app: ASGIApp
    heaviest: int = 0
    requests: int = 0
    summaries: int = 0
    wrong: list[str] = field(default_factory=list)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["path"] != "/v1/chat/completions":
            await self.app(scope, receive, send)
            return
        body = b""
        while True:
            part = await receive()
            body += part.get("body", b"")
            if not part.get("more_body"):
                break
        self._weigh(body)
        rest: Iterator[Message] = iter(
            [{"type": "http.request", "body": body, "more_body": False}, {"type": "http.disconnect"}]
        )

        async def again() -> Message:
            message = next(rest)
            if message["type"] == "http.disconnect":
                return await receive()
            return message

        await self.app(scope, again, send)

    def _weigh(self, body: bytes) -> None:
        request = json.loads(body)
        self.requests += 1
        self.summaries += "tools" not in request
        # Four bytes of this English are a token: what the messages and the tools say, not how JSON wraps it.
        texts = [json.dumps(request.get("tools", ""))]
        for message in request["messages"]:
            texts += [message["content"], json.dumps(message.get("tool_calls", ""))]
        self.heaviest = max(self.heaviest, sum(len(text.encode()) for text in texts) // 4)
        if error := history_error(request["messages"]):
            self.wrong.append(error)


@pytest.fixture
async def scales() -> AsyncIterator[tuple[Scales, ScriptedModel]]:
    weighed = Scales(scripted_app(parse_script(UNWRITTEN)))
    with served(weighed) as address:
        async with httpx2.AsyncClient(base_url=address, verify=False) as http:
            yield weighed, ScriptedModel(http, address)


@tool(idempotent=True)
async def measure(place: str) -> str:
    """Measure something, at length."""
    return f"The measurement at {place} gave: " + " ".join(f"{place}-{number}" for number in range(60))


async def test_two_thousand_turns_fit_a_small_window_and_the_first_facts_are_known_at_the_end(
    bus: Bus, redis_server: RedisProcess, scales: tuple[Scales, ScriptedModel]
) -> None:
    weighed, model = scales
    stage = Stage(bus, redis_server.url, model)
    spec = AgentSpec(
        instructions="Be brief.",
        model=ModelSpec(
            name="scripted",
            base_url=model.base_url,
            context_window_tokens=WINDOW,
            max_output_tokens=OUTPUT,
        ),
    )
    await stage.agent(spec=spec)
    # The model knows nothing by itself: it finds the facts in what it is shown, or it does not.
    await model.load(
        {"match": {"text": "Write the new summary"}, "find": FACT},
        {"match": {"pattern": "^Which codes"}, "find": FACT},
        {"match": {"pattern": "^The code of"}, "text": "I will remember that."},
        {"match": {"pattern": "^Step"}, "toolCalls": [{"name": "measure", "arguments": {"place": "bridge"}}]},
        {"match": {"pattern": "^Step"}, "text": "The bridge stands. " * 9, "chunkSize": 1000},
        repeat="loop",
    )
    async with stage.running(tools=ToolRegistry(measure)):
        for fact in FACTS:
            assert await ask(stage, f"{fact}, keep that.") == "I will remember that."
        for number in range(TURNS - 3):
            answer = await ask(stage, f"Step {number}: how is the bridge today, after all the rain?")
            assert answer.startswith("The bridge stands."), answer
            if number % 100 == 99:
                await model.http.post("/control/reset")  # it would keep every request
        known = await ask(stage, "Which codes do you know?")
    assert known.splitlines() == list(FACTS)
    assert weighed.wrong == []
    assert weighed.heaviest <= WINDOW - OUTPUT
    assert weighed.heaviest > (WINDOW - OUTPUT) / 3, "the window is used"
    assert weighed.requests >= 2 * TURNS
    records = await stage.records()
    compactions = [record for record in records if record["role"] == "compaction"]
    assert TURNS / 50 < len(compactions) < TURNS / 5
    assert TURNS / 100 < weighed.summaries <= len(compactions)
    assert all(re.search(FACT, record["content"]) for record in compactions if record["through"])
    assert (await stage.shows(custom("compaction")))["value"]["after"] < WINDOW / 2
    assert (await stage.view()).usage.turns == TURNS


async def ask(stage: Stage, text: str) -> str:
    """Ask and look for the answer more often than the other tests do: here it adds up."""
    mid = await stage.say(text)
    async with asyncio.timeout(20):
        while (ending := await reply(stage.bus, mid)) is None:  # noqa: ASYNC110 - Redis tells nobody
            await asyncio.sleep(0.001)
    assert not ending.error, ending.error
    return ending.text
