"""Does what agents ask of the operator: children are born, children are ended, groups are founded."""

import logging
from collections.abc import Iterable
from typing import TypeVar

from horos_api.names import agent_name_error, group_name_error
from horos_api.resources import OperatingMode
from horos_bus.operating import Child, OrderKind, Settled, SocietyOrder
from horos_operator.agent_factory import AgentFactory
from horos_operator.children import Birth, Nursery, Refusal, birth, ending
from horos_operator.cluster import NameTakenError, OutdatedError, RefusedError
from horos_operator.facts import AgentFacts
from horos_operator.family import line_of, lives
from horos_operator.founding import Founding, founding
from horos_operator.groups import GroupFacts, in_short, membership, those_there
from horos_operator.hands import Hands, LookAgainError
from horos_operator.inheritance import wish_of
from horos_operator.queue import Key

_FactsT = TypeVar("_FactsT", AgentFacts, GroupFacts)

log = logging.getLogger("horos.operator")


class Society:
    """Obeys orders of agents, each until its agent has been told; whatever was done before is found again.

    Raises ClusterError and BusError, and LookAgainError when the order has to wait for something.
    """

    def __init__(self, manager: Hands, factory: AgentFactory) -> None:
        self._manager = manager
        self._cluster = manager.cluster
        self._caches = manager.caches
        self._factory = factory

    async def obey(self, namespace: str, order: SocietyOrder) -> set[Key]:
        """Carry out one order; returns the Agents that need a pass for it."""
        wrong = agent_name_error(order.agent) or _name_error(order)
        if wrong is not None:
            # Agents can write what they like there, and names become parts of the API server's paths.
            await self._refuse(namespace, order, f"{order.kind} is not possible: {wrong}")
            return set()
        match order.kind:
            case OrderKind.CREATE_AGENT:
                return await self._create_agent(namespace, order)
            case OrderKind.TERMINATE_AGENT:
                return await self._terminate_agent(namespace, order)
            case OrderKind.CREATE_GROUP:
                return await self._create_group(namespace, order)

    async def _create_agent(self, namespace: str, order: SocietyOrder) -> set[Key]:
        try:
            child, task = await self._born(namespace, order), wish_of(order).task
        except ValueError as error:
            child, task = Refusal(str(error)), ""
        if isinstance(child, Refusal):
            await self._refuse(namespace, order, f"agent {order.name} was not created: {child.text}")
            return set()
        control = self._manager.control(namespace)
        root = self._caches.family(child).root or order.agent
        if await control.create(child.name, child.uid, order.agent, root) == "EXISTS":
            raise LookAgainError(f"an earlier life of {child.name} is still on the bus")
        if _is_going(child, self._caches.agent((namespace, child.name))):
            await control.delete(child.name, child.uid)
            raise LookAgainError(f"{child.name} is deleted at this moment")
        born = Child(child.name, child.uid, task)
        settled = await control.settle(order, "done", f"agent {child.name} was created", born)
        if settled is Settled.GONE:
            log.info("%s/%s: who asked for %s does not wait any more", namespace, order.agent, child.name)
            await self._cluster.delete_agent(child)
            await control.done(order)
        return {(namespace, child.name), (namespace, order.agent)}

    async def _born(self, namespace: str, order: SocietyOrder) -> AgentFacts | Refusal:
        """Find the child that this very order has made, or make it."""
        known = self._caches.agent((namespace, order.name)) is not None
        # A cache may show what has gone, and not what has come.
        there = await self._ask(namespace, order.name) if known else None
        if there is not None and not await self._may_make_room(namespace, order, there):
            return _found(order, there)
        decided = await self._decide(namespace, order)
        if isinstance(decided, Refusal):
            # It may have been made when it still could be.
            there = await self._ask(namespace, order.name)
            return _found(order, there) if there is not None and _was_made_for(order, there) else decided
        if there is not None:
            await self._cluster.delete_agent(there)
            raise LookAgainError(f"{there.name} has ended, and makes room for another one of its name")
        return await self._made(namespace, order, decided)

    async def _may_make_room(self, namespace: str, order: SocietyOrder, there: AgentFacts) -> bool:
        """Whether a child that has ended may go, since its own parent wants another one of its name."""
        if _was_made_for(order, there) or there.owner_uid != order.uid:
            return False
        own = self._caches.children((namespace, there.name))
        return not await self._living(namespace, [there, *own])

    async def _made(self, namespace: str, order: SocietyOrder, decided: Birth) -> AgentFacts | Refusal:
        try:
            made = await self._cluster.create_agent(decided.manifest)
        except NameTakenError as error:
            there = await self._ask(namespace, order.name)
            if there is None or await self._may_make_room(namespace, order, there):
                raise LookAgainError(error.message) from error
            return _found(order, there)
        except RefusedError as error:
            return Refusal(f"the cluster does not take it: {error.message}")
        self._caches.put_agent(made)
        log.info("%s/%s: created for %s (order %s)", namespace, order.name, order.agent, order.mid)
        return made

    async def _ask(self, namespace: str, name: str) -> AgentFacts | None:
        there = await self._cluster.agent(namespace, name)
        known = self._caches.agent((namespace, name))
        if known is not None and (there is None or there.uid != known.uid):
            self._caches.drop_agent(known)
        if there is not None:
            self._caches.put_agent(there)
        return there

    async def _asker(self, namespace: str, order: SocietyOrder) -> AgentFacts | None:
        """Who asks; None when that life of the agent is over."""
        known = self._caches.agent((namespace, order.agent))
        if known is None or known.uid != order.uid:
            known = await self._ask(namespace, order.agent)
        return known if known is not None and known.uid == order.uid else None

    async def _decide(self, namespace: str, order: SocietyOrder) -> Birth | Refusal:
        parent = await self._asker(namespace, order)
        if parent is None:
            return Refusal(f"{order.agent} is gone")
        named = self._caches.children((namespace, parent.name))
        siblings = [each for each in named if each.owner_uid in ("", parent.uid)]
        nursery = Nursery(
            parent=parent,
            line=line_of(parent, lambda name: self._caches.agent((namespace, name))),
            siblings=await self._living(namespace, siblings),
            configs=self._caches.configs(namespace),
        )
        return birth(order, nursery, self._factory)

    async def _living(self, namespace: str, agents: Iterable[AgentFacts]) -> list[AgentFacts]:
        """Those that have not ended: the bus knows sooner than a status."""
        there = {each.name: each for each in agents if lives(each)}
        views = await self._manager.control(namespace).views(there)
        over = {name for name, view in views.items() if view.ended and view.uid == there[name].uid}
        return [each for name, each in there.items() if name not in over]

    async def _refuse(self, namespace: str, order: SocietyOrder, text: str) -> None:
        log.info("%s/%s: %s %s is refused: %s", namespace, order.agent, order.kind, order.name, text)
        await self._settle(namespace, order, Refusal(text))

    async def _settle(self, namespace: str, order: SocietyOrder, answer: str | Refusal) -> None:
        control = self._manager.control(namespace)
        if isinstance(answer, Refusal):
            settled = await control.settle(order, "refused", answer.text)
        else:
            settled = await control.settle(order, "done", answer)
        if settled is Settled.GONE:
            await control.done(order)

    async def _terminate_agent(self, namespace: str, order: SocietyOrder) -> set[Key]:
        child, asker = await self._ask(namespace, order.name), await self._asker(namespace, order)
        problem = ending(order, asker, child)
        if problem is not None or child is None:
            await self._refuse(namespace, order, f"agent {order.name} was not ended: {problem}")
            return set()
        try:
            self._caches.put_agent(
                await self._cluster.set_operating_mode(
                    namespace, child.name, child.uid, OperatingMode.TERMINATED
                )
            )
        except OutdatedError as error:
            raise LookAgainError(error.message) from error
        except RefusedError as error:
            await self._refuse(namespace, order, f"agent {order.name} was not ended: {error.message}")
            return set()
        await self._manager.terminate(namespace, child.name, child.uid)
        await self._settle(namespace, order, f"agent {order.name} has ended")
        return {(namespace, child.name), (namespace, order.agent)}

    async def _create_group(self, namespace: str, order: SocietyOrder) -> set[Key]:
        made = await self._founded(namespace, order)
        if isinstance(made, Refusal):
            await self._refuse(namespace, order, f"group {order.name} was not created: {made.text}")
            return set()
        members = made.spec.members if made.spec is not None else ()
        await self._introduce(namespace, made)
        missing = [name for name in members if self._caches.agent((namespace, name)) is None]
        text = f"group {order.name} was created with members {in_short(members)}"
        await self._settle(namespace, order, text + (f"; not there: {in_short(missing)}" if missing else ""))
        return set()

    async def _introduce(self, namespace: str, made: GroupFacts) -> None:
        """Make the bus know the group before its founder hears of it, and posts to it at once.

        The group has its finalizer already; who belongs to it later is the keeper's to say.
        """
        if made.spec is None:
            return
        belongs = membership(made.spec, those_there(self._caches.agents_within(namespace)))
        bus, spec = self._manager.groups(namespace), made.spec
        outcome = await bus.put(made.name, made.uid, spec.wake, spec.retain_messages, belongs.members)
        if outcome == "EXISTS":
            raise LookAgainError(f"an earlier group {made.name} is still on the bus")
        if _is_going(made, self._caches.groups.group((namespace, made.name))):
            await bus.delete(made.name, made.uid)
            raise LookAgainError(f"{made.name} is deleted at this moment")

    async def _founded(self, namespace: str, order: SocietyOrder) -> GroupFacts | Refusal:
        """Find the group that this very order has made, or make it."""
        there = await self._cluster.group(namespace, order.name)
        if there is not None:
            self._caches.groups.put(there)
            return _found(order, there)
        asker = await self._asker(namespace, order)
        decided = founding(order, asker, self._caches.groups.of(namespace))
        if not isinstance(decided, Founding):
            return decided
        try:
            made = await self._cluster.create_group(decided.manifest)
        except NameTakenError as error:
            raise LookAgainError(error.message) from error
        except RefusedError as error:
            return Refusal(f"the cluster does not take it: {error.message}")
        self._caches.groups.put(made)
        log.info("%s: group %s created for %s (order %s)", namespace, order.name, order.agent, order.mid)
        return made


