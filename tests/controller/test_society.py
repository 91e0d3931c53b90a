"""What the operator makes of an agent's order, wherever it dies on the way: one child, told once."""

import uuid
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import orjson
import pytest

from horos_api.names import FINALIZER, key_prefix
from horos_api.resources import OperatingMode
from horos_bus.connection import Bus
from horos_bus.message_service import MessageService
from horos_bus.operating import OrderKind, SocietyOrder
from horos_bus.records import Ending, Usage
from horos_operator.cluster import ClusterError, NameTakenError, OutdatedError, RefusedError
from horos_operator.credentials import BusCredentials
from horos_operator.facts import AgentFacts, agent_facts
from horos_operator.groups import GroupFacts, group_facts
from horos_operator.hands import Hands, LookAgainError
from horos_operator.kube.cluster import KubeCluster
from horos_operator.observe import Caches
from horos_operator.society import Society
from tests.bus.stage import Stage, ordering, record, turn_of, user
from tests.controller.facts import FACTORY, SETTINGS, agent, group, spec

TOOLS = {"builtin": ["send", "ask", "create_agent", "create_group", "terminate_agent"]}


class Town(KubeCluster):
    """An API server's Agents and Groups; `dies` names the write after which the operator is gone."""

    def __init__(self, *there: AgentFacts) -> None:
        self.there = {each.name: each for each in there}
        self.teams: dict[str, GroupFacts] = {}
        self.dies = ""
        self.refusal: ClusterError | None = None
        self.made = 0
        self.asked: list[str] = []

    def _done(self, what: str) -> None:
        if self.dies == what:
            self.dies = ""
            raise ClusterError(f"died after {what}")

    def _body(self, body: Mapping[str, Any]) -> dict[str, Any]:
        self.made += 1
        server = {
            "uid": f"uid-{body['metadata']['name']}-{self.made}",
            "resourceVersion": str(10 + self.made),
            "creationTimestamp": "2026-11-30T10:00:00Z",
        }
        return {**body, "metadata": {**body["metadata"], **server}}

    async def agent(self, namespace: str, name: str) -> AgentFacts | None:
        self.asked.append(name)
        return self.there.get(name)

    async def create_agent(self, body: Mapping[str, Any]) -> AgentFacts:
        name = body["metadata"]["name"]
        if self.refusal:
            raise self.refusal
        if name in self.there:
            raise NameTakenError(f"{name} exists")
        self.there[name] = agent_facts(self._body(body))
        self._done("create_agent")
        return self.there[name]

    async def delete_agent(self, agent: AgentFacts) -> None:
        self.there.pop(agent.name, None)

    async def set_operating_mode(
        self, namespace: str, name: str, uid: str, mode: OperatingMode
    ) -> AgentFacts:
        if self.refusal:
            raise self.refusal
        old = self.there[name]
        assert old.uid == uid and old.spec is not None
        changed = old.spec.model_copy(update={"operating_mode": mode})
        self.there[name] = replace(old, spec=changed, version=old.version + 50)
        self._done("set_operating_mode")
        return self.there[name]

    async def group(self, namespace: str, name: str) -> GroupFacts | None:
        self.asked.append(name)
        return self.teams.get(name)

    async def create_group(self, body: Mapping[str, Any]) -> GroupFacts:
        if self.refusal:
            raise self.refusal
        name = body["metadata"]["name"]
        self.teams[name] = group_facts(self._body(body))
        self._done("create_group")
        return self.teams[name]


class Scene:
    """A lead that is awake, and an operator that may be started anew."""

    def __init__(self, bus: Bus) -> None:
        self.namespace = f"society-{uuid.uuid4().hex[:8]}"
        self.bus = bus
        self.stage = Stage(bus.at(key_prefix(SETTINGS.install, self.namespace)))
        self.lead = agent(spec(tools=TOOLS), namespace=self.namespace, name="lead", uid="uid-lead")
        self.town = Town(self.lead)
        self.restart()

    def restart(self) -> None:
        """Another process, whose caches have what a complete list shows."""
        self.caches = Caches()
        for each in self.town.there.values():
            self.caches.put_agent(each)
        credentials = BusCredentials(self.town, self.bus, SETTINGS, SETTINGS.redis_url)
        manager = Hands(self.town, self.caches, self.bus, credentials)
        self.society = Society(manager, FACTORY)

    async def asked(self, kind: OrderKind, name: str, /, **said: Any) -> tuple[MessageService, SocietyOrder]:
        """Have the lead ask for something, and end its turn."""
        runtime = await self.stage.resident("lead")
        await self.stage.say("m1", "lead")
        turn = turn_of(await runtime.all_unread())
        step = [user(turn.inputs[0]), record("assistant", "")]
        body = orjson.dumps({"name": name, **said}).decode()
        await runtime.append(turn.id, 0, step, [ordering(name, kind, body)])
        await runtime.commit(turn.id, 3, [record("assistant", "")], Ending("part"), Usage())
        return runtime, await self.order()

    async def order(self) -> SocietyOrder:
        (order,) = await self.stage.control.orders()
        assert isinstance(order, SocietyOrder)
        return order

    async def obey(self) -> None:
        await self.society.obey(self.namespace, await self.order())


