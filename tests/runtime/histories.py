"""Records for the tests of contexts: as a turn writes them, and as nobody should."""

from typing import Any

from hypothesis import strategies as st

from horos_api.messages import MessageKind
from horos_runtime.compaction import Compaction, compaction_record, plan
from horos_runtime.context import Context
from horos_runtime.projection import Room, View
from horos_runtime.records import Record
from horos_runtime.summariser import noted

PLENTY = 10**9
OPEN = "open"


def user(text: str, sender: str = "", run: str = "r", **fields: Any) -> Record:
    record: Record = {"role": "user", "content": text, "from": sender, "mid": text[:20], "run": run}
    record.update(fields)  # type: ignore[typeddict-item]
    return record


def request(text: str, sender: str, mid: str, run: str = OPEN) -> Record:
    return user(text, sender, run, kind=MessageKind.REQUEST, mid=mid)


def assistant(text: str, *call_ids: str, arguments: str = "{}", run: str = "r") -> Record:
    record: Record = {"role": "assistant", "content": text, "run": run, "by": "t"}
    if call_ids:
        record["tool_calls"] = [
            {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}
            for call_id in call_ids
        ]
    return record


def result(call_id: str, text: str = "ok") -> Record:
    return {"role": "tool", "tool_call_id": call_id, "content": text, "run": "r", "by": "t"}


def compaction(through: int, drop: int = 0, trim: int = 0, summary: str = "a summary") -> Record:
    drop = max(drop, through)
    return {
        "role": "compaction",
        "content": summary,
        "through": through,
        "drop": drop,
        "trim": max(drop, trim),
        "marks": [],
    }


def project(
    records: list[Record], room: int = PLENTY, run: str = "", unsaved: tuple[Record, ...] = ()
) -> list[dict[str, Any]]:
    return View(Context(0, records), run, unsaved, Room(room)).messages()


def contents(messages: list[dict[str, Any]]) -> list[str]:
    return [message["content"] for message in messages]


def turns(count: int, words: int = 40, first: int = 0) -> list[Record]:
    """A question, a round with a long result, and an answer, so many times."""
    return [
        record
        for number in range(first, first + count)
        for record in (
            user(f"question {number}", run=f"r{number}"),
            assistant("", f"c{number}", run=f"r{number}"),
            result(f"c{number}", f"result {number} " * words),
            assistant(f"answer {number}", run=f"r{number}"),
        )
    ]


def carried_out(context: Context, decided: Compaction, room: Room) -> Record:
    """Do what was decided, with a note instead of a summary."""
    summary = context.compaction["content"] if context.compaction else ""
    if decided.told:
        summary = noted(summary, decided.told, 10**6)
    return compaction_record(context, decided, summary, None, room)


def compacted(context: Context, room: Room, unsaved: tuple[Record, ...] = ()) -> Compaction | None:
    """Compact a context as a turn does; returns what was decided."""
    decided = plan(View(context, OPEN, unsaved, room))
    if decided:
        context.extend([carried_out(context, decided, room)])
    return decided


TEXTS = st.one_of(st.text(max_size=30), st.integers(0, 400).map(lambda size: "wörd " * size))
RECORDS = st.lists(
    st.one_of(
        st.builds(user, TEXTS, st.sampled_from(["", "bob"]), st.sampled_from(["r", "s", OPEN])),
        st.builds(
            lambda text, ids, run, arguments: assistant(text, *ids, run=run, arguments=arguments),
            TEXTS,
            st.lists(st.sampled_from("abc"), max_size=3),
            st.sampled_from(["r", "s", OPEN]),
            st.sampled_from(["{}", "{broken", "[1]", "", '{"text":"' + "long " * 500 + '"}']),
        ),
        st.builds(result, st.sampled_from("abcx"), TEXTS),
        st.builds(compaction, st.integers(0, 20), st.integers(0, 25), st.integers(0, 30)),
    ),
    max_size=30,
)
"""With missing results, results of nobody, doubled ids, and compactions that nobody would decide on."""
