"""Everything that can be wrong with a run, from what the API server told and what Redis holds. Pure."""

from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any, Final

from horos_api.names import ANNOTATION_ORDER, LABEL_AGENT, QUOTA
from tests.faults.recorder import Seen

OVER: Final = frozenset({"Succeeded", "Failed"})


def of_pods(history: Sequence[Seen], retired: Collection[str]) -> Iterator[str]:
    """At no time two pods of one agent that are not over, and no more than the pool and the quota let be.

    A pod that retires (its uid is in `retired`) holds nothing while it exits; its successor may come then.
    """
    live: dict[str, str] = {}
    quota: int | None = None
    pool: int | None = None
    for seen in history:
        match seen.kind:
            case "resourcequotas" if seen.name == QUOTA:
                quota = None if seen.change == "DELETED" else int(seen.object["spec"]["hard"]["pods"])
            case "agentpools":
                pool = None if seen.change == "DELETED" else int(seen.object["spec"]["maxRunning"])
            case "pods":
                before = set(live)
                _follow(live, seen)
                if set(live) > before:
                    yield from _twins(live, seen, retired)
                    yield from _too_many(live, seen, quota if quota is not None else pool)


def _follow(live: dict[str, str], seen: Seen) -> None:
    """Keep the uids of the pods that are not over, each with its agent."""
    uid = seen.object["metadata"]["uid"]
    if seen.change == "DELETED" or seen.object["status"].get("phase") in OVER:
        live.pop(uid, None)
    else:
        live[uid] = seen.object["metadata"].get("labels", {}).get(LABEL_AGENT, "")


def _twins(live: Mapping[str, str], seen: Seen, retired: Collection[str]) -> Iterator[str]:
    came = seen.object["metadata"]["uid"]
    others = [
        uid for uid, agent in live.items() if agent == live[came] and uid != came and uid not in retired
    ]
    if others:
        yield f"{live[came]} has {len(others) + 1} pods, when {seen.name} comes (version {seen.version})"


def _too_many(live: Mapping[str, str], seen: Seen, limit: int | None) -> Iterator[str]:
    if limit is not None and len(live) > limit:
        yield f"{len(live)} pods where {limit} may be, when {seen.name} comes (version {seen.version})"


def of_lives(history: Sequence[Seen], epochs: Mapping[str, int]) -> Iterator[str]:
    """Every pod was good for something: as many pods as claims, for each agent that is still there."""
    made: dict[str, set[str]] = defaultdict(set)
    for seen in history:
        if seen.kind == "pods":
            made[seen.object["metadata"]["labels"].get(LABEL_AGENT, "")].add(seen.object["metadata"]["uid"])
    for agent, epoch in epochs.items():
        if len(made[agent]) != epoch:
            yield f"{agent}: {len(made[agent])} pods were made and {epoch} claimed"


def of_births(history: Sequence[Seen]) -> Iterator[str]:
    """What an agent asked for was made once: no two Agents or Groups of one order, at any time."""
    made: dict[str, set[str]] = defaultdict(set)
    for seen in history:
        order = seen.object["metadata"].get("annotations", {}).get(ANNOTATION_ORDER, "")
        if seen.kind in {"agents", "groups"} and order:
            made[order].add(f"{seen.kind} {seen.name} {seen.object['metadata']['uid']}")
    for order, twins in made.items():
        if len(twins) > 1:
            yield f"order {order} was obeyed {len(twins)} times: {', '.join(sorted(twins))}"


def of_messages(
    sent: Mapping[str, str], taken: Mapping[str, Sequence[str]], replies: Mapping[str, str | None]
) -> Iterator[str]:
    """Every message was taken in once, by whom it was for, and answered. `taken`: agent to message ids."""
    for mid, agent in sent.items():
        if replies.get(mid) is None:
            yield f"lost: {mid} to {agent} was never answered"
        if agent not in taken:
            continue  # deleted, and its contexts with it
        times = Counter(taken[agent])[mid]
        if times != 1:
            yield f"{'lost' if not times else 'repeated'}: {mid} was taken in {times} times by {agent}"
    for agent, mids in taken.items():
        for mid in mids:
            if sent.get(mid) != agent:
                yield f"{agent} took in {mid}, which was for {sent.get(mid, 'nobody')}"


def of_keys(keys: Sequence[str], prefix: str) -> Iterator[str]:
    """When every Agent and every Group is gone, so are their keys."""
    for key in keys:
        if key.startswith(f"{prefix}a:"):
            yield f"{key} is left of an Agent that is gone"
        if key.startswith((f"{prefix}g:", f"{prefix}groups")):
            yield f"{key} is left of a Group that is gone"


def difference(wanted: Any, found: Any, where: str = "") -> Iterator[str]:
    """Name each place where two plain values differ."""
    if isinstance(wanted, Mapping) and isinstance(found, Mapping):
        for key in sorted({*wanted, *found}):
            yield from difference(wanted.get(key), found.get(key), f"{where}.{key}" if where else str(key))
    elif wanted != found:
        yield f"{where}: {found!r}, where nothing went wrong: {wanted!r}"
