"""`horos run`, part of `horos`: parses, calls and prints."""

from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, Final

import typer

from horos.errors import EXIT_CODES, UsageError
from horos.options import Lines, checked_text, spread
from horos.session import exit_codes
from horos_api.names import namespace_name_error

run_app = typer.Typer()

DATA: Final = Path(".horos")
NEEDED: Final = ("starlette", "uvicorn", "prometheus_client", "httpx2", "jsonschema")
"""What gateway, operator and agents import, and the command alone does not."""


@dataclass(frozen=True)
class Source:
    """What is run, and where it is kept."""

    files: Annotated[
        list[Path], typer.Argument(metavar="FILES...", help="Manifests, or folders with manifests.")
    ]
    data: Annotated[Path, typer.Option(help="Where everything is kept: the next run on it remembers.")] = DATA
    namespace: Annotated[str, typer.Option("--namespace", "-n", help="Of documents that name none.")] = (
        "default"
    )


@dataclass(frozen=True)
class Ask:
    """What is asked at once."""

    ask: Annotated[str | None, typer.Option(help="Ask this, show what happens, end with the answer.")] = None
    agent: Annotated[
        str, typer.Option(help="Whom to ask: an agent, or @ and a group; default: the first agent.")
    ] = ""
    timeout: Annotated[float, typer.Option(min=0, help="Wait so many seconds for it; 0: for ever.")] = 0


@dataclass(frozen=True)
class DefaultModelOptions:
    """The model of agents that say none, where it is not the small one of this machine."""

    model_url: Annotated[
        str | None,
        typer.Option(
            envvar="HOROS_MODEL_URL",
            help="OpenAI-compatible model of agents that say none; HOROS_MODEL_API_KEY is its key.",
        ),
    ] = None
    model_name: Annotated[str | None, typer.Option(envvar="HOROS_MODEL_NAME", help="Its name there.")] = None


@run_app.command(epilog=EXIT_CODES)
@spread
def run(
    source: Source,
    question: Ask,
    model: DefaultModelOptions,
    port: Annotated[int, typer.Option(min=0, max=65535, help="Of the gateway; 0: a free one.")] = 0,
    output: Annotated[Lines, typer.Option("--output", "-o", help="How to print.")] = Lines.TEXT,
) -> None:
    """Run agents on this machine, without a cluster.

    The same operator, gateway and agents as in a cluster; an agent's pod is a process. Ctrl-C gives turns
    some seconds to finish; what is left goes on in the next run on the same --data. With --ask the answer
    alone goes to standard output.
    """
    with exit_codes():
        if error := namespace_name_error(source.namespace):
            raise UsageError(f"--namespace: {error}")
        _refuse_without(NEEDED)
        # Everything there is: quick for nobody but those who run it.
        from horos.local.model_server import chosen_model  # noqa: PLC0415
        from horos.run_command import Run, run_society  # noqa: PLC0415

        wanted = Run(
            files=tuple(source.files),
            data=source.data,
            namespace=source.namespace,
            ask="" if question.ask is None else checked_text(question.ask),
            agent=question.agent,
            seconds=question.timeout,
            output=output,
            port=port,
            model=chosen_model(model.model_url, model.model_name),
        )
        code = run_society(wanted)
    raise typer.Exit(code)


def _refuse_without(modules: tuple[str, ...]) -> None:
    """Raise UsageError when only a part of horos is installed."""
    if missing := [each for each in modules if find_spec(each) is None]:
        raise UsageError(f"horos run needs {', '.join(missing)}: install horos[local]")
