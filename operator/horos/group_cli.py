"""The commands about groups, part of `horos`: each function parses, calls and prints."""

from typing import Annotated

import typer

from horos.errors import EXIT_CODES
from horos.options import GroupWatch, Lines, Output, Place, checked_group, spread
from horos.session import exit_codes, run

group_app = typer.Typer()


@group_app.command(epilog=EXIT_CODES)
@spread
def groups(
    place: Place,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print.")] = Output.TABLE,
) -> None:
    """List the groups of a namespace.

    One line each: how many belong to it, whom a message wakes, and what is wrong, if something is.
    """
    from horos.group_commands import list_groups  # noqa: PLC0415

    run(place, lambda session: list_groups(session, output))


@group_app.command(epilog=EXIT_CODES)
@spread
def watch(
    watch: GroupWatch,
    place: Place,
    output: Annotated[Lines, typer.Option("--output", "-o", help="How to print.")] = Lines.TEXT,
) -> None:
    """Read what is said in a group, message by message, as it comes.

    `horos send @GROUP "…"` says something there; what single agents do is told by `horos events`.
    """
    from horos.group_commands import watch_group  # noqa: PLC0415

    with exit_codes():
        watch = checked_group(watch)
    run(place, lambda session: watch_group(session, watch, output))
