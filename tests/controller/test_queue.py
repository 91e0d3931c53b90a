"""The keyed queue, on a clock that the test moves."""

import asyncio

import pytest

from horos_operator.queue import BURST, HEAP_AT_LEAST, ROUTINE_TURN, KeyQueue

A, B, C = ("ns", "a"), ("ns", "b"), ("ns", "c")


class Clock:
    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


async def at_once(queue: KeyQueue) -> tuple[str, str] | None:
    """What `get` gives without waiting, or None."""
    taking = asyncio.ensure_future(queue.get())
    for _ in range(5):
        await asyncio.sleep(0)
    if taking.done():
        return taking.result()
    taking.cancel()
    return None


async def test_a_key_is_in_it_once(clock: Clock) -> None:
    queue = KeyQueue(clock)
    for key in (A, B, A, A):
        queue.add(key)
    assert [await at_once(queue), await at_once(queue), await at_once(queue)] == [A, B, None]


async def test_a_key_that_is_worked_on_waits_and_comes_once_more(clock: Clock) -> None:
    queue = KeyQueue(clock)
    queue.add(A)
    assert await at_once(queue) == A
    queue.add(A)
    queue.add(A)
    assert await at_once(queue) is None
    queue.done(A)
    assert await at_once(queue) == A
    queue.done(A)
    assert await at_once(queue) is None


async def test_delays_end_in_their_order(clock: Clock) -> None:
    queue = KeyQueue(clock)
    queue.add_after(A, 10)
    queue.add_after(B, 5)
    clock.now = 4.9
    assert await at_once(queue) is None
    clock.now = 10
    assert [await at_once(queue), await at_once(queue)] == [B, A]


async def test_the_earlier_of_two_delays_wins(clock: Clock) -> None:
    queue = KeyQueue(clock)
    queue.add_after(A, 10)
    queue.add_after(A, 2)
    queue.add_after(A, 20)
    clock.now = 2
    assert await at_once(queue) == A
    queue.done(A)
    clock.now = 30
    assert await at_once(queue) is None


async def test_an_event_overtakes_a_delay(clock: Clock) -> None:
    queue = KeyQueue(clock)
    queue.add_after(A, 10)
    queue.add(A)
    assert await at_once(queue) == A
    queue.done(A)
    clock.now = 11
    assert await at_once(queue) is None


async def test_failures_back_off_by_doubling_and_success_forgets_them(clock: Clock) -> None:
    queue = KeyQueue(clock)
    delays = []
    for _ in range(9):
        queue.add(A)
        assert await at_once(queue) == A
        delays.append(queue.failed(A))
    assert delays == [0.5, 1, 2, 4, 8, 16, 32, 60, 60]
    clock.now += 60
    assert await at_once(queue) == A
    queue.done(A)
    queue.add(A)
    assert await at_once(queue) == A
    assert queue.failed(A) == 0.5


async def test_one_failing_key_does_not_hold_up_another(clock: Clock) -> None:
    queue = KeyQueue(clock)
    queue.add(A)
    assert await at_once(queue) == A
    queue.failed(A)
    queue.add(B)
    assert await at_once(queue) == B


async def test_the_rate_of_routine_passes_is_limited(clock: Clock) -> None:
    queue = KeyQueue(clock, rate=10)
    keys = [("ns", str(number)) for number in range(int(BURST) + 3)]
    for key in keys:
        queue.add(key, urgent=False)
    taken = [await at_once(queue) for _ in keys]
    assert taken == [*keys[: int(BURST)], None, None, None]
    clock.now = 0.25
    assert [await at_once(queue), await at_once(queue), await at_once(queue)] == [*keys[-3:-1], None]


async def test_a_waiting_worker_is_woken_by_an_event() -> None:
    loop = asyncio.get_running_loop()
    queue = KeyQueue(loop.time)
    async with asyncio.timeout(5):
        waiting = asyncio.ensure_future(queue.get())
        await asyncio.sleep(0)
        queue.add(C)
        assert await waiting == C


async def test_a_waiting_worker_is_woken_by_time() -> None:
    queue = KeyQueue(asyncio.get_running_loop().time)
    queue.add_after(C, 0.02)
    async with asyncio.timeout(5):
        assert await queue.get() == C


async def test_nothing_is_handed_out_while_the_cluster_wants_to_be_left_alone(clock: Clock) -> None:
    queue = KeyQueue(clock)
    queue.add(A)
    queue.rest(5)
    queue.rest(2)
    assert await at_once(queue) is None
    clock.now = 4.9
    assert await at_once(queue) is None
    clock.now = 5
    assert await at_once(queue) == A


async def test_a_worker_that_waits_is_woken_when_the_rest_is_over() -> None:
    queue = KeyQueue(asyncio.get_running_loop().time)
    queue.rest(0.02)
    queue.add(C)
    async with asyncio.timeout(5):
        assert await queue.get() == C


async def test_what_somebody_waits_for_overtakes_ten_thousand_routine_passes(clock: Clock) -> None:
    queue = KeyQueue(clock, rate=1)
    for number in range(10_000):
        queue.add(("ns", str(number)), urgent=False)
    queue.add(("ns", "9999"))
    queue.add(A)
    assert [await at_once(queue), await at_once(queue)] == [("ns", "9999"), A]
    while await at_once(queue) is not None:
        continue
    # No token is left for routine: urgent ones need none.
    queue.add(B)
    assert await at_once(queue) == B


async def test_routine_has_its_turn_while_urgent_passes_come_without_end(clock: Clock) -> None:
    queue = KeyQueue(clock)
    queue.add(A, urgent=False)
    for number in range(3 * ROUTINE_TURN):
        queue.add(("ns", str(number)))
    taken = [await at_once(queue) for _ in range(ROUTINE_TURN)]
    assert taken.index(A) == ROUTINE_TURN - 1


async def test_a_key_that_was_urgent_meanwhile_is_urgent_once_more(clock: Clock) -> None:
    queue = KeyQueue(clock, rate=1)
    queue.add(A)
    assert await at_once(queue) == A
    queue.add(A)
    queue.add(A, urgent=False)
    queue.add(B, urgent=False)
    queue.done(A)
    assert await at_once(queue) == A


async def test_a_key_that_becomes_due_between_two_looks_at_the_clock_waits_for_the_next(clock: Clock) -> None:
    def running() -> float:
        clock.now += 0.25
        return clock.now

    queue = KeyQueue(running)
    queue.add_after(A, 0.4)
    assert await queue.get() == A


async def test_wishes_that_were_overtaken_do_not_pile_up(clock: Clock) -> None:
    queue = KeyQueue(clock, rate=1e9)
    for _ in range(20):
        for number in range(500):
            key = ("ns", f"a{number}")
            queue.add_after(key, 86_400 + clock.now)
            queue.add(key)
            assert await queue.get() == key
            queue.done(key)
            clock.now += 0.001
    assert len(queue._heap) <= HEAP_AT_LEAST + 1
    for key in (A, B):
        queue.add_after(key, 5)
    clock.now += 5
    assert [await at_once(queue), await at_once(queue), await at_once(queue)] == [A, B, None]


async def test_what_is_worked_on_outlives_a_clearing_and_nothing_else_does(clock: Clock) -> None:
    queue = KeyQueue(clock)
    queue.add(A)
    assert await at_once(queue) == A
    for key in (A, B):
        queue.add(key)
    queue.add_after(C, 5)
    queue.clear()
    clock.now += 10
    assert (len(queue), await at_once(queue)) == (0, None)
    queue.done(A)
    assert await at_once(queue) is None
    queue.add(A)
    assert await at_once(queue) == A
