"""What every agent was when it was last looked at, and what it has used since the time before."""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final, TypeAlias

from horos_api.conditions import ConditionStatus, ConditionType, Reason
from horos_bus.records import TotalUsage
from horos_operator.queue import Key
from horos_operator.situation import Situation
from horos_operator.verdict import Verdict

QUEUED: Final = "queued"
STUCK: Final = "stuck"
Counts: TypeAlias = Counter[tuple[str, str]]
"""How many agents, by namespace and what they are."""
_RESIDENCY: Final = {
    Reason.RESIDENT: "resident",
    Reason.SUSPENDING: "resident",
    Reason.STARTING: "starting",
    Reason.HIBERNATED: "hibernated",
    Reason.QUEUED: QUEUED,
    Reason.SUSPENDED: "suspended",
    Reason.TERMINATED: "terminated",
    Reason.DELETING: "deleting",
}
"""By the reason of condition Scheduled."""


@dataclass(frozen=True, slots=True)
class Counted:
    """One agent. `unready` is the reason of a condition Ready that is False, else ''.

    `usage` is None as long as the bus could not be asked.
    """

    uid: str
    residency: str
    unready: str
    usage: TotalUsage | None
    dead_letters: int = 0


@dataclass(frozen=True, slots=True)
class Spent:
    """What an agent has used since it was last looked at; `cost` in billionths of a currency unit."""

    turns: int
    prompt_tokens: int
    completion_tokens: int
    cost: int


class Census:
    """The agents of one operator, by namespace and name. May be read in another thread."""

    def __init__(self) -> None:
        self._agents: dict[Key, Counted] = {}

    def clear(self) -> None:
        """Begin anew: what is known may be long over."""
        self._agents.clear()

    def forget(self, key: Key) -> None:
        """The agent is gone."""
        self._agents.pop(key, None)

    def count(self, case: Situation, verdicts: Mapping[ConditionType, Verdict]) -> Spent | None:
        """Take an agent as a pass found it; returns what it used since the last pass.

        None at first sight: what it used while nobody counted here is not news.
        """
        key = (case.agent.namespace, case.agent.name)
        before = self._agents.get(key)
        usage, view = _usage(case, before), case.seen.bus.view
        ready = verdicts[ConditionType.READY]
        self._agents[key] = Counted(
            uid=case.agent.uid,
            residency=_RESIDENCY.get(verdicts[ConditionType.SCHEDULED].reason, STUCK),
            unready=ready.reason.value if ready.status is ConditionStatus.FALSE else "",
            usage=usage,
            dead_letters=view.dead if view is not None else before.dead_letters if before is not None else 0,
        )
        if before is None or before.usage is None or usage is None:
            return None
        return _spent(before.usage if before.uid == case.agent.uid else TotalUsage(), usage)

    def agents(self) -> list[tuple[Key, Counted]]:
        """Everybody, as of this moment."""
        return list(self._agents.items())

    def residencies(self) -> Counts:
        """How many agents of each namespace are what."""
        return Counter((namespace, each.residency) for (namespace, _), each in self.agents())

    def dead_letters(self) -> Counter[str]:
        """How many dead letters the agents of each namespace have."""
        found: Counter[str] = Counter()
        for (namespace, _), each in self.agents():
            found[namespace] += each.dead_letters
        return found

    def unready(self) -> Counts:
        """How many agents of each namespace are not ready for which reason."""
        return Counter((namespace, each.unready) for (namespace, _), each in self.agents() if each.unready)


def _usage(case: Situation, before: Counted | None) -> TotalUsage | None:
    """What this life of the agent has used, as far as the bus has told."""
    bus, uid = case.seen.bus, case.agent.uid
    if bus.problem:
        return before.usage if before is not None and before.uid == uid else None
    return bus.view.usage if bus.view is not None and bus.view.uid == uid else TotalUsage()


def _spent(before: TotalUsage, now: TotalUsage) -> Spent:
    """What has come; a Redis that lost its last second is no reason to count backwards."""
    return Spent(
        turns=max(0, now.turns - before.turns),
        prompt_tokens=max(0, now.prompt_tokens - before.prompt_tokens),
        completion_tokens=max(0, now.completion_tokens - before.completion_tokens),
        cost=max(0, now.cost - before.cost),
    )
