"""The part `mind`: what horos adds to a model, beside other frameworks; what it weighs."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from benchmarks.context_weight import context_weight
from benchmarks.field import Contender, Player, own, processor_seconds, theirs
from benchmarks.import_weight import import_weight
from benchmarks.interleaving import Asked, Results, measure
from benchmarks.mind_scenarios import FULL, QUICK, STREAMS, TURNS, Extent, Scenario
from benchmarks.minds.parts import Job
from benchmarks.pod_weight import pod_weight
from benchmarks.report import Figures, comparison
from benchmarks.runtimes import GATEWAY_TOKEN, INSTALL, runtimes
from benchmarks.servers import Server, running
from benchmarks.tools import Tools
from horos_api.resources import ToolsSpec

BARE = Contender("bare openai client", "minds.bare_openai", "", own, "nothing")
IN_MEMORY = "nothing beyond the process"
THINKERS = [
    Contender("horos", "minds.horos", "redis", own, "each step before the next; AOF every second"),
    Contender(
        "horos, `redis.durable`",
        "minds.horos",
        "durable redis",
        own,
        "the same; every write waits for the disk",
        key="horos_durable",
        only=("one_by_one",),
    ),
    BARE,
    Contender("openai-agents", "minds.openai_agents", "", theirs, IN_MEMORY, ("openai-agents", "openai")),
    Contender(
        "pydantic-ai", "minds.pydantic_ai_agent", "", theirs, IN_MEMORY, ("pydantic-ai-slim", "openai")
    ),
    Contender(
        "langgraph",
        "minds.langgraph_agent",
        "",
        theirs,
        f"{IN_MEMORY} (no checkpointer)",
        ("langgraph", "langchain-openai", "openai"),
    ),
]
WATCHERS = [
    Contender(
        "horos: runtime, Redis, gateway",
        "minds.horos_watcher",
        "redis",
        own,
        "events, resumable",
        key="horos",
    ),
    BARE,
]
CONTENDERS = [*THINKERS, *WATCHERS]
SCENARIOS = [*TURNS, *STREAMS]


def run(asked: Asked, tools: Tools) -> Results:
    """Measure what was asked for of this part."""
    extent = QUICK if asked.quick else FULL
    repetitions = asked.repetitions or extent.repetitions
    comparisons = []
    for every, of in ((THINKERS, TURNS), (WATCHERS, STREAMS)):
        contenders, scenarios = asked.of(every), [each for each in of if asked.wants(each.name)]
        if contenders and scenarios:
            runs = measure(
                contenders, scenarios, repetitions, lambda who, what: once(who, what, extent, tools)
            )
            comparisons.append(comparison(runs, scenarios, contenders, baseline=BARE.key))
    results: Results = {"repetitions": repetitions, "comparisons": comparisons}
    return results | ({"weight": weight(extent, tools)} if asked.weight else {})


def weight(extent: Extent, tools: Tools) -> dict[str, Any]:
    """What a runtime of horos costs: its process, its imports, its context."""
    with running("redis", tools) as server, running("model", tools) as model:
        pod = pod_weight(tools.agent_python, server, model, extent.starts)
    return {
        "pod": pod,
        "imports, ms": import_weight(tools.agent_python, extent.starts),
        "a thread of many records, ms": context_weight(extent.records, extent.context_turns),
    }


def once(contender: Contender, scenario: Scenario, extent: Extent, tools: Tools) -> Figures:
    """Run one scenario of one peer once. Raises RuntimeError, MissingToolError."""
    with (
        running(scenario.model, tools) as model,
        between(contender, scenario, model, tools) as (address, working, serving),
    ):
        job = Job(address, scenario.part, scenario.agents, scenario.text, scenario.count(extent))
        player = Player(contender.python(tools), contender.module, job)
        try:
            assert player.hear().strip() == "ready"
            before = used(working), used(serving)
            player.tell()
            result = json.loads(player.hear())
            return scenario.read(result, used(working) - before[0], used(serving) - before[1])
        finally:
            player.end()


@contextmanager
def between(
    contender: Contender, scenario: Scenario, model: Server, tools: Tools
) -> Iterator[tuple[str, list[int], list[int]]]:
    """What stands between the peer's process and the model: where to begin, its processes and servers."""
    if not contender.server:
        yield model.address, [], []
        return
    with running(contender.server, tools) as redis:
        if scenario.part == "turns":
            process = "benchmarks.minds.horos_agent"
            no_tools = ToolsSpec(builtin=())
            with runtimes(redis.address, model.address, scenario.agents, process, no_tools) as pids:
                yield redis.address, pids, [redis.pid]
            return
        told = {
            "HOROS_GATEWAY_REDIS_URL": redis.address,
            "HOROS_GATEWAY_INSTALL": INSTALL,
            "HOROS_GATEWAY_TOKEN": GATEWAY_TOKEN,
        }
        with (
            running("gateway", tools, told) as gateway,
            runtimes(redis.address, model.address, scenario.agents) as pids,
        ):
            yield gateway.address, pids, [redis.pid, gateway.pid]


def used(pids: list[int]) -> float:
    return sum(map(processor_seconds, pids))
