"""Conditions: for each thing that can be wrong the reason and the sentence that a person reads."""

import dataclasses
from typing import Any

import pytest

from horos_api.agent_state import AgentState
from horos_api.budgets import day_of
from horos_api.conditions import ConditionType, Reason
from horos_bus.records import DayUsage, TotalUsage
from horos_operator.agent_factory import AgentFactory
from horos_operator.checks import verdicts
from horos_operator.day_budget import seconds_to_reset
from horos_operator.facts import PodFacts, pod_facts
from horos_operator.family import Family
from horos_operator.observation import BusSeen, Observation
from horos_operator.situation import situation
from horos_operator.tool_servers import ToolServerFacts
from horos_operator.verdict import Verdict
from tests.controller.facts import (
    FACTORY,
    NOW,
    SETTINGS,
    agent,
    configs,
    failed_pod,
    held,
    model_config,
    pod,
    seen,
    servers,
    spec,
    tool_server,
    view,
)


def answers_to(observed: Observation, factory: AgentFactory = FACTORY) -> dict[ConditionType, Verdict]:
    assert observed.agent is not None
    spec = observed.agent.spec
    wanted = factory.wanted(spec, observed.configs, observed.servers) if spec else None
    if wanted is not None and observed.family.trouble is not None:
        wanted = dataclasses.replace(wanted, barred=True)
    return verdicts(situation(observed, observed.agent, wanted))


def told(observed: Observation, kind: ConditionType = ConditionType.READY) -> Verdict:
    return answers_to(observed)[kind]


def brief(observed: Observation) -> list[str]:
    """All conditions, as `Type=Status:Reason`."""
    answers = answers_to(observed)
    return [f"{kind.value}={each.status.value}:{each.reason.value}" for kind, each in answers.items()]


def waiting(reason: str, message: str) -> PodFacts:
    return pod(phase="Pending", running=False, waiting_reason=reason, waiting_message=message)


def test_a_resident_agent_is_ready() -> None:
    mine = pod()
    assert brief(seen(agent(), mine, known=held(mine))) == [
        "Accepted=True:Valid",
        "Scheduled=True:Resident",
        "Ready=True:Resident",
    ]


def test_a_new_agent_is_starting() -> None:
    assert brief(Observation(agent(), (), BusSeen(), NOW)) == [
        "Accepted=True:Valid",
        "Scheduled=False:Starting",
        "Ready=False:Starting",
    ]


def test_a_pod_that_has_not_claimed_is_starting() -> None:
    assert brief(seen(agent(), pod(), known=view()))[1:] == [
        "Scheduled=True:Starting",
        "Ready=False:Starting",
    ]


def test_a_resident_that_must_leave_still_answers() -> None:
    mine = pod()
    assert brief(seen(agent(), mine, known=held(mine, evict=True)))[2] == "Ready=True:Resident"
    edited = agent(spec(image="other:1"))
    assert brief(seen(edited, mine, known=held(mine, evict=True)))[2] == "Ready=True:Replacing"


