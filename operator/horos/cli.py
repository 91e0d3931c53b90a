"""The `horos` command: each function parses, calls and prints; everything else lives behind it.

What a command works with is imported by the command, so that `horos --help` is quick.
"""

import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Final, Literal

import typer

from horos.errors import EXIT_CODES
from horos.group_cli import group_app
from horos.options import (
    Document,
    Lines,
    Output,
    Part,
    Place,
    Question,
    Watch,
    checked_names,
    checked_question,
    checked_text,
    spread,
    text_from,
)
from horos.pool_cli import pool_app
from horos.run_cli import run_app
from horos.session import exit_codes, run
from horos.tool_cli import tool_app
from horos.tree_cli import tree_app
from horos_api.names import DEFAULT_THREAD

app = typer.Typer(
    name="horos",
    help="Talk to agents on Kubernetes and see what they do.",
    epilog=EXIT_CODES,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    context_settings={"help_option_names": ["-h", "--help"]},
)

AgentName = Annotated[str, typer.Argument(help="Name of the agent.")]
AsTable = Annotated[Output, typer.Option("--output", "-o", help="How to print.")]
MODE_SECONDS: Final = 30.0
ModeTimeout = Annotated[
    float, typer.Option(min=0, help="Wait so many seconds until it is so; 0: do not wait.")
]
AsLines = Annotated[Lines, typer.Option("--output", "-o", help="How to print.")]


@app.command(epilog=EXIT_CODES)
@spread
def agents(place: Place, output: AsTable = Output.TABLE) -> None:
    """List the agents of a namespace.

    One line each: what it is doing and, if it is not, why not.
    """
    from horos.commands import list_agents  # noqa: PLC0415

    run(place, lambda session: list_agents(session, output))


@app.command(epilog=EXIT_CODES)
@spread
def send(
    question: Question,
    place: Place,
    wait: Annotated[bool, typer.Option("--wait", help="Stream the answer and end with it.")] = False,
    timeout: Annotated[
        float, typer.Option(min=0, help="With --wait: give up after so many seconds; 0: never.")
    ] = 0,
    output: AsLines = Lines.TEXT,
) -> None:
    """Send a message to an agent, or to a group.

    The answer goes to standard output; tools, errors and the message's id go to standard error. In a group
    those answer whom the text mentions as @name, or all, as its `wake` says.
    """
    from horos.commands import ask, send_message  # noqa: PLC0415
    from horos.group_commands import post_and_wait, post_message  # noqa: PLC0415

    with exit_codes():
        checked_question(question)
        said = text_from(sys.stdin) if question.text == "-" else question.text
        question = replace(question, text=checked_text(said))
    to_group = question.agent.startswith("@")
    if wait:
        answered = post_and_wait if to_group else ask
        run(place, lambda session: answered(session, question, timeout, output))
    else:
        handed_in = post_message if to_group else send_message
        run(place, lambda session: handed_in(session, question, output))


@app.command(epilog=EXIT_CODES)
@spread
def chat(
    agent: AgentName,
    place: Place,
    thread: Annotated[str, typer.Option(help="The conversation to go on with or to begin.")] = DEFAULT_THREAD,
) -> None:
    """Talk to an agent, line by line.

    Ctrl-C stops an answer, Ctrl-D or a second Ctrl-C leaves the chat. What people have to decide is shown:
    /approve or /deny decides it, also while an answer waits for it.
    """
    from horos.chat import Chat  # noqa: PLC0415

    with exit_codes():
        checked_names(agent, thread)
        Chat(agent, thread).run(place)


@app.command(epilog=EXIT_CODES)
@spread
def cancel(
    agent: AgentName,
    place: Place,
    turn: Annotated[str | None, typer.Option("--run", help="Only this turn; default: the open one.")] = None,
) -> None:
    """Stop what an agent is doing now.

    The model's stream is closed, its tools are stopped, whoever asked gets an error. Messages that wait stay.
    """
    from horos.commands import cancel_turn  # noqa: PLC0415

    with exit_codes():
        checked_names(agent, None)
    run(place, lambda session: cancel_turn(session, agent, turn))


