"""The state that a run ends in, without what differs from run to run: names of pods, times, uids."""

import json
from collections.abc import Mapping
from typing import Any

from horos_bus.sender import reply
from tests.faults.story import REMAIN
from tests.faults.world import World


async def outcome(world: World) -> dict[str, Any]:
    """Read it from the API server's watch and from Redis."""
    now = world.record.now
    return {
        "agents": {name: await _agent(world, name) for name in sorted({*now["agents"], *REMAIN})},
        "pods": len(now["pods"]),
        "resourcequotas": {name: body["spec"]["hard"] for name, body in now["resourcequotas"].items()},
        "groups": {name: await _group(world, name) for name in sorted(now["groups"])},
        "agentpools": {name: _told(body) for name, body in now["agentpools"].items()},
        "modelconfigs": {name: _told(body) for name, body in now["modelconfigs"].items()},
        "toolservers": {name: _told(body) for name, body in now["toolservers"].items()},
        "secrets": {name: sorted(body["data"]) for name, body in now["secrets"].items()},
        "keys": [key.removeprefix(world.prefix) for key in await world.keys() if ":r:m" not in key],
        "work": [each if isinstance(each, str) else each.agent for each in await world.control.work()],
        "orders": len(await world.control.orders()),
    }


async def _agent(world: World, name: str) -> dict[str, Any]:
    body = world.agent(name)
    view = await world.control.view(name)
    return {
        **_told(body),
        "finalizers": body.get("metadata", {}).get("finalizers", []),
        "mode": body.get("spec", {}).get("operatingMode"),
        "on the bus": view and {"state": view.state.value, "held": bool(view.holder), "evict": view.evict},
    }


async def _group(world: World, name: str) -> dict[str, Any]:
    body = world.record.now["groups"][name]
    view = await world.groups.view(name)
    status = body.get("status", {})
    return {
        **_told(body),
        "finalizers": body["metadata"].get("finalizers", []),
        "members": [status.get("members"), status.get("missing")],
        "on the bus": view and {"members": sorted(view.members), "kept": view.length},
    }


def _told(body: Mapping[str, Any]) -> dict[str, Any]:
    """The conditions of a status, and its state. A generation that was not looked at shows as such."""
    generation = body.get("metadata", {}).get("generation")
    conditions = body.get("status", {}).get("conditions", ())
    return {
        each["type"]: f"{each['status']} {each['reason']}"
        + ("" if each.get("observedGeneration") == generation else " (of an older spec)")
        for each in conditions
    } | {"state": body.get("status", {}).get("state")}


async def taken(world: World) -> dict[str, list[str]]:
    """The messages that each agent that is still there has taken in, as its contexts say."""
    found: dict[str, list[str]] = {}
    for name in await world.control.agents():
        found[name] = []
        for thread in await world.control.threads(name):
            records = [json.loads(each) for each in (await world.control.stretch(name, thread)).records]
            # What agents and the operator tell each other has a `!` or a place of a turn in its id.
            found[name] += [record["mid"] for record in records if "kind" not in record and "mid" in record]
    return found


async def replies(world: World) -> dict[str, str | None]:
    """How each request ended; None: it has not."""
    ends = {mid: await reply(world.bus, mid) for mid in world.sent}
    return {mid: None if end is None else end.text or f"({end.error})" for mid, end in ends.items()}