@pytest.fixture
def scene(bus: Bus) -> Scene:
    return Scene(bus)


async def told(runtime: MessageService) -> list[tuple[str, bool]]:
    """What the lead hears, and whether it is an error."""
    return [(each.body, each.error) for each in turn_of(await runtime.all_unread()).inputs]


async def test_a_child_is_born_known_to_the_bus_and_given_its_task(scene: Scene) -> None:
    _, order = await scene.asked(OrderKind.CREATE_AGENT, "kid", task="count")
    keys = await scene.society.obey(scene.namespace, order)
    assert keys == {(scene.namespace, "kid"), (scene.namespace, "lead")}
    kid = scene.town.there["kid"]
    assert (kid.owner_uid, kid.order, kid.finalizers) == ("uid-lead", order.mid, (FINALIZER,))
    view = await scene.stage.view("kid")
    assert (view.uid, view.parent, view.root, view.waiting) == (kid.uid, "lead", "lead", 1)
    assert await scene.stage.control.orders() == []
    assert (await scene.stage.view("lead")).waits == 1, "for the answer to the task"


async def test_a_child_without_a_task_is_told_of(scene: Scene) -> None:
    runtime, _ = await scene.asked(OrderKind.CREATE_AGENT, "kid")
    await scene.obey()
    assert await told(runtime) == [("agent kid was created", False)]


@pytest.mark.parametrize("again", [False, True], ids=["its cache knows", "its cache lags behind"])
async def test_an_operator_that_dies_at_a_birth_finds_its_child(scene: Scene, again: bool) -> None:
    await scene.asked(OrderKind.CREATE_AGENT, "kid", task="count")
    scene.town.dies = "create_agent"
    with pytest.raises(ClusterError, match="died"):
        await scene.obey()
    born = scene.town.there["kid"]
    if not again:
        scene.restart()
    await scene.obey()
    assert scene.town.there["kid"] == born and scene.town.made == 1
    assert (await scene.stage.view("kid")).waiting == 1


async def test_a_child_that_is_deleted_before_it_is_told_of_leaves_no_keys(scene: Scene) -> None:
    runtime, _ = await scene.asked(OrderKind.CREATE_AGENT, "kid", task="count")
    scene.town.dies = "create_agent"
    with pytest.raises(ClusterError, match="died"):
        await scene.obey()
    scene.town.there["kid"] = replace(scene.town.there["kid"], version=99, deleting=True)
    scene.restart()
    await scene.obey()
    assert await scene.stage.control.agents() == {"lead": "uid-lead"}, "its finalizer may be gone already"
    text = "agent kid was not created: name 'kid': it was, and somebody has it deleted already"
    assert await told(runtime) == [(text, True)]


async def test_a_child_that_is_deleted_while_it_gets_its_keys_leaves_none(scene: Scene) -> None:
    await scene.asked(OrderKind.CREATE_AGENT, "kid", task="count")
    scene.town.dies = "create_agent"
    with pytest.raises(ClusterError, match="died"):
        await scene.obey()
    scene.restart()
    # The watch heard it after the API server was asked; the pass for it has seen no keys, and lets it go.
    scene.caches.put_agent(replace(scene.town.there["kid"], version=99, deleting=True))
    with pytest.raises(LookAgainError, match="kid is deleted at this moment"):
        await scene.obey()
    assert await scene.stage.control.agents() == {"lead": "uid-lead"}
    assert await scene.order(), "what comes of it is told when that is known"


