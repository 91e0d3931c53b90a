"""The built-in tool `history`: the model reads older records of its own thread, as they were written."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from horos_api.resources import BuiltinTool
from horos_bus.records import Stretch
from horos_runtime.exchanges import heading
from horos_runtime.records import Record, load
from horos_runtime.shortening import shorten
from horos_runtime.tool_arguments import Arguments
from horos_runtime.tool_context import ToolContext
from horos_runtime.tools import Tool

ReadThread: TypeAlias = Callable[[int, int | None], Awaitable[Stretch]]
"""Reads so many records (None: all) of the turn's thread from an absolute index on."""

ANSWER_BYTES: Final = 8000
"""The longest answer: it must not fill the window that it was called for."""
RECORD_BYTES: Final = 1500
"""How much of each record a list shows; one record alone is shown as far as the answer reaches."""
MOST: Final = 50
BEHIND_THE_END: Final = 10**9
"""No thread is so long: a stretch from here on is empty and starts where the next record will be."""
NOTHING: Final = "there is no record before 0"


class HistoryArguments(BaseModel):
    """Arguments of `history`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    before: int | None = Field(
        default=None, ge=0, description="Only records before this number; left out: the newest."
    )
    limit: int = Field(default=10, ge=1, le=MOST, description="How many records; 1 shows one in full.")
    search: str = Field(
        default="", max_length=200, description="Only records that contain this text, in any case."
    )
    offset: int = Field(
        default=0, ge=0, description="With limit 1: begin behind so many characters of the record."
    )


def history_tool(read: ReadThread) -> Tool:
    """Build `history` on top of whatever reads the thread."""

    async def run(arguments: Arguments, _: ToolContext) -> str:
        assert isinstance(arguments, HistoryArguments)
        if arguments.search:
            return page(await read(0, None), arguments)
        end = arguments.before
        if end is None:
            end = (await read(BEHIND_THE_END, 1)).start
        start = max(0, end - arguments.limit)
        return page(await read(start, end - start), arguments) if end else NOTHING

    return Tool(
        name=BuiltinTool.HISTORY,
        description="Read older records of this conversation as they were written, also those that only the "
        "summary tells of. Records have numbers; the newest come last.",
        arguments=HistoryArguments,
        run=run,
        idempotent=True,
        parallel=True,
        origin="horos",
    )


def page(stretch: Stretch, wanted: HistoryArguments) -> str:
    """Write down what is wanted of some records."""
    numbered = list(enumerate(map(load, stretch.records), stretch.start))
    end = stretch.start + len(numbered) if wanted.before is None else wanted.before
    found = [
        (number, written(record))
        for number, record in numbered
        if number < end and _holds(record, wanted.search)
    ]
    shown = found[-wanted.limit :]
    if not shown:
        where = f" before {wanted.before}" if wanted.before is not None else ""
        what = f" with {wanted.search!r}" if wanted.search else ""
        return f"no record{what}{where} is kept; the oldest kept is {stretch.start}"
    if wanted.limit == 1:
        return _alone(*shown[0], wanted.offset)
    return _listed(shown, more=len(found) > len(shown) or (stretch.start > 0 and not wanted.search))


def _holds(record: Record, text: str) -> bool:
    """Say whether a record holds a text; a call of this tool is not what it looks for itself."""
    if not text:
        return True
    names = {call["function"]["name"] for call in record.get("tool_calls", [])}
    return BuiltinTool.HISTORY not in names and text.casefold() in written(record).casefold()


def _alone(number: int, text: str, offset: int) -> str:
    part = text[offset:].encode()[:ANSWER_BYTES].decode(errors="ignore")
    rest = len(text) - offset - len(part)
    more = f"\n[{rest} more characters: offset={offset + len(part)}]" if rest > 0 else ""
    return f"#{number} {part}{more}"


def _listed(found: Sequence[tuple[int, str]], *, more: bool) -> str:
    lines: list[str] = []
    left = ANSWER_BYTES
    for number, text in reversed(found):
        line = f"#{number} {shorten(text, RECORD_BYTES)}"
        left -= len(line.encode()) + 1
        if left < 0 and lines:
            more = True
            break
        lines.insert(0, line)
        oldest = number
    return "\n".join([*lines, *([f"[older ones: before={oldest}]"] if more else [])])


def written(record: Record) -> str:
    """Write a record down as one text, who said it first."""
    match record["role"]:
        case "user":
            return f"{heading(record) or 'a person:'} {record['content']}"
        case "tool":
            return f"result: {record['content']}"
        case "compaction":
            return f"summary of the records before {record['through']}: {record['content'] or '(none)'}"
    calls = [
        f"[called {call['function']['name']} {call['function']['arguments']}]"
        for call in record.get("tool_calls", [])
    ]
    return " ".join(["you:", *([record["content"]] if record["content"] else []), *calls])
