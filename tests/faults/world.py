"""One namespace with its operator behind a proxy, a kubelet, a Redis; killed operators come back."""

import asyncio
import base64
import contextlib
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeVar

from horos_api.crd import KINDS
from horos_api.messages import NewMessage, SendOutcome
from horos_api.names import GROUP, SECRET_REDIS, VERSION, key_prefix
from horos_bus.acl import namespace_user_name
from horos_bus.connection import Bus, BusError
from horos_bus.control import Control
from horos_bus.group_service import GroupService
from horos_bus.sender import reply, send
from tests.crash.cradle import Child, Cradle
from tests.faults.api import MERGE, Api
from tests.faults.gate import Gate
from tests.faults.kubelet import Kubelet
from tests.faults.points import Point
from tests.faults.proxy import Proxy
from tests.faults.recorder import Recorder, Seen
from tests.redis_fixtures import RedisProcess
from tests.simulator.agent import Manner

SWEEP_SECONDS: Final = 2.0
UNTIL_SECONDS: Final = 120.0
"""For everything that the story waits for. A Lease has to end first (10 s), on a machine that may be busy."""
LOOK_SECONDS: Final = 0.05
PRIORITY_CLASS: Final = "horos-agents"
T = TypeVar("T")


class NotInTimeError(AssertionError):
    """What the story waited for did not come."""


@dataclass(frozen=True)
class Place:
    """Where a world is: what all of them share, and what is its own."""

    api: Api
    cradle: Cradle
    redis: RedisProcess
    node: str
    namespace: str
    install: str
    folder: Path


