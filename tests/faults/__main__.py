"""`python -m tests.faults [--list] [PART OF A POINT…]`: all points, or those whose name contains a part."""

import argparse
import asyncio
import shutil
import sys
import tempfile
from pathlib import Path

from tests.controller.conftest import ours_alone
from tests.e2e.cluster import unavailable
from tests.faults.points import points_of, without_point
from tests.faults.runs import AT_ONCE, Run, Workshop


async def faults(parts: list[str], lanes: int, *, only_list: bool) -> int:
    """Try the points; 0 when all passed. What failed leaves its log."""
    folder = Path(tempfile.mkdtemp(prefix="horos-faults-"))
    async with Workshop.open(folder, lanes) as workshop:
        quiet = await workshop.quiet()
        if not quiet.passed:
            print(f"FAILED {quiet}\noperator crash points: 0 passed, 1 failed")
            return 1
        points = list(points_of(quiet.writes, quiet.told))
        missing = without_point(points)
        for event in missing:
            print(f"FAILED {event} has no point: teach tests/faults/story.py to bring it about")
        chosen = [point for point in points if not parts or any(part in str(point) for part in parts)]
        if only_list:
            print("\n".join(map(str, chosen)))
            return 0
        runs = await workshop.run_all(chosen, quiet.end, _say)
    failed = [run for run in runs if not run.passed]
    for run in failed:
        print(f"FAILED {run}")
    if not failed:
        shutil.rmtree(folder)
    print(f"operator crash points: {len(runs) - len(failed)} passed, {len(failed) + len(missing)} failed")
    return 1 if failed or missing else 0


def _say(run: Run) -> None:
    print(f"ok {run.point} {run.seconds:.1f} s" if run.passed else f"FAILED {run}", flush=True)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.faults")
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--list", action="store_true")
    parser.add_argument("--lanes", type=int, default=AT_ONCE)
    chosen = parser.parse_args()
    if reason := unavailable():
        print(f"{reason}\noperator crash points: 0 passed, 1 failed")
        return 1
    with ours_alone():
        return asyncio.run(faults(chosen.parts, chosen.lanes, only_list=chosen.list))


if __name__ == "__main__":
    sys.exit(main())
