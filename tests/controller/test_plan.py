"""The plan: one sentence per test, the observation as plain data."""

import dataclasses
from typing import Any

import pytest

from horos_api.agent_state import AgentState
from horos_api.conditions import Reason
from horos_api.resources import AgentSpec
from horos_operator.actions import (
    Action,
    AddFinalizer,
    Configure,
    CreateKeys,
    CreatePod,
    DeleteAgent,
    DeleteKeys,
    DeletePod,
    PrepareNamespace,
    Reap,
    RemoveFinalizer,
    SetOwner,
    Steer,
)
from horos_operator.facts import ANNOTATION_FAILURES
from horos_operator.family import Family
from horos_operator.observation import BusSeen, Observation
from tests.controller.facts import (
    NOW,
    agent,
    agent_pool,
    asked_now,
    configs,
    failed_pod,
    held,
    model_config,
    plan_of,
    pod,
    retired_pod,
    seen,
    servers,
    spec,
    tool_server,
    view,
)


def planned(observed: Observation) -> list[Action]:
    return list(plan_of(observed).actions)


def kinds(observed: Observation) -> list[type]:
    return [type(action) for action in planned(observed)]


def steered(observed: Observation) -> list[str]:
    return [action.op for action in planned(observed) if isinstance(action, Steer)]


def made(observed: Observation) -> dict[str, Any] | None:
    bodies = [dict(action.body) for action in planned(observed) if isinstance(action, CreatePod)]
    return bodies[0] if bodies else None


def test_nothing_is_done_for_an_agent_that_is_not_there() -> None:
    assert planned(seen(None, pod())) == []


def test_a_new_agent_gets_everything_in_order() -> None:
    new = Observation(agent(finalizers=()), (), BusSeen(), NOW)
    assert kinds(new) == [PrepareNamespace, AddFinalizer, CreateKeys, Configure, CreatePod]
    body = made(new)
    assert body is not None
    assert body["metadata"]["name"] == "ada-1"
    ticket = next(each for each in body["spec"]["containers"][0]["env"] if each["name"] == "HOROS_TICKET")
    assert ticket["value"] == "0"


def test_keys_of_an_earlier_life_go_before_new_ones_come() -> None:
    earlier = seen(agent(), known=view(uid="earlier", epoch=4))
    assert kinds(earlier) == [DeleteKeys, CreateKeys, Configure, CreatePod]
    assert planned(earlier)[0] == DeleteKeys("earlier", "an earlier Agent of this name is gone")
    assert (made(earlier) or {})["metadata"]["name"] == "ada-1"


def test_a_resident_agent_needs_nothing() -> None:
    mine = pod()
    assert plan_of(seen(agent(), mine, known=held(mine))) == plan_of(seen(None))


def test_a_pod_on_its_way_is_waited_for() -> None:
    starting = plan_of(seen(agent(), pod(), known=view()))
    assert starting.actions == ()
    assert starting.again == 0.5


def test_a_pod_that_pulls_its_image_needs_no_looking() -> None:
    pulling = pod(phase="Pending", running=False, waiting_reason="ImagePullBackOff")
    assert plan_of(seen(agent(), pulling, known=view())) == plan_of(seen(None))


def test_edited_instructions_are_only_configured() -> None:
    mine = pod()
    edited = seen(agent(spec(instructions="new"), generation=2), mine, known=held(mine))
    old = dataclasses.replace(edited.bus, configured="something else")
    assert kinds(dataclasses.replace(edited, bus=old)) == [Configure]


@pytest.mark.parametrize(
    "fields",
    [
        {"image": "other:1"},
        {"env": [{"name": "A", "value": "1"}]},
        {"resources": {"limits": {"memory": "512Mi"}}},
        {"nodeSelector": {"disk": "ssd"}},
        {"model": {"apiKeySecretRef": {"name": "llm", "key": "k"}}},
    ],
)
def test_an_edit_of_the_pod_asks_the_resident_to_leave_after_its_turn(fields: dict[str, Any]) -> None:
    mine = pod()
    edited = agent(spec(**fields), generation=2)
    assert steered(seen(edited, mine, known=held(mine))) == ["evict"]
    assert planned(seen(edited, mine, known=held(mine, evict=True))) == []


