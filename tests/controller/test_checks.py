"""Conditions: for each thing that can be wrong the reason and the sentence that a person reads."""

import dataclasses
from typing import Any

import pytest

from horos_api.agent_state import AgentState
from horos_api.conditions import ConditionType, Reason
from horos_operator.checks import Verdict, situation, verdicts
from horos_operator.facts import PodFacts, pod_facts
from horos_operator.observe import BusSeen, Observation
from tests.controller.facts import FACTORY, NOW, agent, failed_pod, held, pod, seen, spec, view


def told(observed: Observation, kind: ConditionType = ConditionType.READY) -> Verdict:
    assert observed.agent is not None
    model = FACTORY.model(observed.agent.spec) if observed.agent.spec else None
    return verdicts(situation(observed, observed.agent, model))[kind]


def brief(observed: Observation) -> list[str]:
    """All three conditions, as `Type=Status:Reason`."""
    assert observed.agent is not None
    model = FACTORY.model(observed.agent.spec) if observed.agent.spec else None
    answers = verdicts(situation(observed, observed.agent, model))
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
    assert brief(seen(agent(), mine, known=held(mine, evict=True)))[2] == "Ready=True:Replacing"


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
    assert told(crashed).message == "pod ada-1 ended with exit code 1: boom"
    assert brief(crashed)[1:] == ["Scheduled=False:ContainerCrashed", "Ready=False:ContainerCrashed"]


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
    mine = pod()
    for observed in (seen(agent(), known=view()), seen(agent(), mine, known=held(mine))):
        assert observed.agent is not None
        bare = situation(observed, observed.agent, spec(model={"name": "x"}).model)
        answer = verdicts(bare)[ConditionType.READY]
        assert (answer.status, answer.reason) == ("False", Reason.MODEL_MISCONFIGURED)
        assert "set spec.model.baseUrl, or a default" in answer.message


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
    assert answer.message == "pod ada-1 ended (Evicted): The node was low on memory."


def test_a_killed_container_says_so() -> None:
    ended = {"exitCode": 137, "reason": "OOMKilled", "finishedAt": "2026-01-01T00:00:09Z"}
    facts = pod_facts(
        kubelets(phase="Failed", containerStatuses=[{"name": "agent", "state": {"terminated": ended}}])
    )
    assert facts.ended is not None
    assert facts.ended.at - facts.created == 9
    assert (
        told(seen(agent(), facts, known=view())).message == "pod ada-1 ended with exit code 137 (OOMKilled)"
    )


def test_a_deletion_that_waits_for_the_bus_says_so() -> None:
    going = agent(deleting=True)
    assert told(seen(going)).message == "the Agent is being deleted"
    waits = Observation(going, (), BusSeen(problem="Redis at r:6379 cannot be reached"), NOW)
    assert told(waits).message.endswith("the bus does not answer: Redis at r:6379 cannot be reached")
