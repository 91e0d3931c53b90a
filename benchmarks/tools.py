"""The programs that the benchmarks need besides the product: in the cache, never in the product's lock."""

import functools
import os
import shutil
import subprocess
import sys
from pathlib import Path

from tests.redis_fixtures import system_redis

PROJECT = Path(__file__).resolve().parent.parent
ENVIRONMENT = PROJECT / "benchmarks" / "environment"
"""A uv project of its own: what a peer needs must not decide which versions the product is locked to."""
NATS = "github.com/nats-io/nats-server/v2@v2.15.2"


class MissingToolError(RuntimeError):
    """A program that a peer needs is not there; the message says which and how it comes."""


class Tools:
    """Paths of the programs, each made when it is asked for the first time."""

    @property
    def redis(self) -> str:
        found = system_redis()
        if found is None:
            raise MissingToolError("redis-server is not on the PATH; install it (Debian: redis-server)")
        return found

    @property
    def own_python(self) -> str:
        return sys.executable

    @functools.cached_property
    def agent_python(self) -> str:
        """The interpreter of what the image of an agent holds: no package but the runtime's, all compiled.

        Beside the operator's packages the model's SDK imports aiohttp, too, which no agent's pod has.
        """
        folder = cache() / "agent"
        command = [str(uv()), "sync", "--quiet", "--frozen", "--no-dev", "--extra", "runtime"]
        command += ["--no-editable", "--compile-bytecode", "--reinstall-package", "horos"]
        environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(folder)}
        run([*command, "--python", sys.executable], "the agent's environment", environment)
        return str(folder / "bin" / "python")

    @functools.cached_property
    def peers_python(self) -> str:
        """The interpreter of the peers' environment, made from its lock."""
        folder = cache() / "peers"
        command = [str(uv()), "sync", "--quiet", "--frozen", "--project", str(ENVIRONMENT)]
        command += ["--python", sys.executable]
        environment = os.environ | {"UV_PROJECT_ENVIRONMENT": str(folder)}
        run(command, "the peers' environment", environment)
        return str(folder / "bin" / "python")

    @functools.cached_property
    def nats(self) -> str:
        folder = cache() / "bin"
        binary = folder / "nats-server"
        wanted = NATS.rpartition("@")[2]
        if not binary.exists() or wanted not in version_of(binary):
            go = shutil.which("go", path=f"{os.environ['PATH']}:/usr/local/go/bin")
            if go is None:
                raise MissingToolError("go is not on the PATH; nats-server is built with it")
            run([go, "install", NATS], "nats-server", os.environ | {"GOBIN": str(folder)})
        return str(binary)


def version_of(binary: Path | str) -> str:
    return subprocess.run([str(binary), "--version"], capture_output=True, text=True, check=False).stdout


@functools.cache
def uv() -> Path:
    done = subprocess.run([str(PROJECT / "tests" / "machine.sh")], capture_output=True, text=True, check=True)
    return Path(done.stdout.splitlines()[-1])


def cache() -> Path:
    """The folder beside uv's, which tests/machine.sh knows."""
    folder = uv().parents[2] / "bench"
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def run(command: list[str], what: str, environment: dict[str, str] | None = None) -> None:
    """Run in the project's folder; raises MissingToolError with its last words."""
    done = subprocess.run(command, env=environment, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise MissingToolError(f"{what} could not be made: {done.stderr.strip()}")
