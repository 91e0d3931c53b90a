"""A LocalCluster's folder without processes, and what people write into it."""

from pathlib import Path
from typing import Any

import pytest

from horos_operator.cluster import RefusedError
from horos_operator.local.data import DataFolders
from horos_operator.local.environment import Values
from horos_operator.local.kinds import CONFIG_MAP, SECRET
from horos_operator.local.objects import Objects
from horos_operator.local.store import ObjectStore
from horos_operator.local.written import Written


class Place:
    """A folder, and what people write into it; `again` is the next process on it."""

    def __init__(self, folder: Path, environment: dict[str, str] | None = None) -> None:
        self.folder = folder
        self.store = ObjectStore(folder / "objects")
        self.store.load()
        environment = environment or {}
        folders = (DataFolders(folder, kind, environment) for kind in (SECRET, CONFIG_MAP))
        self.values = Values(*folders, environment)
        self.objects = Objects(self.store)
        self.written = Written(self.store, self.objects, self.values)

    def apply(self, *documents: Any) -> None:
        self.written.apply(documents, "default")

    def refusal(self, *documents: Any) -> str:
        before = list(self.store.everything())
        with pytest.raises(RefusedError) as refused:
            self.apply(*documents)
        assert list(self.store.everything()) == before, "what is refused changes nothing"
        return refused.value.message

    def agent(self, name: str = "ada") -> Any:
        return self.store.find("agents", "default", name)

    def again(self) -> "Place":
        return Place(self.folder)
