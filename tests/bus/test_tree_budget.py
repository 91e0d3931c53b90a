"""A root's budget of the day holds for all its descendants, who look at it with each of their calls."""

import pytest

from horos_bus.message_service import MessageService
from horos_bus.operating import DayLimits
from horos_bus.records import Charge, Charged, DayUsage, Usage
from tests.bus.stage import Stage, turn_of

DAY = 20_000


class Payer:
    """A resident agent with an open turn, which pays for model calls."""

    def __init__(self, runtime: MessageService, turn: str) -> None:
        self._runtime, self._turn, self._index = runtime, turn, 0

    async def charge(
        self, tokens: int, cost: int = 0, day: int = DAY, limit: int | None = None, used: Usage | None = None
    ) -> Charged:
        """Reserve for a call."""
        charge = Charge(day, tokens, cost, tokens_limit=limit, used=used or Usage())
        return await self._runtime.charge(self._turn, charge)

    async def use(self, tokens: int, cost: int = 0, day: int = DAY) -> None:
        """Say what the call has used."""
        record = b'{"role":"assistant","content":""}'
        await self._runtime.append(self._turn, self._index, [record], usage=Usage(tokens, 0, cost), day=day)
        self._index += 1


async def payer(stage: Stage, name: str, parent: str = "", limits: DayLimits | None = None) -> Payer:
    """Make an agent of the tree of ada."""
    await stage.control.create(name, f"uid-{name}", parent, "ada" if parent else "")
    if limits:
        await stage.control.configure(name, f"uid-{name}", 1, b"{}", limits=limits)
    runtime = stage.runtime(name)
    await runtime.claim(None)
    await stage.say(f"for {name}", to=name)
    return Payer(runtime, turn_of(await runtime.all_unread()).id)


async def descendants(stage: Stage) -> DayUsage:
    """What the bus has counted for those below ada."""
    return (await stage.view("ada")).usage.descendants


async def test_what_descendants_use_counts_in_the_root_and_stops_everybody(stage: Stage) -> None:
    ada = await payer(stage, "ada", limits=DayLimits(tokens=100))
    bob = await payer(stage, "bob", "ada")
    eve = await payer(stage, "eve", "bob")
    assert (await bob.charge(30)).exhausted == ""
    assert await descendants(stage) == DayUsage(DAY, 30, 0)
    await bob.use(50, 7)
    assert await descendants(stage) == DayUsage(DAY, 50, 7)
    await eve.charge(20)
    await eve.use(40)
    assert await descendants(stage) == DayUsage(DAY, 90, 7)
    assert (await ada.charge(5, limit=100)).exhausted == ""
    await ada.use(10)
    for each in (ada, bob, eve):
        found = await each.charge(1, limit=100)
        assert found == Charged("tree tokens", DAY, 100, 7, root="ada", limit=100)
    assert (await stage.view("ada")).usage.today == DayUsage(DAY, 10, 0)
    assert (await stage.view("bob")).usage.today == DayUsage(DAY, 50, 7)


async def test_money_counts_as_tokens_do(stage: Stage) -> None:
    await payer(stage, "ada", limits=DayLimits(cost=9))
    bob = await payer(stage, "bob", "ada")
    await bob.charge(1, 9)
    await bob.use(1, 9)
    assert await bob.charge(1, 1) == Charged("tree cost", DAY, 1, 9, root="ada", limit=9)


async def test_a_limit_of_ones_own_is_told_first(stage: Stage) -> None:
    await payer(stage, "ada", limits=DayLimits(tokens=10))
    bob = await payer(stage, "bob", "ada")
    await bob.charge(10)
    await bob.use(10)
    assert (await bob.charge(1, limit=10)).exhausted == "tokens"


async def test_ones_own_reservation_stops_nobody_but_others(stage: Stage) -> None:
    await payer(stage, "ada", limits=DayLimits(tokens=10))
    bob, eve = await payer(stage, "bob", "ada"), await payer(stage, "eve", "ada")
    assert (await bob.charge(10)).exhausted == ""
    assert (await bob.charge(10)).exhausted == "", "the second takes the place of the first"
    assert (await eve.charge(1)).exhausted == "tree tokens"
    await bob.charge(0)
    assert await descendants(stage) == DayUsage(DAY, 0, 0)
    assert (await eve.charge(1)).exhausted == ""


