"""Messages that come while their agent leaves its process: at every moment of that, and at random ones.

Nothing here sweeps or polls: runtimes wait an hour for a wake, the operator looks only when a doorbell rings
or when Kubernetes has news. So whoever is answered was heard of, and a message that nobody hears of is never
answered.
"""

import asyncio
import random
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Final, Literal

from horos_api.messages import MessageKind, NewMessage
from horos_bus.sender import send
from tests.crash.history import History, Problem, Said, endings_of, life_of, problems
from tests.crash.runs import AT_ONCE, Workshop
from tests.crash.story import StuckError, answered, delete_everything, ghosts, marks, standing, until
from tests.crash.world import Moment, World

Way = Literal["idle", "evicted"]
WAYS: Final[tuple[Way, ...]] = ("idle", "evicted")
"""How ada leaves: by herself, or because the one slot is needed for bob."""
ONLY_ONCE: Final = ("auth", "script")
"""What the first process on a server does, or a new connection; another run may not."""
POLL_SECONDS: Final = 3600.0
ACTIVATION_SECONDS: Final = 120.0
"""How long an answer may take at most, on a machine that has much else to do."""
FIRST, SECOND, OTHER = (
    Said("first", "pam", "ada", "first"),
    Said("second", "pam", "ada", "second"),
    Said("other", "quin", "bob", "other"),
)


@dataclass(frozen=True, order=True)
class Place:
    """When the message is sent: as ada leaves in this way, at this moment (the first of its kind)."""

    way: Way
    moment: str

    def __str__(self) -> str:
        return f"{self.way}: {self.moment}"


@dataclass
class Visit:
    """One try of a place, and what is wrong with it; `seconds` is how long the answer took."""

    place: Place
    found: list[Problem] = field(default_factory=list)
    seconds: float = 0.0

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return not self.found

    def __str__(self) -> str:
        return f"{self.place} ({self.seconds:.1f} s)" + "".join(f"\n    {each}" for each in self.found[:5])


def stage(workshop: Workshop, seed: str) -> World:
    """Make a world in which nobody looks without a reason."""
    return workshop.world(seed, poll=POLL_SECONDS, sweeps=False)


async def say(world: World, said: Said) -> None:
    """Send one message now."""
    kind = MessageKind(said.kind)
    message = NewMessage(to=said.to, body=said.body, mid=said.mid, thread=said.thread, kind=kind)
    world.sent[said.mid] = await send(world.bus, message)


async def moments_of(workshop: Workshop, way: Way) -> list[Place]:
    """Let ada leave undisturbed, and list the moments of it, each kind once."""
    world = stage(workshop, way)
    seen: dict[str, None] = {}

    async def note(moment: Moment) -> None:
        if moment.event not in ONLY_ONCE:
            seen[str(moment)] = None

    async with world.running():
        await _resident(world, way)
        world.passing = note
        await _leave(world, way)
        world.passing = None
    return [Place(way, moment) for moment in seen]


async def visit(workshop: Workshop, place: Place) -> Visit:
    """Send the message at one place, and see whether it is answered."""
    world = stage(workshop, str(place))
    done, said = Visit(place), [FIRST, SECOND]
    sent_at = 0.0

    async def act(moment: Moment) -> None:
        nonlocal sent_at
        if str(moment) == place.moment and not sent_at:
            sent_at = time.monotonic()
            await say(world, SECOND)

    async def sent() -> bool:
        return bool(sent_at)

    async with world.running():
        try:
            await _resident(world, place.way)
            if place.way == "evicted":
                said.append(OTHER)
            world.passing = act
            await _leave(world, place.way, stays=lambda: bool(sent_at))
            # What the operator does every now and then may come only when she has left.
            await until(f"{place.moment} comes", sent, ACTIVATION_SECONDS)
            await until("second is answered", lambda: answered(world, "second"), ACTIVATION_SECONDS)
            done.seconds = time.monotonic() - sent_at
            mids = [each.mid for each in said]
            await until("all are answered", lambda: answered(world, *mids), ACTIVATION_SECONDS)
            world.passing = None
            done.found = [*_needless(world, place), *await judge(world, said)]
        except (StuckError, TimeoutError) as error:
            done.found.append(Problem("lost", f"{error or 'out of time'}; {await standing(world)}"))
    return done


async def visit_all(
    workshop: Workshop, places: list[Place], heard: Callable[[Visit], None] | None = None
) -> list[Visit]:
    """Try many places, some at a time."""
    waiting, visits = list(places), list[Visit]()

    async def lane() -> None:
        while waiting:
            done = await visit(workshop, waiting.pop(0))
            visits.append(done)
            if heard:
                heard(done)

    async with asyncio.TaskGroup() as group:
        for _ in range(AT_ONCE):
            group.create_task(lane())
    return visits


async def judge(world: World, said: list[Said]) -> list[Problem]:
    """What is wrong with what is left; deletes everything."""
    history = History(sent=dict(world.sent), marks=marks(world.folder))
    history.lives = [await life_of(world.bus, name, world.tokens(name)) for name in world.wishes]
    history.endings = await endings_of(world.bus, said)
    crowded = world.peak > world.pool
    many = [Problem("illegal", f"{world.peak} pods, of {world.pool}")] if crowded else []
    return [*problems(history, said), *many, *await ghosts(world), *await delete_everything(world)]