@pytest.mark.parametrize(
    ("reason", "message", "expected", "sentence"),
    [
        ("ErrImagePull", "no such host", Reason.IMAGE_PULL_FAILED, "no such host"),
        (
            "ImagePullBackOff",
            'Back-off pulling image "x:1": ErrImagePull: no such host',
            Reason.IMAGE_PULL_FAILED,
            "no such host",
        ),
        (
            "ImagePullBackOff",
            'Back-off pulling image "x:1"',
            Reason.IMAGE_PULL_FAILED,
            'Back-off pulling image "x:1"',
        ),
        ("ErrImageNeverPull", "", Reason.IMAGE_PULL_FAILED, "ErrImageNeverPull"),
        ("InvalidImageName", "bad reference", Reason.IMAGE_PULL_FAILED, "bad reference"),
        (
            "CreateContainerConfigError",
            'secret "llm" not found',
            Reason.SECRET_MISSING,
            'Secret "llm" does not exist; create it with key "apiKey" and "org"',
        ),
        (
            "CreateContainerConfigError",
            "couldn't find key apiKey in Secret research/llm",
            Reason.SECRET_MISSING,
            'Secret "llm" has no key "apiKey"; add it',
        ),
        (
            "CreateContainerConfigError",
            'secret "horos-bus" not found',
            Reason.SECRET_MISSING,
            'Secret "horos-bus" is gone; the operator makes it again',
        ),
        (
            "CreateContainerConfigError",
            'configmap "places" not found',
            Reason.CONFIG_MAP_MISSING,
            'ConfigMap "places" does not exist; create it',
        ),
        (
            "CreateContainerConfigError",
            "couldn't find key city in ConfigMap research/places",
            Reason.CONFIG_MAP_MISSING,
            'ConfigMap "places" has no key "city"; add it',
        ),
        (
            "CreateContainerError",
            "no such device",
            Reason.CONTAINER_STUCK,
            "CreateContainerError: no such device",
        ),
        (
            "ContainerCreating",
            "",
            Reason.STARTING,
            "pod ada-1 has not claimed the inbox yet",
        ),
    ],
)
def test_a_pod_that_does_not_start_says_why(
    reason: str, message: str, expected: Reason, sentence: str
) -> None:
    asked = spec(
        model={"apiKeySecretRef": {"name": "llm", "key": "apiKey"}},
        env=[{"name": "ORG", "valueFrom": {"secretKeyRef": {"name": "llm", "key": "org"}}}],
    )
    answer = told(seen(agent(asked), waiting(reason, message), known=view()))
    assert (answer.reason, answer.message) == (expected, sentence)


def test_a_pod_that_no_node_takes() -> None:
    nowhere = pod(phase="Pending", running=False, unschedulable="0/2 nodes are available")
    assert brief(seen(agent(), nowhere, known=view()))[1:] == [
        "Scheduled=False:Unschedulable",
        "Ready=False:Unschedulable",
    ]


def test_a_refused_pod_shows_what_the_api_server_said() -> None:
    refused = dataclasses.replace(seen(agent(), known=view()), refused="exceeded quota")
    assert brief(refused)[1:] == ["Scheduled=False:PodRefused", "Ready=False:PodRefused"]
    assert told(refused).message == "exceeded quota"


def test_a_crashed_container_tells_its_last_words() -> None:
    crashed = seen(agent(), failed_pod(ago=0), known=view())
    assert told(crashed).message == (
        "pod ada-1 ended with exit code 1: boom; tried again from 13:46:41 UTC on"
    )
    assert brief(crashed)[1:] == ["Scheduled=False:ContainerCrashed", "Ready=False:ContainerCrashed"]


def test_a_crash_loop_tells_how_often_and_when_it_is_tried_again_and_says_the_same_meanwhile() -> None:
    for ago in (0, 7):
        crashed = failed_pod(ago=ago, failures=3)
        until = dataclasses.replace(seen(agent(), crashed, known=view()), now=NOW)
        at = "13:46:48" if ago == 0 else "13:46:41"
        words = f"boom; tried again from {at} UTC on after 4 failures in a row"
        assert told(until).message.endswith(words)
        assert told(dataclasses.replace(until, now=NOW + 3)).message == told(until).message


def test_its_successor_keeps_the_last_words_until_it_has_claimed() -> None:
    before = {"conditions": [{"type": "Ready", "reason": "ContainerCrashed", "message": "boom"}]}
    successor = pod(failures=1)
    starting = seen(agent(status=before), successor, known=view())
    assert told(starting) == Verdict(told(starting).status, Reason.CONTAINER_CRASHED, "boom")
    assert brief(seen(agent(status=before), successor, known=held(successor)))[2] == "Ready=True:Resident"


@pytest.mark.parametrize(
    ("reason", "expected"),
    [
        ("ModelRefusesKey", Reason.MODEL_REFUSES_KEY),
        ("ModelMisconfigured", Reason.MODEL_MISCONFIGURED),
        ("SomethingNew", Reason.TURN_FAILED),
    ],
)
def test_an_agent_in_error_tells_what_the_runtime_said(reason: str, expected: Reason) -> None:
    mine = pod()
    failed = held(mine, state=AgentState.ERROR, reason=reason, message="401 from the model")
    answer = told(seen(agent(), mine, known=failed))
    assert (answer.reason, answer.message) == (expected, "401 from the model")