def _name_error(order: SocietyOrder) -> str | None:
    is_group = order.kind is OrderKind.CREATE_GROUP
    return group_name_error(order.name) if is_group else agent_name_error(order.name)


def _was_made_for(order: SocietyOrder, there: AgentFacts | GroupFacts) -> bool:
    return (there.order, there.owner_uid) == (order.mid, order.uid)


def _found(order: SocietyOrder, there: _FactsT) -> _FactsT | Refusal:
    """Take what has the name for what the order has made, if it is; keys of what is going would stay."""
    if not _was_made_for(order, there):
        return _taken(order, there)
    if there.deleting:
        return Refusal(f"name {order.name!r}: it was, and somebody has it deleted already")
    return there


def _is_going(made: AgentFacts | GroupFacts, known: AgentFacts | GroupFacts | None) -> bool:
    """Whether it may have been let go before its keys were there, which would stay for ever then.

    Whoever lets it go has it in the cache as deleting, and looks for keys after that.
    """
    return known is None or known.uid != made.uid or known.deleting


def _taken(order: SocietyOrder, there: AgentFacts | GroupFacts) -> Refusal:
    if isinstance(there, GroupFacts):
        return Refusal(f"name {order.name!r}: there is a group of this name")
    whose = f"; it is a child of {there.spec.parent_name}" if there.spec and there.spec.parent_name else ""
    return Refusal(f"name {order.name!r}: expected a free one, and there is an agent of this name{whose}")
