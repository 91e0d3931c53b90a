"""Contexts are read from Redis once, from the end backwards, and only as far as no summary tells."""

from dataclasses import dataclass, field

from hypothesis import given, settings
from hypothesis import strategies as st

from horos_bus.records import Stretch
from horos_runtime.context import Context
from horos_runtime.context_manager import PAGE, THREADS_IN_MEMORY, ContextManager
from horos_runtime.projection import Room, View
from horos_runtime.records import Record, dump
from tests.runtime.histories import assistant, compaction, turns, user


@dataclass
class Thread:
    """A thread as it lies in Redis; `first` records are not kept any more."""

    records: list[Record]
    first: int = 0
    reads: list[int] = field(default_factory=list)

    async def read(self, _: str, start: int) -> Stretch:
        self.reads.append(start)
        start = max(start, self.first)
        return Stretch(start, tuple(map(dump, self.records[start:])))


async def test_a_context_is_read_once_and_again_when_redis_tells_another_length() -> None:
    thread = Thread([user("one"), assistant("1")])
    contexts = ContextManager(thread.read)
    context = await contexts.load("main", 2)
    context.extend([user("two")])
    assert [record["content"] for record in context.records] == ["one", "1", "two"]
    assert await contexts.load("main", 3) is context
    assert thread.reads == [0]
    thread.records += [user("another two"), assistant("2")]
    again = await contexts.load("main", 4)
    assert [record["content"] for record in again.records] == ["one", "1", "another two", "2"]
    assert thread.reads == [0, 0]


def test_thoughts_count_for_what_a_thread_takes_in_redis_and_for_nothing_else() -> None:
    plain, thoughtful = assistant("Yes."), assistant("Yes.")
    thoughtful["reasoning"] = "Should I say yes? " * 100
    context, without = Context(0, [user("one"), thoughtful]), Context(0, [user("one"), plain])
    assert context.bytes == len(dump(user("one"))) + len(dump(thoughtful))
    assert context.sizes(1, 2) == [len(dump(thoughtful))]
    views = [View(each, "", (), Room(10**6)) for each in (context, without)]
    assert views[0].messages() == views[1].messages()
    assert views[0].tokens == views[1].tokens
    assert context.records == without.records, "memory is for what the model reads"


def test_sizes_stay_with_their_records_when_old_ones_are_forgotten() -> None:
    records = turns(5)
    context = Context(3, records)
    context.forget_before(10)
    context.extend([user("new")])
    kept = [*records[7:], user("new")]
    assert (context.first, context.end, context.records) == (10, 24, kept)
    assert context.sizes(0, 100) == [len(dump(record)) for record in kept]
    assert context.sizes(11, 13) == [len(dump(record)) for record in kept[1:3]]
    assert context.bytes == sum(context.sizes(0, 100))


async def test_the_journal_of_the_open_turn_comes_behind_what_is_committed() -> None:
    thread = Thread([*turns(1), user("open"), assistant("step", "a")])
    contexts = ContextManager(thread.read)
    for _ in range(2):
        context = await contexts.load("main", 4, [dump(record) for record in thread.records[4:]])
        assert context.records == thread.records


async def test_of_a_long_thread_only_what_its_summary_does_not_tell_is_read_and_kept() -> None:
    thread = Thread([*turns(1000), compaction(through=3900), *turns(5)])
    context = await ContextManager(thread.read).load("main", len(thread.records))
    assert thread.reads == [len(thread.records) - PAGE]
    assert (context.first, context.end) == (3900, 4021)


async def test_a_compaction_that_reaches_further_back_than_a_page_costs_one_more_read() -> None:
    thread = Thread([*turns(1000), compaction(through=2000), *turns(5)])
    context = await ContextManager(thread.read).load("main", len(thread.records))
    assert thread.reads == [len(thread.records) - PAGE, 2000]
    assert context.first == 2000


async def test_a_long_thread_without_a_summary_is_read_in_few_steps_as_far_as_it_is_kept() -> None:
    thread = Thread(turns(2500), first=1000)
    context = await ContextManager(thread.read).load("main", len(thread.records))
    assert (context.first, context.end) == (1000, 10_000)
    assert len(thread.reads) <= 5


async def test_memory_forgets_what_a_compaction_covers_and_threads_not_used_for_long() -> None:
    thread = Thread(turns(10))
    contexts = ContextManager(thread.read)
    context = await contexts.load("main", 40)
    context.extend([compaction(through=36)])
    assert (await contexts.load("main", 41)).first == 36
    for number in range(THREADS_IN_MEMORY):
        await contexts.load(f"t{number}", 40)
    reads = len(thread.reads)
    thread.records.append(compaction(through=36))
    await contexts.load("main", 41)
    assert len(thread.reads) == reads + 1


@settings(deadline=None)
@given(st.integers(0, 600), st.integers(0, 600), st.integers(0, 300))
async def test_wherever_the_compaction_lies_nothing_that_is_shown_is_missing(
    before: int, behind: int, told: int
) -> None:
    records = [*turns(before), compaction(through=min(4 * before, 4 * told)), *turns(behind)]
    context = await ContextManager(Thread(records).read).load("main", len(records))
    assert context.first == context.through == min(4 * before, 4 * told)
    assert context.records == records[context.first :]
