"""What is counted of agents: what they are, and what they have used since somebody counts."""

from typing import Any

import pytest

from horos_api.conditions import ConditionType, Reason
from horos_api.money import NANO
from horos_api.resources import OperatingMode
from horos_bus.connection import BusError, BusUnavailableError, CredentialsRefusedError, NotPermittedError
from horos_bus.records import TotalUsage
from horos_operator.checks import verdicts
from horos_operator.cluster import ClusterError, NotLeadingError, RefusedError
from horos_operator.facts import AgentFacts
from horos_operator.metrics import Metrics
from horos_operator.observation import BusSeen, Observation
from horos_operator.plan import Plan
from horos_operator.situation import situation
from horos_operator.verdict import no, yes
from horos_operator.witness import KEPT_SECONDS, Witness
from tests.controller.facts import FACTORY, agent, configs, held, model_config, pod, seen, spec, view
from tests.controller.test_metrics import read
from tests.exposition import Scraped


class Stage:
    """An operator that leads, tells of up to `limit` agents one by one, and can be scraped."""

    def __init__(self, limit: int = 10) -> None:
        self.leads = True
        self.metrics = Metrics()
        self.witness = Witness(self.metrics)
        self.metrics.read_agents(self.witness.census, lambda: self.leads, limit)
        self.witness.begin(0.0)

    def looks_at(self, of: AgentFacts, observed: Observation) -> None:
        wanted = FACTORY.wanted(of.spec, observed.configs) if of.spec else None
        case = situation(observed, of, wanted)
        self.witness.told(case, verdicts(case))

    def uses(self, name: str = "ada", uid: str = "agent-uid", **used: int) -> None:
        """A pass finds this usage of an agent."""
        of = agent(name=name, uid=uid)
        self.looks_at(of, seen(of, known=view(name=name, uid=uid, usage=TotalUsage(**used))))

    def read(self) -> Scraped:
        return read(self.metrics)


def test_agents_are_counted_by_what_they_are_once_each() -> None:
    stage, holder = Stage(), pod("ada-1")
    ada = agent()
    stage.looks_at(ada, seen(ada, known=view()))
    stage.looks_at(ada, seen(ada, holder, known=held(holder)))
    suspended = agent(spec(operatingMode=OperatingMode.SUSPENDED), name="bob", uid="b")
    stage.looks_at(suspended, seen(suspended, known=view(name="bob", uid="b")))
    refused = agent(namespace="sales", name="eve", uid="e")
    stage.looks_at(refused, seen(refused, known=view(name="eve", uid="e"), refused="no room"))
    assert stage.read().labelled("horos_agents") == {
        ("research", "resident"): 1,
        ("research", "suspended"): 1,
        ("sales", "stuck"): 1,
    }
    assert stage.read().labelled("horos_agents_unready") == {
        ("research", "Suspended"): 1,
        ("sales", "PodRefused"): 1,
    }
    assert stage.read().labelled("horos_queue_length") == {("research",): 0, ("sales",): 0}
    stage.witness.forget(("sales", "eve"))
    assert ("sales", "stuck") not in stage.read().labelled("horos_agents")
    stage.leads = False
    assert stage.read().labelled("horos_agents") == {}
    assert stage.read().labelled("horos_agent_turns_total") == {}


def test_dead_letters_are_summed_and_kept_while_the_bus_is_silent() -> None:
    stage, ada, bob = Stage(), agent(), agent(name="bob", uid="b")
    stage.looks_at(ada, seen(ada, known=view(dead=2)))
    stage.looks_at(bob, seen(bob, known=view(name="bob", uid="b", dead=1)))
    stage.looks_at(ada, seen(ada, bus=BusSeen(problem="away")))
    assert stage.read().labelled("horos_dead_letters") == {("research",): 3}


def test_who_waits_for_a_slot_is_the_queue() -> None:
    stage, ada = Stage(), agent()
    answers = verdicts(situation(seen(ada, known=view()), ada, FACTORY.wanted(spec())))
    queued = {**answers, ConditionType.SCHEDULED: no(Reason.QUEUED, "2 agents are before it")}
    stage.witness.told(situation(seen(ada, known=view()), ada, FACTORY.wanted(spec())), queued)
    assert stage.read().labelled("horos_queue_length") == {("research",): 1}
    hibernated = {**answers, ConditionType.SCHEDULED: yes(Reason.HIBERNATED, "nobody needs it")}
    stage.witness.told(situation(seen(ada, known=view()), ada, FACTORY.wanted(spec())), hibernated)
    assert stage.read().labelled("horos_queue_length") == {("research",): 0}
    assert stage.read().labelled("horos_agents") == {("research", "hibernated"): 1}


