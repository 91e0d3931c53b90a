"""Fake nodes and a world on them, for tests on the cluster."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.controller.conftest import ours_alone, require_cluster
from tests.simulator.nodes import fake_nodes
from tests.simulator.process import simulating
from tests.simulator.world import World, world


@pytest.fixture(scope="module")
def nodes() -> Iterator[list[str]]:
    require_cluster()
    with ours_alone(), fake_nodes() as names:
        yield names


@pytest.fixture
def fake_world(nodes: list[str], tmp_path: Path) -> Iterator[World]:
    """One namespace on a fake node, with an operator and the simulator."""
    with world(tmp_path) as made, simulating(made.names):
        made.start_operator()
        yield made
