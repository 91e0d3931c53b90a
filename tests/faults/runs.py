"""Tells the story at points: some at a time, each in a namespace of its own on one cluster."""

import asyncio
import contextlib
import itertools
import os
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

from tests.crash.cradle import Cradle
from tests.crash.runs import redis_binary
from tests.faults import verdict
from tests.faults.api import Api
from tests.faults.ground import clear, ensure_priority_class, namespace
from tests.faults.node import fake_node
from tests.faults.outcome import outcome, replies, taken
from tests.faults.points import Point
from tests.faults.story import farewell, tell
from tests.faults.world import PRIORITY_CLASS, NotInTimeError, Place, World
from tests.redis_fixtures import RedisProcess

AT_ONCE: Final = 8
TRIES: Final = 3
RUN_SECONDS: Final = 900.0
REST_SECONDS: Final = 6.0
"""After so long without a write nothing more comes: a status that only counts on waits for five seconds."""
_numbers = itertools.count(1)


@dataclass
class Run:
    """One story and what came of it. `reached`: the point was hit, or there was none."""

    point: Point | None
    found: list[str] = field(default_factory=list)
    end: Mapping[str, Any] = field(default_factory=dict)
    writes: Counter[str] = field(default_factory=Counter)
    told: Counter[str] = field(default_factory=Counter)
    reached: bool = True
    seconds: float = 0.0
    folder: Path = Path()

    @property
    def passed(self) -> bool:
        """Whether the point was hit and nothing is wrong."""
        return self.reached and not self.found

    def __str__(self) -> str:
        lines = self.found[:8] or [] if self.reached else ["the point was not reached"]
        head = f"{self.point or 'no point'} ({self.seconds:.1f} s, log: {self.folder}/operator.log)"
        return head + "".join(f"\n    {line}" for line in lines)


@dataclass
class Workshop:
    """Where runs happen. `grounds` are the namespaces that no run uses at the moment."""

    api: Api
    cradle: Cradle
    redis: RedisProcess
    node: str
    folder: Path
    grounds: "asyncio.Queue[str]"

    @classmethod
    @contextlib.asynccontextmanager
    async def open(cls, folder: Path, lanes: int = AT_ONCE) -> AsyncIterator["Workshop"]:
        """Have a node, namespaces, a Redis and a zygote beside the block."""
        own = f"faults-{os.getpid()}"
        (folder / "redis").mkdir()
        redis = RedisProcess(folder / "redis", redis_binary())
        async with contextlib.AsyncExitStack() as stack:
            api = await stack.enter_async_context(Api.open(os.environ["KUBECONFIG"]))
            await ensure_priority_class(api, PRIORITY_CLASS)
            await asyncio.to_thread(redis.start)
            stack.push_async_callback(asyncio.to_thread, redis.stop)
            cradle = await stack.enter_async_context(Cradle.running(folder, "tests.faults.zygote"))
            node = await stack.enter_async_context(fake_node(api, own))
            grounds: asyncio.Queue[str] = asyncio.Queue()
            for number in range(lanes):
                grounds.put_nowait(await stack.enter_async_context(namespace(api, f"{own}-{number}")))
            yield cls(api, cradle, redis, node, folder, grounds)

    async def quiet(self) -> Run:
        """Tell the story with nothing going wrong; `end` is what every other run must come to."""
        return await self._run_once(None, None)

    async def run(self, point: Point, end: Mapping[str, Any]) -> Run:
        """Tell it with a point. One that this telling does not reach is tried again, earlier at last."""
        for number in range(TRIES):
            wanted = Point(point.event, 1, point.when) if number == TRIES - 1 else point
            run = await self._run_in_time(wanted, end)
            if run.reached or run.found:
                break
        return run

    async def _run_in_time(self, point: Point, end: Mapping[str, Any]) -> Run:
        """A story that hangs is a failure that says where, and holds nobody else up."""
        telling = asyncio.create_task(self._run_once(point, end))
        done, _ = await asyncio.wait((telling,), timeout=RUN_SECONDS)
        if done:
            return telling.result()
        file = self.folder / f"{point}.stacks"
        with file.open("w") as out:
            for task in asyncio.all_tasks():
                task.print_stack(file=out)
        telling.cancel()
        return Run(point, [f"the story hangs; where: {file}"], seconds=RUN_SECONDS)

    async def run_all(
        self, points: Iterable[Point], end: Mapping[str, Any], heard: Callable[[Run], None] | None = None
    ) -> list[Run]:
        """Try many points."""
        waiting, runs = list(points), list[Run]()

        async def lane() -> None:
            while waiting:
                run = await self.run(waiting.pop(0), end)
                runs.append(run)
                if heard:
                    heard(run)

        async with asyncio.TaskGroup() as group:
            for _ in range(self.grounds.qsize()):
                group.create_task(lane())
        return runs

    async def _run_once(self, point: Point | None, end: Mapping[str, Any] | None) -> Run:
        begin, number = time.monotonic(), next(_numbers)
        ground = await self.grounds.get()
        folder = self.folder / str(number)
        place = Place(self.api, self.cradle, self.redis, self.node, ground, f"f{number}", folder)
        run = Run(point, folder=folder)
        try:
            await _live_through(World(place, point), run, end)
        finally:
            await clear(self.api, ground)
            self.grounds.put_nowait(ground)
        run.seconds = time.monotonic() - begin
        return run


async def _live_through(world: World, run: Run, end: Mapping[str, Any] | None) -> None:
    epochs: dict[str, int] = {}
    async with world.running():
        try:
            await tell(world)
            if end is None:
                await _rest(world)
                run.end = await outcome(world)
            else:
                await _until_it_is_as_ever(world, end)
            views = await world.control.views(await world.control.agents())
            epochs = {name: view.epoch for name, view in views.items()}
            run.found += verdict.of_messages(world.sent, await taken(world), await replies(world))
            await farewell(world)
            run.found += verdict.of_keys(await world.keys(), world.prefix)
        except NotInTimeError as error:
            run.found.append(str(error))
    history = world.record.history()
    run.found += [
        *verdict.of_pods(history, world.kubelet.retired),
        *verdict.of_births(history),
        *verdict.of_lives(history, epochs),
        *world.failures,
    ]
    if run.found:
        (run.folder / "record.txt").write_text("".join(f"{seen}\n" for seen in history))
    run.writes, run.told = world.gate.writes, world.gate.told
    run.reached = world.gate.hit or run.point is None


async def _until_it_is_as_ever(world: World, end: Mapping[str, Any]) -> None:
    """Wait for the state in which the undisturbed run ended; raises NotInTimeError with what differs."""
    differs: list[str] = []

    async def same() -> bool:
        differs[:] = verdict.difference(end, await outcome(world))
        return not differs

    try:
        await world.until("the state in the end", same)
    except NotInTimeError as error:
        raise NotInTimeError(f"{error}: {'; '.join(differs)}") from None


async def _rest(world: World) -> None:
    """Wait until the operator has nothing more to write but its Lease."""
    loop = asyncio.get_running_loop()

    def rests() -> bool:
        written = [when for when, what in world.gate.log if not what.startswith("leases.")]
        return loop.time() - max(written) > REST_SECONDS

    await world.until("the operator rests", rests)
