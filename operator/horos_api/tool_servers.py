"""Tool servers (MCP) as people write them: an agent's use of one, and the resource that agents share."""

from collections.abc import Iterable
from enum import StrEnum
from fnmatch import fnmatchcase
from typing import Annotated, Final, Literal, Self

from pydantic import AfterValidator, ConfigDict, Field, model_validator

from horos_api.agent_status import Condition
from horos_api.fields import (
    DNS_LABEL,
    NAMED_LIST,
    SET_LIST,
    ApiModel,
    ObjectName,
    Unique,
    WholeNumber,
    rule,
    rules,
    unique_by_name,
)
from horos_api.objects import Metadata, Resource
from horos_api.pod_fields import LocalObjectRef, SecretKeyRef

SERVER_NAME_LENGTH: Final = 32
"""Room for the tool's own name in `<server>__<tool>`, of which models take 64 characters."""

ServerUrl = Annotated[str, Field(pattern=r"^https?://[!-~]+$", max_length=2048)]
ServerName = Annotated[str, Field(pattern=rf"^{DNS_LABEL}$", max_length=SERVER_NAME_LENGTH)]
Wildcard = Annotated[str, Field(min_length=1, max_length=128)]
"""A tool's name in which `*` stands for any characters and `?` for one."""
_PLAIN_TEXT: Final = r"^[^\x00]*$"
"""What a process can be given: everything but the character that ends a C string."""
_Argument = Annotated[str, Field(pattern=_PLAIN_TEXT, max_length=4096)]


def matches(name: str, wildcards: Iterable[str]) -> bool:
    """Say whether a tool's name fits one of the wildcards; a bracket means itself."""
    return any(fnmatchcase(name, wildcard.replace("[", "[[]")) for wildcard in wildcards)


class ApprovalPolicy(StrEnum):
    """Which calls of a server's tools a person is asked about first."""

    NEVER = "Never"
    ALWAYS = "Always"
    MATCHING = "Matching"


class ServerEnvSource(ApiModel):
    """Where the value of a variable comes from."""

    secret_key_ref: SecretKeyRef = Field(description="A key of a Secret in the same namespace.")


_ONE_VALUE: Final = rule("!(has(self.value) && has(self.valueFrom))", "expected value or valueFrom, not both")


class ServerEnvVar(ApiModel):
    """An environment variable of a server that runs in the agent's pod; it gets no others."""

    model_config = ConfigDict(json_schema_extra=rules(_ONE_VALUE))

    name: str = Field(
        pattern=r"^[A-Za-z_][A-Za-z0-9_]*$", max_length=256, description="Name of the variable."
    )
    value: str | None = Field(
        None,
        pattern=_PLAIN_TEXT,
        max_length=32768,
        description="The value as it is; empty when nothing is given.",
    )
    value_from: ServerEnvSource | None = Field(
        None, description="Where the value is read from each time the server starts."
    )

    @model_validator(mode="after")
    def _one_value(self) -> Self:
        if self.value is not None and self.value_from is not None:
            raise ValueError(_ONE_VALUE["message"])
        return self


class _Remote(ApiModel):
    """A server that is reached over HTTP, and what opens it. Each place says by itself where it stands."""

    headers_secret_ref: LocalObjectRef | None = Field(
        None,
        description=(
            "A Secret, in the same namespace, whose keys are sent as headers with each request: the key is"
            " the header's name, its content the value."
        ),
    )
    oauth_secret_ref: LocalObjectRef | None = Field(
        None,
        description=(
            "A Secret, in the same namespace, with the keys clientId, clientSecret and, if wanted, scope and"
            " issuer: the agent gets its tokens with them (OAuth client credentials). The clientSecret is"
            " shown to the authorization server issuer only; without that key the tool server says which."
        ),
    )


class _Use(_Remote):
    """What an agent's use of a server says in the spec, and as the runtime is told of it."""

    name: ServerName = Field(
        description=(
            f"How the agent calls the server, a DNS label of at most {SERVER_NAME_LENGTH} characters: its"
            " tools are offered as `<name>__<tool>`."
        )
    )
    url: ServerUrl | None = Field(
        None, description="Address of a server that speaks MCP over streamable HTTP, as in http://docs/mcp."
    )
    command: Annotated[tuple[_Argument, ...], Field(min_length=1, max_length=64)] | None = Field(
        None,
        description="Program of the agent's image, and its arguments, that speaks MCP over stdin and stdout.",
        json_schema_extra={"x-kubernetes-list-type": "atomic"},
    )
    server_name: ObjectName | None = Field(
        None, description="A ToolServer of the namespace, which says where the server is and what opens it."
    )
    env: Annotated[tuple[ServerEnvVar, ...], AfterValidator(unique_by_name)] = Field(
        (),
        max_length=64,
        description=(
            "The environment of the command, all of it: it gets no variable of the agent's own, not even PATH"
            " or HOME. The command's own program is looked for in the agent's PATH."
        ),
        json_schema_extra=NAMED_LIST,
    )
    allow: Annotated[tuple[Wildcard, ...], Unique] = Field(
        ("*",),
        max_length=64,
        description=(
            "Which of the server's tools the model may call, by their own names, with `*` and `?` as"
            " wildcards; an empty list means none."
        ),
        json_schema_extra=SET_LIST,
    )
    timeout_seconds: WholeNumber = Field(
        60, ge=1, le=86_400, description="How many seconds one call of a tool may take."
    )
    approval: ApprovalPolicy = Field(
        ApprovalPolicy.NEVER,
        description=(
            "Which calls a person is asked about first: Never; Always; Matching: those of the tools that"
            " approvalFor names."
        ),
    )
    approval_for: Annotated[tuple[Wildcard, ...], Unique] = Field(
        (),
        max_length=64,
        description="The tools that need approval where approval is Matching, written as in allow.",
        json_schema_extra=SET_LIST,
    )
    approval_timeout_seconds: WholeNumber = Field(
        3600,
        ge=1,
        le=2_592_000,
        description=(
            "How many seconds a person has to decide; then the call is denied. There is less time where"
            " somebody waits for the agent's answer: at most nine tenths of what is left of the request"
            " (budget.requestSeconds), so that the agent can still say that nobody decided."
        ),
    )

    def allows(self, tool: str) -> bool:
        """Whether the model may call a tool, by the server's own name for it."""
        return matches(tool, self.allow)

    def needs_approval(self, tool: str) -> bool:
        """Whether a person is asked before a tool runs, by the server's own name for it."""
        if self.approval is ApprovalPolicy.MATCHING:
            return matches(tool, self.approval_for)
        return self.approval is ApprovalPolicy.ALWAYS

    @property
    def secrets(self) -> frozenset[str]:
        """The names of the Secrets that are needed to use the server."""
        sources = (each.value_from.secret_key_ref for each in self.env if each.value_from)
        refs = (self.headers_secret_ref, self.oauth_secret_ref, *sources)
        return frozenset(ref.name for ref in refs if ref)


