"""Plays the operator: a level-triggered loop over what is wished, what Redis knows and which pods live.

The harness is its Kubernetes: it says what is wished and which pods there are, and makes them. It looks every
now and then, or (with sweeps switched off) only when a doorbell rings or Kubernetes has news.
"""

import asyncio
import json
import os
from collections.abc import Mapping
from typing import Any

import uvloop

from horos_api.mentions import Wake
from horos_api.names import Env
from horos_bus.agent_view import AgentView
from horos_bus.connection import Bus, BusUnavailableError
from horos_bus.control import Control
from horos_bus.doorbells import Doorbells
from horos_bus.group_service import GroupService
from horos_bus.operating import Child, SocietyOrder
from tests.crash.agent_process import CONTROL, say

PASS_SECONDS = 0.04
CHORE_SECONDS = 1.0
SWEEPS = "CRASH_SWEEPS"


class Operator:
    """One life of it; all that it remembers is which config it has written."""

    def __init__(self, control: Control, groups: GroupService, port: int) -> None:
        self._control = control
        self._groups = groups
        self._gathered: dict[str, dict[str, str]] = {}
        self._port = port
        self._written: dict[str, tuple[str, int]] = {}

    async def look(self) -> int:
        """Do one pass; returns the revision of Kubernetes that it has acted on."""
        cluster: dict[str, Any] = await say(self._port, {"say": "look"})
        for wish in cluster["agents"]:
            await self._life(wish)
        wishes = {wish["name"]: wish for wish in cluster["agents"] if wish["mode"] != "Deleted"}
        views = await self._control.views(wishes)
        for name in set(self._written) - set(views):
            del self._written[name]  # Redis has lost it, or its life is over
        known = {name: view for name, view in views.items() if view.uid == wishes[name]["uid"]}
        for name, view in known.items():
            await self._keep(wishes[name]["mode"], view, cluster["pods"])
        await self._fill(known, cluster)
        await self._gather(cluster["groups"])
        for order in cluster["orders"]:
            await self._obey(order)
        for asked in await self._control.orders():
            if isinstance(asked, SocietyOrder):
                await self._raise(asked)
        await self._control.work_off_later()
        return int(cluster["revision"])

    async def work_off_later(self) -> None:
        """Do what is due."""
        await self._control.work_off_later()

    async def _gather(self, wanted: dict[str, dict[str, str]]) -> None:
        """Project groups whose members are not what it has written, and delete those without any."""
        known: dict[str, str] = await self._groups.groups()
        for name, members in wanted.items():
            if not members:
                await self._groups.delete(name, f"uid-{name}")
                await say(self._port, {"say": "ungrouped", "name": name})
            elif name not in known or self._gathered.get(name) != members:
                await self._groups.put(name, f"uid-{name}", Wake.MENTIONED, 1000, members)
                self._gathered[name] = members

    async def _life(self, wish: dict[str, Any]) -> None:
        name, uid = wish["name"], wish["uid"]
        if wish["mode"] == "Deleted":
            await self._control.delete(name, uid)
            await say(self._port, {"say": "deleted", "name": name, "uid": uid})
        elif self._written.get(name) != (uid, wish["generation"]):
            await self._make(wish)
            self._written[name] = (uid, wish["generation"])

    async def _make(self, wish: dict[str, Any]) -> None:
        name, uid, parent = wish["name"], wish["uid"], wish["parent"]
        await self._control.create(name, uid, parent, parent)
        await self._control.configure(
            name,
            uid,
            wish["generation"],
            wish["config"].encode(),
            wish["request_seconds"],
            lifetime=wish["lifetime"],
        )

    async def _raise(self, order: SocietyOrder) -> None:
        """Have the child made, or find it made; then its keys, then the answer."""
        asked = {"say": "born", "name": order.name, "mid": order.mid, "parent": order.agent}
        child: dict[str, Any] = await say(self._port, asked)
        if not child["ours"]:
            await self._control.settle(order, "refused", f"the name {order.name} is taken")
            return
        await self._make(child)
        task = json.loads(order.body)["task"]
        await self._control.settle(order, "done", "created", Child(order.name, child["uid"], task))

    async def _keep(self, mode: str, view: AgentView, pods: list[dict[str, Any]]) -> None:
        name = view.name
        if mode == "Terminated" and view.state != "terminated":
            await self._control.terminate(name, view.uid)
        elif mode == "Suspended" and view.state not in ("paused", "terminated"):
            await self._control.ctl(name, "pause")
        elif mode == "Running" and view.state == "paused":
            await self._control.ctl(name, "resume")
        tokens = [pod["token"] for pod in pods if pod["agent"] == name]
        if view.holder and view.holder not in tokens:
            await self._control.reap(name, view.holder)

    async def _fill(self, views: Mapping[str, AgentView], cluster: dict[str, Any]) -> None:
        """Give slots to those that wait, the longest waiting first; ask the idle for theirs."""
        live = {pod["agent"] for pod in cluster["pods"]}
        needing = [view for view in views.values() if view.in_work and not view.holder]
        queue = sorted((view.since, view.name) for view in needing if view.name not in live)
        room = max(0, cluster["pool"] - len(cluster["pods"]))
        await self._control.tell_queue([name for _, name in queue[room:]])
        for _, name in queue[:room]:
            view = views[name]
            await say(self._port, {"say": "create", "name": name, "uid": view.uid, "ticket": view.epoch})
        resident = [view for view in views.values() if view.holder and view.name in live]
        idle = sorted((view.rested, view.name) for view in resident if not view.evict and _can_leave(view))
        leaving = sum(view.evict for view in resident)
        for _, name in idle[: max(0, len(queue) - room - leaving)]:
            await self._control.ctl(name, "evict")

    async def _obey(self, order: dict[str, Any]) -> None:
        if order["op"] == "cancel":
            await self._control.cancel(order["name"], order["turn"])
        else:
            await self._control.ctl(order["name"], order["op"])
        await say(self._port, {"say": "obeyed", "id": order["id"]})


