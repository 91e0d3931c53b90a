"""Random kills against a history that grows: runtimes, operator, people, Redis, connections.

Among them a SIGTERM now and then, and a process that is stopped, written off, and goes on.
"""

import asyncio
import os
import random
import signal
import tempfile
from collections import Counter
from pathlib import Path
from typing import Literal

from tests.crash.cradle import Cradle
from tests.crash.history import History, Problem, Said, endings_of, life_of, problems
from tests.crash.mind import Program
from tests.crash.story import StuckError, at_rest, delete_everything, ghosts, marks, people, standing, until
from tests.crash.world import Place, Process, World
from tests.redis_fixtures import RedisProcess

START_REDIS = Path(__file__).parents[2] / "redis_image" / "start-redis"
AGENTS = ("lead", "ann", "bob", "cid")
VICTIMS = ("agent",) * 14 + (
    *("drain", "zombie", "operator", "client", "client", "judge", "connections", "redis"),
)
PEOPLE = ("pam", "quin", "rita")
BATCH = 4
REST_SECONDS = 60.0
REQUEST_SECONDS = 6
"""Agents that ask each other in a ring of three wait until then."""


class Soak:
    """One long life. What is random comes from the seed; how processes interleave does not."""

    def __init__(self, world: World, redis: RedisProcess, seed: str) -> None:
        self._world, self._redis = world, redis
        self._random = random.Random(seed)
        self._said: list[Said] = []
        self.kills = 0

    async def live(self, kills: int) -> list[Problem]:
        """Kill so often, let everything come to rest, and judge."""
        world = self._world
        for name in AGENTS:
            world.wish(name, request_seconds=REQUEST_SECONDS)
        world.judged = AGENTS
        try:
            await world.start("operator")
            await world.start("judge")
            talking = asyncio.create_task(self._talk(kills))
            while self.kills < kills:
                await asyncio.sleep(self._random.uniform(0.05, 0.4))
                await self._kill(self._random.choice(VICTIMS))
            await talking
            await at_rest(world, REST_SECONDS)
            history = History(sent=world.sent, marks=marks(world.folder), decided=world.decided)
            history.lives = [await life_of(world.bus, name, world.tokens(name)) for name in world.wishes]
            history.endings = await endings_of(world.bus, self._said)
            left = [*await ghosts(world), *await delete_everything(world)]
        except (StuckError, TimeoutError) as error:
            return [Problem("lost", f"{error or 'out of time'}; {await standing(world)}")]
        return [*problems(history, self._said), *left]

    async def _talk(self, kills: int) -> None:
        """Let people say more and more."""
        while self.kills < kills:
            batch = tuple(self._say(person) for _ in range(BATCH) for person in PEOPLE)
            self._said += batch
            self._world.all_sent.clear()
            self._world.people = people(batch)
            await self._world.start("client")
            await until("everything is sent", self._all_sent, REST_SECONDS)

    async def _all_sent(self) -> bool:
        return self._world.all_sent.is_set()

    def _say(self, person: str) -> Said:
        number = len(self._said) + self._world.count("harness", "say")
        tag, chance = f"{person}{number}", self._random
        thread = chance.choice((f"of-{person}", f"of-{person}", f"more-{person}"))
        kind: Literal["request", "notice"] = "request" if chance.random() < 0.7 else "notice"
        to = chance.choice(AGENTS)
        program: Program = {"rounds": [self._round(to, tag, at) for at in range(chance.randint(0, 2))]}
        return Said(tag, person, to, tag, program, thread, kind, ends=("text", "error"))

    def _round(self, agent: str, tag: str, at: int) -> list[list[object]]:
        chance = self._random
        calls: list[list[object]] = []
        for number in range(chance.randint(1, 2)):
            name = f"{tag}.{at}.{number}"
            other = chance.choice([each for each in AGENTS if each != agent])
            tool: list[object] = [chance.choice(("charge", "look_up", "wipe")), name]
            self._world.verdicts[name] = {"judy": chance.choice(("approve", "deny"))}
            back: Program = {"rounds": [[["ask", agent, f"{name}.b", {}]]]} if chance.random() < 0.2 else {}
            kinds: list[list[object]] = [["ask", other, name, back], ["send", other, name, {}], tool]
            calls.append(chance.choice(kinds))
        return calls

    async def _kill(self, victim: str) -> None:
        world = self._world
        match victim:
            case "agent" | "drain" | "zombie":
                pods = world.live_pods()
                if not pods:
                    return
                process = self._random.choice(pods).process
                assert process is not None
                self._hit(victim, process)
            case "operator" | "client" | "judge":
                found = world.processes.get(victim)
                if found is None or found.child.ended.is_set():
                    return
                found.child.kill()
            case "connections":
                for kind in ("normal", "pubsub"):
                    await world.bus.command("CLIENT", "KILL", "TYPE", kind, "SKIPME", "yes")
            case "redis":
                await asyncio.to_thread(self._redis.restart, signal.SIGKILL)
                await keep_all(world)
        self.kills += 1

    def _hit(self, how: str, process: Process) -> None:
        if how == "zombie":
            process.child.signal(signal.SIGSTOP)
            self._world.write_off(process)
            later = asyncio.get_running_loop().call_later
            later(self._random.uniform(0.2, 1.5), process.child.signal, signal.SIGCONT)
        else:
            process.child.signal(signal.SIGTERM if how == "drain" else signal.SIGKILL)


async def keep_all(world: World) -> None:
    """Have every write on the disk before its reply: a killed Redis must not be an excuse here."""
    await world.bus.command("CONFIG", "SET", "appendfsync", "always")


async def soak(seed: str, kills: int) -> int:
    """Run one soak and print what came of it; 0 when nothing is wrong."""
    with tempfile.TemporaryDirectory(prefix="horos-soak-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        (folder / "redis").mkdir()
        os.environ["REDIS_DATA"] = str(folder / "redis")
        redis = RedisProcess(folder / "redis", str(START_REDIS))
        await asyncio.to_thread(redis.start)
        try:
            async with Cradle.running(folder) as cradle:
                world = World(cradle, Place(redis.port, "horos:soak:{n1}:", folder / "world"), seed)
                async with world.running():
                    await keep_all(world)
                    life = Soak(world, redis, seed)
                    found = await life.live(kills)
        finally:
            await asyncio.to_thread(redis.stop)
    for problem in found[:20]:
        print(f"{problem} (seed {seed})")
    counts = Counter(problem.kind for problem in found)
    lost, repeated, illegal = counts["lost"], counts["repeated"], counts["illegal"]
    print(f"soak: {life.kills} kills, {lost} lost, {repeated} repeated, {illegal} illegal")
    return 1 if found else 0