async def _resident(world: World, way: Way) -> None:
    """Have ada answer once; then she has nothing to do."""
    world.idle_seconds = 1 if way == "idle" else 0
    if way == "evicted":
        world.pool = 1
        world.wish("bob")
    world.wish("ada")
    await world.start("operator")
    await until("the agents are created", lambda: created(world))
    await say(world, FIRST)
    await until("ada has answered", lambda: answered(world, "first"), ACTIVATION_SECONDS)


async def created(world: World) -> bool:
    """Whether all agents that are wished for are there, with their configs."""
    views = await world.control.views(world.wishes)
    return len(views) == len(world.wishes) and all(each.version for each in views.values())


async def _leave(world: World, way: Way, stays: Callable[[], bool] = lambda: False) -> None:
    """Wait until ada's process is over and the operator has seen it; or until the message was sent."""
    if way == "evicted":
        await say(world, OTHER)

    async def gone() -> bool:
        if stays():
            return True
        left = not world.live_pods("ada") and world.looked >= world.revision
        return left and (way == "idle" or await answered(world, "other"))

    await until("ada has left", gone, ACTIVATION_SECONDS)


def _needless(world: World, place: Place) -> list[Problem]:
    """A message before the last look at the inbox is answered by the process that is there."""
    lives = len(world.tokens("ada"))
    if place == Place("idle", "ada:retire:before") and lives > 1:
        return [Problem("illegal", f"{lives} processes, and the first one could have answered")]
    return []


# At random ------------------------------------------------------------


@dataclass
class Sends:
    """What came of many messages: where their agents were then, the longest wait, what is wrong."""

    count: int
    found: list[Problem]
    where: Counter[str] = field(default_factory=Counter)
    longest: float = 0.0
    processes: int = 0

    def __str__(self) -> str:
        places = ", ".join(f"{number} {where}" for where, number in sorted(self.where.items()))
        return (
            f"sends around retiring: {self.count} ({places}), {self.processes} processes, longest wait "
            f"{self.longest:.1f} s, {len(self.found)} problems"
        )


class Talk:
    """People who write again about when their agent is about to leave, or as it does."""

    def __init__(self, world: World, seed: str) -> None:
        self._world, self._random = world, random.Random(seed)
        self._retiring: dict[str, asyncio.Event] = {}
        self._where: dict[str, str] = {}
        self._said: list[Said] = []
        self.where: Counter[str] = Counter()
        self.longest = 0.0

    async def hold(self, agents: int, sends: int) -> Sends:
        """Talk with so many agents at once until so many messages are answered; then judge."""
        world = self._world
        names = [f"a{number}" for number in range(agents)]
        world.idle_seconds = 1
        for name in names:
            world.wish(name)
            self._retiring[name] = asyncio.Event()
        world.passing = self._notice
        found: list[Problem] = []
        try:
            await world.start("operator")
            await until("the agents are created", lambda: created(world))
            async with asyncio.TaskGroup() as group:
                for number, name in enumerate(names):
                    group.create_task(self._person(name, len(range(number, sends, agents))))
            world.passing = None
            found = await judge(world, self._said)
        except* (StuckError, TimeoutError) as errors:
            told = "; ".join(map(str, errors.exceptions))
            found.append(Problem("lost", f"{told}; {await standing(world)}"))
        return Sends(len(self._said), found, self.where, self.longest, len(world.pods))

    async def _notice(self, moment: Moment) -> None:
        role = moment.role
        if role not in self._retiring:
            return
        match moment.event, moment.when:
            case "retire", "before":
                self._where[role] = "as it retires"
                self._retiring[role].set()
            case "process", "ended":
                self._where[role] = "to nobody"
            case "next", "before":
                self._where[role] = "to a resident"

    async def _person(self, agent: str, messages: int) -> None:
        for number in range(messages):
            said = Said(f"{agent}-{number}", "pam", agent, f"{agent}-{number}")
            self._said.append(said)
            self.where[self._where.get(agent, "to nobody")] += 1
            sent_at = time.monotonic()
            await say(self._world, said)
            await until(f"{said.mid} is answered", self._answered(said.mid), ACTIVATION_SECONDS)
            self.longest = max(self.longest, time.monotonic() - sent_at)
            await self._pause(agent)

    def _answered(self, mid: str) -> Callable[[], Awaitable[bool]]:
        return lambda: answered(self._world, mid)

    async def _pause(self, agent: str) -> None:
        """Wait until about the end of its second without work, or until it gives up and a moment longer."""
        if self._random.random() < 0.5:
            await asyncio.sleep(self._random.uniform(0.9, 1.2))
            return
        self._retiring[agent].clear()
        await asyncio.wait_for(self._retiring[agent].wait(), ACTIVATION_SECONDS)
        await asyncio.sleep(self._random.uniform(0, 0.05))


async def talk(workshop: Workshop, seed: str, sends: int, agents: int = 8) -> Sends:
    """Send many messages around the moment when their agents leave."""
    world = stage(workshop, seed)
    async with world.running():
        return await Talk(world, seed).hold(min(agents, sends), sends)
