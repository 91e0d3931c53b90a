"""What the operator lives through: applied, asked, retired, hidden from, lowered, ordered about, deleted.

Every step waits for what it is for, so that the same is done in the same order whatever goes wrong meanwhile.
"""

import json
from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Final

from horos_api.names import POOL, QUOTA, SECRET_BUS
from horos_api.resources import OperatingMode
from horos_bus.group_records import NewPost
from tests.faults.node import placement
from tests.faults.world import World

Step = Callable[[World], Awaitable[None]]
TOOLS: Final = ("create_agent", "terminate_agent", "create_group")
AGENTS: Final = ("ada", "bob", "cyd", "dan")
REMAIN: Final = ("ada", "bob", "cyd")
"""dan is deleted in the middle; cyd is terminated and stays."""


async def begin(world: World) -> None:
    """A pool of one, and four agents at once: one is born, and nobody has to leave for the others' birth."""
    await world.apply("modelconfigs", "default", {"name": "none", "baseUrl": "http://127.0.0.1:9/v1"})
    await world.apply("toolservers", "tickets", {"url": "http://127.0.0.1:9/mcp"})
    await world.apply("agentpools", POOL, {"maxRunning": 1})
    for name in AGENTS:
        servers = [{"name": "tickets", "serverName": "tickets"}] if name == "ada" else []
        await world.apply(
            "agents",
            name,
            {**placement(world.place.node), "tools": {"builtin": TOOLS, "servers": servers}},
        )
    await world.apply("groups", "review", {"members": ["ada", "dan"]})
    await world.apply("groups", "board", {"members": ["bob", "nobody"], "wake": "All"})
    await world.until("the quota is there", lambda: _hard(world) == "1")
    await world.until("the groups are told", lambda: world.members("review") + world.members("board"))
    await world.until("something is said", lambda: _said(world))
    await world.until("all are known", lambda: all(world.reason(name) for name in AGENTS))
    await world.until("one is born", lambda: _any_claimed(world))


async def all_are_asked(world: World) -> None:
    """One place, four messages at once: each gets its turn, so each retires for the next."""
    mids = [await world.send(name) for name in AGENTS]
    await world.until("all are answered", lambda: world.answered(*mids))


async def the_pool_grows(world: World) -> None:
    """Two places."""
    await world.apply("agentpools", POOL, {"maxRunning": 2})
    await world.until("the quota follows", lambda: _hard(world) == "2")
    mids = [await world.send(name) for name in ("ada", "bob", "ada")]
    await world.until("both are answered", lambda: world.answered(*mids))


async def the_quota_is_spoiled(world: World) -> None:
    """Somebody changes how much it allows, then takes it away from its pool."""
    await world.spoil("resourcequotas", QUOTA, {"spec": {"hard": {"pods": "9"}}})
    await world.until("it is put right", lambda: _hard(world) == "2")
    before = _uid(world, "resourcequotas", QUOTA)
    await world.spoil("resourcequotas", QUOTA, {"metadata": {"ownerReferences": None}})
    await world.until("it is made anew", lambda: _uid(world, "resourcequotas", QUOTA) not in ("", before))
    mids = [await world.send(name) for name in ("cyd", "dan", "ada")]
    await world.until("all are answered", lambda: world.answered(*mids))


async def all_hibernate(world: World) -> None:
    """Somebody hibernates them, loses the Secret of the bus, and spoils the one that is made in its place."""
    for name in AGENTS:
        await world.control.ctl(name, "evict")
    await world.until("all hibernate", lambda: not world.live_pods())
    before = _uid(world, "secrets", SECRET_BUS)
    await world.api.remove(world.record.path("secrets", SECRET_BUS))
    await world.until(
        "the Secret is made again", lambda: _uid(world, "secrets", SECRET_BUS) not in ("", before)
    )
    await world.spoil("secrets", SECRET_BUS, {"stringData": {"prefix": "horos:of:{nobody}:"}})
    good = world.prefix
    await world.until("it is put right", lambda: world.secret(SECRET_BUS, "prefix") == good)
    mids = [await world.send(name) for name in ("dan", "cyd")]
    await world.until("both are answered", lambda: world.answered(*mids))


async def an_order_of_the_gateway(world: World) -> None:
    """bob is suspended while it is resident, gets a message, and goes on."""
    mid = await world.send("bob")
    await world.until("bob is answered", lambda: world.answered(mid))
    uid = world.agent("bob")["metadata"]["uid"]
    await world.control.order("bob", uid, OperatingMode.SUSPENDED)
    await world.until("bob is suspended", lambda: world.reason("bob") == "Suspended")
    await world.until("bob has no pod", lambda: not world.live_pods("bob"))
    mid = await world.send("bob")
    await world.control.order("bob", uid, OperatingMode.RUNNING)
    await world.until("bob is answered", lambda: world.answered(mid))


