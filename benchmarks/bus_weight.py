"""What a turn costs on the bus: round trips against the proven minimum, processor time, bytes in Redis."""

import itertools
import resource
import statistics
from collections.abc import Awaitable, Callable, Sequence
from typing import Any

from benchmarks.field import processor_seconds
from benchmarks.peers.horos import Agent, record, sending, written
from benchmarks.servers import Server
from horos_api.messages import MessageKind, NewMessage
from horos_api.names import DEFAULT_THREAD
from horos_api.resources import AgentSpec, ModelSpec
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.records import Next, Turn
from horos_bus.sender import send
from horos_runtime.agent_config import StoredConfig

BODY = "x" * 200
CALLS = 300
BACKLOG = 32
OUTSIDE = {"cmdstat_evalsha", "cmdstat_config|resetstat", "cmdstat_info", "cmdstat_script|load"}
MINIMUM = {"alone": 2, "under backlog": 1, "with bus tools": 3, "with outside tools": 4}
"""next + commit; commit alone; an append for a round with tools of the bus, two for one with others."""


async def bus_weight(server: Server, turns: int, agents: int) -> dict[str, Any]:
    """Measure on a fresh server, in this process."""
    bus = Bus.open(server.address, "horos:bench:{weight}:")
    try:
        # Bytes first: of Redis' memory by its own count, as long as nothing else was freed or kept.
        return {
            "Redis, bytes an agent": await idle_bytes(bus, agents),
            "round trips": await round_trips(bus),
            "processor, µs a turn under backlog": await processor(bus, server, turns),
            "scripts, µs of the server a call": await lua(bus),
        }
    finally:
        await bus.aclose()


async def lua(bus: Bus) -> dict[str, dict[str, float]]:
    """Server time of a call of each script and of the commands inside it, for turns that come one by one."""
    agent = await claimed(bus, "lua")
    turn: Turn
    stats: dict[str, list[dict[str, Any]]] = {}

    async def read(name: str) -> None:
        stats.setdefault(name, []).append(await bus.command("INFO", "commandstats"))
        await bus.command("CONFIG", "RESETSTAT")

    for number in range(CALLS):
        await read("")
        await say(bus, "lua", number)
        await read("send")
        turn = turn_of(await agent.service.all_unread())
        await read("next")
        await tool_round(agent, turn)
        await read("append of a call and two sends")
        await finish(agent, turn, 4)
        await read("commit")
    return {name: microseconds(found[1:]) for name, found in stats.items() if name}


def microseconds(stats: Sequence[dict[str, Any]]) -> dict[str, float]:
    inside = [sum(of["usec"] for name, of in one.items() if name not in OUTSIDE) for one in stats]
    whole = [one["cmdstat_evalsha"]["usec"] for one in stats]
    return {"in all": statistics.median(whole), "its commands": statistics.median(inside)}


async def round_trips(bus: Bus) -> dict[str, Any]:
    """Count calls of scripts, the only commands of a turn; the sender's own is not counted."""
    agent = await claimed(bus, "trips")
    mids = itertools.count()

    async def turn(round_of: Callable[[Agent, Turn], Awaitable[int]] | None) -> int:
        await say(bus, "trips", next(mids))
        await bus.command("CONFIG", "RESETSTAT")
        found = turn_of(await agent.service.all_unread())
        await finish(agent, found, await round_of(agent, found) if round_of else 0)
        return await calls(bus)

    for warm in (None, tool_round, outside_round):  # each script is loaded when it is first called
        await turn(warm)
    found = {"alone": await turn(None)}
    found["with bus tools"] = await turn(tool_round)
    found["with outside tools"] = await turn(outside_round)
    for thread in ("one", "two", "three"):
        await say(bus, "trips", next(mids), thread)
    first = turn_of(await agent.service.all_unread())
    await bus.command("CONFIG", "RESETSTAT")
    assert isinstance(await finish(agent, first), Turn)
    found["under backlog"] = await calls(bus)
    return {name: {"horos": found[name], "minimum": least} for name, least in MINIMUM.items()}


async def calls(bus: Bus) -> int:
    return int((await bus.command("INFO", "commandstats"))["cmdstat_evalsha"]["calls"])


