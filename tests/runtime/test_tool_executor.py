"""Tools run: whatever they do, whoever called reads one text that says what happened."""

import asyncio
import contextlib
import math
import threading
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from typing import Any, Literal, NoReturn

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from horos_api.events import Event
from horos_runtime.foreign_code import FOREIGN_THREADS, ForeignThreads, ThreadsUsedUpError, told
from horos_runtime.pace import Backoff
from horos_runtime.tool_context import ProgressReports, ToolContext
from horos_runtime.tool_executor import OutsideCall, ToolExecutor
from horos_runtime.tool_registry import Tool, ToolRegistry, tool
from horos_runtime.tool_results import HEAD_BYTES, KEPT_BYTES, RESULT_BYTES, TAIL_BYTES, fitted

AT_ONCE = Backoff(0.0, 0.0)


class Place(BaseModel):
    city: str
    country: str = "CH"


async def run(made: Tool, **arguments: object) -> str:
    return await ToolExecutor(ToolRegistry(made), AT_ONCE).call(made.name, arguments)


async def run_within(made: Tool, seconds: float) -> str:
    executor = ToolExecutor(ToolRegistry(made), AT_ONCE)
    checked = executor.check(
        {"id": "c1", "type": "function", "function": {"name": made.name, "arguments": ""}}
    )
    assert isinstance(checked, OutsideCall)
    return await executor.run(checked, ToolContext("ada", "main", "1-0", "ada/1-0/1.0"), seconds)