def test_what_agents_use_is_summed_by_namespace_and_model_and_told_of_each() -> None:
    stage = Stage()
    stage.uses()
    stage.uses(turns=2, prompt_tokens=100, completion_tokens=10, cost=NANO // 4)
    stage.uses(turns=3, prompt_tokens=150, completion_tokens=15, cost=NANO // 2)
    stage.uses("bob", "b", turns=5)
    stage.uses("bob", "b", turns=6)
    found = stage.read()
    assert found.labelled("horos_turns_total") == {("small", "research"): 4}
    assert found.labelled("horos_tokens_total") == {
        ("prompt", "small", "research"): 150,
        ("completion", "small", "research"): 15,
    }
    assert found.labelled("horos_cost_total") == {("small", "research"): 0.5}
    assert found.labelled("horos_agent_turns_total") == {("ada", "research"): 3, ("bob", "research"): 6}
    assert found.labelled("horos_agent_tokens_total")["ada", "prompt", "research"] == 150
    assert found.labelled("horos_agent_cost_total")["ada", "research"] == 0.5


def test_the_model_is_the_one_that_is_configured_when_it_is_used() -> None:
    stage, ada = Stage(), agent()
    stage.uses()
    stage.uses(turns=1)
    moved: dict[str, Any] = {"configs": configs(model_config())}
    stage.looks_at(ada, seen(ada, known=view(usage=TotalUsage(turns=3)), **moved))
    expected = {("small", "research"): 1, ("model-of-default", "research"): 2}
    assert stage.read().labelled("horos_turns_total") == expected


def test_what_was_used_before_somebody_counted_is_in_no_sum() -> None:
    stage = Stage()
    stage.uses(turns=100)
    assert stage.read().labelled("horos_turns_total") == {}
    assert stage.read().labelled("horos_agent_turns_total") == {("ada", "research"): 100}
    stage.uses(turns=101)
    assert stage.read().labelled("horos_turns_total") == {("small", "research"): 1}
    stage.witness.begin(0.0)
    stage.uses(turns=150)
    assert stage.read().labelled("horos_turns_total") == {("small", "research"): 1}


def test_a_silent_bus_and_a_redis_that_lost_its_last_second_count_nothing_twice() -> None:
    stage, ada = Stage(), agent()
    silent = seen(ada, bus=BusSeen(problem="away"))
    stage.looks_at(ada, silent)
    stage.uses(turns=100)
    stage.looks_at(ada, silent)
    stage.uses(turns=101)
    stage.uses(turns=99)
    stage.uses(turns=100)
    assert stage.read().labelled("horos_turns_total") == {("small", "research"): 2}


def test_a_new_life_of_a_name_counts_from_its_beginning() -> None:
    stage = Stage()
    stage.uses(turns=100)
    stage.uses(uid="later", turns=7)
    assert stage.read().labelled("horos_turns_total") == {("small", "research"): 7}


def test_with_more_agents_than_the_limit_only_sums_are_told() -> None:
    stage = Stage(limit=1)
    stage.uses()
    stage.uses(turns=1)
    assert stage.read().labelled("horos_agent_turns_total") == {("ada", "research"): 1}
    stage.uses("bob", "b")
    found = stage.read()
    assert found.labelled("horos_agent_turns_total") == {}
    assert found.labelled("horos_turns_total") == {("small", "research"): 1}
    assert sum(found.labelled("horos_agents").values()) == 2


def test_activations_reach_the_metrics() -> None:
    stage, ada = Stage(), agent()
    key = (ada.namespace, ada.name)
    stage.witness.planned(key, seen(ada, pod(), known=view(since=999_998.0)), Plan())
    assert stage.read().value("horos_queue_wait_seconds_sum", namespace="research") == 2
    held_now = view(holder="uid-of-ada-1", epoch=1, claimed=1_000_001.0)
    stage.witness.planned(key, seen(ada, pod(), known=held_now), Plan())
    found = stage.read()
    assert found.labelled("horos_activations_total") == {("research",): 1}
    assert found.labelled("horos_activation_seconds_count") == {
        (each,): 1 for each in ("granted", "created", "scheduled", "running", "claimed")
    }
    assert found.value("horos_activation_seconds_sum", stage="claimed") == 3


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (ClusterError("x"), "cluster"),
        (RefusedError("x"), "cluster"),
        (BusError("x"), "bus"),
        (KeyError("x"), "defect"),
    ],
)
def test_passes_are_measured_and_counted_when_they_fail(error: Exception, kind: str) -> None:
    metrics = Metrics()
    with pytest.raises(type(error)), metrics.passing():
        raise error
    with metrics.passing():
        pass
    with pytest.raises(NotLeadingError), metrics.passing():
        raise NotLeadingError("x")
    assert read(metrics).labelled("horos_reconcile_errors_total") == {(kind,): 1}
    assert read(metrics).value("horos_reconcile_seconds_count") == 3


@pytest.mark.parametrize(
    ("error", "kind"),
    [
        (BusUnavailableError("x"), "unavailable"),
        (CredentialsRefusedError("x"), "credentials"),
        (NotPermittedError("x"), "not-permitted"),
        (BusError("OOM"), "refused"),
    ],
)
def test_errors_of_the_bus_are_told_apart(error: BusError, kind: str) -> None:
    metrics = Metrics()
    metrics.bus_failed(error)
    assert read(metrics).labelled("horos_bus_errors_total") == {(kind,): 1}


def test_a_namespace_that_has_had_no_agents_for_an_hour_is_told_no_more() -> None:
    stage = Stage()
    for namespace in ("research", "brief"):
        ada = agent(namespace=namespace)
        stage.witness.planned((namespace, "ada"), seen(ada, known=view()), Plan())
        for turns in (0, 2):
            stage.looks_at(ada, seen(ada, known=view(usage=TotalUsage(turns=turns))))
        stage.witness.forget((namespace, "ada"))
    both = {("small", "research"): 2, ("small", "brief"): 2}
    stage.witness.there({"research"}, 100.0)
    stage.witness.there({"research"}, 99.0 + KEPT_SECONDS)
    assert stage.read().labelled("horos_turns_total") == both
    stage.witness.there({"research"}, 100.0 + KEPT_SECONDS)
    assert stage.read().labelled("horos_turns_total") == {("small", "research"): 2}
