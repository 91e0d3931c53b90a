"""An agent without an operator: the program that runs it also creates and configures it."""

import os
import time
from collections.abc import Callable
from typing import Final

from horos_api.events import EventType
from horos_api.messages import NewMessage, SendOutcome
from horos_api.names import Env, agent_name_error, key_prefix
from horos_api.resources import AgentSpec
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_bus.event_stream import EventStream
from horos_bus.sender import reply, send
from horos_runtime.agent_config import StoredConfig
from horos_runtime.settings import RuntimeSettings, SettingsError

LOCAL_PREFIX: Final = key_prefix("local", "default")
"""All local agents of one Redis live in one namespace, so that they can talk to each other."""
LOOK_SECONDS: Final = 1.0


def local_settings(name: str, spec: AgentSpec, redis_url: str, api_key: str = "") -> RuntimeSettings:
    """Build the settings of a local agent; the key's default is HOROS_MODEL_API_KEY. Raises SettingsError."""
    if error := agent_name_error(name):
        raise SettingsError(error)
    return RuntimeSettings(
        agent=name,
        uid=f"local-{name}",
        redis_url=redis_url,
        prefix=LOCAL_PREFIX,
        model_api_key=api_key or os.environ.get(Env.MODEL_API_KEY) or "none",
        spec=spec,
    )


async def introduce(bus: Bus, agent: str, uid: str, spec: AgentSpec) -> None:
    """Do what the operator does for an Agent: create it and project its spec."""
    control = Control(bus)
    await control.create(agent, uid)
    # Without a resource there is no generation; the clock grows as well.
    generation = time.time_ns() // 1_000_000
    config = StoredConfig(generation=generation, spec=spec).encoded()
    await control.configure(agent, uid, generation, config, spec.budget.request_seconds)


class UnansweredError(Exception):
    """There will be no answer for now: the agent is in state error, or has ended; the message says why."""


async def ask(bus: Bus, message: NewMessage, alive: Callable[[], bool]) -> str:
    """Send a request and wait for its reply while `alive`; raises UnansweredError."""
    stream = EventStream(bus)
    seen = await stream.last_id(message.to)
    outcome = await send(bus, message)
    if outcome not in (SendOutcome.OK, SendOutcome.DUP):
        raise UnansweredError(f"{message.to} takes no message: {outcome}")
    while (ending := await reply(bus, message.mid)) is None:
        if not alive():
            raise UnansweredError(f"{message.to} has ended; its answer will come when it runs again")
        for stored in await stream.read(message.to, message.thread, seen, LOOK_SECONDS):
            seen = stored.id
            if stored.event["type"] == EventType.RUN_ERROR:
                raise UnansweredError(stored.event["message"])
    if ending.error:
        raise UnansweredError(ending.error)
    return ending.text