def test_an_edit_of_a_model_config_is_only_configured_unless_it_names_another_key() -> None:
    key = {"name": "llm", "key": "a"}
    mine = dataclasses.replace(pod(), asked=asked_now(spec(), model_config(apiKeySecretRef=key)))
    before = seen(agent(), mine, known=held(mine), configs=configs(model_config(apiKeySecretRef=key)))
    assert planned(before) == []
    renamed = configs(model_config(apiKeySecretRef=key, name="m2", version=2))
    assert kinds(dataclasses.replace(before, configs=renamed)) == [Configure]
    rekeyed = configs(model_config(apiKeySecretRef={"name": "llm", "key": "b"}, version=2))
    assert planned(dataclasses.replace(before, configs=rekeyed)) == [
        Steer("evict", "changed: model.apiKeySecretRef")
    ]


def test_a_model_config_that_is_missing_is_told_to_the_runtime_and_the_pod_stays() -> None:
    key, asked_for = {"name": "llm", "key": "a"}, spec(model={"configName": "big"})
    big = model_config("big", apiKeySecretRef=key)
    mine = dataclasses.replace(pod(), asked=asked_now(asked_for, big))
    there = seen(agent(asked_for), mine, known=held(mine), configs=configs(big))
    (told,) = planned(dataclasses.replace(there, configs={}))
    assert isinstance(told, Configure)
    assert b'"models":[{"keyVariable":"HOROS_MODEL_API_KEY"}]' in told.config
    # A part of the pod that has nothing to do with it is followed meanwhile.
    other = agent(spec(model={"configName": "big"}, image="x:2"), generation=2)
    assert steered(dataclasses.replace(there, agent=other, configs={})) == ["evict"]


def uses(*named: dict[str, Any]) -> AgentSpec:
    return spec(tools={"servers": [{"name": f"s{number}", **each} for number, each in enumerate(named)]})


WITH_SECRET = {"url": "http://a", "headersSecretRef": {"name": "a"}}


def test_a_tool_server_that_comes_or_goes_is_only_configured_unless_it_needs_another_secret() -> None:
    mine = dataclasses.replace(pod(), secrets=frozenset({"a"}))
    before = seen(agent(uses(WITH_SECRET)), mine, known=held(mine))
    assert planned(before) == []
    for edited in (uses(), uses({"command": ["x"]}, {"url": "http://b"}), uses(WITH_SECRET, WITH_SECRET)):
        assert kinds(dataclasses.replace(before, agent=agent(edited))) == [Configure]
    more = uses(WITH_SECRET, {"url": "http://b", "oauthSecretRef": {"name": "b"}})
    edited_more = seen(agent(more), mine, known=held(mine))
    assert planned(edited_more) == [Steer("evict", "changed: tools.servers (needs b)")]
    assert planned(seen(agent(more), mine, known=held(mine, evict=True))) == []


def test_an_edit_of_a_tool_server_is_only_configured_unless_it_names_another_secret() -> None:
    mine, of = pod(), agent(uses({"serverName": "docs"}))
    before = seen(of, mine, known=held(mine), servers=servers(tool_server()))
    assert planned(before) == []
    moved = servers(tool_server(version=2, url="http://elsewhere"))
    assert kinds(dataclasses.replace(before, servers=moved)) == [Configure]
    locked = servers(tool_server(version=2, headersSecretRef={"name": "key"}))
    assert planned(seen(of, mine, known=held(mine), servers=locked)) == [
        Steer("evict", "changed: tools.servers (needs key)")
    ]
    assert kinds(dataclasses.replace(before, servers={})) == [Configure]


def test_a_pod_that_failed_is_tried_again_at_once_when_it_lacked_a_secret() -> None:
    last = failed_pod(ago=1)
    again = seen(agent(uses(WITH_SECRET)), last, known=view())
    assert kinds(again) == [DeletePod, CreatePod]
    mounted = dataclasses.replace(last, secrets=frozenset({"a"}))
    assert CreatePod not in kinds(seen(agent(uses(WITH_SECRET)), mounted, known=view(), now=NOW - 0.5))