async def test_a_birth_that_was_right_once_is_not_refused_later(scene: Scene) -> None:
    await scene.asked(OrderKind.CREATE_AGENT, "kid", task="count")
    scene.town.dies = "create_agent"
    with pytest.raises(ClusterError, match="died"):
        await scene.obey()
    scene.town.there["lead"] = replace(scene.lead, version=99, spec=spec(tools=TOOLS, budget={"children": 0}))
    kid = scene.town.there.pop("kid")
    scene.restart()
    scene.town.there["kid"] = kid  # of which no event has told yet
    await scene.obey()
    assert (await scene.stage.view("kid")).waiting == 1


async def test_an_order_is_obeyed_once_by_two_operators(scene: Scene) -> None:
    runtime, order = await scene.asked(OrderKind.CREATE_AGENT, "kid")
    for _ in range(2):
        await scene.society.obey(scene.namespace, order)
    assert scene.town.made == 1
    assert await told(runtime) == [("agent kid was created", False)]


async def test_a_name_that_is_taken_is_refused(scene: Scene) -> None:
    runtime, _ = await scene.asked(OrderKind.CREATE_AGENT, "bob", task="count")
    scene.town.there["bob"] = agent(namespace=scene.namespace, name="bob", uid="uid-bob")
    await scene.obey()
    assert await told(runtime) == [
        (
            "agent bob was not created: name 'bob': expected a free one, and there is an agent of this name",
            True,
        )
    ]
    assert "bob" in scene.town.there


async def an_earlier_kid(scene: Scene, *, ended: bool, owner: str = "uid-lead") -> None:
    """One whose name the lead wants again; what its parent was before does not matter."""
    scene.town.there["kid"] = agent(
        spec(parentName="lead"),
        namespace=scene.namespace,
        name="kid",
        uid="uid-old-kid",
        owner_uid=owner,
    )
    await scene.stage.control.create("kid", "uid-old-kid", "lead", "lead")
    if ended:
        await scene.stage.control.terminate("kid", "uid-old-kid")


@pytest.mark.parametrize("cached", [True, False], ids=["its cache knows", "its cache lags behind"])
async def test_a_child_that_has_ended_makes_room_for_another_of_its_name(scene: Scene, cached: bool) -> None:
    runtime, _ = await scene.asked(OrderKind.CREATE_AGENT, "kid")
    await an_earlier_kid(scene, ended=True)
    if cached:
        scene.restart()
    else:
        with pytest.raises(LookAgainError, match="kid exists"):
            await scene.obey()
    with pytest.raises(LookAgainError, match="kid has ended, and makes room for another one of its name"):
        await scene.obey()
    assert "kid" not in scene.town.there, "its finalizer has its keys removed"
    with pytest.raises(LookAgainError, match="an earlier life of kid is still on the bus"):
        await scene.obey()
    await scene.stage.control.delete("kid", "uid-old-kid")
    await scene.obey()
    assert (await told(runtime))[-1] == ("agent kid was created", False)
    assert (await scene.stage.view("kid")).uid == scene.town.there["kid"].uid != "uid-old-kid"


@pytest.mark.parametrize(
    "why", ["it lives", "it is another's child", "a child of its own lives", "there may be no more children"]
)
async def test_a_name_stays_taken(scene: Scene, why: str) -> None:
    runtime, _ = await scene.asked(OrderKind.CREATE_AGENT, "kid")
    owner = "uid-bob" if why == "it is another's child" else "uid-lead"
    await an_earlier_kid(scene, ended=why != "it lives", owner=owner)
    if why == "a child of its own lives":
        grandchild = agent(
            spec(parentName="kid"), namespace=scene.namespace, name="toddler", uid="uid-toddler"
        )
        scene.town.there["toddler"] = grandchild
        await scene.stage.control.create("toddler", "uid-toddler", "kid", "lead")
    if why == "there may be no more children":
        scene.town.there["lead"] = replace(scene.lead, spec=spec(tools=TOOLS, budget={"children": 0}))
    scene.restart()
    await scene.obey()
    *_, (text, failed) = await told(runtime)  # before it, that the earlier one has ended
    assert failed and text.startswith("agent kid was not created: name 'kid': ")
    assert scene.town.there["kid"].uid == "uid-old-kid"


async def test_a_name_is_free_that_only_an_old_cache_knows(scene: Scene) -> None:
    await scene.asked(OrderKind.CREATE_AGENT, "kid", task="count")
    scene.caches.put_agent(agent(namespace=scene.namespace, name="kid", uid="long-gone"))
    await scene.obey()
    assert scene.town.made == 1
    assert (await scene.stage.view("kid")).waiting == 1


