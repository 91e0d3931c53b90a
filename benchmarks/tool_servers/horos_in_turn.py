"""horos as a turn calls a tool: found by name, its arguments read and checked, its time limited."""

import json

from benchmarks.tool_servers.horos import CONTEXT, Horos
from benchmarks.tool_servers.parts import Job, main
from horos_runtime.tool_executor import OutsideCall, ToolExecutor
from horos_runtime.tool_registry import ToolRegistry


class HorosInTurn(Horos):
    async def open(self, job: Job) -> None:
        await super().open(job)
        self._executor = ToolExecutor(ToolRegistry(*self.manager.tools()))

    async def call(self, text: str) -> str:
        function = {"name": CONTEXT.tool, "arguments": json.dumps({"text": text})}
        checked = self._executor.check({"id": "call", "type": "function", "function": function})
        assert isinstance(checked, OutsideCall), checked
        return await self._executor.run(checked, CONTEXT, checked.longest_seconds)


if __name__ == "__main__":
    main(HorosInTurn)
