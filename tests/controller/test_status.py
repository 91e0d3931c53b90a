"""The status as it is written, and when."""

import dataclasses
import json
from typing import Any

import pytest

from horos_api.conditions import ConditionStatus, ConditionType, Reason
from horos_api.resources import AgentStatus
from horos_api.server_report import ServerReport, ServersReport, ServerState
from horos_bus.records import DayUsage, TotalUsage
from horos_operator.checks import verdicts
from horos_operator.family import Family
from horos_operator.observation import BusSeen
from horos_operator.situation import situation
from horos_operator.status import agent_status, write_due
from horos_operator.verdict import Verdict
from tests.controller.facts import NOW, agent, held, pod, seen, spec, view, wanted

READY = {ConditionType.READY: Verdict(ConditionStatus.TRUE, Reason.RESIDENT, "pod ada-1 holds it")}
WRITTEN = {
    "state": "idle",
    "owed": 2,
    "approvals": 4,
    "deadLetters": 1,
    "usage": {
        "turns": 3,
        "promptTokens": 40,
        "completionTokens": 5,
        "cost": "1.25",
        "today": {"date": "1970-01-12", "tokens": 9, "cost": "0.5"},
    },
    "podName": "ada-1",
    "conditions": [
        {
            "type": "Ready",
            "status": "True",
            "reason": "Resident",
            "message": "pod ada-1 holds it",
            "observedGeneration": 1,
            "lastTransitionTime": "1970-01-12T13:46:40Z",
        }
    ],
}
TODAY = DayUsage(day=11, tokens=9, cost=500_000_000)
USED = view(
    owed=2,
    approvals=4,
    dead=1,
    usage=TotalUsage(turns=3, prompt_tokens=40, completion_tokens=5, cost=1_250_000_000, today=TODAY),
)


def test_the_whole_status() -> None:
    status = agent_status(seen(agent(), known=USED), agent(), READY, "ada-1")
    assert status == WRITTEN
    AgentStatus.model_validate(status, by_alias=True, by_name=False)


def test_a_day_that_is_over_is_no_reason_to_write() -> None:
    tomorrow = dataclasses.replace(seen(agent(), known=USED), now=NOW + 86_400)
    status = agent_status(tomorrow, agent(status=WRITTEN), READY, "ada-1")
    assert write_due(WRITTEN, status, since_last=1e9) is None


def test_an_agent_that_never_asked_a_model_has_no_day() -> None:
    assert agent_status(seen(agent(), known=view()), agent(), READY, None)["usage"] == {
        "turns": 0,
        "promptTokens": 0,
        "completionTokens": 0,
        "cost": "0",
    }


def test_a_status_stays_below_one_kilobyte() -> None:
    uses = [{"name": f"s{number}", "serverName": "docs"} for number in range(64)]
    mine, of = pod(), agent(spec(budget={"tokensPerDay": 10**12}, tools={"servers": uses}))
    total = TotalUsage(10**6, 10**12, 10**12, 10**15 + 1, DayUsage(11, 10**12, 10**15 + 1))
    observed = seen(of, mine, known=held(mine, usage=total))
    told = verdicts(situation(observed, of, wanted(of.spec)))
    status = agent_status(observed, of, told, "ada-1")
    AgentStatus.model_validate(status, by_alias=True, by_name=False)
    assert [each["type"] for each in status["conditions"]][3] == "BudgetExhausted"
    # Without the two messages, of which a person needs every word.
    words = sum(len(each["message"]) for each in status["conditions"])
    assert len(json.dumps(status)) - words < 1024


TWO_SERVERS = spec(
    tools={"servers": [{"name": "time", "command": ["time"]}, {"name": "docs", "url": "http://docs/mcp"}]}
)
REPORT = ServersReport(
    servers=(
        ServerReport(name="time", state=ServerState.CONNECTED),
        ServerReport(name="docs", state=ServerState.FAILED, error="no"),
        ServerReport(name="gone", state=ServerState.CONNECTED),
    )
)


@pytest.mark.parametrize(
    ("report", "holder", "connected"),
    [(REPORT, "uid-of-ada-1", 1), (REPORT, "", 0), (None, "uid-of-ada-1", 0)],
)
def test_the_tool_servers_of_the_spec_are_counted_and_without_a_pod_none_is_connected(
    report: ServersReport | None, holder: str, connected: int
) -> None:
    of = agent(TWO_SERVERS)
    observed = seen(of, known=view(holder=holder))
    observed = dataclasses.replace(observed, bus=dataclasses.replace(observed.bus, report=report))
    status = agent_status(observed, of, READY, "ada-1")
    assert status["servers"] == {"connected": connected, "total": 2}
    AgentStatus.model_validate(status, by_alias=True, by_name=False)


