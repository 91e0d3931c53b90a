"""One namespace with everything around it: Redis, the processes behind their proxies, a model, a Kubernetes.

Kills at one point, or when told to; processes that are gone come back as they would.
"""

import asyncio
import contextlib
import json
import random
import signal
from collections import Counter
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from horos_api.names import Env
from horos_api.resources import AgentSpec, BuiltinTool, ModelSpec, ToolsSpec
from horos_bus.connection import Bus
from horos_bus.control import Control
from horos_runtime.agent_config import StoredConfig
from tests.crash.agent_process import CONTROL, MARKS, POLL
from tests.crash.cradle import Child, Cradle
from tests.crash.mind import Thought, think
from tests.crash.model_server import ModelServer
from tests.crash.operator_process import SWEEPS
from tests.crash.points import Point
from tests.crash.proxy import Proxy
from tests.crash.verdicts import Verdict
from tests.redis_fixtures import PASSWORD

ARMED_SECONDS = 0.2
"""A process that is to die at its next command dies after this time at the latest."""
AGAIN_SECONDS = 0.05
ZOMBIE_SECONDS = 0.4
"""How long after its successor has claimed a stopped process goes on: in the middle of its work."""
POOL = 99
TOOLS = [
    BuiltinTool.SEND,
    BuiltinTool.ASK,
    BuiltinTool.REPLY,
    BuiltinTool.LIST_AGENTS,
    BuiltinTool.CREATE_AGENT,
    BuiltinTool.BROADCAST,
]


def url(port: int) -> str:
    """Where a Redis, or a proxy before it, is reached."""
    return f"redis://:{PASSWORD}@127.0.0.1:{port}/0"


@dataclass
class Wish:
    """What Kubernetes says an agent should be."""

    name: str
    uid: str
    mode: Literal["Running", "Suspended", "Terminated", "Deleted"] = "Running"
    generation: int = 1
    request_seconds: int = 3600
    parent: str = ""
    lifetime: str = ""
    order: str = ""
    """The mid of the order that it was made for."""


@dataclass
class Process:
    """One process behind its proxy. `role` is the agent's name, `operator`, `client` or `judge`."""

    role: str
    child: Child
    proxy: Proxy
    armed: bool = False


@dataclass
class Pod:
    """One incarnation; `listed` is false when it was written off with its node."""

    agent: str
    uid: str
    ticket: int
    token: str
    process: Process | None = None
    listed: bool = True

    @property
    def live(self) -> bool:
        """Whether Kubernetes shows it as running."""
        return self.listed and self.process is not None and not self.process.child.ended.is_set()


@dataclass(frozen=True)
class Moment:
    """Something that happens to a process: to one of its commands, its connections, or to itself."""

    role: str
    event: str
    when: Literal["before", "executed", "delivered", "closed", "ended"]

    def __str__(self) -> str:
        return f"{self.role}:{self.event}:{self.when}"


@dataclass
class Gate:
    """What the proxy of one process asks."""

    world: "World"
    role: str
    process: Process | None = None

    async def arrives(self, event: str) -> int:
        """See `proxy.Gate`."""
        if self.process is not None and self.process.armed:
            self.process.child.kill()
            return 0
        number = self.world.count(self.role, event)
        if self.world.is_point(self.role, event, number, "before"):
            self._kill()
            return 0
        if self.world.is_point(self.role, event, number, "stop"):
            await self._stop()
        await self.world.passes(Moment(self.role, event, "before"))
        return number

    def unknown(self, event: str) -> None:
        """See `proxy.Gate`."""
        self.world.calls[self.role, event] -= 1

    async def executed(self, event: str, number: int) -> Literal["deliver", "swallow"]:
        """See `proxy.Gate`."""
        if event and event == self.world.held:
            self.world.holding.set()
            await self.world.released.wait()
        await self.world.passes(Moment(self.role, event, "executed"))
        if self.world.is_point(self.role, event, number, "lost"):
            self._kill()
            return "swallow"
        return "swallow" if self.world.is_point(self.role, event, number, "again") else "deliver"

    async def delivered(self, event: str, number: int) -> None:
        """See `proxy.Gate`."""
        if event == "claim":
            self.world.claimed(self.role)
        await self.world.passes(Moment(self.role, event, "delivered"))
        if self.world.is_point(self.role, event, number, "after"):
            self.arm()

    async def closed(self, listening: bool) -> None:
        """See `proxy.Gate`."""
        what = "subscription" if listening else "connection"
        await self.world.passes(Moment(self.role, what, "closed"))

    def arm(self) -> None:
        """Kill at the next command, or soon."""
        if self.process is not None:
            process = self.process
            process.armed = True
            asyncio.get_running_loop().call_later(ARMED_SECONDS, process.child.kill)

    async def _stop(self) -> None:
        """The node is lost: written off, and back a while after another has claimed."""
        assert self.process is not None
        self.process.child.signal(signal.SIGSTOP)
        self.world.write_off(self.process)
        await self.world.successor.wait()
        await asyncio.sleep(ZOMBIE_SECONDS)
        self.process.child.signal(signal.SIGCONT)

    def _kill(self) -> None:
        if self.process is not None:
            self.process.child.kill()


