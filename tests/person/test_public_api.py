"""`from horos import …`: every name of the public API is there and says what it means."""

import dataclasses
import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from pydantic import BaseModel

import horos

PROMISED = {
    "AgentFactory",
    "AgentManager",
    "AgentPool",
    "AgentRuntime",
    "AgentState",
    "AgentStateMachine",
    "ContextManager",
    "CreateAgentOptions",
    "GroupService",
    "LLMClient",
    "MessageService",
    "Tool",
    "ToolContext",
    "ToolExecutor",
    "ToolRegistry",
    "tool",
}
"""The classes that do the work today; MCP joins with the behaviour it stands for."""


def public_parts(name: str) -> Iterator[tuple[str, Any]]:
    """The name itself, and for a class every method and property that it defines for others."""
    found = getattr(horos, name)
    yield name, found
    for part, value in list(vars(found).items()) if inspect.isclass(found) else ():
        function = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
        if inspect.isfunction(function) and not part.startswith("_"):
            yield f"{name}.{part}", function


def test_every_promised_name_can_be_imported() -> None:
    assert set(horos.__all__) >= PROMISED
    assert dir(horos) == sorted(horos.__all__)
    for name in horos.__all__:
        assert getattr(horos, name).__name__ == name
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = horos.Nothing


@pytest.mark.parametrize("name", sorted(horos.__all__))
def test_it_says_what_it_means(name: str) -> None:
    for place, part in public_parts(name):
        text = part.__doc__ or ""
        # A dataclass without a docstring is given its signature for one.
        assert len(text) >= 12 and not text.startswith(f"{name}("), f"{place} has no docstring"
        raised = (
            set(re.findall(r"\braise (\w+Error)\b", inspect.getsource(part)))
            if inspect.isfunction(part)
            else set()
        )
        for error in raised:
            assert error in text + str(getattr(horos, name).__doc__), (
                f"{place} does not say that it raises {error}"
            )


@pytest.mark.parametrize("name", sorted(horos.__all__))
def test_every_field_is_explained(name: str) -> None:
    found = getattr(horos, name)
    if not inspect.isclass(found):
        return
    if issubclass(found, BaseModel):
        for field, about in found.model_fields.items():
            assert len(about.description or "") >= 20, f"{name}.{field}"
    elif dataclasses.is_dataclass(found):
        for each in dataclasses.fields(found):
            assert f"`{each.name}`" in (found.__doc__ or ""), f"{name}.{each.name}"


def test_type_checkers_see_the_same_names() -> None:
    source = Path(horos.__file__).read_text().partition("if TYPE_CHECKING:")[2].partition("__all__")[0]
    imported = {name.strip() for names in re.findall(r" import (.+)", source) for name in names.split(",")}
    assert imported == set(horos.__all__)
