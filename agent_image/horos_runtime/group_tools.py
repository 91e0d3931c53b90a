"""The tools by which an agent talks in groups: posts, what groups there are, and the wish for a new one."""

from collections.abc import Awaitable, Callable, Sequence
from typing import Annotated, Final, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from horos_api.fields import Unique
from horos_api.mentions import MEMBERS_AT_MOST, Wake, mentions_in
from horos_api.messages import SendOutcome
from horos_api.names import group_name_error
from horos_api.resources import BuiltinTool
from horos_bus.group_reading import GroupLine
from horos_bus.operating import OrderKind
from horos_bus.records import Effect
from horos_runtime.bus_arguments import (
    AgentName,
    BodyText,
    DelaySeconds,
    NoArguments,
    refused,
    results_of,
)
from horos_runtime.tool_arguments import Arguments
from horos_runtime.tool_context import ToolContext
from horos_runtime.tools import BusTool, EffectCall, Tool

ListGroups: TypeAlias = Callable[[], Awaitable[Sequence[GroupLine]]]
_TOLD: Final = "Woken: %WOKEN%. Not woken, since their inboxes are full: %FULL%. No members: %STRANGERS%."
"""The script that posts puts names in their places."""


def _group_name(name: str) -> str:
    if error := group_name_error(name):
        raise ValueError(error)
    return name


GroupName: TypeAlias = Annotated[str, AfterValidator(_group_name)]


class BroadcastArguments(BaseModel):
    """Arguments of `broadcast`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    group: GroupName = Field(description="Name of the group.")
    text: BodyText = Field(description="What to tell it; `@name` wakes that member.")
    mentions: Annotated[tuple[AgentName, ...], Unique] = Field(
        (), max_length=MEMBERS_AT_MOST, description="Names of further members to wake."
    )
    delay_seconds: DelaySeconds = Field(default=0, alias="delaySeconds")


class CreateGroupArguments(BaseModel):
    """Arguments of `create_group`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    name: GroupName = Field(description="Name of the new group: a-z, 0-9 and '-', at most 52 characters.")
    members: Annotated[tuple[AgentName, ...], Unique] = Field(
        min_length=1,
        max_length=MEMBERS_AT_MOST,
        description="Names of its members; name yourself to read what is said there.",
    )
    wake: Wake = Field(
        Wake.MENTIONED,
        description="Mentioned: a message wakes whom it mentions. All: it wakes every member, each time.",
    )


def broadcast_effect(call: EffectCall) -> Effect:
    """Build the post, and the result the model reads for each outcome."""
    assert isinstance(call.arguments, BroadcastArguments)
    wish = call.arguments
    group, delay = wish.group, wish.delay_seconds
    mentions = tuple(dict.fromkeys((*wish.mentions, *mentions_in(wish.text))))[:MEMBERS_AT_MOST]
    told = f"posted to group {group}. {_TOLD}"
    if delay:
        told = (
            f"will be posted to group {group} in {delay} s; a message tells you then whom it could not wake."
        )
    texts = {
        SendOutcome.OK: told,
        SendOutcome.OUTSIDE: f"{told} You are no member of {group}: you will not read what they answer.",
        SendOutcome.NO_GROUP: f"error: not posted, there is no group named {group!r}",
        **refused("not posted"),
    }
    return Effect(
        kind="post",
        to=group,
        body=wish.text,
        mentions=mentions,
        delay_seconds=delay,
        results=results_of(call, texts),
    )


def create_group_effect(call: EffectCall) -> Effect:
    """Build the order, and the result the model reads for each outcome."""
    assert isinstance(call.arguments, CreateGroupArguments)
    name = call.arguments.name
    texts = {
        SendOutcome.OK: f"group {name} is asked for, as request {call.mid}. A later message tells you "
        "whether it is there: end your turn to hear of it, and post to it then.",
        SendOutcome.LIMIT: f"error: group {name} was not created, too many of your requests are not answered "
        "yet; end your turn and wait for answers",
        **refused(f"group {name} was not created"),
    }
    body = call.arguments.model_dump_json()
    return Effect(
        kind="order", order=OrderKind.CREATE_GROUP, to=name, body=body, results=results_of(call, texts)
    )


BROADCAST = BusTool(
    name=BuiltinTool.BROADCAST,
    description="Post a message to a group, exactly once. Members that it mentions are woken and answer in "
    "the group; the others read it when they are mentioned the next time.",
    arguments=BroadcastArguments,
    effect=broadcast_effect,
)
CREATE_GROUP = BusTool(
    name=BuiltinTool.CREATE_GROUP,
    description="Have a group created that is yours: it goes when you go.",
    arguments=CreateGroupArguments,
    effect=create_group_effect,
)


def list_groups_tool(groups: ListGroups) -> Tool:
    """Build `list_groups` on top of whatever knows the namespace's groups."""

    async def run(_: Arguments, __: ToolContext) -> list[dict[str, str | int | bool]]:
        return [
            {"name": line.name, "wake": line.wake.value, "members": line.members, "youAreMember": line.member}
            for line in await groups()
        ]

    return Tool(
        name=BuiltinTool.LIST_GROUPS,
        description="List the groups that messages can be posted to.",
        arguments=NoArguments,
        run=run,
        idempotent=True,
        parallel=True,
        origin="horos",
    )
