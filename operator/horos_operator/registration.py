"""What an agent is beside its pod: finalizer, owner, keys and configuration, and how all that ends. Pure."""

from collections.abc import Iterable
from typing import Final, Literal

from horos_api.agent_state import AgentState
from horos_api.money import billionths
from horos_api.names import FINALIZER, LABEL_ROOT
from horos_api.resources import AgentSpec, Lifetime
from horos_bus.agent_view import AgentView
from horos_bus.operating import DayLimits
from horos_operator.actions import (
    Action,
    AddFinalizer,
    Configure,
    CreateKeys,
    DeleteAgent,
    DeleteKeys,
    DeletePod,
    PrepareNamespace,
    RemoveFinalizer,
    SetOwner,
)
from horos_operator.agent_factory import AgentFactory, config_digest
from horos_operator.facts import AgentFacts
from horos_operator.observation import Observation
from horos_operator.pod_troubles import lacks_bus_secret
from horos_operator.pods import Asked

_NO_LIMITS: Final = DayLimits()


def registration(
    seen: Observation, agent: AgentFacts, wanted: Asked, factory: AgentFactory
) -> Iterable[Action]:
    """What must be there before a pod is: credentials, finalizer, owner, keys, configuration."""
    yield from _credentials(seen, agent)
    if FINALIZER not in agent.finalizers:
        yield AddFinalizer()
    yield from _owner(seen, agent)
    view = seen.bus.view
    fresh = view is None or view.uid != agent.uid
    if view is not None and fresh:
        yield DeleteKeys(view.uid, "an earlier Agent of this name is gone")
    yield from _keys(seen, wanted.spec)
    config = factory.config(agent, wanted)
    if fresh or config_digest(config) != seen.bus.configured:
        spec = wanted.spec
        lifetime: Literal["", "Task"] = "Task" if spec.lifetime is Lifetime.TASK else ""
        yield Configure(config, spec.budget.request_seconds, lifetime, family_limits(spec))


def _credentials(seen: Observation, agent: AgentFacts) -> Iterable[Action]:
    if not seen.bus.prepared:
        yield PrepareNamespace()
    elif any(lacks_bus_secret(pod) for pod in seen.pods if pod.owner_uid == agent.uid):
        yield PrepareNamespace(again=True, why="a pod finds no Secret for the bus")


def _owner(seen: Observation, agent: AgentFacts) -> Iterable[Action]:
    """Of one that a person has written: who was born by an order has its owner from the beginning."""
    parent, root = seen.family.parent, seen.family.root
    if parent is not None and root and (agent.owner_uid, agent.labels.get(LABEL_ROOT)) != (parent.uid, root):
        yield SetOwner(parent, root)


def _keys(seen: Observation, spec: AgentSpec) -> Iterable[Action]:
    """Keys of its own; the bus must know its root, whose budget counts what it uses."""
    root, life = seen.family.root, seen.life
    if life is None:
        yield CreateKeys(spec.parent_name, root)
    elif root and (life.parent, life.root) != (spec.parent_name, root):
        yield CreateKeys(spec.parent_name, root, "the bus does not know whose child it is")


def family_limits(spec: AgentSpec) -> DayLimits:
    """What an agent and all its descendants may use in a day: the budget of the one that has no parent."""
    if spec.parent_name:
        return _NO_LIMITS
    budget = spec.budget
    return DayLimits(budget.tokens_per_day, billionths(budget.cost_per_day) if budget.cost_per_day else None)


def farewell(seen: Observation, agent: AgentFacts) -> tuple[Action, ...]:
    """What to do about an Agent that is being deleted."""
    if FINALIZER not in agent.finalizers:
        return ()
    actions: list[Action] = [
        DeletePod(pod, "its Agent is deleted")
        for pod in seen.pods
        if pod.owner_uid == agent.uid and not pod.dead and not pod.deleting
    ]
    if seen.bus.problem:
        return tuple(actions)
    if seen.bus.view is not None and seen.bus.view.uid == agent.uid:
        actions.append(DeleteKeys(agent.uid, "its Agent is deleted"))
    return (*actions, RemoveFinalizer())


def seconds_to_deletion(life: AgentView | None, spec: AgentSpec, now: float) -> float | None:
    """Say in how many seconds an Agent that has ended goes; 0.0 when it is time, None when it stays."""
    if life is None or life.state is not AgentState.TERMINATED or not life.ended:
        return None
    return None if spec.ttl_seconds is None else max(0.0, life.ended + spec.ttl_seconds - now)


def deletion(spec: AgentSpec) -> DeleteAgent:
    """Delete one that has ended long enough ago."""
    return DeleteAgent(f"it has ended {spec.ttl_seconds} s ago (ttlSecondsAfterFinished)")