async def processor(bus: Bus, server: Server, turns: int) -> dict[str, float]:
    """A backlog of turns of one message each, in threads of their own; the sender is not counted."""
    agent = await claimed(bus, "busy")
    client = redis = 0.0
    done = 0
    while done < turns:
        for number in range(BACKLOG):
            await say(bus, "busy", done + number, thread=f"t{number}")
        before = own_seconds(), processor_seconds(server.pid)
        found = await agent.service.all_unread()
        while isinstance(found, Turn):
            done += 1
            found = await finish(agent, found)
        client += own_seconds() - before[0]
        redis += processor_seconds(server.pid) - before[1]
    return {"runtime's side": round(client / done * 1e6), "Redis": round(redis / done * 1e6)}


async def idle_bytes(bus: Bus, agents: int) -> dict[str, float]:
    """By MEMORY USAGE of all keys of an agent, and by Redis' own count for many."""
    control = Control(bus)
    spec = AgentSpec(instructions="Be brief.", model=ModelSpec(name="m", base_url="http://model/v1"))
    config = StoredConfig(generation=1, spec=spec).encoded()
    before = await used(bus)
    names = [f"idle-{number:05}" for number in range(agents)]
    for name in names:
        await control.create(name, "uid")
        await control.configure(name, "uid", 1, config)
    whole = (await used(bus) - before) / agents
    agent = Agent(bus, names[0])
    await agent.service.claim(None)
    claimed_bytes = await of_agent(bus, names[0])
    await say(bus, names[0], 1)
    await finish(agent, turn_of(await agent.service.all_unread()))
    after_turn = await of_agent(bus, names[0])
    context = int(await bus.command("MEMORY", "USAGE", bus.keys.context(names[0], DEFAULT_THREAD)) or 0)
    events = int(await bus.command("MEMORY", "USAGE", bus.keys.events(names[0])) or 0)
    return {
        "created and configured, of Redis' used memory": round(whole),
        "the same by its keys": await of_agent(bus, names[1]),
        "claimed": claimed_bytes,
        "after one turn, without context": after_turn - context,
        "of that, events": events,
        "context of that turn": context,
    }


async def of_agent(bus: Bus, name: str) -> int:
    keys = await bus.command("KEYS", bus.keys.state(name).removesuffix("state").replace("{", "\\{") + "*")
    return sum([int(await bus.command("MEMORY", "USAGE", key, "SAMPLES", 0)) for key in keys])


async def used(bus: Bus) -> int:
    return int((await bus.command("INFO", "memory"))["used_memory"])


async def claimed(bus: Bus, name: str) -> Agent:
    await Control(bus).create(name, "uid")
    agent = Agent(bus, name)
    await agent.service.claim(None)
    return agent


async def say(bus: Bus, to: str, number: int, thread: str = DEFAULT_THREAD) -> None:
    await send(bus, NewMessage(to=to, body=BODY, mid=f"{to}-{number}", thread=thread))


async def finish(agent: Agent, turn: Turn, written_before: int = 0) -> Next:
    entries = [] if written_before else written(turn)
    ix = turn.base + len(turn.journal) + written_before
    return await agent.finish(turn, ix, [*entries, record("assistant", BODY)], BODY)


async def tool_round(agent: Agent, turn: Turn) -> int:
    """User record, call of two bus tools, and their two results, in one round trip; returns the records."""
    effects = [sending("nobody", MessageKind.NOTICE, BODY)] * 2
    entries = [*written(turn), record("assistant", "", tool_calls="send_message")]
    await agent.service.append(turn.id, turn.base, entries, effects)
    return len(entries) + len(effects)


async def outside_round(agent: Agent, turn: Turn) -> int:
    """The call before the tool runs, the result after; returns the records."""
    entries = [*written(turn), record("assistant", "", tool_calls="search")]
    await agent.service.append(turn.id, turn.base, entries)
    await agent.service.append(turn.id, turn.base + len(entries), [record("tool", BODY)])
    return len(entries) + 1


def turn_of(found: object) -> Turn:
    assert isinstance(found, Turn), found
    return found


def own_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime
