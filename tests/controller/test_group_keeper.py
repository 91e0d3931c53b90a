"""The duty that keeps groups, over a real Redis: what it writes, in which trouble, and after any death."""

import dataclasses
import uuid
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest

from horos_api.mentions import Wake
from horos_api.names import FINALIZER, key_prefix
from horos_bus.connection import Bus
from horos_bus.group_records import NewPost
from horos_bus.group_service import GroupService
from horos_operator.cluster import ClusterError, NotLeadingError, OutdatedError, RefusedError
from horos_operator.credentials import BusCredentials
from horos_operator.facts import AgentFacts
from horos_operator.group_keeper import REFUSED_SECONDS, RETRY_SECONDS, GroupKeeper
from horos_operator.groups import GroupFacts
from horos_operator.hands import Hands
from horos_operator.kube.cluster import KubeCluster
from horos_operator.observe import Caches
from tests.controller.facts import NOW, SETTINGS, agent, group


class Killed(BaseException):
    """The process ends here."""


class Shelf(KubeCluster):
    """Groups as an API server keeps them: versions, finalizers, deletion. Notes each write that it takes."""

    def __init__(self) -> None:
        self.kept: dict[str, GroupFacts] = {}
        self.written: list[str] = []
        self.refuses: dict[str, ClusterError] = {}
        self.hook: Callable[[], None] = lambda: None
        self._version = 10

    def asked(self) -> None:
        """Somebody is about to ask the API server, or the bus."""
        self.hook()

    def store(self, seen: GroupFacts) -> GroupFacts:
        self._version += 1
        stored = dataclasses.replace(seen, version=self._version)
        self.kept[stored.name] = stored
        return stored

    def delete(self, name: str) -> GroupFacts:
        """As `kubectl delete`: it stays until its last finalizer is gone."""
        stored = self.store(dataclasses.replace(self.kept[name], deleting=True))
        if not stored.finalizers:
            del self.kept[name]
        return stored

    async def groups(self) -> Sequence[GroupFacts]:
        return list(self.kept.values())

    async def group(self, namespace: str, name: str) -> GroupFacts | None:
        self.asked()
        return self.kept.get(name)

    def _current(self, seen: GroupFacts, what: str) -> GroupFacts:
        self.asked()
        if seen.name in self.refuses:
            raise self.refuses[seen.name]
        current = self.kept.get(seen.name)
        if current is None or current.uid != seen.uid:
            raise OutdatedError(f"{seen.name} is gone")
        self.written.append(f"{what} {seen.name}")
        return current

    async def set_group_finalizers(self, group: GroupFacts, finalizers: Sequence[str]) -> GroupFacts:
        if self.kept.get(group.name, group).version != group.version:
            raise OutdatedError(f"{group.name} has changed")
        current = self._current(group, "finalizers")
        stored = self.store(dataclasses.replace(current, finalizers=tuple(finalizers)))
        if stored.deleting and not stored.finalizers:
            del self.kept[stored.name]
        return stored

    async def write_group_status(self, group: GroupFacts, status: Mapping[str, Any]) -> GroupFacts:
        current = self._current(group, "status")
        return self.store(dataclasses.replace(current, status=status))


