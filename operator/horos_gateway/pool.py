"""Who has a process and who waits for one: the pool of a namespace, and what people ask of one agent's."""

from collections.abc import Mapping
from typing import Final

from horos_api.agent_state import AgentState
from horos_bus.agent_view import AgentView
from horos_bus.operating import Place
from horos_gateway.agent_bodies import agent_body, moment, residency_of
from horos_gateway.backend import Backend, no_agent, places_of, refuse_terminated
from horos_gateway.bodies import AgentBody, Residency
from horos_gateway.pool_bodies import PoolBody, QueuedBody, ResidentBody, Why
from horos_gateway.problems import QueuedError, SuspendedError

_TRIES: Final = 3


class Pool:
    """Looks and asks. Every method may raise BusError."""

    def __init__(self, backend: Backend) -> None:
        self._backend = backend

    async def of_namespace(self, namespace: str) -> PoolBody:
        """Who is resident and who waits, in the order that counts; empty when there is no such namespace."""
        control = self._backend.control(namespace)
        views = await control.views(sorted(await control.agents()))
        return pool_body(views, await control.queue(), await control.limit())

    async def wake(self, namespace: str, name: str) -> AgentBody:
        """Have the agent get a process, with work or without, and say how it stands then.

        Raises NotFoundError, TerminatedError, and SuspendedError for one that may have none.
        """
        control = self._backend.control(namespace)
        for _ in range(_TRIES):
            await self._able(namespace, name)
            await control.ctl(name, "wake")
            woken = await self._stands(namespace, name)
            if woken.residency is not Residency.HIBERNATED:
                break
            # Its process gave it back right behind the order, which is none to an agent that has one.
        return woken

    async def hibernate(self, namespace: str, name: str) -> AgentBody:
        """Have the agent's process leave, after its turn if one is open, and say how it stands then.

        Raises NotFoundError, TerminatedError, SuspendedError, and QueuedError for one that has none yet.
        """
        view = await self._able(namespace, name)
        if residency_of(view, await self._backend.control(namespace).place(name)) is Residency.QUEUED:
            raise QueuedError(f"agent {name} has no process to give up: it waits for one", "name")
        await self._backend.control(namespace).ctl(name, "evict")
        return await self._stands(namespace, name)

    async def _able(self, namespace: str, name: str) -> AgentView:
        view = await self._backend.view(namespace, name)
        refuse_terminated(view)
        if view.state is AgentState.PAUSED:
            has = (
                "its process leaves after its turn"
                if view.holder
                else "it has no process until it is resumed"
            )
            raise SuspendedError(f"agent {name} is suspended: {has}", "name")
        return view

    async def _stands(self, namespace: str, name: str) -> AgentBody:
        view = await self._backend.control(namespace).view(name)
        if view is None:
            raise no_agent(namespace, name)
        return agent_body(view, await self._backend.control(namespace).place(name))


def pool_body(views: Mapping[str, AgentView], queue: list[str], limit: int | None) -> PoolBody:
    """Build it of what the bus knows of all agents, and of what the operator told of the pool."""
    places = places_of(queue)
    stands = {name: residency_of(view, places.get(name)) for name, view in views.items()}
    residents = [view for view in views.values() if stands[view.name] is Residency.RESIDENT]
    waiting = [view for view in views.values() if stands[view.name] is Residency.QUEUED]
    asleep = [
        view
        for view in views.values()
        if stands[view.name] is Residency.HIBERNATED
        and view.state not in (AgentState.PAUSED, AgentState.TERMINATED)
    ]
    return PoolBody(
        max_running=limit,
        resident=len(residents),
        queued=sum(view.name in places for view in waiting),
        starting=sum(view.name not in places for view in waiting),
        hibernated=len(asleep),
        queue=[_queued(view, places[view.name]) for view in _in_order(waiting, places)],
        residents=[_resident(view) for view in sorted(residents, key=_idle_longest)],
    )


def _in_order(waiting: list[AgentView], places: Mapping[str, Place]) -> list[AgentView]:
    return sorted((v for v in waiting if v.name in places), key=lambda view: places[view.name].position)


def _idle_longest(view: AgentView) -> tuple[bool, float, str]:
    """Who has something to do comes last."""
    busy = bool(view.turn or view.waiting)
    return busy, view.claimed if busy else view.rested, view.name


def _queued(view: AgentView, place: Place) -> QueuedBody:
    return QueuedBody(
        position=place.position,
        name=view.name,
        state=view.state,
        since=moment(view.since),
        why=_why(view),
    )


def _why(view: AgentView) -> Why:
    if view.turn:
        return "turn"
    if view.waiting:
        return "message"
    if view.in_work:
        return "order"
    return "birth" if view.epoch == 0 else "stays"


def _resident(view: AgentView) -> ResidentBody:
    idle = not view.turn and not view.waiting
    return ResidentBody(
        name=view.name,
        state=view.state,
        since=moment(view.claimed),
        idle_since=moment(view.rested) if idle else None,
        leaving=view.evict,
    )
