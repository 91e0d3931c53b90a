"""The fixpoint law: once a plan is carried out and seen, the next plan has no actions."""

import dataclasses

from hypothesis import given, settings
from hypothesis import strategies as some

from horos_api.agent_state import AgentState
from horos_api.conditions import Reason
from horos_api.names import FINALIZER, LABEL_ROOT
from horos_operator import actions
from horos_operator.agent_factory import config_digest
from horos_operator.facts import Ended, PodFacts, pod_facts
from horos_operator.family import Family
from horos_operator.lost_pods import why_lost
from horos_operator.needs import cause_of
from horos_operator.observation import BusSeen, Observation
from tests.controller.facts import (
    FACTORY,
    NOW,
    agent,
    agent_pool,
    configs,
    model_config,
    plan_of,
    pod,
    servers,
    spec,
    tool_server,
    view,
)

CHILD = spec(parentName="lead", lifetime="Task")
LEAD = agent(name="lead", uid="uid-of-lead")
ALONE = [Family(), Family(trouble=(Reason.PARENT_MISSING, "why"))]
SPECS = [
    CHILD,
    spec(),
    spec(operatingMode="Suspended"),
    spec(operatingMode="Terminated"),
    spec(image="other:1"),
    spec(instructions="x"),
    spec(idleSeconds=0),
    spec(idleSeconds=60, priority=3),
    spec(model={"configName": "big", "fallbacks": [{}]}),
    spec(tools={"servers": [{"name": "a", "serverName": "docs"}]}),
    spec(tools={"servers": [{"name": "a", "url": "http://a", "headersSecretRef": {"name": "other"}}]}),
]
SERVERS = [
    servers(),
    servers(tool_server()),
    servers(tool_server(headersSecretRef={"name": "h"}, oauthSecretRef={"name": "o"})),
]
SECRETS = [frozenset[str](), frozenset({"h"}), frozenset({"h", "o", "other"})]
KEYED = {"name": "llm", "key": "a"}
CONFIGS = [
    configs(),
    configs(model_config()),
    configs(model_config("big", apiKeySecretRef=KEYED)),
    configs(model_config(apiKeySecretRef=KEYED), model_config("big")),
]


@some.composite
def pods(draw: some.DrawFn, name: str) -> PodFacts:
    created = NOW - draw(some.floats(1, 2000))
    phase = draw(some.sampled_from(["Pending", "Running", "Succeeded", "Failed"]))
    ended = None
    if phase in {"Succeeded", "Failed"}:
        ended = Ended(int(phase == "Failed"), "", "", draw(some.floats(created, NOW)))
    deleting = draw(some.booleans())
    return pod(
        name,
        draw(some.sampled_from(SPECS)),
        leaves_by=NOW - draw(some.sampled_from([-10.0, 0.0, 29.0, 31.0])) if deleting else 0.0,
        silent_since=draw(some.sampled_from([0.0, 0.0, 0.0, NOW - 29.0, NOW - 31.0])),
        phase=phase,
        ended=ended,
        created=created,
        running=phase == "Running",
        deleting=deleting,
        failures=draw(some.integers(0, 12)),
        secrets=draw(some.sampled_from(SECRETS)),
        owner_uid=draw(some.sampled_from(["agent-uid", "agent-uid", "agent-uid", "earlier"])),
    )


@some.composite
def observations(draw: some.DrawFn) -> Observation:
    names = draw(some.sets(some.sampled_from(["ada-1", "ada-2", "ada-3", "ada-4"]), max_size=3))
    there = tuple(draw(pods(name)) for name in sorted(names))
    known = view(
        uid=draw(some.sampled_from(["agent-uid", "agent-uid", "earlier"])),
        epoch=draw(some.integers(0, 3)),
        holder=draw(some.sampled_from(["", "uid-that-is-gone", *(each.uid for each in there)])),
        state=draw(some.sampled_from(AgentState)),
        evict=draw(some.booleans()),
        in_work=draw(some.booleans()),
        since=draw(some.sampled_from([0.0, NOW - 5, NOW - 60])),
        ended=draw(some.sampled_from([0.0, NOW - 5, NOW - 9999])),
        parent=draw(some.sampled_from(["", "lead"])),
        root=draw(some.sampled_from(["", "lead"])),
    )
    bus = BusSeen(
        problem=draw(some.sampled_from(["", "", "", "down"])),
        prepared=draw(some.booleans()),
        configured=draw(some.sampled_from(["", "old"])),
        view=draw(some.sampled_from([None, known, known])),
    )
    of = agent(
        draw(some.sampled_from(SPECS)),
        deleting=draw(some.booleans()),
        finalizers=draw(some.sampled_from([(), (FINALIZER,), ("other/one", FINALIZER)])),
    )
    family = draw(some.sampled_from([*ALONE, Family(LEAD, "lead")] if of.spec == CHILD else ALONE))
    shared = {
        "family": family,
        "configs": draw(some.sampled_from(CONFIGS)),
        "servers": draw(some.sampled_from(SERVERS)),
    }
    pool = draw(some.sampled_from([None, agent_pool(), agent_pool(idleSeconds=0)]))
    slot = draw(some.sampled_from([True, True, False]))
    return Observation(of, there, bus, NOW, pool=pool, slot=slot, give_up=draw(some.booleans()), **shared)