def test_an_edit_replaces_a_pod_that_has_not_claimed_at_once() -> None:
    stuck = pod(phase="Pending", running=False, waiting_reason="ImagePullBackOff")
    edited = seen(agent(spec(image="right:1"), generation=2), stuck, known=view())
    assert planned(edited) == [DeletePod(stuck, "changed before it started: image")]
    going = dataclasses.replace(stuck, deleting=True)
    assert planned(dataclasses.replace(edited, pods=(going,))) == []
    assert kinds(dataclasses.replace(edited, pods=())) == [CreatePod]


def test_after_it_retired_the_next_pod_has_the_next_number() -> None:
    left = seen(agent(spec(image="new:1")), retired_pod(ago=1), known=view(epoch=1, in_work=True))
    assert (made(left) or {})["metadata"]["name"] == "ada-2"


def test_an_agent_without_work_has_no_pod_and_what_is_left_of_its_last_goes_at_once() -> None:
    gone = retired_pod(ago=1)
    assert planned(seen(agent(), gone, known=view(epoch=1))) == [DeletePod(gone, "it has ended")]
    assert planned(seen(agent(), known=view(epoch=1))) == []
    stays = agent(spec(idleSeconds=0))
    assert kinds(seen(stays, gone, known=view(epoch=1))) == [CreatePod, DeletePod]


def test_what_a_pool_says_of_idle_seconds_holds_for_an_agent_that_says_nothing() -> None:
    known, stays = view(epoch=1), agent_pool(idleSeconds=0)
    assert CreatePod in kinds(seen(agent(), known=known, pool=stays))
    assert CreatePod not in kinds(seen(agent(spec(idleSeconds=9)), known=known, pool=stays))


def test_without_a_slot_nobody_gets_a_pod_and_what_runs_goes_on() -> None:
    for known in (view(), view(epoch=1, in_work=True)):
        assert CreatePod in kinds(seen(agent(), known=known))
        assert planned(seen(agent(), known=known, slot=False)) == []
    mine = pod()
    assert planned(seen(agent(), mine, known=held(mine), slot=False)) == []
    assert planned(seen(agent(), pod(), known=view(), slot=False)) == []


def test_a_pod_that_waits_in_vain_gives_its_slot_up_when_it_is_asked_to() -> None:
    stuck = pod(phase="Pending", running=False, waiting_reason="CreateContainerConfigError")
    assert planned(seen(agent(), stuck, known=view())) == []
    why = "what it waits for does not come, and others wait for its slot"
    assert planned(seen(agent(), stuck, known=view(), give_up=True)) == [DeletePod(stuck, why)]
    assert planned(seen(agent(), pod(), known=view(), give_up=True)) == []


def test_a_holder_whose_pod_is_gone_is_reaped_and_replaced() -> None:
    gone = seen(agent(), known=view(holder="uid-of-ada-3", epoch=3, in_work=True))
    assert planned(gone)[0] == Reap("uid-of-ada-3", "ada-3")
    assert (made(gone) or {})["metadata"]["name"] == "ada-4"


def test_a_holder_whose_pod_ended_is_reaped() -> None:
    dead = failed_pod("ada-3", ago=60)
    assert kinds(seen(agent(), dead, known=held(dead, epoch=3, in_work=True), now=NOW + 1)) == [
        Reap,
        CreatePod,
    ]
    assert kinds(seen(agent(), dead, known=held(dead, epoch=3))) == [Reap]


def test_an_exiting_holder_is_left_alone() -> None:
    leaving = pod(deleting=True)
    assert planned(seen(agent(), leaving, known=held(leaving))) == []


def test_a_double_is_deleted() -> None:
    mine, late = pod("ada-2"), pod("ada-1")
    doubled = seen(agent(), late, mine, known=held(mine, epoch=2))
    assert planned(doubled) == [DeletePod(late, "another incarnation took its place")]


def test_a_pod_that_has_just_retired_is_left_to_end_by_itself_and_counts_until_it_has() -> None:
    leaving = pod("ada-1")
    working = view(epoch=1, in_work=True, since=NOW - 5)
    assert planned(seen(agent(), leaving, known=working)) == []
    assert planned(seen(agent(), dataclasses.replace(leaving, deleting=True), known=working)) == []
    # One that hangs must not keep its agent from its work for ever.
    hangs = dataclasses.replace(working, since=NOW - 11)
    assert planned(seen(agent(), leaving, known=hangs)) == [DeletePod(leaving, "its life is over")]
    stuck = pod("ada-1", phase="Pending", running=False)
    assert kinds(seen(agent(), stuck, known=view(epoch=1))) == [DeletePod]


