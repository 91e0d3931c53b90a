"""An agent in one Python program: any Redis, any OpenAI-compatible model, no Kubernetes.

MODEL_URL=http://127.0.0.1:8080/v1 MODEL=my-model python examples/basic_agent.py "What is 2 + 3?"
"""

import asyncio
import os
import sys

from horos import AgentRuntime, AgentSpec, ModelSpec, ToolRegistry, tool

REDIS_URL = os.environ.get("HOROS_REDIS_URL", "redis://127.0.0.1:6379/0")


@tool
def add(a: float, b: float) -> float:
    """Add two numbers."""
    return a + b


async def main(question: str) -> None:
    model = ModelSpec(name=os.environ["MODEL"], base_url=os.environ["MODEL_URL"])
    spec = AgentSpec(instructions="You are Ada. Answer briefly.", model=model)
    ada = AgentRuntime.local(name="ada", spec=spec, redis_url=REDIS_URL, tools=ToolRegistry(add))
    async with ada.running():
        print(await ada.ask(question))


asyncio.run(main(" ".join(sys.argv[1:]) or "What is 2 + 3?"))
