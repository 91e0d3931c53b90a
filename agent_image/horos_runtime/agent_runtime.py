"""The agent while it is awake: claims its inbox, takes turn after turn, retires."""

import asyncio
import contextlib
import logging
import time
import uuid
from collections.abc import AsyncIterator, Coroutine, Iterator
from typing import Final

from horos_api.agent_state import AgentState, AgentStateMachine
from horos_api.conditions import Reason
from horos_api.messages import NewMessage
from horos_api.names import DEFAULT_THREAD
from horos_api.resources import AgentSpec
from horos_bus.connection import Bus, BusError
from horos_bus.message_service import MessageService
from horos_bus.records import Identity, Idle, Leave, Next, Turn
from horos_runtime.agent_config import AgentConfig
from horos_runtime.context_manager import ContextManager
from horos_runtime.delta_publisher import DeltaPublisher
from horos_runtime.desk import Desk, InterruptedTurnError
from horos_runtime.health import HealthServer, Pulse
from horos_runtime.idleness import Idleness
from horos_runtime.lifetime import ExitCode, Lifetime
from horos_runtime.llm_client import LLMClient
from horos_runtime.local import ask, introduce, local_settings
from horos_runtime.mcp_servers import AgentServers
from horos_runtime.meter import Clock, Meter
from horos_runtime.model_errors import ModelRefusedError
from horos_runtime.model_round import ModelRound
from horos_runtime.pace import Pace, Trouble
from horos_runtime.patience import Patience
from horos_runtime.settings import RuntimeSettings
from horos_runtime.tool_registry import ToolRegistry
from horos_runtime.toolbox import Toolbox
from horos_runtime.turn import TurnRun, put_away
from horos_runtime.turn_log import TurnLog
from horos_runtime.wakes import CutTurnError, TurnWatch, Wakes

log: Final = logging.getLogger(__name__)
MESSAGE_LENGTH: Final = 500
"""What the state keeps of an error's text, in characters."""