class Scene:
    """A namespace with its groups, and operators one after the other that keep them."""

    def __init__(self, bus: Bus) -> None:
        self.namespace = f"groups-{uuid.uuid4().hex[:8]}"
        self.at = bus.at(key_prefix(SETTINGS.install, self.namespace))
        self.service = GroupService(self.at)
        self.shelf = Shelf()
        self.agents: dict[str, AgentFacts] = {}
        self.now = NOW
        self._bus = bus
        self.begin()

    def begin(self) -> None:
        """Start another operator, with what lists show."""
        self.caches = Caches()
        for each in self.agents.values():
            self.caches.put_agent(each)
        for kept in self.shelf.kept.values():
            self.caches.groups.put(kept)
        self.keep()

    def keep(self) -> None:
        """Have a keeper that remembers nothing, of the caches as they are."""
        guarded = self._bus.guarded(self.shelf.asked)
        credentials = BusCredentials(self.shelf, guarded, SETTINGS, SETTINGS.redis_url)
        manager = Hands(self.shelf, self.caches, guarded, credentials)
        self.keeper = GroupKeeper(manager, lambda: self.now, lambda: self.now)

    def apply(self, name: str = "review", **spec: Any) -> None:
        before = self.shelf.kept.get(name)
        made = group(name, namespace=self.namespace, spec=spec, finalizers=())
        if before is not None:
            kept = {"finalizers": before.finalizers, "status": before.status, "uid": before.uid}
            made = dataclasses.replace(made, **kept, generation=before.generation + 1)
        self.caches.groups.put(self.shelf.store(made))

    def born(self, name: str, **changes: Any) -> None:
        usual = {"namespace": self.namespace, "uid": f"uid-of-{name}", "version": len(self.agents) + 1}
        self.agents[name] = agent(name=name, **{**usual, **changes})
        self.caches.put_agent(self.agents[name])

    def died(self, name: str) -> None:
        self.caches.drop_agent(self.agents.pop(name))

    async def look(self, later: float = 10.0) -> None:
        self.now += later
        await self.keeper.look()

    def ready(self, name: str = "review") -> tuple[str, str]:
        (told,) = self.shelf.kept[name].status["conditions"]
        return told["reason"], told["message"]

    async def members(self, name: str = "review") -> list[str]:
        view = await self.service.view(name)
        return sorted(view.members) if view else []


@pytest.fixture
def scene(bus: Bus) -> Scene:
    return Scene(bus)


async def test_a_new_group_is_two_writes_and_then_none(scene: Scene) -> None:
    scene.born("ada")
    scene.apply(members=["ada", "bob"], wake="All", retainMessages=7)
    await scene.look()
    assert scene.shelf.written == ["finalizers review", "status review"]
    view = await scene.service.view("review")
    assert view is not None
    assert (view.uid, view.wake, view.retain, list(view.members)) == (
        "uid-of-group-review",
        Wake.ALL,
        7,
        ["ada"],
    )
    assert scene.ready() == ("MembersMissing", "not there (yet): bob")
    assert scene.shelf.kept["review"].finalizers == (FINALIZER,)
    for _ in range(3):
        scene.caches.groups.doubt()  # after each sweep the bus is asked anew
        await scene.look()
    assert len(scene.shelf.written) == 2


async def test_members_come_and_go_with_their_agents_and_labels(scene: Scene) -> None:
    scene.apply(memberSelector={"matchLabels": {"team": "x"}}, members=["ada"])
    await scene.look()
    assert scene.ready() == ("NoMembers", "no member exists: ada")
    scene.born("ada")
    scene.born("bob", labels={"team": "x"})
    await scene.look()
    assert (await scene.members(), scene.ready()[0]) == (["ada", "bob"], "MembersPresent")
    scene.born("bob", labels={}, version=50)
    await scene.look()
    assert await scene.members() == ["ada"]
    scene.died("ada")
    await scene.look()
    assert (await scene.members(), scene.ready()[0]) == ([], "NoMembers")
    assert scene.shelf.kept["review"].status["missing"] == ["ada"]


async def test_what_changes_in_another_namespace_is_no_reason_to_ask_anybody(scene: Scene) -> None:
    scene.born("ada")
    scene.apply(members=["ada"])
    await scene.look()
    asked: list[str] = []
    scene.shelf.hook = lambda: asked.append("asked")
    scene.caches.put_agent(agent(namespace="elsewhere", name="eve", uid="eve"))
    scene.born("ada", version=60, status={"state": "running"})
    await scene.look()
    assert asked == []


