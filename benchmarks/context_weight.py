"""What the context costs a turn when its thread has thousands of records: the real ContextManager."""

import asyncio
import time
from itertools import cycle, islice

from benchmarks.minds.parts import INSTRUCTIONS
from benchmarks.report import Spread, spread
from horos_bus.records import Stretch
from horos_runtime.compaction import compaction_record, plan
from horos_runtime.context import Context
from horos_runtime.context_manager import ContextManager
from horos_runtime.projection import Room, View, system_messages
from horos_runtime.records import Record, ToolCall, dump

THREAD = "main"
RUN = "9-0"
ROOM = Room(96_000, 500)
"""What a window of 128,000 leaves beside the answer, instructions and tools taken off."""
TEXT = "What a person or a model says in a message is about so long, and sometimes it is longer. " * 2
CALL: ToolCall = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "look_up", "arguments": '{"tag":"alpha"}'},
}
QUESTION: Record = {"role": "user", "content": TEXT, "mid": "mid", "from": "", "run": "1-0"}
ASKS: Record = {"role": "assistant", "content": "", "tool_calls": [CALL], "run": "1-0", "by": "token"}
RESULT: Record = {"role": "tool", "tool_call_id": "call_1", "content": TEXT, "run": "1-0", "by": "token"}
ANSWER: Record = {"role": "assistant", "content": TEXT, "run": "1-0", "by": "token"}


def context_weight(records: int, turns: int) -> dict[str, float | Spread]:
    """Milliseconds of the first turn of a process, and of later ones, each of which adds its records."""
    return asyncio.run(measured(records, turns))


async def measured(records: int, turns: int) -> dict[str, float | Spread]:
    stored = [dump(record) for record in islice(cycle((QUESTION, ASKS, RESULT, ANSWER)), records)]

    async def read(_: str, start: int) -> Stretch:
        return Stretch(start, tuple(stored[start:]))

    contexts = ContextManager(read)
    took = []
    for _ in range(turns + 1):
        began = time.perf_counter()
        await turn(contexts, stored)
        took.append((time.perf_counter() - began) * 1e3)
    return {
        f"{records:,} records: first turn of a process, compacted": round(took[0], 1),
        f"{records:,} records: each later turn": spread(took[1:]),
    }


async def turn(contexts: ContextManager, stored: list[bytes]) -> None:
    """One turn with one model call: what turn_log and asking do with the context; no model sums up."""
    context = await contexts.load(THREAD, len(stored))
    view = View(context, RUN, [QUESTION], ROOM)
    if decided := plan(view):
        keep(context, stored, compaction_record(context, decided, TEXT, None, ROOM))
        view = View(context, RUN, [QUESTION], ROOM)
    messages = [*system_messages(INSTRUCTIONS), *view.messages()]
    assert messages[-1] == {"role": "user", "content": TEXT}
    keep(context, stored, QUESTION, ANSWER)


def keep(context: Context, stored: list[bytes], *records: Record) -> None:
    context.extend(records)
    stored += [dump(record) for record in records]