async def until(condition: Callable[[], bool], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, f"not within {seconds} s"
        await asyncio.sleep(0.001)


@contextlib.contextmanager
def hanging() -> Iterator[tuple[Callable[[], bool], threading.Event]]:
    """A plain function that hangs until the block ends; and what tells that it runs."""
    release, begun = threading.Event(), threading.Event()

    def hang() -> bool:
        begun.set()
        return release.wait(30)

    try:
        yield hang, begun
    finally:
        release.set()


async def test_a_plain_function_does_not_block_the_loop() -> None:
    released = threading.Event()

    @tool
    def wait() -> bool:
        return released.wait(5)

    async def release() -> None:
        released.set()

    result, _ = await asyncio.gather(run(wait), release())
    assert result == "true"


async def test_a_plain_function_that_hands_back_a_coroutine_is_awaited() -> None:
    async def later() -> str:
        return "later"

    @tool
    def wrapped() -> object:
        return later()

    assert await run(wrapped) == "later"


async def test_a_tool_that_hangs_is_stopped_by_its_timeout_or_the_turns() -> None:
    ended = asyncio.Event()

    @tool(timeout_seconds=0.05)
    async def hang() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    unsure = "It may have taken effect: check before you call it again"
    assert await run(hang) == f"error: hang did not finish within 0.05 s and was stopped. {unsure}"
    assert ended.is_set()
    assert await run_within(hang, 0.0) == "error: hang was not called: the time of the turn is over"
    assert await run_within(hang, 0.01) == (
        f"error: hang did not finish within the 0.01 s that were left of the turn and was stopped. {unsure}"
    )


async def test_a_plain_function_that_hangs_is_left_to_itself_and_the_model_is_told() -> None:
    with hanging() as (hang, _):
        before = FOREIGN_THREADS.running
        assert await run(tool(name="dig", timeout_seconds=0.05)(hang)) == (
            "error: dig did not finish within 0.05 s and cannot be stopped: it may still run. "
            "It may have taken effect: check before you call it again"
        )
        assert FOREIGN_THREADS.running == before + 1
    await until(lambda: FOREIGN_THREADS.running == before)


async def test_an_async_tool_that_ignores_its_end_is_left_to_itself(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("horos_runtime.tool_executor.STOP_SECONDS", 0.05)
    release = asyncio.Event()

    @tool(timeout_seconds=0.01, idempotent=True)
    async def stubborn() -> None:
        while not release.is_set():
            with contextlib.suppress(asyncio.CancelledError):
                await release.wait()

    assert await run(stubborn) == (
        "error: stubborn did not finish within 0.01 s and cannot be stopped: it may still run (tried 3 times)"
    )
    release.set()
    await until(lambda: not [task for task in asyncio.all_tasks() if task.get_name() == "tool stubborn"])


async def test_a_thread_that_could_not_be_started_takes_no_place(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    threads = ForeignThreads(limit=1)
    with monkeypatch.context() as full:
        full.setattr(threading.Thread, "start", refuse)
        with pytest.raises(RuntimeError, match="can't start"):
            await threads.run(lambda: "done")
    assert await threads.run(lambda: "done") == "done"


async def test_no_more_threads_are_given_up_than_the_limit() -> None:
    threads = ForeignThreads(limit=2)
    with hanging() as (hang, _):
        for _number in range(2):
            with pytest.raises(TimeoutError):
                await asyncio.wait_for(threads.run(hang), 0.01)
        with pytest.raises(ThreadsUsedUpError) as refused:
            await threads.run(hang)
        assert str(refused.value) == (
            "2 threads still run functions whose time was over, and a thread cannot be stopped; "
            "plain functions run again when some have ended, or in a new process"
        )
    await until(lambda: threads.running == 0)
    assert await threads.run(lambda: "again") == "again"


async def test_a_cancelled_call_cancels_its_tool_and_leaves_no_task() -> None:
    ended = asyncio.Event()
    begun = asyncio.Event()

    @tool
    async def dig() -> None:
        begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    call = asyncio.create_task(run(dig))
    await begun.wait()
    call.cancel()
    with pytest.raises(asyncio.CancelledError):
        await call
    assert ended.is_set()
    assert asyncio.all_tasks() == {asyncio.current_task()}


def flaky(*errors: BaseException, idempotent: bool = True) -> tuple[Tool, list[int]]:
    """A tool that raises these errors one after the other, then answers; and the attempts it was given."""
    attempts: list[int] = []

    @tool(idempotent=idempotent)
    async def look_up(context: ToolContext) -> str:
        attempts.append(context.attempt)
        if len(attempts) <= len(errors):
            raise errors[len(attempts) - 1]
        return "found"

    return look_up, attempts


async def test_an_idempotent_tool_is_tried_again_and_the_result_says_so() -> None:
    look_up, attempts = flaky(ConnectionError("reset"), TimeoutError())
    assert await run(look_up) == "found\n[try 3 succeeded; the one before failed: TimeoutError]"
    assert attempts == [1, 2, 3]


async def test_after_three_tries_the_last_error_is_told() -> None:
    look_up, attempts = flaky(*[ConnectionError(f"reset {number}") for number in range(9)])
    assert await run(look_up) == "error: look_up failed: ConnectionError: reset 2 (tried 3 times)"
    assert attempts == [1, 2, 3]


@pytest.mark.parametrize("error", [KeyError("who"), ValueError("no number"), TypeError("x"), SystemExit(1)])
async def test_an_error_that_would_come_again_is_told_at_once(error: BaseException) -> None:
    look_up, attempts = flaky(error)
    assert await run(look_up) == f"error: look_up failed: {told(error)}"
    assert attempts == [1]


async def test_a_tool_that_is_not_idempotent_is_tried_once() -> None:
    look_up, attempts = flaky(ConnectionError("reset"), idempotent=False)
    assert await run(look_up) == "error: look_up failed: ConnectionError: reset"
    assert attempts == [1]


async def test_a_timeout_is_for_each_try() -> None:
    tries: list[float] = []

    @tool(idempotent=True, timeout_seconds=0.05)
    async def look_up(context: ToolContext) -> str:
        tries.append(context.seconds_left)
        if len(tries) == 1:
            await asyncio.Event().wait()
        return "found"

    assert await run(look_up) == (
        "found\n[try 2 succeeded; the one before did not finish within 0.05 s and was stopped]"
    )
    assert all(0.02 < left <= 0.05 for left in tries)


async def test_the_turns_end_leaves_no_time_for_another_try() -> None:
    look_up, attempts = flaky(ConnectionError("reset"), ConnectionError("reset"))
    executor = ToolExecutor(ToolRegistry(look_up), Backoff(60, 60, jitter=False))
    checked = executor.check(
        {"id": "c1", "type": "function", "function": {"name": "look_up", "arguments": ""}}
    )
    assert isinstance(checked, OutsideCall)
    context = ToolContext("ada", "main", "1-0", "ada/1-0/1.0", attempt=2)
    assert await executor.run(checked, context, 30) == "error: look_up failed: ConnectionError: reset"
    assert attempts == [2]


async def test_a_try_that_was_cancelled_from_inside_is_a_failure() -> None:
    @tool
    async def give_up() -> None:
        raise asyncio.CancelledError

    assert await run(give_up) == "error: give_up failed: CancelledError"


class SilentError(Exception):
    def __str__(self) -> NoReturn:
        raise KeyboardInterrupt


class Unwritable:
    def __str__(self) -> NoReturn:
        raise RuntimeError("no words")


def test_an_error_without_words_is_told_by_its_name() -> None:
    assert told(SilentError()) == "SilentError: (its text cannot be read)"
    assert told(RuntimeError()) == "RuntimeError"


circle: list[object] = []
circle.append(circle)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        ("half \ud83d", "half ?"),
        (None, "done"),
        ({"a": [1, True]}, '{"a":[1,true]}'),
        (Place(city="Chur"), '{"city":"Chur","country":"CH"}'),
        ([Place(city="Chur")], '[{"city":"Chur","country":"CH"}]'),
        (Literal, "typing.Literal"),
        (2**70, str(2**70)),
        (math.nan, "nan"),
        (math.inf, "inf"),
        (b"bytes", "bytes"),
        (b"\xff\xfe", "[2 bytes that are no text]"),
        ({"b": b"\xff", "s": {"y", "x"}}, '{"b":"[1 bytes that are no text]","s":["x","y"]}'),
        (datetime(2026, 11, 25, tzinfo=UTC), "2026-11-25T00:00:00+00:00"),
        (circle, "[[...]]"),
        ({1: "one"}, '{"1":"one"}'),
    ],
)
async def test_results_of_all_kinds_become_text(value: object, text: str) -> None:
    async def give() -> object:
        return value

    assert (await run(tool(give))).strip('"') == text


async def test_a_result_that_cannot_be_written_down_is_an_error() -> None:
    @tool
    def give() -> object:
        return Unwritable()

    assert (await run(give)).startswith("error: give failed: ")


async def test_a_tool_cannot_be_called_alone_that_needs_a_turn_or_does_not_exist() -> None:
    from horos_runtime.builtin_tools import SEND

    executor = ToolExecutor(ToolRegistry(SEND))
    assert await executor.call("send", {"to": "bob", "text": "hi"}) == (
        "error: send acts on the bus: it can only be called in a turn"
    )
    assert (await executor.call("nothing", {})).startswith("error: there is no tool named 'nothing'")


def raises(error: BaseException) -> Callable[[], object]:
    def act() -> object:
        raise error

    return act


class NoWords(str):
    def encode(self, *_: Any, **__: Any) -> NoReturn:
        raise RuntimeError("not encoded")

    def __str__(self) -> str:
        raise RuntimeError("not written")


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.binary(),
    lambda inner: (
        st.lists(inner) | st.dictionaries(st.text() | st.integers(), inner) | st.frozensets(st.text())
    ),
    max_leaves=10,
)
ERRORS = st.sampled_from(
    [
        Exception,
        KeyboardInterrupt,
        SystemExit,
        GeneratorExit,
        StopIteration,
        StopAsyncIteration,
        asyncio.CancelledError,
        MemoryError,
        RecursionError,
        SilentError,
        TimeoutError,
        OSError,
        BaseException,
    ]
).flatmap(lambda kind: st.text().map(kind))
GROUPS = ERRORS.map(lambda error: BaseExceptionGroup("several", [error]))
ACTS = st.one_of(
    JSON.map(lambda value: lambda: value),
    (ERRORS | GROUPS).map(raises),
    st.sampled_from([Unwritable(), NoWords("x"), circle, object(), len, Place, iter([])]).map(
        lambda value: lambda: value
    ),
)  # fmt: skip


