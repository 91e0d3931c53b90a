"""What the operator tells of itself: its metrics, as Prometheus reads them."""

import asyncio
import urllib.error
import urllib.request
from collections import Counter
from typing import Final

from prometheus_client.parser import text_string_to_metric_families
from tests.simulator.world import World

from benchmarks.scale.crowd import until
from horos_api import metrics as words

QUIET_SECONDS: Final = 3.0
LEASES: Final = "leases"


class Said:
    """One scrape."""

    def __init__(self, text: str) -> None:
        self._samples = [
            sample for family in text_string_to_metric_families(text) for sample in family.samples
        ]

    def total(self, name: str, **labels: str) -> float:
        """Add up the samples of a name that have these labels."""
        return sum(
            sample.value
            for sample in self._samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )

    @property
    def writes(self) -> Counter[str]:
        """Writes to the API server, whatever became of them, the Lease's apart."""
        found: Counter[str] = Counter()
        for sample in self._samples:
            if sample.name == words.API_WRITES.name and sample.labels["kind"] != LEASES:
                refused = "" if sample.labels["outcome"] == "ok" else f" ({sample.labels['outcome']})"
                found[f"{sample.labels['verb']} {sample.labels['kind']}{refused}"] += int(sample.value)
        return found

    @property
    def passes(self) -> int:
        """Passes that were made."""
        return int(self.total(f"{words.RECONCILE_SECONDS.name}_count"))

    @property
    def waiting(self) -> int:
        """Agents that wait for a pass."""
        return int(self.total(words.QUEUE_KEYS.name))

    @property
    def leads(self) -> bool:
        """Whether it may act."""
        return self.total(words.LEADER.name) == 1


async def ask(world: World, path: str) -> tuple[int, str]:
    """Ask one of the operator's own addresses: status and text, 0 when nobody answers."""

    def get() -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{world.probe_port}{path}", timeout=10) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    return await asyncio.to_thread(get)


async def said(world: World) -> Said:
    """Scrape the operator; raises RuntimeError when it does not answer."""
    status, text = await ask(world, "/metrics")
    if status != 200:
        raise RuntimeError(f"the operator's metrics: {status} {text[:200]}")
    return Said(text)


async def until_ready(world: World, seconds: float) -> float:
    """Wait until the operator could act: its caches are complete and Redis answers."""

    async def ready() -> bool:
        return (await ask(world, "/readyz"))[0] == 200

    return await until("the operator is ready", ready, seconds, every=0.1)


async def until_quiet(world: World, passes: int, seconds: float) -> float:
    """Wait until it leads, has made so many passes, and makes no more of them; without the last wait."""
    before = -1

    async def rests() -> bool:
        nonlocal before
        found = await said(world)
        same, before = found.passes == before, found.passes
        return found.leads and found.passes >= passes and not found.waiting and same

    took = await until("the operator has nothing to do", rests, seconds, every=QUIET_SECONDS)
    return max(0.0, took - QUIET_SECONDS)
