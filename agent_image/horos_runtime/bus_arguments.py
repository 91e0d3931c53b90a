"""What the arguments of bus tools have in common, and the results that a model reads for each outcome."""

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import AfterValidator, BaseModel, ConfigDict, Field

from horos_api.messages import DELAY_SECONDS, SendOutcome
from horos_api.names import BODY_BYTES, agent_name_error
from horos_runtime.records import dump, tool_record
from horos_runtime.tools import EffectCall


def _agent_name(name: str) -> str:
    if error := agent_name_error(name):
        raise ValueError(error)
    return name


def _fits(text: str) -> str:
    if not text.strip():
        raise ValueError("expected a text that is not empty")
    if (size := len(text.encode(errors="replace"))) > BODY_BYTES:
        raise ValueError(f"expected at most {BODY_BYTES} bytes, got {size}")
    return text


AgentName: TypeAlias = Annotated[str, AfterValidator(_agent_name)]
"""The name of an agent, as Kubernetes takes it."""
BodyText: TypeAlias = Annotated[str, AfterValidator(_fits)]
"""A text that fits into a message."""

DelaySeconds: TypeAlias = Annotated[
    int,
    Field(
        ge=0,
        le=DELAY_SECONDS,
        description="Deliver it so many seconds from now, at most 30 days; 0: at once.",
    ),
]
"""When to deliver what is sent. Its alias in a model of arguments is `delaySeconds`."""


class NoArguments(BaseModel):
    """A tool without arguments."""

    model_config = ConfigDict(extra="forbid", frozen=True)


def refused(what: str) -> dict[SendOutcome, str]:
    """Say why nothing more is sent: outcomes of everything that an agent sends."""
    return {
        SendOutcome.LOOP: f"error: {what}: so many messages between agents have led here without a person "
        "that this conversation should end; end your turn",
        SendOutcome.RATE: f"error: {what}, you have sent too many messages in this minute; end your turn, "
        "or go on later",
    }


def results_of(call: EffectCall, texts: Mapping[SendOutcome, str]) -> dict[str, bytes]:
    """Build the result record of each outcome."""
    return {
        str(outcome): dump(tool_record(call.id, text, call.run, call.by)) for outcome, text in texts.items()
    }
