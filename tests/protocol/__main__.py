"""`python -m tests.protocol [--long | --traps] [PART OF A NAME…]`: explore by hand, print what was seen."""

import sys

from tests.protocol.configurations import LONG, SMALL
from tests.protocol.explore import explore
from tests.protocol.guards import Rules
from tests.protocol.scenario import Model
from tests.protocol.traps import TRAPS

LONG_LIMIT = 3_000_000


def main(arguments: list[str]) -> int:
    """Explore what was asked for; 1 if anything is not as it should be."""
    parts = [argument for argument in arguments if not argument.startswith("-")]
    wrong = 0
    if "--traps" in arguments:
        return sum(not spring(name) for name in TRAPS if not parts or name in parts)
    for name, scenario in (LONG if "--long" in arguments else SMALL).items():
        if not parts or any(part in name for part in parts):
            result = explore(Model.of(scenario, Rules()), LONG_LIMIT)
            wrong += result.violation is not None
            print(f"{name}: {result}", flush=True)
    return 1 if wrong else 0


def spring(name: str) -> bool:
    """Explore one trap and print the way to the disaster."""
    trap = TRAPS[name]
    result = explore(Model.of(trap.scenario, Rules(frozenset({trap.without}))))
    print(f"{name} without `{trap.without}`: {result}", flush=True)
    return result.violation is not None and trap.finds in result.violation


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
