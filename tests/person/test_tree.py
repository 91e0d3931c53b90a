"""Families from the command line: each agent below its parent."""

import orjson

from tests.person.conftest import Here
from tests.person.stage import Agent


async def raised(ada: Agent) -> None:
    """Ada has two children, and one of them a child; one has ended."""
    for name, parent in (("kid", "ada"), ("grandkid", "kid"), ("old", "ada")):
        assert await ada.control.create(name, f"uid-{name}", parent, "ada") == "OK"
    await ada.control.terminate("old", "uid-old")


async def test_agents_are_drawn_below_their_parents(here: Here, ada: Agent) -> None:
    await raised(ada)
    done = await here.horos("tree")
    assert done.code == 0
    first, kid, grandkid, old = done.out.splitlines()
    assert first.startswith("ada  idle  resident  0 tokens")
    assert kid.startswith("├── kid  idle  starting")
    assert grandkid.startswith("│   └── grandkid  idle")
    assert old.startswith("└── old  terminated 0 s ago") or old.startswith("└── old  terminated")


async def test_one_agent_and_its_descendants(here: Here, ada: Agent) -> None:
    await raised(ada)
    done = await here.horos("tree", "kid")
    assert [line.split()[0] for line in done.out.splitlines()] == ["kid", "└──"]
    assert "child of ada" in done.out
    found = orjson.loads((await here.horos("tree", "kid", "-o", "json")).out)
    assert [(each["name"], each["parent"]) for each in found] == [("kid", "ada"), ("grandkid", "kid")]


async def test_nobody_and_a_wrong_name_are_told(here: Here, ada: Agent) -> None:
    done = await here.horos("tree", "nobody")
    assert (done.code, done.out) == (3, "")
    assert "there is no agent nobody in namespace" in done.err
    wrong = await here.horos("tree", "No.Body")
    assert wrong.code == 2
    assert "No.Body" in wrong.err
