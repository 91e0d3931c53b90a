"""The tools of one agent by name: what its program registered, and what a round of a turn is offered."""

import re
from collections.abc import Iterator
from typing import Final

from horos_runtime.token_estimates import ChatMessage
from horos_runtime.tools import AnyTool, BusTool, EffectCall, Tool, tool

__all__ = ["AnyTool", "BusTool", "EffectCall", "Tool", "ToolNameConflictError", "ToolRegistry", "tool"]

_NAME: Final = re.compile(r"[A-Za-z0-9_-]{1,64}")


class ToolNameConflictError(ValueError):
    """Two tools of one agent have the same name; the message says where each comes from."""


class ToolRegistry:
    """Tools by name. What is registered or unregistered takes effect in the next round of a turn."""

    def __init__(self, *tools: AnyTool) -> None:
        self._tools: dict[str, AnyTool] = {}
        for each in tools:
            self.register(each)

    def register(self, new: AnyTool) -> None:
        """Add a tool; raises ToolNameConflictError, or ValueError for a name that models refuse."""
        if not _NAME.fullmatch(new.name):
            raise ValueError(f"tool name {new.name!r}: expected 1 to 64 of A-Z a-z 0-9 _ -")
        if (known := self._tools.get(new.name)) is not None:
            raise ToolNameConflictError(
                f"there is already a tool named {new.name!r}: one is {_place(known)}, the other {_place(new)}"
            )
        self._tools[new.name] = new

    def unregister(self, name: str) -> None:
        """Take a tool away; a call that runs goes on. Raises KeyError when there is none of this name."""
        if self._tools.pop(name, None) is None:
            raise KeyError(
                f"there is no tool named {name!r}; registered: {', '.join(self.names()) or 'none'}"
            )

    def get(self, name: str) -> AnyTool | None:
        """Find a tool by its name."""
        return self._tools.get(name)

    def copy(self) -> "ToolRegistry":
        """Return the tools of this moment, as a registry that later changes do not touch."""
        copied = ToolRegistry()
        copied._tools = dict(self._tools)
        return copied

    def __iter__(self) -> Iterator[AnyTool]:
        return iter(list(self._tools.values()))

    def __len__(self) -> int:
        return len(self._tools)

    def names(self) -> list[str]:
        """List all names in order."""
        return sorted(self._tools)

    def schemas(self) -> list[ChatMessage]:
        """Describe all tools to a model, always in the same order, so that prompts stay cacheable."""
        return [each.schema for each in sorted(self, key=lambda each: each.name)]


def _place(known: AnyTool) -> str:
    return f"from {known.origin}" if known.origin else "made by this program"