_ONE_PLACE: Final = rule(
    "(has(self.url) ? 1 : 0) + (has(self.command) ? 1 : 0) + (has(self.serverName) ? 1 : 0) == 1",
    "expected exactly one of url, command and serverName",
)
_SECRETS_OF_URL: Final = rule(
    "has(self.url) || (!has(self.headersSecretRef) && !has(self.oauthSecretRef))",
    "headersSecretRef and oauthSecretRef need url; those of a ToolServer stand there",
)
_ENV_OF_COMMAND: Final = rule(
    "has(self.command) || !has(self.env) || size(self.env) == 0", "env needs command"
)
_PROGRAM: Final = rule(
    "!has(self.command) || size(self.command) == 0 || self.command[0] != ''",
    "command: expected a program as its first part, not an empty text",
)
_APPROVAL_FOR: Final = rule(
    "(self.approval == 'Matching') == (has(self.approvalFor) && size(self.approvalFor) > 0)",
    "approvalFor and approval Matching need each other",
)


class ToolServerUse(_Use):
    """A tool server that an agent uses: one of its own, or a ToolServer that others use too."""

    model_config = ConfigDict(
        json_schema_extra=rules(_ONE_PLACE, _SECRETS_OF_URL, _ENV_OF_COMMAND, _PROGRAM, _APPROVAL_FOR)
    )

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        places = (self.url, self.command, self.server_name)
        broken = (
            (_ONE_PLACE, sum(place is not None for place in places) != 1),
            (
                _SECRETS_OF_URL,
                self.url is None and (self.headers_secret_ref or self.oauth_secret_ref) is not None,
            ),
            (_ENV_OF_COMMAND, self.command is None and bool(self.env)),
            (_PROGRAM, self.command is not None and not self.command[0]),
            (_APPROVAL_FOR, (self.approval is ApprovalPolicy.MATCHING) != bool(self.approval_for)),
        )
        messages = [each["message"] for each, is_broken in broken if is_broken]
        if messages:
            raise ValueError("; ".join(messages))
        return self


class ResolvedServer(_Use):
    """A server as the runtime is told of it: `url` and Secrets of a ToolServer stand beside its name.

    `problem` says why the server cannot be used (its ToolServer does not exist); it then has no place.
    """

    problem: str = ""


def resolved_alone(use: ToolServerUse) -> ResolvedServer:
    """Take over a use that needs nothing filled in."""
    return ResolvedServer.model_validate(use.model_dump())


class ToolServerSpec(_Remote):
    """What is shared: where the server is, and what opens it."""

    url: ServerUrl = Field(
        description="Address of a server that speaks MCP over streamable HTTP, as in http://docs/mcp."
    )


class ToolServerStatus(ApiModel):
    """What is seen, as the agents that use the server report it; written by the operator only."""

    agents: WholeNumber = Field(0, ge=0, description="How many Agents of the namespace use the server.")
    tools: WholeNumber = Field(
        0,
        ge=0,
        description=(
            "How many tools agents find in the server, those that read its resources and prompts included,"
            " before any allow list."
        ),
    )
    last_error: str | None = Field(
        None, max_length=1024, description="What went wrong last, as an agent that uses the server saw it."
    )
    conditions: tuple[Condition, ...] = Field(
        (),
        max_length=16,
        description="Ready: whether the agents that use the server reach it.",
        json_schema_extra={"x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["type"]},
    )


class ToolServer(Resource):
    """An MCP server that agents of its namespace share by name, in `spec.tools.servers[].serverName`."""

    kind: Literal["ToolServer"] = "ToolServer"
    metadata: Metadata
    spec: ToolServerSpec = Field(description="What is shared: where the server is, and what opens it.")
    status: ToolServerStatus = Field(
        default_factory=ToolServerStatus,
        description="What is seen, as its agents report it; written by the operator only.",
    )
