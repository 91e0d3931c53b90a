"""Group: agents that read the same messages in the same order, and whom one message may wake together."""

import re
from typing import Annotated, Final, Literal, Self

from pydantic import ConfigDict, Field, field_validator, model_validator

from horos_api.agent_status import Condition
from horos_api.fields import DNS_LABEL, SET_LIST, ApiModel, JsonSchema, Unique, WholeNumber, rule, rules
from horos_api.mentions import MEMBERS_AT_MOST, Wake
from horos_api.names import AGENT_NAME_LENGTH, GROUP_NAME_LENGTH, group_name_error
from horos_api.objects import Metadata, Resource
from horos_api.pod_fields import LABEL_KEY, LabelValue

_WHOLE_LIST: Final[JsonSchema] = {"x-kubernetes-list-type": "atomic"}
"""The API server notes down who owns each item of a set: for a status that would be all of it once more."""

AgentName = Annotated[str, Field(pattern=rf"^{DNS_LABEL}$", max_length=AGENT_NAME_LENGTH)]

_SOME_LABEL: Final = rule(
    "size(self.matchLabels) > 0", "matchLabels: expected at least one label; no label would mean every agent"
)
_LABEL_KEYS: Final = rule(
    f"self.matchLabels.all(key, key.matches('{LABEL_KEY}'))", "matchLabels: expected keys of labels"
)


class MemberSelector(ApiModel):
    """Agents by their labels."""

    model_config = ConfigDict(json_schema_extra=rules(_SOME_LABEL, _LABEL_KEYS))

    match_labels: dict[str, LabelValue] = Field(
        max_length=32,
        description="Labels that an Agent of the namespace must have, all of them, to be a member.",
    )

    @field_validator("match_labels", mode="before")
    @classmethod
    def _null_is_absent_here_too(cls, value: object) -> object:
        if not isinstance(value, dict):
            return value
        return {key: text for key, text in value.items() if text is not None}

    @field_validator("match_labels")
    @classmethod
    def _labels(cls, value: dict[str, str]) -> dict[str, str]:
        if not value:
            raise ValueError("expected at least one label; no label would mean every agent")
        for key in value:
            if not re.fullmatch(LABEL_KEY[1:-1], key):
                raise ValueError(f"expected keys of labels, not {key!r}")
        return value


_SOMEBODY: Final = rule(
    "(has(self.members) && size(self.members) > 0) || has(self.memberSelector)",
    "expected members, memberSelector, or both",
)


class GroupSpec(ApiModel):
    """What is asked for: who belongs to the group, and whom its messages wake."""

    model_config = ConfigDict(json_schema_extra=rules(_SOMEBODY))

    members: Annotated[tuple[AgentName, ...], Unique] = Field(
        (),
        max_length=MEMBERS_AT_MOST,
        description="Names of Agents of the namespace; one that does not exist (yet) is told as missing.",
        json_schema_extra=SET_LIST,
    )
    member_selector: MemberSelector | None = Field(
        None, description="Agents that are members by their labels, besides those that members names."
    )
    wake: Wake = Field(
        Wake.MENTIONED,
        description=(
            "Mentioned: a message wakes only members that it mentions as `@name`; the others read it when"
            " they are mentioned. All: it wakes every member but its sender, each of which asks its model."
        ),
    )
    retain_messages: WholeNumber = Field(
        10_000,
        ge=1,
        le=100_000,
        description="How many messages are kept, the newest; who has not read an older one has missed it.",
    )

    @model_validator(mode="after")
    def _has_somebody(self) -> Self:
        if not self.members and self.member_selector is None:
            raise ValueError(_SOMEBODY["message"])
        return self


class GroupStatus(ApiModel):
    """What is seen; written by the operator only."""

    members: tuple[AgentName, ...] = Field(
        (),
        max_length=MEMBERS_AT_MOST,
        description="Who belongs to the group now, by name.",
        json_schema_extra=_WHOLE_LIST,
    )
    member_count: WholeNumber = Field(0, ge=0, description="How many members that are.")
    missing: tuple[AgentName, ...] = Field(
        (),
        max_length=MEMBERS_AT_MOST,
        description="Names in spec.members for which there is no Agent, or one that is being deleted.",
        json_schema_extra=_WHOLE_LIST,
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        max_length=16,
        description="Ready: whether a message to the group reaches somebody.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class GroupMetadata(Metadata):
    """Metadata of a Group, whose name goes into the name of a thread."""

    name: str

    @field_validator("name")
    @classmethod
    def _fits_into_a_thread(cls, name: str) -> str:
        error = group_name_error(name)
        if error:
            raise ValueError(error)
        return name


class Group(Resource):
    """Agents that talk together: each message is kept once, in one order for all of them."""

    model_config = ConfigDict(
        json_schema_extra=rules(
            rule(
                f"size(self.metadata.name) <= {GROUP_NAME_LENGTH}",
                f"the name of a Group has at most {GROUP_NAME_LENGTH} characters",
            ),
            rule("!self.metadata.name.contains('.')", "the name of a Group is a DNS label: no dots"),
        )
    )

    kind: Literal["Group"] = "Group"
    metadata: GroupMetadata
    spec: GroupSpec = Field(description="What is asked for: who belongs to it, and whom its messages wake.")
    status: GroupStatus = Field(
        default_factory=GroupStatus, description="What is seen; written by the operator only."
    )
