"""The tool calls of one assistant step: checked, stored ahead, run, each with its one result."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Coroutine, Sequence
from dataclasses import dataclass, field
from typing import Final

from pydantic import BaseModel

from horos_api.events import Event, tool_call_args, tool_call_end, tool_call_start
from horos_bus.records import Effect
from horos_runtime.approvals import approval_effect, still_waits, waiting_for
from horos_runtime.desk import Desk
from horos_runtime.records import OUTCOME_UNKNOWN, Record, ToolCall
from horos_runtime.repetition import noted, refusal, streak_of
from horos_runtime.token_estimates import ChatMessage
from horos_runtime.tool_context import ProgressReports, ToolContext
from horos_runtime.tool_executor import BusCall, OutsideCall, Rejected, ToolExecutor
from horos_runtime.tool_registry import EffectCall
from horos_runtime.tool_results import fitted
from horos_runtime.toolbox import RoundTools
from horos_runtime.tools import Approval, Tool
from horos_runtime.turn_log import TurnLog

AT_ONCE: Final = 8
"""How many calls of a step run at the same time."""
TOOL_SECONDS: Final = 10.0
"""How long an approved call waits for its tool: the server may still be connecting."""
TOOL_LOOK_SECONDS: Final = 0.1


@dataclass(frozen=True)
class _Call:
    """A checked call of a tool that acts outside; `again` says that a predecessor may have begun it."""

    call: ToolCall
    checked: OutsideCall
    again: bool = False


@dataclass
class _Sorted:
    """The calls of a step by what they need."""

    results: list[Record] = field(default_factory=list)
    effects: list[Effect] = field(default_factory=list)
    outside: list[_Call] = field(default_factory=list)
    approved: bool = False
    """People have been asked about these calls already."""


class CallRound:
    """Carries out the calls of the steps of one turn until `deadline`, a time of the event loop's clock."""

    def __init__(self, desk: Desk, log: TurnLog, tools: RoundTools, deadline: float) -> None:
        self._desk = desk
        self._log = log
        self._tools = tools
        self._executor = ToolExecutor(tools())
        self._deadline = deadline

    def offered(self) -> list[ChatMessage]:
        """Describe the tools of this moment to the model: those that its next step may call."""
        self._executor = ToolExecutor(self._tools())
        return self._executor.registry.schemas()

    async def carry_out(self, step: Record) -> None:
        """Store the step, with what its bus tools do, before any outside tool runs."""
        own = self._log.journal.own
        asked = _Sorted(approved=step.get("approved", False))
        for call in step.get("tool_calls", []):
            told = "" if asked.approved else refusal(streak_of(own, call), call["function"]["name"])
            self._sort(call, Rejected(told) if told else self._executor.check(call), asked)
        groups = _at_once(asked.outside)
        together = [[each.call["id"] for each in group] for group in groups if len(group) > 1]
        # Written down before they run: whoever finds them without results knows which may have begun.
        stored: Record = {**step, "together": together} if together else step
        await self._log.append([*self._log.journal.unsaved, stored, *asked.results], asked.effects)
        for group in groups:
            await self._run(group)

    async def carry_out_approved(self) -> None:
        """Make the calls that people have approved, in a step of ours that stands behind their decisions."""
        calls = self._log.journal.approved
        if not calls:
            return
        await self._tools_of(calls)
        message_id = self._log.journal.next_message_id
        shown = [event for call in calls for event in _shown(call, message_id)]
        self._desk.publisher.publish(self._log.turn.id, shown)
        await self._desk.publisher.flush()
        await self.carry_out(self._log.approved_step(calls))

    async def repair(self) -> None:
        """PROTOCOL.md section 4: give each call that was interrupted its one result."""
        last = self._log.journal.last_step()
        missing = self._log.journal.missing()
        if last is None or not missing:
            return
        together = last[1].get("together", [])
        begun = next((set(group) for group in together if missing[0]["id"] in group), {missing[0]["id"]})
        asked = _Sorted(approved=last[1].get("approved", False))
        if asked.approved:
            await self._tools_of(missing)
        for call in missing:
            checked = self._executor.check(call)
            if call["id"] in begun and not _may_run_again(checked):
                asked.results.append(self._log.result(call, OUTCOME_UNKNOWN))
            else:
                self._sort(call, checked, asked, again=call["id"] in begun)
        if asked.results or asked.effects:
            await self._log.append(asked.results, asked.effects)
        for group in _at_once(asked.outside):
            await self._run(group)

    async def _tools_of(self, calls: Sequence[ToolCall]) -> None:
        """Wait for tools that are not there: an approved call must not fail because of a slow server."""
        names = {call["function"]["name"] for call in calls}
        end = asyncio.get_running_loop().time() + min(TOOL_SECONDS, self._left())
        self._desk.pulse.beat(TOOL_SECONDS)
        self.offered()
        while names - set(self._executor.registry.names()) and asyncio.get_running_loop().time() < end:
            await asyncio.sleep(TOOL_LOOK_SECONDS)
            self.offered()

    def _sort(
        self,
        call: ToolCall,
        checked: BusCall | OutsideCall | Rejected,
        asked: _Sorted,
        *,
        again: bool = False,
    ) -> None:
        match checked:
            case Rejected(text):
                asked.results.append(self._log.result(call, text))
            case BusCall(tool, arguments):
                asked.effects.append(tool.effect(self._effect_call(call, arguments, len(asked.effects))))
            case OutsideCall(Tool(approval=Approval() as approval)) if not asked.approved:
                self._ask(call, approval, asked)
            case OutsideCall():
                asked.outside.append(_Call(call, checked, again))

    def _ask(self, call: ToolCall, approval: Approval, asked: _Sorted) -> None:
        journal = self._log.journal
        if waits := waiting_for([*journal.context.records, *journal.unsaved], call):
            text = still_waits(call["function"]["name"], waits)
            asked.results.append(self._log.result(call, text))
        else:
            mid = self._mid(len(asked.effects))
            asked.effects.append(approval_effect(call, approval, mid, self._log.result(call, "")))

    async def _run(self, group: Sequence[_Call]) -> None:
        """Run calls at once; each result is stored as soon as it is there."""
        places = asyncio.Semaphore(AT_ONCE)
        async with _tasks([self._outcome(each, places) for each in group]) as tasks:
            running = dict(zip(tasks, group, strict=True))
            while running:
                longest = max(each.checked.longest_seconds for each in running.values())
                self._desk.pulse.beat(min(self._left(), longest * (1 + len(running) // AT_ONCE)))
                done, _ = await asyncio.wait(running, return_when=asyncio.FIRST_COMPLETED)
                finished = [(each, task.result()) for task, each in running.items() if task in done]
                for task in done:
                    del running[task]
                await self._store(finished)

    async def _outcome(self, each: _Call, places: asyncio.Semaphore) -> str:
        async with places:
            turn = self._log.turn
            reports = ProgressReports(lambda event: self._desk.publisher.publish(turn.id, [event]))
            context = ToolContext(
                agent=self._desk.agent,
                thread=turn.thread,
                turn=turn.id,
                idempotency_key=self._key(each.call),
                attempt=2 if each.again else 1,
                call_id=each.call["id"],
                tool=each.checked.tool.name,
                reports=reports,
            )
            try:
                return await self._executor.run(each.checked, context, self._left())
            finally:
                reports.end()

    async def _store(self, finished: Sequence[tuple[_Call, str]]) -> None:
        records: list[Record] = []
        offloaded: dict[str, bytes] = {}
        for number, (each, text) in enumerate(finished):
            ref = str(self._log.journal.length + number)  # the absolute index of the result's record
            shown = fitted(text, ref)
            streak = streak_of(self._log.journal.own, each.call)
            record = self._log.result(each.call, noted(streak, shown.text))
            if shown.whole:
                record["ref"] = ref
                offloaded[ref] = shown.whole
            records.append(record)
        await self._log.append(records, offloaded=offloaded)

    def _key(self, call: ToolCall) -> str:
        """What no other call has: index of the step and number of the call in it, or the approval's id."""
        last = self._log.journal.last_step()
        assert last is not None
        index, step = last
        if step.get("approved"):
            # With a mark, since approvals are numbered as effects are, and other calls by their places.
            return f"{call['id']}!approved"
        place = [each["id"] for each in step.get("tool_calls", [])].index(call["id"])
        return f"{self._desk.agent}/{self._log.turn.id}/{index}.{place}"

    def _left(self) -> float:
        return max(0.0, self._deadline - asyncio.get_running_loop().time())

    def _effect_call(self, call: ToolCall, arguments: BaseModel, number: int) -> EffectCall:
        turn = self._log.turn
        return EffectCall(arguments, call["id"], turn.thread, turn.id, self._desk.token, self._mid(number))

    def _mid(self, number: int) -> str:
        """As `append` makes it: from the place in the journal and the number of the effect in the step."""
        return f"{self._desk.agent}/{self._log.turn.id}/{self._log.journal.length}.{number}"


def _shown(call: ToolCall, message_id: str) -> tuple[Event, ...]:
    """What watchers see of a call that no model streams."""
    name, arguments = call["function"]["name"], call["function"]["arguments"]
    return (
        tool_call_start(call["id"], name, message_id),
        tool_call_args(call["id"], arguments),
        tool_call_end(call["id"]),
    )


def _may_run_again(checked: BusCall | OutsideCall | Rejected) -> bool:
    # A bus tool's result is written with its effect: without the one the other has not happened.
    return isinstance(checked, BusCall) or (isinstance(checked, OutsideCall) and checked.tool.idempotent)


def _at_once(calls: Sequence[_Call]) -> list[list[_Call]]:
    """Put neighbours together that may run beside each other; all others run alone."""
    groups: list[list[_Call]] = []
    for each in calls:
        if groups and each.checked.tool.parallel and groups[-1][-1].checked.tool.parallel:
            groups[-1].append(each)
        else:
            groups.append([each])
    return groups


@contextlib.asynccontextmanager
async def _tasks(
    coroutines: Sequence[Coroutine[None, None, str]],
) -> AsyncIterator[list["asyncio.Task[str]"]]:
    """Run beside the block, and end with it whatever ends it.

    Not a task group, which would wrap the errors of the block.
    """
    tasks = [asyncio.create_task(each) for each in coroutines]
    try:
        yield tasks
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.wait(tasks)