class AgentRuntime:
    """One incarnation of one agent; `run` is its whole life.

    `tools` are offered to the model beside the built-ins that the spec names and the tools of installed
    packages; they may change at any time. `clock` tells on which day its models are used. Make it and run it
    in the same event loop.
    """

    def __init__(
        self,
        settings: RuntimeSettings,
        tools: ToolRegistry | None = None,
        pace: Pace | None = None,
        clock: Clock = time.time,
    ) -> None:
        self._settings, self._pace = settings, pace or Pace()
        self._machine, self._pulse = AgentStateMachine(), Pulse()
        self._patience = Patience(self._pace, self._pulse)
        self._bus = Bus.open(settings.redis_url, settings.prefix)
        self._messages = MessageService(self._bus, Identity(settings.agent, settings.uid, settings.token))
        self._config = AgentConfig(lambda: self._patience(self._messages.config))
        self._client = LLMClient(settings.keys)
        self._publisher = DeltaPublisher(
            lambda turn, events: self._patience(lambda: self._messages.emit(turn, events)),
            self._pace.coalesce,
        )
        self._lifetime = Lifetime(self._pace.grace, self._publisher.flush)
        self._wakes = Wakes(self._messages, self._pace)
        self._watch = TurnWatch(self._messages, self._wakes, self._pace.poll)
        self._desk = Desk(
            messages=self._messages,
            groups=self._messages.groups,
            patience=self._patience,
            contexts=ContextManager(self._messages.stretch),
            model=ModelRound(self._client, self._publisher, self._pace.model, self._pulse),
            meter=Meter(clock),
            publisher=self._publisher,
            pulse=self._pulse,
            stopping=self._lifetime.stopping,
            agent=settings.agent,
            token=settings.token,
        )
        self._toolbox = Toolbox(self._desk, tools, AgentServers(self._desk, self._wakes))
        self._awake, self._idleness = asyncio.Event(), Idleness()
        self._retired = self._over = False
        self._look, self._refused_before = 0, ""
        self._trouble: Trouble | None = None

    @classmethod
    def local(
        cls,
        *,
        name: str,
        spec: AgentSpec,
        redis_url: str,
        tools: ToolRegistry | None = None,
        api_key: str = "",
    ) -> "AgentRuntime":
        """Make a runtime that needs no operator: it creates and configures the agent itself.

        All local agents of one Redis can talk to each other; a name that runs already is taken over.
        """
        return cls(local_settings(name, spec, redis_url, api_key), tools)

    @property
    def state(self) -> AgentState:
        """What the agent is doing, as far as this process knows."""
        return self._machine.state

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["AgentRuntime"]:
        """Run beside the block, which starts when the agent can be asked; stop when it ends."""
        # Not a task group, which would wrap the block's own errors; `run` raises none.
        life = asyncio.create_task(self.run())
        try:
            await self._awake.wait()
            yield self
        finally:
            self.stop()
            await life

    async def ask(self, text: str, thread: str = DEFAULT_THREAD) -> str:
        """Ask the agent as a person does, and wait for its answer; raises UnansweredError."""
        message = NewMessage(to=self._settings.agent, body=text, mid=str(uuid.uuid4()), thread=thread)
        return await ask(self._bus, message, lambda: not self._over)

    def stop(self) -> None:
        """Ask `run` to end: a turn gets its grace period, what is open goes to the next incarnation."""
        self._lifetime.stop()

    async def run(self) -> ExitCode:
        """Live until told to leave; returns why it ended."""
        async with self._connections(), self._lifetime.around(*self._aside()):
            unread = await self._start()  # subscribe, claim with a token; an open turn comes back
            while not self._leaving:
                if isinstance(unread, Turn):
                    unread = await self._take_turn(unread)  # rounds of model and tools, one commit
                elif isinstance(unread, Leave):
                    unread = await self._retire()
                else:
                    unread = await self._wait_for_wake(unread)  # or retire, when idle for long enough
        return self._lifetime.exit_code

    @property
    def _leaving(self) -> bool:
        return self._retired or self._lifetime.stopping.is_set()

    def _aside(self) -> Iterator[Coroutine[None, None, None]]:
        yield self._publisher.run()
        yield self._wakes.run()
        yield self._watch.run()
        yield self._keep_servers()
        if self._settings.health_port is not None:
            yield HealthServer(self._pulse).serve(self._settings.health_host, self._settings.health_port)

    async def _keep_servers(self) -> None:
        await self._awake.wait()
        await self._toolbox.servers.run(self._config.with_servers)

    async def _start(self) -> Next:
        settings = self._settings
        if (spec := settings.spec) is not None:
            await self._patience(lambda: introduce(self._bus, settings.agent, settings.uid, spec))
        await self._patience(self._messages.subscribe)
        claimed = await self._patience(lambda: self._messages.claim(settings.ticket))
        log.info("claimed, epoch %d", claimed.epoch)
        # Before anything else is asked, or it would be asked over a connection of its own.
        await self._config.look_for_servers()
        self._wakes.begin()
        self._awake.set()
        self._refused_before = claimed.reason
        if claimed.reason:
            self._machine = AgentStateMachine(AgentState.ERROR)
        return await self._all_unread()

    async def _all_unread(self) -> Next:
        self._look = self._wakes.count
        return self._seen(await self._patience(self._messages.all_unread))

    async def _wait_for_wake(self, idle: Idle) -> Next:
        enough = await self._config.idle_seconds(idle.version)
        seconds = min(self._pace.poll, self._idleness.left(enough))
        self._pulse.beat(seconds)
        await self._wakes.after(self._look, seconds)
        if self._wakes.count == self._look and not self._idleness.left(enough):
            log.info("idle for %d s", enough)
            return await self._retire()
        return await self._all_unread()

    async def _take_turn(self, turn: Turn) -> Next:
        self._lifetime.busy = True
        about = {"about": {"turn": turn.id, "thread": turn.thread}}
        log.info("turn begins, attempt %d", turn.attempt, extra=about)
        try:
            following = await self._committed(turn)
        except CutTurnError:
            log.info("turn cut short", extra=about)
            return await self._all_unread()
        except (BusError, InterruptedTurnError):
            raise
        except ModelRefusedError as error:
            return await self._wait_in_error(turn, error.reason, str(error))
        except Exception as error:
            log.exception("the turn failed", extra=about)
            return await self._wait_in_error(turn, Reason.TURN_FAILED, f"{type(error).__name__}: {error}")
        finally:
            self._lifetime.busy = False
        self._refused_before, self._trouble = "", None
        return self._seen(following)

    async def _committed(self, turn: Turn) -> Next:
        if turn.cancelled:
            self._look = self._wakes.count
            return await put_away(self._desk, turn)
        async with self._watch.over(turn, self._look):
            config = await self._config.of(turn.version)
            opened = await TurnLog.open(self._desk, turn)
            tools = await self._toolbox.open(opened, config)
            answer = await TurnRun(self._desk, opened, config, tools).take()
        self._look = self._wakes.count
        return await opened.commit(answer)

    async def _wait_in_error(self, turn: Turn, reason: Reason, message: str) -> Next:
        """Tell everybody, keep the turn open, and try again later, after an edit, or in a new pod."""
        log.error("error: %s", message, extra={"about": {"turn": turn.id, "reason": reason}})
        await self._patience(lambda: self._messages.fail(turn.id, reason, message[:MESSAGE_LENGTH]))
        self._machine.to(AgentState.ERROR)
        self._lifetime.busy = False
        # A pod reads its key once. The first refusal asks for a new pod at once: the key may have been
        # rotated since this one started. When that was tried, only after a while.
        renewable = reason == Reason.MODEL_REFUSES_KEY and self._settings.ticket is not None
        if renewable and self._refused_before != reason:
            return await self._retire(force=True)
        self._trouble = self._trouble or Trouble(self._pace)
        seconds = self._trouble.wait(renewable)
        self._pulse.beat(seconds)
        changed = await self._patience(lambda: self._watch.error_ends(turn, seconds))
        if renewable and not changed and self._trouble.lasts:
            return await self._retire(force=True)
        return await self._all_unread()

    async def _retire(self, *, force: bool = False) -> Next:
        self._retired = await self._patience(lambda: self._messages.retire(force))
        log.info("retired" if self._retired else "stays, there is work")
        if self._retired:
            return Leave("evict")
        self._idleness.stirs()
        return await self._all_unread()

    def _seen(self, unread: Next) -> Next:
        """Follow the state that Redis tells."""
        if isinstance(unread, Turn):
            self._idleness.stirs()
            self._machine.to(AgentState.RUNNING)
        elif isinstance(unread, Leave):
            if unread.reason != "evict":
                self._machine.to(AgentState(unread.reason))
        else:
            self._idleness.rests()
            self._machine.to(AgentState.IDLE)
        return unread

    @contextlib.asynccontextmanager
    async def _connections(self) -> AsyncIterator[None]:
        """Close everything at the end; before that hand over what is open when somebody stopped us."""
        try:
            async with self._toolbox.servers as servers:
                yield
                servers.leave()
                if self._lifetime.stopping.is_set() and not self._retired:
                    await self._say_farewell()
        finally:
            self._over = True
            self._awake.set()
            await self._messages.unsubscribe()
            await self._client.aclose()
            await self._bus.aclose()

    async def _say_farewell(self) -> None:
        try:
            async with asyncio.timeout(self._pace.farewell):
                await self._messages.retire(force=True)
            log.info("retired, since it was told to stop")
        except (BusError, TimeoutError) as error:
            log.warning("could not retire: %s", error or "no time left")
