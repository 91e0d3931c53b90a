"""The caches: news may come late, twice, or not at all."""

import dataclasses

from horos_operator.observe import Caches
from tests.controller.facts import agent, pod

KEY = ("research", "ada")


def test_older_news_is_dropped() -> None:
    caches = Caches()
    assert caches.put_agent(agent(version=5)) == KEY
    caches.put_agent(agent(version=4, generation=9))
    assert caches.agent(KEY) == agent(version=5)
    caches.put_pod(pod(version=5))
    caches.put_pod(pod(version=4, phase="Pending"))
    assert caches.pods(KEY) == (pod(version=5),)


def test_an_answer_that_comes_after_the_deletion_does_not_bring_back() -> None:
    caches = Caches()
    caches.put_agent(agent())
    caches.put_pod(pod())
    caches.drop_agent(agent())
    caches.drop_pod(pod())
    caches.put_agent(agent(version=9))
    caches.put_pod(pod(version=9))
    assert caches.agent(KEY) is None
    assert caches.pods(KEY) == ()
    assert caches.keys() == set()


def test_a_new_agent_of_the_name_is_not_dropped_with_the_old_one() -> None:
    caches = Caches()
    caches.put_agent(agent(uid="new", version=7))
    caches.drop_agent(agent(uid="old"))
    assert caches.agent(KEY) == agent(uid="new", version=7)


def test_late_news_of_an_earlier_agent_does_not_replace_the_new_one() -> None:
    caches = Caches()
    caches.put_agent(agent(uid="new", version=7))
    caches.put_agent(agent(uid="old", version=6, deleting=True))
    assert caches.agent(KEY) == agent(uid="new", version=7)


def test_pods_come_oldest_first() -> None:
    caches = Caches()
    young, old = pod("ada-2", created=20.0), pod("ada-1", created=10.0)
    caches.put_pod(young)
    caches.put_pod(old)
    assert caches.pods(KEY) == (old, young)


def test_a_missed_deletion_is_found_by_a_complete_list() -> None:
    caches = Caches()
    caches.put_agent(agent())
    caches.put_pod(pod())
    before = caches.uids()
    born_meanwhile = dataclasses.replace(agent(), name="bob", uid="bobs")
    caches.put_agent(born_meanwhile)
    assert caches.forget_missing(before, frozenset({pod().uid})) == {KEY}
    assert caches.agent(KEY) is None
    assert caches.pods(KEY) == (pod(),)
    assert caches.agent(("research", "bob")) == born_meanwhile