async def test_what_the_cluster_refuses_is_told(scene: Scene) -> None:
    runtime, _ = await scene.asked(OrderKind.CREATE_AGENT, "kid", task="count")
    scene.town.refusal = RefusedError("exceeded quota: count/agents")
    await scene.obey()
    assert await told(runtime) == [
        ("agent kid was not created: the cluster does not take it: exceeded quota: count/agents", True)
    ]


@pytest.mark.parametrize("kind", OrderKind)
@pytest.mark.parametrize("name", ["../../../../api/v1/namespaces/other/secrets/horos-bus", "No", "n" * 53])
async def test_a_name_that_is_none_is_asked_of_nobody(scene: Scene, kind: OrderKind, name: str) -> None:
    await scene.stage.agent("kid")
    runtime, order = await scene.asked(kind, "kid")
    scene.town.asked.clear()
    await scene.society.obey(scene.namespace, replace(order, name=name))
    assert scene.town.asked == []
    ((text, failed),) = await told(runtime)
    assert failed
    assert text.startswith(f"{kind} is not possible: ")
    assert repr(name) in text and "expected" in text
    await scene.society.obey(scene.namespace, replace(order, agent=name))
    assert scene.town.asked == []


async def test_an_order_that_was_spoiled_after_its_child_was_born_is_refused(scene: Scene) -> None:
    runtime, order = await scene.asked(OrderKind.CREATE_AGENT, "kid", task="count")
    scene.town.dies = "create_agent"
    with pytest.raises(ClusterError, match="died"):
        await scene.obey()
    await scene.society.obey(scene.namespace, replace(order, body=b"spoiled"))
    ((text, failed),) = await told(runtime)
    assert failed
    assert text.startswith("agent kid was not created: the order: Invalid JSON")


async def test_an_earlier_life_on_the_bus_is_waited_for(scene: Scene) -> None:
    await scene.asked(OrderKind.CREATE_AGENT, "kid", task="count")
    await scene.stage.agent("kid")
    with pytest.raises(LookAgainError, match="an earlier life of kid is still on the bus"):
        await scene.obey()
    await scene.stage.control.delete("kid", "uid-kid")
    await scene.obey()
    assert scene.town.made == 1
    assert (await scene.stage.view("kid")).waiting == 1


async def test_a_child_is_taken_back_when_its_parent_ended_meanwhile(scene: Scene) -> None:
    await scene.asked(OrderKind.CREATE_AGENT, "kid", task="count")
    await scene.stage.control.terminate("lead", "uid-lead")
    await scene.obey()
    assert "kid" not in scene.town.there
    assert await scene.stage.control.orders() == []


async def test_ended_children_take_no_place(scene: Scene) -> None:
    scene.town.there["lead"] = replace(scene.lead, version=2, spec=spec(tools=TOOLS, budget={"children": 1}))
    old = agent(spec(parentName="lead"), namespace=scene.namespace, name="old", uid="uid-old")
    scene.town.there["old"] = replace(old, owner_uid="uid-lead")
    scene.restart()
    runtime, _ = await scene.asked(OrderKind.CREATE_AGENT, "kid")
    await scene.stage.control.create("old", "uid-old", "lead", "lead")
    await scene.stage.control.terminate("old", "uid-old")
    await scene.obey()
    assert ("agent kid was created", False) in await told(runtime)


def with_child(scene: Scene) -> AgentFacts:
    kid = agent(spec(parentName="lead"), namespace=scene.namespace, name="kid", uid="uid-kid")
    scene.town.there["kid"] = replace(kid, owner_uid="uid-lead")
    scene.restart()
    return scene.town.there["kid"]


@pytest.mark.parametrize("dies", ["", "set_operating_mode"])
async def test_a_parent_ends_its_child_and_is_told_once(scene: Scene, dies: str) -> None:
    with_child(scene)
    await scene.stage.control.create("kid", "uid-kid", "lead", "lead")
    runtime, _ = await scene.asked(OrderKind.TERMINATE_AGENT, "kid")
    scene.town.dies = dies
    if dies:
        with pytest.raises(ClusterError, match="died"):
            await scene.obey()
        scene.restart()
    await scene.obey()
    ended = scene.town.there["kid"].spec
    assert ended is not None and ended.operating_mode is OperatingMode.TERMINATED
    assert (await scene.stage.view("kid")).ended > 0
    assert await told(runtime) == [("agent kid has ended", False)]