async def one_ends_and_one_is_deleted(world: World) -> None:
    """cyd is terminated and dan is deleted, both while they are resident. A group goes, another loses dan."""
    mids = [await world.send(name) for name in ("cyd", "dan")]
    await world.until("both are answered", lambda: world.answered(*mids))
    await world.api.remove(world.record.path("agents", "dan"))
    await world.apply("agents", "cyd", {**placement(world.place.node), "operatingMode": "Terminated"})
    await world.api.remove(world.record.path("groups", "board"))
    await world.until("dan is gone", lambda: not world.agent("dan"))
    await world.until("dan has left the group", lambda: world.members("review") == ["ada"])
    await world.until("the other group is gone", lambda: not world.record.now["groups"].get("board"))
    await world.until("cyd is over", lambda: world.reason("cyd") == "Terminated")
    await world.until("their pods are gone", lambda: not world.live_pods("cyd") + world.live_pods("dan"))


async def a_family_comes_and_goes(world: World) -> None:
    """ada has a child that does its task and is deleted for it, founds a group and ends another child."""
    task = json.dumps({"name": "kid", "instructions": "", "task": "count"})
    mid = await world.send("ada", f"order create_agent kid {task}")
    await world.until("ada has told what kid said", lambda: world.answered(mid))
    await world.until("kid is done", lambda: world.reason("kid") == "TaskDone")
    await world.spoil("agents", "kid", {"spec": {"ttlSecondsAfterFinished": 1}})
    await world.until("kid is gone", lambda: not world.agent("kid"))
    await world.apply("agents", "eve", {**placement(world.place.node), "parentName": "ada"})
    await world.until("eve has an owner", lambda: _has_an_owner(world.agent("eve")))
    await world.until("eve takes messages", lambda: world.control.view("eve"))
    mids = [await world.send(name) for name in ("eve", "bob")]
    await world.until("both are answered", lambda: world.answered(*mids))
    team = json.dumps({"name": "team", "members": ["ada", "eve"]})
    mids = [await world.send("ada", f"order create_group team {team}")]
    mids.append(await world.send("ada", 'order terminate_agent eve {"name": "eve"}'))
    await world.until("ada has told of both", lambda: world.answered(*mids))
    await world.until("the group is told", lambda: world.members("team"))
    await world.until("eve is over", lambda: world.reason("eve") == "Terminated")
    await world.until("eve has no pod", lambda: not world.live_pods("eve"))


async def the_pool_shrinks_and_goes(world: World) -> None:
    """One place, then as many as anybody needs."""
    await world.apply("agentpools", POOL, {"maxRunning": 1})
    await world.until("the quota follows", lambda: _hard(world) == "1")
    mids = [await world.send(name) for name in ("bob", "ada")]
    await world.until("both are answered", lambda: world.answered(*mids))
    await world.api.remove(world.record.path("agentpools", POOL))
    await world.until("the quota goes", lambda: not world.record.now["resourcequotas"])
    mids = [await world.send(name) for name in ("ada", "bob")]
    await world.until("both are answered", lambda: world.answered(*mids))
    for name in ("ada", "bob"):
        await world.control.ctl(name, "evict")
    await world.until("all hibernate", lambda: not world.live_pods())


STEPS: Final[tuple[Step, ...]] = (
    begin,
    all_are_asked,
    the_pool_grows,
    the_quota_is_spoiled,
    all_hibernate,
    an_order_of_the_gateway,
    one_ends_and_one_is_deleted,
    a_family_comes_and_goes,
    the_pool_shrinks_and_goes,
)


async def tell(world: World) -> None:
    """Tell all of it; raises NotInTimeError."""
    for step in STEPS:
        world.gate.step += 1
        await step(world)


async def farewell(world: World) -> None:
    """Delete every Agent and Group, so that what is left can be looked at; eve and team go with ada."""
    await world.api.remove(world.record.path("groups", "review"))
    for name in REMAIN:
        await world.api.remove(world.record.path("agents", name))
    await world.until("all Agents are gone", lambda: not world.record.now["agents"])
    await world.until("all Groups are gone", lambda: not world.record.now["groups"])


async def _said(world: World) -> bool:
    """Post one message that wakes nobody; it has to outlive every death of an operator."""
    return (await world.groups.post(NewPost("review", "said", "", "hello"))).outcome != "NOGROUP"


def _has_an_owner(body: Mapping[str, Any]) -> bool:
    return bool(body.get("metadata", {}).get("ownerReferences"))


async def _any_claimed(world: World) -> bool:
    views = await world.control.views(AGENTS)
    return any(view.epoch for view in views.values())


def _hard(world: World) -> str:
    quota = world.record.now["resourcequotas"].get(QUOTA, {})
    return str(quota.get("spec", {}).get("hard", {}).get("pods", ""))


def _uid(world: World, kind: str, name: str) -> str:
    return str(world.record.now[kind].get(name, {}).get("metadata", {}).get("uid", ""))
