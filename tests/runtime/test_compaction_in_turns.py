"""Compaction inside real turns, also when the process is killed in the middle of it."""

import signal
from dataclasses import replace
from typing import Any

from horos_api.model_fields import FallbackSpec
from horos_api.resources import AgentSpec, BudgetSpec, ModelSpec
from horos_runtime.token_estimates import message_tokens, schema_tokens
from horos_runtime.tool_registry import ToolRegistry, tool
from tests.runtime.stage import Stage, custom

SUMMARISE = {"text": "Write the new summary"}


def small(stage: Stage, window: int = 4000) -> AgentSpec:
    return AgentSpec(
        instructions="Be brief.",
        model=ModelSpec(
            name="scripted",
            base_url=stage.model.base_url,
            context_window_tokens=window,
            max_output_tokens=500,
        ),
        budget=BudgetSpec(tool_rounds=50),
    )


async def fill(stage: Stage, turns: int = 12) -> None:
    """Talk until the next turn has to sum up."""
    await stage.model.load({"text": "yes " * 100, "chunkSize": 1000}, repeat="last")
    async with stage.running():
        for number in range(turns):
            await stage.ask(f"fact {number}: " + "word " * 50)


async def compactions(stage: Stage) -> list[dict[str, Any]]:
    return [record for record in await stage.records() if record["role"] == "compaction"]


async def test_killed_while_it_sums_up_the_successor_sums_up_and_answers(stage: Stage) -> None:
    await stage.agent(spec=small(stage))
    await fill(stage)
    assert await compactions(stage) == []
    held = {"match": SUMMARISE, "chunks": ["half ", {"text": "a summary", "hold": True}]}
    await stage.model.load(held, {"match": SUMMARISE, "text": "The whole summary."}, {"text": "done"})
    async with stage.process("ada") as first:
        mid = await stage.say("next " * 350)
        await stage.model.requests(1, held=1, seconds=60)
        first.send_signal(signal.SIGKILL)
        await first.wait()
    async with stage.running():
        assert await stage.answer(mid) == "done"
    (record,) = await compactions(stage)
    assert record["content"] == "The whole summary."
    assert not any("half" in str(event) for event in await stage.events()), "watchers see no summary"


async def test_killed_behind_a_compaction_the_successor_does_not_compact_again(stage: Stage) -> None:
    await stage.agent(spec=small(stage))
    await fill(stage)
    await stage.model.load(
        {"match": SUMMARISE, "text": "The whole summary."},
        {"chunks": ["half ", {"text": "an answer", "hold": True}]},
        {"text": "done"},
    )
    async with stage.process("ada") as first:
        mid = await stage.say("next " * 350)
        await stage.model.requests(2, held=1, seconds=60)
        first.send_signal(signal.SIGKILL)
        await first.wait()
    async with stage.running():
        assert await stage.answer(mid) == "done"
    assert len(await compactions(stage)) == 1
    last = (await stage.model.requests())[-1]["body"]["messages"]
    assert "The whole summary." in last[1]["content"]
    assert last[-1]["content"].startswith("next next")


async def test_what_the_model_does_not_sum_up_is_noted_and_the_turn_goes_on(stage: Stage) -> None:
    await stage.agent(spec=small(stage))
    await fill(stage)
    await stage.model.load({"match": SUMMARISE, "text": " "}, {"text": "done"}, repeat="last")
    async with stage.running():
        assert await stage.ask("next " * 350) == "done"
    (record,) = await compactions(stage)
    assert record["content"].startswith("[Left out without a summary, from record 0 on: ")
    told = (await stage.shows(custom("compaction")))["value"]
    assert told["after"] < told["before"] and told["through"] == record["through"]


async def test_a_long_loop_of_tools_is_compacted_between_its_rounds(stage: Stage) -> None:
    @tool(idempotent=True)
    async def look(at: int) -> str:
        """Look around."""
        return f"seen {at} " * 150

    await stage.agent(spec=small(stage))
    rounds = [{"toolCalls": [{"name": "look", "arguments": {"at": at}}]} for at in range(20)]
    summary = {"match": SUMMARISE, "text": "It looked."}
    await stage.model.load(*[summary] * 20, *rounds, {"text": "done"})
    async with stage.running(tools=ToolRegistry(look)):
        assert await stage.ask("look twenty times") == "done"
    assert len(await compactions(stage)) >= 2
    asked = [each["body"]["messages"] for each in await stage.model.requests()]
    rounds_asked = [messages for messages in asked if messages[0]["content"] == "Be brief."]
    assert all(any(m["content"] == "look twenty times" for m in messages) for messages in rounds_asked)


