"""What people write for a LocalCluster, and what they delete: the side of kubectl."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any, Final

from horos_operator.cluster import RefusedError
from horos_operator.local.admission import Document, admitted, refused_change, refused_marks
from horos_operator.local.apply import applied, newly_applied
from horos_operator.local.data import DataFolders, data_of
from horos_operator.local.environment import Values
from horos_operator.local.kinds import DATA, PLURALS, SECRET
from horos_operator.local.objects import Objects, Target
from horos_operator.local.store import ObjectStore

OF_A_CLUSTER: Final = ("image", "imagePullSecrets", "nodeSelector", "tolerations", "resources")
"""Fields of an Agent that say where and from what its pod is made; here it is a process of this program."""

log = logging.getLogger("horos.operator")


class Written:
    """Brings objects, Secrets and ConfigMaps to what documents say."""

    def __init__(self, store: ObjectStore, objects: Objects, values: Values) -> None:
        self._store = store
        self._objects = objects
        self._values = values

    def apply(self, documents: Sequence[Mapping[str, Any]], namespace: str) -> None:
        """Create or change what is written; `namespace` is that of documents which name none.

        Raises RefusedError, with a line for each problem; then nothing has changed.
        """
        wanted = admitted(documents, namespace)
        problems = [f"{each}: {line}" for each in wanted for line in self._refusal(each).splitlines()]
        if problems:
            raise RefusedError("\n".join(problems))
        for each in wanted:
            self._apply(each)
            if ignored := [field for field in OF_A_CLUSTER if field in (each.body.get("spec") or {})]:
                log.warning("%s: %s mean nothing without a cluster", each, ", ".join(ignored))

    def delete(self, kind: str, namespace: str, name: str) -> bool:
        """Begin to delete an object; False: there is none. Raises RefusedError for an unknown kind."""
        if kind in DATA:
            return self._folders(kind).remove(namespace, name)
        if kind not in PLURALS:
            raise RefusedError(f"kind: expected one of {', '.join([*PLURALS, *DATA])}, found {kind!r}")
        return self._objects.delete(Target(PLURALS[kind], namespace, name))

    def _refusal(self, wanted: Document) -> str:
        if wanted.kind in DATA:
            try:
                data_of(wanted)
            except RefusedError as error:
                return error.message
            return ""
        plural = PLURALS[wanted.kind]
        there = self._store.find(plural, wanted.namespace, wanted.name)
        if why := refused_marks(there, wanted.body):
            return why
        return "" if there is None else refused_change(plural, there, applied(there, wanted.body))

    def _apply(self, wanted: Document) -> None:
        if wanted.kind in DATA:
            self._folders(wanted.kind).replace(wanted)
            return
        target = Target(PLURALS[wanted.kind], wanted.namespace, wanted.name)
        if self._store.find(target.plural, target.namespace, target.name) is None:
            self._objects.create(target.plural, newly_applied(wanted.body))
        else:
            self._objects.change(target, lambda there: applied(there, wanted.body))

    def _folders(self, kind: str) -> DataFolders:
        return self._values.secrets if kind == SECRET else self._values.config_maps
