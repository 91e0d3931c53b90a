"""Electors that stand for one Lease over HTTP: who acts, what is cut off, and what trouble does to it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from horos_operator.cluster import ClusterError, NotLeadingError
from horos_operator.elector import Elector, Leadership
from horos_operator.kube.connection import KubeConnection
from horos_operator.leadership import Lease, Rules
from tests.controller.lease_server import LeaseServer, door, serving

QUICK = Rules(lease=2.5, renew=1.5, retry=0.1, request=0.5, error=0.05)
"""Quick to look, with time to spare on a busy machine."""


class Operator:
    """One process as far as the election is concerned. `late` is by how much its clock is ahead by now."""

    def __init__(self, connection: KubeConnection, me: str) -> None:
        self.late = 0.0
        self.terms = 0
        self.acting = False
        self.cut_off = 0
        self.leadership = Leadership(lambda: asyncio.get_running_loop().time() + self.late)
        self.elector = Elector(door(connection), self.leadership, me, self._won, QUICK)

    def _won(self) -> None:
        self.terms += 1

    async def duty(self) -> None:
        self.acting = True
        try:
            await asyncio.Event().wait()
        finally:
            self.acting = False
            self.cut_off += 1

    async def whenever_leading(self) -> None:
        while True:
            await self.leadership.act(self.duty)


@asynccontextmanager
async def standing(*operators: Operator) -> AsyncIterator[list[asyncio.Task[None]]]:
    """Let them stand; the tasks of the electors, in their order."""
    async with asyncio.TaskGroup() as tasks:
        started = [tasks.create_task(each.elector.stand()) for each in operators]
        acting = [tasks.create_task(each.whenever_leading()) for each in operators]
        yield started
        for task in (*started, *acting):
            task.cancel()


async def until(what: str, true: Callable[[], bool], seconds: float = 20.0) -> None:
    try:
        async with asyncio.timeout(seconds):
            while not true():  # noqa: ASYNC110 - what changes is a plain value of the operator's
                await asyncio.sleep(0.01)
    except TimeoutError:
        raise AssertionError(f"not within {seconds} s: {what}") from None


@pytest.fixture
def server() -> LeaseServer:
    return LeaseServer()


@pytest.fixture
async def connection(server: LeaseServer, tmp_path: Path) -> AsyncIterator[KubeConnection]:
    async with serving(server.application(), tmp_path) as opened:
        yield opened
        server.reachable.set()


async def test_one_leads_and_the_other_follows(server: LeaseServer, connection: KubeConnection) -> None:
    one, other = Operator(connection, "one"), Operator(connection, "other")
    async with standing(one, other):
        await until("somebody acts", lambda: one.acting or other.acting)
        leader, follower = (one, other) if one.acting else (other, one)
        renewals = len(server.asked)
        await until("it is renewed", lambda: server.asked[renewals:].count("PATCH") >= 10)
        assert (leader.terms, leader.acting, follower.acting) == (1, True, False)
        leader.leadership.check()
        with pytest.raises(NotLeadingError):
            follower.leadership.check()


async def test_whoever_ends_gives_the_lease_back_and_the_next_takes_it_at_once(
    server: LeaseServer, connection: KubeConnection
) -> None:
    one, other = Operator(connection, "one"), Operator(connection, "other")
    async with standing(one, other) as tasks:
        await until("somebody acts", lambda: one.acting or other.acting)
        first, second = (0, other) if one.acting else (1, one)
        transitions = server.lease and server.lease["spec"]["leaseTransitions"]
        tasks[first].cancel()
        await asyncio.wait([tasks[first]])
        assert server.holder != ["one", "other"][first]
        assert one.cut_off + other.cut_off == 1
        await until("the other acts", lambda: second.acting, seconds=10)
        assert server.lease and server.lease["spec"]["leaseTransitions"] == (transitions or 0) + 1


@pytest.mark.parametrize("trouble", ["silent", 429, 500])
async def test_a_leader_that_cannot_renew_is_cut_off_and_leads_again_when_it_can(
    server: LeaseServer, connection: KubeConnection, trouble: str | int, caplog: pytest.LogCaptureFixture
) -> None:
    operator = Operator(connection, "one")
    async with standing(operator):
        await until("it acts", lambda: operator.acting)
        if isinstance(trouble, int):
            server.refuse_with = trouble
        else:
            server.reachable.clear()
        await until("it is cut off", lambda: not operator.acting)
        with pytest.raises(NotLeadingError):
            operator.leadership.check()
        server.refuse_with = None
        server.reachable.set()
        await until("it acts again", lambda: operator.acting)
        assert operator.terms == 2
    said = "does not answer in time" if trouble == "silent" else "the server says"
    assert said in caplog.text


async def test_a_process_that_was_stopped_past_its_lease_writes_nothing_when_it_goes_on(
    connection: KubeConnection,
) -> None:
    operator = Operator(connection, "one")
    async with standing(operator):
        await until("it acts", lambda: operator.acting)
        operator.leadership.check()
        operator.late = 2.0  # nothing else of the process has run yet
        with pytest.raises(NotLeadingError, match="does not lead"):
            operator.leadership.check()


async def test_a_leader_counts_from_when_it_asked_and_not_from_the_answer(
    server: LeaseServer, connection: KubeConnection
) -> None:
    operator = Operator(connection, "one")
    async with standing(operator):
        await until("it acts", lambda: operator.acting)
        server.seconds = 0.3
        ends: set[float] = set()

        def renewed() -> bool:
            end = operator.leadership._until
            # Whatever arrived last, nothing that was sent after it has been counted.
            assert end <= server.written + QUICK.renew
            ends.add(end)
            return len(ends) > 4

        await until("it has renewed some times", renewed)


async def test_a_lease_that_somebody_deletes_is_made_again_by_its_holder(
    server: LeaseServer, connection: KubeConnection
) -> None:
    one, other = Operator(connection, "one"), Operator(connection, "other")
    async with standing(one, other):
        await until("somebody acts", lambda: one.acting or other.acting)
        leader = one if one.acting else other
        looked = server.asked.count("GET")
        await until("the other knows", lambda: server.asked.count("GET") >= looked + 3)
        held, server.lease = server.holder, None
        await until("it is back", lambda: server.lease is not None)
        assert server.holder == held
        assert leader.acting


async def test_a_duty_that_finds_out_that_it_may_not_write_waits_for_the_next_term(
    connection: KubeConnection,
) -> None:
    operator, tried = Operator(connection, "one"), 0

    async def writes() -> None:
        nonlocal tried
        tried += 1
        if tried == 1:
            operator.late = 2.0
        operator.leadership.check()
        await asyncio.Event().wait()

    operator.duty = writes  # type: ignore[method-assign]
    async with standing(operator):
        await until("it may write", lambda: tried == 2)
        assert operator.leadership.leads


async def test_two_that_write_from_one_version_do_not_both_succeed(
    server: LeaseServer, connection: KubeConnection
) -> None:
    lease = Lease("", "one", 10.0, "2026-01-01T00:00:00.000000Z", "2026-01-01T00:00:00.000000Z", 0)
    made = await door(connection).write(lease)
    assert made == Lease("1", "one", 10.0, lease.acquired, lease.renewed, 0)
    assert await door(connection).read() == made
    with pytest.raises(ClusterError, match="AlreadyExists"):
        await door(connection).write(lease)
    assert server.lease is not None
    server.lease["spec"]["strategy"] = "OldestEmulationVersion"
    await door(connection).write(made)
    assert server.lease["spec"]["strategy"] == "OldestEmulationVersion"
    with pytest.raises(ClusterError, match="Conflict"):
        await door(connection).write(made)


async def test_what_the_server_asks_for_reaches_whoever_asked(
    server: LeaseServer, connection: KubeConnection
) -> None:
    server.refuse_with = 429
    with pytest.raises(ClusterError, match="TooManyRequests") as refused:
        await door(connection).read()
    assert refused.value.retry_after == 1.0
    server.refuse_with = 500
    with pytest.raises(ClusterError) as failed:
        await door(connection).read()
    assert failed.value.retry_after == 0.0


class Late:
    """A Lease that is always free; `answers` is what the clock shows when each write is answered."""

    def __init__(self, *answers: float) -> None:
        self.now = 0.0
        self._answers = list(answers)
        self.all_written = asyncio.Event()

    async def read(self) -> Lease | None:
        return None

    async def write(self, lease: Lease) -> Lease:
        if self._answers:
            self.now = self._answers.pop(0)
        else:
            self.all_written.set()
        return replace(lease, version="1")


async def test_a_term_that_was_over_before_its_renewal_was_answered_begins_anew() -> None:
    # Until 6 at first. The renewal is sent at 3 and answered at 7: from then on until 9.
    door = Late(3.0, 7.0)
    leadership = Leadership(lambda: door.now)
    led: list[bool] = []
    rules = Rules(lease=10, renew=6, retry=0.1, request=5, error=0.05)
    elector = Elector(door, leadership, "one", lambda: led.append(leadership.leads), rules)
    async with asyncio.TaskGroup() as tasks:
        standing_for_it = tasks.create_task(elector.stand())
        while door.now < 7:  # noqa: ASYNC110 - what changes is a plain value
            await asyncio.sleep(0.01)
        door.now = 7.5
        await door.all_written.wait()
        assert leadership.leads
        standing_for_it.cancel()
    assert led == [False, False], "what was dropped while it did not lead is looked at again"
