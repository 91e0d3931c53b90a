"""The tool calls of one assistant step: checked, stored ahead, run, each with its one result."""

import asyncio

from pydantic import BaseModel

from horos_bus.records import Effect
from horos_runtime.desk import Desk
from horos_runtime.records import OUTCOME_UNKNOWN, Record, ToolCall
from horos_runtime.tool_executor import BusCall, OutsideCall, Rejected, ToolExecutor
from horos_runtime.tool_registry import EffectCall, ToolRegistry
from horos_runtime.turn_log import TurnLog


class CallRound:
    """Carries out the calls of the steps of one turn until `deadline`, a time of the event loop's clock."""

    def __init__(self, desk: Desk, log: TurnLog, tools: ToolRegistry, deadline: float) -> None:
        self._desk = desk
        self._log = log
        self._executor = ToolExecutor(tools)
        self._deadline = deadline

    async def carry_out(self, step: Record) -> None:
        """Store the step, with what its bus tools do, before any outside tool runs."""
        await self._run_calls(step.get("tool_calls", []), [*self._log.journal.unsaved, step])

    async def repair(self) -> None:
        """PROTOCOL.md section 4: give each call that was interrupted its one result."""
        if missing := self._log.journal.missing():
            await self._run_calls(missing, [], interrupted=True)

    async def _run_calls(
        self, calls: list[ToolCall], entries: list[Record], *, interrupted: bool = False
    ) -> None:
        effects: list[Effect] = []
        outside: list[tuple[ToolCall, OutsideCall]] = []
        for call in calls:
            match self._executor.check(call):
                case Rejected(text):
                    entries.append(self._log.result(call, text))
                case BusCall(tool, arguments):
                    effects.append(tool.effect(self._effect_call(call, arguments, len(effects))))
                case OutsideCall() as checked:
                    outside.append((call, checked))
        if entries or effects:
            await self._log.append(entries, effects)
        for call, checked in outside:
            # Tools run one after the other: only the first without a result can have been started.
            unknown = interrupted and not checked.tool.idempotent
            interrupted = False
            text = OUTCOME_UNKNOWN if unknown else await self._run(checked)
            await self._log.append([self._log.result(call, text)])

    async def _run(self, call: OutsideCall) -> str:
        left = max(0.0, self._deadline - asyncio.get_running_loop().time())
        self._desk.pulse.beat(min(left, call.tool.timeout_seconds))
        return await self._executor.run(call, left)

    def _effect_call(self, call: ToolCall, arguments: BaseModel, number: int) -> EffectCall:
        # As `append` makes it: from the place in the journal and the number of the effect in the step.
        turn = self._log.turn
        mid = f"{self._desk.agent}/{turn.id}/{self._log.journal.length}.{number}"
        return EffectCall(arguments, call["id"], turn.thread, turn.id, self._desk.token, mid)
