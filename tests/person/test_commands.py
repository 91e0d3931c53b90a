"""The command against a real gateway and Redis, with an agent whose every move the test makes."""

import asyncio
import re
import signal
import time
from typing import Any

import pytest
import yaml

from horos_api import events
from tests.asking_people import call_to_approve
from tests.person.conftest import Here
from tests.person.stage import Agent, Done


async def test_agents_are_listed_with_what_they_do(here: Here, ada: Agent) -> None:
    done = await here.horos("agents")
    assert (done.code, done.err) == (0, "")
    head, line = done.out.splitlines()
    titles = ["NAME", "STATE", "RESIDENCY", "IDLE", "WAITING", "TURNS", "TOKENS", "COST", "BUDGET", "REASON"]
    assert head.split() == titles
    name, state, residency, idle, *rest = line.split()
    assert (name, state, residency, rest) == ("ada", "idle", "resident", ["0", "0", "0", "0", "-", "-"])
    assert re.fullmatch(r"\d+s", idle)


async def test_agents_as_json_are_what_the_gateway_says(here: Here, ada: Agent) -> None:
    [agent] = (await here.horos("agents", "-o", "json")).json
    assert (agent["name"], agent["state"], agent["resident"]) == ("ada", "idle", True)


@pytest.mark.parametrize(
    "command",
    [("agents",), ("dead", "ada"), ("approvals",), ("tools", "ada"), ("history", "ada"), ("describe", "ada")],
)
async def test_whatever_can_be_listed_is_the_same_as_json_and_as_yaml(
    here: Here, ada: Agent, command: tuple[str, ...]
) -> None:
    await here.horos("send", "ada", "Hello")
    turn = await ada.turn()
    await call_to_approve(ada.runtime, turn, item="pot")
    as_json = await here.horos(*command, "-o", "json")
    as_yaml = await here.horos(*command, "-o", "yaml")
    assert as_json.err == as_yaml.err == ""
    assert without_clock(as_json.json) == without_clock(yaml.safe_load(as_yaml.out))


def without_clock(told: Any) -> Any:
    if isinstance(told, list):
        return [without_clock(each) for each in told]
    if not isinstance(told, dict):
        return told
    return {name: without_clock(part) for name, part in told.items() if name != "secondsLeft"}


async def test_a_namespace_without_agents_says_so(here: Here) -> None:
    done = await here.horos("agents")
    assert done == Done(0, "", f"no agents in namespace {here.namespace}\n")


async def test_send_names_the_message_and_a_repeat_is_the_same_message(here: Here, ada: Agent) -> None:
    first = await here.horos("send", "ada", "Hello", "--id", "my-1", "--thread", "work")
    again = await here.horos("send", "ada", "Hello", "--id", "my-1", "--thread", "work", "-o", "json")
    assert (first.code, first.out) == (0, "")
    assert first.err == f"ada has message {again.json['id']} in thread work\n"
    assert again.json["duplicate"] is True
    assert len((await ada.turn()).inputs) == 1


async def test_send_reads_a_long_text_from_standard_input(here: Here, ada: Agent) -> None:
    text = "line\n" * 10_000
    assert (await here.horos("send", "ada", "-", given=text)).code == 0
    assert (await ada.turn()).inputs[0].body == text


async def test_waiting_shows_each_token_before_the_answer_is_complete(here: Here, ada: Agent) -> None:
    running = await here.start("send", "ada", "Hello", "--wait")
    turn = await ada.turn()
    message = await ada.say(turn, "Hel", done=False)
    await running.until("Hel")
    await ada.emit(turn, events.text_delta(message, "lo"), events.text_end(message))
    await ada.answer(turn, "Hello")
    done = await running.end()
    assert done == Done(0, "Hello\n", "")


async def test_tools_are_told_beside_the_answer(here: Here, ada: Agent) -> None:
    running = await here.start("send", "ada", "Greet bob", "--wait")
    turn = await ada.turn()
    await ada.call_tool(turn, "send", {"to": "bob", "text": "hi"}, "sent")
    await ada.answer(turn, "Greeted.", written=3)
    assert await running.end() == Done(0, "Greeted.\n", "⚙ send(to=bob, text=hi) → sent\n")


async def test_waiting_as_json_gives_the_whole_answer_once(here: Here, ada: Agent) -> None:
    running = await here.start("send", "ada", "Hello", "--wait", "-o", "json")
    turn = await ada.turn()
    await ada.say(turn, "Hi")
    await ada.answer(turn, "Hi")
    done = await running.end()
    assert (done.json["text"], done.json["thread"], done.err) == ("Hi", "main", "")


async def test_the_answer_to_a_repeated_message_is_found_again(here: Here, ada: Agent) -> None:
    running = await here.start("send", "ada", "Hello", "--id", "once", "--wait")
    await ada.answer(await ada.turn(), "Hi")
    assert (await running.end()).out == "Hi\n"
    assert await here.horos("send", "ada", "Hello", "--id", "once", "--wait") == Done(0, "Hi\n", "")


