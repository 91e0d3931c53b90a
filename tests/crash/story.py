"""The scenario that every point is tried in: nine agents, ten people, everything that the bus can do.

lead asks three agents, one asks back, one answers early; tools of both kinds; two threads; a poison and an
innocent behind it; a model that refuses once; a turn that is cancelled; a request to an agent that is
suspended for good, until it is terminated; a delayed message; suspend, resume, evict, wake; delete, create
again, delete. bob has two children created for tasks, which end by themselves. gil's calls wait for people:
one is allowed while gil hibernates, one is denied, one nobody decides about, about one two people disagree,
one was made for another agent; one call asks a person itself.
"""

import asyncio
import signal
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from horos_bus.agent_view import AgentView
from horos_bus.group_records import GroupPost
from horos_bus.group_service import GroupService
from tests.crash.history import History, Problem, Said, endings_of, life_of, problems
from tests.crash.mind import Program
from tests.crash.talk import LATE, LATE_POST, POSTS, TEAM, Talk, wrong_talk
from tests.crash.world import World

SECONDS = 120.0
"""How long a part of it may take on a machine that has other things to do."""
LOOK_SECONDS = 0.03

LEAD: list[list[list[Any]]] = [
    [["ask", "ann", "q1", {"rounds": [[["ask", "lead", "c1", {}]]]}]],
    [["charge", "k1"]],
    [
        ["ask", "bob", "q2", {"rounds": [[["charge", "k2"]]]}],
        ["ask", "cid", "q3", {"rounds": [[["reply", "early"]], [["look_up", "k3"]]]}],
    ],
    [["look_up", "k4"]],
]


def _one(tool: str, tag: str) -> Program:
    """Write a program that calls one tool."""
    return {"rounds": [[[tool, tag]]]}


SAID = (
    Said("r1", "pam", "lead", "r1", {"rounds": LEAD}, rests_on=("by:ann", "by:bob", "early")),
    Said("n1", "pam", "lead", "n1", kind="notice"),
    Said("n2", "pam", "lead", "n2", kind="notice"),
    Said("r2", "pam", "lead", "r2", rests_on=("n1", "n2")),
    Said("o1", "quin", "lead", "o1", {"rounds": [[["ask", "ann", "q4", {}]]]}, "other", rests_on=("by:ann",)),
    Said("o2", "quin", "lead", "o2", {"rounds": [[["send", "bob", "w1", {}]]]}, "other"),
    Said("d1", "quin", "ann", "d1", thread="late", delay=1),
    Said("f1", "rita", "dan", "f1", {"refuse": True}, "faults"),
    Said("x1", "rita", "dan", "x1", {"poison": True}, ends=("error",)),
    Said("i1", "rita", "dan", "i1"),
    Said("h1", "rita", "dan", "h1", {"hang": True}, "long", ends=("error",)),
    Said("e1", "sam", "eve", "e1", {"rounds": [[["ask", "fay", "u1", {}]]]}, ends=("text", "error")),
    Said("v1", "sam", "fay", "v1", ends=("error",), vanishes=True),
    Said("a1", "uma", "gil", "a1", _one("wipe", "p1"), "allowed", waits_for={"p1": ("approved",)}),
    Said("a2", "uma", "gil", "a2", _one("wipe", "p2"), "denied", waits_for={"p2": ("denied",)}),
    Said("a3", "uma", "gil", "a3", _one("wipe_soon", "p3"), "late", waits_for={"p3": ("expired",)}),
    Said("a4", "uma", "gil", "a4", _one("wonder", "p4"), "asked"),
    Said("a5", "uma", "gil", "a5", _one("wipe", "p5"), "both", waits_for={"p5": ("approved", "denied")}),
    Said(
        "a6",
        "vic",
        "bob",
        "a6",
        {"rounds": [[["ask", "gil", "q6", _one("wipe", "p6")]]]},
        "onward",
        rests_on=("by:gil",),
        waits_for={"p6": ("approved",)},
    ),
    Said(
        "b1",
        "wes",
        "bob",
        "b1",
        {"rounds": [[["create", "kid", "q8", _one("charge", "k5")], ["create", "kit", "q9", {}]]]},
        "nursery",
        rests_on=("by:kid", "by:kit"),
    ),
)
KIDS = ("kid", "kit")
"""bob's children."""
VERDICTS = {
    "p2": {"jack": "deny"},
    "p4": {"judy": "approve"},
    "p5": {"judy": "approve", "jack": "deny"},
    "p6": {"judy": "approve"},
}
"""Who decides how; of p1 when gil hibernates, of p3 never."""
AFTERWARDS = Said("z1", "zoe", "cid", "z1", thread="anew")


class StuckError(Exception):
    """Something that must happen did not."""


async def until(what: str, condition: Callable[[], Awaitable[bool]], seconds: float = SECONDS) -> None:
    """Wait for a condition."""
    deadline = time.monotonic() + seconds
    while not await condition():
        if time.monotonic() > deadline:
            raise StuckError(f"not within {seconds:g} s: {what}")
        await asyncio.sleep(LOOK_SECONDS)


