"""Plays the operator: a level-triggered loop over what is wished, what Redis knows and which pods live.

The harness is its Kubernetes: it says what is wished and which pods there are, and makes them.
"""

import asyncio
import os
from typing import Any

import uvloop

from horos_api.names import Env
from horos_bus.connection import Bus, BusUnavailableError
from horos_bus.control import Control
from horos_bus.records import AgentView
from tests.crash.agent_process import CONTROL, say

PASS_SECONDS = 0.04


class Operator:
    """One life of it; all that it remembers is which config it has written."""

    def __init__(self, control: Control, port: int) -> None:
        self._control = control
        self._port = port
        self._written: dict[str, tuple[str, int]] = {}

    async def look(self) -> None:
        """Do one pass."""
        cluster: dict[str, Any] = await say(self._port, {"say": "look"})
        for wish in cluster["agents"]:
            await self._life(wish)
        names = [wish["name"] for wish in cluster["agents"] if wish["mode"] != "Deleted"]
        views = await self._control.views(names)
        for name in set(self._written) - set(views):
            del self._written[name]  # Redis has lost it, or its life is over
        for wish in cluster["agents"]:
            view = views.get(wish["name"])
            if view is not None and view.uid == wish["uid"]:
                await self._keep(wish, view, cluster["pods"])
        for order in cluster["orders"]:
            await self._obey(order)
        await self._control.work_off_later()

    async def _life(self, wish: dict[str, Any]) -> None:
        name, uid = wish["name"], wish["uid"]
        if wish["mode"] == "Deleted":
            await self._control.delete(name, uid)
            await say(self._port, {"say": "deleted", "name": name, "uid": uid})
        elif self._written.get(name) != (uid, wish["generation"]):
            await self._control.create(name, uid)
            text = wish["config"].encode()
            await self._control.configure(name, uid, wish["generation"], text, wish["request_seconds"])
            self._written[name] = (uid, wish["generation"])

    async def _keep(self, wish: dict[str, Any], view: AgentView, pods: list[dict[str, Any]]) -> None:
        name, mode = view.name, wish["mode"]
        if mode == "Terminated" and view.state != "terminated":
            await self._control.terminate(name, view.uid)
        elif mode == "Suspended" and view.state not in ("paused", "terminated"):
            await self._control.ctl(name, "pause")
        elif mode == "Running" and view.state == "paused":
            await self._control.ctl(name, "resume")
        tokens = [pod["token"] for pod in pods if pod["agent"] == name]
        if view.holder and view.holder not in tokens:
            await self._control.reap(name, view.holder)
        elif view.in_work and not tokens:
            await say(self._port, {"say": "create", "name": name, "uid": view.uid, "ticket": view.epoch})

    async def _obey(self, order: dict[str, Any]) -> None:
        if order["op"] == "cancel":
            await self._control.cancel(order["name"], order["turn"])
        else:
            await self._control.ctl(order["name"], order["op"])
        await say(self._port, {"say": "obeyed", "id": order["id"]})


async def _live() -> int:
    bus = Bus.open(os.environ[Env.REDIS_URL], os.environ[Env.PREFIX])
    operator = Operator(Control(bus), int(os.environ[CONTROL]))
    while True:
        try:
            await operator.look()
        except BusUnavailableError as error:
            print(error, flush=True)
        await asyncio.sleep(PASS_SECONDS)


def main() -> int:
    """Look again and again until killed."""
    return uvloop.run(_live())
