"""Installed packages that bring tools: each entry point of the group `horos.tools` is loaded, or told of."""

import asyncio
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from functools import partial
from importlib.metadata import EntryPoint, entry_points
from typing import Final, TypeAlias

from horos_runtime.foreign_code import FOREIGN_THREADS, Guard, told
from horos_runtime.tools import Tool

GROUP: Final = "horos.tools"
IMPORT_SECONDS: Final = 30.0
"""How long one entry point may take to import."""

FindEntries: TypeAlias = Callable[[], Iterable[EntryPoint]]


@dataclass(frozen=True)
class PackagedTools:
    """What was found: tools whose `origin` names their package, and what is wrong, in words for people."""

    tools: tuple[Tool, ...] = ()
    problems: tuple[str, ...] = ()


def installed() -> list[EntryPoint]:
    """List the entry points of all installed packages; it reads their metadata from disk."""
    return sorted(entry_points(group=GROUP), key=lambda entry: entry.name)


async def load_packages(find: FindEntries = installed) -> PackagedTools:
    """Import what is installed, beside the loop; a package that cannot be loaded is a problem, no error."""
    tools: list[Tool] = []
    problems: list[str] = []
    for entry in await FOREIGN_THREADS.run(find):
        try:
            loaded = await asyncio.wait_for(FOREIGN_THREADS.run(partial(_load, entry)), IMPORT_SECONDS)
        except TimeoutError:
            loaded = f"it did not finish loading within {IMPORT_SECONDS:g} s"
        if isinstance(loaded, str):
            # The reason comes first: a line of `horos describe` ends early.
            problems.append(
                f"no tools from {_package(entry)}: {loaded} (entry point {entry.name} = {entry.value})"
            )
        else:
            tools += loaded
    return PackagedTools(tuple(tools), tuple(problems))


def _load(entry: EntryPoint) -> list[Tool] | str:
    with Guard() as guard:
        found = entry.load()
        if callable(found):
            found = found()
        listed = [found] if isinstance(found, Tool) else list(found)
        if wrong := [each for each in listed if not isinstance(each, Tool)]:
            return f"it gives a {type(wrong[0]).__name__}; {_EXPECTED}"
        return [replace(each, origin=_package(entry)) for each in listed]
    if isinstance(guard.failure, TypeError) and "not iterable" in str(guard.failure):
        return f"{guard.failure}; {_EXPECTED}"
    assert guard.failure is not None
    return told(guard.failure)


_EXPECTED: Final = "expected a Tool, a list of Tools, or a function without parameters that returns them"


def _package(entry: EntryPoint) -> str:
    return f"package {entry.dist.name} {entry.dist.version}" if entry.dist else "a package without a name"
