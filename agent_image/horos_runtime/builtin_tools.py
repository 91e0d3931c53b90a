"""The tools of horos itself: what an agent can do on the bus."""

from collections.abc import Awaitable, Callable, Iterable

from pydantic import BaseModel, ConfigDict, Field

from horos_api.messages import MessageKind, SendOutcome
from horos_api.resources import BuiltinTool
from horos_bus.records import Effect
from horos_runtime.bus_arguments import (
    AgentName,
    BodyText,
    DelaySeconds,
    NoArguments,
    refused,
    results_of,
)
from horos_runtime.child_tools import CREATE_AGENT, TERMINATE_AGENT
from horos_runtime.group_tools import BROADCAST, CREATE_GROUP, ListGroups, list_groups_tool
from horos_runtime.history_tool import ReadThread, history_tool
from horos_runtime.tool_arguments import Arguments
from horos_runtime.tool_context import ToolContext
from horos_runtime.tools import AnyTool, BusTool, EffectCall, Tool


class SendArguments(BaseModel):
    """Arguments of `send`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: AgentName = Field(description="Name of the agent.")
    text: BodyText = Field(description="What to tell it.")
    delay_seconds: DelaySeconds = Field(default=0, alias="delaySeconds")


class AskArguments(BaseModel):
    """Arguments of `ask`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    to: AgentName = Field(description="Name of the agent.")
    text: BodyText = Field(
        description="The question or task, with all that the other agent has to know: it sees nothing else."
    )
    delay_seconds: DelaySeconds = Field(default=0, alias="delaySeconds")


class ReplyArguments(BaseModel):
    """Arguments of `reply`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    request: str = Field(min_length=1, description="Id of the request, as its heading names it.")
    text: BodyText = Field(description="The answer.")


def send_effect(call: EffectCall) -> Effect:
    """Build the notice, and the result the model reads for each outcome."""
    assert isinstance(call.arguments, SendArguments)
    to, delay = call.arguments.to, call.arguments.delay_seconds
    delivered = f"will be delivered to {to} in {delay} s" if delay else f"delivered to {to}"
    texts = {
        SendOutcome.OK: f"{delivered}; nothing comes back unless {to} sends a message itself",
        **_not_delivered(to),
    }
    return Effect(
        to=to,
        thread=call.thread,
        message_kind=MessageKind.NOTICE,
        body=call.arguments.text,
        delay_seconds=delay,
        results=results_of(call, texts),
    )


def ask_effect(call: EffectCall) -> Effect:
    """Build the request, and the result the model reads for each outcome."""
    assert isinstance(call.arguments, AskArguments)
    to, delay = call.arguments.to, call.arguments.delay_seconds
    when = f"will be delivered to {to} in {delay} s" if delay else f"is delivered to {to}"
    # A debt keeps its deadline, however late the request is delivered that holds it back.
    late = ", or an error, if its time is over before" if delay else ""
    texts = {
        SendOutcome.OK: f"request {call.mid} {when}. The answer comes as a later message: ask "
        "others now if you have to, then end your turn without guessing it. Whoever waits for you gets what "
        f"you say once all your requests are answered{late}.",
        **_not_delivered(to),
        SendOutcome.LIMIT: "error: not delivered, too many of your requests are not answered yet; end your "
        "turn and wait for answers",
    }
    return Effect(
        to=to,
        thread=call.thread,
        message_kind=MessageKind.REQUEST,
        body=call.arguments.text,
        delay_seconds=delay,
        results=results_of(call, texts),
    )


def reply_effect(call: EffectCall) -> Effect:
    """Build the early answer, and the result the model reads for each outcome."""
    assert isinstance(call.arguments, ReplyArguments)
    request = call.arguments.request
    texts = {
        SendOutcome.OK: f"request {request} is answered",
        SendOutcome.NO_REQUEST: f"error: you owe no answer to {request!r}: it was answered, its time is "
        "over, or there is no such request",
    }
    return Effect(kind="reply", re=request, body=call.arguments.text, results=results_of(call, texts))


def _not_delivered(to: str) -> dict[SendOutcome, str]:
    return {
        SendOutcome.FULL: f"error: not delivered, the inbox of {to} is full; try again later",
        SendOutcome.NO_AGENT: f"error: not delivered, there is no other agent named {to!r}",
        **refused("not delivered"),
    }


SEND = BusTool(
    name=BuiltinTool.SEND,
    description="Send a message to another agent, exactly once. No answer comes back by itself.",
    arguments=SendArguments,
    effect=send_effect,
)
ASK = BusTool(
    name=BuiltinTool.ASK,
    description="Ask another agent something, or give it a task. Its answer reaches you as a later message.",
    arguments=AskArguments,
    effect=ask_effect,
)
REPLY = BusTool(
    name=BuiltinTool.REPLY,
    description="Answer one request before your turn ends. Without it your last text answers whoever waits.",
    arguments=ReplyArguments,
    effect=reply_effect,
)


def list_agents_tool(agents: Callable[[], Awaitable[list[str]]]) -> Tool:
    """Build `list_agents` on top of whatever knows the namespace's agents."""

    async def run(_: Arguments, __: ToolContext) -> list[str]:
        return sorted(await agents())

    return Tool(
        name=BuiltinTool.LIST_AGENTS,
        description="List the names of all agents that messages can be sent to.",
        arguments=NoArguments,
        run=run,
        idempotent=True,
        parallel=True,
        origin="horos",
    )


def builtin_tools(
    names: Iterable[BuiltinTool],
    agents: Callable[[], Awaitable[list[str]]],
    thread: ReadThread,
    groups: ListGroups,
) -> list[AnyTool]:
    """Build the built-ins that the spec asks for; `thread` reads the records of the turn's thread."""
    known: dict[BuiltinTool, AnyTool] = {
        BuiltinTool.SEND: SEND,
        BuiltinTool.ASK: ASK,
        BuiltinTool.REPLY: REPLY,
        BuiltinTool.LIST_AGENTS: list_agents_tool(agents),
        BuiltinTool.HISTORY: history_tool(thread),
        BuiltinTool.CREATE_AGENT: CREATE_AGENT,
        BuiltinTool.TERMINATE_AGENT: TERMINATE_AGENT,
        BuiltinTool.BROADCAST: BROADCAST,
        BuiltinTool.LIST_GROUPS: list_groups_tool(groups),
        BuiltinTool.CREATE_GROUP: CREATE_GROUP,
    }
    return [known[name] for name in names]
