"""Kills a LocalCluster's process before each of its file operations: for tests.

For each point a process does the same work in a folder of its own and is killed there. What is left
is read as the next process reads it, and the work is done again. Prints one line of JSON for each point.
"""

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from horos_operator.local.objects import Target
from tests.local.conftest import agent
from tests.local.place import Place

OPERATIONS = {"open", "os.rename", "os.remove", "os.mkdir", "os.truncate"}
KILLED = 9


def work(place: Place) -> None:
    """Create, change, own and delete."""
    place.apply(agent("lead", instructions="one"))
    place.apply(agent("lead", instructions="two"))
    secret = {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "llm"}, "stringData": {"key": "k"}}
    place.apply(secret)
    place.apply(agent("kid"))
    lead = place.agent("lead")["metadata"]
    owners = [{"kind": "Agent", "name": "lead", "uid": lead["uid"]}]
    if place.agent("kid"):
        place.objects.change(
            Target("agents", "default", "kid"),
            lambda body: {**body, "metadata": {**body["metadata"], "ownerReferences": owners}},
        )
    place.objects.delete(Target("agents", "default", "lead"))


def told(place: Place) -> dict[str, Any]:
    """What there is, without what differs from time to time."""
    return {
        body["metadata"]["name"]: [body.get("spec"), bool(body["metadata"].get("ownerReferences"))]
        for _, body in place.store.everything()
    }


def states(folder: Path) -> list[dict[str, Any]]:
    """What there is after each change when nobody is killed."""
    place = Place(folder)
    found = [told(place)]
    place.store.listen(lambda *_: found.append(told(place)))
    work(place)
    return found


def killed_at(folder: Path, point: int) -> bool:
    """Do the work in a process that ends before its `point`th file operation; False: there are fewer."""
    child = os.fork()
    if not child:
        left = point

        def hook(event: str, arguments: tuple[Any, ...]) -> None:
            nonlocal left
            if event in OPERATIONS and str(folder) in str(arguments[0]):
                left -= 1
                if not left:
                    os._exit(KILLED)

        sys.addaudithook(hook)
        work(Place(folder))
        os._exit(0)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == KILLED


def points(folder: Path) -> Iterator[dict[str, Any]]:
    number, killed = 0, True
    while killed:
        number += 1
        place = folder / str(number)
        killed = killed_at(place, number)
        left = Place(place)
        found = told(left)
        left.objects.collect_garbage()
        work(left)
        yield {"point": number, "killed": killed, "left": found, "again": told(left)}


def main(folder: Path) -> None:
    print(json.dumps(states(folder / "whole")))
    for each in points(folder):
        print(json.dumps(each), flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
