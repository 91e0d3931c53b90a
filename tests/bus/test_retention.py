"""How much of a thread is kept: old records go, the others keep their indexes; long results lie beside."""

from collections.abc import Mapping

import pytest

from horos_bus.message_service import MessageService
from horos_bus.records import Ending, LostError, Stretch, Turn
from tests.bus.stage import Stage, kept, length, record, sending, tool_result, turn_of, user

MEBIBYTE = 1024 * 1024


async def turn_in(stage: Stage, runtime: MessageService, mid: str, thread: str = "main") -> Turn:
    """Send a message and take it."""
    await stage.say(mid, thread=thread)
    return turn_of(await runtime.all_unread())


def records_of(turn: Turn) -> list[bytes]:
    """The two records of a turn with one input."""
    return [user(turn.inputs[0]), record("assistant", f"after {turn.inputs[0].mid}")]


async def close(runtime: MessageService, turn: Turn, keep_from: int | None = None) -> None:
    """Commit a turn, with its two records."""
    written = len(turn.journal)
    entries = records_of(turn)[written:]
    await runtime.commit(turn.id, turn.base + written, entries, Ending(text="x"), keep_from=keep_from)


async def talked(stage: Stage, turns: int = 3) -> MessageService:
    """Let ada have a thread of so many turns, of two records each."""
    runtime = await stage.resident()
    for number in range(turns):
        await close(runtime, await turn_in(stage, runtime, f"m{number}"))
    return runtime


async def test_records_before_an_index_go_and_the_others_keep_theirs(stage: Stage) -> None:
    runtime = await talked(stage)
    everything = await kept(runtime)
    turn = await turn_in(stage, runtime, "last")
    await close(runtime, turn, keep_from=3)
    everything += records_of(turn)
    assert await stage.bus.command("LLEN", stage.bus.keys.context("ada", "main")) == 5
    assert await length(runtime) == 8
    assert await kept(runtime) == everything[3:]
    assert await kept(runtime, "main", 1) == everything[3:]
    assert await kept(runtime, "main", 5) == everything[5:]
    assert list((await stage.control.stretch("ada", "main", 7)).records) == everything[7:]
    assert await runtime.stretch("main") == await runtime.stretch("main", 2)
    assert await runtime.stretch("main") == Stretch(3, tuple(everything[3:]))
    assert await stage.control.stretch("ada", "main", 6) == Stretch(6, tuple(everything[6:]))
    assert await runtime.stretch("main", 8) == await runtime.stretch("main", 99) == Stretch(8, ())


async def test_a_turn_of_a_trimmed_thread_is_written_and_read_by_absolute_indexes(stage: Stage) -> None:
    await stage.agent("bob")
    runtime = await talked(stage)
    await close(runtime, await turn_in(stage, runtime, "m3"), keep_from=5)
    turn = await turn_in(stage, runtime, "m4")
    assert (turn.base, turn.journal) == (8, ())
    for wrong in (3, 7, 9):
        with pytest.raises(LostError):
            await runtime.append(turn.id, wrong, [record("assistant", "")])
    step = [user(turn.inputs[0]), record("assistant", "", tool_calls=[])]
    appended = await runtime.append(turn.id, 8, step, [sending("bob")])
    assert appended.stored == (*step, tool_result("call-1", "OK"))
    assert (await runtime.append(turn.id, 8, step, [sending("bob")])).outcome == "DUP"
    assert (await runtime.append(turn.id, 9, step[1:], [sending("bob")])).stored == appended.stored[1:]
    told = [event["messageId"] for event in await stage.events() if event["type"] == "TOOL_CALL_RESULT"]
    assert told == [f"{turn.id}/10"]
    heir = stage.runtime()
    await heir.claim(None)
    again = turn_of(await heir.all_unread())
    assert (again.base, again.journal) == (8, appended.stored)
    for wrong in (3, 6, 10, 12):
        with pytest.raises(LostError):
            await heir.commit(turn.id, wrong, [], Ending())
    await heir.commit(turn.id, 11, [record("assistant", "done")], Ending(text="done"), keep_from=6)
    assert await length(heir) == 12
    assert (await heir.stretch("main")).start == 6
    view = await stage.control.view("ada")
    assert view is not None
    assert (view.turn, view.usage.turns) == ("", 5)


async def test_nothing_of_the_turn_that_closes_is_dropped(stage: Stage) -> None:
    runtime = await talked(stage, turns=1)
    turn = await turn_in(stage, runtime, "last")
    await runtime.append(turn.id, 2, records_of(turn)[:1])
    await runtime.commit(turn.id, 3, records_of(turn)[1:], Ending(text="x"), keep_from=99)
    assert await runtime.stretch("main") == Stretch(2, tuple(records_of(turn)))


async def test_what_was_dropped_does_not_come_back(stage: Stage) -> None:
    runtime = await talked(stage)
    await close(runtime, await turn_in(stage, runtime, "m3"), keep_from=4)
    before = await runtime.stretch("main")
    for keep_from in (0, 3, 4, None):
        turn = await turn_in(stage, runtime, f"again-{keep_from}")
        await close(runtime, turn, keep_from=keep_from)
        kept = await runtime.stretch("main")
        assert (kept.start, kept.records[: len(before.records)]) == (4, before.records)


async def test_a_thread_of_which_nothing_is_left_goes_on_at_its_index(stage: Stage) -> None:
    runtime = await talked(stage, turns=1)
    turn = await turn_in(stage, runtime, "m2")
    await stage.control.cancel("ada", turn.id)
    await stage.bus.command("HSET", stage.bus.keys.state("ada"), "untold", "")  # a turn without any record
    await runtime.commit(turn.id, 2, [], Ending(error="cancelled"), keep_from=2)
    assert await runtime.stretch("main") == Stretch(2, ())
    following = await turn_in(stage, runtime, "m3")
    assert following.base == 2
    await close(runtime, following)
    assert await runtime.stretch("main") == Stretch(2, tuple(records_of(following)))


