"""`horos history`: a conversation as it is stored, read by a person."""

import json

import orjson
import pytest
import yaml

from horos.history_lines import history_lines
from horos_bus.connection import Bus
from horos_bus.message_service import MessageService
from horos_bus.records import Ending, Identity, Turn
from tests.person.conftest import Here
from tests.person.stage import Agent, Done

RECORDS = [
    {
        "role": "assistant",
        "content": "",
        "tool_calls": [
            {
                "id": "c1",
                "type": "function",
                "function": {"name": "measure", "arguments": '{"place":"bridge","times":3}'},
            }
        ],
        "usage": {"prompt": 120, "completion": 9, "estimate": 130},
    },
    {"role": "tool", "tool_call_id": "c1", "content": "long " * 100},
    {"role": "compaction", "content": "They spoke of a bridge.", "through": 1, "drop": 2, "trim": 3},
    {"role": "assistant", "content": "It stands.", "usage": {"prompt": 200, "completion": 3}},
]


async def conversation(here: Here, ada: Agent, thread: str = "main") -> None:
    """A turn with a tool and a compaction."""
    await here.horos("send", "ada", "How is the bridge?", "--thread", thread)
    turn = await ada.turn()
    await commit(here.bus, turn)


async def commit(bus: Bus, turn: Turn) -> None:
    runtime = MessageService(bus, Identity("ada", "uid-ada", "token-ada"))
    asked = [{"role": "user", "content": each.body, "mid": each.mid, "from": ""} for each in turn.inputs]
    entries = [orjson.dumps(record) for record in [*asked, *RECORDS]]
    await runtime.commit(turn.id, turn.base, entries, Ending(text="It stands."))


async def test_history_says_who_said_what_with_tools_summaries_and_usage(here: Here, ada: Agent) -> None:
    await conversation(here, ada)
    done = await here.horos("history", "ada")
    assert (done.code, done.err) == (0, "")
    lines = done.out.splitlines()
    assert lines[0] == "#0 a person: How is the bridge?"
    assert lines[1] == "#1 ada ⚙ measure(place=bridge, times=3)  [120 tokens read, 9 written]"
    assert lines[2].startswith("#2 ⚙ measure → long long") and lines[2].endswith("…")
    assert lines[3:5] == [
        "#3 ─── the model sees from here on: what lies before #1 is told by this summary; rounds of tools "
        "before #2 are left out; long results before #3 are cut ───",
        "#3 They spoke of a bridge.",
    ]
    assert lines[5] == "#4 ada: It stands.  [200 tokens read, 3 written]"


async def test_history_of_one_thread_can_be_limited_to_the_newest_records(here: Here, ada: Agent) -> None:
    await conversation(here, ada, "work")
    done = await here.horos("history", "ada", "--thread", "work", "--limit", "1")
    assert done.out == "#4 ada: It stands.  [200 tokens read, 3 written]\n"
    assert len((await here.horos("history", "ada", "--thread", "work", "--limit", "0")).out.splitlines()) == 6


async def test_history_as_json_and_yaml_is_what_is_stored(here: Here, ada: Agent) -> None:
    await conversation(here, ada)
    as_json = await here.horos("history", "ada", "--limit", "3", "-o", "json")
    as_yaml = await here.horos("history", "ada", "--limit", "3", "-o", "yaml")
    assert json.loads(as_json.out) == yaml.safe_load(as_yaml.out)
    assert (as_json.json["start"], as_json.json["next"]) == (2, 5)
    assert as_json.json["items"] == RECORDS[1:]


def test_thoughts_are_one_line_ahead_of_what_the_agent_says_and_does() -> None:
    records = {
        "start": 0,
        "items": [
            {**RECORDS[0], "reasoning": "A bridge is measured\nthree times. " + "Then once more. " * 20},
            {**RECORDS[3], "reasoning": "It stands."},
        ],
    }
    lines = history_lines("ada", records)
    assert lines[0].startswith("#0 ada thought: A bridge is measured three times. Then")
    assert lines[0].endswith("…")
    assert lines[1] == "#0 ada ⚙ measure(place=bridge, times=3)  [120 tokens read, 9 written]"
    assert lines[2:] == ["#1 ada thought: It stands.", "#1 ada: It stands.  [200 tokens read, 3 written]"]


@pytest.mark.parametrize(
    ("arguments", "code", "word"),
    [
        (("Ada",), 2, "'Ada' is not a DNS label"),
        (("ada", "--thread", "a b"), 2, "thread 'a b'"),
        (("ada", "--limit", "-1"), 2, "--limit"),
        (("ada", "-o", "table"), 2, "'table' is not one of 'text', 'json', 'yaml'"),
        (("nobody",), 3, "nobody"),
        (("ada", "--thread", "none"), 3, "agent ada has no thread none"),
    ],
)
async def test_history_of_what_is_not_there_says_so(
    here: Here, ada: Agent, arguments: tuple[str, ...], code: int, word: str
) -> None:
    done = await here.horos("history", *arguments)
    assert (done.code, done.out) == (code, "")
    assert word in done.err


async def test_a_thread_without_records_says_so(here: Here, ada: Agent) -> None:
    await here.horos("send", "ada", "Hello")
    await ada.turn()
    assert await here.horos("history", "ada") == Done(0, "", "nothing was said in thread main of ada\n")


def test_messages_of_agents_name_their_request() -> None:
    records = {
        "start": 7,
        "items": [
            {"role": "user", "content": "do it", "from": "bob", "kind": "request", "mid": "m1"},
            {"role": "user", "content": "done", "from": "eve", "kind": "reply", "re": "m2"},
            {"role": "user", "content": "gone", "from": "eve", "kind": "reply", "re": "m3", "error": True},
            {"role": "user", "content": "note", "from": "eve", "kind": "notice"},
            {"role": "assistant", "content": ""},
        ],
    }
    assert history_lines("ada", records) == [
        "#7 bob (request m1): do it",
        "#8 eve (reply m2): done",
        "#9 eve (could not answer m3): gone",
        "#10 eve: note",
        "#11 ada: ",
    ]


def test_decisions_of_people_say_whose_they_are() -> None:
    about = {"role": "user", "kind": "decision", "re": "ada/1-0/1.0", "content": "Approved."}
    records = {"start": 0, "items": [{**about, "from": "alice"}, {**about, "content": "Denied: too late."}]}
    assert history_lines("ada", records) == [
        "#0 alice (decision about ada/1-0/1.0): Approved.",
        "#1 nobody (decision about ada/1-0/1.0): Denied: too late.",
    ]