def message_of(said: Said) -> dict[str, Any]:
    """Write a message as the client reads it."""
    message = {"to": said.to, "body": said.body, "mid": said.mid, "thread": said.thread, "kind": said.kind}
    return {"message": {**message, "delay_seconds": said.delay}, "refusable": said.vanishes}


def people(said: tuple[Said, ...]) -> dict[str, list[dict[str, Any]]]:
    """Group messages by who sends them."""
    found: dict[str, list[dict[str, Any]]] = {}
    for each in said:
        found.setdefault(each.person, []).append(message_of(each))
    return found


async def view(world: World, name: str) -> AgentView | None:
    """Look at one agent."""
    return await world.control.view(name)


async def answered(world: World, *mids: str) -> bool:
    """Whether these requests have ended."""
    return all([await world.bus.command("EXISTS", world.bus.keys.reply(mid)) for mid in mids])


async def tell(world: World) -> list[Problem]:
    """Run the whole story; returns what is wrong with it."""
    for name in ("lead", "ann", "bob", "cid", "dan", "gil", "hal", "ivy"):
        world.wish(name)
    world.members[TEAM] = ("hal", "ivy")
    world.judged = ("gil",)
    world.verdicts = {tag: dict(people) for tag, people in VERDICTS.items()}
    world.wish("eve", request_seconds=3)
    world.wish("fay", mode="Suspended")
    world.people = {**people(SAID), "yan": [post.message() for post in POSTS]}
    talk = Talk(joined={"hal": 0, "ivy": 0})
    try:
        async with asyncio.timeout(SECONDS * 1.5):
            await world.start("operator")
            await until("agents are created", lambda: _all_there(world))
            await world.start("client")
            await world.start("judge")
            await _meanwhile(world)
            await at_rest(world)
            await until("children have ended", lambda: _ended(world))
            history = History(sent=dict(world.sent))
            history.lives = [await life_of(world.bus, name, world.tokens(name)) for name in world.wishes]
            talk.joined[LATE] = len(await talked(world))
            await _anew(world)
            talk.log = await talked(world)
            history.lives.append(await life_of(world.bus, "cid", world.tokens("cid")))
            history.sent = dict(world.sent)
            history.endings = await endings_of(world.bus, (*SAID, AFTERWARDS))
            history.marks = marks(world.folder)
            history.decided = list(world.decided)
            left = [*await ghosts(world), *await delete_everything(world)]
    except (StuckError, TimeoutError) as error:
        return [Problem("lost", f"{error or 'out of time'}; {await standing(world)}")]
    return [*problems(history, (*SAID, AFTERWARDS)), *wrong_talk(talk, history.lives), *left]


async def talked(world: World) -> list[GroupPost]:
    """Everything that was said in the group."""
    return await GroupService(world.bus).read(TEAM, count=1000)


async def ghosts(world: World) -> list[Problem]:
    """Who was written off must find that out at its next script, and leave in peace."""

    async def gone() -> bool:
        return not world.ghosts()

    written_off = [pod for pod in world.pods if not pod.listed]
    world.successor.set()
    await until("written-off processes leave", gone)
    codes = {pod.token: pod.process.child.code for pod in written_off if pod.process}
    return [
        Problem("illegal", f"{token} left with {code}: {_last_error(world.folder, token)}")
        for token, code in codes.items()
        # Who was killed or stopped as well did not leave, it was made to.
        if code not in (0, -signal.SIGKILL, -signal.SIGTERM)
    ]


def _last_error(folder: Path, token: str) -> str:
    """What the incarnations of this agent have logged as an error last."""
    lines = (folder / f"{token.rpartition('-')[0]}.log").read_text().splitlines()
    return " | ".join([line for line in lines if "Error" in line or "crashed" in line][-3:])[-1500:]


def marks(folder: Path) -> list[tuple[str, str, str]]:
    """Read what tools have started."""
    lines = (folder / "marks").read_text().splitlines()
    return [(tool, tag, token) for tool, tag, token in (line.split() for line in lines)]


async def _all_there(world: World) -> bool:
    views = await world.control.views(world.wishes)
    return len(views) == len(world.wishes) and all(view.version for view in views.values())


async def _ended(world: World) -> bool:
    views = await world.control.views(KIDS)
    return [view.reason for view in views.values()] == ["TaskDone"] * len(KIDS)


async def _meanwhile(world: World) -> None:
    """What operators and people do while agents are at work."""
    try:
        async with asyncio.TaskGroup() as group:
            for part in (_cancel, _suspend, _terminate, _evict, _allow):
                group.create_task(part(world))
    except* StuckError as errors:
        raise StuckError("; ".join(map(str, errors.exceptions))) from None


async def _cancel(world: World) -> None:
    async def hangs() -> bool:
        return "h1" in world.hanging

    async def over() -> bool:
        found = await view(world, "dan")
        if found and found.turn and found.thread == "long" and not found.cancelling and not world.orders:
            world.order("cancel", "dan", found.turn)
        return await answered(world, "h1")

    await until("h1 hangs", hangs)
    await until("h1 is cancelled", over)


