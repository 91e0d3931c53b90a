"""How long agents wait for a process, stage by stage: made from what passes see, and nothing else. Pure.

It remembers only activations that began in this time of leadership. What another process began, or this one
before it followed for a while, is not measured rather than measured wrong.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Final, Literal, TypeAlias

from horos_bus.agent_view import AgentView
from horos_operator.observation import Observation
from horos_operator.pods import pod_name
from horos_operator.queue import Key

Stage: TypeAlias = Literal["granted", "created", "scheduled", "running", "claimed"]
STAGES: Final[tuple[Stage, ...]] = ("granted", "created", "scheduled", "running", "claimed")
"""In the order in which they are reached."""


@dataclass(frozen=True, slots=True)
class Granted:
    """An agent got a slot, so many seconds after it needed one."""

    namespace: str
    seconds: float


@dataclass(frozen=True, slots=True)
class Activated:
    """An agent has a process: the seconds from its need to each stage, which never fall."""

    namespace: str
    seconds: dict[Stage, float]


@dataclass(slots=True)
class _Need:
    """One need of one life of an agent. Times are seconds since the epoch, by the operator's clock."""

    uid: str
    since: float
    asked: float = math.inf
    reached: dict[Stage, float] = field(default_factory=dict)


class Activations:
    """The activations under way."""

    def __init__(self) -> None:
        self._began = math.inf
        self._needs: dict[Key, _Need] = {}

    def begin(self, now: float) -> None:
        """Measure what begins from now on."""
        self._began = now
        self._needs.clear()

    def forget(self, key: Key) -> None:
        """The agent is gone."""
        self._needs.pop(key, None)

    def saw(self, key: Key, seen: Observation, *, creates: bool) -> Iterator[Granted | Activated]:
        """Take in what a pass has seen, and whether it is about to create the pod; yields what is measured.

        A stage that no pass saw counts as reached with the next one that was seen.
        """
        agent, view = seen.agent, seen.bus.view
        if agent is None or (view is not None and view.uid != agent.uid):
            self.forget(key)
            return
        if view is None:
            return  # the bus cannot be asked: nothing is known, and nothing over
        need = self._needs.get(key)
        if need is not None and _over(need, view):
            self.forget(key)
            if need.uid == view.uid and view.claimed >= need.since:
                yield Activated(key[0], _stages(need, view.claimed))
            need = None
        # Who has a process is in work as well, for as long as there is something to do.
        if need is None and not view.holder and view.since and view.since >= self._began:
            need = self._needs[key] = _Need(view.uid, view.since)
        if need is not None:
            yield from self._progress(key, need, seen, pod_name(agent.name, view.epoch + 1))
            if creates:
                need.asked = seen.now

    def _progress(self, key: Key, need: _Need, seen: Observation, name: str) -> Iterator[Granted]:
        pod = next((each for each in seen.pods if each.name == name and not each.dead), None)
        if pod is None:
            return
        if "granted" not in need.reached:
            # Only now: a pod that the API server refuses keeps the agent waiting.
            need.reached["granted"] = min(need.asked, seen.now)
            yield Granted(key[0], max(0.0, need.reached["granted"] - need.since))
        need.reached.setdefault("created", seen.now)
        if pod.node:
            need.reached.setdefault("scheduled", seen.now)
        if pod.running:
            need.reached.setdefault("running", seen.now)


def _over(need: _Need, view: AgentView) -> bool:
    """Whether it was claimed, or nobody needs it any more, or it is another life's."""
    return view.claimed >= need.since or (view.uid, view.since) != (need.uid, need.since)


def _stages(need: _Need, claimed: float) -> dict[Stage, float]:
    """Two clocks and late passes may have put a stage behind a later one: no stage is later than the next."""
    found: dict[Stage, float] = {}
    latest = claimed
    for stage in reversed(STAGES):
        latest = min(latest, need.reached.get(stage, latest))
        found[stage] = max(0.0, latest - need.since)
    return {stage: found[stage] for stage in STAGES}
