"""The commands about tools, part of `horos`: each function parses, calls and prints."""

from typing import Annotated

import typer

from horos.errors import EXIT_CODES
from horos.options import (
    Judgement,
    Listing,
    Output,
    Place,
    checked_approval_id,
    checked_names,
    checked_values,
    spread,
)
from horos.session import exit_codes, run
from horos_api.messages import Verdict

tool_app = typer.Typer()

AsListing = Annotated[Listing, typer.Option("--output", "-o", help="How to print; wide: cut nothing.")]
AsDecision = Annotated[Output, typer.Option("--output", "-o", help="How to print what is stored.")]


@tool_app.command(epilog=EXIT_CODES)
@spread
def tools(
    agent: Annotated[str, typer.Argument(help="Name of the agent.")],
    place: Place,
    output: AsListing = Listing.TABLE,
) -> None:
    """List the tool servers of an agent.

    Each with its state and since when, its tools (by name with `-o wide`), and its last error.
    """
    from horos.tool_commands import list_tools  # noqa: PLC0415

    with exit_codes():
        checked_names(agent, None)
    run(place, lambda session: list_tools(session, agent, output))


@tool_app.command(epilog=EXIT_CODES)
@spread
def approvals(
    place: Place,
    agent: Annotated[
        str | None, typer.Argument(help="Only this agent, with what it has not acted on.")
    ] = None,
    output: AsListing = Listing.TABLE,
) -> None:
    """List what agents wait for a person to decide.

    Calls of tools that need approval, and questions that tool servers ask in the middle of a call.
    """
    from horos.tool_commands import list_approvals  # noqa: PLC0415

    with exit_codes():
        if agent is not None:
            checked_names(agent, None)
    run(place, lambda session: list_approvals(session, agent, output))


@tool_app.command(epilog=EXIT_CODES)
@spread
def approve(
    judgement: Judgement,
    place: Place,
    given: Annotated[
        list[str] | None,
        typer.Option("--set", metavar="NAME=VALUE", help="A value that a question asks for; repeatable."),
    ] = None,
    output: AsDecision = Output.TABLE,
) -> None:
    """Let an agent call a tool, or answer a tool server.

    What a question asks for and you do not set has its default.
    """
    from horos.tool_commands import decide  # noqa: PLC0415

    with exit_codes():
        checked_approval_id(judgement.id)
        texts = checked_values(given or [])
    run(place, lambda session: decide(session, judgement, Verdict.APPROVE, texts, output))


@tool_app.command(epilog=EXIT_CODES)
@spread
def deny(judgement: Judgement, place: Place, output: AsDecision = Output.TABLE) -> None:
    """Forbid a call, or decline what a tool server asks.

    The agent is told, with the reason, and goes on without.
    """
    from horos.tool_commands import decide  # noqa: PLC0415

    with exit_codes():
        checked_approval_id(judgement.id)
    run(place, lambda session: decide(session, judgement, Verdict.DENY, {}, output))