async def test_a_group_that_is_deleted_takes_all_its_keys_with_it_and_no_other(scene: Scene) -> None:
    scene.born("ada")
    scene.apply("review", members=["ada"])
    scene.apply("board", members=["ada"])
    await scene.look()
    for name in ("review", "board"):
        await scene.service.post(NewPost(name, "m1", "", "hello"))
    scene.caches.groups.put(scene.shelf.delete("review"))
    await scene.look()
    assert scene.shelf.kept.keys() == {"board"}
    assert await scene.service.groups() == {"board": "uid-of-group-board"}
    left = await scene.at.command("KEYS", f"{scene.at.prefix.replace('{', '?').replace('}', '?')}g:review:*")
    assert left == []


async def test_what_an_earlier_group_left_on_the_bus_goes_before_the_later_one_comes(scene: Scene) -> None:
    scene.born("ada")
    await scene.service.put("review", "earlier", Wake.ALL, 10, {"zoe": "uid-of-zoe"})
    await scene.service.post(NewPost("review", "m1", "", "of the earlier one"))
    scene.apply(members=["ada"])
    await scene.look()
    view = await scene.service.view("review")
    assert view is not None
    assert (view.uid, list(view.members), view.length) == ("uid-of-group-review", ["ada"], 0)


@pytest.mark.parametrize("there", [None, "uid-of-a-later-one"])
async def test_an_old_list_makes_no_keys_for_a_group_that_is_gone(scene: Scene, there: str | None) -> None:
    scene.born("ada")
    scene.apply(members=["ada"])
    stale = dataclasses.replace(scene.shelf.kept.pop("review"), finalizers=(FINALIZER,))
    if there:
        scene.shelf.store(dataclasses.replace(stale, uid=there, finalizers=()))
        await scene.service.put("review", there, Wake.ALL, 10, {})
    scene.begin()
    scene.caches = Caches()
    scene.caches.groups.put(stale)
    scene.keep()
    await scene.look()
    assert await scene.service.groups() == ({"review": there} if there else {})


async def test_keys_that_redis_lost_come_back_after_a_sweep(scene: Scene) -> None:
    scene.born("ada")
    scene.apply(members=["ada"])
    await scene.look()
    await scene.service.delete("review", "uid-of-group-review")
    await scene.look()
    assert await scene.members() == [], "nothing tells of it"
    scene.caches.groups.doubt()
    await scene.look()
    assert await scene.members() == ["ada"]


@pytest.mark.parametrize(
    "error", [RefusedError("denied by policy"), ClusterError("it fails inside", retry_after=30)]
)
async def test_a_group_that_cannot_be_kept_holds_up_no_other_and_is_tried_again(
    scene: Scene, error: ClusterError
) -> None:
    scene.born("ada")
    scene.apply("alpha", members=["ada"])
    scene.apply("beta", members=["ada"])
    scene.shelf.refuses["alpha"] = error
    await scene.look()
    assert scene.shelf.written == ["finalizers beta", "status beta"]
    del scene.shelf.refuses["alpha"]
    await scene.look(REFUSED_SECONDS / 2)
    assert len(scene.shelf.written) == 2, "no event has told that it may be tried now"
    await scene.look(REFUSED_SECONDS)
    assert scene.shelf.written[2:] == ["finalizers alpha", "status alpha"]


async def test_an_api_server_that_is_away_is_waited_for(scene: Scene) -> None:
    scene.born("ada")
    scene.apply(members=["ada"])
    scene.shelf.refuses["review"] = ClusterError("it is busy", retry_after=30.0)
    await scene.look()
    del scene.shelf.refuses["review"]
    await scene.look(20)
    assert scene.shelf.written == []
    await scene.look(11)
    assert scene.shelf.written == ["finalizers review", "status review"]


async def test_a_group_that_somebody_changed_meanwhile_is_looked_at_again(scene: Scene) -> None:
    scene.born("ada")
    scene.apply(members=["ada"])
    # The cache does not know of it.
    scene.shelf.store(dataclasses.replace(scene.shelf.kept["review"], generation=2))
    await scene.look()
    await scene.look()
    assert scene.shelf.written == ["finalizers review", "status review"]
    assert await scene.members() == ["ada"]


