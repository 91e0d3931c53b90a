"""What becomes of objects of a LocalCluster: finalizers, owners, versions, and the store's promises."""

import shutil
from pathlib import Path
from typing import Any

import pytest

from horos_operator.cluster import NameTakenError, OutdatedError
from horos_operator.facts import AgentFacts
from horos_operator.local.cluster import LocalCluster
from horos_operator.local.data import DataFolders
from horos_operator.local.kinds import SECRET
from horos_operator.local.objects import Objects
from horos_operator.local.store import ObjectStore
from tests.local.conftest import agent


class World:
    """A LocalCluster without processes."""

    def __init__(self, folder: Path) -> None:
        self.store = ObjectStore(folder)
        self.store.load()
        self.objects = Objects(self.store, lambda: 1_800_000_000.0)
        self.cluster = LocalCluster(self.store, self.objects, DataFolders(folder, SECRET, {}))

    async def born(self, name: str, *owners: AgentFacts, finalizers: tuple[str, ...] = ()) -> AgentFacts:
        body: dict[str, Any] = agent(name)
        references = [{"kind": "Agent", "name": each.name, "uid": each.uid} for each in owners]
        body["metadata"] |= {
            "namespace": "default",
            "finalizers": [*finalizers],
            "ownerReferences": references,
        }
        return await self.cluster.create_agent(body)

    def names(self) -> set[str]:
        return {body["metadata"]["name"] for body in self.store.all("agents")}


@pytest.fixture
def world(tmp_path: Path) -> World:
    return World(tmp_path)


async def test_a_name_is_given_once(world: World) -> None:
    await world.born("ada")
    with pytest.raises(NameTakenError, match='agents "ada" already exists'):
        await world.born("ada")


async def test_deleting_waits_for_finalizers_and_takes_the_whole_tree(world: World) -> None:
    lead = await world.born("lead", finalizers=("horos.dev/bus",))
    kid = await world.born("kid", lead, finalizers=("horos.dev/bus",))
    await world.born("grandchild", kid)
    await world.born("stranger")
    await world.cluster.delete_agent(lead)
    deleting = await world.cluster.agent("default", "lead")
    assert deleting is not None and deleting.deleting and deleting.generation == 2
    assert world.names() == {"lead", "kid", "grandchild", "stranger"}, (
        "children go when their parent has gone"
    )
    gone = await world.cluster.set_finalizers(deleting, ())
    assert gone.finalizers == ()
    assert world.names() == {"kid", "grandchild", "stranger"}
    orphan = await world.cluster.agent("default", "kid")
    assert orphan is not None and orphan.deleting
    await world.cluster.set_finalizers(orphan, ())
    assert world.names() == {"stranger"}


async def test_what_has_another_owner_stays(world: World) -> None:
    first, second = await world.born("first"), await world.born("second")
    await world.born("shared", first, second)
    await world.cluster.delete_agent(first)
    assert world.names() == {"second", "shared"}
    await world.cluster.delete_agent(second)
    assert world.names() == set()


async def test_who_is_born_to_nobody_goes_at_once(world: World) -> None:
    lead = await world.born("lead")
    await world.cluster.delete_agent(lead)
    await world.born("late", lead)
    assert world.names() == set()


async def test_what_cannot_be_deleted_now_fails_nobody_else_and_goes_later(
    world: World, tmp_path: Path
) -> None:
    lead = await world.born("lead")
    await world.born("kid", lead)
    file = tmp_path / "agents" / "default" / "kid.json"
    file.unlink()
    (file / "in the way").mkdir(parents=True)
    await world.cluster.delete_agent(lead)
    assert world.names() == {"kid"}
    shutil.rmtree(file)
    await world.born("other")
    assert world.names() == {"other"}


async def test_what_was_let_go_is_forgotten_by_the_next_process(world: World, tmp_path: Path) -> None:
    lead = await world.born("lead", finalizers=("horos.dev/bus",))
    await world.born("kid", lead)
    await world.cluster.delete_agent(lead)
    (deleting,) = (body for body in world.store.all("agents") if body["metadata"]["name"] == "lead")
    world.store.put("agents", {**deleting, "metadata": {**deleting["metadata"], "finalizers": []}})
    after = World(tmp_path)  # the other one has died before it could remove the file
    assert after.names() == {"lead", "kid"}
    after.cluster.begin()
    assert after.names() == set()


async def test_an_older_look_changes_nothing(world: World) -> None:
    seen = await world.born("ada")
    fresh = await world.cluster.set_finalizers(seen, ("horos.dev/bus",))
    assert fresh.version > seen.version
    with pytest.raises(OutdatedError, match='agents "ada" has changed'):
        await world.cluster.set_finalizers(seen, ())
    assert (await world.cluster.set_finalizers(fresh, ("horos.dev/bus",))).version == fresh.version


async def test_another_life_of_the_name_is_not_touched(world: World) -> None:
    first = await world.born("ada")
    await world.cluster.delete_agent(first)
    second = await world.born("ada")
    await world.cluster.delete_agent(first)
    with pytest.raises(OutdatedError):
        await world.cluster.write_status(first, {"state": "idle"})
    assert (await world.cluster.agent("default", "ada")) == second


async def test_a_status_is_no_new_generation_and_the_same_status_no_new_version(world: World) -> None:
    seen = await world.born("ada")
    told = await world.cluster.write_status(seen, {"state": "idle"})
    assert (told.generation, told.status) == (1, {"state": "idle"})
    assert (await world.cluster.write_status(told, {"state": "idle"})).version == told.version


async def test_an_owner_is_added_beside_others_and_once(world: World) -> None:
    lead, kid = await world.born("lead"), await world.born("kid")
    owned = await world.cluster.set_owner(kid, lead, "lead")
    assert (owned.owner_uid, owned.labels) == (lead.uid, {"horos.dev/root": "lead"})
    stored = world.store.find("agents", "default", "kid")
    assert stored is not None
    assert [each["controller"] for each in stored["metadata"]["ownerReferences"]] == [True]
    assert (await world.cluster.set_owner(kid, lead, "lead")).version == owned.version
    again = await world.cluster.set_owner(owned, lead, "lead")
    assert again.version == owned.version, "its own reference is no other controller's"
    await world.cluster.delete_agent(lead)
    assert world.names() == set()


async def test_listeners_hear_every_change_in_order(world: World) -> None:
    heard: list[tuple[str, bool, int]] = []
    world.store.listen(
        lambda _, body, gone: heard.append(
            (body["metadata"]["name"], gone, int(body["metadata"]["resourceVersion"]))
        )
    )
    lead = await world.born("lead")
    await world.born("kid", lead)
    await world.cluster.delete_agent(lead)
    assert [(name, gone) for name, gone, _ in heard] == [
        ("lead", False),
        ("kid", False),
        ("lead", True),
        ("kid", True),
    ]
    assert [version for *_, version in heard] == sorted({version for *_, version in heard})
