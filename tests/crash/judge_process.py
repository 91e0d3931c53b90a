"""The programs of people who decide: each looks at what waits, and decides what it was told to, once.

Killed and started again it decides anew whatever is still listed, as whoever has no reply would.
"""

import asyncio
import os
from collections.abc import Mapping
from typing import Any, Final

import uvloop

from horos_api.messages import Verdict
from horos_api.names import Env
from horos_bus.approvals import Approval
from horos_bus.connection import Bus, BusUnavailableError
from horos_bus.control import Control
from tests.crash.agent_process import CONTROL, say
from tests.crash.mind import TAG

LOOK_SECONDS: Final = 0.1


class Judge:
    """One person; it remembers what it has decided."""

    def __init__(self, name: str, control: Control, port: int) -> None:
        self._name, self._control, self._port = name, control, port
        self._done: set[str] = set()

    async def decide(self, found: list[Approval], verdicts: Mapping[str, Mapping[str, str]]) -> None:
        """Decide all of these that this person has a verdict about."""
        for each in found:
            tag = (TAG.findall(each.arguments + each.message) or [""])[0]
            verdict = verdicts.get(tag, {}).get(self._name)
            if verdict is None or each.id in self._done:
                continue
            answer = await self._control.decide(
                each.agent, each.id, Verdict(verdict), self._name, reason=f"about {tag}", content="{}"
            )
            self._done.add(each.id)
            status = answer.approval.status if answer.approval else ""
            who = answer.approval.who if answer.approval else ""
            words = {"id": each.id, "kind": each.kind, "by": self._name, "verdict": verdict}
            await say(
                self._port,
                {"say": "decided", **words, "outcome": answer.outcome, "status": status, "who": who},
            )


async def _live() -> int:
    port = int(os.environ[CONTROL])
    control = Control(Bus.open(os.environ[Env.REDIS_URL], os.environ[Env.PREFIX]))
    judges: dict[str, Judge] = {}
    while True:
        plan: dict[str, Any] = await say(port, {"say": "verdicts"})
        for name in plan["judges"]:
            judges.setdefault(name, Judge(name, control, port))
        try:
            found = [each for agent in plan["agents"] for each in await control.approvals(agent)]
            await asyncio.gather(*[judge.decide(found, plan["verdicts"]) for judge in judges.values()])
        except BusUnavailableError as error:
            print(error, flush=True)
        await asyncio.sleep(LOOK_SECONDS)


def main() -> int:
    """Look again and again until killed."""
    return uvloop.run(_live())