def _can_leave(view: AgentView) -> bool:
    """Whether it has nothing to do, or cannot do it."""
    return not view.in_work or view.state == "error"


async def _sweep(operator: Operator) -> None:
    while True:
        try:
            await operator.look()
        except BusUnavailableError as error:
            print(error, flush=True)
        await asyncio.sleep(PASS_SECONDS)


class _Ears:
    """What makes an operator look that does not sweep; nothing else does."""

    def __init__(self, operator: Operator, doorbells: Doorbells, namespace: str, port: int) -> None:
        self._operator, self._doorbells = operator, doorbells
        self._namespace, self._port = namespace, port
        self._heard = asyncio.Event()
        self._heard.set()

    async def live(self) -> None:
        """Listen, and look when there is a reason."""
        async with asyncio.TaskGroup() as group:
            for part in (self._doorbell, self._watch, self._act, self._chores):
                group.create_task(part())

    async def _doorbell(self) -> None:
        while True:
            try:
                if await self._doorbells.ring([self._namespace], 2000):
                    self._heard.set()
            except BusUnavailableError:
                await asyncio.sleep(PASS_SECONDS)

    async def _watch(self) -> None:
        revision = 0
        while True:
            revision = int((await say(self._port, {"say": "watch", "revision": revision}))["revision"])  # type: ignore[call-overload]
            self._heard.set()

    async def _act(self) -> None:
        while True:
            await self._heard.wait()
            self._heard.clear()
            try:
                revision = await self._operator.look()
            except BusUnavailableError:
                self._heard.set()
                await asyncio.sleep(PASS_SECONDS)
            else:
                await say(self._port, {"say": "looked", "revision": revision})

    async def _chores(self) -> None:
        while True:
            await asyncio.sleep(CHORE_SECONDS)
            try:
                await self._operator.work_off_later()
            except BusUnavailableError as error:
                print(error, flush=True)


async def _live() -> int:
    prefix, port = os.environ[Env.PREFIX], int(os.environ[CONTROL])
    bus = Bus.open(os.environ[Env.REDIS_URL], prefix)
    operator = Operator(Control(bus), GroupService(bus), port)
    if os.environ[SWEEPS] == "1":
        await _sweep(operator)
    _, install, namespace, _ = prefix.split(":")
    await _Ears(operator, Doorbells(bus, install), namespace.strip("{}"), port).live()
    return 0


def main() -> int:
    """Live until killed."""
    return uvloop.run(_live())
