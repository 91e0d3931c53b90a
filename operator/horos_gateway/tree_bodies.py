"""The families of a namespace as JSON: every agent with whose child it is."""

from pydantic import Field

from horos_gateway.bodies import AgentBody, WireBody


class RelativeBody(AgentBody):
    """An agent, and where it stands among its relatives."""

    parent: str = Field(description="Whose child it is; empty: nobody's. That agent may be gone.")
    root: str = Field(description="Its oldest ancestor, whose budget counts all of them; empty: none.")
    children: list[str] = Field(description="The names of its children that are there, ended ones included.")
    ended_at: str | None = Field(description="When it ended (RFC 3339, UTC); null: it has not.")
    family_tokens_today: int = Field(
        description="Tokens that models read and wrote today (UTC) for it and, if it has no parent, for all "
        "of its descendants; what its budget.tokensPerDay is compared with."
    )


class TreeBody(WireBody):
    """The families of a namespace."""

    items: list[RelativeBody] = Field(
        description="All agents: those without a parent by name, and behind each one its descendants."
    )
