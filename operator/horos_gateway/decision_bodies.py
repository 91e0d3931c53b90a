"""What people are asked and what they decide, as the gateway takes and gives it."""

from typing import Any, Final, Literal

from pydantic import Field, StrictStr

from horos_api.budgets import utc_time
from horos_api.messages import Verdict
from horos_bus.approvals import Approval
from horos_gateway.bodies import WireBody

REASON_BYTES: Final = 1024
WHO_LENGTH: Final = 256
ANYBODY: Final = "someone with the gateway's token"
"""Who decided, when the caller does not say: a static token tells persons not apart."""


class ApprovalBody(WireBody):
    """Something that a person decides, or has decided and the agent has not acted on yet."""

    id: str = Field(description="Names it for good; it begins with the agent's name.")
    agent: str = Field(description="The agent that waits.")
    kind: Literal["call", "elicitation"] = Field(
        description="call: the agent wants to use a tool. elicitation: a tool server asks in a call."
    )
    thread: str = Field(description="The conversation that it belongs to.")
    run_id: str = Field(description="The turn that asked.")
    tool: str = Field(description="The tool that is to be called, or that asks.")
    arguments: str = Field(
        description="Of a call: its arguments, the JSON text that is run when it is approved."
    )
    server: str = Field(description="Of an elicitation: the tool server that asks.")
    message: str = Field(description="Of an elicitation: what it says to the person.")
    form: str = Field(
        alias="schema",
        description="Of an elicitation: what it asks for, a flat JSON Schema of an object, as text.",
    )
    asked_at: str = Field(description="Since when it waits (RFC 3339, UTC).")
    expires_at: str = Field(description="When it is denied by itself (RFC 3339, UTC).")
    seconds_left: int = Field(description="How long there is to decide; 0 when it is decided.")
    status: Literal["pending", "approved", "denied", "expired"] = Field(
        description="expired: nobody decided in time, so it is denied."
    )
    who: str = Field(
        description="Who decided, as the caller said; empty while nobody has, and when it expired."
    )
    reason: str = Field(description="Why, in their words.")
    decided_at: str | None = Field(description="When it was decided (RFC 3339, UTC).")


class ApprovalsBody(WireBody):
    """What people are asked, the oldest first."""

    items: list[ApprovalBody] = Field(
        description="What waits, and of one agent what it has not acted on yet, too."
    )


class DecisionBody(WireBody):
    """What a person decides."""

    id: StrictStr = Field(description="The id of what is decided.")
    verdict: Verdict = Field(description="Whether the tool may be called, or the question is answered.")
    reason: StrictStr = Field(
        default="", description=f"Why; the agent's model reads it. At most {REASON_BYTES} bytes of UTF-8."
    )
    who: StrictStr = Field(
        default=ANYBODY,
        description=f"Who decides, kept and shown with the decision: 1 to {WHO_LENGTH} printable characters.",
    )
    content: dict[str, Any] | None = Field(
        default=None,
        description="With approve, of an elicitation: the values that it asks for; defaults fill the rest.",
    )


def approval_body(found: Approval, now: float) -> ApprovalBody:
    """Tell one; `now` in seconds."""
    pending = found.status == "pending"
    return ApprovalBody(
        id=found.id,
        agent=found.agent,
        kind=found.kind,
        thread=found.thread,
        run_id=found.turn,
        tool=found.tool,
        arguments=found.arguments,
        server=found.server,
        message=found.message,
        form=found.schema,
        asked_at=utc_time(found.asked / 1000),
        expires_at=utc_time(found.deadline / 1000),
        seconds_left=max(0, round(found.deadline / 1000 - now)) if pending else 0,
        status=found.status,
        who=found.who,
        reason=found.reason,
        decided_at=utc_time(found.decided / 1000) if found.decided else None,
    )