class World:
    """Everything of one run. `failures` is what went wrong that no later look could tell."""

    def __init__(self, place: Place, point: Point | None = None) -> None:
        self.place = place
        self.api = place.api
        self.record = Recorder(place.api, place.namespace)
        self.gate = Gate(point, self.kill, self._ended)
        self.prefix = key_prefix(place.install, place.namespace)
        self.bus = Bus.open(place.redis.url, self.prefix)
        self.control = Control(self.bus)
        self.groups = GroupService(self.bus)
        self.kubelet = Kubelet(place.api, self.record, Manner())
        self.failures: list[str] = []
        self.sent: dict[str, str] = {}
        self.lives = 0
        self._operator: Child | None = None
        self._password = asyncio.Event()
        self._own_password = ""
        self._closing = False

    @contextlib.asynccontextmanager
    async def running(self) -> AsyncIterator["World"]:
        """Have everything beside the block; what is left of it in Redis is removed."""
        self.place.folder.mkdir(parents=True)
        self.record.heard.append(self._hear)
        async with (
            self.record.running(),
            self.kubelet.running(),
            Proxy(self.api, self.gate).serving(self.place.folder) as kubeconfig,
            asyncio.TaskGroup() as group,
        ):
            password = group.create_task(self._set_password())
            keeping = group.create_task(self._keep_operator(kubeconfig))
            try:
                yield self
            finally:
                self._closing = True
                keeping.cancel()
                password.cancel()
                if self._operator is not None:
                    self._operator.kill()
                    await self._operator.ended.wait()
                await self._clean_redis()

    async def kill(self) -> None:
        """SIGKILL the operator; returns when it is gone. Another one is started, as a Deployment would."""
        if self._operator is not None:
            self._operator.kill()
            await self._operator.ended.wait()

    async def _keep_operator(self, kubeconfig: Path) -> None:
        while not self._closing:
            self.lives += 1
            log = self.place.folder / "operator.log"
            self._operator = child = await self.place.cradle.start(
                "operator", self._environment(kubeconfig), log
            )
            await child.ended.wait()
            if child.code != -9:
                self.failures.append(f"the operator ended by itself, with {child.code}")

    def _environment(self, kubeconfig: Path) -> dict[str, str]:
        mine = {
            "INSTALL": self.place.install,
            "NAMESPACE": self.place.namespace,
            "NAMESPACES": self.place.namespace,
            "POD_NAME": f"operator-{self.lives}",
            "REDIS_URL": f"redis://127.0.0.1:{self.place.redis.port}/0",
            "REDIS_BUNDLED": "true",
            "AGENT_IMAGE": "horos/agent:none",
            "AGENT_PRIORITY_CLASS": PRIORITY_CLASS,
            "MODEL_NAME": "none",
            "MODEL_BASE_URL": "http://127.0.0.1:9/v1",
            "HTTP_HOST": "127.0.0.1",
            "HTTP_PORT": "0",
            "SWEEP_SECONDS": str(SWEEP_SECONDS),
        }
        named = {f"HOROS_OPERATOR_{name}": value for name, value in mine.items()}
        return {"KUBECONFIG": str(kubeconfig), **named}

    # What the API server says ------------------------------------------

    def _hear(self, seen: Seen) -> None:
        if seen.kind == "secrets" and seen.name == SECRET_REDIS and seen.change == "ADDED":
            self._password.set()

    def _ended(self, pod: str) -> bool:
        body = self.record.now["pods"].get(pod)
        return body is None or body["status"].get("phase") in {"Succeeded", "Failed"}

    def agent(self, name: str) -> Mapping[str, Any]:
        """The Agent as it is now; empty when there is none."""
        return self.record.now["agents"].get(name, {})

    def reason(self, agent: str, kind: str = "Ready") -> str:
        """The reason of a condition of an Agent's status, '' when it has none."""
        return condition(self.agent(agent), kind).get("reason", "")

    def members(self, group: str) -> list[str]:
        """Who belongs to a Group, as its status says."""
        found = self.record.now["groups"].get(group, {}).get("status", {}).get("members", [])
        return list(found)

    def secret(self, name: str, key: str) -> str:
        """A value of a Secret, '' when there is none."""
        found = self.record.now["secrets"].get(name, {}).get("data", {}).get(key, "")
        return base64.b64decode(found).decode()

    def live_pods(self, agent: str = "") -> list[str]:
        """Names of the pods that are not over, of one agent or of all."""
        return sorted(
            name
            for name, body in self.record.now["pods"].items()
            if agent in ("", body["metadata"]["labels"].get(f"{GROUP}/agent")) and not self._ended(name)
        )

    async def until(self, what: str, true: Callable[[], T | Awaitable[T]], seconds: float = 0.0) -> T:
        """Look until it is so; raises NotInTimeError."""
        deadline = time.monotonic() + (seconds or UNTIL_SECONDS)
        while True:
            found = true()
            answer = await found if isinstance(found, Awaitable) else found
            if answer:
                return answer
            if time.monotonic() > deadline:
                raise NotInTimeError(f"not in time: {what}")
            await asyncio.sleep(LOOK_SECONDS)

    # What people do ----------------------------------------------------

    async def apply(self, kind: str, name: str, spec: Mapping[str, Any]) -> None:
        """Write a resource of ours as `kubectl apply` does."""
        kinds = {each.plural: each.name for each in KINDS}
        manifest = {
            "apiVersion": f"{GROUP}/{VERSION}",
            "kind": kinds[kind],
            "metadata": {"name": name, "namespace": self.place.namespace},
            "spec": dict(spec),
        }
        await self.api.apply(self.record.path(kind, name), manifest)

    async def spoil(self, kind: str, name: str, change: Mapping[str, Any]) -> None:
        """Change what is the operator's; returns when that was seen, so that one can wait for its repair."""
        made = await self.api.ask("PATCH", self.record.path(kind, name), change, MERGE)
        version = int(made["metadata"]["resourceVersion"])
        await self.until(
            f"{kind} {name} is changed",
            lambda: any(seen.kind == kind and seen.version >= version for seen in reversed(self.record.seen)),
        )

    async def send(self, agent: str, body: str = "") -> str:
        """Send a request, as the gateway does for a person; returns its id."""
        mid = f"m{len(self.sent) + 1}"
        message = NewMessage(to=agent, body=body or f"message {mid}", mid=mid, sender="person")
        outcome = await send(self.bus, message)
        assert outcome in (SendOutcome.OK, SendOutcome.DUP), f"{agent} took no message: {outcome}"
        self.sent[mid] = agent
        return mid

    async def answered(self, *mids: str) -> bool:
        """Whether all of these have their reply."""
        return all([await reply(self.bus, mid) is not None for mid in mids])

    # Redis -------------------------------------------------------------

    async def _set_password(self) -> None:
        """The chart's Redis gets its password from the Secret that the operator makes; so does this one."""
        await self._password.wait()
        self._own_password = self.secret(SECRET_REDIS, "password")
        await self.bus.command("ACL", "SETUSER", "default", f">{self._own_password}")

    async def _clean_redis(self) -> None:
        with contextlib.suppress(BusError):
            if self._own_password:
                await self.bus.command("ACL", "SETUSER", "default", f"<{self._own_password}")
            await self.bus.command(
                "ACL", "DELUSER", namespace_user_name(self.place.install, self.place.namespace)
            )
            keys = await self.keys()
            if keys:
                await self.bus.command("UNLINK", *keys)
        await self.bus.aclose()

    async def keys(self) -> list[str]:
        """Every key of the namespace."""
        found: list[str] = []
        cursor: Any = b"0"
        while True:
            cursor, page = await self.bus.command("SCAN", cursor, "MATCH", f"{self.prefix}*", "COUNT", 1000)
            found += [key.decode() for key in page]
            if cursor in (b"0", 0):
                return sorted(found)


def condition(body: Mapping[str, Any], kind: str) -> Mapping[str, Any]:
    """One condition of an object's status, empty when it has none."""
    found = body.get("status", {}).get("conditions", ())
    return next((each for each in found if each["type"] == kind), {})