def test_without_a_model_anywhere_the_field_is_named() -> None:
    mine, bare = pod(), AgentFactory(SETTINGS.model_copy(update={"model_name": "", "model_base_url": ""}))
    of = agent(spec(model={"name": "x"}))
    for observed in (seen(of, known=view()), seen(of, mine, known=held(mine))):
        answer = answers_to(observed, bare)[ConditionType.READY]
        assert (answer.status, answer.reason) == ("False", Reason.MODEL_MISCONFIGURED)
        assert "set spec.model.baseUrl, or make a ModelConfig named default, or set" in answer.message


def test_a_model_config_that_does_not_exist_is_named_before_what_the_runtime_says_of_it() -> None:
    mine, of = pod(), agent(spec(model={"configName": "big"}))
    sentence = "ModelConfig big (spec.model.configName) does not exist in namespace research; create it"
    failed = held(mine, state=AgentState.ERROR, reason="ModelMisconfigured", message="no model")
    for known in (held(mine), failed, view()):
        answer = told(seen(of, mine, known=known))
        assert (answer.status, answer.reason, answer.message) == (
            "False",
            Reason.MODEL_CONFIG_MISSING,
            sentence,
        )
    there = seen(of, mine, known=held(mine), configs=configs(model_config("big")))
    assert brief(there)[2] == "Ready=True:Resident"


def test_a_model_config_that_cannot_be_read_is_told_with_its_field() -> None:
    broken = model_config("default", contextWindowTokens=1)
    answer = told(seen(agent(), known=view(), configs=configs(broken)))
    assert answer.reason == Reason.MODEL_MISCONFIGURED
    assert answer.message.startswith("ModelConfig default: spec.contextWindowTokens: ")


def test_an_output_that_the_filled_in_window_does_not_hold_is_told() -> None:
    of = agent(spec(model={"maxOutputTokens": 5000}))
    small = configs(model_config(contextWindowTokens=4096))
    answer = told(seen(of, known=view(), configs=small))
    assert (answer.reason, answer.message) == (
        Reason.MODEL_MISCONFIGURED,
        "spec.model: maxOutputTokens (5000) must be below contextWindowTokens (4096)",
    )


@pytest.mark.parametrize(
    ("fallback", "why"),
    [
        ({"configName": "spare"}, "spec.model.fallbacks[1] is left out: ModelConfig spare does not exist"),
        (
            {"contextWindowTokens": 600, "maxOutputTokens": 599, "configName": "broken"},
            "spec.model.fallbacks[1] is left out: ModelConfig broken: spec.baseUrl: ",
        ),
    ],
)
def test_a_fallback_that_cannot_be_asked_is_told_and_does_no_harm(fallback: dict[str, Any], why: str) -> None:
    mine, of = pod(), agent(spec(model={"fallbacks": [{"name": "good"}, fallback]}))
    known = configs(model_config("broken", baseUrl="no"))
    observed = seen(of, mine, known=held(mine), configs=known)
    assert brief(observed) == [
        "Accepted=True:FallbackUnusable",
        "Scheduled=True:Resident",
        "Ready=True:Resident",
    ]
    assert told(observed, ConditionType.ACCEPTED).message.startswith(why)


USES_DOCS = spec(
    tools={"servers": [{"name": "time", "command": ["time"]}, {"name": "d", "serverName": "docs"}]}
)


@pytest.mark.parametrize(
    ("known", "why"),
    [
        ((), "ToolServer docs does not exist in namespace research"),
        ((tool_server(url="docs"),), "ToolServer docs: spec.url: String should match pattern"),
    ],
)
def test_a_tool_server_that_cannot_be_used_is_told_and_does_no_harm(
    known: tuple[ToolServerFacts, ...], why: str
) -> None:
    mine = pod()
    observed = seen(agent(USES_DOCS), mine, known=held(mine), servers=servers(*known))
    assert brief(observed) == [
        "Accepted=True:ToolServerUnusable",
        "Scheduled=True:Resident",
        "Ready=True:Resident",
    ]
    message = told(observed, ConditionType.ACCEPTED).message
    assert message.startswith(f"spec.tools.servers[1] (d) has no tools: {why}")
    there = seen(agent(USES_DOCS), mine, known=held(mine), servers=servers(tool_server()))
    assert brief(there)[0] == "Accepted=True:Valid"


