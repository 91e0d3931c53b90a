"""The protocol holds in every configuration, and each guard that is taken away is missed."""

import pytest

from tests.protocol.configurations import SMALL
from tests.protocol.explore import explore
from tests.protocol.guards import Guard, Rules
from tests.protocol.scenario import FAULTS, Model
from tests.protocol.traps import TRAPS


@pytest.mark.parametrize("name", SMALL)
def test_the_protocol_holds(name: str) -> None:
    result = explore(Model.of(SMALL[name], Rules()))
    assert result.violation is None, str(result)


@pytest.mark.parametrize("name", TRAPS)
def test_a_missing_guard_is_found(name: str) -> None:
    trap = TRAPS[name]
    result = explore(Model.of(trap.scenario, Rules(frozenset({trap.without}))))
    assert result.violation is not None, f"nothing is wrong without: {trap.without}"
    assert trap.finds in result.violation, str(result)


@pytest.mark.parametrize("name", TRAPS)
def test_the_scenario_of_a_trap_holds_with_its_guard(name: str) -> None:
    result = explore(Model.of(TRAPS[name].scenario, Rules()))
    assert result.violation is None, str(result)


def test_every_guard_has_a_trap_and_every_fault_a_configuration() -> None:
    assert {trap.without for trap in TRAPS.values()} == set(Guard)
    assert {fault for scenario in SMALL.values() for fault in scenario.faults} == set(FAULTS)
