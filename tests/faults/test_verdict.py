"""The judge can fail: each kind of wrong run is seen, and a good one is not."""

from typing import Any

import pytest

from horos_api.names import LABEL_AGENT
from tests.faults.points import KILLS, REQUIRED, TROUBLES, Point, points_of, without_point
from tests.faults.recorder import Change, Seen
from tests.faults.verdict import difference, of_births, of_keys, of_lives, of_messages, of_pods

PREFIX = "horos:f1:{research}:"


def pod(version: int, name: str, change: Change = "ADDED", phase: str = "Pending", life: str = "") -> Seen:
    metadata = {
        "name": name,
        "uid": life or f"uid-of-{name}",
        "labels": {LABEL_AGENT: name.rpartition("-")[0]},
    }
    return Seen(version, "pods", change, {"metadata": metadata, "status": {"phase": phase}})


def limit(version: int, kind: str, most: int, change: Change = "ADDED") -> Seen:
    name = "horos-agents" if kind == "resourcequotas" else "default"
    spec: dict[str, Any] = {"hard": {"pods": str(most)}, "maxRunning": most}
    return Seen(version, kind, change, {"metadata": {"name": name}, "spec": spec})


def test_one_pod_after_the_other_is_good() -> None:
    history = [
        limit(1, "agentpools", 1),
        pod(2, "ada-1"),
        limit(3, "resourcequotas", 1),
        pod(4, "ada-1", "MODIFIED", "Running"),
        pod(5, "ada-1", "MODIFIED", "Succeeded"),
        pod(6, "ada-2"),
        pod(7, "ada-1", "DELETED", "Succeeded"),
        pod(8, "ada-2", "DELETED", "Running"),
        pod(9, "bob-1"),
    ]
    assert list(of_pods(history, ())) == []
    assert list(of_lives(history, {"ada": 2, "bob": 1})) == []


def test_two_pods_of_one_agent_are_seen() -> None:
    history = [pod(1, "ada-1"), pod(2, "ada-2")]
    assert list(of_pods(history, ())) == ["ada has 2 pods, when ada-2 comes (version 2)"]
    assert list(of_pods(history, {"uid-of-ada-1"})) == []
    assert list(of_pods(history, {"uid-of-ada-2"})), "the younger one's end excuses nothing"


@pytest.mark.parametrize("kind", ["agentpools", "resourcequotas"])
def test_more_pods_than_may_be_are_seen(kind: str) -> None:
    found = list(of_pods([limit(1, kind, 1), pod(2, "ada-1"), pod(3, "bob-1")], ()))
    assert found == ["2 pods where 1 may be, when bob-1 comes (version 3)"]


def test_a_limit_that_is_lowered_or_gone_harms_nobody_who_is_there() -> None:
    history = [
        limit(1, "resourcequotas", 2),
        pod(2, "ada-1"),
        pod(3, "bob-1"),
        limit(4, "resourcequotas", 1, "MODIFIED"),
        pod(5, "ada-1", "MODIFIED", "Running"),
        limit(6, "resourcequotas", 1, "DELETED"),
        pod(7, "cyd-1"),
    ]
    assert list(of_pods(history, ())) == []


def test_a_pod_that_was_made_in_vain_is_seen() -> None:
    twice = [pod(1, "ada-1"), pod(2, "ada-1", "DELETED"), pod(3, "ada-1", life="another")]
    assert list(of_lives(twice, {"ada": 1})) == ["ada: 2 pods were made and 1 claimed"]


def test_what_became_of_messages_is_seen() -> None:
    sent = {"m1": "ada", "m2": "ada", "m3": "bob", "m4": "dan"}
    replies: dict[str, str | None] = dict.fromkeys(sent, "yes")
    good = {"ada": ["m1", "m2"], "bob": ["m3"]}
    assert list(of_messages(sent, good, replies)) == []
    assert list(of_messages(sent, good, replies | {"m4": None})) == ["lost: m4 to dan was never answered"]
    bad = {"ada": ["m1", "m1", "m3"], "bob": ["m3"]}
    assert list(of_messages(sent, bad, replies)) == [
        "repeated: m1 was taken in 2 times by ada",
        "lost: m2 was taken in 0 times by ada",
        "ada took in m3, which was for bob",
    ]


def test_keys_that_stay_are_seen() -> None:
    keys = [f"{PREFIX}doorbell", f"{PREFIX}a:dan:state", f"{PREFIX}g:review:log", f"{PREFIX}groups"]
    assert list(of_keys(keys, PREFIX)) == [
        f"{PREFIX}a:dan:state is left of an Agent that is gone",
        f"{PREFIX}g:review:log is left of a Group that is gone",
        f"{PREFIX}groups is left of a Group that is gone",
    ]


def test_a_difference_is_named_by_its_place() -> None:
    assert list(difference({"a": {"b": 1}}, {"a": {"b": 1}})) == []
    assert list(difference({"a": {"b": 1}}, {"a": {"b": 2}, "c": 3})) == [
        "a.b: 2, where nothing went wrong: 1",
        "c: 3, where nothing went wrong: None",
    ]


def test_a_required_write_without_a_point_is_named() -> None:
    assert without_point([]) == list(REQUIRED)
    points = list(points_of(dict.fromkeys(REQUIRED, 1), {"pods": 2}))
    assert without_point(points) == []
    assert len(points) == len(REQUIRED) * len((*KILLS, *TROUBLES)) + 2
    assert without_point(points[1:])


def test_a_point_is_named_by_its_text() -> None:
    point = Point("pods.create", 3, "lost")
    assert Point.parse(str(point)) == point
    with pytest.raises(ValueError, match="not a point"):
        Point.parse("pods.create:3:sometimes")


def born(version: int, order: str, name: str = "kid", life: str = "one") -> Seen:
    metadata = {"name": name, "uid": life, "annotations": {"horos.dev/order": order} if order else {}}
    return Seen(version, "agents", "ADDED", {"metadata": metadata})


def test_a_child_that_is_born_twice_is_seen() -> None:
    assert list(of_births([born(1, "a/1-0/1.0"), born(2, "a/1-0/1.0"), born(3, "", life="two")])) == []
    (found,) = of_births([born(1, "a/1-0/1.0"), born(2, "a/1-0/1.0", life="two")])
    assert found == "order a/1-0/1.0 was obeyed 2 times: agents kid one, agents kid two"
    assert list(of_births([born(1, "a/1-0/1.0"), born(2, "a/1-0/1.0", "other", "two")]))