def test_pods_of_an_earlier_agent_of_the_name_are_not_ours() -> None:
    theirs = pod(owner_uid="earlier")
    assert kinds(seen(agent(), theirs, known=view())) == [CreatePod]


@pytest.mark.parametrize(("failures", "delay"), [(0, 1), (1, 2), (5, 32), (8, 256), (9, 300), (40, 300)])
def test_a_crash_loop_slows_down_by_doubling_up_to_five_minutes(failures: int, delay: float) -> None:
    early = seen(agent(), failed_pod(ago=delay - 0.5, failures=failures), known=view())
    assert plan_of(early).actions == ()
    assert plan_of(early).again == 0.5
    late = seen(agent(), failed_pod(ago=delay, failures=failures), known=view())
    assert kinds(late) == [DeletePod, CreatePod]
    body = made(late)
    assert body is not None
    assert body["metadata"]["annotations"][ANNOTATION_FAILURES] == str(failures + 1)


def test_a_long_life_before_the_crash_starts_the_count_anew() -> None:
    known = view(epoch=1, in_work=True)
    late = seen(agent(), failed_pod("ada-1", ago=1, lived=3600, failures=8), known=known)
    body = made(late)
    assert body is not None
    assert body["metadata"]["annotations"][ANNOTATION_FAILURES] == "1"


def test_an_edit_of_a_crashed_agent_is_tried_at_once() -> None:
    edited = seen(agent(spec(image="fixed:1")), failed_pod(ago=0, failures=9), known=view())
    assert kinds(edited) == [DeletePod, CreatePod]


def test_a_pod_that_ends_well_too_soon_is_a_failure_too_unless_it_has_claimed() -> None:
    brief = retired_pod(ago=0.5, lived=1)
    assert planned(seen(agent(), brief, known=view())) == []
    assert kinds(seen(agent(), brief, known=view(epoch=1, in_work=True))) == [CreatePod, DeletePod]


def test_a_failure_before_a_life_that_was_healthy_is_forgotten() -> None:
    old = failed_pod("ada-1", ago=0.5, failures=8)
    assert made(seen(agent(), old, known=view(epoch=1, in_work=True))) is None
    body = made(seen(agent(), old, known=view(epoch=2, in_work=True)))
    assert body is not None
    assert ANNOTATION_FAILURES not in body["metadata"]["annotations"]


def test_the_last_failed_pod_is_kept_ten_minutes() -> None:
    mine = pod("ada-3")
    older, last = failed_pod("ada-1", ago=400), failed_pod("ada-2", ago=300)
    kept = plan_of(seen(agent(), older, last, mine, known=held(mine, epoch=3)))
    assert kept.actions == (DeletePod(older, "a later one ended too"),)
    assert kept.again == 300
    old = failed_pod("ada-2", ago=600)
    assert planned(seen(agent(), old, mine, known=held(mine, epoch=3))) == [DeletePod(old, "it has ended")]


def test_suspending_lets_the_turn_finish() -> None:
    mine, asleep = pod(), agent(spec(operatingMode="Suspended"))
    assert steered(seen(asleep, mine, known=held(mine, state=AgentState.RUNNING))) == ["pause"]
    assert planned(seen(asleep, mine, known=held(mine, state=AgentState.PAUSED))) == []


def test_a_suspended_agent_has_no_pod() -> None:
    asleep = agent(spec(operatingMode="Suspended"))
    paused = view(state=AgentState.PAUSED, epoch=1, in_work=True)
    assert planned(seen(asleep, known=paused)) == []
    gone = retired_pod(ago=1)
    assert planned(seen(asleep, gone, known=paused)) == [DeletePod(gone, "it has ended")]
    early = pod("ada-2")
    assert planned(seen(asleep, early, known=paused)) == [DeletePod(early, "operatingMode is Suspended")]


