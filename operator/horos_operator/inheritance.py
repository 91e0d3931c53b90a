"""What an agent says of a child that it wants, and what the child has from its parent. Pure."""

from typing import Annotated, Final

from pydantic import Field, ValidationError

from horos_api.budget_fields import BudgetSpec
from horos_api.fields import ApiModel, ObjectName, Unique
from horos_api.lifetimes import TTL_SECONDS, Lifetime
from horos_api.model_fields import ModelSpec
from horos_api.resources import AgentSpec, BuiltinTool, ToolsSpec
from horos_bus.operating import SocietyOrder

NOT_HANDED_ON: Final = frozenset(
    {BuiltinTool.CREATE_AGENT, BuiltinTool.TERMINATE_AGENT, BuiltinTool.CREATE_GROUP}
)
"""Tools of the parent that a child gets only when it is said."""


class ChildWish(ApiModel):
    """What an agent says of the child that it wants: the arguments of its tool `create_agent`."""

    name: str
    instructions: str = ""
    task: str = ""
    tools: Annotated[tuple[BuiltinTool, ...], Unique] | None = None
    servers: Annotated[tuple[str, ...], Unique] | None = None
    model: ObjectName | None = Field(None, alias="modelConfig")
    lifetime: Lifetime | None = None
    tokens_per_day: int | None = None
    cost_per_day: str | None = None


def wish_of(order: SocietyOrder) -> ChildWish:
    """Read what an order says of the child; ValueError names the field that is wrong."""
    try:
        return ChildWish.model_validate_json(order.body, by_alias=True, by_name=False)
    except ValidationError as error:
        raise ValueError(first_wrong(error)) from error


def first_wrong(error: ValidationError) -> str:
    """Say which field is wrong first, its value, and what is expected."""
    first = error.errors(include_url=False)[0]
    field = ".".join(map(str, first["loc"])) or "the order"
    value = "" if first["type"] in {"missing", "json_invalid"} else f" {first['input']!r:.100}"
    return f"{field}{value}: {first['msg'].removeprefix('Value error, ')}"


def child_spec(wish: ChildWish, own: AgentSpec) -> AgentSpec:
    """What the parent's `own` spec is, but for what is said. It may break rules: have it validated."""
    lifetime = wish.lifetime or (Lifetime.TASK if wish.task else Lifetime.PERMANENT)
    return own.model_copy(
        update={
            "instructions": wish.instructions,
            "model": _handed_on_model(wish, own),
            "tools": _handed_on_tools(wish, own.tools),
            "lifetime": lifetime,
            "ttl_seconds_after_finished": TTL_SECONDS,
            "budget": _handed_on_budget(wish, own.budget),
        }
    )


def _handed_on_model(wish: ChildWish, own: AgentSpec) -> ModelSpec | None:
    if wish.model is not None:
        return ModelSpec(config_name=wish.model)
    # The form of the parent's answers is for those who ask the parent.
    return own.model.model_copy(update={"response_schema": None}) if own.model else None


def _handed_on_tools(wish: ChildWish, own: ToolsSpec) -> ToolsSpec:
    usual = tuple(tool for tool in own.builtin if tool not in NOT_HANDED_ON)
    chosen = [each for each in own.servers if wish.servers is None or each.name in wish.servers]
    return ToolsSpec(builtin=usual if wish.tools is None else wish.tools, servers=tuple(chosen))


def _handed_on_budget(wish: ChildWish, own: BudgetSpec) -> BudgetSpec:
    return own.model_copy(
        update={
            "depth": max(0, own.depth - 1),
            **({"tokens_per_day": wish.tokens_per_day} if wish.tokens_per_day is not None else {}),
            **({"cost_per_day": wish.cost_per_day} if wish.cost_per_day is not None else {}),
        }
    )