@dataclass
class Place:
    """Where a world lives: a Redis server, the prefix of its namespace, a folder; `poll` of its runtimes."""

    port: int
    prefix: str
    folder: Path
    poll: float = 1.0
    sweeps: bool = True
    """Whether the operator looks again and again, or only when it hears of something."""


class World:
    """Everything of one run. `calls` counts what each role has called; `hit`: the point was reached."""

    def __init__(self, cradle: Cradle, place: Place, seed: str, point: Point | None = None) -> None:
        self.seed, self.point, self.folder = seed, point, place.folder
        self.random = random.Random(seed)
        self.wishes: dict[str, Wish] = {}
        self.members: dict[str, tuple[str, ...]] = {}
        """Who shall belong to each group; nobody: it shall be deleted."""
        self.orders: dict[int, dict[str, Any]] = {}
        self.people: dict[str, list[dict[str, Any]]] = {}
        self.insist = False
        self.verdicts: dict[str, dict[str, str]] = {}
        """What people decide about the call with a tag, by person; nobody listed: nobody decides."""
        self.judged: tuple[str, ...] = ()
        """Agents whose calls people look at."""
        self.decided: list[Verdict] = []
        self.sent: dict[str, str] = {}
        self.all_sent = asyncio.Event()
        self.hanging: set[str] = set()
        self.pods: list[Pod] = []
        self.calls: Counter[tuple[str, str]] = Counter()
        self.hit = False
        self.kills = 0
        self.held = ""
        self.holding, self.released = asyncio.Event(), asyncio.Event()
        self.successor = asyncio.Event()
        self.processes: dict[str, Process] = {}
        self.pool = POOL
        """How many pods there may be at once."""
        self.idle_seconds = 0
        """After how long without work agents leave by themselves; 0 = never."""
        self.peak = 0
        """How many pods there were at most."""
        self.looked = 0
        """The newest revision of Kubernetes that the operator has acted on."""
        self.revision = 1
        self.passing: Callable[[Moment], Awaitable[None]] | None = None
        """Called at every moment, which waits until it is done."""
        self._news = asyncio.Event()
        self.bus = Bus.open(url(place.port), place.prefix)
        self.control = Control(self.bus)
        self._cradle, self._place = cradle, place
        self._refused: set[str] = set()
        self._gates: dict[str, Gate] = {}
        self._proxies: list[Proxy] = []
        self._tasks: set[asyncio.Task[None]] = set()
        self._closing = False
        self._model = ModelServer(self._answer, self._answered)
        self._port = 0
        place.folder.mkdir(parents=True, exist_ok=True)
        (place.folder / "marks").touch()

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["World"]:
        """Have model and Kubernetes beside the block; kill everybody when it ends."""
        await self._model.start()
        server = await asyncio.start_server(self._serve, "127.0.0.1", 0, limit=1 << 22)
        self._port = server.sockets[0].getsockname()[1]
        try:
            yield self
        finally:
            self._closing = True
            self._news.set()
            for pod in self.pods:
                if pod.process:
                    pod.process.child.kill()
            for process in self.processes.values():
                process.child.kill()
            for task in list(self._tasks):
                task.cancel()
            await asyncio.gather(*self._tasks, return_exceptions=True)
            for proxy in self._proxies:
                await proxy.stop()
            server.close()
            await self._model.stop()
            await self.bus.aclose()

    # Points ------------------------------------------------------------

    def count(self, role: str, event: str) -> int:
        """Number a call."""
        self.calls[role, event] += 1
        return self.calls[role, event]

    def is_point(self, role: str, event: str, number: int, when: str) -> bool:
        """Whether this is the point, which is hit once."""
        point = self.point
        if self.hit or point is None or (point.role, point.event) != (role, event):
            return False
        self.hit = (point.number, point.when) == (number, when)
        self.kills += self.hit
        return self.hit

    async def passes(self, moment: Moment) -> None:
        """Let whoever looks at moments act before this one is over."""
        if self.passing is not None and not self._closing:
            await self.passing(moment)

    def write_off(self, process: Process) -> None:
        """Take the pod of a process for gone, though it is not."""
        for pod in self.pods:
            if pod.process is process:
                pod.listed = False
        self._change()

    def claimed(self, role: str) -> None:
        """Hear that an incarnation has claimed; a stopped one of the same agent goes on soon."""
        if any(pod.agent == role and not pod.listed for pod in self.pods):
            self.successor.set()

    def ghosts(self) -> list[Pod]:
        """Incarnations that were written off and are not gone."""
        return [
            pod
            for pod in self.pods
            if not pod.listed and pod.process and not pod.process.child.ended.is_set()
        ]

    # Kubernetes ------------------------------------------------------------

    def wish(self, name: str, **fields: Any) -> Wish:
        """Apply an Agent, or change it."""
        wish = self.wishes.get(name)
        if wish is None or wish.mode == "Deleted":
            lives = sum(1 for pod in self.pods if pod.agent == name)
            wish = self.wishes[name] = Wish(name, f"uid-{name}-{lives}")
        for key, value in fields.items():
            setattr(wish, key, value)
        self._change()
        return wish

    def order(self, op: str, name: str, turn: str = "") -> int:
        """Have the operator do something once; it is gone from `orders` when it was done."""
        number = len(self.sent) * 1000 + len(self.orders) + self.count("harness", "order")
        self.orders[number] = {"id": number, "op": op, "name": name, "turn": turn}
        self._change()
        return number

    def _change(self) -> None:
        """Something is new in Kubernetes, and whoever watches hears of it."""
        self.revision += 1
        self._news.set()
        self._news = asyncio.Event()

    async def start(self, role: str) -> None:
        """Start operator or client, and start it again when it dies."""

        async def keep() -> None:
            while not self._closing:
                process = await self._process(role, role, {})
                self.processes[role] = process
                await process.child.ended.wait()
                if process.child.code == 0:
                    return
                await asyncio.sleep(AGAIN_SECONDS)

        self._spawn(keep())

    def live_pods(self, agent: str = "") -> list[Pod]:
        """Pods as Kubernetes shows them."""
        return [pod for pod in self.pods if pod.live and agent in ("", pod.agent)]

    def tokens(self, agent: str) -> list[str]:
        """All incarnations of an agent, in the order of their beginning."""
        return [pod.token for pod in self.pods if pod.agent == agent]

    def config(self, wish: Wish) -> str:
        """The text that the operator projects."""
        model = ModelSpec(name="m", base_url=self._model.url)
        spec = AgentSpec(
            instructions=f"You are {wish.name}",
            model=model,
            tools=ToolsSpec(builtin=TOOLS),
            budget=self._budget(wish),
        )
        stored = StoredConfig(generation=wish.generation, spec=spec, idle_seconds=self.idle_seconds)
        return stored.encoded().decode()

    def _budget(self, wish: Wish) -> Any:
        # More than a run can use: what matters is that every model call is charged before it is made.
        return {"requestSeconds": wish.request_seconds, "tokensPerDay": 10**9}

    def _spawn(self, what: Any) -> None:
        task = asyncio.get_running_loop().create_task(what)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _process(self, role: str, program: str, more: dict[str, str]) -> Process:
        gate = Gate(self, role)
        proxy = Proxy(self._place.port, gate)
        await proxy.start()
        self._proxies.append(proxy)
        environment = {
            Env.REDIS_URL: url(proxy.port),
            Env.PREFIX: self._place.prefix,
            CONTROL: str(self._port),
            SWEEPS: str(int(self._place.sweeps)),
            **more,
        }
        child = await self._cradle.start(program, environment, self.folder / f"{role}.log")
        gate.process = Process(role, child, proxy)
        if "HOROS_TOKEN" in more:
            self._gates[more["HOROS_TOKEN"]] = gate
        return gate.process

    async def _create(self, name: str, uid: str, ticket: int) -> None:
        wish = self.wishes[name]
        if (
            self.live_pods(name)
            or len(self.live_pods()) + sum(pod.process is None for pod in self.pods) >= self.pool
            or wish.uid != uid
            or any(
                (pod.agent, pod.uid, pod.ticket, pod.process) == (name, uid, ticket, None)
                for pod in self.pods
            )
        ):
            return
        pod = Pod(name, uid, ticket, f"{name}-{len(self.pods) + 1}")
        self.pods.append(pod)
        environment = {
            Env.AGENT: name,
            Env.UID: uid,
            Env.TICKET: str(ticket),
            Env.TOKEN: pod.token,
            Env.MODEL_API_KEY: pod.token,
            MARKS: str(self.folder / "marks"),
            POLL: str(self._place.poll),
        }
        pod.process = await self._process(name, "agent", environment)
        self.peak = max(self.peak, len(self.live_pods()))
        self._spawn(self._notice_the_end(pod.process))

    async def _notice_the_end(self, process: Process) -> None:
        await process.child.ended.wait()
        await self.passes(Moment(process.role, "process", "ended"))
        self._change()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            said = json.loads(await reader.readline() or b'{"say": ""}')
            answer = await self._hear(said)
            writer.write(json.dumps(answer).encode() + b"\n")
            await writer.drain()
            if said["say"] == "tool":
                self._step(said["token"], "tool", "after")
        except (OSError, ValueError):
            pass
        finally:
            writer.close()

    async def _hear(self, said: dict[str, Any]) -> dict[str, Any]:
        match said["say"]:
            case "plan":
                return {"people": self.people, "insist": self.insist}
            case "sent":
                self.sent[said["mid"]] = said["outcome"]
            case "verdicts":
                people = sorted({person for each in self.verdicts.values() for person in each})
                return {"agents": self.judged, "judges": people, "verdicts": self.verdicts}
            case "decided":
                self.decided.append(Verdict(**{name: said[name] for name in said if name != "say"}))
            case "all sent":
                self.all_sent.set()
            case "tool":
                self.count_step(said["token"], "tool")
                self._step(said["token"], "tool", "before")
            case _:
                return await self._hear_operator(said)
        return {}

    async def _hear_operator(self, said: dict[str, Any]) -> dict[str, Any]:
        match said["say"]:
            case "look":
                return self._look()
            case "looked":
                self.looked = said["revision"]
            case "watch":
                while self.revision <= said["revision"] and not self._closing:
                    await self._news.wait()
                return {"revision": self.revision}
            case "create":
                await self._create(said["name"], said["uid"], said["ticket"])
            case "deleted":
                wish = self.wishes.get(said["name"])
                if wish and wish.uid == said["uid"] and wish.mode == "Deleted":
                    del self.wishes[said["name"]]
                    for pod in self.live_pods(said["name"]):
                        assert pod.process is not None
                        pod.process.child.kill()
            case "ungrouped":
                self.members.pop(said["name"], None)
            case "obeyed":
                self.orders.pop(said["id"], None)
            case "born":
                return self._born(said)
        return {}

    def _born(self, said: dict[str, Any]) -> dict[str, Any]:
        """Create the Agent of an order, or find the one that was made for it; no uid: the name is taken."""
        there = self.wishes.get(said["name"])
        if there is None:
            there = self.wish(said["name"], order=said["mid"], parent=said["parent"], lifetime="Task")
        return {**vars(there), "config": self.config(there), "ours": there.order == said["mid"]}

    def _look(self) -> dict[str, Any]:
        agents = [{**vars(wish), "config": self.config(wish)} for wish in self.wishes.values()]
        pods = [{"agent": pod.agent, "token": pod.token} for pod in self.live_pods()]
        seen = {"revision": self.revision, "pool": self.pool}
        groups = {name: self._lives(members) for name, members in self.members.items()}
        orders = list(self.orders.values())
        return {**seen, "agents": agents, "pods": pods, "orders": orders, "groups": groups}

    def _lives(self, members: tuple[str, ...]) -> dict[str, str]:
        alive = {name: wish.uid for name, wish in self.wishes.items() if wish.mode != "Deleted"}
        return {name: alive[name] for name in members if name in alive}

    # Model ------------------------------------------------------------

    def count_step(self, token: str, event: str) -> None:
        """Number a step boundary of an incarnation's role."""
        self.count(self._gates[token].role, event)

    def _step(self, token: str, event: str, when: Literal["before", "after"]) -> None:
        """A step boundary: die inside the step, or when it is over."""
        gate = self._gates[token]
        number = self.calls[gate.role, event]
        if self.is_point(gate.role, event, number, when):
            if when == "before" and gate.process is not None:
                gate.process.child.kill()
            else:
                gate.arm()

    async def _answer(self, token: str, messages: list[dict[str, Any]]) -> Thought | int:
        self.count_step(token, "model")
        self._step(token, "model", "before")
        said = think(messages)
        await asyncio.sleep(random.Random(f"{self.seed}/{said.tag}/{len(messages)}").uniform(0, 0.3))
        match said.trouble:
            case "poison":
                gate = self._gates[token]
                if gate.process is not None:
                    gate.process.child.kill()
            case "hang":
                self.hanging.add(said.tag)
                await asyncio.Event().wait()
            case "refuse" if said.tag not in self._refused:
                self._refused.add(said.tag)
                return 404
        return said

    def _answered(self, token: str) -> None:
        self._step(token, "model", "after")
