"""The tools by which an agent has children: orders to the operator, whose answer is a later message."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

from horos_api.fields import Unique
from horos_api.lifetimes import Lifetime
from horos_api.messages import SendOutcome
from horos_api.money import DECIMAL
from horos_api.resources import BuiltinTool
from horos_bus.operating import OrderKind
from horos_bus.records import Effect
from horos_runtime.bus_arguments import AgentName, BodyText, refused, results_of
from horos_runtime.tools import BusTool, EffectCall


class CreateAgentArguments(BaseModel):
    """Arguments of `create_agent`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: AgentName = Field(
        description="Name of the new agent: a-z, 0-9 and '-', at most 52 characters; nobody else may have it."
    )
    instructions: BodyText = Field(
        description="Who it is and how it works. It knows nothing of you or of this conversation.",
        max_length=65_536,
    )
    task: BodyText | None = Field(
        None,
        description="Its first request, with all that it has to know; its answer reaches you as a later "
        "message. Without a task it waits until somebody asks it.",
    )
    tools: Annotated[tuple[BuiltinTool, ...], Unique] | None = Field(
        None,
        description="Its built-in tools, out of your own. Not said: all of yours but create_agent, "
        "terminate_agent and create_group.",
    )
    servers: Annotated[tuple[str, ...], Unique] | None = Field(
        None, description="Names of your tool servers that it may use. Not said: all of yours."
    )
    model_config_name: str | None = Field(
        None, alias="modelConfig", description="The ModelConfig of its model. Not said: your own model."
    )
    lifetime: Lifetime | None = Field(
        None,
        description="Task: it ends by itself when it has answered and owes nothing. Permanent: it stays "
        "until it is ended. Not said: Task if it is given a task, else Permanent.",
    )
    tokens_per_day: int | None = Field(
        None, alias="tokensPerDay", ge=1, description="How many tokens it may use in a day, if not as you."
    )
    cost_per_day: str | None = Field(
        None,
        alias="costPerDay",
        pattern=DECIMAL,
        description='How much it may cost in a day, a decimal number as text ("0.5"), if not as you.',
    )


class TerminateAgentArguments(BaseModel):
    """Arguments of `terminate_agent`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: AgentName = Field(description="Name of the agent, one of your children.")


def create_agent_effect(call: EffectCall) -> Effect:
    """Build the order, and the result the model reads for each outcome."""
    assert isinstance(call.arguments, CreateAgentArguments)
    wish = call.arguments
    comes = f"the answer of {wish.name} to its task" if wish.task else "whether it is there"
    texts = {
        SendOutcome.OK: f"agent {wish.name} is asked for, as request {call.mid}. A later message tells you "
        f"{comes}, or why it could not be created: ask for others now if you have to, then end your turn "
        "without guessing it. Whoever waits for you gets what you say once all your requests are answered.",
        **_not_asked_for(f"agent {wish.name} was not created"),
    }
    return _order(call, OrderKind.CREATE_AGENT, wish.name, texts)


def terminate_agent_effect(call: EffectCall) -> Effect:
    """Build the order, and the result the model reads for each outcome."""
    assert isinstance(call.arguments, TerminateAgentArguments)
    name = call.arguments.name
    texts = {
        SendOutcome.OK: f"the end of {name} is asked for, as request {call.mid}. A later message tells you "
        "whether it has ended; end your turn to hear of it.",
        SendOutcome.NO_AGENT: f"error: there is no agent {name!r}, or it has ended already",
        **_not_asked_for(f"agent {name} was not ended"),
    }
    return _order(call, OrderKind.TERMINATE_AGENT, name, texts)


def _order(call: EffectCall, kind: OrderKind, name: str, texts: dict[SendOutcome, str]) -> Effect:
    body = call.arguments.model_dump_json(by_alias=True, exclude_none=True)
    return Effect(kind="order", order=kind, to=name, body=body, results=results_of(call, texts))


def _not_asked_for(what: str) -> dict[SendOutcome, str]:
    return {
        SendOutcome.LIMIT: f"error: {what}, too many of your requests are not answered yet; end your turn "
        "and wait for answers",
        **refused(what),
    }


CREATE_AGENT = BusTool(
    name=BuiltinTool.CREATE_AGENT,
    description="Have a child created: an agent of your own for a part of your work. The operator checks "
    "that it gets no more rights than you have. It goes when you go.",
    arguments=CreateAgentArguments,
    effect=create_agent_effect,
)
TERMINATE_AGENT = BusTool(
    name=BuiltinTool.TERMINATE_AGENT,
    description="End one of your children for good: its open work is dropped, whoever waits for it is told.",
    arguments=TerminateAgentArguments,
    effect=terminate_agent_effect,
)