async def test_an_error_is_told_and_waited_out(here: Here, ada: Agent) -> None:
    running = await here.start("send", "ada", "Hello", "--wait")
    turn = await ada.turn()
    await ada.fail(turn, "ModelRefusesKey", "check Secret llm")
    await ada.answer(await ada.turn(), "Hi")
    assert await running.end() == Done(0, "Hi\n", "ModelRefusesKey: check Secret llm\n")


async def test_an_error_from_before_is_told(here: Here, ada: Agent) -> None:
    await here.horos("send", "ada", "Hello")
    await ada.fail(await ada.turn(), "ModelRefusesKey", "check Secret llm")
    done = await here.horos("send", "ada", "And?", "--wait", "--timeout", "1")
    assert done.code == 5
    assert "ModelRefusesKey: check Secret llm" in done.err


async def test_no_answer_in_time_is_exit_code_5(here: Here, ada: Agent) -> None:
    began = time.monotonic()
    done = await here.horos("send", "ada", "Hello", "--wait", "--timeout", "1")
    assert done.code == 5
    assert done.err == ("error: ada has not answered within 1 s and goes on: see `horos events ada`\n")
    assert time.monotonic() - began < 15


async def test_ctrl_c_ends_the_waiting_at_once(here: Here, ada: Agent) -> None:
    running = await here.start("send", "ada", "Hello", "--wait")
    await ada.say(await ada.turn(), "Hel", done=False)
    await running.until("Hel")
    running.process.send_signal(signal.SIGINT)
    done = await running.end()
    assert (done.code, "Traceback" in done.err) == (130, False)


async def test_an_agent_that_is_deleted_answers_nobody(here: Here, ada: Agent) -> None:
    running = await here.start("send", "ada", "Hello", "--wait")
    await ada.say(await ada.turn(), "Hel", done=False)
    await running.until("Hel")
    await ada.delete()
    done = await running.end()
    assert done.code == 1
    assert "was deleted; nobody will answer this message\n" in done.err
    assert done.out.strip() == "Hel"


async def test_events_that_are_there_are_printed_one_per_line(here: Here, ada: Agent) -> None:
    await here.horos("send", "ada", "Hello")
    turn = await ada.turn()
    await ada.say(turn, "Hi")
    await ada.answer(turn, "Hi")
    done = await here.horos("events", "ada", "--after", "0", "--no-follow")
    assert (done.code, done.err) == (0, "")
    kinds = [line.split()[1] for line in done.out.splitlines()]
    start, end = kinds.index("RUN_STARTED"), kinds.index("RUN_FINISHED")
    assert [kind for kind in kinds[start:end] if kind.startswith("TEXT")] == [
        "TEXT_MESSAGE_START",
        "TEXT_MESSAGE_CONTENT",
        "TEXT_MESSAGE_END",
    ]


async def test_events_of_one_thread_come_as_json_while_they_happen(here: Here, ada: Agent) -> None:
    running = await here.start("events", "ada", "--thread", "work", "--after", "0", "-o", "json")
    await here.horos("send", "ada", "Hello", "--thread", "play")
    turn = await ada.turn()
    await ada.say(turn, "not this")
    await ada.answer(turn, "not this")
    await here.horos("send", "ada", "Hello", "--thread", "work")
    await ada.say(await ada.turn(), "but this")
    await running.until("but this")
    running.process.send_signal(signal.SIGINT)
    done = await running.end()
    assert done.code == 130
    assert "not this" not in done.out
    assert '"eventId": "' in done.out.splitlines()[0]


async def test_describe_tells_the_live_state_and_the_last_events(here: Here, ada: Agent) -> None:
    await here.horos("send", "ada", "Hello")
    turn = await ada.turn()
    await ada.fail(turn, "ModelRefusesKey", "check Secret llm")
    done = await here.horos("describe", "ada")
    assert done.code == 0
    assert "  Reason:    ModelRefusesKey: check Secret llm\n" in done.out
    assert f"  Turn:      {turn.id} in thread main\n" in done.out
    assert "RUN_ERROR" in done.out.partition("Last events:")[2]
    told = (await here.horos("describe", "ada", "-o", "json")).json
    assert (told["agent"], told["live"]["state"]) == (None, "error")
    assert told["events"][-1]["type"] in {"RUN_ERROR", "STATE_SNAPSHOT"}


async def test_a_chat_from_a_pipe_answers_line_by_line(here: Here, ada: Agent) -> None:
    running = await here.start("chat", "ada", "--thread", "talk")
    await running.type("one\n\ntwo\n")
    for answer in ("first", "second"):
        turn = await ada.turn()
        assert turn.thread == "talk"
        await ada.say(turn, answer)
        await ada.answer(turn, answer)
    assert await running.end("") == Done(0, "first\nsecond\n", "")


async def test_commands_can_run_side_by_side(here: Here, ada: Agent) -> None:
    waiting = [await here.start("send", "ada", f"{name}?", "--wait", "--thread", name) for name in "ab"]
    for _ in waiting:
        turn = await ada.turn()
        await ada.answer(turn, f"{turn.inputs[0].body} yes")
    done = await asyncio.gather(*(running.end() for running in waiting))
    assert [each.out for each in done] == ["a? yes\n", "b? yes\n"]
