"""Sees every pass of the reconciler and has it counted: the only place where passes and metrics meet."""

from collections.abc import Mapping, Set
from typing import Final

from horos_api.conditions import ConditionType
from horos_operator.actions import CreatePod
from horos_operator.activations import Activations, Granted
from horos_operator.census import Census
from horos_operator.metrics import Metrics
from horos_operator.observation import Observation
from horos_operator.plan import Plan
from horos_operator.queue import Key
from horos_operator.situation import Situation
from horos_operator.verdict import Verdict

KEPT_SECONDS: Final = 3600.0


class Witness:
    """What one operator has seen while it led."""

    def __init__(self, metrics: Metrics) -> None:
        self.metrics = metrics
        self.census = Census()
        self._activations = Activations()
        self._namespaces: dict[str, float] = {}
        self._passed: set[str] = set()

    def begin(self, now: float) -> None:
        """This process begins to lead; `now` is in seconds since the epoch."""
        self.census.clear()
        self._activations.begin(now)

    def forget(self, key: Key) -> None:
        """The agent is gone."""
        self.census.forget(key)
        self._activations.forget(key)

    def there(self, namespaces: Set[str], now: float) -> None:
        """These namespaces have agents; `now` is in seconds on any scale that only grows.

        One that has had none for KEPT_SECONDS, in which everybody has read its last counts, is told no more.
        """
        self._namespaces.update(dict.fromkeys(namespaces | self._passed, now))
        self._passed.clear()
        for namespace in [each for each, at in self._namespaces.items() if now - at >= KEPT_SECONDS]:
            del self._namespaces[namespace]
            self.metrics.forget(namespace)

    def planned(self, key: Key, seen: Observation, decided: Plan) -> None:
        """A pass knows what to do and is about to begin with it."""
        self._passed.add(key[0])
        creates = any(isinstance(action, CreatePod) for action in decided.actions)
        for measured in self._activations.saw(key, seen, creates=creates):
            if isinstance(measured, Granted):
                self.metrics.granted(measured)
            else:
                self.metrics.activated(measured)

    def told(self, case: Situation, verdicts: Mapping[ConditionType, Verdict]) -> None:
        """A pass knows what to say of its agent."""
        spent = self.census.count(case, verdicts)
        if spent is not None:
            model = case.models.own.choice.name if case.models else None
            self.metrics.spent(case.agent.namespace, model or "", spent)