def test_money_that_cannot_be_counted_is_told() -> None:
    of = agent(spec(budget={"costPerDay": "5"}))
    free = seen(of, known=view(), configs=configs(model_config()))
    answer = told(free, ConditionType.ACCEPTED)
    assert (answer.status, answer.reason) == ("True", Reason.MODEL_UNPRICED)
    assert answer.message.startswith("budget.costPerDay does not count spec.model (model-of-default): ")
    priced = configs(model_config(pricePerMillionTokens={"prompt": "0"}))
    assert told(seen(of, known=view(), configs=priced), ConditionType.ACCEPTED).reason == Reason.VALID


TODAY = day_of(NOW)
MIDNIGHT = "1970-01-13T00:00:00Z"


def used(day: int, tokens: int, cost: int = 0) -> TotalUsage:
    return TotalUsage(today=DayUsage(day, tokens, cost))


@pytest.mark.parametrize(
    ("budget", "usage", "reason", "sentence"),
    [
        (
            {"tokensPerDay": 100},
            used(TODAY, 130),
            Reason.TOKENS_PER_DAY,
            "today's tokens are used up: 130 of 100 (budget.tokensPerDay);"
            f" the next day begins at {MIDNIGHT}",
        ),
        (
            {"tokensPerDay": 100, "costPerDay": "0.25"},
            used(TODAY, 99, 250_000_000),
            Reason.COST_PER_DAY,
            f"today's money is used up: 0.25 of 0.25 (budget.costPerDay); the next day begins at {MIDNIGHT}",
        ),
    ],
)
def test_a_budget_that_is_used_up_is_told_with_its_limit_and_its_end(
    budget: dict[str, Any], usage: TotalUsage, reason: Reason, sentence: str
) -> None:
    mine, of = pod(), agent(spec(budget=budget))
    observed = seen(of, mine, known=held(mine, usage=usage))
    answer, ready = told(observed, ConditionType.BUDGET_EXHAUSTED), told(observed)
    assert (answer.status, answer.reason, answer.message) == ("True", reason, sentence)
    assert (ready.status, ready.reason, ready.message) == ("False", Reason.BUDGET_EXHAUSTED, sentence)
    left = MIDNIGHT_SECONDS - NOW
    assert seconds_to_reset(observed) == left
    tomorrow = dataclasses.replace(observed, now=NOW + left)
    assert brief(tomorrow)[2:] == ["Ready=True:Resident", "BudgetExhausted=False:WithinBudget"]
    assert seconds_to_reset(tomorrow) is None


MIDNIGHT_SECONDS = (TODAY + 1) * 86_400.0


@pytest.mark.parametrize(
    ("usage", "answer"),
    [
        (TotalUsage(), "False:WithinBudget"),
        (used(TODAY, 99), "False:WithinBudget"),
        (used(TODAY - 1, 10**6), "False:WithinBudget"),
        (used(TODAY + 1, 100), "True:TokensPerDay"),
    ],
    ids=["nothing", "something", "yesterday", "an agent whose clock is ahead"],
)
def test_a_budget_counts_one_day(usage: TotalUsage, answer: str) -> None:
    of = agent(spec(budget={"tokensPerDay": 100}))
    assert brief(seen(of, known=view(usage=usage)))[3:] == [f"BudgetExhausted={answer}"]


def test_without_a_budget_of_the_day_there_is_no_condition_about_it() -> None:
    spent = seen(agent(), known=view(usage=used(TODAY, 10**9, 10**12)))
    assert [each.partition("=")[0] for each in brief(spent)] == ["Accepted", "Scheduled", "Ready"]


def test_without_redis_nobody_knows_what_is_left_of_a_budget() -> None:
    of = agent(spec(budget={"tokensPerDay": 100}))
    down = Observation(of, (), BusSeen(problem="Redis at r:6379 cannot be reached"), NOW)
    assert brief(down)[3:] == ["BudgetExhausted=Unknown:BusUnavailable"]


