"""What a model can call: tools, the decorator that makes them, and the registry of one agent."""

import asyncio
import inspect
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, overload

from pydantic import BaseModel

from horos_bus.records import Effect
from horos_runtime.token_estimates import ChatMessage
from horos_runtime.tool_schema import arguments_model, parameters_schema, summary

DEFAULT_TIMEOUT_SECONDS: Final = 60.0
_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")

Run: TypeAlias = Callable[[BaseModel], Awaitable[object]]
"""Does a tool's work with validated arguments; what it returns becomes the text that the model reads."""


class ToolNameConflictError(ValueError):
    """Two tools of one agent have the same name."""


@dataclass(frozen=True)
class Tool:
    """Something a model can call that acts outside the bus; the decorator `tool` makes one of a function.

    The model chooses by `name` and `description`; `run` gets a validated instance of `arguments`, for at most
    `timeout_seconds`, and whatever it raises becomes a result that the model reads. `idempotent` says that
    running it twice does no harm: only then it runs again after an interruption.
    """

    name: str
    description: str
    arguments: type[BaseModel]
    run: Run
    idempotent: bool = False
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS


@dataclass(frozen=True)
class EffectCall:
    """What the maker of an effect knows about the call: its arguments, id, thread, turn and author.

    `mid` is the id that a message sent by it gets.
    """

    arguments: BaseModel
    id: str
    thread: str
    run: str
    by: str
    mid: str = ""


@dataclass(frozen=True)
class BusTool:
    """Something a model can call whose whole effect is on the bus: effect and result are one atomic step."""

    name: str
    description: str
    arguments: type[BaseModel]
    effect: Callable[[EffectCall], Effect]


AnyTool: TypeAlias = Tool | BusTool


class ToolRegistry:
    """The tools of one agent by name."""

    def __init__(self, *tools: AnyTool) -> None:
        self._tools: dict[str, AnyTool] = {}
        for each in tools:
            self.add(each)

    def add(self, new: AnyTool) -> None:
        """Add a tool; raises ToolNameConflictError, or ValueError for a name that models refuse."""
        if not _NAME.fullmatch(new.name):
            raise ValueError(f"tool name {new.name!r}: expected 1 to 64 of A-Z a-z 0-9 _ -")
        if new.name in self._tools:
            raise ToolNameConflictError(f"there is already a tool named {new.name!r}")
        self._tools[new.name] = new

    def get(self, name: str) -> AnyTool | None:
        """Find a tool by its name."""
        return self._tools.get(name)

    def __iter__(self) -> Iterator[AnyTool]:
        return iter(self._tools.values())

    def __len__(self) -> int:
        return len(self._tools)

    def names(self) -> list[str]:
        """List all names in order."""
        return sorted(self._tools)

    def schemas(self) -> list[ChatMessage]:
        """Describe all tools to a model, always in the same order, so that prompts stay cacheable."""
        return [_schema(self._tools[name]) for name in self.names()]


def _schema(described: AnyTool) -> ChatMessage:
    function = {
        "name": described.name,
        "description": described.description,
        "parameters": parameters_schema(described.arguments),
    }
    return {"type": "function", "function": function}


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *, name: str | None = None, idempotent: bool = False, timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    idempotent: bool = False,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a function a Tool: its type hints become the schema, its docstring the description.

    A plain function runs in a thread, which a timeout abandons but cannot stop. Raises TypeError for
    parameters without a type hint and for `*args` and `**kwargs`.
    """

    def make(decorated: Callable[..., Any]) -> Tool:
        return Tool(
            name=name or decorated.__name__,
            description=summary(decorated),
            arguments=arguments_model(decorated),
            run=_runner(decorated),
            idempotent=idempotent,
            timeout_seconds=timeout_seconds,
        )

    return make if function is None else make(function)


def _runner(function: Callable[..., Any]) -> Run:
    async def run(arguments: BaseModel) -> object:
        # Field by field and not model_dump: parameters that are models arrive as models.
        given = {name: getattr(arguments, name) for name in type(arguments).model_fields}
        if inspect.iscoroutinefunction(function):
            return await function(**given)
        return await asyncio.to_thread(function, **given)

    return run