def test_a_new_suspended_agent_is_registered_and_paused() -> None:
    new = Observation(agent(spec(operatingMode="Suspended"), finalizers=()), (), BusSeen(), NOW)
    assert kinds(new) == [PrepareNamespace, AddFinalizer, CreateKeys, Configure, Steer]


def test_a_terminated_agent_ends_at_once_and_gets_no_pod_again() -> None:
    over, mine = agent(spec(operatingMode="Terminated")), pod()
    busy = seen(over, mine, known=held(mine, state=AgentState.RUNNING))
    assert steered(busy) == ["terminate"]
    assert planned(busy)[1:] == [DeletePod(mine, "the agent is terminated")]
    done = view(state=AgentState.TERMINATED, epoch=1)
    assert planned(seen(over, known=done)) == []
    early = pod("ada-2")
    assert planned(seen(over, early, known=done)) == [DeletePod(early, "operatingMode is Terminated")]
    # What the bus has ended stays so, whatever a spec says that was brought back from a backup.
    assert planned(seen(agent(), known=done)) == []


def test_a_new_terminated_agent_is_registered_and_ended() -> None:
    new = Observation(agent(spec(operatingMode="Terminated"), finalizers=()), (), BusSeen(), NOW)
    assert kinds(new) == [PrepareNamespace, AddFinalizer, CreateKeys, Configure, Steer]


def test_running_again_resumes_and_gets_a_pod() -> None:
    again = seen(agent(spec(idleSeconds=0)), known=view(state=AgentState.PAUSED, epoch=2))
    assert kinds(again) == [Steer, CreatePod]
    assert steered(again) == ["resume"]
    # What waited for it brings it into work, and the doorbell tells.
    assert kinds(seen(agent(), known=view(state=AgentState.PAUSED, epoch=2))) == [Steer]


def test_a_deleted_agent_loses_pod_then_keys_then_finalizer() -> None:
    mine = pod()
    going = seen(agent(deleting=True), mine, known=held(mine))
    assert planned(going) == [
        DeletePod(mine, "its Agent is deleted"),
        DeleteKeys("agent-uid", "its Agent is deleted"),
        RemoveFinalizer(),
    ]


def test_without_redis_a_deletion_waits_for_its_keys() -> None:
    down = BusSeen(problem="down")
    going = Observation(agent(deleting=True), (pod(),), down, NOW)
    assert kinds(going) == [DeletePod]


def test_the_keys_of_another_life_are_left_alone_at_deletion() -> None:
    assert kinds(seen(agent(deleting=True), known=view(uid="younger"))) == [RemoveFinalizer]


def test_somebody_elses_finalizer_is_not_ours_to_remove() -> None:
    assert planned(seen(agent(deleting=True, finalizers=("other/one",)), known=view())) == []


def test_without_redis_nothing_is_changed() -> None:
    assert planned(Observation(agent(), (), BusSeen(problem="down"), NOW)) == []


def test_a_spec_that_cannot_be_read_changes_nothing_that_runs() -> None:
    mine = pod()
    broken = agent(spec=None, problem="spec.image: no")
    assert planned(Observation(broken, (mine,), BusSeen(prepared=True, view=held(mine)), NOW)) == []


def test_credentials_that_a_pod_does_not_find_are_made_again() -> None:
    lost = 'secret "horos-bus" not found'
    stuck = pod(running=False, waiting_reason="CreateContainerConfigError", waiting_message=lost)
    (action,) = planned(seen(agent(), stuck, known=view()))
    assert action == PrepareNamespace(again=True, why="a pod finds no Secret for the bus")
    other = dataclasses.replace(stuck, waiting_message='secret "llm" not found')
    assert planned(seen(agent(), other, known=view())) == []


@pytest.mark.parametrize(
    "edit",
    [
        {"image": "other:1"},
        {"env": [{"name": "A", "value": "b"}]},
        {"resources": {"limits": {"memory": "1Gi"}}},
        {"model": {"apiKeySecretRef": {"name": "llm", "key": "apiKey"}}},
    ],
)
def test_an_edit_of_the_pod_replaces_that_of_an_agent_in_error(edit: dict[str, Any]) -> None:
    mine = pod()
    known = held(mine, state=AgentState.ERROR, turn="1-0", in_work=True)
    assert steered(seen(agent(spec(**edit)), mine, known=known)) == ["evict"]
    # Once it has left, its open turn is no reason to wait.
    left = view(epoch=1, state=AgentState.ERROR, turn="1-0", in_work=True)
    assert made(seen(agent(spec(**edit)), retired_pod(ago=1), known=left)) is not None


