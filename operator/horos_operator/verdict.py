"""A verdict: the answer of a condition with its reason and message, and how a status writes it down."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from horos_api.budgets import utc_time
from horos_api.conditions import ConditionStatus, ConditionType, Reason


@dataclass(frozen=True, slots=True)
class Verdict:
    """The answer of a condition with its reason, for programs, and its message, for a person."""

    status: ConditionStatus
    reason: Reason
    message: str


class HasStatus(Protocol):
    """An object as it was last seen."""

    @property
    def generation(self) -> int:
        """Which version of the spec that was."""
        ...

    @property
    def status(self) -> Mapping[str, Any]:
        """The status that it has."""
        ...


def yes(reason: Reason, message: str) -> Verdict:
    """The condition is True."""
    return Verdict(ConditionStatus.TRUE, reason, message)


def no(reason: Reason, message: str) -> Verdict:
    """The condition is False."""
    return Verdict(ConditionStatus.FALSE, reason, message)


def unknown(reason: Reason, message: str) -> Verdict:
    """Nobody can say whether it is so."""
    return Verdict(ConditionStatus.UNKNOWN, reason, message)


def condition_entry(kind: ConditionType, verdict: Verdict, of: HasStatus, now: float) -> dict[str, Any]:
    """Build the entry of `status.conditions`; the time of the last turn stays while the answer does."""
    written: Iterable[Mapping[str, Any]] = of.status.get("conditions") or ()
    before = next((each for each in written if each.get("type") == kind), {})
    same = before.get("status") == verdict.status and "lastTransitionTime" in before
    return {
        "type": kind.value,
        "status": verdict.status.value,
        "reason": verdict.reason.value,
        "message": verdict.message,
        "observedGeneration": of.generation,
        "lastTransitionTime": before["lastTransitionTime"] if same else utc_time(now),
    }
