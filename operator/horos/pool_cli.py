"""The commands about processes, part of `horos`: each function parses, calls and prints."""

from typing import Annotated, Final

import typer

from horos.errors import EXIT_CODES
from horos.options import Output, Place, checked_names, spread
from horos.session import exit_codes, run

pool_app = typer.Typer()

WAIT_SECONDS: Final = 30.0
AgentName = Annotated[str, typer.Argument(help="Name of the agent.")]
Timeout = Annotated[float, typer.Option(min=0, help="Wait so many seconds until it is so; 0: do not wait.")]


@pool_app.command(epilog=EXIT_CODES)
@spread
def wake(agent: AgentName, place: Place, timeout: Timeout = WAIT_SECONDS) -> None:
    """Have an agent get a process, before there is a message for it.

    In a full pool it waits in the queue like the others; its place is told.
    """
    from horos.pool_commands import wake_agent  # noqa: PLC0415

    with exit_codes():
        checked_names(agent, None)
    run(place, lambda session: wake_agent(session, agent, timeout))


@pool_app.command(epilog=EXIT_CODES)
@spread
def hibernate(agent: AgentName, place: Place, timeout: Timeout = WAIT_SECONDS) -> None:
    """Have an agent give up its pod, after its turn if it is in one.

    Nothing is lost: the next message wakes it. `horos suspend` keeps it from waking.
    """
    from horos.pool_commands import hibernate_agent  # noqa: PLC0415

    with exit_codes():
        checked_names(agent, None)
    run(place, lambda session: hibernate_agent(session, agent, timeout))


@pool_app.command(epilog=EXIT_CODES)
@spread
def pool(
    place: Place,
    output: Annotated[Output, typer.Option("--output", "-o", help="How to print.")] = Output.TABLE,
) -> None:
    """Show who has a pod in a namespace and who waits for one.

    The limit and where it comes from, the queue in its order, the idle longest of the residents.
    """
    from horos.pool_commands import show_pool  # noqa: PLC0415

    run(place, lambda session: show_pool(session, output))