def test_an_agent_without_tool_servers_counts_none() -> None:
    before = agent(status={"servers": {"connected": 1, "total": 1}})
    assert "servers" not in agent_status(seen(before, known=view()), before, READY, None)
    assert agent_status(seen(before, bus=BusSeen(problem="down")), before, READY, None)["servers"]


def test_the_time_of_a_transition_stays_while_the_answer_stays() -> None:
    before = agent(status=WRITTEN)
    later = dataclasses.replace(seen(before, known=USED), now=2_000_000.0)
    assert agent_status(later, before, READY, "ada-1") == WRITTEN
    lost = {ConditionType.READY: Verdict(ConditionStatus.FALSE, Reason.STARTING, "")}
    changed = agent_status(later, before, lost, "ada-1")["conditions"][0]
    assert changed["lastTransitionTime"] == "1970-01-24T03:33:20Z"


def test_without_redis_what_it_knows_stays_as_it_was() -> None:
    before = agent(status=WRITTEN)
    blind = dataclasses.replace(seen(before), bus=BusSeen(problem="down"))
    status = agent_status(blind, before, READY, "ada-1")
    assert (status["state"], status["usage"]) == ("idle", WRITTEN["usage"])


def test_the_same_status_is_not_written() -> None:
    assert write_due(WRITTEN, dict(WRITTEN), since_last=1000) is None


@pytest.mark.parametrize(("since", "due"), [(0, 5.0), (2, 3.0), (5, 0.0), (1e9, 0.0), (-3600, 0.0)])
def test_what_only_counts_on_waits_five_seconds(since: float, due: float) -> None:
    counted = {**WRITTEN, "usage": {"turns": 4, "promptTokens": 50, "completionTokens": 6}}
    assert write_due(WRITTEN, counted, since) == due


@pytest.mark.parametrize(
    "change", [{"status": "False"}, {"reason": "Replacing"}, {"observedGeneration": 2}], ids=str
)
def test_a_condition_that_turns_is_written_at_once(change: dict[str, object]) -> None:
    condition = {**WRITTEN["conditions"][0], **change}  # type: ignore[dict-item]
    assert write_due(WRITTEN, {**WRITTEN, "conditions": [condition]}, since_last=0) == 0.0


def test_the_first_status_is_written_at_once() -> None:
    assert write_due({}, WRITTEN, since_last=0) == 0.0


def whereabouts(scheduled: tuple[str, str], ready: tuple[str, str], generation: int = 1) -> dict[str, Any]:
    pairs = (("Accepted", ("True", "Valid")), ("Scheduled", scheduled), ("Ready", ready))
    return {
        "conditions": [
            {"type": kind, "status": status, "reason": reason, "observedGeneration": generation}
            for kind, (status, reason) in pairs
        ]
    }


ASLEEP = whereabouts(("True", "Hibernated"), ("True", "Hibernated"))
AWAKE = whereabouts(("True", "Resident"), ("True", "Resident"))


def test_where_a_healthy_agent_is_is_told_when_it_has_lasted() -> None:
    queued = whereabouts(("False", "Queued"), ("True", "Queued"))
    for new in (AWAKE, queued):
        assert write_due(ASLEEP, new, since_last=100, lasted=0.5) == 1.5
        assert write_due(ASLEEP, new, since_last=100, lasted=2) == 0.0
        assert write_due(ASLEEP, new, since_last=1, lasted=2) == 4.0
        assert write_due(ASLEEP, new, since_last=-3600, lasted=-3600) == 0.0, "the clock was put back"


def test_a_short_activation_is_one_write_with_what_it_used() -> None:
    used = {**ASLEEP, "usage": {"turns": 1}}
    assert write_due(ASLEEP, {**AWAKE, "state": "running"}, since_last=100, lasted=0.3) == 1.7
    assert write_due(ASLEEP, used, since_last=100, lasted=0.0) == 0.0


def test_what_a_person_may_have_to_act_on_is_told_at_once() -> None:
    new = whereabouts(("True", "Starting"), ("False", "Starting"))
    assert write_due(new, AWAKE, since_last=0.1) == 0.0
    stuck = whereabouts(("True", "Starting"), ("False", "SecretMissing"))
    assert write_due(ASLEEP, stuck, since_last=0.1) == 0.0
    assert (
        write_due(ASLEEP, whereabouts(("True", "Resident"), ("True", "Resident"), 2), since_last=0.1) == 0.0
    )


def test_children_are_counted_once_there_was_one() -> None:
    counted = [
        agent_status(seen(of, known=view(), family=Family(children=number)), of, READY, None).get("children")
        for of, number in ((agent(), 0), (agent(), 2), (agent(status={"children": 2}), 0))
    ]
    assert counted == [None, 2, 0]
