"""Groups as last seen, by namespace, and how often something has changed that membership depends on."""

from collections.abc import Iterator

from horos_operator.groups import GroupFacts
from horos_operator.pod_cache import Gone
from horos_operator.queue import Key


class GroupCache:
    """The Groups of every namespace. Older news than what is known is dropped.

    `revision` of a namespace grows with what may change a membership: its Groups, and its Agents' names,
    labels and ends; 0 where there are no Groups. `sweeps` counts complete lists, after each of which nothing
    that is only remembered is trusted.
    """

    def __init__(self, gone: Gone) -> None:
        self._gone = gone
        self._groups: dict[str, dict[str, GroupFacts]] = {}
        self._revisions: dict[str, int] = {}
        self._changes = 0
        self.sweeps = 0

    def __iter__(self) -> Iterator[GroupFacts]:
        return (each for of_one in self._groups.values() for each in of_one.values())

    def namespaces(self) -> set[str]:
        """Every namespace with Groups."""
        return set(self._groups)

    def of(self, namespace: str) -> list[GroupFacts]:
        """The Groups of a namespace, by name."""
        return [each for _, each in sorted(self._groups.get(namespace, {}).items())]

    def group(self, key: Key) -> GroupFacts | None:
        """The Group, or None when there is none as far as we know."""
        return self._groups.get(key[0], {}).get(key[1])

    def revision(self, namespace: str) -> int:
        """How much has changed there so far."""
        return self._revisions.get(namespace, 0)

    def touch(self, namespace: str) -> None:
        """Something has changed there that a membership may depend on."""
        if namespace in self._groups:
            self._changes += 1
            self._revisions[namespace] = self._changes

    def doubt(self) -> None:
        """Trust nothing that is only remembered."""
        self.sweeps += 1

    def put(self, seen: GroupFacts) -> set[Key]:
        """Remember a Group; no Agent needs a pass for it."""
        if self.remember(seen):
            self.touch(seen.namespace)
        return set()

    def remember(self, seen: GroupFacts) -> bool:
        """Remember the answer to something of our own, which is no reason to look; says if it was news."""
        known = self.group((seen.namespace, seen.name))
        if seen.uid in self._gone or (known is not None and known.version >= seen.version):
            return False
        self._groups.setdefault(seen.namespace, {})[seen.name] = seen
        return True

    def drop(self, seen: GroupFacts) -> set[Key]:
        """Forget a Group that is gone; a younger one of the same name stays."""
        self._gone.add(seen.uid)
        known = self.group((seen.namespace, seen.name))
        if known is not None and known.uid == seen.uid:
            groups = self._groups[seen.namespace]
            del groups[seen.name]
            self.touch(seen.namespace)
            if not groups:
                del self._groups[seen.namespace], self._revisions[seen.namespace]
        return set()

    def forget_missing(self, missing: frozenset[str]) -> None:
        """Drop what a list no longer showed."""
        for group in [each for each in self if each.uid in missing]:
            self.drop(group)
