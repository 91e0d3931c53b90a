"""The caches: news may come late, twice, or not at all."""

import dataclasses
from itertools import pairwise
from typing import Any

from horos_api.resources import AgentSpec
from horos_api.server_report import ServerState
from horos_operator.facts import AgentFacts
from horos_operator.observe import Caches
from horos_operator.tool_servers import Heard
from tests.controller.facts import agent, agent_pool, model_config, pod, quota, spec, tool_server

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


def test_what_is_shared_is_known_by_its_version_also_where_no_agent_is() -> None:
    caches = Caches()
    config, server = model_config("lone"), tool_server("alone")
    caches.put_config(config)
    caches.put_server(server)
    assert caches.versions() == {config.uid: config.version, server.uid: server.version}
    caches.put_agent(agent())
    caches.put_pod(pod())
    assert caches.uids() == {config.uid, server.uid, agent().uid, pod().uid}


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


def test_what_an_old_list_did_not_show_is_seen_again_by_the_next() -> None:
    caches = Caches()
    caches.put_agent(agent())
    caches.put_pod(pod())
    caches.forget_missing(caches.uids(), frozenset())
    assert caches.agent(KEY) is None
    caches.put_agent(agent())
    caches.put_pod(pod())
    assert (caches.agent(KEY), caches.pods(KEY)) == (agent(), (pod(),))


def named(name: str, asked: AgentSpec | None = None, namespace: str = "research") -> AgentFacts:
    return agent(asked, name=name, uid=f"uid-of-{name}", namespace=namespace)


def with_users() -> Caches:
    caches = Caches()
    caches.put_agent(named("says-nothing"))
    caches.put_agent(named("takes-big", spec(model={"configName": "big"})))
    caches.put_agent(named("falls-back", spec(model={"configName": "big", "fallbacks": [{}]})))
    caches.put_agent(named("unreadable"))
    caches.put_agent(dataclasses.replace(named("unreadable"), spec=None, version=2))
    caches.put_agent(named("elsewhere", namespace="other"))
    return caches


def names(keys: set[tuple[str, str]]) -> set[str]:
    return {name for _, name in keys}


def test_a_model_config_is_news_for_the_agents_that_use_it() -> None:
    caches = with_users()
    assert names(caches.put_config(model_config())) == {"says-nothing", "falls-back"}
    assert names(caches.put_config(model_config("big"))) == {"takes-big", "falls-back"}
    assert names(caches.put_config(model_config("nobodys"))) == set()
    assert names(caches.drop_config(model_config("big"))) == {"takes-big", "falls-back"}
    assert set(caches.configs("research")) == {"default", "nobodys"}
    assert caches.configs("other") == {}


def test_a_new_status_of_a_model_config_is_no_news_for_its_agents() -> None:
    caches = with_users()
    caches.put_config(model_config())
    counted = dataclasses.replace(model_config(version=2), status={"agents": 2})
    assert caches.put_config(counted) == set()
    assert caches.configs("research")["default"].status == {"agents": 2}
    assert names(caches.put_config(model_config(version=3, name="m2"))) == {"says-nothing", "falls-back"}


def test_older_news_of_a_model_config_is_dropped_and_a_deleted_one_does_not_come_back() -> None:
    caches = with_users()
    caches.put_config(model_config(version=5))
    assert caches.put_config(model_config(version=4, name="old")) == set()
    assert caches.configs("research")["default"] == model_config(version=5)
    caches.drop_config(model_config(version=5))
    assert caches.put_config(model_config(version=6)) == set()
    assert caches.configs("research") == {}


def test_a_missed_deletion_of_a_model_config_is_found_by_a_complete_list() -> None:
    caches = with_users()
    caches.put_config(model_config("big"))
    before = caches.uids()
    listed = before - {model_config("big").uid}
    assert names(caches.forget_missing(before, listed)) == {"takes-big", "falls-back"}
    assert caches.configs("research") == {}


def test_the_users_of_each_model_config_are_counted() -> None:
    caches = with_users()
    assert caches.configs_with_users() == []
    made = [model_config(), model_config("big"), model_config("nobodys")]
    for each in made:
        caches.put_config(each)
    assert caches.configs_with_users() == [(made[0], 2), (made[1], 2), (made[2], 0)]


def with_servers() -> Caches:
    caches = Caches()
    caches.put_agent(named("uses-nothing"))
    uses = [{"name": "a", "serverName": "docs"}, {"name": "b", "serverName": "docs"}]
    caches.put_agent(named("uses-docs", spec(tools={"servers": uses})))
    both = [*uses, {"name": "c", "serverName": "tickets"}]
    caches.put_agent(named("uses-both", spec(tools={"servers": both})))
    caches.put_agent(named("elsewhere", spec(tools={"servers": uses}), namespace="other"))
    return caches


def says(agent: str, server: str, **changes: Any) -> Heard:
    usual = Heard(agent, server, live=True, state=ServerState.CONNECTED, tools=3, error="", error_at=0)
    return dataclasses.replace(usual, **changes)