@app.command(epilog=EXIT_CODES)
@spread
def suspend(agent: AgentName, place: Place, timeout: ModeTimeout = MODE_SECONDS) -> None:
    """Let an agent finish its turn and give up its pod.

    Messages are kept; `horos resume` goes on. It writes operatingMode into the Agent's spec.
    """
    _change_mode(agent, place, "suspend", timeout)


@app.command(epilog=EXIT_CODES)
@spread
def resume(agent: AgentName, place: Place, timeout: ModeTimeout = MODE_SECONDS) -> None:
    """Let a suspended agent go on with what it kept."""
    _change_mode(agent, place, "resume", timeout)


@app.command(epilog=EXIT_CODES)
@spread
def terminate(
    agent: AgentName,
    place: Place,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Do not ask.")] = False,
    timeout: ModeTimeout = MODE_SECONDS,
) -> None:
    """End an agent for good, at once.

    Whoever waits for it gets an error. What it said stays until its Agent is deleted.
    """
    if not yes and sys.stdin.isatty():
        typer.confirm(f"End {agent} for good? It cannot be resumed", abort=True, err=True)
    _change_mode(agent, place, "terminate", timeout)


def _change_mode(
    agent: str, place: Place, what: Literal["suspend", "resume", "terminate"], timeout: float
) -> None:
    from horos.commands import change_mode  # noqa: PLC0415

    with exit_codes():
        checked_names(agent, None)
    run(place, lambda session: change_mode(session, agent, what, timeout))


@app.command(epilog=EXIT_CODES)
@spread
def dead(agent: AgentName, place: Place, output: AsTable = Output.TABLE) -> None:
    """List the messages that an agent has given up.

    Dead letters: each killed the agent's process again and again; whoever asked was told.
    """
    from horos.commands import list_dead_letters  # noqa: PLC0415

    with exit_codes():
        checked_names(agent, None)
    run(place, lambda session: list_dead_letters(session, agent, output))


@app.command(epilog=EXIT_CODES)
@spread
def events(watch: Watch, place: Place, output: AsLines = Lines.TEXT) -> None:
    """Watch what an agent does, event by event.

    Text as it is written, tools, states: AG-UI events, with `-o json` each as it is.
    """
    from horos.commands import print_events  # noqa: PLC0415

    with exit_codes():
        checked_names(watch.agent, watch.thread)
    run(place, lambda session: print_events(session, watch, output))


@app.command(epilog=EXIT_CODES)
@spread
def describe(agent: AgentName, place: Place, output: AsTable = Output.TABLE) -> None:
    """Show all that is known of an agent.

    Its spec and conditions, what it does now, its tool servers, what people decide, what happened last.
    """
    from horos.commands import describe_agent  # noqa: PLC0415

    with exit_codes():
        checked_names(agent, None)
    run(place, lambda session: describe_agent(session, agent, output))


@app.command(epilog=EXIT_CODES)
@spread
def history(
    part: Part,
    place: Place,
    output: Annotated[Document, typer.Option("--output", "-o", help="How to print.")] = Document.TEXT,
) -> None:
    """Show what was said in a conversation of an agent.

    Who said what, thoughts, tools and their results in short, and the summaries that stand for older parts.
    With `-o json` or `-o yaml` everything as it is stored.
    """
    from horos.commands import print_history  # noqa: PLC0415

    with exit_codes():
        checked_names(part.agent, part.thread)
    run(place, lambda session: print_history(session, part, output))


app.add_typer(run_app)
app.add_typer(group_app)
app.add_typer(pool_app)
app.add_typer(tree_app)
app.add_typer(tool_app)


@app.command("model-script", epilog=EXIT_CODES)
def model_script(
    file: Annotated[Path, typer.Argument(help="The script, YAML or JSON.", exists=True, dir_okay=False)],
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = 8090,
) -> None:
    """Serve a scripted model to test agents with.

    OpenAI-compatible; it answers what the file says, as slowly and as badly as you want.
    """
    from horos.model_script import serve_file  # noqa: PLC0415

    with exit_codes():
        serve_file(file, host, port)


@app.command(epilog=EXIT_CODES)
def version() -> None:
    """Print the version of horos."""
    from importlib.metadata import version as installed  # noqa: PLC0415

    typer.echo(f"horos {installed('horos')}")


def main() -> None:
    """Run the command line."""
    app()