def test_usage_of_an_earlier_agent_of_the_name_exhausts_nothing() -> None:
    of = agent(spec(budget={"tokensPerDay": 100}))
    earlier = view(uid="earlier", usage=used(TODAY, 200))
    assert brief(seen(of, known=earlier))[3:] == ["BudgetExhausted=False:WithinBudget"]


def test_suspending_and_suspended() -> None:
    asleep, mine = agent(spec(operatingMode="Suspended")), pod()
    assert brief(seen(asleep, mine, known=held(mine, state=AgentState.PAUSED)))[1:] == [
        "Scheduled=True:Suspending",
        "Ready=False:Suspending",
    ]
    assert brief(seen(asleep, known=view(state=AgentState.PAUSED)))[1:] == [
        "Scheduled=False:Suspended",
        "Ready=False:Suspended",
    ]


def test_terminated_is_told_from_the_wish_on() -> None:
    over, mine = agent(spec(operatingMode="Terminated")), pod()
    leaving = seen(over, mine, known=held(mine, state=AgentState.TERMINATED))
    assert brief(leaving)[1:] == ["Scheduled=False:Terminated", "Ready=False:Terminated"]
    assert told(leaving).message.endswith("; pod ada-1 is leaving")
    gone = seen(over, known=view(state=AgentState.TERMINATED))
    assert brief(gone)[1:] == ["Scheduled=False:Terminated", "Ready=False:Terminated"]
    assert "until it is deleted" in told(gone).message


def test_redis_down_is_told_with_its_address() -> None:
    down = Observation(agent(), (), BusSeen(problem="Redis at r:6379 cannot be reached"), NOW)
    assert [each.split("=")[1] for each in brief(down)] == ["False:BusUnavailable"] * 3
    assert told(down).message == "Redis at r:6379 cannot be reached; trying again"


def test_shared_credentials_are_told() -> None:
    observed = seen(agent(), known=view())
    shared = dataclasses.replace(observed, bus=dataclasses.replace(observed.bus, shared=True))
    assert brief(shared)[0] == "Accepted=True:SharedCredentials"


def test_an_unreadable_spec_is_not_accepted_and_its_pod_keeps_answering() -> None:
    mine = pod()
    broken = agent(spec=None, problem="spec.image: wrong")
    assert brief(seen(broken, mine, known=held(mine))) == [
        "Accepted=False:InvalidSpec",
        "Scheduled=True:Resident",
        "Ready=True:Resident",
    ]
    assert told(seen(broken), ConditionType.READY).message == "spec.image: wrong"


def test_deletion_is_told() -> None:
    assert [each.split("=")[1] for each in brief(seen(agent(deleting=True)))] == ["False:Deleting"] * 3


def kubelets(**status: Any) -> dict[str, Any]:
    metadata = {
        "namespace": "research",
        "name": "ada-1",
        "uid": "uid-of-ada-1",
        "resourceVersion": "5",
        "creationTimestamp": "2026-01-01T00:00:00Z",
        "labels": {"horos.dev/agent": "ada"},
        "ownerReferences": [{"uid": "agent-uid", "controller": True}],
    }
    return {"metadata": metadata, "status": status}


def test_an_evicted_pod_has_an_end_without_a_container() -> None:
    facts = pod_facts(kubelets(phase="Failed", reason="Evicted", message="The node was low on memory."))
    answer = told(seen(agent(), facts, known=view()))
    assert answer.message.startswith("pod ada-1 ended (Evicted): The node was low on memory.; tried again")


def test_a_killed_container_says_so() -> None:
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:09Z"}
    facts = pod_facts(
        kubelets(phase="Failed", containerStatuses=[{"name": "agent", "state": {"terminated": ended}}])
    )
    assert facts.ended is not None
    assert facts.ended.at - facts.created == 9
    message = told(seen(agent(), facts, known=view())).message
    assert message == "pod ada-1 ended with exit code 137 (OOMKilled); tried again from 00:00:10 UTC on"


def test_a_deletion_that_waits_for_the_bus_says_so() -> None:
    going = agent(deleting=True)
    assert told(seen(going)).message == "the Agent is being deleted"
    waits = Observation(going, (), BusSeen(problem="Redis at r:6379 cannot be reached"), NOW)
    assert told(waits).message.endswith("the bus does not answer: Redis at r:6379 cannot be reached")