async def test_without_redis_the_status_says_so_and_nothing_is_let_go(bus: Bus) -> None:
    nobody = Bus.open("redis://127.0.0.1:1/0", "")
    scene = Scene(nobody)
    scene.born("ada")
    scene.apply(members=["ada"])
    await scene.look()
    assert scene.ready()[0] == "BusUnavailable"
    scene.caches.groups.put(scene.shelf.delete("review"))
    await scene.look()
    assert "review" in scene.shelf.kept
    await nobody.aclose()
    back = Scene(bus)
    back.namespace, back.shelf, back.agents = scene.namespace, scene.shelf, scene.agents
    back.begin()
    await back.look(RETRY_SECONDS)
    assert scene.shelf.kept == {}


async def test_members_that_come_one_by_one_are_told_to_the_bus_at_once_and_to_people_now_and_then(
    scene: Scene,
) -> None:
    scene.apply(memberSelector={"matchLabels": {"team": "x"}})
    scene.born("a0", labels={"team": "x"})
    await scene.look()
    told = len(scene.shelf.written)
    for number in range(1, 11):
        scene.born(f"a{number}", labels={"team": "x"})
        await scene.look(0.5)
        assert len(await scene.members()) == number + 1
    assert len(scene.shelf.written) - told <= 2
    await scene.look()
    assert scene.shelf.kept["review"].status["memberCount"] == 11


async def test_whoever_does_not_lead_any_more_stops_at_once(scene: Scene) -> None:
    scene.born("ada")
    scene.apply(members=["ada"])

    def not_leading() -> None:
        raise NotLeadingError("another one leads")

    scene.shelf.hook = not_leading
    with pytest.raises(NotLeadingError):
        await scene.look()
    assert scene.shelf.written == []


async def live(scene: Scene, dies_at: int) -> tuple[int, list[str]]:
    """Make, change and delete groups; the operator dies before its so-manyth request, and another follows."""
    asked = 0

    def ask() -> None:
        nonlocal asked
        asked += 1
        if asked == dies_at:
            raise Killed

    async def settle() -> None:
        for _ in range(3):
            try:
                await scene.look(40)
            except Killed:
                scene.begin()

    scene.shelf.hook = ask
    scene.born("ada")
    await scene.service.put("board", "earlier", Wake.ALL, 10, {"zoe": "z"})
    scene.apply("review", members=["ada", "bob"])
    scene.apply("board", members=["ada"])
    await settle()
    scene.born("bob")
    scene.apply("review", members=["ada", "bob"], wake="All")
    await settle()
    ends = [
        *(
            f"{each.name} {each.finalizers} {each.status['conditions'][0]['reason']}"
            for each in scene.shelf.kept.values()
        ),
        *(await scene.members("review")),
        str(sorted(await scene.service.groups())),
    ]
    scene.caches.groups.put(scene.shelf.delete("review"))
    await settle()
    ends += [str(sorted(scene.shelf.kept)), str(sorted(await scene.service.groups()))]
    return asked, ends


async def test_an_operator_that_dies_before_any_of_its_requests_is_followed_by_one_that_ends_the_same(
    bus: Bus,
) -> None:
    requests, wanted = await live(Scene(bus), 0)
    assert wanted == [
        "review ('horos.dev/bus',) MembersPresent",
        "board ('horos.dev/bus',) MembersPresent",
        "ada",
        "bob",
        "['board', 'review']",
        "['board']",
        "['board']",
    ]
    assert requests > 15
    for number in range(1, requests + 1):
        scene = Scene(bus)
        _, ends = await live(scene, number)
        assert ends == wanted, f"killed before request {number}"
        assert len(scene.shelf.written) <= 8, f"killed before request {number}: {scene.shelf.written}"
