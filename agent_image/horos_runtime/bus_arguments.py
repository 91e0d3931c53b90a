"""What the arguments of bus tools have in common, and the results that a model reads for each outcome."""

from collections.abc import Mapping
from typing import Annotated, TypeAlias

from pydantic import AfterValidator

from horos_api.messages import SendOutcome
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


def results_of(call: EffectCall, texts: Mapping[SendOutcome, str]) -> dict[str, bytes]:
    """Build the result record of each outcome."""
    return {
        str(outcome): dump(tool_record(call.id, text, call.run, call.by)) for outcome, text in texts.items()
    }