async def test_a_server_with_a_smaller_window_than_configured_teaches_it(stage: Stage) -> None:
    await stage.agent(spec=small(stage, 128_000))
    await fill(stage)
    fault = {"fault": {"status": 400, "code": "context_length_exceeded"}}
    summary = {"match": SUMMARISE, "text": "A summary."}
    await stage.model.load(fault, *[summary] * 12, {"text": "done"}, {"text": "again"})
    async with stage.running():
        assert await stage.ask("next") == "done"
        assert await stage.ask("and next") == "again"
    (record,) = await compactions(stage)
    assert record["ceiling"]["window"] == 128_000
    assert record["ceiling"]["room"] < 8000


async def test_for_a_fallback_with_a_smaller_window_the_conversation_is_made_shorter(stage: Stage) -> None:
    own = small(stage, 128_000)
    await stage.agent(spec=own)
    await fill(stage)
    spares = [
        FallbackSpec(
            name=name, base_url=stage.model.base_url, context_window_tokens=window, max_output_tokens=200
        )
        for name, window in (("tiny", 512), ("spare", 2500))
    ]
    down = ModelSpec(name="own", base_url="http://127.0.0.1:1/v1", fallbacks=tuple(spares))
    await stage.configure("ada", own.model_copy(update={"model": down}))
    summary = {"match": SUMMARISE, "text": "They told facts."}
    await stage.model.load(*[summary] * 8, {"text": "here"}, repeat="last")
    async with stage.running():
        assert await stage.ask("who is here?") == "here"
    asked = [each["body"] for each in await stage.model.requests()]
    assert {body["model"] for body in asked} == {"spare"}, "the tools alone fill the window of the other"
    for body in asked:
        taken = sum(map(message_tokens, body["messages"])) + schema_tokens(body.get("tools", []))
        assert taken <= 2300
    assert asked[-1]["messages"][-1]["content"] == "who is here?"
    assert "They told facts." in asked[-1]["messages"][1]["content"]
    (record,) = await compactions(stage)
    assert "ceiling" not in record, "nobody refused anything"
    await stage.configure("ada", own)
    async with stage.running():
        assert await stage.ask("long " * 1000) == "here"
    assert len(await compactions(stage)) == 1, "its own model has room again"


async def test_the_usage_of_summaries_counts(stage: Stage) -> None:
    await stage.agent(spec=small(stage))
    await fill(stage)
    before = (await stage.view()).usage
    used = {"usage": {"promptTokens": 1000, "completionTokens": 10}}
    await stage.model.load({"match": SUMMARISE, "text": "A summary.", **used}, {"text": "done", **used})
    async with stage.running():
        await stage.ask("next " * 350)
    after = replace((await stage.view()).usage, turns=0)
    assert after.prompt_tokens - before.prompt_tokens == 2000
    assert after.completion_tokens - before.completion_tokens == 20


async def test_the_model_reads_with_the_tool_history_what_the_summary_does_not_tell(stage: Stage) -> None:
    await stage.agent(spec=small(stage))
    await fill(stage)
    looked = {
        "found": {"search": "FACT 3"},
        "oldest": {"before": 2, "limit": 2},
        "from-within": {"limit": 1, "before": 1, "offset": 10},
        "not-found": {"search": "nowhere to be found"},
        "newest": {"limit": 1},
        "too-many": {"limit": 99},
    }
    calls = [{"id": each, "name": "history", "arguments": arguments} for each, arguments in looked.items()]
    await stage.model.load(
        {"match": SUMMARISE, "text": "A summary."}, {"toolCalls": calls}, {"text": "done"}, repeat="last"
    )
    async with stage.running():
        assert await stage.ask("next " * 350) == "done"
    # They run at once, and each is written down when it ends.
    results = {
        each["tool_call_id"]: each["content"] for each in await stage.records() if each["role"] == "tool"
    }
    assert results.keys() == looked.keys()
    assert results["too-many"].startswith("error: wrong arguments for history: limit: ")
    assert results["found"].startswith("#6 a person: fact 3: word")
    assert results["oldest"].startswith("#0 a person: fact 0: ") and "\n#1 you: yes yes" in results["oldest"]
    assert results["from-within"].startswith("#0 fact 0: ")
    assert results["newest"].startswith("#"), "the newest record, whichever it was by then"
    assert results["not-found"] == "no record with 'nowhere to be found' is kept; the oldest kept is 0"