@given(act=ACTS, plain=st.booleans(), idempotent=st.booleans())
@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_whatever_a_tool_does_there_is_one_text(
    act: Callable[[], object], plain: bool, idempotent: bool
) -> None:
    async def later() -> object:
        return act()

    made = tool(name="act", idempotent=idempotent)(act if plain else later)

    async def once() -> str:
        text = await run(made)
        assert asyncio.all_tasks() == {asyncio.current_task()}
        return text

    text = asyncio.run(once())
    assert type(text) is str
    assert text.encode()[: 2 * RESULT_BYTES] is not None


def test_a_result_that_fits_is_shown_as_it_is() -> None:
    shown = fitted("ä" * (RESULT_BYTES // 2), "7")
    assert (shown.text, shown.whole) == ("ä" * (RESULT_BYTES // 2), b"")


def test_a_large_result_is_shown_by_its_ends_and_kept_whole() -> None:
    text = "".join(f"line {number}\n" for number in range(10_000))
    shown = fitted(text, "7")
    head, note, tail = text[:HEAD_BYTES], shown.text[HEAD_BYTES + 1 : -TAIL_BYTES - 1], text[-TAIL_BYTES:]
    assert shown.text == f"{head}\n{note}\n{tail}"
    assert note == (
        f"[{len(text) - HEAD_BYTES - TAIL_BYTES} characters are left out here, of {len(text)} in all. "
        f'read_result with ref "7" reads on: with offset {HEAD_BYTES} from here, with search for a text]'
    )
    assert shown.whole == text.encode()


def test_what_is_longer_than_what_is_kept_is_cut_and_says_so() -> None:
    shown = fitted("x" * (KEPT_BYTES + 5), "7")
    assert shown.text.endswith("[the result was longer than what is kept: its last 5 characters are lost]")
    assert len(shown.whole) == KEPT_BYTES


@given(st.text(min_size=1, max_size=9), st.integers(1, KEPT_BYTES))
@settings(max_examples=50, deadline=None)
def test_any_result_fits_when_it_is_shown(unit: str, length: int) -> None:
    text = (unit.encode(errors="replace").decode() * length)[:length]
    shown = fitted(text, "7")
    assert len(shown.text.encode()) <= RESULT_BYTES
    assert len(shown.whole) <= KEPT_BYTES
    assert bool(shown.whole) == (len(text.encode()) > RESULT_BYTES)


async def reported(*reports: Callable[[ToolContext], object]) -> list[Event]:
    """What watchers see of these reports, made one after the other as fast as possible."""
    events: list[Event] = []
    progress = ProgressReports(events.append)
    context = ToolContext("ada", "main", "1-0", "key", call_id="c1", tool="dig", reports=progress)
    for report in reports:
        report(context)
    await asyncio.sleep(0)
    await until(lambda: progress._timer is None)
    progress.end()
    return [event["value"] for event in events]


async def test_the_first_and_the_last_of_many_reports_are_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("horos_runtime.tool_context.PROGRESS_SECONDS", 0.01)
    about = {"toolCallId": "c1", "toolCallName": "dig"}
    steps = [lambda context, n=n: context.progress(f"step {n}", fraction=n / 1000) for n in range(1000)]
    assert await reported(*steps) == [
        {**about, "text": "step 0", "fraction": 0.0},
        {**about, "text": "step 999", "fraction": 0.999},
    ]


async def test_reports_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("horos_runtime.tool_context.PROGRESS_SECONDS", 0.01)
    (first,) = await reported(lambda context: context.progress("x" * 10_000, fraction=7))
    assert (len(first["text"]), first["fraction"]) == (500, 1.0)
    (second,) = await reported(lambda context: context.progress("half \ud83d", fraction=math.nan))
    assert (second["text"], "fraction" in second) == ("half ?", False)


async def test_nothing_is_told_of_a_call_that_is_over() -> None:
    events: list[Event] = []
    progress = ProgressReports(events.append)
    context = ToolContext("ada", "main", "1-0", "key", reports=progress)
    await context.progress("first")
    progress.end()
    await context.progress("late")
    await asyncio.sleep(0)
    assert events == []


async def test_a_context_by_itself_can_be_used_in_a_test_of_a_tool() -> None:
    context = ToolContext("ada", "main", "1-0", "key", deadline=time.monotonic() + 5)
    await context.progress("nobody hears it")
    assert 4 < context.seconds_left <= 5
    assert ToolContext("ada", "main", "1-0", "key").seconds_left == math.inf
