"""One run: a scenario of one peer, its server and its processes, from the first ready to the last figure."""

import contextlib
import json
import select
import subprocess
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.peers.parts import Job
from benchmarks.scenarios import Extent, Figures, Scenario
from benchmarks.servers import running
from benchmarks.tools import PROJECT, Tools

PATIENCE_SECONDS = 90.0


@dataclass(frozen=True)
class Contender:
    """A peer: its module, what it speaks through, and what it keeps when a process or the server dies.

    `key` names it in the results, by default as its module; `only` lists its scenarios if it has not all.
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
        object.__setattr__(self, "key", self.key or self.module)


def own(tools: Tools) -> str:
    return tools.own_python


def theirs(tools: Tools) -> str:
    return tools.peers_python


CONTENDERS = [
    Contender(
        "horos",
        "horos",
        "redis",
        own,
        "messages, journal, answers, events; AOF every second",
    ),
    Contender(
        "horos, `redis.durable`",
        "horos",
        "durable redis",
        own,
        "the same; every write waits for the disk",
        key="horos_durable",
        only=("one_way", "request", "in_flight"),
    ),
    Contender("bare Redis streams", "bare_redis", "redis", own, "messages until XACK; AOF every second"),
    Contender(
        "FastStream on Redis",
        "faststream_redis",
        "redis",
        theirs,
        "messages until XACK, no replies; AOF every second",
        ("faststream",),
    ),
    Contender(
        "autogen-core gRPC",
        "autogen_grpc",
        "autogen",
        theirs,
        "nothing",
        ("autogen-core", "autogen-ext", "grpcio"),
    ),
    Contender(
        "NATS JetStream",
        "jetstream",
        "nats",
        theirs,
        "messages and replies until their ack; file storage, fsync every two minutes",
        ("nats-py",),
    ),
]


class Player:
    """One process of a scenario, spoken to by lines."""

    def __init__(self, python: str, module: str, job: Job) -> None:
        command = [python, "-m", f"benchmarks.peers.{module}"]
        pipe = subprocess.PIPE
        # The peers' environment finds this package, and only this package, by the folder it starts in.
        self._process = subprocess.Popen(
            command, stdin=pipe, stdout=pipe, stderr=pipe, cwd=PROJECT, text=True
        )
        self.tell(json.dumps(asdict(job)))

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


def once(contender: Contender, scenario: Scenario, extent: Extent, tools: Tools) -> Figures:
    """Run one scenario of one peer once. Raises RuntimeError, MissingToolError."""
    with running(contender.server, tools) as server, contextlib.ExitStack() as stack:
        players: list[Player] = []
        for job in scenario.jobs(server.address, extent):
            players.append(Player(contender.python(tools), contender.module, job))
            stack.callback(players[-1].end)
        for player in players:
            assert player.hear().strip() == "ready"
        before = processor_seconds(server.pid)
        for player in players:
            player.tell()
        results = ended(players)
        return scenario.read(results, processor_seconds(server.pid) - before)


def ended(players: list[Player]) -> list[dict[str, Any]]:
    """What each measured. The last one ends by itself; an answering one is then told to."""
    last = json.loads(players[-1].hear())
    for player in players[:-1]:
        player.tell("enough")
    return [*(json.loads(player.hear()) for player in players[:-1]), last]


def processor_seconds(pid: int) -> float:
    """Time that the threads of a process have run, to the nanosecond."""
    threads = Path(f"/proc/{pid}/task").iterdir()
    return sum(int((thread / "schedstat").read_text().split()[0]) for thread in threads) / 1e9