def carried_out(seen: Observation, action: actions.Action) -> Observation:
    """The world after one action, as watches and bus would show it."""
    assert seen.agent is not None
    of, bus = seen.agent, seen.bus
    match action:
        case actions.PrepareNamespace():
            bus = dataclasses.replace(bus, prepared=True)
        case actions.AddFinalizer():
            of = dataclasses.replace(of, finalizers=(*of.finalizers, FINALIZER))
        case actions.RemoveFinalizer():
            of = dataclasses.replace(of, finalizers=tuple(x for x in of.finalizers if x != FINALIZER))
        case actions.SetOwner(parent=parent, root=root):
            of = dataclasses.replace(of, owner_uid=parent.uid, labels={LABEL_ROOT: root})
        case actions.DeleteAgent():
            of = dataclasses.replace(of, deleting=True)
        case actions.CreateKeys(parent=parent, root=root):
            if bus.view is None or bus.view.uid == of.uid:
                known = bus.view or view(uid=of.uid)
                bus = dataclasses.replace(bus, view=dataclasses.replace(known, parent=parent, root=root))
            else:
                raise AssertionError("a name that is taken must be freed first")
        case actions.DeleteKeys(uid=uid):
            assert bus.view is not None and bus.view.uid == uid
            bus = dataclasses.replace(bus, view=None)
        case actions.Configure(config=config):
            bus = dataclasses.replace(bus, configured=config_digest(config))
        case _:
            return _on_pods(seen, action)
    return dataclasses.replace(seen, agent=of, bus=bus)


def _on_pods(seen: Observation, action: actions.Action) -> Observation:
    assert seen.bus.view is not None or isinstance(action, actions.DeletePod)
    match action:
        case actions.Steer(op=op):
            change = {
                "pause": {"state": AgentState.PAUSED},
                "resume": {"state": AgentState.IDLE},
                "evict": {"evict": True},
                "terminate": {"state": AgentState.TERMINATED, "evict": False},
            }[op]
            known = dataclasses.replace(seen.bus.view, **change)  # type: ignore[type-var]
            return dataclasses.replace(seen, bus=dataclasses.replace(seen.bus, view=known))
        case actions.Reap(token=token):
            assert seen.bus.view is not None and seen.bus.view.holder == token
            known = dataclasses.replace(seen.bus.view, holder="")
            return dataclasses.replace(seen, bus=dataclasses.replace(seen.bus, view=known))
        case actions.DeletePod(pod=gone, force=force):
            assert gone in seen.pods, "a pod can be deleted once"
            left = tuple(each for each in seen.pods if each != gone)
            leaving = dataclasses.replace(gone, deleting=True, leaves_by=NOW + 30)
            going = () if gone.dead or force else (leaving,)
            return dataclasses.replace(seen, pods=(*left, *going))
        case actions.CreatePod(body=body):
            taken = {each.name for each in seen.pods if each.owner_uid == "agent-uid"}
            assert action.name not in taken
            server = {"uid": "new", "resourceVersion": "9", "creationTimestamp": "1970-01-12T13:46:40Z"}
            new = pod_facts({**body, "metadata": {**body["metadata"], **server}})
            return dataclasses.replace(seen, pods=(*seen.pods, new))
    raise AssertionError(f"unknown action {action}")


@given(observations())
@settings(max_examples=300, deadline=None)
def test_a_plan_that_was_carried_out_leaves_nothing_to_do(seen: Observation) -> None:
    after = seen
    # Deleting an Agent is one plan, and what its deletion asks for the next.
    for _ in range(1 + any(isinstance(each, actions.DeleteAgent) for each in plan_of(seen).actions)):
        for action in plan_of(after).actions:
            after = carried_out(after, action)
    assert plan_of(after).actions == ()


@given(observations())
@settings(max_examples=150, deadline=None)
def test_a_live_holder_is_never_deleted_while_its_agent_stays(seen: Observation) -> None:
    assert seen.agent is not None
    if seen.agent.deleting or seen.bus.view is None or seen.bus.view.uid != seen.agent.uid:
        return
    assert seen.agent.spec is not None
    if AgentState.TERMINATED in {seen.bus.view.state, seen.agent.spec.operating_mode.lower()}:
        return  # it is over: its pod is ended at once
    gone = [each.pod for each in plan_of(seen).actions if isinstance(each, actions.DeletePod)]
    assert all(each.uid != seen.bus.view.holder or each.dead or why_lost(each, NOW) for each in gone)


@given(observations())
@settings(max_examples=150, deadline=None)
def test_whoever_is_lost_is_written_off_and_nobody_else_is(seen: Observation) -> None:
    decided = plan_of(seen).actions
    forced = {each.pod.uid for each in decided if isinstance(each, actions.DeletePod) and each.force}
    assert forced == {each.uid for each in seen.pods if why_lost(each, NOW)}


@given(observations())
@settings(max_examples=150, deadline=None)
def test_a_pod_is_made_only_for_a_running_agent_that_nobody_holds(seen: Observation) -> None:
    decided = plan_of(seen).actions
    if not any(isinstance(each, actions.CreatePod) for each in decided):
        return
    assert seen.agent is not None
    assert seen.slot
    # Not even beside one that exits: the limit counts it.
    mine = [each for each in seen.pods if each.owner_uid == seen.agent.uid]
    assert all(each.dead or why_lost(each, NOW) for each in mine)
    known = seen.bus.view if seen.bus.view and seen.bus.view.uid == seen.agent.uid else None
    assert cause_of(FACTORY.wanted(seen.agent.spec or spec(), pool=seen.pool), known) is not None
    reaped = any(isinstance(each, actions.Reap | actions.CreateKeys) for each in decided)
    assert reaped or (seen.bus.view is not None and not seen.bus.view.holder)
    assert seen.agent.spec is not None
    assert seen.agent.spec.operating_mode == "Running"