async def test_who_died_has_paid_into_its_tree(stage: Stage) -> None:
    await payer(stage, "ada", limits=DayLimits(tokens=100))
    bob = await payer(stage, "bob", "ada")
    await bob.charge(30)
    heir = stage.runtime("bob")
    await heir.claim(None)
    turn = turn_of(await heir.all_unread())
    again = Payer(heir, turn.id)
    await again.charge(20)
    assert await descendants(stage) == DayUsage(DAY, 50, 0)
    await again.use(5)
    assert await descendants(stage) == DayUsage(DAY, 35, 0)


async def test_a_tree_begins_each_day_anew_whoever_comes_first(stage: Stage) -> None:
    ada = await payer(stage, "ada", limits=DayLimits(tokens=100))
    bob, eve = await payer(stage, "bob", "ada"), await payer(stage, "eve", "ada")
    await ada.use(50)
    await bob.charge(90)
    await eve.charge(10, day=DAY + 1)
    assert await descendants(stage) == DayUsage(DAY + 1, 10, 0)
    # What bob has reserved was counted yesterday and is gone with it; what he used counts today.
    await bob.use(95)
    assert await descendants(stage) == DayUsage(DAY + 1, 105, 0)
    found = await ada.charge(1, limit=100)
    assert found == Charged("tree tokens", DAY + 1, 105, 0, root="ada", limit=100)
    assert (await ada.charge(1, day=DAY + 2, limit=100)).exhausted == ""


async def test_a_charge_that_is_repeated_counts_once_in_the_tree(stage: Stage) -> None:
    await payer(stage, "ada", limits=DayLimits(tokens=100))
    await payer(stage, "bob", "ada")
    state = await stage.view("bob")
    words = ["bob", state.holder, state.turn, 1, DAY, 30, 3, "", "", 0, 0, 0]
    for _ in range(2):
        assert (await stage.bus.call("charge", words))[0] == b"OK"
    assert await descendants(stage) == DayUsage(DAY, 30, 3)


async def test_a_root_without_descendants_counts_itself_once(stage: Stage) -> None:
    ada = await payer(stage, "ada", limits=DayLimits(tokens=100))
    await ada.charge(50, limit=100)
    await ada.use(60)
    assert (await ada.charge(1, limit=100)).exhausted == ""
    assert await descendants(stage) == DayUsage()
    assert await stage.bus.command("HEXISTS", stage.bus.keys.state("ada"), "tree_day") == 0


@pytest.mark.parametrize("gone", [True, False])
async def test_a_tree_without_a_root_or_a_limit_stops_nobody(stage: Stage, gone: bool) -> None:
    await payer(stage, "ada")
    bob = await payer(stage, "bob", "ada")
    if gone:
        await stage.control.delete("ada", "uid-ada")
    await bob.charge(10**6)
    await bob.use(10**6)
    assert (await bob.charge(1)).exhausted == ""
    assert await stage.bus.command("EXISTS", stage.bus.keys.state("ada")) == (not gone)


async def test_watchers_of_a_descendant_are_told_once(stage: Stage) -> None:
    await payer(stage, "ada", limits=DayLimits(tokens=1))
    bob = await payer(stage, "bob", "ada")
    await bob.charge(1)
    await bob.use(1)
    for _ in range(2):
        await bob.charge(1)
    told = [event["value"] for event in await stage.events("bob") if event.get("name") == "budget"]
    assert [(value["exhausted"], value["limit"], value["tokens"]) for value in told] == [
        ("tree tokens", 1, 1)
    ]


async def test_limits_that_are_taken_away_hold_no_longer(stage: Stage) -> None:
    await payer(stage, "ada", limits=DayLimits(tokens=1))
    bob = await payer(stage, "bob", "ada")
    await bob.charge(1)
    await bob.use(1)
    assert (await bob.charge(1)).exhausted == "tree tokens"
    await stage.control.configure("ada", "uid-ada", 2, b'{"other": 1}')
    assert (await bob.charge(1)).exhausted == ""
