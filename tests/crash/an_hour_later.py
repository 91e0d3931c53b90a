"""A call that waits for a person while its agent hibernates, and is decided an hour later.

The hour is made by moving what Redis has stored into the past, so that the scripts' own clock is an hour on.
Nothing sweeps or polls here, as in `hibernation.py`.
"""

import json
from typing import Final, Literal

from horos_api.messages import Verdict as Decision
from tests.crash.hibernation import ACTIVATION_SECONDS, created, judge, say, stage
from tests.crash.history import Problem, Said
from tests.crash.points import Point
from tests.crash.runs import Run, Workshop
from tests.crash.story import StuckError, answered, standing, until
from tests.crash.verdicts import Verdict
from tests.crash.world import World

HOUR: Final = 3600
REQUEST_SECONDS: Final = 4 * HOUR
"""Longer than the two hours that `wipe_later` gives people, or the call would have to be denied before."""
KILLED_AT: Final = ("claim", "next", "append", "commit", "retire")
TIMES: Final[tuple[Literal["before", "lost", "after"], ...]] = ("before", "lost", "after")
MOST: Final = 2
"""How many calls of each script are killed at, of those that come after the decision."""


def asking(status: Literal["approved", "expired"]) -> Said:
    """The request whose answer waits for a person."""
    program = {"rounds": [[["wipe_later", "p1"]]]}
    return Said("ask", "pam", "ada", "ask", program, waits_for={"p1": (status,)})


def points() -> list[Point]:
    """Where ada's next process is killed; numbers count from the decision."""
    return [
        Point("ada", event, number, when)
        for event in KILLED_AT
        for number in range(1, MOST + 1 if event == "append" else 2)
        for when in TIMES
    ]


async def approve(workshop: Workshop, point: Point | None = None, hours: int = 1) -> Run:
    """Ask, hibernate, let hours pass, approve (after two hours: too late), and judge what came of it."""
    seed = f"an hour later {point or hours}"
    world = stage(workshop, seed)
    said = asking("approved" if hours < 2 else "expired")
    run = Run(point, seed)
    async with world.running():
        try:
            await _asks_and_leaves(world, said)
            await pass_time(world, hours * HOUR)
            if hours < 2:
                # Whoever finds a deadline that has not come yet would deny the call.
                assert await world.control.work_off_later() == 0
            if point is not None:
                before = world.calls[point.role, point.event]
                world.point = Point(point.role, point.event, before + point.number, point.when)
            await _decide(world)
            await until("the person is answered", lambda: answered(world, said.mid), ACTIVATION_SECONDS)
            await until("ada hibernates again", lambda: _asleep(world), ACTIVATION_SECONDS)
            run.reached = world.hit or point is None
            run.calls = world.calls
            run.found = await judge(world, [said])
        except (StuckError, TimeoutError) as error:
            run.found.append(Problem("lost", f"{error or 'out of time'}; {await standing(world)}"))
    return run


async def _asks_and_leaves(world: World, said: Said) -> None:
    world.idle_seconds = 1
    world.wish("ada", request_seconds=REQUEST_SECONDS)
    await world.start("operator")
    await until("ada is created", lambda: created(world))
    await say(world, said)

    async def waits() -> bool:
        return bool(await world.control.approvals("ada")) and await _asleep(world)

    await until("ada has asked a person and hibernates", waits, ACTIVATION_SECONDS)


async def _asleep(world: World) -> bool:
    return not (await world.control.views(["ada"]))["ada"].holder and not world.live_pods("ada")


async def _decide(world: World) -> None:
    (asked,) = await world.control.approvals("ada")
    answer = await world.control.decide("ada", asked.id, Decision.APPROVE, "judy", reason="about p1")
    decided = answer.approval
    assert decided is not None
    world.decided.append(
        Verdict(asked.id, "call", "judy", "approve", answer.outcome, decided.status, decided.who)
    )


async def pass_time(world: World, seconds: int) -> None:
    """Move what ada waits for and owes, and all deadlines, into the past."""
    keys, command = world.bus.keys, world.bus.command
    by = seconds * 1000
    for entry in await command("ZRANGE", keys.later, 0, -1):
        await command("ZINCRBY", keys.later, -by, entry)
    approvals = await command("HGETALL", keys.approvals("ada"))
    assert approvals, "nobody is asked"
    for name, text in approvals.items():
        asked = json.loads(text)
        for moment in ("asked", "deadline"):
            asked[moment] -= by
        await command("HSET", keys.approvals("ada"), name, json.dumps(asked))
    owed = await command("HGETALL", keys.owed("ada"))
    assert owed, "nobody waits for an answer"
    for mid, text in owed.items():
        thread, deadline, taken, *rest = text.decode().split(" ")
        moved = (thread, str(int(deadline) - by), str(int(taken) - by * 1000), *rest)
        await command("HSET", keys.owed("ada"), mid, " ".join(moved))
    for name in ("claimed", "rested"):
        await command("HINCRBY", keys.state("ada"), name, -by)


async def approve_all(workshop: Workshop, chosen: list[Point]) -> list[Run]:
    """Try these points one after the other."""
    return [await approve(workshop, point) for point in chosen]
