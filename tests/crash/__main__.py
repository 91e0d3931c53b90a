"""`python -m tests.crash crash|soak|leave|sends`: every point, or random kills against a growing history;
a message at every moment of an agent's leaving, or many at random ones.

crash [--seed S] [--list] [PART OF A POINT…]   try all points, or those whose name contains one of the parts
soak [--seed S] [--kills N]                    until so many processes were killed
leave [--list] [PART OF A PLACE…]              a message at every moment, or those whose name contains a part
sends [--seed S] [--sends N]                   so many messages around the moment when agents retire
"""

import argparse
import asyncio
import sys

from tests.crash.hibernation import WAYS, Visit, moments_of, talk, visit_all
from tests.crash.points import Point, points_of, without_point
from tests.crash.runs import Run, Workshop


async def crash(seed: str, parts: list[str], *, only_list: bool) -> int:
    """Run all points; 0 when all passed."""
    if named := _named(parts):
        async with Workshop.open() as workshop:
            return _sum_up(await workshop.run_all(seed, named, _say), [])
    async with Workshop.open() as workshop:
        quiet = await workshop.run(seed)
        if not quiet.passed:
            print(f"without any kill: {quiet}")
            print("crash points: 0 passed, 1 failed")
            return 1
        points = list(points_of(quiet.calls))
        missing = without_point(points)
        for name in missing:
            print(f"the script {name} has no point: teach tests/crash/story.py to call it")
        chosen = [point for point in points if not parts or any(part in str(point) for part in parts)]
        if only_list:
            print("\n".join(map(str, chosen)))
            return 0
        runs = await workshop.run_all(seed, chosen, _say)
    return _sum_up(runs, missing)


async def leave(parts: list[str], *, only_list: bool) -> int:
    """Send a message at every moment of leaving; 0 when all were answered."""
    async with Workshop.open() as workshop:
        places = [place for way in WAYS for place in await moments_of(workshop, way)]
        chosen = [place for place in places if not parts or any(part in str(place) for part in parts)]
        if only_list:
            print("\n".join(map(str, chosen)))
            return 0
        visits = await visit_all(workshop, chosen, _tell)
    failed = [visit for visit in visits if not visit.passed]
    for visit in failed:
        print(f"FAILED {visit}")
    print(f"moments of leaving: {len(visits) - len(failed)} passed, {len(failed)} failed")
    return 1 if failed else 0


def _tell(visit: Visit) -> None:
    print(f"{'ok' if visit.passed else 'FAILED'} {visit.place} {visit.seconds:.1f} s", flush=True)


async def sends(seed: str, count: int) -> int:
    """Send so many messages around retiring; 0 when all were answered once."""
    async with Workshop.open() as workshop:
        done = await talk(workshop, seed, count)
    for problem in done.found[:20]:
        print(f"{problem} (seed {seed})")
    print(done)
    return 1 if done.found else 0


def _named(parts: list[str]) -> list[Point]:
    """Read points that are named in full, which needs no quiet run first; none if any is not."""
    try:
        return [Point.parse(part) for part in parts]
    except ValueError:
        return []


def _sum_up(runs: list[Run], missing: list[str]) -> int:
    failed = [run for run in runs if not run.passed]
    for run in failed:
        print(f"FAILED {run}")
    print(f"crash points: {len(runs) - len(failed)} passed, {len(failed) + len(missing)} failed")
    return 1 if failed or missing else 0


def _say(run: Run) -> None:
    print(f"{'ok' if run.passed else 'FAILED'} {run.point} {run.seconds:.1f} s", flush=True)


def main() -> int:
    """Read the command line."""
    parser = argparse.ArgumentParser(prog="python -m tests.crash")
    parser.add_argument("what", choices=("crash", "soak", "leave", "sends"))
    parser.add_argument("parts", nargs="*")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--kills", type=int, default=60)
    parser.add_argument("--sends", type=int, default=1000)
    parser.add_argument("--list", action="store_true")
    chosen = parser.parse_args()
    if chosen.what == "crash":
        return asyncio.run(crash(chosen.seed, chosen.parts, only_list=chosen.list))
    if chosen.what == "leave":
        return asyncio.run(leave(chosen.parts, only_list=chosen.list))
    if chosen.what == "sends":
        return asyncio.run(sends(chosen.seed, chosen.sends))
    from tests.crash.soak import soak

    return asyncio.run(soak(chosen.seed, chosen.kills))


if __name__ == "__main__":
    sys.exit(main())
