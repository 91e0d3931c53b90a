"""Notices watches that have gone silent: a list showed what no event has told, even a good while later. Pure.

A connection that is dead is Kopf's to notice, by the bookmarks that do not come. This is for everything else
that can keep events from us while the streams look well, and for Kopf itself.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

GRACE_SECONDS: Final = 60.0
"""An event that is so much later than a list is no event any more; Kopf's streams start again within this."""
NAMED_AT_MOST: Final = 3


@dataclass(frozen=True, slots=True)
class Listed:
    """One object as a list showed it; `version` orders those of one kind."""

    name: str
    uid: str
    version: int


@dataclass(slots=True)
class _Suspect:
    listed: Listed
    since: float
    missed: bool = False


class Vigil:
    """Compares what lists show with what watches tell. `clock` gives seconds on any scale that only grows."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._suspects: dict[str, dict[str, _Suspect]] = {}

    def heard(self, kind: str, uid: str, version: int) -> None:
        """A watch has told of this object, or that it is gone."""
        suspects = self._suspects.get(kind)
        if not suspects:
            return
        suspect = suspects.get(uid)
        if suspect is not None and suspect.listed.version <= version:
            del suspects[uid]

    def listed(self, kind: str, objects: Mapping[str, Listed], known: Mapping[str, int]) -> None:
        """A complete list came, by uid; `known` is the version of each object that was known before that.

        What is new in it must be told by the watch, too. What has gone since need not be: nothing tells of a
        deletion while a watch is being opened again.
        """
        now = self._clock()
        before = self._suspects.get(kind, {})
        suspects = {uid: suspect for uid, suspect in before.items() if uid in objects}
        for suspect in suspects.values():
            suspect.missed = suspect.missed or now - suspect.since >= GRACE_SECONDS
        for uid, each in objects.items():
            if uid not in suspects and known.get(uid, -1) < each.version:
                suspects[uid] = _Suspect(each, now)
        self._suspects[kind] = suspects

    def silent(self) -> str:
        """What is wrong, for a person; '' when every watch tells what lists show."""
        for kind, suspects in self._suspects.items():
            missed = sorted(each.listed.name for each in suspects.values() if each.missed)
            if missed:
                more = f" and {len(missed) - NAMED_AT_MOST} more" if len(missed) > NAMED_AT_MOST else ""
                names = ", ".join(missed[:NAMED_AT_MOST]) + more
                return f"the watch of {kind} is silent: lists show what it has not told of {names}"
        return ""
