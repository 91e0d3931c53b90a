"""The tool `read_result`: reads in the large results of a thread, of which the records show only the ends."""

import re
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from horos_runtime.context import Context
from horos_runtime.tool_arguments import Arguments
from horos_runtime.tool_context import ToolContext
from horos_runtime.tool_results import RESULT_BYTES
from horos_runtime.tools import Tool

READ_RESULT: Final = "read_result"
PAGE: Final = 8000
PAGE_BYTES: Final = RESULT_BYTES - 1024
"""What is read is a result, too: it must not be so large that it is kept and shown by its ends."""
FOUND: Final = 10
AROUND: Final = 150
_NAMED: Final = 20

ReadKept: TypeAlias = Callable[[str], Awaitable[bytes | None]]
"""Reads a kept result by its name: `MessageService.offloaded` of a thread."""


class ReadResultArguments(BaseModel):
    """Arguments of `read_result`."""

    model_config = ConfigDict(extra="forbid", frozen=True, coerce_numbers_to_str=True)

    ref: str = Field(description="Name of the result, as the shown part says it.")
    offset: int = Field(0, ge=0, description="The character to begin at.")
    limit: int = Field(PAGE, ge=1, le=PAGE, description="How many characters to read.")
    search: str = Field("", max_length=200, description="Find this text from the offset on instead.")


class KeptRefs:
    """The names of the results of a thread that are kept, taken in as its records come."""

    def __init__(self, context: Context) -> None:
        self._context = context
        self._end = context.first
        self._names: list[str] = []

    def now(self) -> Sequence[str]:
        """List those of this moment, oldest first."""
        self._names += [record["ref"] for record in self._context.since(self._end) if "ref" in record]
        self._end = self._context.end
        return self._names


def read_result_tool(read: ReadKept, refs: Sequence[str]) -> Tool:
    """Build `read_result` for a thread whose kept results have these names."""

    async def run(arguments: Arguments, _: ToolContext) -> str:
        assert isinstance(arguments, ReadResultArguments)
        whole = await read(arguments.ref)
        if whole is None and arguments.ref not in refs:
            known = ", ".join(refs[-_NAMED:]) or "none"
            return (
                f"error: there is no kept result {arguments.ref!r} in this conversation; the newest: {known}"
            )
        if whole is None:
            return f"error: result {arguments.ref} is no longer kept; call the tool again that gave it"
        text = whole.decode(errors="replace")
        return _found(text, arguments) if arguments.search else _page(text, arguments)

    return Tool(
        name=READ_RESULT,
        description="Read a part of a large result of a tool that was shown only in part, or search it.",
        arguments=ReadResultArguments,
        run=run,
        idempotent=True,
        parallel=True,
        origin="horos",
    )


def _page(text: str, asked: ReadResultArguments) -> str:
    if asked.offset >= len(text):
        return f"error: offset {asked.offset} is behind the end; {asked.ref} has {len(text)} characters"
    part = text[asked.offset : asked.offset + asked.limit]
    part = part.encode()[:PAGE_BYTES].decode(errors="ignore")
    end = asked.offset + len(part)
    more = f"; go on with offset {end}" if end < len(text) else "; this is the end"
    return f"[{asked.ref}, characters {asked.offset} to {end} of {len(text)}{more}]\n{part}"


def _found(text: str, asked: ReadResultArguments) -> str:
    places = [found.start() for found in re.finditer(re.escape(asked.search), text, re.IGNORECASE)]
    places = [place for place in places if place >= asked.offset]
    if not places:
        return f"{asked.search!r} does not occur in {asked.ref} from offset {asked.offset} on"
    shown = [
        f"[offset {place}] …{text[max(0, place - AROUND) : place + len(asked.search) + AROUND]}…"
        for place in places[:FOUND]
    ]
    rest = len(places) - len(shown)
    more = [f"[{rest} more; go on with offset {places[FOUND]}]"] if rest else []
    return "\n".join([f"[{asked.search!r} occurs {len(places)} times in {asked.ref}]", *shown, *more])