async def test_other_threads_are_left_alone(stage: Stage) -> None:
    runtime = await talked(stage)
    await close(runtime, await turn_in(stage, runtime, "o1", "other"))
    await close(runtime, await turn_in(stage, runtime, "o2", "other"), keep_from=1)
    assert ((await runtime.stretch("main")).start, await length(runtime)) == (0, 6)
    assert ((await runtime.stretch("other")).start, await length(runtime, "other")) == (1, 4)


async def test_a_summary_is_a_record_like_any_other(stage: Stage) -> None:
    runtime = await talked(stage)
    turn = await turn_in(stage, runtime, "m3")
    summary = record(
        "compaction", 'they said "mid":"m3" and {"role":"tool"}', through=4, tool_call_id="call-1"
    )
    appended = await runtime.append(turn.id, 6, [summary])
    assert [message.mid for message in appended.joined] == ["m3"]
    assert appended.stored == (summary,)
    assert not [event for event in await stage.events() if event["type"] == "TOOL_CALL_RESULT"]
    await runtime.commit(turn.id, 7, records_of(turn), Ending(text="x"), keep_from=4)
    assert (await runtime.stretch("main")).records[2:] == (summary, *records_of(turn))


# Long results.


async def offload(stage: Stage, results: Mapping[str, bytes], thread: str = "main") -> MessageService:
    """Let ada append one step with these long results and stay in the turn."""
    runtime = await stage.resident()
    turn = await turn_in(stage, runtime, "m1", thread)
    await runtime.append(turn.id, 0, records_of(turn), offloaded=results)
    return runtime


async def test_a_long_result_is_read_by_the_index_of_its_record(stage: Stage) -> None:
    runtime = await offload(stage, {"2": b"long \xff\r\n", "3": b"longer"})
    assert await runtime.offloaded("main", "2") == b"long \xff\r\n"
    assert await stage.control.offloaded("ada", "main", "3") == b"longer"
    assert await runtime.offloaded("main", "4") is None
    assert await runtime.offloaded("other", "2") is None
    assert await stage.control.offloaded("bob", "main", "2") is None


async def test_results_and_effects_go_with_one_step(stage: Stage) -> None:
    await stage.agent("bob")
    runtime = await stage.resident()
    turn = await turn_in(stage, runtime, "m1")
    for outcome in ("OK", "DUP"):
        appended = await runtime.append(
            turn.id, 0, records_of(turn), [sending("bob", "one"), sending("nobody")], offloaded={"1": b"long"}
        )
        assert appended.outcome == outcome
        assert appended.stored[2:] == (tool_result("call-1", "OK"), tool_result("call-1", "NOAGENT"))
    assert await stage.waiting("bob") == 1
    assert await runtime.offloaded("main", "1") == b"long"


@pytest.mark.parametrize("ref", ["", "x", "-1", "1.5", "1 2", "١", "007", "9" * 20])
async def test_a_name_that_is_no_index_is_refused(stage: Stage, ref: str) -> None:
    runtime = await stage.resident()
    turn = await turn_in(stage, runtime, "m1")
    with pytest.raises(ValueError, match=r"offloaded: name .*expected the absolute index"):
        await runtime.append(turn.id, 0, records_of(turn), offloaded={ref: b"text"})
    assert await length(runtime) == 0


async def test_the_oldest_results_go_when_a_thread_has_too_many_bytes(stage: Stage) -> None:
    runtime = await offload(stage, {"9": bytes(6 * MEBIBYTE), "10": bytes(6 * MEBIBYTE), "8": b"small"})
    turn = turn_of(await runtime.all_unread())
    await runtime.append(turn.id, 2, [record("assistant", "")], offloaded={"11": bytes(4 * MEBIBYTE)})
    kept = [ref for ref in ("8", "9", "10", "11") if await runtime.offloaded("main", ref) is not None]
    assert kept == ["9", "10", "11"], "16 MiB exactly"
    await runtime.append(turn.id, 3, [record("assistant", "")], offloaded={"12": b"x"})
    kept = [ref for ref in ("9", "10", "11", "12") if await runtime.offloaded("main", ref) is not None]
    assert kept == ["10", "11", "12"]


async def test_results_go_with_their_records(stage: Stage) -> None:
    runtime = await offload(stage, {"0": b"zero", "1": b"one"})
    turn = turn_of(await runtime.all_unread())
    await runtime.commit(turn.id, 2, [record("assistant", "")], Ending(text="x"))
    turn = await turn_in(stage, runtime, "m2")
    await runtime.append(turn.id, 3, records_of(turn), offloaded={"10": b"ten"})
    await runtime.commit(turn.id, 5, [record("assistant", "")], Ending(text="x"), keep_from=1)
    found = [await runtime.offloaded("main", ref) for ref in ("0", "1", "10")]
    assert found == [None, b"one", b"ten"]


async def test_results_stay_with_a_terminated_agent_and_go_with_a_deleted_one(stage: Stage) -> None:
    await offload(stage, {"1": b"one"}, thread="trip")
    await stage.control.terminate("ada", "uid-ada")
    assert await stage.control.offloaded("ada", "trip", "1") == b"one"
    await stage.control.delete("ada", "uid-ada")
    assert [name.rpartition("}:")[2] for name in await stage.key_names()] == ["r:m1"]
