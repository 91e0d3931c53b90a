"""The bare openai client in a hand-written loop: what a turn costs when nothing is kept."""

import json
from collections.abc import AsyncIterator
from typing import Any

from openai import AsyncOpenAI

from benchmarks.minds.parts import API_KEY, INSTRUCTIONS, MODEL, TOOL, TOOL_SAYS, Job, look_up, main

PARAMETERS = {"type": "object", "properties": {"tag": {"type": "string"}}, "required": ["tag"]}
TOOLS: Any = [
    {"type": "function", "function": {"name": TOOL, "description": TOOL_SAYS, "parameters": PARAMETERS}}
]


class BareOpenAI:
    async def open(self, job: Job) -> None:
        self._client = AsyncOpenAI(base_url=job.address, api_key=API_KEY)

    async def turn(self, text: str) -> str:
        messages: list[Any] = [
            {"role": "system", "content": INSTRUCTIONS},
            {"role": "user", "content": text},
        ]
        while True:
            step = await self._step(messages)
            if "tool_calls" not in step:
                return str(step["content"])
            messages.append(step)
            for call in step["tool_calls"]:
                result = await look_up(**json.loads(call["function"]["arguments"]))
                messages.append({"role": "tool", "tool_call_id": call["id"], "content": result})

    async def _step(self, messages: list[Any]) -> dict[str, Any]:
        said = ""
        calls: dict[int, dict[str, Any]] = {}
        stream = await self._client.chat.completions.create(
            model=MODEL,
            messages=messages,
            tools=TOOLS,
            stream=True,
            stream_options={"include_usage": True},
        )
        async with stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    said += choice.delta.content or ""
                    for part in choice.delta.tool_calls or ():
                        _add(calls, part)
        step: dict[str, Any] = {"role": "assistant", "content": said}
        return step | {"tool_calls": list(calls.values())} if calls else step

    async def stream(self, agent: str, text: str) -> AsyncIterator[str]:
        stream = await self._client.chat.completions.create(
            model=MODEL,
            messages=[{"role": "system", "content": INSTRUCTIONS}, {"role": "user", "content": text}],
            stream=True,
            stream_options={"include_usage": True},
        )
        async with stream:
            async for chunk in stream:
                for choice in chunk.choices:
                    if choice.delta.content:
                        yield choice.delta.content


def _add(calls: dict[int, dict[str, Any]], part: Any) -> None:
    if part.index not in calls:
        function = {"name": part.function.name, "arguments": ""}
        calls[part.index] = {"id": part.id, "type": "function", "function": function}
    calls[part.index]["function"]["arguments"] += part.function.arguments or ""


if __name__ == "__main__":
    main(BareOpenAI)