def test_a_tool_server_is_news_for_the_agents_that_use_it() -> None:
    caches = with_servers()
    assert names(caches.put_server(tool_server())) == {"uses-docs", "uses-both"}
    assert names(caches.put_server(tool_server("tickets"))) == {"uses-both"}
    assert names(caches.put_server(dataclasses.replace(tool_server(version=2), status={"tools": 1}))) == set()
    assert names(caches.put_server(tool_server(version=3, url="http://other"))) == {"uses-docs", "uses-both"}
    assert names(caches.put_server(tool_server(version=2))) == set()
    before = caches.uids()
    assert names(caches.forget_missing(before, before - {tool_server().uid})) == {"uses-docs", "uses-both"}
    assert set(caches.servers("research")) == {"tickets"}


def test_each_tool_server_comes_with_its_agents_and_what_they_report_of_it() -> None:
    caches = with_servers()
    docs, tickets = says("uses-both", "docs"), says("uses-both", "tickets")
    caches.put_heard(("research", "uses-both"), (docs, tickets))
    assert caches.servers_with_users() == []
    made = [tool_server(), tool_server("tickets"), tool_server("nobodys")]
    for each in made:
        caches.put_server(each)
    assert caches.servers_with_users() == [
        (made[0], 2, (docs,)),
        (made[1], 1, (tickets,)),
        (made[2], 0, ()),
    ]
    caches.drop_agent(named("uses-both"))
    assert caches.servers_with_users()[0] == (made[0], 1, ())


def test_what_an_agent_reports_anew_of_tool_servers_is_a_new_revision_and_a_repetition_is_not() -> None:
    caches, key = with_servers(), ("research", "uses-docs")
    revisions = [caches.revision]
    for heard in [(), (says("uses-docs", "docs"),), (says("uses-docs", "docs"),), (), ()]:
        caches.put_heard(key, heard)
        revisions.append(caches.revision)
    news = [after > before for before, after in pairwise(revisions)]
    assert news == [False, True, False, True, False]


def test_what_an_agent_reported_that_went_meanwhile_is_not_remembered_for_the_next_of_its_name() -> None:
    caches = with_servers()
    caches.put_server(tool_server())
    caches.drop_agent(named("uses-docs"))
    caches.put_heard(("research", "uses-docs"), (says("uses-docs", "docs"),))
    caches.put_agent(dataclasses.replace(named("uses-docs"), uid="the-next"))
    assert caches.servers_with_users()[0][2] == ()


def test_what_changes_the_count_of_users_is_a_new_revision_and_a_new_status_is_not() -> None:
    caches = with_users()
    before = caches.revision
    caches.put_agent(dataclasses.replace(named("says-nothing"), version=3, status={"state": "idle"}))
    assert caches.revision == before
    caches.put_agent(dataclasses.replace(named("says-nothing"), version=4, generation=2))
    assert caches.revision > before


def test_a_pool_means_something_new_for_its_agents_when_their_idle_seconds_change() -> None:
    caches = Caches()
    caches.put_agent(agent())
    assert caches.put_pool(agent_pool(maxRunning=2)) == set()
    assert caches.put_pool(agent_pool(version=2, maxRunning=5)) == set()
    assert caches.put_pool(agent_pool(version=3, idleSeconds=9)) == {KEY}
    assert caches.put_pool(agent_pool(version=2)) == set(), "older news"
    known = caches.pools.pool("research")
    assert known is not None and known.version == 3
    assert caches.drop_pool(agent_pool(version=4)) == {KEY}
    assert caches.pools.pool("research") is None
    assert caches.put_pool(agent_pool(version=5)) == set(), "it is gone for good"
    assert caches.pools.pool("research") is None


def test_quotas_are_kept_and_what_a_list_no_longer_shows_is_forgotten() -> None:
    caches = Caches()
    caches.put_agent(agent())
    caches.put_pool(agent_pool(idleSeconds=9))
    caches.put_quota(quota(version=2, used=1))
    caches.put_quota(quota(version=1))
    assert caches.pools.quota("research") == quota(version=2, used=1)
    assert {"uid-of-pool", "uid-of-quota"} <= caches.uids()
    assert caches.forget_missing(caches.uids(), frozenset({"agent-uid"})) == {KEY}
    assert (caches.pools.pool("research"), caches.pools.quota("research")) == (None, None)
    assert caches.pools.namespaces() == set()


def test_namespaces_are_known_by_their_agents_alone() -> None:
    caches = Caches()
    caches.put_agent(agent())
    assert [each.name for each in caches.agents_within("research")] == ["ada"]
    caches.put_pod(pod())
    assert caches.pods_within("research") == [pod()]
    caches.drop_agent(agent())
    assert (caches.namespaces(), caches.agents_within("research")) == (set(), [])


def test_what_our_own_requests_were_answered_is_known_when_its_event_comes() -> None:
    caches = Caches()
    caches.put_agent(agent(version=5))
    caches.put_pod(pod(version=7))
    assert caches.knows(agent(version=5))
    assert caches.knows(pod(version=7))
    for news in (
        agent(version=6),
        agent(version=5, uid="other"),
        agent(name="bob"),
        pod(version=8),
        pod("ada-2"),
    ):
        assert not caches.knows(news)
