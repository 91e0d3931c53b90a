"""Tries the story at points: some at a time, each in a namespace of its own on one Redis server."""

import asyncio
import contextlib
import itertools
import os
import tempfile
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from tests.crash.cradle import Cradle
from tests.crash.history import Problem
from tests.crash.points import Point
from tests.crash.story import tell
from tests.crash.world import Place, World
from tests.redis_fixtures import RedisProcess, system_redis

AT_ONCE = 6
TRIES = 3
_numbers = itertools.count(1)


@dataclass
class Run:
    """One story and what came of it. `reached`: the point was hit, or there was none."""

    point: Point | None
    seed: str
    found: list[Problem] = field(default_factory=list)
    calls: Counter[tuple[str, str]] = field(default_factory=Counter)
    reached: bool = True
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether the point was hit and nothing is wrong."""
        return self.reached and not self.found

    def __str__(self) -> str:
        lines = [str(problem) for problem in self.found[:8]]
        if not self.reached:
            lines.append("the point was not reached")
        return f"{self.point or 'no point'} (seed {self.seed}, {self.seconds:.1f} s)" + "".join(
            f"\n    {line}" for line in lines
        )


def redis_binary() -> str:
    """Find the server."""
    binary = system_redis()
    assert binary, "redis-server is not on the PATH; install it (Debian: redis-server)"
    return binary


@dataclass
class Workshop:
    """Where runs happen."""

    cradle: Cradle
    redis: RedisProcess
    folder: Path

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls) -> AsyncIterator["Workshop"]:
        """Have a zygote, a Redis and a folder beside the block."""
        with tempfile.TemporaryDirectory(prefix="horos-crash-", ignore_cleanup_errors=True) as name:
            folder = Path(name)
            (folder / "redis").mkdir()
            redis = RedisProcess(folder / "redis", redis_binary())
            await asyncio.to_thread(redis.start)
            try:
                async with Cradle.running(folder) as cradle:
                    yield cls(cradle, redis, folder)
            finally:
                await asyncio.to_thread(redis.stop)

    def world(self, seed: str, point: Point | None = None, poll: float = 1.0, sweeps: bool = True) -> World:
        """Make a namespace that no other run uses."""
        number = next(_numbers)
        prefix = f"horos:crash:{{n{os.getpid()}-{number}}}:"
        place = Place(self.redis.port, prefix, self.folder / str(number), poll, sweeps)
        return World(self.cradle, place, seed, point)

    async def run(self, seed: str, point: Point | None = None) -> Run:
        """Tell the story once. A point that this telling does not reach is tried again, earlier at last."""
        for number in range(TRIES):
            wanted = point
            if point is not None and number == TRIES - 1:
                wanted = Point(point.role, point.event, 1, point.when)
            begin = time.monotonic()
            world = self.world(seed, wanted)
            async with world.running():
                found = await tell(world)
            reached = world.hit or point is None
            run = Run(wanted, seed, found, world.calls, reached, time.monotonic() - begin)
            if reached or found:
                break
        return run

    async def run_all(
        self, seed: str, points: Iterable[Point], heard: Callable[[Run], None] | None = None
    ) -> list[Run]:
        """Try many points."""
        waiting, runs = list(points), list[Run]()

        async def lane() -> None:
            while waiting:
                run = await self.run(seed, waiting.pop(0))
                runs.append(run)
                if heard:
                    heard(run)

        async with asyncio.TaskGroup() as group:
            for _ in range(AT_ONCE):
                group.create_task(lane())
        return runs
