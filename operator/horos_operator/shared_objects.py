"""What agents of a namespace share (ModelConfigs, ToolServers), as the operator remembers it."""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

from pydantic import BaseModel, ValidationError

from horos_api.resources import AgentSpec
from horos_operator.facts import first_problem

SpecT = TypeVar("SpecT", bound=BaseModel)


@dataclass(frozen=True, slots=True)
class SharedFacts(Generic[SpecT]):
    """A shared object as the API server last showed it. `spec` is None when it cannot be understood."""

    namespace: str
    name: str
    uid: str
    version: int
    generation: int
    spec: SpecT | None
    problem: str
    status: Mapping[str, Any]


def shared_facts(body: Mapping[str, Any], spec_model: type[SpecT]) -> SharedFacts[SpecT]:
    """Read a shared object; a spec that pydantic refuses becomes `problem`, with the field named."""
    metadata = body["metadata"]
    spec, problem = None, ""
    try:
        spec = spec_model.model_validate(body.get("spec") or {}, by_alias=True, by_name=False)
    except ValidationError as error:
        problem = first_problem(error)
    return SharedFacts(
        namespace=metadata["namespace"],
        name=metadata["name"],
        uid=metadata["uid"],
        version=int(metadata["resourceVersion"]),
        generation=int(metadata.get("generation", 0)),
        spec=spec,
        problem=problem,
        status=body.get("status") or {},
    )


class SharedCache(Generic[SpecT]):
    """All objects of one kind by namespace and name; `used` names those that an agent's spec uses."""

    def __init__(self, used: Callable[[AgentSpec], frozenset[str]]) -> None:
        self.used = used
        self._objects: dict[str, dict[str, SharedFacts[SpecT]]] = {}

    def __iter__(self) -> Iterator[SharedFacts[SpecT]]:
        return (each for of_one in self._objects.values() for each in of_one.values())

    def of(self, namespace: str) -> dict[str, SharedFacts[SpecT]]:
        """The objects of a namespace by name."""
        return dict(self._objects.get(namespace, {}))

    def known(self, seen: SharedFacts[SpecT]) -> SharedFacts[SpecT] | None:
        """What is remembered under the same name."""
        return self._objects.get(seen.namespace, {}).get(seen.name)

    def put(self, seen: SharedFacts[SpecT]) -> None:
        """Remember it."""
        self._objects.setdefault(seen.namespace, {})[seen.name] = seen

    def drop(self, seen: SharedFacts[SpecT]) -> None:
        """Forget what has its name."""
        self._objects.get(seen.namespace, {}).pop(seen.name, None)
