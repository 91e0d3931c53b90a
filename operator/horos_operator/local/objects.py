"""What the API server of a LocalCluster does with objects: uids, versions, finalizers, deletion, owners."""

import logging
import time
import uuid
from collections.abc import Callable, Container, Mapping
from dataclasses import dataclass
from typing import Any, Final

from horos_api.budgets import utc_time
from horos_operator.cluster import ClusterError, NameTakenError, OutdatedError, RefusedError
from horos_operator.local.admission import refused_change, same_spec
from horos_operator.local.kinds import PODS
from horos_operator.local.store import Body, ObjectStore

GRACE_SECONDS: Final = 30
"""What a pod that says nothing else is given to leave, as in Kubernetes."""

log = logging.getLogger("horos.operator")


@dataclass(frozen=True, slots=True)
class Target:
    """Which object is meant: by plural, namespace and name; `uid` and `version` only where they matter."""

    plural: str
    namespace: str
    name: str
    uid: str = ""
    version: int | None = None


class Objects:
    """Every way in which objects change. All of it happens in one step, since nothing here waits."""

    def __init__(self, store: ObjectStore, wall: Callable[[], float] = time.time) -> None:
        self._store = store
        self._wall = wall

    def create(self, plural: str, body: Body) -> Body:
        """Keep a new object. Raises NameTakenError; what owners it has must exist, or it goes at once."""
        metadata = body["metadata"]
        namespace, name = metadata["namespace"], metadata["name"]
        if self._store.find(plural, namespace, name) is not None:
            raise NameTakenError(f'{plural} "{name}" already exists')
        born = {
            **metadata,
            "uid": str(uuid.uuid4()),
            "creationTimestamp": utc_time(self._wall()),
            **({} if plural == PODS else {"generation": 1}),
        }
        made = self._store.put(plural, {**body, "metadata": born})
        self.collect_garbage()
        return made

    def change(self, target: Target, edit: Callable[[Body], Body]) -> Body:
        """Replace an object by what `edit` makes of it; nothing happens when that is the same.

        Raises OutdatedError when it is gone, another one or of another version, and RefusedError when its
        spec may not change in this way.
        """
        before = self._expected(target)
        after = self._admitted(target.plural, before, edit(before))
        if after == before:
            return before
        only_status = {**after, "status": None} == {**before, "status": None}
        kept = self._store.put(target.plural, after, only_status=only_status)
        if _may_go(target.plural, kept):
            self.remove(target.plural, kept)
        return kept

    def _admitted(self, plural: str, before: Body, after: Body) -> Body:
        """Count a new spec as a new generation. Raises RefusedError."""
        if after.get("spec") == before.get("spec"):
            return after
        if why := refused_change(plural, before, after):
            raise RefusedError(why)
        if same_spec(plural, before, after):
            return {**after, "spec": before.get("spec")}
        return with_metadata(after, generation=before["metadata"].get("generation", 0) + 1)

    def delete(self, target: Target, grace: int | None = None) -> bool:
        """Begin the end of an object, which waits for its finalizers, or a pod's process; False: none there.

        `grace`: seconds that a pod's process has to leave, when they are not those that the pod asks for.
        """
        there = self._store.find(target.plural, target.namespace, target.name)
        if there is None or target.uid not in ("", there["metadata"]["uid"]):
            return False
        ending = there if "deletionTimestamp" in there["metadata"] else self._with_end(target.plural, there)
        if target.plural == PODS:
            ending = self._with_grace(ending, grace)
        if _may_go(target.plural, ending):
            self.remove(target.plural, there)
        elif ending != there:
            self._store.put(target.plural, ending)
        return True

    def remove(self, plural: str, body: Body) -> None:
        """Forget an object now, and delete what only it has owned."""
        self._store.drop(plural, body)
        self.collect_garbage()

    def collect_garbage(self) -> None:
        """Delete what has owners of which none is there any more, and forget what nothing holds.

        What cannot be deleted now is tried again later, and no failure of whoever has changed something else.
        """
        there = {body["metadata"]["uid"] for _, body in self._store.everything()}
        for plural, body in list(self._store.everything()):
            if not (_may_go(plural, body) or _has_lost_its_owners(body, there)):
                continue
            metadata = body["metadata"]
            try:
                self.delete(Target(plural, metadata["namespace"], metadata["name"], metadata["uid"]))
            except ClusterError as error:
                log.warning("%s %s is to go and stays for now: %s", plural, metadata["name"], error.message)

    def _expected(self, target: Target) -> Body:
        there = self._store.find(target.plural, target.namespace, target.name)
        if there is None:
            raise OutdatedError(f'{target.plural} "{target.name}" not found')
        metadata = there["metadata"]
        version = target.version if target.version is not None else int(metadata["resourceVersion"])
        if target.uid not in ("", metadata["uid"]) or version != int(metadata["resourceVersion"]):
            raise OutdatedError(f'{target.plural} "{target.name}" has changed since it was seen')
        return there

    def _with_end(self, plural: str, body: Body) -> Body:
        changed: dict[str, Any] = {"deletionTimestamp": utc_time(self._wall())}
        if plural != PODS:
            changed["generation"] = body["metadata"].get("generation", 0) + 1
        return with_metadata(body, **changed)

    def _with_grace(self, pod: Body, grace: int | None) -> Body:
        before = pod["metadata"].get("deletionGracePeriodSeconds")
        asked = pod["spec"].get("terminationGracePeriodSeconds", GRACE_SECONDS) if grace is None else grace
        if before is not None and before <= asked:
            return pod
        by = utc_time(self._wall() + asked)
        return with_metadata(pod, deletionGracePeriodSeconds=asked, deletionTimestamp=by)


def _may_go(plural: str, body: Body) -> bool:
    """Whether nothing holds an object that is being deleted: a pod is let go by whoever runs its process."""
    metadata = body["metadata"]
    return plural != PODS and "deletionTimestamp" in metadata and not metadata.get("finalizers")


def _has_lost_its_owners(body: Body, there: Container[str]) -> bool:
    """Whether it has owners, of which none is among those uids, and its end has not begun."""
    owners = body["metadata"].get("ownerReferences") or ()
    begun = "deletionTimestamp" in body["metadata"]
    return bool(owners) and not begun and not any(owner["uid"] in there for owner in owners)


def with_metadata(body: Body, **changed: Any) -> dict[str, Any]:
    """Build an object with these parts of its metadata in place of those that it has."""
    metadata: Mapping[str, Any] = body["metadata"]
    return {**body, "metadata": {**metadata, **changed}}
