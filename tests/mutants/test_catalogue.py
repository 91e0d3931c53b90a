"""The catalogue fits the scripts; `make mutants` runs it."""

from collections import Counter

import pytest

from tests.crash.points import scripts, writing_scripts
from tests.mutants.catalogue import MUTANTS, Mutant


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda mutant: mutant.name)
def test_what_a_mutant_takes_away_is_there_once(mutant: Mutant) -> None:
    assert scripts()[mutant.script].count(mutant.text) == 1
    assert mutant.text != mutant.instead


def test_every_script_that_writes_has_a_guard_to_lose() -> None:
    assert set(writing_scripts()) <= {mutant.script for mutant in MUTANTS}


def test_names_are_unique() -> None:
    assert [name for name, count in Counter(mutant.name for mutant in MUTANTS).items() if count > 1] == []