async def test_somebody_elses_child_is_not_ended(scene: Scene) -> None:
    scene.town.there["kid"] = agent(namespace=scene.namespace, name="kid", uid="uid-kid")
    scene.restart()
    await scene.stage.agent("kid")
    runtime, _ = await scene.asked(OrderKind.TERMINATE_AGENT, "kid")
    await scene.obey()
    assert await told(runtime) == [
        (
            "agent kid was not ended: name 'kid': expected a child of lead; only its parent can end an agent",
            True,
        )
    ]
    assert (await scene.stage.view("kid")).ended == 0


async def test_an_end_waits_for_who_writes_at_the_same_moment_and_is_given_up_when_refused(
    scene: Scene,
) -> None:
    with_child(scene)
    await scene.stage.control.create("kid", "uid-kid", "lead", "lead")
    runtime, _ = await scene.asked(OrderKind.TERMINATE_AGENT, "kid")
    scene.town.refusal = OutdatedError("changed in between")
    with pytest.raises(LookAgainError, match="changed in between"):
        await scene.obey()
    scene.town.refusal = RefusedError("not today")
    await scene.obey()
    assert await told(runtime) == [("agent kid was not ended: not today", True)]


@pytest.mark.parametrize("dies", ["", "create_group"])
async def test_a_group_is_founded_once(scene: Scene, dies: str) -> None:
    runtime, order = await scene.asked(OrderKind.CREATE_GROUP, "team", members=["lead", "kid"])
    scene.town.dies = dies
    if dies:
        with pytest.raises(ClusterError, match="died"):
            await scene.obey()
        scene.restart()
    await scene.obey()
    team = scene.town.teams["team"]
    assert (team.owner_uid, team.order, scene.town.made) == ("uid-lead", order.mid, 1)
    text = "group team was created with members lead, kid; not there: kid"
    assert await told(runtime) == [(text, False)]
    known = await scene.society._manager.groups(scene.namespace).view("team")
    assert known is not None, "its founder may post to it as soon as it hears of it"
    assert (known.uid, list(known.members)) == (team.uid, ["lead"])


async def test_a_group_that_is_deleted_before_it_is_told_of_is_none(scene: Scene) -> None:
    runtime, _ = await scene.asked(OrderKind.CREATE_GROUP, "team", members=["lead"])
    scene.town.dies = "create_group"
    with pytest.raises(ClusterError, match="died"):
        await scene.obey()
    scene.town.teams["team"] = replace(scene.town.teams["team"], version=99, deleting=True)
    scene.restart()
    await scene.obey()
    text = "group team was not created: name 'team': it was, and somebody has it deleted already"
    assert await told(runtime) == [(text, True)]


async def test_a_group_that_is_deleted_while_it_gets_its_keys_leaves_none(scene: Scene) -> None:
    await scene.asked(OrderKind.CREATE_GROUP, "team", members=["lead"])
    scene.town.dies = "create_group"
    with pytest.raises(ClusterError, match="died"):
        await scene.obey()
    scene.restart()
    scene.caches.groups.put(replace(scene.town.teams["team"], version=99, deleting=True))
    with pytest.raises(LookAgainError, match="team is deleted at this moment"):
        await scene.obey()
    assert await scene.society._manager.groups(scene.namespace).groups() == {}
    assert await scene.order()


async def test_of_a_large_group_only_some_members_are_repeated(scene: Scene) -> None:
    members = [f"a{number}" for number in range(1000)]
    runtime, _ = await scene.asked(OrderKind.CREATE_GROUP, "team", members=members)
    await scene.obey()
    some = "a0, a1, a2, a3, a4 and 995 more"
    assert await told(runtime) == [(f"group team was created with members {some}; not there: {some}", False)]


async def test_a_group_without_anybody_is_refused(scene: Scene) -> None:
    runtime, _ = await scene.asked(OrderKind.CREATE_GROUP, "team", members=[])
    await scene.obey()
    ((text, failed),) = await told(runtime)
    assert failed
    assert text.endswith("expected members, memberSelector, or both")


async def test_a_group_of_somebody_else_is_not_taken(scene: Scene) -> None:
    runtime, _ = await scene.asked(OrderKind.CREATE_GROUP, "team", members=["lead"])
    scene.town.teams["team"] = group("team")
    await scene.obey()
    text = "group team was not created: name 'team': there is a group of this name"
    assert await told(runtime) == [(text, True)]