def test_an_agent_without_work_is_hibernated_and_ready() -> None:
    assert brief(seen(agent(), known=view(epoch=3)))[1:] == [
        "Scheduled=True:Hibernated",
        "Ready=True:Hibernated",
    ]
    # A pod that is on its way out is not told as its pod.
    leaving = seen(agent(), pod("ada-3"), known=view(epoch=3))
    assert brief(leaving)[1:] == ["Scheduled=True:Hibernated", "Ready=True:Hibernated"]


def test_ready_stays_true_while_an_agent_that_was_well_waits_and_starts() -> None:
    working = view(epoch=3, in_work=True)
    waits = seen(agent(), known=working, slot=False, queued="all slots are taken")
    assert brief(waits)[1:] == ["Scheduled=False:Queued", "Ready=True:Queued"]
    assert told(waits, ConditionType.SCHEDULED).message == "all slots are taken"
    made = seen(agent(), known=working)
    assert brief(made)[1:] == ["Scheduled=False:Starting", "Ready=True:Starting"]
    starting = seen(agent(), pod("ada-4"), known=working)
    assert brief(starting)[1:] == ["Scheduled=True:Starting", "Ready=True:Starting"]


def test_an_agent_that_was_never_awake_is_not_ready_while_it_waits() -> None:
    waits = seen(agent(), known=view(), slot=False, queued="all slots are taken")
    assert brief(waits)[1:] == ["Scheduled=False:Queued", "Ready=False:Queued"]
    assert told(waits).message == "all slots are taken"


def test_what_kept_a_pod_from_starting_is_told_after_it_gave_its_slot_up() -> None:
    trouble = ("SecretMissing", "create it")
    waits = seen(agent(), known=view(), slot=False, queued="it waits", gave_up=trouble)
    assert brief(waits)[1:] == ["Scheduled=False:Queued", "Ready=False:SecretMissing"]
    assert told(waits).message == "create it"
    assert brief(dataclasses.replace(waits, gave_up=None))[2] == "Ready=False:Queued"
    going = dataclasses.replace(waits, pods=(pod(running=False, deleting=True),))
    assert brief(going)[2] == "Ready=False:SecretMissing"
    again = dataclasses.replace(waits, pods=(pod(),))
    assert brief(again)[2] == "Ready=False:Starting"


def test_a_crash_that_a_healthy_life_followed_is_forgotten_and_a_later_one_is_told() -> None:
    crashed = failed_pod("ada-3", ago=20)
    assert brief(seen(agent(), crashed, known=view(epoch=3)))[2] == "Ready=False:ContainerCrashed"
    assert brief(seen(agent(), crashed, known=view(epoch=4)))[2] == "Ready=True:Hibernated"


def test_an_idle_agent_whose_pod_is_taken_away_stays_ready() -> None:
    leaving = pod(deleting=True)
    assert brief(seen(agent(), leaving, known=held(leaving)))[2] == "Ready=True:Resident"


def test_whom_it_descends_from_keeps_an_agent_from_having_a_pod() -> None:
    trouble = (Reason.PARENT_MISSING, "spec.parentName of ada: there is no Agent lead")
    child = agent(spec(parentName="lead"))
    alone = seen(child, known=view(in_work=True), family=Family(trouble=trouble))
    assert brief(alone) == [f"{kind}=False:ParentMissing" for kind in ("Accepted", "Scheduled", "Ready")]
    assert told(alone).message == trouble[1]
    mine = pod()
    awake = seen(child, mine, known=held(mine), family=Family(trouble=trouble))
    assert brief(awake) == ["Accepted=False:ParentMissing", "Scheduled=True:Resident", "Ready=True:Resident"]


def test_a_task_that_is_done_says_so() -> None:
    done = view(state=AgentState.TERMINATED, reason="TaskDone", epoch=1, ended=NOW)
    observed = seen(agent(spec(lifetime="Task")), known=done)
    assert brief(observed) == ["Accepted=True:Valid", "Scheduled=False:TaskDone", "Ready=False:TaskDone"]
    assert told(observed).message == "it has done its task: takes no messages, and is deleted before long"
