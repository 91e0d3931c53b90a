"""Agents' pods as last seen, by namespace and agent, and the memory of what is gone for good."""

from collections.abc import Iterator
from typing import Final

from horos_operator.facts import PodFacts
from horos_operator.queue import Key

REMEMBERED_UIDS: Final = 2000


class Gone:
    """Uids of objects that are gone: an answer that was on its way then must not bring one back."""

    def __init__(self) -> None:
        self._uids: dict[str, None] = {}

    def __contains__(self, uid: str) -> bool:
        return uid in self._uids

    def add(self, uid: str) -> None:
        """Remember one, and forget the oldest if there are too many."""
        self._uids.setdefault(uid)
        if len(self._uids) > REMEMBERED_UIDS:
            del self._uids[next(iter(self._uids))]

    def doubt(self, uid: str) -> None:
        """Take one back: only a list that may have been an old one has said so."""
        self._uids.pop(uid, None)


class PodCache:
    """The pods of every agent. Older news than what is known is dropped."""

    def __init__(self, gone: Gone) -> None:
        self._gone = gone
        self._pods: dict[str, dict[str, dict[str, PodFacts]]] = {}

    def __iter__(self) -> Iterator[PodFacts]:
        return (pod for namespace in self._pods for pod in self.within(namespace))

    def of(self, key: Key) -> tuple[PodFacts, ...]:
        """The pods of an Agent, oldest first."""
        pods = self._pods.get(key[0], {}).get(key[1], {})
        return tuple(sorted(pods.values(), key=lambda pod: (pod.created, pod.name)))

    def within(self, namespace: str) -> Iterator[PodFacts]:
        """The pods of a namespace, in no order."""
        return (pod for of_one in self._pods.get(namespace, {}).values() for pod in of_one.values())

    def keys(self) -> set[Key]:
        """Every Agent that has pods."""
        return {(namespace, agent) for namespace, agents in self._pods.items() for agent in agents}

    def put(self, seen: PodFacts) -> Key:
        """Remember a pod."""
        if seen.uid not in self._gone:
            pods = self._pods.setdefault(seen.namespace, {}).setdefault(seen.agent, {})
            known = pods.get(seen.uid)
            if known is None or known.version <= seen.version:
                pods[seen.uid] = seen
        return seen.namespace, seen.agent

    def drop(self, seen: PodFacts) -> Key:
        """Forget a pod that is gone."""
        agents = self._pods.get(seen.namespace, {})
        pods = agents.get(seen.agent, {})
        pods.pop(seen.uid, None)
        if not pods:
            agents.pop(seen.agent, None)
        if not agents:
            self._pods.pop(seen.namespace, None)
        self._gone.add(seen.uid)
        return seen.namespace, seen.agent
