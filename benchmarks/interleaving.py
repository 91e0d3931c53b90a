"""What is asked for, and the order of the runs: what disturbs one disturbs all."""

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol, TypeAlias, TypeVar

from benchmarks.field import Contender
from benchmarks.report import Figures, Runs
from benchmarks.tools import MissingToolError

Results: TypeAlias = dict[str, Any]
"""What a part measured, ready for JSON: repetitions, comparisons, and weight."""


@dataclass(frozen=True)
class Asked:
    """What the command asks for; None for peers and scenarios means all."""

    quick: bool = False
    peers: tuple[str, ...] | None = None
    scenarios: tuple[str, ...] | None = None
    repetitions: int | None = None
    weight: bool = True

    def of(self, contenders: Sequence[Contender]) -> list[Contender]:
        return [each for each in contenders if self.peers is None or each.key in self.peers]

    def wants(self, scenario: str) -> bool:
        return self.scenarios is None or scenario in self.scenarios


class Named(Protocol):
    @property
    def name(self) -> str: ...


S = TypeVar("S", bound=Named)


def measure(
    contenders: Sequence[Contender],
    scenarios: Sequence[S],
    repetitions: int,
    once: Callable[[Contender, S], Figures],
) -> Runs:
    """Run all, the peers one after the other within each scenario of each repetition."""
    runs: Runs = {}
    for repetition in range(repetitions):
        for scenario in scenarios:
            for contender in contenders:
                if contender.only and scenario.name not in contender.only:
                    continue
                said = runs.setdefault((scenario.name, contender.key), [])
                try:
                    said.append(once(contender, scenario))
                except (RuntimeError, MissingToolError) as error:
                    said.append(str(error))
                print(repetition + 1, scenario.name, contender.key, said[-1], file=sys.stderr, flush=True)
    return runs
