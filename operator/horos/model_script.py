"""`horos model-script`: a script file becomes a served model."""

import socket
from pathlib import Path

import typer

from horos.errors import RefusedError, UsageError
from horos_model.scripted import serve
from horos_model.scripted_script import ScriptError, load_script


def serve_file(file: Path, host: str, port: int) -> None:
    """Serve the script until Ctrl-C.

    Raises UsageError when it is not a script, with the field to blame, and RefusedError when the address
    cannot be listened on.
    """
    try:
        script = load_script(file)
    except ScriptError as error:
        raise UsageError(str(error)) from error
    _check_free(host, port)
    serve(script, host, port, lambda: _announce(host, port))


def _announce(host: str, port: int) -> None:
    typer.echo(f"a scripted model listens on http://{host}:{port}/v1; Ctrl-C ends it", err=True)


def _check_free(host: str, port: int) -> None:
    """Find out before the server starts, which would end with a log line and a status of its own."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        family, kind, protocol, _, address = found[0]
        with socket.socket(family, kind, protocol) as probe:
            probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            probe.bind(address)
    except OSError as error:
        raise RefusedError(
            f"cannot listen on {host}:{port}: {error.strerror or error}; choose another --host or --port"
        ) from error
