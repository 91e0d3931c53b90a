"""examples/basic_agent.py, as a person runs it; and what such a program is told when there is no answer."""

import asyncio
import os
import sys
from pathlib import Path

import pytest

from horos_api.resources import AgentSpec, ModelSpec
from horos_runtime.agent_runtime import AgentRuntime
from horos_runtime.local import UnansweredError
from tests.model_fixtures import ScriptedModel
from tests.redis_fixtures import RedisProcess

PROJECT = Path(__file__).resolve().parent.parent.parent


async def test_the_basic_example_answers(redis_process: RedisProcess, scripted_model: ScriptedModel) -> None:
    await scripted_model.load(
        {"toolCalls": [{"name": "add", "arguments": {"a": 2, "b": 3}}]}, {"text": "It is five."}
    )
    environment = os.environ | {
        "HOROS_REDIS_URL": redis_process.url,
        "MODEL_URL": scripted_model.base_url,
        "MODEL": "scripted",
    }
    program = await asyncio.create_subprocess_exec(
        sys.executable,
        "examples/basic_agent.py",
        "What is 2 + 3?",
        cwd=PROJECT,
        env=environment,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    out, errors = await asyncio.wait_for(program.communicate(), 30)
    assert (program.returncode, out.decode().strip()) == (0, "It is five."), errors.decode()
    *_, last = await scripted_model.requests()
    assert last["body"]["messages"][-1]["content"] == "5.0"


async def test_a_program_is_told_why_there_is_no_answer(redis_process: RedisProcess) -> None:
    nothing = AgentRuntime.local(
        name="ada", spec=AgentSpec(model=ModelSpec(name="x")), redis_url=redis_process.url
    )
    async with nothing.running():
        with pytest.raises(UnansweredError, match=r"no model is configured: spec.model.baseUrl is not set"):
            await nothing.ask("hello")
