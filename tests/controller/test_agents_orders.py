"""Orders of agents, one after the other: one that has to wait keeps nobody else waiting."""

import asyncio
import uuid
from collections.abc import Callable
from pathlib import Path

import pytest

from horos_api.names import key_prefix
from horos_bus.connection import Bus
from horos_bus.operating import SocietyOrder
from horos_operator.cluster import ClusterError, NotLeadingError
from horos_operator.hands import Hands, LookAgainError
from horos_operator.orders import obey_agents
from horos_operator.queue import Key
from horos_operator.society import Society
from tests.bus.stage import Stage as BusStage
from tests.bus.stage import ordering, record, turn_of, user
from tests.controller.facts import FACTORY, SETTINGS
from tests.controller.lease_server import serving
from tests.controller.test_only_the_leader import Stage, everything


class Slow(Society):
    """Obeys nobody: says of each order what `outcome` says."""

    def __init__(self, manager: Hands, outcome: Callable[[SocietyOrder], Exception | None]) -> None:
        super().__init__(manager, FACTORY)
        self.outcome = outcome
        self.seen: list[str] = []

    async def obey(self, namespace: str, order: SocietyOrder) -> set[Key]:
        self.seen.append(f"{order.agent}:{order.name}")
        error = self.outcome(order)
        if error is not None:
            raise error
        return {(namespace, order.name)}


async def ordered(there: BusStage) -> None:
    """Ada and bob ask for two things each."""
    for name in ("ada", "bob"):
        runtime = await there.resident(name)
        await there.say(f"m-{name}", name)
        turn = turn_of(await runtime.all_unread())
        step = [user(turn.inputs[0]), record("assistant", "")]
        await runtime.append(turn.id, 0, step, [ordering("one"), ordering("two")])


@pytest.mark.parametrize(
    "error", [LookAgainError("not yet"), ClusterError("no answer in time"), KeyError("nobody foresaw it")]
)
async def test_what_one_agent_waits_for_keeps_no_other_waiting(
    bus: Bus, tmp_path: Path, error: Exception
) -> None:
    async with serving(everything([], {}), tmp_path) as connection:
        stage = Stage(bus, connection)
        stage.leadership.hold(stage.leadership.clock() + 60)
        namespace = f"orders-{uuid.uuid4().hex[:8]}"
        await ordered(BusStage(bus.at(key_prefix(SETTINGS.install, namespace))))
        society = Slow(stage.parts.manager, lambda order: error if order.agent == "ada" else None)
        if isinstance(error, LookAgainError):
            await obey_agents(society, stage.parts, namespace)
        else:
            with pytest.raises(type(error), match=r"no answer in time|nobody foresaw it"):
                await obey_agents(society, stage.parts, namespace)
        assert society.seen == ["ada:one", "bob:one", "bob:two"], "what ada asked later waits, too"
        assert await asyncio.wait_for(stage.parts.queue.get(), 5) == (namespace, "one")


async def test_a_cluster_that_wants_to_be_left_alone_is(bus: Bus, tmp_path: Path) -> None:
    async with serving(everything([], {}), tmp_path) as connection:
        stage = Stage(bus, connection)
        stage.leadership.hold(stage.leadership.clock() + 60)
        namespace = f"orders-{uuid.uuid4().hex[:8]}"
        await ordered(BusStage(bus.at(key_prefix(SETTINGS.install, namespace))))
        society = Slow(stage.parts.manager, lambda _: ClusterError("too many requests", 0.01))
        with pytest.raises(ClusterError, match="too many requests"):
            await obey_agents(society, stage.parts, namespace)
        assert society.seen == ["ada:one"]


async def test_who_does_not_lead_obeys_nobody(bus: Bus, tmp_path: Path) -> None:
    async with serving(everything([], {}), tmp_path) as connection:
        stage = Stage(bus, connection)
        with pytest.raises(NotLeadingError):
            await obey_agents(Society(stage.parts.manager, FACTORY), stage.parts, "anywhere")