async def _suspend(world: World) -> None:
    async def at_work() -> bool:
        found = await view(world, "cid")
        return bool(found and found.epoch)

    async def paused() -> bool:
        found = await view(world, "cid")
        return bool(found and found.state == "paused" and not found.holder)

    await until("cid works", at_work)
    world.wish("cid", mode="Suspended")
    await until("cid is suspended", paused)
    world.wish("cid", mode="Running")


async def _terminate(world: World) -> None:
    await until("e1 is answered", lambda: answered(world, "e1"))
    world.wish("fay", mode="Terminated")
    await until("v1 ends", lambda: _ends_or_refused(world, "v1"))


async def _ends_or_refused(world: World, mid: str) -> bool:
    return world.sent.get(mid) == "NOAGENT" or await answered(world, mid)


async def _evict(world: World) -> None:
    async def gone() -> bool:
        found = await view(world, "lead")
        if found and found.holder and not found.evict and not world.orders:
            world.order("evict", "lead")
        return bool(found and not found.holder)

    async def back() -> bool:
        found = await view(world, "lead")
        if found and not found.holder and not found.in_work and not world.orders:
            world.order("wake", "lead")
        return bool(found and found.holder)

    await until("lead has answered", lambda: answered(world, "r1", "r2", "o1", "o2"))
    await until("lead is evicted", gone)
    await until("lead is woken", back)


async def _allow(world: World) -> None:
    """Let a person decide when nobody has the agent whose call waits."""

    async def waits() -> bool:
        found = await world.control.approvals("gil")
        return any("<p1>" in each.arguments and each.status == "pending" for each in found)

    async def asleep() -> bool:
        found = await view(world, "gil")
        if found and found.holder and not found.evict and not world.orders:
            world.order("evict", "gil")
        return bool(found and not found.holder)

    await until("gil waits for a decision", waits)
    await until("gil hibernates meanwhile", asleep)
    world.verdicts["p1"] = {"judy": "approve"}
    await until("a1 is answered", lambda: answered(world, "a1"))


async def at_rest(world: World, seconds: float = SECONDS) -> None:
    """Wait until everything is sent, answered and quiet."""

    async def quiet() -> bool:
        views = (await world.control.views(world.wishes)).values()
        busy = any(
            view.turn or view.owed or view.waits or view.approvals or (view.in_work and not view.holder)
            for view in views
        )
        unread = any(view.waiting for view in views)
        later = await world.bus.command("ZCARD", world.bus.keys.later)
        return world.all_sent.is_set() and not (busy or unread or later or world.orders)

    await until("all is at rest", quiet, seconds)


async def _anew(world: World) -> None:
    """Delete an agent, create it again, and ask it."""

    async def gone() -> bool:
        return "cid" not in world.wishes

    world.wish("cid", mode="Deleted")
    await until("cid is deleted", gone)
    world.wish("cid")
    world.members[TEAM] = ("hal", "ivy", LATE)
    await until("cid is created again", lambda: _all_there(world))
    await until("cid has joined", lambda: _joined(world))
    world.all_sent.clear()
    world.people = {**people((AFTERWARDS,)), "yan": [LATE_POST.message()]}
    await world.start("client")
    await until("z1 is answered", lambda: answered(world, "z1"))
    await at_rest(world)


async def _joined(world: World) -> bool:
    seen = await GroupService(world.bus).view(TEAM)
    return seen is not None and LATE in seen.members


async def delete_everything(world: World) -> list[Problem]:
    """Delete all agents; nothing but replies and decisions that expire may remain."""

    async def gone() -> bool:
        return not world.wishes and not world.members

    world.members = dict.fromkeys(world.members, ())
    for name in list(world.wishes):
        world.wish(name, mode="Deleted")
    await until("all agents and groups are deleted", gone)
    pattern = world.bus.prefix.replace("{", "[{]") + "*"
    names = [name.decode() for name in await world.bus.command("KEYS", pattern)]
    kept = (f"{world.bus.prefix}r:", f"{world.bus.prefix}d:")
    left = [name for name in names if not name.startswith(kept)]
    forever = [name for name in names if await world.bus.command("TTL", name) == -1]
    return [Problem("illegal", f"keys remain: {sorted({*left, *forever})}")] if left or forever else []


async def standing(world: World) -> str:
    """Say in short where everybody stands."""
    views = await world.control.views(world.wishes)
    parts = [
        f"{name}: {v.state} holder={v.holder} turn={v.turn} thread={v.thread} unread={v.waiting} "
        f"owed={v.owed} waits={v.waits} approvals={v.approvals} work={v.in_work} attempt={v.attempt}"
        for name, v in views.items()
        if v.turn or v.waiting or v.owed or v.waits or v.approvals or v.in_work or v.state != "idle"
    ]
    return "; ".join([*parts, f"sent {len(world.sent)}", f"orders {list(world.orders.values())}"])
