"""What a model can call: tools, and the decorator that makes one of a function."""

import inspect
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, Final, TypeAlias, overload

from pydantic import BaseModel

from horos_bus.records import Effect
from horos_runtime.docstrings import summary
from horos_runtime.foreign_code import FOREIGN_THREADS
from horos_runtime.token_estimates import ChatMessage
from horos_runtime.tool_arguments import Arguments, Described, schema_of
from horos_runtime.tool_context import ToolContext
from horos_runtime.tool_schema import Signature, signature_of

DEFAULT_TIMEOUT_SECONDS: Final = 60.0
DEFAULT_APPROVAL_SECONDS: Final = 3600

Run: TypeAlias = Callable[[Arguments, ToolContext], Awaitable[object]]
"""Does a tool's work with validated arguments; what it returns becomes the text that the model reads."""


@dataclass(frozen=True)
class Approval:
    """Each call of the tool waits for a person, who has so many `seconds`; then it is denied."""

    seconds: int = DEFAULT_APPROVAL_SECONDS


@dataclass(frozen=True)
class Tool:
    """Something a model can call that acts outside the bus; the decorator `tool` makes one of a function.

    The model chooses by `name` and `description`; `run` gets a validated instance of `arguments`, for at most
    `timeout_seconds`, and whatever it raises becomes a result that the model reads. `idempotent` says that
    running it twice does no harm: only then it is tried again when it fails, and runs again after an
    interruption. `parallel` says that it may run beside other calls of the same step. `origin` is where it
    comes from, for people; `stoppable` is False for plain functions, which end when they end. With an
    `approval` it only runs when a person has allowed the call.
    """

    name: str
    description: str
    arguments: Described
    run: Run
    idempotent: bool = False
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS
    parallel: bool = False
    origin: str = ""
    stoppable: bool = True
    approval: Approval | None = None

    @property
    def schema(self) -> ChatMessage:
        """What the model reads about it."""
        return _schema(self)


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
    origin: str = "horos"

    @property
    def schema(self) -> ChatMessage:
        """What the model reads about it."""
        return _schema(self)


AnyTool: TypeAlias = Tool | BusTool


def _schema(described: AnyTool) -> ChatMessage:
    function = {
        "name": described.name,
        "description": described.description,
        "parameters": schema_of(described.arguments),
    }
    return {"type": "function", "function": function}


@overload
def tool(function: Callable[..., Any], /) -> Tool: ...
@overload
def tool(
    *,
    name: str | None = None,
    idempotent: bool = False,
    parallel: bool = False,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    approval: bool = False,
    approval_timeout_seconds: int = DEFAULT_APPROVAL_SECONDS,
) -> Callable[[Callable[..., Any]], Tool]: ...


def tool(  # noqa: PLR0913 - all behind the star, and each with a default
    function: Callable[..., Any] | None = None,
    /,
    *,
    name: str | None = None,
    idempotent: bool = False,
    parallel: bool = False,
    timeout_seconds: float = DEFAULT_TIMEOUT_SECONDS,
    approval: bool = False,
    approval_timeout_seconds: int = DEFAULT_APPROVAL_SECONDS,
) -> Tool | Callable[[Callable[..., Any]], Tool]:
    """Make a function a Tool: its type hints become the schema, its docstring the description.

    A parameter with the hint ToolContext gets the context of the call and is no part of the schema. A plain
    function runs in a thread, which a timeout abandons but cannot stop; the timeout is for each try. With
    `approval` each call waits for a person, for at most `approval_timeout_seconds`. Raises TypeError for
    parameters without a type hint, `*args`, `**kwargs` and generators, ValueError for a timeout that is not
    positive.
    """

    def make(decorated: Callable[..., Any]) -> Tool:
        called = _name(decorated, name)
        _above_zero(called, "timeout_seconds", timeout_seconds)
        _above_zero(called, "approval_timeout_seconds", approval_timeout_seconds)
        signature = signature_of(decorated, called)
        return Tool(
            name=called,
            description=summary(decorated),
            arguments=signature.arguments,
            run=_runner(decorated, signature),
            idempotent=idempotent,
            timeout_seconds=timeout_seconds,
            parallel=parallel,
            origin=_origin(decorated),
            stoppable=inspect.iscoroutinefunction(decorated),
            approval=Approval(approval_timeout_seconds) if approval else None,
        )

    return make if function is None else make(function)


def _name(function: Callable[..., Any], given: str | None) -> str:
    called = given or getattr(function, "__name__", "")
    if not called:
        raise TypeError(f"{function!r} has no name; give it one: tool(name=...)")
    if inspect.isgeneratorfunction(function) or inspect.isasyncgenfunction(function):
        raise TypeError(f"tool {called}: it yields; expected a function that returns its result")
    return called


def _above_zero(called: str, field: str, value: float) -> None:
    if not value > 0:
        raise ValueError(f"tool {called}: {field} {value!r}: expected more than 0")


def _origin(function: Callable[..., Any]) -> str:
    named = getattr(function, "__qualname__", type(function).__qualname__)
    return f"{getattr(function, '__module__', '?')}.{named}"


def _runner(function: Callable[..., Any], signature: Signature) -> Run:
    async def run(arguments: Arguments, context: ToolContext) -> object:
        assert isinstance(arguments, BaseModel)
        given = signature.given(arguments, context)
        if inspect.iscoroutinefunction(function):
            return await function(**given)
        result: object = await FOREIGN_THREADS.run(partial(function, **given))
        # A plain function may hand back a coroutine, as one that wraps an async function does.
        return await result if inspect.isawaitable(result) else result

    return run
