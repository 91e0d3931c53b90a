"""The command about families, part of `horos`: it parses, calls and prints."""

from typing import Annotated

import typer

from horos.errors import EXIT_CODES
from horos.options import Output, Place, checked_names, spread
from horos.session import exit_codes, run

tree_app = typer.Typer()


@tree_app.command(epilog=EXIT_CODES)
@spread
def tree(
    place: Place,
    agent: Annotated[
        str | None, typer.Argument(help="Only this agent and its descendants.", show_default=False)
    ] = None,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print.")] = Output.TABLE,
) -> None:
    """Show who descends from whom.

    Each agent below its parent: what it is doing, whether it has a pod, what it has used.
    """
    from horos.tree_commands import show_tree  # noqa: PLC0415

    if agent is not None:
        with exit_codes():
            checked_names(agent, None)
    run(place, lambda session: show_tree(session, agent, output))
