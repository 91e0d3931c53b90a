"""Who is compared, and how one process of a peer is started and spoken to."""

import contextlib
import json
import select
import subprocess
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from benchmarks.tools import PROJECT, Tools

PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Contender:
    """A peer: its module, what it speaks through, and what it keeps when a process or the server dies.

    `key` names it in the results, by default as its module; `only` lists its scenarios if it has not all.
    `packages` are the ones of the peers' environment whose versions the results name.
    """

    name: str
    module: str
    server: str
    python: Callable[[Tools], str]
    keeps: str
    packages: tuple[str, ...] = ()
    key: str = ""
    only: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "key", self.key or self.module.rpartition(".")[2])


def own(tools: Tools) -> str:
    return tools.own_python


def theirs(tools: Tools) -> str:
    return tools.peers_python


class Player:
    """One process of a scenario, spoken to by lines; `job` is a dataclass of plain values."""

    def __init__(self, python: str, module: str, job: object) -> None:
        command = [python, "-m", f"benchmarks.{module}"]
        pipe = subprocess.PIPE
        # The peers' environment finds this package, and only this package, by the folder it starts in.
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=PROJECT, text=True
        )
        self.tell(json.dumps(vars(job)))

    def tell(self, line: str = "go") -> None:
        assert self._process.stdin
        with contextlib.suppress(BrokenPipeError):  # what it died of is read by `hear`
            self._process.stdin.write(line + "\n")
            self._process.stdin.flush()

    def hear(self) -> str:
        """Its next line. Raises RuntimeError with its last words when it died or says nothing."""
        assert self._process.stdout
        readable, _, _ = select.select([self._process.stdout], [], [], PATIENCE_SECONDS)
        line = self._process.stdout.readline() if readable else ""
        if not line:
            self._process.kill()
            _, words = self._process.communicate()
            raise RuntimeError(words.strip()[-2000:] or "no answer in time")
        return line

    def end(self) -> None:
        self._process.kill()
        self._process.communicate()


def processor_seconds(pid: int) -> float:
    """Time that the threads of a process have run, to the nanosecond."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
