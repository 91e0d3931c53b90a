"""The process around the loop: settings, health, logs, patience, pace, events on their way out."""

import asyncio
import logging
import os
import socket
import subprocess
import sys
from collections.abc import Sequence

import httpx2
import orjson
import pytest

import horos
from horos_api.conditions import Reason
from horos_api.events import Event, discard, reasoning_delta, text_delta, text_end, tool_call_args
from horos_api.names import Env
from horos_bus.connection import BusUnavailableError
from horos_bus.records import LostError
from horos_runtime.delta_publisher import DeltaPublisher
from horos_runtime.health import STILL_SECONDS, HealthServer, Pulse
from horos_runtime.lifetime import ExitCode
from horos_runtime.logs import JsonFormatter
from horos_runtime.model_errors import (
    ContextLengthError,
    ModelError,
    ModelRefusedError,
    TransientModelError,
    error_of_status,
)
from horos_runtime.pace import Backoff, Pace
from horos_runtime.patience import Patience
from horos_runtime.settings import RuntimeSettings, SettingsError

ENVIRONMENT = {
    Env.AGENT: "ada",
    Env.UID: "uid-1",
    Env.REDIS_URL: "redis://user:very-secret@127.0.0.1:6379/0",
    Env.PREFIX: "horos:x:{y}:",
    Env.TOKEN: "pod-uid",
    Env.TICKET: "7",
    Env.MODEL_API_KEY: "very-secret",
    Env.HEALTH_PORT: "8080",
}


def test_settings_come_from_the_environment_and_keep_secrets_to_themselves() -> None:
    settings = RuntimeSettings.from_env(ENVIRONMENT)
    assert (settings.agent, settings.ticket, settings.token, settings.health_port) == (
        "ada",
        7,
        "pod-uid",
        8080,
    )
    assert "very-secret" not in repr(settings)
    bare = RuntimeSettings.from_env({key: ENVIRONMENT[key] for key in list(ENVIRONMENT)[:4]})
    assert (bare.ticket, bare.model_api_key, bare.health_port) == (None, "none", None)
    assert len(bare.token) == 36


def test_each_model_has_a_key_of_its_own_in_the_environment() -> None:
    keys = {"HOROS_MODEL_API_KEY_1": " second\n", "HOROS_MODEL_API_KEY_2": "", "HOROS_MODEL_API_KEY_X": "no"}
    settings = RuntimeSettings.from_env(ENVIRONMENT | keys)
    assert settings.keys == {"HOROS_MODEL_API_KEY": "very-secret", "HOROS_MODEL_API_KEY_1": "second"}
    assert "second" not in repr(settings)
    alone = RuntimeSettings(agent="a", uid="u", redis_url="r", prefix="p", model_api_key="mine")
    assert alone.keys == {"HOROS_MODEL_API_KEY": "mine"}


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        (Env.AGENT, "", "HOROS_AGENT is not set"),
        (Env.AGENT, "Ada", "HOROS_AGENT: name 'Ada' is not a DNS label"),
        (Env.UID, "", "HOROS_UID is not set"),
        (Env.TICKET, "-1", "HOROS_TICKET: expected a whole number, not '-1'"),
    ],
)
def test_a_wrong_environment_names_the_variable(name: str, value: str, told: str) -> None:
    with pytest.raises(SettingsError, match=told):
        RuntimeSettings.from_env(ENVIRONMENT | {name: value})