LEAD = agent(name="lead", uid="uid-of-lead")
CHILD = spec(parentName="lead")


def born(**changes: Any) -> Any:
    return agent(CHILD, owner_uid="uid-of-lead", labels={"horos.dev/root": "lead"}, **changes)


def test_a_child_that_a_person_has_written_gets_its_owner_and_its_root() -> None:
    family = Family(LEAD, "lead")
    new = seen(agent(CHILD), family=family)
    actions = planned(new)
    assert [type(action) for action in actions] == [SetOwner, CreateKeys, Configure, CreatePod]
    assert actions[0] == SetOwner(LEAD, "lead")
    assert actions[1] == CreateKeys("lead", "lead")
    known = view(parent="lead", root="lead", epoch=1)
    assert planned(seen(born(), known=known, family=family)) == []
    assert kinds(seen(agent(CHILD, owner_uid="uid-of-lead"), known=known, family=family)) == [SetOwner]


def test_a_root_that_becomes_known_later_is_told_to_the_bus() -> None:
    late = seen(born(), known=view(parent="lead", epoch=1), family=Family(LEAD, "lead"))
    assert planned(late) == [CreateKeys("lead", "lead", "the bus does not know whose child it is")]


@pytest.mark.parametrize("reason", [Reason.PARENT_MISSING, Reason.PARENT_CYCLE])
def test_without_its_parent_an_agent_gets_keys_and_no_owner_and_no_pod(reason: Reason) -> None:
    alone = Family(trouble=(reason, "why"))
    assert kinds(seen(agent(CHILD), family=alone)) == [CreateKeys, Configure]
    known = view(parent="lead", root="lead", in_work=True)
    assert planned(seen(born(), known=known, family=alone)) == [], "its messages wait, its root is kept"
    mine = pod()
    assert planned(seen(born(), mine, known=held(mine, parent="lead", root="lead"), family=alone)) == []


@pytest.mark.parametrize("reason", [Reason.TOO_DEEP, Reason.TOO_MANY_CHILDREN])
def test_one_too_many_belongs_to_its_parent_and_gets_no_pod(reason: Reason) -> None:
    family = Family(LEAD, "lead", trouble=(reason, "why"))
    assert kinds(seen(agent(CHILD), family=family)) == [SetOwner, CreateKeys, Configure]


def ended(ago: float, **fields: Any) -> Observation:
    over = view(state=AgentState.TERMINATED, ended=NOW - ago, epoch=1)
    return seen(agent(spec(**fields)), known=over)


def test_what_has_ended_is_deleted_when_its_time_is_over() -> None:
    assert planned(ended(3599, lifetime="Task")) == []
    assert plan_of(ended(3599, lifetime="Task")).again == 1.0
    assert planned(ended(3600, lifetime="Task")) == [
        DeleteAgent("it has ended 3600 s ago (ttlSecondsAfterFinished)")
    ]
    assert kinds(ended(9, ttlSecondsAfterFinished=9)) == [DeleteAgent]
    assert planned(ended(10**9)) == [], "of a permanent agent a person decides"
    assert plan_of(ended(10**9)).again is None


def test_only_an_agent_without_a_parent_limits_its_family() -> None:
    budget = {"tokensPerDay": 10, "costPerDay": "1.5"}
    root = Observation(agent(spec(budget=budget)), (), BusSeen(prepared=True), NOW)
    (configure,) = (action for action in planned(root) if isinstance(action, Configure))
    assert (configure.limits.tokens, configure.limits.cost) == (10, 1_500_000_000)
    child = agent(spec(budget=budget, parentName="lead", lifetime="Task"))
    below = Observation(child, (), BusSeen(prepared=True), NOW, family=Family(LEAD, "lead"))
    (configure,) = (action for action in planned(below) if isinstance(action, Configure))
    assert (configure.limits.tokens, configure.limits.cost, configure.lifetime) == (None, None, "Task")