def test_the_process_says_what_is_missing() -> None:
    environment = {key: value for key, value in os.environ.items() if not key.startswith("HOROS_")}
    done = subprocess.run(
        [sys.executable, "-m", "horos_runtime"], env=environment, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (
        ExitCode.MISCONFIGURED,
        "horos_runtime: the environment variable HOROS_AGENT is not set\n",
    )


async def test_health_is_a_pulse_that_must_not_stop() -> None:
    now = 1000.0
    pulse = Pulse(lambda: now)
    server = asyncio.create_task(HealthServer(pulse).serve("127.0.0.1", port := free_port()))
    async with httpx2.AsyncClient(base_url=f"http://127.0.0.1:{port}") as http:
        assert (await asked(http)).status_code == 200
        now += STILL_SECONDS
        assert (await http.get("/")).status_code == 503
        pulse.beat(600)
        now += 600 + STILL_SECONDS - 1
        assert (await http.get("/")).status_code == 200
        now += 1
        assert (await http.get("/")).status_code == 503
    server.cancel()


async def asked(http: httpx2.AsyncClient) -> httpx2.Response:
    for _ in range(1000):
        try:
            return await http.get("/")
        except httpx2.ConnectError:
            await asyncio.sleep(0)
    raise AssertionError("the server does not listen")


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def test_a_log_line_is_json_with_what_it_is_about() -> None:
    record = logging.LogRecord("x", logging.INFO, "file", 1, "turn %s", ("begins",), None)
    record.created, record.msecs = 1.5, 500.0
    record.about = {"turn": "1-0", "thread": "main"}
    line = orjson.loads(JsonFormatter("ada").format(record))
    assert line == {
        "time": "1970-01-01T00:00:01.500Z",
        "level": "info",
        "agent": "ada",
        "message": "turn begins",
        "turn": "1-0",
        "thread": "main",
    }


def test_waits_double_up_to_a_limit() -> None:
    waits = Backoff(30, 300, jitter=False).waits()
    assert [next(waits) for _ in range(6)] == [30, 60, 120, 240, 300, 300]
    shortened = Backoff(8, 8).waits()
    assert all(4 <= next(shortened) <= 8 for _ in range(100))


async def test_patience_outlasts_an_outage_and_lets_other_errors_pass() -> None:
    answers: list[Exception | str] = [BusUnavailableError("down"), BusUnavailableError("down"), "up"]

    async def act() -> str:
        answer = answers.pop(0)
        if isinstance(answer, Exception):
            raise answer
        return answer

    patience = Patience(Pace(redis=Backoff(0.001, 0.001)), Pulse())
    assert await patience(act) == "up"
    answers.append(LostError("lost"))
    with pytest.raises(LostError):
        await patience(act)


@pytest.mark.parametrize(
    ("status", "code", "message", "expected"),
    [
        (401, "", "bad key", ModelRefusedError),
        (403, "", "not yours", ModelRefusedError),
        (404, "model_not_found", "no such model", ModelRefusedError),
        (422, "", "what?", ModelRefusedError),
        (400, "context_length_exceeded", "", ContextLengthError),
        (400, "", "the request exceeds the available context size", ContextLengthError),
        (400, "", "This model's maximum context length is 4096 tokens", ContextLengthError),
        (413, "", "", ContextLengthError),
        (408, "", "", TransientModelError),
        (429, "", "", TransientModelError),
        (500, "", "context length of the stack", TransientModelError),
        (529, "", "", TransientModelError),
    ],
)
def test_http_errors_are_sorted_by_what_to_do(
    status: int, code: str, message: str, expected: type[ModelError]
) -> None:
    error = error_of_status("the model server http://m/v1", status, code, message, 3.0)
    assert type(error) is expected
    assert str(error).startswith(f"the model server http://m/v1 answered {status}: {message}")
    if isinstance(error, ModelRefusedError):
        assert error.reason == (
            Reason.MODEL_REFUSES_KEY if status in (401, 403) else Reason.MODEL_MISCONFIGURED
        )
    if isinstance(error, TransientModelError):
        assert error.retry_after == 3.0


async def test_fragments_that_come_together_are_written_together_and_in_order() -> None:
    written: list[list[Event]] = []
    first_written = asyncio.Event()

    async def emit(turn: str, events: Sequence[Event]) -> None:
        assert turn == "t"
        written.append(list(events))
        first_written.set()

    publisher = DeltaPublisher(emit, coalesce_seconds=60)
    task = asyncio.create_task(publisher.run())
    publisher.publish("t", [text_delta("t/1", "a")])
    await first_written.wait()
    assert written == [[text_delta("t/1", "a")]], "the first does not wait"
    publisher.publish("t", [text_delta("t/1", "b")])
    publisher.publish(
        "t", [text_delta("t/1", "c"), discard("t/1"), text_delta("t/1", "d"), text_delta("t/2", "e")]
    )
    publisher.publish("t", [text_end("t/2")])
    await publisher.flush()
    assert written[1:] == [
        [
            text_delta("t/1", "bc"),
            discard("t/1"),
            text_delta("t/1", "d"),
            text_delta("t/2", "e"),
            text_end("t/2"),
        ]
    ]
    await publisher.flush()
    task.cancel()


async def test_thoughts_and_arguments_that_come_together_are_written_together() -> None:
    written: list[Event] = []

    async def emit(turn: str, events: Sequence[Event]) -> None:
        written.extend(events)

    publisher = DeltaPublisher(emit, coalesce_seconds=60)
    publisher.publish("t", [reasoning_delta("t/1", "a"), reasoning_delta("t/1", "b")])
    publisher.publish("t", [tool_call_args("c1", '{"x"'), tool_call_args("c1", ":1}")])
    publisher.publish("t", [tool_call_args("c2", "{}")])
    task = asyncio.create_task(publisher.run())
    await publisher.flush()
    task.cancel()
    assert written == [
        reasoning_delta("t/1", "ab"),
        tool_call_args("c1", '{"x":1}'),
        tool_call_args("c2", "{}"),
    ]


def test_fragments_are_gathered_for_fifteen_to_twenty_five_milliseconds() -> None:
    assert 0.015 <= Pace().coalesce <= 0.025


def test_every_public_name_is_there_and_documented() -> None:
    for name in horos.__all__:
        found = getattr(horos, name)
        assert found.__doc__, f"{name} has no docstring"
    assert set(dir(horos)) == set(horos.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Nothing'"):
        _ = horos.Nothing


def test_a_name_costs_only_what_it_needs() -> None:
    program = (
        "import sys, horos; horos.AgentRuntime, horos.MCPClientManager;"
        "print(*(name in sys.modules for name in ('httpx2', 'kopf', 'mcp')))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "False"]


def test_until_its_first_turn_a_runtime_builds_no_validator_of_resources() -> None:
    program = """
import asyncio
from horos import AgentRuntime
from horos_api.resources import AgentSpec
from horos_runtime.agent_config import StoredConfig
from horos_runtime.settings import RuntimeSettings

async def make():
    return AgentRuntime(RuntimeSettings(agent="ada", uid="u", redis_url="redis://127.0.0.1:1", prefix="p"))

asyncio.run(make())
print(StoredConfig.__pydantic_complete__, AgentSpec.__pydantic_complete__, repr(AgentSpec().instructions))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["False", "False", "''"], "they are built when they are used"
